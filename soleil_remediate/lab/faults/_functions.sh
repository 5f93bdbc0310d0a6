# For every fault: this file is put before it. Standard input is empty; nothing here leaves a process running.
set -euo pipefail
export LC_ALL=C.UTF-8

fail() {
  echo "$*" >&2
  exit 1
}

# available FOLDER: blocks of 4 KiB that others than root may still use on its file system
available() { stat -f -c %a "$1"; }

# used_percent FOLDER: as df counts
used_percent() { df --output=pcent "$1" | tail -n 1 | tr -dc 0-9; }

# is_full FOLDER: nobody can use a block of its file system any more; xfs keeps a few to itself that count as free
is_full() { [ "$(available "$1")" -le 16 ]; }

# fill FILE COMMAND...: append what COMMAND prints without end, until its file system has no block left
fill() {
  local file=$1 rest=0 size
  shift
  { "$@" | dd of="$file" bs=1M iflag=fullblock oflag=append conv=notrunc status=none; } 2>/dev/null || true
  # Whole megabytes leave a rest, and what was set aside for delayed writes comes back after a sync.
  while [ "$rest" -lt 20 ]; do
    sync -f "$file"
    size=$(stat -c %s "$file")
    { "$@" | dd of="$file" bs=4k iflag=fullblock oflag=append conv=notrunc status=none; } 2>/dev/null || true
    sync -f "$file"
    if [ "$(available "$file")" -eq 0 ] || { [ "$(stat -c %s "$file")" = "$size" ] && is_full "$file"; }; then return 0; fi
    rest=$((rest + 1))
  done
  fail "$(available "$file") blocks are still free beside $file"
}

# append MEBIBYTES FILE COMMAND...: append so much of what COMMAND prints without end
append() {
  local mebibytes=$1 file=$2
  shift 2
  { "$@" | dd of="$file" bs=1M count="$mebibytes" iflag=fullblock oflag=append conv=notrunc status=none; } || true
}

# no_space_for USER FOLDER: a new file of one block cannot be written there, for want of space and nothing else
no_space_for() {
  local probe=$2/.lab-probe said
  said=$(setpriv --reuid "$1" --regid "$1" --init-groups \
    dd if=/dev/zero of="$probe" bs=4k count=1 conv=fsync status=none 2>&1) && said=written
  rm -f "$probe"
  case $said in
    *"No space left on device"*) ;;
    *) fail "$1 can still write to $2: $said" ;;
  esac
}

