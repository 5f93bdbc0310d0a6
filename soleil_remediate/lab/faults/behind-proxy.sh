# about: all users come by a proxy through whose address nginx does not look, share its limit, and are refused (429)
# scenario: rate-limit-breach
# kinds: limits.fair
# ends: by hand
throttle_bookings 20
strangers 192.31.196.9
for _ in 1 2 3 4; do
  for agent in Firefox Chrome Safari Edge Opera curl Lynx Vivaldi; do
    as_strangers curl -s -o /dev/null -m 5 -A "$agent" -H "X-Forwarded-For: 203.0.113.$RANDOM" http://192.31.196.1/api/bookings
  done
done
go_on_asking 240 http://192.31.196.1/api/bookings 192.31.196.9 Firefox Chrome Safari Edge Opera curl Lynx Vivaldi
[ "$(grep -c '^192\.31\.196\.9 - .*" 429 ' /var/log/nginx/access.log)" -ge 12 ] || fail "nobody is refused"
