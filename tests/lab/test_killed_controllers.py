"""Controllers that are killed while they go back to an older release, and ``resume``, by what the services counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import Runs
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_failed_deployment import BAD, OLD

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Operator:
    """Somebody at a machine of their own, with the lab's inventory."""

    host: LabHost
    folder: Path

    @property
    def runs(self) -> Runs:
        return Runs(self.folder / "soleil-remediate")

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "soleil_remediate", *words, "--inventory", str(self.host.lab.inventory), "--yes"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder)},
            start_new_session=True,
        )

    def record(self) -> list[dict[str, object]]:
        """The only run's record, as far as it is written."""
        runs = self.runs.list()
        return [dict(line) for line in self.runs.read(runs[0].run)] if runs else []

    def begun(self) -> list[str]:
        """Every operation that the records of all runs say was begun, sorted."""
        lines = [line for run in self.runs.list() for line in self.runs.read(run.run)]
        never = {
            line["operation"] for line in lines if line["type"] == "ChangeSettled" and line["found"] == "never-begun"
        }
        return sorted(
            str(line["operation"])
            for line in lines
            if line["type"] == "ChangeIntended" and line["operation"] not in never
        )


def _counted_by_services(host: LabHost) -> tuple[int, int]:
    """How often php-fpm was reloaded, and how many workers ended, by their own logs."""
    counts = host.shell(
        "grep -c 'Reloading in progress' /var/log/php8.2-fpm.log || true;"
        " grep -c 'exited: soleil-worker' /var/log/supervisor/supervisord.log || true"
    )
    reloads, ends = map(int, counts.split())
    return reloads, ends


#: After which line of the record, how many of it, and how many seconds later.
EVERYDAY = [("ChangeIntended", 1, 0.0), ("ChangeIntended", 1, 3.0)]
MORE = [
    ("RunStarted", 1, 0.0),
    ("HostClaimed", 1, 0.0),
    ("ChangeIntended", 1, 0.5),
    ("ChangeIntended", 1, 1.5),
    ("ChangeAnswered", 1, 0.0),
]
BEHIND_THE_PAGE = [
    ("ChangeIntended", 1, 0.1),
    ("ChangeIntended", 2, 0.0),
    ("ChangeIntended", 2, 2.0),
    ("ChangeIntended", 3, 0.0),
    ("ChangeAnswered", 3, 0.0),
]


@pytest.mark.parametrize(
    "inputs, kind, number, late",
    [
        *(((), *moment) for moment in EVERYDAY),
        *(pytest.param((), *moment, marks=pytest.mark.long) for moment in MORE),
        *(
            pytest.param(
                ("--set", "maintenance=yes"), *moment, marks=pytest.mark.long if moment[1:] != (2, 0.0) else ()
            )
            for moment in BEHIND_THE_PAGE
        ),
    ],
)
def test_whenever_a_controller_is_killed_services_count_one_way_back_and_no_more(
    web1: LabHost, tmp_path: Path, inputs: tuple[str, ...], kind: str, number: int, late: float
) -> None:
    rehearsal = Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")
    operator = Operator(web1, tmp_path / "desk")
    web1.break_with("bad-release")
    reloads, ends = _counted_by_services(web1)

    process = operator.start("remediate", "--scenario", "failed-deployment-rollback", "--host", "web1", *inputs)
    try:
        until = time.monotonic() + 60
        while sum(line["type"] == kind for line in operator.record()) < number:
            assert time.monotonic() < until, "the record does not come so far"
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        time.sleep(late)
        assert process.poll() is None, "it was over already"
    finally:
        process.kill()
        process.communicate()

    (run,) = operator.runs.list()
    resumed = operator.start("resume", run.run)
    said, _ = resumed.communicate(timeout=400)
    assert resumed.returncode == 0, said

    after = _counted_by_services(web1)
    assert after[0] - reloads == 1, said
    if not inputs:  # in maintenance mode workers with a --max-time end again and again by themselves
        assert after[1] - ends == 2, said
    assert f'"release":"{OLD}"' in web1.shell("curl -sS -m 10 http://localhost/api/health/live")
    assert rehearsal.eyes().file(f"/srv/soleil/releases/{BAD}/BAD_RELEASE").exists
    assert not rehearsal.eyes().file("/srv/soleil/shared/storage/framework/down").exists
    assert web1.shell("systemctl list-units --all --plain --no-legend 'soleil-remediate-*'") == ""
    begun = web1.shell("cd /run/soleil-remediate/ops; find . -name begun -printf '%h\\n' | sed 's:^[.]/::' | sort")
    assert begun.splitlines() == operator.begun()
    if not inputs:
        assert len(operator.begun()) == 1
    said = web1.shell("cat /run/soleil-remediate/ops/*/out")  # of a page that is up a further run begins the time anew
    assert said.count("users see the maintenance page, until") == said.count("maintenance mode ended") == bool(inputs)
