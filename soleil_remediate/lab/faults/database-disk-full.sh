# about: old dumps fill the disk that has PostgreSQL's log of changes, and PostgreSQL ends itself; it cannot start again
# scenario: database-connection-failure
# kinds: database.answers page.served
# ends: by hand
# first: disk-full
systemctl stop postgresql@15-main
mv /var/lib/postgresql/15/main/pg_wal /var/backups/pg_wal
ln -s /var/backups/pg_wal /var/lib/postgresql/15/main/pg_wal
chown -h postgres:postgres /var/lib/postgresql/15/main/pg_wal
systemctl start postgresql@15-main
dump=/var/backups/soleil/soleil-$(date -d '300 days ago' +%Y%m%d)-0300.sql.gz
for age in 300 270 240 210 180; do
  copy=/var/backups/soleil/soleil-$(date -d "$age days ago" +%Y%m%d)-0300.sql.gz
  head -c 40M /dev/urandom >"$copy"
  touch -d "$age days ago 03:00" "$copy"
done
fill "$dump" cat /dev/urandom
touch -d '300 days ago 03:00' "$dump"
chown www-data:www-data /var/backups/soleil/*
# Changes until there is no room for the next segment of their log.
as_postgres -d soleil -c 'create table filling as select generate_series(1, 2000000) as n' >/dev/null 2>&1 &&
  fail "PostgreSQL could still write"
until_unit postgresql@15-main failed
[ "$(answer live)" = 200 ] || fail "php-fpm does not answer"
[ "$(answer ready)" = 503 ] || fail "the database still answers"
