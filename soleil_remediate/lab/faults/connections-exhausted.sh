# about: a program of the application's opened connections until none was left, and lets them lie idle
# scenario: database-connection-failure
# kinds: database.answers page.served idle-session.end
# option: idle=31  seconds for which they lie idle already
sessions idle 60 ''
until_answer ready 503
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
sleep "$OPTION_IDLE"
