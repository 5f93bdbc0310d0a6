# about: each job takes minutes, and many wait
# scenario: queue-backlog
# kinds: queue.draining queue.drained
# ends: by hand
# shellcheck disable=SC2016  # PHP's variables
export_job 'for ($until = time() + $this->seconds; time() < $until;) sleep(1);'
dispatch_exports 700 50
until_both_work
