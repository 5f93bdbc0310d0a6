<?php
// Nothing is installed by composer: Debian's packages are on PHP's include_path (/usr/share/php).
error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
require_once '/usr/share/php/Illuminate/autoload.php';
spl_autoload_register(function ($class) {
    foreach (['App\\' => 'app/', 'Database\\Seeders\\' => 'database/seeders/'] as $prefix => $folder) {
        if (strncmp($class, $prefix, strlen($prefix)) === 0) {
            $file = dirname(__DIR__).'/'.$folder.str_replace('\\', '/', substr($class, strlen($prefix))).'.php';
            if (is_file($file)) {
                require $file;
            }
        }
    }
});
