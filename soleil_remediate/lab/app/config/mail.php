<?php
return ['default' => env('MAIL_MAILER', 'smtp'), 'mailers' => ['smtp' => ['transport' => 'smtp', 'host' => env('MAIL_HOST', '127.0.0.1'), 'port' => env('MAIL_PORT', 2525),
  'encryption' => null, 'username' => env('MAIL_USERNAME'), 'password' => env('MAIL_PASSWORD'), 'timeout' => 5], 'log' => ['transport' => 'log'], 'array' => ['transport' => 'array']],
  'from' => ['address' => 'noreply@example.test', 'name' => 'Soleil'], 'markdown' => ['theme' => 'default', 'paths' => []]];