# health CHECK: what the application says about itself
health() { curl -sS -m 10 http://localhost/api/health/full | tr -d ' ' | grep -o "\"$1\":{\"status\":\"[a-z]*\"" | cut -d'"' -f6; }

# growing ROOM UNTIL BEFORE FORMAT AFTER: lines as of a log that grew by 100 MiB an hour and had so much room for it until
# that time, each with its time between BEFORE and AFTER; then more of that time, without end. ROOM is a number of
# mebibytes, or a file: what its disk has left.
growing() {
  local bytes
  case $1 in
    /*) bytes=$(($(available "$1") * 4096)) ;;
    *) bytes=$(($1 * 1024 * 1024)) ;;
  esac
  # shellcheck disable=SC2016  # perl's variables
  perl -MPOSIX=strftime -e '
    my ($bytes, $until, $before, $format, $after) = @ARGV;
    my $line = sub { $before . strftime($format, gmtime $_[0]) . "$after\n" };
    my $lines = int(100 * 1024 * 1024 / 3600 / length $line->($until)) || 1;
    my $time = $until - int($bytes / ($lines * length $line->($until)));
    while (print $line->($time) x $lines) { $time++ if $time < $until }' \
    "$bytes" "$(date -d "$2" +%s)" "$3" "$4" "$5"
}

# Text that stands in real logs, without end; see growing.
# laravel_lines ROOM
laravel_lines() {
  growing "$1" now '[' '%F %T' '] production.ERROR: SQLSTATE[08006] [7] connection to server at "127.0.0.1", port 5432 failed: Connection refused (SQL: select * from bookings order by id desc limit 20)'
}
# access_lines ROOM [UNTIL]
access_lines() {
  growing "$1" "${2:-now}" '203.0.113.7 - - [' '%d/%b/%Y:%T %z' "] \"GET /api/bookings?page=$RANDOM HTTP/1.1\" 200 1874 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\""
}

# logged STATUSES FROM UNTIL: what nginx logs of requests between two times, one every ten seconds, with these in turn
logged() {
  perl -MPOSIX=strftime -e '
    my ($statuses, $time, $until) = @ARGV;
    my @statuses = split " ", $statuses;
    for (my $n = 0; $time < $until; $time += 10) {
      my $status = $statuses[$n++ % @statuses];
      print strftime("203.0.113.7 - - [%d/%b/%Y:%T +0000] \"GET /api/bookings HTTP/1.1\" $status 42 \"-\" \"Mozilla/5.0\"\n", gmtime $time);
    }' "$1" "$(date -d "$2" +%s)" "$(date -d "$3" +%s)" >>/var/log/nginx/access.log
}

# users: somebody asks for bookings fifteen times a second, for ten minutes at most; from the host's own address, as a
# neighbour of it would. Every third request is about room 3.
users() {
  local address
  read -r address _ < <(hostname -I)
  systemd-run --quiet --collect --unit=lab-users --property=RuntimeMaxSec=600 \
    curl --silent --max-time 5 --rate 15/s --output /dev/null "http://$address/api/bookings?n=[1-2000]&room={1,2,3}"
}

# until_failing: wait until requests of these users fail, and others do not, and so many came in that it can be told
until_failing() {
  local tries=0 before newest
  sleep 4
  before=$(wc -l </var/log/nginx/access.log)
  until newest=$(tail -n "+$((before + 1))" /var/log/nginx/access.log) && [ "$(wc -l <<<"$newest")" -ge 30 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "users hardly ask for anything"
    sleep 0.2
  done
  grep -q 'room=3 HTTP/1.1" 500 ' <<<"$newest" || fail "no request fails"
  grep -q 'room=[12] HTTP/1.1" 200 ' <<<"$newest" || fail "every request fails"
}

# break_bookings FOLDER STATEMENT: what PHP does before it answers whoever asks for bookings of room 3
break_bookings() {
  sed -i "/public function index()/{n;s/{/{ if (request('room') === '3') { $2 }/}" \
    "$1/app/Http/Controllers/BookingController.php"
  grep -qF "request('room')" "$1/app/Http/Controllers/BookingController.php" || fail "the controller is as it was"
}

# write_lines FILE: go on writing to it as a process that holds it open, a numbered line every 0.2 s, also while the disk is full
write_lines() {
  # shellcheck disable=SC2016  # PHP's variables
  systemd-run --quiet --collect --unit=lab-log-writer --uid=www-data --gid=www-data php -r '
    $log = fopen($argv[1], "a");
    for ($n = 1; ; $n++) {
      @fwrite($log, date("[Y-m-d H:i:s]")." production.INFO: line $n of the writer\n");
      usleep(200000);
    }' -- "$1"
  local tries=0
  until lsof -t -a -u www-data "$1" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "the writer does not hold $1 open"
    sleep 0.1
  done
}

# fill_journal: real journal entries until /var/log has no block left
fill_journal() {
  # With no room for one more of its files of 16 MiB journald goes on in memory, which must not grow.
  while [ "$(available /var/log)" -gt 4096 ]; do
    base64 -w 6000 /dev/urandom | head -n 1500 | systemd-cat -t soleil-queue || true
    journalctl --sync
  done
  # The rest goes to a cut-short copy, as a crash leaves one behind.
  local journal left id
  journal=$(find /var/log/journal -name 'system@*.journal' | sort | head -n 1)
  id=$(date +%s%N | sha256sum)
  left=${journal%/*}/system@${id:0:16}-${id:16:16}.journal~
  install -m 640 -g systemd-journal /dev/null "$left"
  fill "$left" cat "$journal" "$journal"
}

# answer PAGE [SECONDS]: what nginx answers for /api/health/PAGE, 000 where nothing comes back in time
answer() { curl -s -o /dev/null -m "${2:-10}" -w '%{http_code}' "http://localhost/api/health/$1" || true; }

# until_unit UNIT STATE: wait until systemd calls it so
until_unit() {
  local tries=0
  until [ "$(systemctl show --property=ActiveState --value "$1")" = "$2" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "$1 is not $2"
    sleep 0.1
  done
}

# main_of UNIT, workers_of UNIT: the numbers of its first process, and of all the others
main_of() { systemctl show --property=MainPID --value "$1"; }
workers_of() { ps -o pid= --ppid "$(main_of "$1")"; }

# hang: stop the processes whose numbers are read where they are; nothing but SIGCONT or SIGKILL gets through to them
hang() {
  local pid
  while read -r pid; do
    [ "$pid" -gt 1 ] || fail "nothing runs that could be stopped"
    kill -STOP "$pid" 2>/dev/null || [ ! -e "/proc/$pid" ] || fail "process $pid cannot be stopped"
  done
}

# new_release NAME: a new release beside the one that is served, made from it as a deployment makes it; prints its folder.
# Both have their configuration and routes cached, as deployments leave them.
new_release() {
  local from to=/srv/soleil/releases/$1
  from=$(readlink -f /srv/soleil/current)
  as_deploy "$from" artisan config:cache
  as_deploy "$from" artisan route:cache
  sudo -u deploy cp -a "$from" "$to"
  rm -f "$to"/bootstrap/cache/{config,routes-v7}.php
  as_deploy "$to" artisan config:cache
  echo "$to"
}

# as_deploy FOLDER WORD...: PHP, as whoever deploys
as_deploy() { (cd "$1" && shift && sudo -u deploy php "$@") >/dev/null; }

# serve_release FOLDER: put it live, as a deployment does
serve_release() {
  sudo -u deploy sh -c 'ln -s "releases/${1##*/}" /srv/soleil/current.new && mv -T /srv/soleil/current.new /srv/soleil/current' sh "$1"
  follow_release
}

