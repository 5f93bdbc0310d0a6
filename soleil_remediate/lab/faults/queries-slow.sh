# about: a hundred queries were slow: they stand in the application's log, into which nobody looks
# routine: weekly
# kinds: queries.quick
# option: queries=100  how many
setpriv --reuid www-data --regid www-data --init-groups php -- "$OPTION_QUERIES" <<'PHP'
<?php
chdir("/srv/soleil/current");
require "vendor/autoload.php";
(require "bootstrap/app.php")->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
for ($n = 0; $n < $argv[1]; $n++) Illuminate\Support\Facades\Log::channel("query")->warning("Slow query detected",
    ["sql" => "select * from bookings where id = ? and status <> 'guest-4711'", "bindings" => [$n], "time_ms" => 1500 + $n]);
PHP
logged=$(cat /srv/soleil/shared/storage/logs/query/queries-*.log | grep -c '"message":"Slow query detected"') || true
[ "$logged" = "$OPTION_QUERIES" ] || fail "$logged slow queries are logged"
