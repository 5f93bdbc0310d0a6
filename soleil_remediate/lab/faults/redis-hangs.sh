# about: Redis hangs: it takes connections and answers nobody; systemd calls it active
# scenario: redis-down
# kinds: redis.answering redis.restart
main_of redis-server | hang
systemctl --quiet is-active redis-server
! said=$(timeout 2 redis-cli PING) || fail "Redis still answers: $said"
