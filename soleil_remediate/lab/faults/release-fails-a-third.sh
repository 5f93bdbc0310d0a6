# about: users' requests went well for an hour, until a release was deployed in which every third fails; the health checks go well
# scenario: high-error-rate
# kinds: requests.served release.rollback
logged 200 '-1 hour' now
users
folder=$(new_release 20260102000000)
break_bookings "$folder" "throw new \\\\RuntimeException('no rate for guest4711@example.test');"
serve_release "$folder"
until_failing
[ "$(answer ready)" = 200 ] || fail "the health check fails as well"
