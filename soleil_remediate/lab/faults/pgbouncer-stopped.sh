# about: the application goes through pgbouncer, and somebody stopped it; PostgreSQL itself is well
# scenario: database-connection-failure
# kinds: database.answers page.served pgbouncer.start
through_pgbouncer
systemctl stop pgbouncer
until_unit pgbouncer inactive
[ "$(answer ready)" = 503 ] || fail "the database still answers"
