# about: an incident was opened an hour ago, and nobody has ended it; users do not suffer, and nothing may be cleared away
# scenario: security-incident
# kinds: incident.over
# ends: well
ln -s "INC-41@$(date -d -1hour +%s)" /var/lib/soleil-remediate-incident
[ -L /var/lib/soleil-remediate-incident ] || fail "no incident is open"
