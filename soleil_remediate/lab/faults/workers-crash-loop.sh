# about: queue workers die every few seconds, before they take a job, and supervisor starts them again and again
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained
# ends: by hand
workers_die /srv/soleil/current
supervisorctl restart 'soleil-worker:*' >/dev/null || true
as_application queue:fill 2000 >/dev/null
die_again_and_again
