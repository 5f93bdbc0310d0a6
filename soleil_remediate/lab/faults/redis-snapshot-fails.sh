# about: Redis cannot write its snapshot, and refuses writes until it can (MISCONF)
# scenario: redis-down
# kinds: redis.answering redis.writable
# ends: by hand
chown root:root /var/lib/redis
chmod 755 /var/lib/redis
redis-cli SET soleil_database_report 1 >/dev/null
redis-cli BGSAVE >/dev/null
tries=0
until [[ $(redis-cli SET soleil_database_report 2) = MISCONF* ]]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "Redis still takes writes"
  sleep 0.1
done
