# about: php-fpm was killed, and nginx would not survive its own next restart: its configuration on disk is broken
# scenario: application-down
# kinds: page.served service.configured service.start
# ends: eased
echo 'nonsense on;' >/etc/nginx/conf.d/broken.conf
systemctl kill --signal=KILL php8.2-fpm
until_unit php8.2-fpm failed
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
