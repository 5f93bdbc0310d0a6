# about: Redis was killed and nobody starts it again; every page that needs it fails
# scenario: redis-down
# kinds: redis.answering service.start
folder=/run/systemd/system/redis-server.service.d
mkdir -p "$folder"
printf '[Service]\nRestart=no\n' >"$folder/lab.conf" # Debian's own unit would be back within a second
systemctl daemon-reload
systemctl kill --signal=KILL redis-server
until_unit redis-server failed
[ "$(answer ready)" = 503 ] || fail "the application still gets to Redis"
