# about: php-fpm hangs for good, workers and all; systemd calls it active
# scenario: application-down
# kinds: page.served service.reload service.restart
main_of php8.2-fpm | hang
workers_of php8.2-fpm | hang
[ "$(answer live 3)" = 000 ] || fail "php-fpm still answers"
systemctl --quiet is-active php8.2-fpm
