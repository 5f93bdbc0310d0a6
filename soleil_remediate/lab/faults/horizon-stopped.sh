# about: somebody stopped Horizon, and all of its queue workers with it (a stand-in for Horizon)
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained workers.start
mail_nowhere
under_horizon
supervisorctl stop horizon >/dev/null
[ -z "$(pids_below_horizon)" ] || fail "workers still run"
as_application queue:fill 600 >/dev/null
[ "$(waiting)" = 600 ] || fail "$(waiting) jobs wait"
