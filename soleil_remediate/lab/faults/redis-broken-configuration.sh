# about: Redis is stopped, and cannot start again with its configuration: a setting is misspelt
# scenario: redis-down
# kinds: redis.answering
# ends: by hand
systemctl stop redis-server
echo 'requirpass lab-redis-secret' >>/etc/redis/redis.conf
[ "$(answer ready)" = 503 ] || fail "the application still gets to Redis"
