# about: a program works for minutes in the transaction in which it has changed all bookings; whoever confirms one waits for it
# scenario: slow-response
# kinds: page.quick statement.unqueued php-fpm.free statement.cancel
# option: waited=31  seconds for which they wait already
queue_behind 'perform pg_sleep(900);'
sleep "$OPTION_WAITED"
