<?php
use Illuminate\Database\Migrations\Migration; use Illuminate\Database\Schema\Blueprint; use Illuminate\Support\Facades\Schema;
class CreateAuditLogsTable extends Migration {
  public function up() { Schema::create('audit_logs', function (Blueprint $t) { $t->id(); $t->unsignedBigInteger('user_id'); $t->string('action'); $t->ipAddress('ip_address'); $t->timestamp('created_at'); }); }
  public function down() { Schema::dropIfExists('audit_logs'); } }
