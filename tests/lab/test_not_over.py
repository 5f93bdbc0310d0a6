"""After a repair on a real host: what goes on growing is measured, and what does not is not foreseen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed
from soleil_remediate.units import Duration
from tests.lab.rehearsals import Rehearsal

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

LARAVEL_LOG = "/srv/soleil/shared/storage/logs/laravel.log"

#: About 100 KB a second, as an application writes that logs an error for every request, whether or not there is room.
_WRITER = """
systemd-run --quiet --collect --unit=rehearsal-writer --uid=www-data --gid=www-data php -r '
  [$log, $began] = [fopen($argv[1], "a"), microtime(true)];
  $line = str_repeat("x", 999)."\\n";
  for ($n = 0;; $n++) { // whenever the machine lets it, it catches up
    @fwrite($log, $line);
    while (microtime(true) < $began + $n / 100) usleep(10000);
  }' -- "$1"
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state")


def test_a_log_that_grows_on_says_when_the_disk_is_full_again(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log")
    rehearsal.host.run("bash", "-euc", _WRITER, "writer", LARAVEL_LOG).checked()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    (forecast,) = report.forecasts
    assert forecast.subject == "space on /srv"
    assert forecast.because.startswith(f"{LARAVEL_LOG} grows by ")
    left = int(rehearsal.host.shell("df -B1 --output=avail /srv | tail -n 1"))
    seen = f"stat -c '%s' {LARAVEL_LOG}; cut -d ' ' -f 1 /proc/uptime"
    size, at, larger, later = map(float, rehearsal.host.shell(f"{seen}; sleep 3; {seen}").split())
    seconds = left * (later - at) / (larger - size)
    assert Duration(seconds / 2) < forecast.within < Duration(seconds * 2)


def test_a_log_that_hardly_grows_promises_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log")  # its writer adds a line of 60 bytes every 0.2 s: 11 days

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.forecasts == ()
