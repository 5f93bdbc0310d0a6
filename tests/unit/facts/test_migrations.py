from __future__ import annotations

import pytest

from soleil_remediate.facts.migrations import Effect, effect_of, is_all_or_nothing, lost_by


def migration(up: str, down: str = "Schema::dropIfExists('rooms');") -> str:
    return f"""<?php
use Illuminate\\Database\\Schema\\Blueprint; // dropColumn in a comment, and a quotation mark: it's
return new class extends Migration {{
    /* Schema::drop('x'); */
    public function up(): void {{ {up} }}
    public function down() {{ {down} }}
}};
"""


def table(body: str) -> str:
    return f"Schema::table('rooms', function (Blueprint $table) {{ {body} }});"


@pytest.mark.parametrize(
    "up",
    [
        "",
        "Schema::create('rooms', function (Blueprint $table) { $table->id(); $table->string('name')->unique(); });",
        'Schema::create("rooms", function (Blueprint $t) { $t->foreignId("user_id")->constrained(); });',
        table("$table->string('floor')->nullable();"),
        table("$table->integer('beds')->default(2)->after('name'); $table->timestamps();"),
        table("$table->timestamp('seen')->useCurrent()->index();"),
        table("$table->index(['name', 'floor']); $table->softDeletes();"),
        table("$table->string('note')->default('drop me; }')->nullable();"),
    ],
)
def test_what_older_code_need_not_know_is_additive(up: str) -> None:
    assert effect_of(migration(up)) is Effect.ADDITIVE


@pytest.mark.parametrize(
    "up",
    [
        "Schema::drop('rooms');",
        "\\Illuminate\\Support\\Facades\\Schema::rename('rooms', 'chambers');",
        table("$table->dropColumn('floor');"),
        "DB::statement('ALTER TABLE rooms DROP COLUMN floor');",
        "if (Schema::hasTable('rooms')) { DB::table('rooms')->delete(); }",
        "foreach (['a', 'b'] as $name) { Schema::table($name, fn ($table) => $table->dropColumn('x')); }",
        "DB::table('rooms')->chunkById(9, function ($rooms) use ($x) { DB::table('rooms')->update(['a' => 1]); });",
    ],
)
def test_what_is_said_to_the_database_alone_is_there_whole_or_not_at_all(up: str) -> None:
    assert is_all_or_nothing(migration(up))


DROP = "Schema::drop('rooms'); "


@pytest.mark.parametrize(
    "text",
    [
        migration(DROP, down=""),
        migration(DROP, down="// nobody wrote it"),
        migration(DROP).replace("down()", "other()"),
        migration(DROP).replace("up()", "other()"),
        migration(DROP).replace("extends Migration", "extends OfATenant"),
        migration(DROP).replace("public function up", "public $withinTransaction = false; public function up"),
        migration(DROP).replace("public function up", "protected $connection = 'other'; public function up"),
        migration("Schema::connection('other')->drop('rooms');"),
        migration(DROP + "DB::statement('commit');"),
        migration(DROP + "DB::beginTransaction();"),
        migration(DROP + "Storage::delete('rooms');"),
        migration(DROP + "unlink('rooms');"),
        migration(DROP + "$unlink('rooms');"),
        migration(DROP + "$this->more();"),
        migration(DROP + "(new Rooms)->drop();"),
        migration(DROP + "require 'more.php';"),
        migration(DROP + "`rm rooms`;"),
        migration(DROP + "DB::statement(<<<SQL\nSQL);"),
        "",
    ],
)
def test_what_may_be_half_there_without_a_note_or_after_it_was_taken_back_is_not_all_or_nothing(text: str) -> None:
    assert not is_all_or_nothing(text)


