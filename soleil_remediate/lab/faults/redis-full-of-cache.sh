# about: the application's cache fills Redis, which lets nobody change its settings and forbids FLUSHDB
# scenario: redis-down
# kinds: redis.writable cache.clear
# ends: by hand
# named: clear_cache=yes
printf 'maxmemory 8mb\nrename-command CONFIG ""\nrename-command FLUSHDB ""\nrename-command FLUSHALL ""\n' >>/etc/redis/redis.conf
systemctl restart redis-server
fill_redis 1 soleil_database_soleil_cache:room:
[ "$(redis-cli EXISTS soleil_database_queues:default)" = 0 ]
