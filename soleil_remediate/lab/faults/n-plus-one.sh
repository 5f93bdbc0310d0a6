# about: a page asks the database for each room by itself, hundreds of times; the application logs its queries
# scenario: slow-response
# kinds: page.quick
# ends: by hand
# option: milliseconds=1500  for so long it asks
cd /srv/soleil/current
controller=app/Http/Controllers/HealthController.php
# shellcheck disable=SC2016  # PHP's variable
sed -i '/function ready()/,/{/ s/{/{ $this->rooms();/; $ d' "$controller"
cat >>"$controller" <<PHP
    private function rooms()
    {
        \$start = microtime(true);
        [\$queries, \$slow] = [\Illuminate\Support\Facades\Log::channel('query'), \Illuminate\Support\Facades\Log::channel('performance')];
        \$queries->getLogger()->pushProcessor(function (\$record) {
            \$record['extra'] += ['process_id' => getmypid(), 'request' => ['method' => 'GET', 'uri' => request()->getRequestUri()]];
            return \$record;
        });
        DB::listen(fn (\$query) => \$queries->debug('Query executed', ['type' => 'query', 'sql' => \$query->sql, 'bindings' => \$query->bindings, 'time_ms' => \$query->time]));
        for (\$n = 0; microtime(true) < \$start + $OPTION_MILLISECONDS / 1000; \$n++) DB::select('select * from users where id = ? and name <> \'guest-4711\'', [\$n]);
        \$slow->warning('Slow request detected', ['method' => 'GET', 'uri' => request()->getRequestUri(), 'duration_ms' => round(1000 * (microtime(true) - \$start), 2)]);
    }
}
PHP
install -d -o www-data -g www-data -m 2775 storage/logs/performance storage/logs/query
systemctl reload php8.2-fpm
takes 1000
