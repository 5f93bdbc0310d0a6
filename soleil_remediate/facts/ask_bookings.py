"""Ask for an application's bookings, and for what its database does against two of them in one room.

The application's own connection asks, so that the database may be anywhere and nobody has to know a password; the
transaction can read and nothing else. Of a booking its number, room, times, status and when it was made leave the host,
and nothing of whoever made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.booking_rules import RANGES, Rules, quoted
from soleil_remediate.facts.bookings import (
    Booking,
    Bookings,
    BookingTable,
    Counts,
    Holder,
    IndexSeen,
    Overlap,
    Overlaps,
    Phase,
)
from soleil_remediate.facts.files import readable
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, ask_php, told
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: So many overlaps are told one by one.
MOST = 20
#: What a booking has that has no status, for people.
NO_STATUS = "(none)"
#: So long one of the three questions may take, in seconds.
_EACH = 4
#: A longer text of a booking's is cut.
_LONGEST = 64
_COUNTED = ("total", "held", "roomless", "open", "hollow", "reversed", "reversed_ahead")

#: Tell what the table $argv[3] is, and which of its rows hold the same room ($argv[4]) at the same time (from $argv[5]
#: until before $argv[6]): those whose status ($argv[7]) is one of $argv[8], apart from those where one has another
#: status that is none of $argv[9]. Rows that are near each other are found by sorting: joining all with all would take
#: too long. A row without beginning or end is without bounds, as in a range.
_ASK = (
    START  # noqa: S608  # names are quoted, or refused before; values are bound
    + DATABASES
    + r"""
