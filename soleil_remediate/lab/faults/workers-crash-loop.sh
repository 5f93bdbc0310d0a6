# about: queue workers die every few seconds, before they take a job, and supervisor starts them again and again
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained
# ends: by hand
cat >/srv/soleil/current/app/Providers/AppServiceProvider.php <<'PHP'
<?php
namespace App\Providers;
class AppServiceProvider extends \Illuminate\Support\ServiceProvider {
    public function register() {}
    public function boot() {
        \Queue::looping(function () {
            sleep(2);
            fwrite(STDERR, "no answer from the licence server licence.example\n");
            exit(1);
        });
    }
}
PHP
supervisorctl restart 'soleil-worker:*' >/dev/null || true
as_application queue:fill 2000 >/dev/null
tries=0
until [ "$(grep -c 'exited: soleil-worker_00 (exit status 1; not expected)' /var/log/supervisor/supervisord.log)" -ge 3 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ] || fail "the workers do not die again and again"
  sleep 0.2
done
! supervisorctl status 'soleil-worker:*' | grep -q FATAL || fail "supervisor has given them up"
