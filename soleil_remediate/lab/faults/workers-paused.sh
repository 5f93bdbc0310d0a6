# about: somebody paused the queue workers (SIGUSR2) and forgot them: they run, and take no jobs
# scenario: queue-backlog
# kinds: queue.draining queue.drained workers.restart
mail_nowhere
# With --max-time one that is paused ends at once, and its successor is not (Worker::pauseWorker of Laravel 8.83).
sed -i 's/ --max-time=3600//' /etc/supervisor/conf.d/soleil-worker.conf
supervisorctl update >/dev/null
until_supervisor 2 RUNNING
tries=0
for pid in $(pids_of_workers); do # a process that does not listen to that signal yet would die of it
  until grep -qE '^SigCgt:.*[89a-f]..$' "/proc/$pid/status"; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "$pid does not listen to signals"
    sleep 0.2
  done
  kill -USR2 "$pid"
done
sleep 2
as_application queue:fill 600 >/dev/null
sleep 2
[ "$(waiting)" = 600 ] || fail "somebody takes jobs"