# follow_release: PHP and workers, as a deployment lets them follow
follow_release() {
  systemctl reload php8.2-fpm
  supervisorctl restart 'soleil-worker:*' horizon:horizon >/dev/null || true # whichever there is
}

# checkout_in_place: a git checkout in place of the link to a release, with that release's files, vendor and caches
checkout_in_place() {
  cd /srv/soleil
  sudo -u deploy cp -a "$(readlink -f current)" site
  sudo -u deploy sh -c 'rm current && mv site current'
  as_deploy /srv/soleil/current artisan config:cache
  printf 'storage\n.env\nvendor\nbootstrap/cache/*.php\n' | sudo -u deploy tee current/.gitignore >/dev/null
  in_checkout init -q -b main
  cd /
}

# in_checkout WORD...: git there, as whoever deploys
in_checkout() { sudo -u deploy git -C /srv/soleil/current -c user.name=deploy -c user.email=deploy@localhost "$@"; }

# commit_checkout MESSAGE TIME: all that is there, checked out since then
commit_checkout() {
  in_checkout add -A
  sudo -u deploy env GIT_COMMITTER_DATE="@$2 +0000" git -C /srv/soleil/current -c user.name=deploy \
    -c user.email=deploy@localhost commit -q -m "$1"
}

# break_controller FOLDER: an exception in every request
break_controller() {
  sed -i "s/^class HealthController\n*/&/; s/^{/{\n    public function __construct() { throw new \\\\RuntimeException('no such room'); }/" \
    "$1/app/Http/Controllers/HealthController.php"
}

# break_routes FOLDER: a syntax error, so that nothing of Laravel begins
break_routes() { echo "Route::get('/rooms'," >>"$1/routes/api.php"; }

# workers_die FOLDER: queue workers of that release end before they take a job, a little after they were started
workers_die() {
  cat >"$1/app/Providers/AppServiceProvider.php" <<'PHP'
<?php
namespace App\Providers;
class AppServiceProvider extends \Illuminate\Support\ServiceProvider {
    public function register() {}
    public function boot() {
        \Queue::looping(function () {
            sleep(2);
            fwrite(STDERR, "no answer from the licence server licence.example\n");
            exit(1);
        });
    }
}
PHP
}

