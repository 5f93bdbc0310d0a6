# about: a report that nobody waits for any more asks the database for minutes, again and again, until php-fpm has nobody left for other pages
# scenario: slow-response
# kinds: page.quick php-fpm.free statement.cancel
# option: waited=31  seconds for which the queries run already
add_route report 'return Illuminate\Support\Facades\DB::select("select pg_sleep(900)");'
ask_for report 7
until_working 5 "query like '%pg_sleep%'"
sleep "$OPTION_WAITED"
[ "$(answer live 3)" = 000 ] || fail "somebody is left in php-fpm"
