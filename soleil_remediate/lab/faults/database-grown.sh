# about: somebody left a copy of a table in the database, and it is larger than all the rest
# routine: weekly
# kinds: database.size
# option: mebibytes=64  how large it is at least
as_postgres -d soleil -c "create table bookings_copy as
  select n, repeat(md5(n::text), 32) as note from generate_series(1, $OPTION_MEBIBYTES * 1024) n" >/dev/null
taken=$(as_postgres -d soleil -c "select pg_total_relation_size('bookings_copy') / 1048576")
[ "$taken" -ge "$OPTION_MEBIBYTES" ] || fail "it takes $taken MiB"