[$table, $room, $starts, $ends, $status, $holds, $free, $most, $each, $patience] = array_slice($argv, 3);
$name = $config["database.default"];
connect_within((int) $patience);
$quote = fn ($name) => '"' . strtr($name, ['"' => '""']) . '"';
try {
    $connection = $app["db"]->connection($name);
    $pdo = $connection->getPdo();
    $driver = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME);
    if ($driver !== "pgsql") {
        tell(["driver" => $driver]);
        exit(0);
    }
    $ask = function ($sql, $values) use ($pdo) { // a pooler between may know nothing of prepared statements
        $values = array_filter($values, fn ($name) => strpos($sql, ":$name") !== false, ARRAY_FILTER_USE_KEY);
        $asked = $pdo->prepare($sql, [PDO::ATTR_EMULATE_PREPARES => true]);
        $asked->execute($values);
        return json_decode((string) $asked->fetchColumn());
    };
    $pdo->exec("begin isolation level repeatable read read only; " . time_limits($each));
    $zone = date_default_timezone_get();
    $parts = explode(".", $table);
    $parts[] = $connection->getTablePrefix() . array_pop($parts);
    $named = implode(".", array_map($quote, $parts));
    $found = $ask("select json_build_object(
        'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
        'database', current_database(), 'owner', pg_get_userbyid(c.relowner), 'role', current_user,
        'is_owner', pg_has_role(c.relowner, 'USAGE'), 'is_hidden', row_security_active(c.oid),
        'has_kin', exists (select from pg_inherits where c.oid in (inhrelid, inhparent)),
        'is_standby', pg_is_in_recovery(), 'today', (now() at time zone :zone)::date::text,
        'has_extension', exists (select from pg_extension where extname = 'btree_gist'),
        'offers_extension', exists (select from pg_available_extensions where name = 'btree_gist'),
        'names', (select coalesce(json_agg(relname), '[]') from pg_class where relnamespace = c.relnamespace
            and relkind in ('i', 'I', 'r', 'p', 'v', 'm', 'S')),
        'key', (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid
            and a.attnum = i.indkey[0] where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1),
        'columns', (select coalesce(json_object_agg(a.attname, json_build_object(
                'type', format_type(a.atttypid, null),
                'generated', case when a.attgenerated = 's' then pg_get_expr(d.adbin, d.adrelid) end)), '{}')
            from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
        'indexes', (select coalesce(json_agg(json_build_object(
                'name', coalesce(x.conname, ic.relname),
                'definition', left(coalesce(pg_get_constraintdef(x.oid), pg_get_indexdef(i.indexrelid)), 600),
                'keys', (select json_agg(pg_get_indexdef(i.indexrelid, k, false) order by k)
                    from generate_series(1, i.indnkeyatts) k),
                'operators', (select coalesce(json_agg(o.oprname order by u.place), '[]')
                    from unnest(x.conexclop) with ordinality u(operator, place)
                    join pg_operator o on o.oid = u.operator),
                'condition', pg_get_expr(i.indpred, i.indrelid),
                'is_exclusion', i.indisexclusion, 'is_valid', i.indisvalid and i.indisready)
            order by ic.relname), '[]')
            from pg_index i join pg_class ic on ic.oid = i.indexrelid
            left join pg_constraint x on x.conindid = i.indexrelid and x.conrelid = i.indrelid
                and x.contype in ('x', 'u')
            where i.indrelid = c.oid and not i.indisprimary and (i.indisexclusion or i.indisunique)),
        'triggers', (select coalesce(json_agg(json_build_object('name', t.tgname, 'function', p.proname)
                order by t.tgname), '[]')
            from pg_trigger t join pg_proc p on p.oid = t.tgfoid
            where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('O', 'A')
            and position(lower(:starts) in lower(p.prosrc)) > 0 and position(lower(:ends) in lower(p.prosrc)) > 0),
        'holders', (select coalesce(json_agg(json_build_object('pid', h.pid, 'is_waiting', h.is_waiting,
                'role', a.usename,
                'since', floor(extract(epoch from clock_timestamp() - a.xact_start))) order by h.pid), '[]')
            from (select pid, not bool_and(granted) as is_waiting from pg_locks where locktype = 'relation'
                and relation = c.oid and database = (select oid from pg_database where datname = current_database())
                and pid is distinct from pg_backend_pid() group by pid) h
            left join pg_stat_activity a on a.pid = h.pid))
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(:named)",
        ["named" => $named, "starts" => $starts, "ends" => $ends, "zone" => $zone]);
    $columns = (array) ($found->columns ?? []);
    $type = fn ($column) => $columns[$column]->type ?? "";
    $clocks = ["date" => "(now() at time zone :zone)::date", "timestamp with time zone" => "now()",
        "timestamp without time zone" => "now() at time zone :zone"];
    $is_readable = $found && in_array($found->kind, ["r", "p"], true) && ! $found->is_hidden && $found->key !== null
        && isset($columns[$room], $clocks[$type($starts)]) && $type($starts) === $type($ends)
        && ($status === "" || isset($columns[$status]));
    if (! $is_readable) {
        $pdo->exec("rollback");
        tell(["driver" => $driver, "named" => $named, "table" => $found, "counts" => null, "overlaps" => null]);
        exit(0);
    }
    [$r, $s, $e, $id] = array_map($quote, [$room, $starts, $ends, $found->key]);
    $kept = $quote($status);
    $is = fn ($list) => "($kept::text = any(string_to_array(:$list, ','))) is true";
    [$held, $freed, $said] = [$is("holds"), $is("free"), "$kept::text"];
    if ($status === "") [$held, $freed, $said] = ["true", "false", "null::text"];
    $there = isset($columns["deleted_at"]) ? '"deleted_at" is null' : "true";
    $made = isset($columns["created_at"]) ? '"created_at"' : "null::timestamp";
    $since = isset($columns["updated_at"]) ? '"updated_at"' : "null::timestamp";
    if ($type("created_at") === "timestamp with time zone") $made .= " at time zone :zone";
    if ($type("updated_at") === "timestamp with time zone") $since .= " at time zone :zone";
    $lists = ["holds" => $holds, "free" => $free, "zone" => $zone];
    $counts = $ask("with b as (select $id::text as id, $r as room, $s as s, $e as e, left($said, 40) as said,
            $held as held from $named where $there and not ($freed))
        select json_build_object('held', count(*) filter (where held),
            'roomless', count(*) filter (where held and room is null),
            'open', count(*) filter (where held and (s is null or e is null)),
            'hollow', count(*) filter (where held and s = e),
            'reversed', count(*) filter (where held and s > e),
            'reversed_ahead', count(*) filter (where s > e and s > {$clocks[$type($starts)]}),
            'reversed_ids', coalesce((array_agg(id order by s desc) filter (where s > e))[1 : 5], '{}'),
            'total', (select count(*) from $named),
            'statuses', (select coalesce(json_agg(json_build_array(said, held, n) order by n desc, said), '[]')
                from (select said, held, count(*) as n from b group by said, held order by n desc limit 20) g))
        from b", $lists);
    $sql = "with b as materialized (
            select $id::text as id, $r as room, coalesce($s, '-infinity') as lo, coalesce($e, 'infinity') as hi,
                left($said, 40) as said, $held as held, $made as made, $since as since, xmin::text as written
            from $named where $there and not ($freed) and $r is not null and ($s < $e or $s is null or $e is null)),
        m as (select *, max(hi) over (partition by room order by lo, hi, id
            rows between unbounded preceding and 1 preceding) as before from b),
        g as (select *, count(*) filter (where before is null or lo >= before)
            over (partition by room order by lo, hi, id) as island from m),
        h as (select *, count(*) over (partition by room, island) as size from g),
        p as materialized (select a.room::text as room, a.held and z.held as held,
                greatest(a.lo, z.lo) as lo, least(a.hi, z.hi) as hi,
                case when a.held then z.said else a.said end as other,
                json_build_array(a.id, a.lo::text, a.hi::text, a.said, to_char(a.made, 'YYYY-MM-DD HH24:MI:SS'),
                    extract(epoch from a.made)::float, a.since is distinct from a.made, a.written) as a,
                json_build_array(z.id, z.lo::text, z.hi::text, z.said, to_char(z.made, 'YYYY-MM-DD HH24:MI:SS'),
                    extract(epoch from z.made)::float, z.since is distinct from z.made, z.written) as z
            from h a join h z on a.room = z.room and a.island = z.island and a.size > 1
                and (a.lo, a.hi, a.id) < (z.lo, z.hi, z.id) and a.lo < z.hi and z.lo < a.hi),
        w as (select *, case when hi <= clock then 'past' when lo > clock then 'coming' else 'running' end as phase
            from p, (select {$clocks[$type($starts)]} as clock) c)
        select json_build_object(
            'past', count(*) filter (where held and phase = 'past'),
            'running', count(*) filter (where held and phase = 'running'),
            'coming', count(*) filter (where held and phase = 'coming'),
            'unclear', count(*) filter (where not held and phase <> 'past'),
            'unclear_statuses', coalesce((array_agg(distinct other)
                filter (where not held and phase <> 'past'))[1 : 10], '{}'),
            'pairs', (select coalesce(json_agg(json_build_array(left(room, 64), phase, lo::text, hi::text, a, z)
                    order by place), '[]')
                from (select *, row_number() over (order by phase = 'past', lo, room, hi) as place from w where held
                    order by place limit " . (int) $most . ") l))
        from w";
    $overlaps = $why = null;
    try {
        $overlaps = $ask($sql, $lists);
    } catch (PDOException $error) {
        $why = (string) $error->getCode();
    }
    $pdo->exec("rollback");
    tell(["driver" => $driver, "named" => $named, "table" => $found, "counts" => $counts, "overlaps" => $overlaps,
        "zone" => $zone, "failed" => $why]);
} catch (Throwable $error) {
    tell(why($error));
}
"""
)


@dataclass(frozen=True, slots=True)
class ReadBookings(Query[Bookings]):
    """An application's bookings, as its own connection sees them; its own code asks, as *user*."""

    root: PurePosixPath
    user: str
    rules: Rules

    @property
    def command(self) -> Command:
        rules, deadline = self.rules, Duration(STARTING + PATIENCE + 3 * _EACH + 3)
        where = (rules.table, rules.room, rules.starts, rules.ends, rules.status)
        statuses = (",".join(rules.holds), ",".join(rules.free))
        words = (*where, *statuses, str(MOST), str(_EACH), str(int(PATIENCE)))
        return ask_php(self.user, deadline, _ASK, "bookings", self.root, *words)

    def parse(self, output: Output) -> Bookings:
        (found,) = told(output, 1)
        if "why" in found:
            why = redacted(" ".join(f"{found['class']}: {found['why']}".split()))[:300]
            raise FactError(f"bookings cannot be read: {why}")
        if found["driver"] != "pgsql":
            raise FactError(
                f"the application's database is {_text(found['driver'])}: whether bookings overlap is only looked into "
                "for PostgreSQL, and only that has a constraint against it"
            )
        if found["table"] is None:
            raise FactError(
                f"there is no table {_text(found['named'])} that the application may see: --set table=NAME, or "
                "--set table=SCHEMA.NAME"
            )
        try:
            return self._bookings(found)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not what was to be told: {error}") from None

    def _bookings(self, found: Mapping[str, Any]) -> Bookings:
        whole = found["table"]
        self._refuse_unreadable(whole)
        counts, overlaps = found["counts"], found["overlaps"]
        if overlaps is None and not isinstance(found["failed"], str):
            raise ValueError("neither overlaps nor why there are none")
        return Bookings(
            table=_table(whole),
            counts=Counts(
                **{name: int(counts[name]) for name in _COUNTED},
                reversed_ids=tuple(_text(one) for one in counts["reversed_ids"]),
                unknown={
                    _text(said) or NO_STATUS: int(n) for said, is_held, n in counts["statuses"] if not _flag(is_held)
                },
            ),
            overlaps=_too_late(found["failed"]) if overlaps is None else _overlaps(overlaps),
            zone=_text(found["zone"]),
        )

    def _refuse_unreadable(self, whole: Mapping[str, Any]) -> None:
        """Do nothing where the table can be read as bookings.

        Raises:
            FactError: It cannot.
        """
        rules, columns = self.rules, whole["columns"]
        name = f"{_text(whole['schema'])}.{_text(whole['name'])}"
        if whole["kind"] not in {"r", "p"}:
            raise FactError(f"{name} is no table but a view or the like: --set table=NAME")
        asked = {"room": rules.room, "starts": rules.starts, "ends": rules.ends, "status": rules.status}
        for what, column in asked.items():
            if column and column not in columns:
                there = ", ".join(_text(one) for one in list(columns)[:20])
                raise FactError(f"{name} has no column {column}: --set {what}=NAME; there are {there}")
        types = [_text(columns[column]["type"]) for column in (rules.starts, rules.ends)]
        if types[0] != types[1] or types[0] not in RANGES:
            raise FactError(
                f"{rules.starts} of {name} is {types[0]}, and {rules.ends} {types[1]}: what overlaps is known for two "
                "dates, or two times of one type, only"
            )
        if _flag(whole["is_hidden"]):
            raise FactError(f"row security hides rows of {name} from {_text(whole['role'])}: others may overlap")
        if whole["key"] is None:
            raise FactError(f"{name} has no primary key of one column, by which a booking could be named")


