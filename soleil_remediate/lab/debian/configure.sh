#!/bin/bash
# Runs once, in a chroot of the image being built: users, services, the application with its database.
set -euo pipefail

# Without a resolver and a name for itself every sudo would wait 20 s for DNS.
printf '127.0.0.1 localhost lab-image\n' > /etc/hosts
rm -f /etc/resolv.conf
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > /etc/resolv.conf

# A host's role decides which services start; what belongs to one host (keys, machine id) is given to it.
systemctl -q disable nginx php8.2-fpm postgresql pgbouncer redis-server supervisor cron rsyslog e2scrub_reap
systemctl -q disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer
systemctl -q mask getty@tty1.service console-getty.service systemd-pstore.service systemd-networkd.service \
  systemd-resolved.service
: > /etc/machine-id
rm -f /etc/ssh/ssh_host_*

useradd -m -s /bin/bash -G www-data,adm,systemd-journal deploy
useradd -m -s /bin/bash ops
useradd -m -s /bin/bash guest
echo 'ops:ops-secret' | chpasswd
echo 'deploy ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/deploy
echo 'ops ALL=(ALL:ALL) ALL' > /etc/sudoers.d/ops
chmod 440 /etc/sudoers.d/deploy /etc/sudoers.d/ops
for user in root deploy ops guest; do
  install -d -m 700 -o "$user" -g "$user" "$(getent passwd "$user" | cut -d: -f6)/.ssh"
done
cat > /etc/ssh/sshd_config.d/lab.conf <<'EOF'
UseDNS no
# The default of 10 unauthenticated connections drops logins of a fleet test.
MaxStartups 200:30:400
MaxSessions 100
PermitRootLogin prohibit-password
PasswordAuthentication yes
EOF

# No limit of its own, so that a journal can fill its disk; small files, so that a vacuum can cut it finely.
mkdir -p /etc/systemd/journald.conf.d /var/log/journal
cat > /etc/systemd/journald.conf.d/lab.conf <<'EOF'
[Journal]
Storage=persistent
RateLimitIntervalSec=0
SystemMaxUse=4G
SystemKeepFree=1
SystemMaxFileSize=16M
EOF

# In place of a mail server: see mail_sink.py.
install -m 755 /run/lab/mail_sink.py /usr/local/sbin/mail-sink
install -d -m 750 -o mail -g mail /var/mail/sink
printf 'greeting=220 mail.lab ESMTP\ndelay=0\nuser=soleil\npassword=lab-mail-secret\n' > /etc/mail-sink.conf
chown mail:mail /etc/mail-sink.conf
chmod 640 /etc/mail-sink.conf
cat > /lib/systemd/system/mail-sink.service <<'EOF'
[Unit]
Description=a stand-in for a mail server, which keeps what it is sent in /var/mail/sink

[Service]
ExecStart=/usr/bin/python3 /usr/local/sbin/mail-sink 2525
User=mail

[Install]
WantedBy=multi-user.target
EOF

sed -i 's/^#\?max_connections.*/max_connections = 40/' /etc/postgresql/15/main/postgresql.conf
mkdir -p /run/php /run/postgresql
chown postgres: /run/postgresql
chmod 2775 /run/postgresql
pg_ctlcluster 15 main start --skip-systemctl-redirect
bash /run/lab/application.sh
pg_ctlcluster 15 main stop -m fast --skip-systemctl-redirect
