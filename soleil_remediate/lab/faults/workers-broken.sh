# about: queue workers cannot start by the command that supervisor has, and it has given them up
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained
# ends: by hand
# option: what=missing  which does not exist; or exits: it ends at once, and says why
conf=/etc/supervisor/conf.d/soleil-worker.conf
case $OPTION_WHAT in
  missing) sed -i 's|^command=php |command=/usr/bin/php7.4 |' "$conf" ;;
  # On a busy machine it takes PHP more than a second to say so.
  exits) sed -i 's|--max-time=3600|--max-tim=3600|; s|^startsecs=1$|startsecs=5|' "$conf" ;;
  *) fail "nothing known is called $OPTION_WHAT" ;;
esac
supervisorctl update >/dev/null
until_supervisor 2 FATAL
mail_nowhere
as_application queue:fill 2000 >/dev/null
