# about: nginx hangs for good, workers and all; php-fpm is well
# scenario: application-down
# kinds: page.served service.restart
main_of nginx | hang
workers_of nginx | hang
[ "$(answer live 3)" = 000 ] || fail "nginx still answers"
systemctl --quiet is-active nginx
