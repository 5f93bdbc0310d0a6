# about: a user's tokens are used from two addresses of the internet at the same time
# scenario: security-incident
# kinds: tokens.unshared evidence.collect tokens.revoke
# ends: by hand
# named: incident=INC-42 user=1
# then: eased
strangers 192.31.196.7 192.31.196.8
api_of_users
for token in 1-1 1-2 1-1 1-2 1-1; do
  for address in 192.31.196.7 192.31.196.8; do
    said=$(as_strangers curl -s -m 5 --interface "$address" -H "Authorization: Bearer $token" http://192.31.196.1/api/me)
    [ "$said" = '{"id":1}' ] || fail "the API does not let $token in: $said"
  done
done
said=$(as_strangers curl -s -m 5 --interface 192.31.196.7 -H 'Authorization: Bearer 2-1' http://192.31.196.1/api/me)
[ "$said" = '{"id":2}' ] || fail "the API does not let 2-1 in: $said"
[ "$(as_postgres -d soleil -c 'select count(distinct ip_address) from audit_logs where user_id = 1')" = 2 ] ||
  fail "the tokens of user 1 were not used from two addresses"
