# about: thousands of jobs wait, and the workers that run are too slow for them
# scenario: queue-backlog
# kinds: queue.draining queue.drained workers.add
# ends: eased
# shellcheck disable=SC2016  # PHP's variables
export_job 'usleep((int) (1e6 * $this->seconds));'
dispatch_exports 3000 0.5
[ "$(waiting)" -gt 2900 ] || fail "$(waiting) jobs wait"
until_both_work
