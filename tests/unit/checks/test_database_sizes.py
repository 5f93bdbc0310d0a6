from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.database_sizes import DatabaseSize
from soleil_remediate.facts.database_sizes import SizeOfDatabase
from soleil_remediate.rights import Right
from soleil_remediate.task import Health, Measure
from soleil_remediate.units import ByteSize, MiB

BELOW = DatabaseSize(root=Path("/srv/app"), below=MiB(100))


def taking(size: ByteSize | None, *largest: tuple[str, ByteSize]) -> SizeOfDatabase:
    return SizeOfDatabase(driver="pgsql", name="soleil", size=size, largest=largest)


@pytest.mark.parametrize("size", [ByteSize(0), MiB(9), ByteSize(MiB(100) - 1)])
def test_a_database_that_is_smaller_is_well_and_so_is_an_empty_one(size: ByteSize) -> None:
    verdict = BELOW.judge(taking(size))
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        f"database soleil takes {size}, less than 100 MiB",
    )
    assert verdict.measures == (Measure(label="database soleil", value=str(size)),)


def test_one_of_exactly_that_size_is_at_fault_and_its_largest_tables_are_named() -> None:
    verdict = BELOW.judge(taking(MiB(100), ("bookings", MiB(70)), ("users", MiB(20))))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "database soleil takes 100 MiB, not less than 100 MiB; its largest tables, with their indexes: "
        "bookings 70 MiB, users 20 MiB"
    )
    assert verdict.measures == (Measure(label="database soleil", value="100 MiB", is_faulty=True),)
    assert "tables" not in BELOW.judge(taking(MiB(100))).why


def test_another_database_is_unknown() -> None:
    verdict = BELOW.judge(SizeOfDatabase(driver="mysql", name="", size=None, largest=()))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why == "the application's database is mysql: only PostgreSQL is asked how large it is"


def test_it_says_what_has_to_hold_and_asks_as_the_application() -> None:
    assert BELOW.aim() == "the database takes less than 100 MiB"
    assert BELOW.reads_with() == (Right("www-data"),)


def test_nothing_is_smaller_than_nothing() -> None:
    with pytest.raises(ValueError, match="no bytes"):
        DatabaseSize(root=Path("/srv/app"), below=ByteSize(0))
