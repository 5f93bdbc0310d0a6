# about: a rule of the packet filter drops what goes to PostgreSQL's port; PostgreSQL is well and answers over its socket
# scenario: database-connection-failure
# kinds: database.answers page.served
# ends: by hand
nft add table inet lab
nft 'add chain inet lab input { type filter hook input priority 0; policy accept; }'
nft add rule inet lab input tcp dport 5432 drop
pg_isready --quiet --username=postgres --timeout=2 || fail "PostgreSQL itself does not answer"
pg_isready --quiet --username=postgres --host=127.0.0.1 --timeout=2 && fail "it still answers on its port"
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
