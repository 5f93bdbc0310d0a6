# about: somebody paused Horizon and forgot it: its workers run, and take no jobs (a stand-in for Horizon)
# scenario: queue-backlog
# kinds: queue.draining queue.drained horizon.continue
# option: continue=works  or lies: horizon:continue says that it signals, ends with 0, and does nothing
mail_nowhere
under_horizon
as_application horizon:pause >/dev/null
tries=0
until [ "$(as_application horizon:status)" = "Horizon is paused." ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "Horizon is not paused"
  sleep 0.2
done
case $OPTION_CONTINUE in
  works) ;;
  lies) horizon_lies continue ;;
  *) fail "continue works or lies, not $OPTION_CONTINUE" ;;
esac
sleep 2
as_application queue:fill 600 >/dev/null
sleep 2
[ "$(waiting)" = 600 ] || fail "somebody takes jobs"
