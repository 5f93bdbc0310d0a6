"""Tokens by which users' programs get into an application's API: how many a user has, and from where they are used.

They are Laravel Sanctum's, or a table of the same shape. What is kept of a token is its digest, and that leaves the
host nowhere: neither here nor in what is saved before they are deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, a_flag, ask_php, told
from soleil_remediate.facts.queues import number, plain
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: A table for who did what, as the runbook and as the application call it; the first that is there counts.
AUDIT_TABLES = ("audit_logs", "admin_audit_logs")
#: So many users, and so many addresses of each, are told.
_MOST_USERS, _MOST_ADDRESSES = 20, 10

_ID = re.compile(r"\d{1,18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}", re.ASCII)
_MAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?", re.ASCII)

#: $of is the connection of the tokens, $table theirs, $key a user's own name in them. One connection, no wait for long.
TOKENS = (
    DATABASES
    + r"""
connect_within(3);
function tokens($config, $app) {
    $class = $config["auth.providers.users.model"] ?: "App\Models\User";
    $user = new $class;
    $sanctum = "Laravel\Sanctum\Sanctum";
    $token = class_exists($sanctum) ? new $sanctum::$personalAccessTokenModel : null;
    return [$token ? $token->getConnection() : $app["db"]->connection(),
        $token ? $token->getTable() : "personal_access_tokens", $user];
}
function own($of, $table, $user, $id) { // what belongs to one user
    return $of->table($table)->where("tokenable_type", $user->getMorphClass())->where("tokenable_id", $id);
}
function rows($query, $columns) { // each in a line, in an order that is always the same
    $text = "";
    foreach ($query->orderBy("id")->get($columns) as $row) {
        $text .= json_encode((array) $row, JSON_INVALID_UTF8_SUBSTITUTE) . "\n";
    }
    return $text;
}
function lasting($of, $table) { // what of a token never changes, but for its digest
    $all = $of->getSchemaBuilder()->getColumnListing($table);
    sort($all);
    return array_values(array_diff($all, ["token", "last_used_at", "updated_at"]));
}
function only_reading($of) {
    $pdo = $of->getPdo();
    if ($of->getDriverName() !== "pgsql") return;
    $pdo->exec("begin read only; " . time_limits(5));
}
"""
)

#: How many tokens the user $argv[3] has, which is an id or a mail address, and how his sessions are kept.
_ACCOUNT = (
    START
    + TOKENS
    + r"""
try {
    [$of, $table, $user] = tokens($config, $app);
    $key = $user->getKeyName();
    only_reading($of);
    $users = $user->getConnection()->table($user->getTable());
    $is_mail = strpos($argv[3], "@") !== false;
    $found = $is_mail ? $users->whereRaw("lower(email) = ?", [strtolower($argv[3])]) : $users->where($key, $argv[3]);
    $ids = $found->limit(2)->pluck($key)->map(fn ($id) => (string) $id)->all();
    $own = fn () => own($of, $table, $user, $ids[0]);
    $used = count($ids) === 1 ? $own()->max("last_used_at") : null;
    tell(["ids" => $ids, "tokens" => count($ids) === 1 ? $own()->count() : 0,
        "used" => $used ? strtotime($used) : null, "sessions" => (string) $config["session.driver"]]);
} catch (Throwable $error) {
    tell(why($error));
}
"""
)

#: Which users' tokens that are still valid were used from several addresses in the last $argv[4] seconds, by the table
#: $argv[3] (empty: one of the usual). A use counts only where a token of that user is as old: others are deleted.
_USES = (
    (
        START
        + TOKENS
        + r"""
