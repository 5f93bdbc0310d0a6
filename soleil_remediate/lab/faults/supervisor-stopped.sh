# about: supervisor was stopped, and all queue workers with it
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained service.start
mail_nowhere
systemctl stop supervisor
as_application queue:fill 600 >/dev/null
[ -z "$(pgrep -f "artisan queue:wor[k]")" ] || fail "workers still run"
