# about: one address of the internet guesses tokens, and is refused again and again
# scenario: security-incident
# kinds: address.harmless evidence.collect address.block
# ends: by hand
# named: incident=INC-42 address=192.31.196.9
# then: eased
strangers 192.31.196.9
api_of_users
logged 200 -30min now
# shellcheck disable=SC2016  # the shell's own variables
systemd-run --quiet --collect --unit=lab-attacking --property=RuntimeMaxSec=240 ip netns exec strangers sh -c '
  while sleep 0.5; do
    curl -s -o /dev/null -m 2 --interface 192.31.196.9 -H "Connection: close" -H "Authorization: Bearer guess" \
      http://192.31.196.1/api/me || :
  done'
for token in $(seq 1 40); do
  as_strangers curl -s -o /dev/null -m 5 --interface 192.31.196.9 -H "Authorization: Bearer guess-$token" http://192.31.196.1/api/me
done
[ "$(grep -c '^192\.31\.196\.9 - .* 401 ' /var/log/nginx/access.log)" -ge 40 ] || fail "nginx has not logged that it was refused"
