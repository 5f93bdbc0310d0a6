# about: somebody stopped the queue workers, and jobs pile up
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained workers.start
# option: jobs=600  how many
mail_nowhere
supervisorctl stop 'soleil-worker:*' >/dev/null
as_application queue:fill "$OPTION_JOBS" >/dev/null
[ "$(waiting)" = "$OPTION_JOBS" ] || fail "$(waiting) jobs wait"
