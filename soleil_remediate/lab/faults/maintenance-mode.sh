# about: somebody left the application in maintenance mode (artisan down)
# scenario: application-down
# kinds: page.served
# ends: by hand
setpriv --reuid www-data --regid www-data --init-groups php /srv/soleil/current/artisan down --retry=60 >/dev/null
[ "$(answer live)" = 503 ] || fail "the application still answers"
