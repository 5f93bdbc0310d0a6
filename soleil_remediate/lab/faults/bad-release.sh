# about: a release was deployed in which every request fails; the release before it is whole
# scenario: failed-deployment-rollback
# kinds: release.rollback page.served
# option: what=exception  what is wrong with it: exception (in a controller) or syntax (in routes/api.php)
# option: number=20260102000000  its name
# option: workers=supervisor  who keeps its queue workers: supervisor, or horizon (a stand-in for it)
case $OPTION_WORKERS in
  supervisor) ;;
  horizon) under_horizon ;;
  *) fail "supervisor or horizon, not $OPTION_WORKERS" ;;
esac
folder=$(new_release "$OPTION_NUMBER")
migrate_bookings "$folder" 2026_01_02_000001_add_note_to_bookings "string('note')->nullable()" "dropColumn('note')"
case $OPTION_WHAT in
  exception) break_controller "$folder" ;;
  syntax)
    break_routes "$folder"
    # On a slow machine a worker that cannot begin takes a second to find out, and would count as started.
    sed -i 's/^startsecs=1$/startsecs=5/' /etc/supervisor/conf.d/soleil-worker.conf
    supervisorctl update >/dev/null
    ;;
  *) fail "nothing known is called $OPTION_WHAT" ;;
esac
serve_release "$folder"
answers 500
[ "$OPTION_WORKERS" = supervisor ] || until_horizon_works
# Workers that cannot begin are given up by supervisor after some tries.
tries=0
until [ "$OPTION_WHAT" = exception ] || [ "$(supervisorctl status 'soleil-worker:*' | grep -c FATAL)" = 2 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || fail "supervisor has not given up"
  sleep 0.2
done
