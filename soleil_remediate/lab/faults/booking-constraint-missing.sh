# about: the constraint that refuses overlapping bookings is gone; none overlap yet
# scenario: double-booking
# kinds: bookings.guarded booking-constraint.add
# option: rows=0  so many bookings more, none of which overlap
unguard_bookings
# It would hold the table for a moment, some time after so many rows: who looks just then would find it locked.
in_soleil 'alter table bookings set (autovacuum_enabled = false)'
in_soleil "insert into bookings (room_id, user_id, check_in, check_out, status)
  select 200 + i % 200, 1, date '2020-01-01' + 2 * (i / 200), date '2020-01-03' + 2 * (i / 200), 'confirmed'
  from generate_series(0, $OPTION_ROWS - 1) i"
book 101 2 5 confirmed
book 101 5 6 confirmed
[ "$(overlapping)" = 0 ] || fail "bookings overlap"