@pytest.mark.parametrize(
    "up",
    [
        "Schema::drop('rooms');",
        "Schema::dropIfExists('rooms');",
        "Schema::rename('rooms', 'chambers');",
        table("$table->dropColumn('floor');"),
        table("$table->renameColumn('floor', 'storey');"),
        table("$table->string('floor', 3)->nullable()->change();"),
        table("$table->string('new')->nullable(); $table->dropUnique('x');"),
        "DB::statement('ALTER TABLE rooms DROP COLUMN floor');",
        "DB::table('rooms')->delete();",
        "if (Schema::hasTable('rooms')) { Schema::drop('rooms'); }",
        "Schema::create('x', function (Blueprint $table) { DB::table('rooms')->truncate(); });",
        "DB::statement('vacuum'); " + table("$table->dropColumn('b');"),
    ],
)
def test_what_takes_something_away_is_destructive(up: str) -> None:
    assert effect_of(migration(up)) is Effect.DESTRUCTIVE


@pytest.mark.parametrize(
    "up",
    [
        table("$table->string('floor');"),  # older code's inserts leave it out, and fail
        table("$table->string('floor')->nullable()->unique();"),
        table("$table->foreignId('owner')->nullable()->constrained();"),
        table("$table->string('floor')->nullable($this->isNew());"),
        table("$table->unique('name');"),
        table("$this->add($table);"),
        table("if ($x) { $table->string('floor')->nullable(); }"),
        table("$other = 1;"),
        "DB::statement('ALTER TABLE rooms ADD CHECK (beds > 0)');",
        "DB::statement(<<<SQL\nselect 1\nSQL);",
        "$this->call();",
    ],
)
def test_what_nobody_can_tell_by_the_text_is_unknown(up: str) -> None:
    assert effect_of(migration(up)) is Effect.UNKNOWN


@pytest.mark.parametrize("text", ["", "<?php class X {}", "<?php function up() {", "<?php function up() { 'x }", "\0"])
def test_what_is_no_migration_is_unknown(text: str) -> None:
    assert effect_of(text) is Effect.UNKNOWN


def test_how_it_would_be_taken_back_does_not_count() -> None:
    assert effect_of(migration(table("$table->string('a')->nullable();"), "Schema::drop('rooms');")) is Effect.ADDITIVE


@pytest.mark.parametrize(
    "statement, lost",
    [
        ('drop table if exists "bookings"', ('table "bookings" and all its rows',)),
        ('drop table "a", "s"."b" cascade;', ('table "a" and all its rows', 'table "s"."b" and all its rows')),
        ('alter table "bookings" drop column "note"', ('column "note" of "bookings"',)),
        ("alter table `b` drop `a`, drop `c`", ("column `a` of `b`", "column `c` of `b`")),
        ("alter table `b` drop index `x`, drop foreign key `y`", ()),
        ('alter table "b" drop constraint "c", drop column "d"', ('column "d" of "b"',)),
        ('alter table "b" add column "c" varchar(255) not null default \'a, drop column b\'', ()),
        ('alter table "b" add column "c" decimal(8, 2) null, drop column "d"', ('column "d" of "b"',)),
        ('create unique index "x" on "b" ("c")', ()),
        ('create table "x" ("y" int)', ()),
        ('drop index "x"', ()),
    ],
)
def test_what_a_statement_of_sql_loses_is_named(statement: str, lost: tuple[str, ...]) -> None:
    assert lost_by(statement) == lost
    assert len(lost_by(statement.upper())) == len(lost)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from bookings",
        "update bookings set status = 'x'",
        'alter table "b" alter column "x" type int',
        'alter table "b" rename column "a" to "c"',
        'alter table "b" add column "c" int, rename to "d"',
        'create table "x" ("y" int); drop table "z"',
        'drop table "x"; drop table "z"',
        "alter table b add c text; drop table z",
        "drop view v",
        "add x",
        "alter table",
        "",
    ],
)
def test_a_statement_that_is_not_understood_is_never_one_that_loses_nothing(statement: str) -> None:
    assert lost_by(statement) == (f"whatever goes by: {statement}",)
