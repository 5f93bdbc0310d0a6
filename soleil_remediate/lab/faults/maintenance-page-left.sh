# about: a run went back to the older release behind the maintenance page, and went away before it ended the page
# scenario: failed-deployment-rollback
# kinds: release.rollback maintenance.ended page.served
folder=$(new_release 20260102000000)
setpriv --reuid deploy --regid deploy --init-groups touch "$folder/BAD_RELEASE"
word=soleil-remediate-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
setpriv --reuid www-data --regid www-data --init-groups php /srv/soleil/current/artisan down --secret="$word" >/dev/null
[ "$(answer live)" = 503 ] || fail "the application still answers"
