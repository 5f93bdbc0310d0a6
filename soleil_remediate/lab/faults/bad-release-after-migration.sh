# about: a release was deployed in which every request fails, and its migration took a column away
# scenario: failed-deployment-rollback
# kinds: page.served
# ends: by hand
# named: migrations=back
# first: application-down
folder=$(new_release 20260102000000)
migrate_bookings "$folder" 2026_01_02_000001_drop_status_from_bookings "dropColumn('status')" "string('status')->default('confirmed')"
break_routes "$folder"
serve_release "$folder"
answers 500