def _table(whole: Mapping[str, Any]) -> BookingTable:
    return BookingTable(
        is_owner=_flag(whole["is_owner"]),
        has_kin=_flag(whole["has_kin"]),
        is_standby=_flag(whole["is_standby"]),
        has_extension=_flag(whole["has_extension"]),
        offers_extension=_flag(whole["offers_extension"]),
        oid=int(whole["oid"]),
        name=f"{quoted(_text(whole['schema']))}.{quoted(_text(whole['name']))}",
        database=_text(whole["database"]),
        kind=_text(whole["kind"]),
        owner=_text(whole["owner"]),
        role=_text(whole["role"]),
        key=_text(whole["key"]),
        today=_text(whole["today"]),
        names=frozenset(map(str, whole["names"])),
        types={name: _text(one["type"]) for name, one in whole["columns"].items()},
        generated={name: str(one["generated"]) for name, one in whole["columns"].items() if one["generated"]},
        indexes=tuple(
            IndexSeen(
                name=_text(one["name"]),
                definition=_text(one["definition"], 600),
                keys=tuple(map(str, one["keys"])),
                operators=tuple(map(str, one["operators"])),
                condition=str(one["condition"] or ""),
                is_exclusion=_flag(one["is_exclusion"]),
                is_valid=_flag(one["is_valid"]),
            )
            for one in whole["indexes"]
        ),
        triggers=tuple((_text(one["name"]), _text(one["function"])) for one in whole["triggers"]),
        holders=tuple(
            Holder(
                pid=int(one["pid"] or 0),
                role=_text(one["role"]),
                since=None if one["since"] is None else Duration(max(0, int(one["since"]))),
                is_waiting=_flag(one["is_waiting"]),
            )
            for one in whole["holders"]
        ),
    )


