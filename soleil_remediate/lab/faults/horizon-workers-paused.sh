# about: somebody paused the workers under Horizon one by one (SIGUSR2), and Horizon calls itself running (a stand-in for it)
# scenario: queue-backlog
# kinds: queue.draining queue.drained workers.restart
# option: terminate=works  or lies: horizon:terminate says that it signals, ends with 0, and does nothing
mail_nowhere
under_horizon
pids_below_horizon | xargs kill -USR2
case $OPTION_TERMINATE in
  works) ;;
  lies) horizon_lies terminate ;;
  *) fail "terminate works or lies, not $OPTION_TERMINATE" ;;
esac
sleep 2
as_application queue:fill 600 >/dev/null
sleep 2
[ "$(waiting)" = 600 ] || fail "somebody takes jobs"
[ "$(as_application horizon:status)" = "Horizon is running." ] || fail "Horizon does not call itself running"
