# about: somebody stopped Redis; every page that needs it fails
# scenario: redis-down
# kinds: redis.answering service.start
systemctl stop redis-server
[ "$(answer ready)" = 503 ] || fail "the application still gets to Redis"
