# about: the application is served from a git checkout in place; a commit was checked out in which every request fails
# scenario: failed-deployment-rollback
# kinds: checkout.rollback page.served
# option: what=exception  what comes with it: exception (in a controller), migration (one that takes a column away) or vendor (another composer.lock)
checkout_in_place
commit_checkout good "$(date -d '-1 hour' +%s)"
case $OPTION_WHAT in
  exception) migrate_bookings /srv/soleil/current 2026_01_02_000001_add_note_to_bookings "string('note')->nullable()" "dropColumn('note')" ;;
  migration) migrate_bookings /srv/soleil/current 2026_01_02_000001_drop_status_from_bookings "dropColumn('status')" "string('status')->default('confirmed')" ;;
  vendor) sudo -u deploy sh -c "echo '{}' >/srv/soleil/current/composer.lock" ;;
  *) fail "nothing known is called $OPTION_WHAT" ;;
esac
break_controller /srv/soleil/current
commit_checkout bad "$(date +%s)"
follow_release
answers 500
