from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.php_fpm import PhpFpmFree, Saturation
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php_fpm import Pool, PoolLoad
from soleil_remediate.facts.resources import Resources
from soleil_remediate.rights import Right
from soleil_remediate.task import Health
from soleil_remediate.units import MiB
from tests.unit.facts.statements import statement
from tests.unit.facts.test_statements import seen as work

FREE = PhpFpmFree(root=Path("/srv/soleil/current"))
WWW = Pool(
    name="www", version="8.2", file=Path("/etc/php/8.2/fpm/pool.d/www.conf"), listens="/run/php/php8.2-fpm.sock", most=5
)
FULL = PoolLoad(pool=WWW, children=5, memory=MiB(32), connected=(5, 3))
MEMORY = Resources(
    memory=MiB(4096), available=MiB(256 + 10 * 32), swap=MiB(0), swap_free=MiB(0), load=("1", "1", "1"), running="1/9"
)


def saturation(*loads: PoolLoad, **more: object) -> Saturation:
    known = Saturation(loads=loads, resources=MEMORY, work=work(statement(), statement(pid=72)))
    return replace(known, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seen, health, says",
    [
        (
            saturation(FULL),
            Health.FAULTY,
            "all 5 children of php-fpm's pool www are busy (pm.max_children = 5), and 3 req",
        ),
        (
            saturation(FULL),
            Health.FAULTY,
            "the database runs 2 statements of the application's, and whoever waits for one",
        ),
        (
            saturation(FULL),
            Health.FAULTY,
            (
                "each has 32 MiB in use and 576 MiB are available, so 10 more fit beside 256 MiB: set pm.max_children "
                "in /etc/php/8.2/fpm/pool.d/www.conf to 15 at most, then php-fpm8.2 -t && systemctl reload php8.2-fpm"
            ),
        ),
        (saturation(FULL, work=work()), Health.FAULTY, "none of them waits for the database: it runs no statement"),
        (saturation(FULL, work=work(statement(state="idle in transaction"))), Health.FAULTY, "none of them waits for"),
        (saturation(FULL, work=FactError("no artisan")), Health.FAULTY, "for the database is unknown: no artisan"),
        (
            saturation(FULL, work=replace(work(), statements=None)),
            Health.FAULTY,
            "whether they wait for the database is unknown: it is not on this host",
        ),
        (
            saturation(FULL, resources=replace(MEMORY, available=MiB(100))),
            Health.FAULTY,
            "each has 32 MiB in use and 100 MiB are available: there is no memory for more",
        ),
        (
            saturation(replace(FULL, children=4)),
            Health.HEALTHY,
            "children of php-fpm that are busy: 4 of 4 in pool www",
        ),
        (saturation(replace(FULL, connected=(2, 0))), Health.HEALTHY, "2 of 5 in pool www"),
        (saturation(), Health.HEALTHY, "no pool of php-fpm has children here"),
        (
            saturation(replace(FULL, connected=None, pool=replace(WWW, listens="127.0.0.1:9000"))),
            Health.UNKNOWN,
            "pool www listens on 127.0.0.1:9000: how many requests wait there is not seen",
        ),
    ],
)
def test_a_pool_has_children_left_or_not_or_that_is_not_seen(seen: Saturation, health: Health, says: str) -> None:
    verdict = FREE.judge(seen)
    assert verdict.health is health
    assert says in verdict.why


def test_one_statement_is_told_as_one() -> None:
    assert (
        "the database runs 1 statement of the application's" in FREE.judge(saturation(FULL, work=work(statement()))).why
    )


def test_what_was_measured_is_the_proof() -> None:
    hidden = replace(FULL, connected=None)
    measures = FREE.judge(saturation(FULL, hidden)).measures
    assert [(one.value, one.is_faulty) for one in measures] == [("5 of 5, 3 wait", True), ("not seen", False)]
    assert FREE.aim() == "no request waits for a child of php-fpm"
    assert FREE.reads_with() == (Right("www-data"),)
