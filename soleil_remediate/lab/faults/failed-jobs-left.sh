# about: jobs failed two days ago, and nobody has looked at them since
# routine: weekly
# kinds: jobs.done
# option: jobs=5  how many
# shellcheck disable=SC2016  # PHP's variables
export_job '$this->fail(new \RuntimeException("the invoices of guest4711@example.test are not ready"));'
dispatch_exports "$OPTION_JOBS" 0
tries=0
until [ "$(as_postgres -d soleil -c 'select count(*) from failed_jobs')" = "$OPTION_JOBS" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "the jobs do not fail"
  sleep 0.2
done
as_postgres -d soleil -c "update failed_jobs set failed_at = failed_at - interval '2 days'" >/dev/null
