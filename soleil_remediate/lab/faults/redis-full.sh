# about: Redis is at its maxmemory and may give nothing up: PING is answered, every write is refused
# scenario: redis-down
# kinds: redis.writable redis-memory.raise
[ "$(redis-cli CONFIG SET maxmemory 8mb)" = OK ]
fill_redis 0 soleil_database_report:
[ "$(answer ready)" = 200 ] || fail "PING is not answered any more"
