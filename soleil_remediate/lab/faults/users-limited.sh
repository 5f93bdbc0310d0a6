# about: a limit was deployed that is too low, and many users are refused (429) after two requests
# scenario: rate-limit-breach
# kinds: limits.fair
# ends: by hand
throttle_bookings 2
strangers 192.31.196.{11,12,13,14,15,16,17,18}
for last in 11 12 13 14 15 16 17 18; do
  for _ in 1 2 3 4; do
    as_strangers curl -s -o /dev/null -m 5 --interface "192.31.196.$last" -A Firefox http://192.31.196.1/api/bookings
  done
done
[ "$(grep -c '^192\.31\.196\.[0-9]* - .*" 429 ' /var/log/nginx/access.log)" = 16 ] || fail "they are not refused"
