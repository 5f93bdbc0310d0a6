# about: two bookings have one room for the same night; a constraint stands, and refuses only those that are confirmed
# scenario: double-booking
# kinds: bookings.apart bookings.guarded
# ends: by hand
unguard_bookings
in_soleil "alter table bookings add constraint no_overlapping_bookings exclude using gist (room_id with =,
  daterange(check_in, check_out, '[)') with &&) where (status = 'confirmed')"
book 101 2 5 confirmed
book 101 4 6 pending
book 101 6 7 pending # begins when the other ends
[ "$(overlapping)" = 1 ] || fail "there are $(overlapping) pairs of bookings that overlap"