def _overlaps(found: Mapping[str, Any]) -> Overlaps:
    words = {Phase.RUNNING: "running", Phase.COMING: "coming", Phase.PAST: "past"}
    phases = {word: phase for phase, word in words.items()}
    shown = []
    for room, word, begins, ends, *both in found["pairs"]:
        first, second = sorted(map(_booking, both), key=lambda one: (one.created_at or 0.0, one.id))
        shown.append(
            Overlap(
                room=_text(room),
                phase=phases[word],
                begins=_text(begins),
                ends=_text(ends),
                first=first,
                second=second,
            )
        )
    return Overlaps(
        counts={phase: int(found[word]) for phase, word in words.items()},
        unclear=int(found["unclear"]),
        unclear_statuses=tuple(sorted(_text(one) or NO_STATUS for one in found["unclear_statuses"])),
        shown=tuple(shown),
    )


def _booking(found: list[Any]) -> Booking:
    number, starts, ends, status, created, created_at, is_updated, transaction = found
    return Booking(
        id=_text(number),
        starts=_text(starts),
        ends=_text(ends),
        status=_text(status),
        created=_text(created),
        created_at=None if created_at is None else float(created_at),
        is_updated=_flag(is_updated),
        transaction=_text(transaction),
    )


def _too_late(code: str) -> FactError:
    why = f"not within {_EACH} s" if code == "57014" else f"SQLSTATE {_text(code)}"
    return FactError(f"which bookings overlap was not found out: {why}")


def _text(value: object, longest: int = _LONGEST) -> str:
    match value:
        case None:
            return ""
        case str():
            return readable(value[:longest].encode("utf-8", "surrogatepass"))[0]
        case _:
            raise ValueError("no text")


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("neither yes nor no")