try {
    [$of, $table, $user] = tokens($config, $app);
    only_reading($of);
    $schema = $of->getSchemaBuilder();
    $names = $argv[3] !== "" ? [$argv[3]] : explode(",", "AUDIT");
    $there = array_values(array_filter($names, fn ($name) => $schema->hasTable($name)));
    if (! $there) {
        $drivers = array_map(fn ($guard) => ((array) $guard)["driver"] ?? "", (array) $config["auth.guards"]);
        $others = array_diff($drivers, ["session", "sanctum"]);
        tell(["table" => $argv[3] === "" ? null : $argv[3], "is_there" => false, "lacks" => [], "users" => [],
            "has_tokens" => $others || ($schema->hasTable($table) && $of->table($table)->exists())]);
        exit(0);
    }
    $audit = $there[0];
    $columns = $schema->getColumnListing($audit);
    $either = fn ($names) => array_values(array_intersect($names, $columns))[0] ?? null;
    $who = $either(["user_id", "actor_id"]);
    $address = $either(["ip_address", "ip"]);
    $at = $either(["created_at"]);
    $lacks = array_keys(array_filter(["user_id" => ! $who, "ip_address" => ! $address, "created_at" => ! $at]));
    $users = [];
    if (! $lacks) {
        $since = date("Y-m-d H:i:s", time() - (int) $argv[4]);
        $valid = fn ($query) => $query->from($table)->where("tokenable_type", $user->getMorphClass())
            ->whereColumn("tokenable_id", "$audit.$who")->whereColumn("$table.created_at", "<=", "$audit.$at");
        $found = $of->table($audit)->where("$audit.$at", ">", $since)
            ->whereNotIn("$audit.$address", ["127.0.0.1", "::1"])
            ->whereExists($valid)
            ->groupBy("$audit.$who", "$audit.$address")->limit(10000)
            ->select(["$audit.$who as who", "$audit.$address as address"])
            ->selectRaw("count(*) as uses, max($at) as latest")->get();
        foreach ($found as $one) {
            $users[(string) $one->who][] = [(string) $one->address, (int) $one->uses, strtotime($one->latest)];
        }
        $users = array_filter($users, fn ($addresses) => count($addresses) > 1);
        uasort($users, fn ($a, $b) => count($b) <=> count($a));
        foreach ($users as &$addresses) usort($addresses, fn ($a, $b) => $b[1] <=> $a[1]);
        unset($addresses);
    }
    $told = [];
    foreach (array_slice($users, 0, USERS, true) as $who => $addresses) {
        $told[] = [(string) $who, count($addresses), array_slice($addresses, 0, ADDRESSES)];
    }
    tell(["table" => $audit, "is_there" => true, "lacks" => $lacks, "users" => $told]);
} catch (Throwable $error) {
    tell(why($error));
}
"""
    )
    .replace("AUDIT", ",".join(AUDIT_TABLES))
    .replace("USERS", str(_MOST_USERS))
    .replace("ADDRESSES", str(_MOST_ADDRESSES))
)

#: Print every token of the user $argv[3], but for its digest: what never changes of it; with $argv[4] "uses" the rest.
EXPORT_TOKENS = (
    START.replace("exit(0)", "exit(75)")
    + TOKENS
    + r"""
[$of, $table, $user] = tokens($config, $app);
only_reading($of);
$columns = $argv[4] === "uses" ? ["id", "last_used_at", "updated_at"] : lasting($of, $table);
fwrite($GLOBALS["answer"], rows(own($of, $table, $user, $argv[3]), $columns));
"""
)

#: Print what the table $argv[3] has of the last $argv[4] seconds, a row in a line.
EXPORT_AUDIT = (
    START.replace("exit(0)", "exit(75)")
    + TOKENS
    + r"""
