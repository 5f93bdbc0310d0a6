# about: bookings overlap, coming, now and in the past, and no constraint refuses them
# scenario: double-booking
# kinds: bookings.apart bookings.guarded
# ends: by hand
unguard_bookings
in_soleil "insert into bookings (room_id, user_id, check_in, check_out, status, created_at, updated_at)
  values (102, 1, current_date - 1, current_date + 2, 'confirmed', '2026-01-31 10:00', '2026-01-31 10:00'),
    (102, 2, current_date, current_date + 1, 'pending', '2026-01-31 10:07', '2026-01-31 10:07'),
    (103, 1, '2026-01-05', '2026-01-09', 'confirmed', null, null),
    (103, 2, '2026-01-08', '2026-01-10', 'confirmed', null, null),
    (104, 1, '2026-01-08', '2026-01-10', 'cancelled', null, null),
    (104, 2, '2026-01-08', '2026-01-10', 'confirmed', null, null)"
# Each by a session of its own, which a busy machine may be long in starting.
made="timestamp '$(in_soleil 'select now()::timestamp(0)')'"
book 101 2 5 confirmed "$made"
book 101 4 6 confirmed "$made + interval '1 s'"
setpriv --reuid www-data --regid www-data --init-groups tee -a /srv/soleil/shared/storage/logs/laravel.log >/dev/null <<LOG
[$(date '+%F %T')] production.ERROR: SQLSTATE[40001]: Serialization failure: 7 ERROR (SQL: insert into bookings for guest4711@example.test) {"exception":"[object] (Illuminate\\\\Database\\\\QueryException(code: 40001): guest4711@example.test at /srv/x.php:1)
[$(date '+%F %T')] production.INFO: booking created {"guest":"guest4711@example.test"}
LOG
[ "$(overlapping)" = 3 ] || fail "there are $(overlapping) pairs of bookings that overlap"
