# about: PostgreSQL hangs for good, all of its processes; systemd and pg_lsclusters call it well
# scenario: database-connection-failure
# kinds: database.answers page.served postgresql.restart
main_of postgresql@15-main | hang
workers_of postgresql@15-main | hang
pg_isready --quiet --username=postgres --timeout=2 && fail "it still takes connections"
[ "$(pg_lsclusters --no-header | tr -s ' ' | cut -d ' ' -f 4)" = online ] || fail "pg_lsclusters does not call it online"
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