[$of] = tokens($config, $app);
only_reading($of);
$has_time = in_array("created_at", $of->getSchemaBuilder()->getColumnListing($argv[3]), true);
$rows = $of->table($argv[3]);
if ($has_time) $rows->where("created_at", ">", date("Y-m-d H:i:s", time() - (int) $argv[4]))->orderBy("created_at");
foreach ($rows->cursor() as $row) tell((array) $row);
"""
)


def refuse_unless_account(account: str) -> None:
    """Do nothing where *account* can be one user's id or mail address.

    Raises:
        ValueError: It cannot.
    """
    if not (_ID.fullmatch(account) or _MAIL.fullmatch(account)):
        raise ValueError(
            f"{account[:80]!r} is neither one user's id, such as 123, nor a mail address: there is no revoking of all"
        )


def refuse_unless_table(table: str | None) -> None:
    """Do nothing where *table* can be a table's name, or is none.

    Raises:
        ValueError: It cannot.
    """
    if table is not None and not _TABLE.fullmatch(table):
        raise ValueError(f"{table[:80]!r} is no table's name, such as audit_logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user of an application.

    Args:
        id: ``None`` where there is no such user.
        tokens: How many he has.
        used: When one of them was used last, in seconds since 1970.
        sessions: How the application keeps sessions: tokens are another thing.
    """

    id: str | None
    tokens: int
    used: int | None
    sessions: str

    @property
    def in_words(self) -> str:
        """How many tokens he has, and when one was used, for people."""
        count = f"{self.tokens} token{'' if self.tokens == 1 else 's'}"
        return f"{count}, {'never used' if self.used is None else f'last used {as_text(self.used)} UTC'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """How often one user's tokens were used from one address, and when the last time."""

    address: str
    uses: int
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """One user whose tokens were used from several addresses.

    Args:
        user: The id.
        addresses: From how many.
        uses: Those from which the most often.
    """

    user: str
    addresses: int
    uses: tuple[From, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """From where tokens that are still valid were used.

    Args:
        table: By which table; ``None`` where the application has none of the usual names, and none was named.
        lacks: The columns that it would have to have.
        users: Whose were used from several addresses.
        has_tokens: Somebody has one, or may: the application lets in by others than Sanctum's as well. Asked only where
            there is no such table.
    """

    table: str | None
    lacks: tuple[str, ...] = ()
    users: tuple[Apart, ...] = ()
    has_tokens: bool = True


@dataclass(frozen=True, slots=True)
class ReadAccount(Query[Account]):
    """One user of an application, by id or mail address; its own code finds him, as *user*."""

    root: PurePosixPath
    user: str
    account: str

    @property
    def command(self) -> Command:
        deadline = Duration(STARTING + 3 * PATIENCE)
        return ask_php(self.user, deadline, _ACCOUNT, "account", self.root, self.account)

    def parse(self, output: Output) -> Account:
        found = _answer(output)
        ids = found["ids"]
        if not isinstance(ids, list) or not all(isinstance(one, str) and _ID.fullmatch(one) for one in ids):
            raise ValueError("no ids of users")
        if len(ids) > 1:
            raise FactError(f"several users are called {self.account}: name one by his id")
        return Account(
            id=ids[0] if ids else None,
            tokens=number(found["tokens"]),
            used=None if found["used"] is None else number(found["used"]),
            sessions=plain(found["sessions"]),
        )


@dataclass(frozen=True, slots=True)
class ReadUses(Query[Uses]):
    """From where tokens were used lately; the application's own code asks its database, as *user*.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        within: So lately.
        table: Where the application writes who did what; one of :data:`AUDIT_TABLES` unless named.
    """

    root: PurePosixPath
    user: str
    within: Duration
    table: str | None = None

    @property
    def command(self) -> Command:
        deadline = Duration(STARTING + 3 * PATIENCE)
        arguments = (self.table or "", str(int(self.within)))
        return ask_php(self.user, deadline, _USES, "uses", self.root, *arguments)

    def parse(self, output: Output) -> Uses:
        found = _answer(output)
        table = None if found["table"] is None else plain(found["table"])
        if found["is_there"] is not True:
            if table is not None:
                raise FactError(f"the application's database has no table {table}")
            return Uses(table=None, has_tokens=a_flag(found["has_tokens"]))
        try:
            lacks = tuple(plain(one) for one in found["lacks"])
            users = tuple(
                Apart(
                    user=plain(who),
                    addresses=number(addresses),
                    uses=tuple(
                        From(address=plain(address), uses=number(uses), latest=number(latest))
                        for address, uses, latest in told_uses
                    ),
                )
                for who, addresses, told_uses in found["users"]
            )
        except TypeError as error:
            raise ValueError(f"not what was to be told: {error}") from None
        return Uses(table=table, lacks=lacks, users=users)


async def read_account(host: Reader, root: PurePosixPath, user: str, account: str | None) -> Account | None:
    """Return the user who was named; ``None`` where none was.

    Raises:
        NotOnHost: There is no such user.
        FactError: It cannot be known.
    """
    if account is None:
        return None
    found = await host.ask(ReadAccount(root, user, account))
    if found.id is None:
        raise NotOnHost(f"the application has no user {account}", given=account)
    return found


def _answer(output: Output) -> Mapping[str, Any]:
    (found,) = told(output, 1)
    if "why" in found:
        why = redacted(" ".join(f"{found['class']}: {found['why']}".split()))[:300]
        raise FactError(f"the application cannot ask its database for tokens: {why}")
    return found
