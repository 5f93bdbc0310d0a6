# about: one customer is refused (429) for a while, though all that it did was to look at its bookings
# scenario: rate-limit-breach
# kinds: limiter.clear
# ends: well
# named: customer=1
throttle_bookings 10
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
  code=$(curl -s -o /dev/null -m 5 -w '%{http_code}' -H 'Authorization: Bearer 1-1' http://localhost/api/bookings)
done
[ "$code" = 429 ] || fail "it is answered $code"
[ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' -H 'Authorization: Bearer 2-1' http://localhost/api/bookings)" = 200 ] ||
  fail "another customer is refused as well"
