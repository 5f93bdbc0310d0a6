# about: the cached configuration is gone, and a part of it takes long to load: every request pays for that
# scenario: slow-response
# kinds: page.quick config-cache.build
cat >/srv/soleil/current/config/rooms.php <<'PHP'
<?php
usleep(1300000); // as long as a service takes that is asked for them
return ['prices' => ['single' => 40, 'double' => 60]];
PHP
chown deploy:www-data /srv/soleil/current/config/rooms.php
takes 1100