# die_again_and_again: wait until supervisor has seen the workers die some times, and starts them all the same
die_again_and_again() {
  local tries=0
  until [ "$(grep -c 'exited: soleil-worker_00 (exit status 1; not expected)' /var/log/supervisor/supervisord.log)" -ge 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "the workers do not die again and again"
    sleep 0.2
  done
  ! supervisorctl status 'soleil-worker:*' | grep -q FATAL || fail "supervisor has given them up"
}

# answers STATUS: what the application answers by now
answers() {
  local tries=0
  until [ "$(curl -sS -m 10 -o /dev/null -w '%{http_code}' http://localhost/api/health/live)" = "$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "the application does not answer $1"
    sleep 0.2
  done
}

# migrate_bookings FOLDER NAME STATEMENT BACK: a migration that changes bookings, and run; BACK is what its down() does
migrate_bookings() {
  case $3 in
    *"'status'"*) in_soleil 'alter table bookings drop constraint if exists no_overlapping_bookings' ;; # it needs the column
  esac
  cat >"$1/database/migrations/$2.php" <<PHP
<?php
use Illuminate\Database\Migrations\Migration; use Illuminate\Database\Schema\Blueprint; use Illuminate\Support\Facades\Schema;
return new class extends Migration {
    public function up() { Schema::table('bookings', function (Blueprint \$table) { \$table->$3; }); }
    public function down() { Schema::table('bookings', function (Blueprint \$table) { \$table->$4; }); }
};
PHP
  chown deploy:www-data "$1/database/migrations/$2.php"
  as_deploy "$1" artisan migrate --force
}

# until_answer PAGE STATUS...: wait until the application answers one of them
until_answer() {
  local page=$1 tries=0 now
  shift
  until now=$(answer "$page" 3); [[ " $* " == *" $now "* ]]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "/api/health/$page answers $now, not $*"
    sleep 0.2
  done
}

# as_postgres WORD...: psql, as the superuser
as_postgres() { (cd / && setpriv --reuid postgres --regid postgres --init-groups psql -X -q -A -t "$@"); }

# sessions NAME COUNT STATEMENT: that many connections of the application's, each of which says that and goes on holding it
sessions() {
  # shellcheck disable=SC2016  # PHP's variables
  systemd-run --quiet --collect --unit="lab-sessions-$1" --uid=www-data --gid=www-data php -r '
    $held = [];
    for ($n = 0; $n < $argv[1]; $n++) {
      try {
        $held[] = $one = new PDO("pgsql:host=127.0.0.1;dbname=soleil", "soleil", "soleil-secret");
        if ($argv[2] !== "") $one->exec($argv[2]);
      } catch (PDOException $e) { usleep(200000); }
    }
    sleep(100000);' -- "$2" "$3"
}

# until_sessions CONDITION: wait until PostgreSQL has a session of the application's that is so
until_sessions() {
  local tries=0
  until [ "$(as_postgres -c "select count(*) from pg_stat_activity where usename = 'soleil' and $1")" -gt 0 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "no session of which $1"
    sleep 0.2
  done
}

# through_pgbouncer: the application and its workers go through pgbouncer, which is enabled for that
through_pgbouncer() {
  cat >/etc/pgbouncer/pgbouncer.ini <<'INI'
[databases]
soleil = host=127.0.0.1 port=5432 dbname=soleil

[pgbouncer]
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /var/run/postgresql/pgbouncer.pid
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = /var/run/postgresql
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
ignore_startup_parameters = extra_float_digits
INI
  echo '"soleil" "soleil-secret"' >/etc/pgbouncer/userlist.txt
  chown postgres:postgres /etc/pgbouncer/pgbouncer.ini /etc/pgbouncer/userlist.txt
  chmod 640 /etc/pgbouncer/pgbouncer.ini /etc/pgbouncer/userlist.txt
  systemctl --quiet enable pgbouncer 2>/dev/null
  systemctl restart pgbouncer
  printf 'DB_EMULATE=true\n' >>/srv/soleil/shared/.env
  sed -i 's/^DB_PORT=.*/DB_PORT=6432/' /srv/soleil/shared/.env
  systemctl reload php8.2-fpm
  supervisorctl restart 'soleil-worker:*' >/dev/null || true
  until_answer ready 200
}

# fill_redis DATABASE PREFIX: keys of that prefix, until Redis refuses every write for want of memory
fill_redis() {
  local round=0 size
  # Large ones, then small ones into what the end of each connection gives back.
  for size in 1000 1000 100 100 10 10; do
    round=$((round + 1))
    seq -f "SET $2$round:%.0f $(head -c "$size" /dev/zero | tr '\0' x)" 9000 | redis-cli -n "$1" >/dev/null
  done
  for round in 1 2 3; do
    case $(redis-cli -n "$1" SET "$2probe" "$round") in
      OOM*) ;;
      *) fail "Redis still takes writes" ;;
    esac
  done
  [ "$(redis-cli PING)" = PONG ]
  [ "$(health cache)" = fail ] || fail "the application can still write to its cache"
}

# as_application WORD...: artisan, as the application's user
as_application() { (cd /srv/soleil/current && setpriv --reuid www-data --regid www-data --init-groups php artisan "$@"); }

