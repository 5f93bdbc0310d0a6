# about: somebody stopped php-fpm and masked it, so that nothing may start it
# scenario: application-down
# kinds: page.served
# ends: by hand
systemctl --quiet mask --now php8.2-fpm 2>/dev/null
[ "$(answer live)" = 502 ] || fail "nginx still reaches php-fpm"
