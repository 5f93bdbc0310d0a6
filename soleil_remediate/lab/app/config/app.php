<?php
return [
 'name' => env('APP_NAME', 'Soleil'), 'env' => env('APP_ENV', 'production'), 'debug' => (bool) env('APP_DEBUG', false),
 'url' => env('APP_URL', 'http://localhost'), 'asset_url' => null, 'timezone' => 'UTC', 'locale' => 'en', 'fallback_locale' => 'en',
 'key' => env('APP_KEY'), 'cipher' => 'AES-256-CBC',
 'providers' => [
  Illuminate\Auth\AuthServiceProvider::class, Illuminate\Bus\BusServiceProvider::class, Illuminate\Cache\CacheServiceProvider::class,
  Illuminate\Foundation\Providers\ConsoleSupportServiceProvider::class, Illuminate\Cookie\CookieServiceProvider::class,
  Illuminate\Database\DatabaseServiceProvider::class, Illuminate\Encryption\EncryptionServiceProvider::class,
  Illuminate\Filesystem\FilesystemServiceProvider::class, Illuminate\Foundation\Providers\FoundationServiceProvider::class,
  Illuminate\Hashing\HashServiceProvider::class, Illuminate\Mail\MailServiceProvider::class, Illuminate\Notifications\NotificationServiceProvider::class,
  Illuminate\Pagination\PaginationServiceProvider::class, Illuminate\Pipeline\PipelineServiceProvider::class, Illuminate\Queue\QueueServiceProvider::class,
  Illuminate\Redis\RedisServiceProvider::class, Illuminate\Session\SessionServiceProvider::class, Illuminate\Translation\TranslationServiceProvider::class,
  Illuminate\Validation\ValidationServiceProvider::class, Illuminate\View\ViewServiceProvider::class,
  App\Providers\AppServiceProvider::class, App\Providers\RouteServiceProvider::class,
 ],
 // no 'Redis' alias: the class name belongs to the phpredis extension
 'aliases' => ['Log' => Illuminate\Support\Facades\Log::class, 'DB' => Illuminate\Support\Facades\DB::class, 'Queue' => Illuminate\Support\Facades\Queue::class,
               'Cache' => Illuminate\Support\Facades\Cache::class, 'Route' => Illuminate\Support\Facades\Route::class, 'Schema' => Illuminate\Support\Facades\Schema::class],
];
