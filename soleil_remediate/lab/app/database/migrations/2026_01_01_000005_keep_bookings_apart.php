<?php
use Illuminate\Database\Migrations\Migration; use Illuminate\Support\Facades\DB;
return new class extends Migration {
  public function up() { DB::statement("alter table bookings add constraint no_overlapping_bookings exclude using gist (room_id with =, daterange(check_in, check_out, '[)') with &&) where (status in ('pending', 'confirmed'))"); }
  public function down() { DB::statement('alter table bookings drop constraint no_overlapping_bookings'); } };
