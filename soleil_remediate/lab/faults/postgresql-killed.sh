# about: PostgreSQL was killed; php-fpm and nginx are well, and every page that needs the database fails
# scenario: database-connection-failure
# kinds: database.answers page.served postgresql.start
systemctl kill --signal=KILL postgresql@15-main
until_unit postgresql@15-main failed
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
[ "$(answer ready)" = 503 ] || fail "the database still answers"
