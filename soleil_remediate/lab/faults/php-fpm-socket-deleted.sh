# about: somebody deleted php-fpm's socket; it runs and nobody can reach it
# scenario: application-down
# kinds: page.served service.restart
rm /run/php/php8.2-fpm.sock
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
systemctl --quiet is-active php8.2-fpm
