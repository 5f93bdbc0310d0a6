# about: php-fpm dies of a broken pool and systemd starts it again and again
# scenario: application-down
# kinds: page.served service.configured
# ends: by hand
mkdir -p /etc/systemd/system/php8.2-fpm.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=500ms\n' \
  >/etc/systemd/system/php8.2-fpm.service.d/restart.conf
systemctl daemon-reload
echo 'pm = nonsense' >>/etc/php/8.2/fpm/pool.d/www.conf
systemctl kill --signal=KILL php8.2-fpm
until_unit php8.2-fpm activating
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
