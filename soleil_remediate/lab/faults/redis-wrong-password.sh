# about: Redis wants a password, and the application's is another one
# scenario: redis-down
# kinds: redis.answering
# ends: by hand
# option: how=none  the application sends none; or other: it sends a wrong one
case $OPTION_HOW in
  none) ;;
  other) echo 'REDIS_PASSWORD=lab-redis-former-secret' >>/srv/soleil/shared/.env ;;
  *) fail "how is none or other, not $OPTION_HOW" ;;
esac
echo 'requirepass "lab-redis-\"secret"' >>/etc/redis/redis.conf
systemctl restart redis-server
case $(redis-cli PING) in NOAUTH*) ;; *) fail "Redis wants no password" ;; esac
[ "$(answer ready)" = 503 ] || fail "the application still gets to Redis"
