# about: mails by the hundred failed while the mail server was away, among jobs that must not be done again
# scenario: email-delivery-failure
# kinds: mail.sent test-mail.send queue.retry
# ends: by hand
# named: classes='App\Jobs\SendBookingMail' to=oncall@soleil.example most_retried=200 pause='0.1 s'
# option: jobs=120  how many mails
# option: over=yes  no: the mail server is still away
systemctl stop mail-sink
# shellcheck disable=SC2016  # PHP's variables
export_job '$this->fail(new \RuntimeException("the deposit of guest4711@example.test was paid back, and then something failed"));'
as_application queue:fill "$OPTION_JOBS" >/dev/null
dispatch_exports 3 0
tries=0
until [ "$(as_postgres -d soleil -c 'select count(*) from failed_jobs')" = $((OPTION_JOBS + 3)) ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || fail "the jobs do not fail"
  sleep 0.2
done
[ "$OPTION_OVER" = no ] || systemctl start mail-sink
