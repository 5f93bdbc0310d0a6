<?php
namespace App\Console\Commands;
use App\Jobs\SendBookingMail;
use Illuminate\Console\Command;
class QueueFill extends Command {
    protected $signature = 'queue:fill {n=1000} {--id=1}';
    protected $description = 'Push n mail jobs';
    public function handle() { for ($i = 0; $i < $this->argument('n'); $i++) SendBookingMail::dispatch((int) $this->option('id')); $this->line(\Queue::size('default')); }
}
