# about: somebody stopped Redis, and every third of the users' requests fails because of it
# scenario: high-error-rate
# kinds: requests.served
# ends: by hand
# first: redis-down
logged 200 '-1 hour' now
break_bookings /srv/soleil/current "cache()->get('rates');"
systemctl reload php8.2-fpm
users
systemctl stop redis-server
until_failing
[ "$(answer ready)" = 503 ] || fail "the application still gets to Redis"
