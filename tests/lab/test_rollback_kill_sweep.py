"""A way back behind the maintenance page, its controller killed with ``kill -9`` around each of its changes: a table.

What happened is read from the host: its memory of operations, php-fpm's log, supervisor, the link and the page. Before
anybody goes on: each change happened once or not at all, all that serves has either release and not both, and a page
that is up has a timer that ends it. Then ``resume`` goes on, and the record says of each change what the host says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rehearsals import Rehearsal
from tests.lab.test_exhausted_rollbacks import check_end, files_of
from tests.lab.test_failed_deployment import BAD, BASE, OLD, _processes
from tests.lab.test_killed_controllers import Operator, _counted_by_services
from tests.lab.test_maintenance_page import BEGINS, ENDS, is_down

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]

SCENARIO = "failed-deployment-rollback"
CHANGES = (BEGINS, f"serve release {OLD} instead of {BAD}", ENDS)
SHORT = ("page up", "switch", "page down")
BEFORE, DURING, AFTER = "before it is sent", "while it is made", "before its answer is on record"

#: Let the bad release be served again by all that serves, as if nobody had ever gone back.
BREAK_AGAIN = f"""
: >/var/log/nginx/access.log
rm -f {BASE}/releases/*/BAD_RELEASE
sudo -u deploy sh -c 'ln -sfT releases/{BAD} {BASE}/current.new && mv -T {BASE}/current.new {BASE}/current'
systemctl reload php8.2-fpm
supervisorctl restart 'soleil-worker:*' >/dev/null
for turn in $(seq 100); do
    [ "$(curl -s -o /dev/null -w '%{{http_code}}' http://localhost/api/health/live)" != 500 ] || break
    sleep 0.1
done
[ "$(curl -s -o /dev/null -w '%{{http_code}}' http://localhost/api/health/live)" = 500 ]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One controller that was killed, and what came of it.

    Args:
        change: Which of the plan it was about, from 0.
        moment: When, of that.
        last: The record's last line then.
        done: What the host had done once nothing was under way any more.
        serves: The release that everything had then, and whether users saw the page.
        then: What the next controller sent.
    """

    change: int
    moment: str
    last: str
    done: tuple[str, ...]
    serves: str
    then: tuple[str, ...]

    def __str__(self) -> str:
        killed = f"{SHORT[self.change]}, {self.moment}"
        done, then = (", ".join(one) or "-" for one in (self.done, self.then))
        return f"{killed:<42}{self.last:<17}{done:<28}{self.serves:<22}{then}"


HEAD = f"{'KILLED':<42}{'RECORD ENDS WITH':<17}{'THE HOST DID':<28}{'SERVES':<22}THEN"


def start(operator: Operator, moment: str, *words: str) -> subprocess.Popen[str]:
    """Start a controller that kills itself at a moment, where one is named."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.contract.controller"),
            *words,
            *("--inventory", str(operator.host.lab.inventory), "--yes"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(operator.folder), "SOLEIL_TEST_MOMENT": moment},
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )


def kill_at(operator: Operator, change: int, moment: str) -> None:
    """Start a way back behind the page, and see it killed at that moment of that change."""
    event = {BEFORE: "call", DURING: "", AFTER: "return"}[moment]
    itself = f"SIGKILL {event} ShellSession.send {change + 1}" if event else ""
    words = ("remediate", "--scenario", SCENARIO, "--host", operator.host.name, "--set", "maintenance=yes")
    process = start(operator, itself, *words)
    try:
        operations, until = files_of(operator.host) / "run/soleil-remediate/ops", time.monotonic() + 120
        while process.poll() is None and moment == DURING:
            begun = operations.glob(f"*-00-{change:02x}/begun")
            runs = operator.runs.list()
            if runs and any(path.parent.name.startswith(runs[0].run) for path in begun):
                process.kill()
            assert time.monotonic() < until, "it does not come so far"
            time.sleep(0.005)
        said, _ = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL, said


def done_by(host: LabHost, run: str) -> dict[str, bool]:
    """Every operation of a run that the host knows was begun, and whether it ended well."""
    found = host.shell(
        f"cd /run/soleil-remediate/ops 2>/dev/null || exit 0; for one in {run}-*; do"
        " [ ! -L $one/begun ] || echo $one $(cd $one && ls -d rc.* || :); done"
    )
    return {line.split()[0]: line.split()[1:] == ["rc.0"] for line in found.splitlines()}


def until_nothing_is_under_way(host: LabHost) -> None:
    host.shell("[ ! -d /run/soleil-remediate ] || flock -w 120 /run/soleil-remediate true")


def look(rehearsal: Rehearsal, done: dict[str, bool], old: set[str]) -> str:
    """Hold the host against what it says it did, while nobody is at it; return what it serves."""
    assert all(done.values()), "something that was begun did not end well"
    assert len(done) <= len(CHANGES)
    is_switched, page_is_up = len(done) > 1, len(done) in {1, 2}
    served = rehearsal.host.shell(f"readlink {BASE}/current").rpartition("/")[2]
    assert served == (OLD if is_switched else BAD)
    if is_switched:
        assert not old & _processes(rehearsal), "somebody still runs the bad release's code"
    assert is_down(rehearsal) is page_is_up
    ends = rehearsal.host.shell(
        "systemctl show --property=TimersMonotonic --value 'soleil-remediate-maintenance-*.timer'"
    )
    assert ("OnActiveUSec=20min" in ends) is page_is_up, "a page that nobody would end in time, or a timer that is left"
    return f"{'old' if is_switched else 'bad'}{', behind the page' if page_is_up else ''}"


def lines(operator: Operator, run: str, kind: str) -> list[dict[str, Any]]:
    return [dict(line) for line in operator.runs.read(run) if line["type"] == kind]


def check_record(operator: Operator, run: str, done: dict[str, bool]) -> None:
    """Hold the record of a run that was resumed against what the host said before."""
    intended = {line["operation"] for line in lines(operator, run, "ChangeIntended")}
    answered = {line["operation"] for line in lines(operator, run, "ChangeAnswered")}
    settled = {line["operation"]: line["found"] for line in lines(operator, run, "ChangeSettled")}
    assert answered <= done.keys() <= intended
    assert settled == {one: "done" if one in done else "never-begun" for one in intended - answered}


def moments() -> Iterator[tuple[int, str]]:
    for change in range(len(CHANGES)):
        for moment in (BEFORE, DURING, AFTER):
            yield change, moment


def test_killed_around_any_change_of_a_way_back_the_site_has_one_release_and_the_next_one_ends_it(
    web1: LabHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsal = Rehearsal(web1, tmp_path / "state", scenario=SCENARIO)
    web1.break_with("bad-release")
    rows: list[Row] = []
    for number, (change, moment) in enumerate(moments()):
        if rows:
            web1.shell(BREAK_AGAIN)
        operator, old = Operator(web1, tmp_path / f"desk-{number}"), _processes(rehearsal)
        reloads, _ = _counted_by_services(web1)

        kill_at(operator, change, moment)
        until_nothing_is_under_way(web1)
        last = str(operator.record()[-1]["type"])
        (run,) = operator.runs.list()
        done = done_by(web1, run.run)
        assert len(done) == change + (moment != BEFORE), (change, moment, done)
        serves = look(rehearsal, done, old)
        assert _counted_by_services(web1)[0] - reloads == (len(done) > 1)

        resumed = start(operator, "", "resume", run.run)
        said, _ = resumed.communicate(timeout=200)
        assert resumed.returncode == 0, said
        check_record(operator, run.run, done)
        check_end(rehearsal, old)
        assert _counted_by_services(web1)[0] - reloads == 1, "not one way back"
        later = [one.run for one in operator.runs.list() if one.run != run.run]
        sent = [line for one in later for line in lines(operator, one, "ChangeIntended")]
        then = tuple(SHORT[CHANGES.index(line["change"]["summary"])] for line in sent)
        names = tuple(SHORT[int(one.rpartition("-")[2], 16)] for one in sorted(done))
        rows.append(Row(change=change, moment=moment, last=last, done=names, serves=serves, then=then))
    with capsys.disabled():
        sys.stdout.write("\n".join(["", HEAD, *map(str, rows), ""]))
