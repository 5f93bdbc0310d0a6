<?php
return ['default' => env('CACHE_DRIVER', 'redis'), 'stores' => ['array' => ['driver' => 'array', 'serialize' => false],
  'file' => ['driver' => 'file', 'path' => storage_path('framework/cache/data')], 'redis' => ['driver' => 'redis', 'connection' => 'cache']], 'prefix' => 'soleil_cache'];
