# about: a program locked the bookings in a transaction and does nothing more; whoever books waits for it, and the rest goes well
# scenario: database-connection-failure
# kinds: database.unblocked idle-transaction.end
# option: waited=31  seconds for which somebody waits already
sessions holder 1 'begin; lock table bookings in access exclusive mode'
until_sessions "state = 'idle in transaction'"
sessions waiter 1 'select count(*) from bookings'
until_sessions "wait_event_type = 'Lock'"
sleep "$OPTION_WAITED"
[ "$(answer ready)" = 200 ] || fail "the database does not answer at all"
