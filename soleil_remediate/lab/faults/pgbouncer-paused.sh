# about: the application goes through pgbouncer, and somebody paused it; everything runs, and whoever asks waits
# scenario: database-connection-failure
# kinds: database.answers page.served
# ends: by hand
through_pgbouncer
(cd / && setpriv --reuid postgres --regid postgres --init-groups \
  psql -X -q -p 6432 -U pgbouncer -d pgbouncer -c PAUSE)
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
until_answer ready 000 503
