# about: every worker of php-fpm hangs for good; php-fpm itself is well
# scenario: application-down
# kinds: page.served service.reload
workers_of php8.2-fpm | hang
[ "$(answer live 3)" = 000 ] || fail "a worker still answers"
