# about: a service that systemd runs for the application has leaked, until next to nothing of the host's memory is left
# scenario: memory-exhaustion
# kinds: memory.available leaking-unit.restart
# memory: 1 GiB
cat >/srv/soleil/shared/sockets.php <<'PHP'
<?php
$held = [];
for ($n = 0; $n < (int) @file_get_contents("/run/lab-leak"); $n++) $held[] = str_repeat("x", 1 << 20);
sleep(3600);
PHP
cat >/etc/systemd/system/soleil-sockets.service <<'UNIT'
[Service]
User=www-data
WorkingDirectory=/srv/soleil/current
ExecStart=/usr/bin/php ../../shared/sockets.php
[Install]
WantedBy=multi-user.target
UNIT
echo $(($(memory_left) - 94)) >/run/lab-leak
systemctl daemon-reload
systemctl --quiet enable --now soleil-sockets 2>/dev/null
until_short
rm /run/lab-leak # once it is started anew it leaks no more
systemctl is-active --quiet soleil-sockets || fail "it was killed"
