<?php
namespace App\Http\Controllers;

use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Queue;
use Illuminate\Support\Facades\Redis;

class HealthController
{
    /** PHP answers; no other service is asked. */
    public function live()
    {
        return response()->json(['status' => 'ok', 'release' => basename(base_path())]);
    }

    /** What every request needs answers. */
    public function ready()
    {
        return $this->answer($this->check($this->needed()));
    }

    /** Everything the application uses works, writing to its log folder included. */
    public function full()
    {
        $checks = $this->check($this->needed() + [
            'queue' => fn () => ['size' => Queue::size('default')],
            'failed_jobs' => fn () => ['count' => DB::table('failed_jobs')->count()],
            'cache' => fn () => ['stored' => cache()->put('health', 1, 5)],
            'storage' => fn () => $this->writeProbe(storage_path('logs')),
        ]);

        return $this->answer($checks, ['release' => basename(base_path()), 'version' => app()->version()]);
    }

    private function needed(): array
    {
        return [
            'database' => function () { DB::select('select 1'); return []; },
            'redis' => function () { Redis::connection()->ping(); return []; },
        ];
    }

    /** A new file each time: one that exists already keeps its blocks when the disk is full. */
    private function writeProbe(string $folder): array
    {
        $file = $folder.'/.probe-'.uniqid();
        $written = @file_put_contents($file, str_repeat('x', 16384));
        $why = error_get_last()['message'] ?? '';
        @unlink($file);
        if ($written !== 16384) {
            throw new \RuntimeException('write failed: '.$why);
        }

        return ['free' => disk_free_space($folder)];
    }

    private function check(array $checks): array
    {
        $results = [];
        foreach ($checks as $name => $check) {
            $start = microtime(true);
            try {
                $results[$name] = ['status' => 'ok'] + $check();
            } catch (\Throwable $e) {
                $results[$name] = ['status' => 'fail', 'error' => substr($e->getMessage(), 0, 300)];
            }
            $results[$name]['ms'] = round((microtime(true) - $start) * 1000, 1);
        }

        return $results;
    }

    private function answer(array $checks, array $more = [])
    {
        $ok = ! in_array('fail', array_column($checks, 'status'), true);

        return response()->json(['status' => $ok ? 'ok' : 'fail', 'checks' => $checks] + $more, $ok ? 200 : 503);
    }
}
