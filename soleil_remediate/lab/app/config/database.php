<?php
$r = fn ($db) => ['host' => env('REDIS_HOST', '127.0.0.1'), 'password' => env('REDIS_PASSWORD'), 'port' => env('REDIS_PORT', '6379'), 'database' => $db, 'timeout' => 2.0, 'read_timeout' => 10.0];
return ['default' => 'pgsql', 'connections' => ['pgsql' => ['driver' => 'pgsql', 'host' => env('DB_HOST', '127.0.0.1'), 'port' => env('DB_PORT', '5432'),
   'database' => env('DB_DATABASE', 'soleil'), 'username' => env('DB_USERNAME', 'soleil'), 'password' => env('DB_PASSWORD', ''), 'charset' => 'utf8',
   'prefix' => '', 'schema' => 'public', 'sslmode' => 'prefer', 'options' => [PDO::ATTR_TIMEOUT => 3, PDO::ATTR_EMULATE_PREPARES => (bool) env('DB_EMULATE', false)]]],
 'migrations' => 'migrations',
 'redis' => ['client' => env('REDIS_CLIENT', 'phpredis'), 'options' => ['prefix' => 'soleil_database_'], 'default' => $r(0), 'cache' => $r(1)]];
