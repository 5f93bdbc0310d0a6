# about: every third of the users' requests fails since an hour ago; a release was deployed meanwhile and changed nothing
# scenario: high-error-rate
# kinds: requests.served
# ends: by hand
logged 200 '-2 hours' '-1 hour'
logged '200 500 200' '-1 hour' now
break_bookings /srv/soleil/current "throw new \\\\RuntimeException('no rate for guest4711@example.test');"
folder=$(new_release 20260102000000)
serve_release "$folder"
users
until_failing
