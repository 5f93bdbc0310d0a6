# about: another constraint than the application's own refuses overlapping bookings: by another name, over a column of its own
# scenario: double-booking
# kinds:
# ends: well
# option: form=generated  unique: a unique index, trigger: a trigger, instead of it; neither refuses them all
unguard_bookings
case $OPTION_FORM in
  generated)
    in_soleil "alter table bookings add stay daterange generated always as (daterange(check_in, check_out)) stored,
      add constraint one_guest_a_room exclude using gist (room_id with =, stay with &&) where (status <> 'cancelled')"
    ! book 1 -9999 9999 pending 2>/dev/null || fail "nothing refuses overlapping bookings"
    ;;
  unique) in_soleil "create unique index one_arrival_a_day on bookings (room_id, check_in)" ;;
  trigger)
    in_soleil "create function refuse_double() returns trigger language plpgsql as \$\$ begin
      if exists (select from bookings where room_id = new.room_id and id <> new.id and check_in < new.check_out
        and check_out > new.check_in and status <> 'cancelled') then raise 'taken'; end if; return new; end \$\$"
    in_soleil "create trigger no_double before insert or update on bookings for each row execute function refuse_double()"
    ;;
  *) fail "form is generated, unique or trigger, not $OPTION_FORM" ;;
esac
