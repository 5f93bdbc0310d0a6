# about: somebody left debug mode on: whoever meets an error sees code, queries and secrets
# routine: daily
# kinds: debug.off
sed -i 's/^APP_DEBUG=.*/APP_DEBUG=true/' /srv/soleil/shared/.env
as_deploy /srv/soleil/current artisan config:cache
said=$(cd /srv/soleil/current && sudo -u www-data php -r 'require "vendor/autoload.php"; $app = require "bootstrap/app.php";
  $app->make("Illuminate\Contracts\Console\Kernel")->bootstrap(); echo json_encode($app["config"]["app.debug"]);')
[ "$said" = true ] || fail "debug mode is not on: $said"
