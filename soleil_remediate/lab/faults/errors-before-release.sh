# about: the database refuses the application since an hour ago; a release was deployed meanwhile and changed nothing
# scenario: failed-deployment-rollback
# kinds: page.served
# ends: by hand
# first: database-connection-failure
logged 200 '-2 hours' '-1 hour'
logged 503 '-1 hour' now
sed -i 's/^DB_PASSWORD=.*/DB_PASSWORD=forgotten/' /srv/soleil/shared/.env
folder=$(new_release 20260102000000)
serve_release "$folder"
[ "$(answer live)" = 200 ] || fail "the application does not answer at all"
[ "$(answer ready)" = 503 ] || fail "the database does not refuse the application"
