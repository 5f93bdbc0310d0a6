# about: the same, by a program that goes on when its query is cancelled
# scenario: slow-response
# kinds: page.quick statement.unqueued php-fpm.free statement.end
# option: waited=31  seconds for which they wait already
queue_behind 'loop begin perform pg_sleep(900); exception when query_canceled then null; end; end loop;'
sleep "$OPTION_WAITED"
