"""What is looked at every day, week and month, on a real host: red where it is broken, and nothing is changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.checked import Checked
from soleil_remediate.checking import check
from soleil_remediate.lab.faulting import Fault, faults
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


#: With which limit a host of the lab is broken enough: a database of 10 GiB would take all day.
LIMITS = {"database-grown": {"database_below": "48 MiB"}}
#: Every file that looking could change, but logs that are written all the time.
_TRACES = "find /srv /etc /var/backups -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort"


def looked(web1: LabHost, routine: str, **inputs: str) -> Checked:
    (found,) = check(routine=routine, hosts="web1", inventory=web1.lab.inventory, inputs=inputs)
    assert found.end is None
    return found


def daily(web1: LabHost) -> Checked:
    return looked(web1, "daily")


def why_not_well(found: Checked) -> list[str]:
    return [one.verdict.why for one in found.checks if one.verdict.health is not Health.HEALTHY]


def tonight(web1: LabHost) -> None:
    """Let the backups be of tonight: the image that the host starts from may be older."""
    web1.shell("find /var/backups/soleil -type f -exec touch {} +")


def test_a_pristine_host_is_well_and_left_as_it_is(web1: LabHost) -> None:
    tonight(web1)
    before = web1.shell(_TRACES)
    found = daily(web1)
    assert why_not_well(found) == []
    assert {one.kind for one in found.checks} > {"debug.off", "backup.recent", "page.served", "workers.running"}
    assert found.exit_status == 0
    assert found.round_trips <= 2
    assert web1.shell(_TRACES) == before


@pytest.mark.parametrize(
    "routine, kinds, rounds",
    [("weekly", {"jobs.done", "queries.quick", "database.size"}, 1), ("monthly", {"requests.served"}, 3)],
)
def test_a_pristine_host_is_well_by_the_week_and_by_the_month(
    web1: LabHost, routine: str, kinds: set[str], rounds: int
) -> None:
    before = web1.shell(_TRACES)
    found = looked(web1, routine)
    assert why_not_well(found) == []
    assert {one.kind for one in found.checks} == kinds
    assert (found.exit_status, found.left_out) == (0, ())
    assert found.round_trips <= rounds
    assert web1.shell(_TRACES) == before


@pytest.mark.parametrize("fault", [one for one in faults() if one.routine], ids=lambda fault: fault.name)
def test_a_fault_that_nobody_suffers_by_yet_is_found(web1: LabHost, fault: Fault) -> None:
    tonight(web1)
    web1.break_with(fault.name)
    found = looked(web1, fault.routine, **LIMITS.get(fault.name, {}))
    assert {one.kind for one in found.of(Health.FAULTY)} == set(fault.kinds)
    assert found.of(Health.UNKNOWN) == ()
    assert found.exit_status == 5


def test_a_fault_that_users_suffer_by_is_found_too(web1: LabHost) -> None:
    tonight(web1)
    web1.break_with("php-fpm-killed")
    assert [one.kind for one in daily(web1).of(Health.FAULTY)] == ["page.served", "page.served"]


def test_jobs_that_failed_are_found_by_the_week_until_somebody_sees_to_them(web1: LabHost) -> None:
    web1.break_with("jobs-failed")
    found = looked(web1, "weekly")
    (jobs,) = found.of(Health.FAULTY)
    assert jobs.kind == "jobs.done"
    assert "5 jobs failed within 8 d: 5 App\\Jobs\\ExportInvoice (RuntimeException)" in jobs.verdict.why
    assert found.exit_status == 5
    assert looked(web1, "weekly", most_failed="5").exit_status == 0
    web1.shell(
        "cd /srv/soleil/current && setpriv --reuid www-data --regid www-data --init-groups php artisan queue:flush"
    )
    assert looked(web1, "weekly").exit_status == 0


def test_slow_queries_are_told_by_their_shape_alone(web1: LabHost) -> None:
    web1.break_with("queries-slow", queries=51)
    (slow,) = looked(web1, "weekly").of(Health.FAULTY)
    assert slow.verdict.why == (
        "51 queries were logged as slow within 8 d, over 50; those that took the longest in all: "
        "select * from bookings where id = ? and status <> ? (51 times, up to 1550 ms)"
    )
    web1.shell("chmod 000 /srv/soleil/shared/storage/logs/query/queries-*.log")
    (unread,) = looked(web1, "weekly").of(Health.UNKNOWN)
    assert unread.kind == "queries.quick"


def test_in_a_log_of_what_is_slow_everything_is_whatever_the_application_calls_it(web1: LabHost) -> None:
    web1.shell(
        "cd /srv/soleil/current; sed -i \"s|'channels' => \\[|&'slow' => ['driver' => 'single',"
        " 'path' => storage_path('logs/slow.log')],|\" config/logging.php; grep -q logs/slow.log config/logging.php;"
        " rm -f bootstrap/cache/config.php"
    )
    log, line = "/srv/soleil/shared/storage/logs/slow.log", "[$(date '+%F %T')] production.WARNING:"
    web1.shell(
        f'for n in $(seq 51); do echo "{line} select * from rooms where id = $n {{\\"time\\":3200}}"; done >{log}'  # noqa: S608
    )
    (slow,) = looked(web1, "weekly").of(Health.FAULTY)
    assert "51 queries were logged as slow within 8 d" in slow.verdict.why
    assert "select * from rooms where id = ? (51 times, up to 3200 ms)" in slow.verdict.why

    web1.shell(f'echo "{line} that took 3200 ms" >{log}')
    (unread,) = looked(web1, "weekly").of(Health.UNKNOWN)
    assert unread.kind == "queries.quick"


def test_the_largest_tables_of_a_database_that_has_grown_are_named(web1: LabHost) -> None:
    web1.break_with("database-grown")
    (grown,) = looked(web1, "weekly", database_below="48 MiB").of(Health.FAULTY)
    assert re.search(r"database soleil takes [0-9.]+ MiB, .*: bookings_copy \d", grown.verdict.why)
    assert looked(web1, "weekly").exit_status == 0


def test_a_release_that_fails_requests_is_found_by_the_month(web1: LabHost) -> None:
    web1.break_with("release-fails-a-third")
    found = looked(web1, "monthly")
    assert [one.kind for one in found.of(Health.FAULTY)] == ["requests.served"]
    assert found.exit_status == 5
