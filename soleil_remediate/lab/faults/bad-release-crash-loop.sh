# about: a release was deployed in which every request fails, and its queue workers die every few seconds
# scenario: failed-deployment-rollback
# kinds: release.rollback page.served
folder=$(new_release 20260102000000)
migrate_bookings "$folder" 2026_01_02_000001_add_note_to_bookings "string('note')->nullable()" "dropColumn('note')"
break_controller "$folder"
workers_die "$folder"
serve_release "$folder"
answers 500
die_again_and_again
