# about: jobs failed of something that is over by now, and wait in the list of failed jobs for somebody to retry them
# scenario: queue-backlog
# kinds: queue.retry
# ends: well
# named: classes='App\Jobs\ExportInvoice'
# option: jobs=5  how many
# option: over=yes  no: they would fail again
mark=/srv/soleil/shared/storage/app/exports/ready
# shellcheck disable=SC2016  # PHP's variables
export_job 'if (! file_exists(storage_path("app/exports/ready"))) {
    $this->fail(new \RuntimeException("the invoices of guest4711@example.test are not ready"));
    return;
  }
  file_put_contents(storage_path("app/exports/done"), $this->job->uuid()."\n", FILE_APPEND);'
dispatch_exports "$OPTION_JOBS" 0
tries=0
until [ "$(su postgres -c "psql -At -d soleil -c 'select count(*) from failed_jobs'")" = "$OPTION_JOBS" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "the jobs do not fail"
  sleep 0.2
done
[ "$OPTION_OVER" = no ] || setpriv --reuid www-data --regid www-data --init-groups touch "$mark"
