# about: somebody stopped PostgreSQL's cluster; postgresql.service itself is still called active
# scenario: database-connection-failure
# kinds: database.answers page.served postgresql.start
systemctl stop postgresql@15-main
until_unit postgresql@15-main inactive
systemctl --quiet is-active postgresql
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
[ "$(answer ready)" = 503 ] || fail "the database still answers"
