# about: php-fpm was killed and nobody starts it again; nginx answers 502
# scenario: application-down
# kinds: page.served service.start
systemctl kill --signal=KILL php8.2-fpm
until_unit php8.2-fpm failed
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
