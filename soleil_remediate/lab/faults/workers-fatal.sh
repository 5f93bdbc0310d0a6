# about: queue workers could not start for a while, so supervisor gave them up; what kept them from it is over
# scenario: queue-backlog
# kinds: workers.running queue.draining queue.drained workers.start
mail_nowhere
mv /srv/soleil/current/artisan /srv/soleil/current/artisan.away
supervisorctl stop 'soleil-worker:*' >/dev/null
supervisorctl start 'soleil-worker:*' >/dev/null || true
until_supervisor 2 FATAL
mv /srv/soleil/current/artisan.away /srv/soleil/current/artisan
as_application queue:fill 600 >/dev/null
