# about: queue workers leak with each job, unseen by their own limit, until next to nothing of the host's memory is left
# scenario: memory-exhaustion
# kinds: memory.available leaking-workers.restart
# memory: 1 GiB
# option: workers=supervisor  who keeps them: supervisor, or horizon (a stand-in for it)
mail_nowhere
case $OPTION_WORKERS in
  supervisor) ;;
  horizon) under_horizon ;;
  *) fail "supervisor or horizon, not $OPTION_WORKERS" ;;
esac
# shellcheck disable=SC2016  # PHP's variables
export_job 'static $c; $c ??= \FFI::cdef("void *malloc(size_t n); void *memset(void *at, int with, size_t n);");
  $c->memset($c->malloc(8 << 20), 1, 8 << 20);'
# What dispatches them takes memory itself, and gives it back.
tries=0
while [ "$(memory_left)" -ge 98 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 8 ] || fail "$(memory_left) MiB are still left"
  dispatch_exports $((($(memory_left) - 88) / 8)) 0
  turns=0
  until [ "$(waiting) $(taken)" = "0 0" ]; do
    turns=$((turns + 1))
    [ "$turns" -lt 100 ] || fail "jobs are left"
    sleep 0.2
  done
done
if [ "$OPTION_WORKERS" = supervisor ]; then until_supervisor 2 RUNNING; else until_horizon_works; fi
