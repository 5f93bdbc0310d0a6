# about: php-fpm was reloaded with a broken pool: the reload went well and php-fpm died of it
# scenario: application-down
# kinds: page.served service.configured
# ends: by hand
echo 'pm = nonsense' >>/etc/php/8.2/fpm/pool.d/www.conf
systemctl reload php8.2-fpm
until_unit php8.2-fpm failed
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
