# about: every worker of Octane hangs for good; Octane itself and nginx are well (a small server of the same shape)
# scenario: application-down
# kinds: page.served octane.reload
# option: reload=works  or lies: octane:reload says that it reloads, ends with 0, and does nothing
root=/srv/soleil/current
cat >"$root/octane-of-the-lab.php" <<'PHP'
<?php // A master that keeps four workers, writes down its number, and replaces them on SIGUSR1, as Octane's Swoole does.
$socket = stream_socket_server('tcp://127.0.0.1:8000');
file_put_contents($argv[1], json_encode(['masterProcessId' => getmypid(), 'state' => ['port' => 8000]]));
$workers = [];
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function () use (&$workers) { foreach ($workers as $pid => $_) posix_kill($pid, SIGKILL); }, false);
while (true) {
    while (count($workers) < 4) {
        if ($pid = pcntl_fork()) { $workers[$pid] = true; continue; }
        pcntl_signal(SIGUSR1, SIG_DFL);
        while (true) {
            if (!$client = @stream_socket_accept($socket, -1)) continue;
            fread($client, 65536);
            fwrite($client, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"ok\"}");
            fclose($client);
        }
    }
    if (($gone = pcntl_wait($status)) > 0) unset($workers[$gone]);
}
PHP
state=$root/storage/logs/octane-server-state.json
case $OPTION_RELOAD in
  works) signal="posix_kill(json_decode(file_get_contents('$state'), true)['masterProcessId'], SIGUSR1);" ;;
  lies) signal= ;;
  *) fail "reload works or lies, not $OPTION_RELOAD" ;;
esac
cat >"$root/app/Console/Commands/OctaneReload.php" <<PHP
<?php
namespace App\Console\Commands;
class OctaneReload extends \Illuminate\Console\Command {
    protected \$signature = 'octane:reload';
    protected \$description = 'Reload the Octane workers';
    public function handle() { \$this->info('Reloading workers...'); $signal return 0; }
}
PHP
sed -i 's|fastcgi_pass .*|proxy_pass http://127.0.0.1:8000;|; /fastcgi_param\|fastcgi_params/d; /try_files/s|try_files.*|proxy_pass http://127.0.0.1:8000; }|' \
  /etc/nginx/sites-available/soleil
systemctl disable --now php8.2-fpm 2>/dev/null
systemctl reload nginx
systemd-run --quiet --collect --unit=octane --uid=www-data --gid=www-data php "$root/octane-of-the-lab.php" "$state"
tries=0
until [ "$(answer ready 3)" = 200 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || fail "Octane does not serve"
  sleep 0.1
done
workers_of octane | hang
[ "$(answer live 3)" = 000 ] || fail "a worker still answers"