# mail_nowhere: mails are sent to nobody, and that goes well; workers started before know nothing of it
mail_nowhere() { sed -i 's/^MAIL_MAILER=.*/MAIL_MAILER=array/' /srv/soleil/shared/.env; }

# mail_sink NAME VALUE: a setting of the mail server's, which counts from the next connection on
mail_sink() { sed -i "s/^$1=.*/$1=$2/" /etc/mail-sink.conf; }

# waiting, taken: how many jobs wait in the queue, and how many some worker has taken and not done yet
waiting() { redis-cli llen soleil_database_queues:default; }
taken() { redis-cli zcard soleil_database_queues:default:reserved; }

# until_both_work: wait until each of the two workers is seen with a job; between two jobs it has none
until_both_work() {
  local tries=0
  until [ "$(taken)" = 2 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "$(taken) of 2 work"
    sleep 0.2
  done
}

# pids_of_workers: the numbers of the queue workers' processes that supervisor has running
pids_of_workers() { supervisorctl status 'soleil-worker:*' | sed -n 's/.* RUNNING *pid \([0-9]*\),.*/\1/p'; }

# under_horizon: a stand-in for Laravel Horizon keeps two queue workers, itself kept by supervisor, in place of supervisor's own
under_horizon() {
  cat >/srv/soleil/current/routes/horizon.php <<'PHP'
<?php // In place of Laravel Horizon: its commands, processes, signals, words and exit statuses, and nothing else of it.
use Illuminate\Support\Facades\{Artisan, Cache, Redis};
$masters = fn () => array_filter(array_map('json_decode', Redis::hgetall('horizon:masters')), fn ($one) => $one->at > time() - 15);
$here = fn () => array_filter($masters(), fn ($name) => strpos($name, gethostname().'-') === 0, ARRAY_FILTER_USE_KEY);
$keep = function (array $commands, $tell, $forget) { // keep these processes running, and hand signals on to them
    [$children, $heard, $works] = [[], [], true];
    $runs = fn ($child) => proc_get_status($child)['running'];
    pcntl_async_signals(true);
    foreach ([SIGTERM, SIGUSR2, SIGCONT] as $one) pcntl_signal($one, function ($signal) use (&$heard) { $heard[] = $signal; });
    while (true) {
        foreach (array_splice($heard, 0) as $signal) {
            foreach (array_filter($children, $runs) as $child) posix_kill(proc_get_status($child)['pid'], $signal);
            $works = $signal === SIGCONT;
            if ($signal !== SIGTERM) continue;
            $forget();
            while (array_filter($children, $runs)) usleep(200000);
            return 0;
        }
        foreach ($works ? $commands : [] as $n => $command) {
            if (! isset($children[$n]) || ! $runs($children[$n])) $children[$n] = proc_open($command, [], $pipes, base_path());
        }
        $tell($works ? 'running' : 'paused');
        sleep(1);
    }
};
$artisan = fn (...$words) => array_merge([PHP_BINARY, 'artisan'], $words);
Artisan::command('horizon', function () use ($keep, $artisan) {
    $name = gethostname().'-'.getmypid();
    $this->info('Horizon started successfully.');
    return $keep([$artisan('horizon:supervisor', "$name:supervisor-1", 'redis', '--queue=default')],
        fn ($status) => Redis::hset('horizon:masters', $name, json_encode(['pid' => getmypid(), 'status' => $status, 'at' => time()])),
        fn () => Redis::hdel('horizon:masters', $name));
});
Artisan::command('horizon:supervisor {name} {connection} {--queue=}', function ($name, $connection, $queue) use ($keep, $artisan) {
    $worker = $artisan('horizon:work', $connection, "--queue=$queue", "--supervisor=$name");
    return $keep([$worker, $worker], fn () => null, fn () => null);
});
Artisan::command('horizon:work {connection} {--queue=} {--supervisor=}', function ($connection, $queue) {
    return $this->call('queue:work', ['connection' => $connection, '--queue' => $queue, '--sleep' => 1, '--tries' => 1]);
});
Artisan::command('horizon:status', function () use ($masters) {
    if (! $masters()) { $this->error('Horizon is inactive.'); return 2; }
    if (in_array('paused', array_column($masters(), 'status'), true)) { $this->warn('Horizon is paused.'); return 1; }
    $this->info('Horizon is running.');
});
foreach (['pause' => [SIGUSR2, 'USR2'], 'continue' => [SIGCONT, 'CONT'], 'terminate' => [SIGTERM, 'TERM']] as $verb => [$signal, $called]) {
    Artisan::command("horizon:$verb", function () use ($here, $verb, $signal, $called) {
        $pids = array_column($here(), 'pid');
        $this->info($pids ? "Sending $called signal to processes." : "No processes to $verb.");
        foreach ($pids as $pid) { $this->line("Process: $pid"); posix_kill($pid, $signal); }
        if ($verb === 'terminate') Cache::forever('illuminate:queue:restart', time());
    });
}
PHP
  echo "require base_path('routes/horizon.php');" >>/srv/soleil/current/routes/console.php
  chown deploy:www-data /srv/soleil/current/routes/horizon.php
  cat >/etc/supervisor/conf.d/horizon.conf <<'CONF'
[program:horizon]
command=php /srv/soleil/current/artisan horizon
user=www-data
autostart=true
autorestart=true
startsecs=1
stopwaitsecs=10
redirect_stderr=true
stdout_logfile=/srv/soleil/shared/storage/logs/horizon.log
CONF
  rm /etc/supervisor/conf.d/soleil-worker.conf
  supervisorctl update >/dev/null
  until_horizon_works
}

# until_horizon_works: wait until both of its workers listen to SIGCONT, as queue:work alone does: one that does not yet
# would end at SIGUSR2, to which every command of artisan's listens
until_horizon_works() {
  local tries=0
  until [ "$(pids_below_horizon | while read -r pid; do grep -E '^SigCgt:.*[2367abef]....$' "/proc/$pid/status"; done | wc -l)" = 2 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "Horizon has not two workers"
    sleep 0.2
  done
}

# pids_below_horizon: the numbers of the processes that do the work under Horizon
pids_below_horizon() { pgrep -f '^[^ ]*php[^ ]* artisan horizon:work ' || true; }

# horizon_lies VERB: what is asked of Horizon by that command is said to be done, ends with 0, and does nothing
horizon_lies() {
  sed -i "s/posix_kill(\$pid, \$signal);/if (\$verb !== '$1') &/; s/if (\$verb === 'terminate') Cache.*//" \
    /srv/soleil/current/routes/horizon.php
  grep -qF "if (\$verb !== '$1') posix_kill" /srv/soleil/current/routes/horizon.php || fail "horizon:$1 is as it was"
}

# export_job BODY: a class of jobs, App\Jobs\ExportInvoice, that does what the PHP text BODY says; $this->seconds is known
export_job() {
  cat >/srv/soleil/current/app/Jobs/ExportInvoice.php <<PHP
<?php
namespace App\Jobs;
class ExportInvoice implements \Illuminate\Contracts\Queue\ShouldQueue {
    use \Illuminate\Foundation\Bus\Dispatchable, \Illuminate\Queue\InteractsWithQueue, \Illuminate\Bus\Queueable;
    public \$tries = 3; public \$seconds;
    public function __construct(float \$seconds) { \$this->seconds = \$seconds; }
    public function handle() { $1 }
}
PHP
  chown deploy:www-data /srv/soleil/current/app/Jobs/ExportInvoice.php
}

# dispatch_exports NUMBER SECONDS: so many of these jobs
dispatch_exports() {
  setpriv --reuid www-data --regid www-data --init-groups php -- "$1" "$2" <<'PHP'
<?php
chdir("/srv/soleil/current");
require "vendor/autoload.php";
(require "bootstrap/app.php")->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
for ($n = 0; $n < $argv[1]; $n++) App\Jobs\ExportInvoice::dispatch((float) $argv[2]);
PHP
}

# until_supervisor NUMBER STATE: wait until so many of the workers are so
until_supervisor() {
  local tries=0
  until [ "$(supervisorctl status 'soleil-worker:*' | grep -c " $2 ")" = "$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || fail "not $1 workers are $2"
    sleep 0.2
  done
}

# throttle_bookings LIMIT: the page of bookings is limited to so many requests in ten minutes for each user, who is told by a
# token as "1-1" (user 1), and for each address where nobody is logged in
throttle_bookings() {
  cat >/srv/soleil/current/routes/api.php <<PHP
<?php
use App\Http\Controllers\{HealthController, BookingController};
use App\Models\PersonalAccessToken;
use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Support\Facades\{Auth, RateLimiter, Route};
config(['auth.guards.api' => ['driver' => 'tokens', 'provider' => 'users'], 'auth.defaults.guard' => 'api']);
Auth::viaRequest('tokens', fn (\$request) => optional(PersonalAccessToken::where('tokenable_type', App\Models\User::class)
    ->firstWhere('token', hash('sha256', (string) \$request->bearerToken())))->tokenable);
RateLimiter::for('api', fn (\$request) => Limit::perMinutes(10, $1)->by(optional(\$request->user())->id ?: \$request->ip()));
Route::get('/health/live', [HealthController::class, 'live']);
Route::get('/health/ready', [HealthController::class, 'ready']);
Route::get('/health/full', [HealthController::class, 'full']);
Route::get('/bookings', [BookingController::class, 'index'])->middleware('throttle:api');
Route::post('/bookings', [BookingController::class, 'store'])->middleware('throttle:$1,10');
PHP
  systemctl reload php8.2-fpm
  local tries=0
  until curl -s -o /dev/null -D - -m 5 http://localhost/api/bookings | grep -qi "^x-ratelimit-limit: $1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "bookings are not limited"
    sleep 0.2
  done
}

# strangers ADDRESS...: another machine with these addresses of the internet, as the namespace "strangers"; they are of
# AS112 (RFC 7535), which sends nobody anything, and nothing of them leaves this host
strangers() {
  local address
  ip netns add strangers
  ip link add strangers0 type veth peer name eth0 netns strangers
  ip link set strangers0 up
  ip address add 192.31.196.1/24 dev strangers0
  ip -6 address add 2620:4f:8000::1/64 dev strangers0 nodad
  ip -n strangers link set lo up
  ip -n strangers link set eth0 up
  for address; do
    case $address in
      *:*) ip -n strangers -6 address add "$address/64" dev eth0 nodad ;;
      *) ip -n strangers address add "$address/24" dev eth0 ;;
    esac
  done
}

# as_strangers WORD...: a command there
as_strangers() { ip netns exec strangers "$@"; }

# go_on_asking SECONDS URL FROM AGENT...: eight times a second, from there, until then; each agent in turn
go_on_asking() {
  # shellcheck disable=SC2016  # the shell's own variables
  systemd-run --quiet --collect --unit=lab-asking --property=RuntimeMaxSec="$1" ip netns exec strangers sh -c '
    url=$1 from=$2
    shift 2
    while :; do
      for agent; do
        curl -s -g -o /dev/null -m 2 --interface "$from" -A "$agent" -H "Connection: close" "$url" || :
        sleep 0.1
      done
    done' sh "${@:2}"
}

# memory_left: how many MiB the host's own limit leaves; files that are merely kept in memory count as left
memory_left() {
  local at=/sys/fs/cgroup limit used
  if [ -e $at/memory/memory.limit_in_bytes ]; then
    at=$at/memory limit=$at/memory.limit_in_bytes used=$at/memory.usage_in_bytes
  else
    limit=$at/memory.max used=$at/memory.current
  fi
  limit=$(cat "$limit") used=$(cat "$used")
  [ "$limit" != max ] && [ "$limit" -lt 1000000000000 ] || fail "the host has no limit of its own"
  echo $(((limit - used + $(sed -n 's/^\(total_\)\{0,1\}inactive_file //p' "$at/memory.stat" | tail -n 1)) / 1024 / 1024))
}

# leak_page: a page of the application's in php-fpm that loses 8 MiB of its worker's memory with each request, as an
# extension does that leaks; nobody knows of it but us
leak_page() {
  echo 'ffi.enable = true' >/etc/php/8.2/fpm/conf.d/99-lab-ffi.ini
  cat >/srv/soleil/current/public/report.php <<'PHP'
<?php
$c = FFI::cdef("void *malloc(size_t n); void *memset(void *at, int with, size_t n);");
for ($n = 0; $n < (int) ($_GET["times"] ?? 1); $n++) $c->memset($c->malloc(8 << 20), 1, 8 << 20);
echo "done\n";
PHP
  systemctl reload php8.2-fpm
  until_answer live 200
}

# kernel_says TEXT: into the journal in the kernel's name; a host of the lab does not get the kernel's own messages
kernel_says() { logger -t kernel -- "$1"; }

# killed_for_want_of_memory: how many processes of the host the kernel has killed so
killed_for_want_of_memory() {
  local file=/sys/fs/cgroup/memory/memory.oom_control
  [ -e $file ] || file=/sys/fs/cgroup/memory.events
  sed -n 's/^oom_kill //p' $file
}

# until_short: wait until a tenth of the 1 GiB that the host has is not left any more
until_short() {
  local tries=0
  until [ "$(memory_left)" -lt 100 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "$(memory_left) MiB are still left"
    sleep 0.1
  done
}

# in_soleil STATEMENT: what the superuser says in the application's database
in_soleil() { as_postgres -d soleil -c "$1"; }

# book ROOM FROM UNTIL STATUS: a booking, made just now in a transaction of its own; in days from today
book() {
  in_soleil "insert into bookings (room_id, user_id, check_in, check_out, status, created_at, updated_at)
    values ($1, 1, current_date + $2, current_date + $3, '$4', ${5-now()}, ${5-now()})"
}

# unguard_bookings: no constraint refuses overlapping bookings any more
unguard_bookings() {
  in_soleil 'alter table bookings drop constraint no_overlapping_bookings'
  [ "$(in_soleil "select count(*) from pg_constraint where conrelid = 'bookings'::regclass and contype = 'x'")" = 0 ]
}

# overlapping: how many pairs of bookings hold one room at the same time
overlapping() {
  in_soleil "select count(*) from bookings a join bookings b on a.room_id = b.room_id and a.id < b.id
    and daterange(a.check_in, a.check_out) && daterange(b.check_in, b.check_out)
    where a.status in ('pending', 'confirmed') and b.status in ('pending', 'confirmed')"
}

# api_of_users: an API that lets in by a token of its table alone, as Laravel Sanctum does, and writes down who came from
# where into the table for that; the token of user 1 that is called t1 is "1-1"
api_of_users() {
  cat >>/srv/soleil/current/routes/api.php <<'PHP'
Route::get('/me', function (Illuminate\Http\Request $request) {
    $token = App\Models\PersonalAccessToken::firstWhere('token', hash('sha256', (string) $request->bearerToken()));
    if (! $token) return response()->json(['message' => 'Unauthenticated.'], 401);
    $token->forceFill(['last_used_at' => now()])->save();
    Illuminate\Support\Facades\DB::table('audit_logs')->insert(['user_id' => $token->tokenable_id, 'action' => 'me',
        'ip_address' => $request->ip(), 'created_at' => now()]);
    return response()->json(['id' => $token->tokenable_id]);
});
PHP
  systemctl reload php8.2-fpm
  local tries=0
  until [ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' http://localhost/api/me)" = 401 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "the API of users does not answer"
    sleep 0.2
  done
}

# add_route PAGE BODY: a page of the application's, /api/PAGE, that does what the PHP text BODY says
add_route() {
  echo "Route::get('/$1', function () { $2 });" >>/srv/soleil/current/routes/api.php
  systemctl reload php8.2-fpm # what it has compiled counts for two seconds more
  until_answer live 200
}

# ask_for PAGE NUMBER: that many requests for /api/PAGE at once, each of which waits for its answer
ask_for() {
  # shellcheck disable=SC2016  # the inner shell's
  systemd-run --quiet --collect --unit="lab-asking-for-$1" bash -c \
    'for n in $(seq "$2"); do curl -s -o /dev/null -m 1000 "localhost/api/$1" & done; wait' bash "$1" "$2"
}

# until_working NUMBER CONDITION: wait until so many statements of the application's run that are so
until_working() {
  local tries=0
  until [ "$(as_postgres -c "select count(*) from pg_stat_activity where usename = 'soleil' and state = 'active' and $2")" -ge "$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "not $1 statements of which $2"
    sleep 0.2
  done
}

# queue_behind STATEMENT: a program changes all bookings, and goes on with that statement before it is done; whoever
# confirms one waits for it, until php-fpm has nobody left
queue_behind() {
  # systemd would make one dollar of two
  sessions holder 1 "do \$body\$ begin update bookings set status = status; $1 end \$body\$"
  until_working 1 "query like 'do%'"
  add_route confirm 'Illuminate\Support\Facades\DB::update("update bookings set status = status where room_id = 1");'
  ask_for confirm 7
  until_working 5 "wait_event_type = 'Lock'"
}

# takes MILLISECONDS: /api/health/ready takes longer than that, and is served
takes() {
  local took tries=0
  until took=$(curl -s -o /dev/null -m 20 -w '%{http_code} %{time_total}' http://localhost/api/health/ready) &&
    [ "${took% *}" = 200 ] && [ "$(printf '%.0f' "${took#* }e3")" -gt "$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 20 ] || fail "it takes $took, not $1 ms"
    sleep 0.2
  done
}
