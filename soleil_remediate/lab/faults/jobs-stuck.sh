# about: queue workers were killed in the middle of their jobs and nobody started them again: these jobs are nobody's
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained workers.start
# The first time two of them take a minute; a worker that is asked to end is killed after 10 s.
# shellcheck disable=SC2016  # PHP's variables
export_job '$mark = storage_path("app/exports/".$this->job->uuid());
  if (file_exists($mark)) return;
  touch($mark);
  for ($until = time() + $this->seconds; time() < $until;) sleep(1);'
sed -i "s/'retry_after' => 90/'retry_after' => 5/" /srv/soleil/current/config/queue.php
supervisorctl restart 'soleil-worker:*' >/dev/null
dispatch_exports 2 60
until_both_work
dispatch_exports 3 0
supervisorctl stop 'soleil-worker:*' >/dev/null
[ "$(waiting) $(taken)" = '3 2' ] || fail "the workers were not killed in the middle of their jobs"
tries=0
until [ "$(redis-cli zcount soleil_database_queues:default:reserved -inf $(($(date +%s) - 32)))" = 2 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || fail "retry_after is not over"
  sleep 1
done
