# about: nginx was killed and nobody starts it again; nothing listens
# scenario: application-down
# kinds: page.served service.start
systemctl kill --signal=KILL nginx
until_unit nginx failed
[ "$(answer live 3)" = 000 ] || fail "something still answers"
