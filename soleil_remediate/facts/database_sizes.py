"""How large an application's database is, as the application itself is told; it may be anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, a_text, ask_php, one_line, told
from soleil_remediate.facts.queues import number
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, Duration

#: Ask, as the application, how large its database is, and which tables of it are the largest, indexes and all. Whoever
#: may connect to a database may know the first. For the second each table is kept from being dropped for a moment:
#: where that has to wait for long, they are not told.
_ASK_SIZE = (
    START  # noqa: S608  # no value of anybody's is in it
    + DATABASES
    + r"""
connect_within((int) $argv[3]);
try {
    $of = $app["db"]->connection();
    $of->getPdo();
    $driver = $of->getDriverName();
    if ($driver !== "pgsql") {
        tell(["driver" => $driver, "name" => "", "bytes" => null, "largest" => []]);
        exit(0);
    }
    [$database, $bytes, $largest] = within_limits($of, (int) $argv[3], function () use ($of) {
        $ask = fn ($text) => $of->getPdo()->query($text)->fetchAll(PDO::FETCH_NUM);
        [[$database, $bytes]] = $ask("select current_database(), pg_database_size(current_database())");
        try {
            $largest = $ask("select relname, pg_total_relation_size(oid) from pg_class
                where relkind in ('r', 'm') order by 2 desc nulls last, 1 limit 3");
        } catch (Throwable $error) {
            $largest = [];
        }
        return [$database, $bytes, $largest];
    });
    tell(["driver" => $driver, "name" => $database, "bytes" => (int) $bytes,
        "largest" => array_map(fn ($one) => [$one[0], (int) $one[1]], $largest)]);
} catch (Throwable $error) {
    tell(why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOfDatabase:
    """How large an application's database is.

    Args:
        driver: What it is, such as ``pgsql``.
        name: What the server calls it; empty where it was not asked.
        size: On the server's disks, indexes and all; ``None`` where that is not PostgreSQL.
        largest: Its largest tables with their indexes, the largest first; empty where they could not be told.
    """

    driver: str
    name: str
    size: ByteSize | None
    largest: tuple[tuple[str, ByteSize], ...]


@dataclass(frozen=True, slots=True)
class AskDatabaseSize(Query[SizeOfDatabase]):
    """How large an application's database is; it connects with its own credentials, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        deadline = Duration(3 * PATIENCE + STARTING)
        return ask_php(self.user, deadline, _ASK_SIZE, "database-size", self.root, str(int(PATIENCE)))

    def parse(self, output: Output) -> SizeOfDatabase:
        (found,) = told(output, 1)
        if "why" in found:
            why = redacted(one_line(f"{found['class']}: {found['why']}"))[:300]
            raise FactError(f"how large the database is cannot be asked: {why}")
        size = found["bytes"]
        try:
            largest = tuple((one_line(a_text(name)), ByteSize(number(taken))) for name, taken in found["largest"])
        except TypeError as error:
            raise ValueError(f"not what was to be told: {error}") from None
        return SizeOfDatabase(
            driver=one_line(a_text(found["driver"])),
            name=one_line(a_text(found["name"])),
            size=None if size is None else ByteSize(number(size)),
            largest=largest,
        )
