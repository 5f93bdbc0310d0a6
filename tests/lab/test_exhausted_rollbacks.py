"""A way back on a host that has no process, no memory or no block left to give: never half told, and ended later.

What a host runs short of is taken away before the run, or the moment it has come so far, and given back after some
seconds; by the machine of the lab, which has enough.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from soleil_remediate import HostReport
from soleil_remediate.host_outcomes import Fixed, NotNeeded, Refusal
from soleil_remediate.lab import LabError
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_exhaustion import limited, process_limit
from tests.lab.test_failed_deployment import (
    BAD,
    BASE,
    OLD,
    Rehearsed,
    _marked,
    _processes,
    _release_that_answers,
)
from tests.lab.test_maintenance_page import armed, is_down

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

REPAIRED = [Rehearsed(fault="rollback-cut-off", options=(), sent=("release.rollback",))]

#: Seconds for which the host has to go without.
SHORT = 6

#: Every mark of a way back that is not finished, whichever way the code is laid out.
LEFT = f"ls -d {BASE}/releases/*/ROLLBACK_UNFINISHED* {BASE}/current/.git/ROLLBACK_UNFINISHED* 2>/dev/null || :"
UNFINISHED = f"{BASE}/releases/{BAD}/ROLLBACK_UNFINISHED-{OLD}"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")


def files_of(host: LabHost) -> Path:
    """Its files, as the machine of the lab sees them, whatever it has left to give."""
    for pid in host.lab._known(host.name).group.processes():
        with suppress(OSError):
            if re.search(r"^NSpid:.*\s1$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):  # it stays
                return Path(f"/proc/{pid}/root")
    raise AssertionError("the host has no first process")


#: How far it has come, by what stands on its disk.
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "begun": lambda files: any((files / "run/soleil-remediate/ops").glob("*/begun")),
    "page": lambda files: (files / "srv/soleil/shared/storage/framework/down").exists(),
    "marked": lambda files: (files / f"srv/soleil/releases/{BAD}/BAD_RELEASE").exists(),
    "switched": lambda files: (files / "srv/soleil/current").readlink().name == OLD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What a host does not have from some moment on."""

    moment: str
    page: bool = False

    def __str__(self) -> str:
        return f"{self.moment}-behind-the-page" if self.page else self.moment

    @property
    def inputs(self) -> dict[str, str]:
        return {"maintenance": "yes"} if self.page else {}


def shortages(*every: Shortage, everyday: tuple[Shortage, ...] = ()) -> list[object]:
    return [pytest.param(one, id=str(one), marks=() if one in everyday else pytest.mark.long) for one in every]


@contextmanager
def from_the_moment(host: LabHost, moment: str, takes: Callable[[], object]) -> Iterator[list[str]]:
    """Take something away once the host has come so far; the list gets the moment then.

    Who takes it away gives it back.
    """
    files, reached, over = files_of(host), MOMENTS[moment], threading.Event()
    come: list[str] = []

    def watch() -> None:
        while not over.is_set():
            with suppress(OSError):
                if reached(files):
                    takes()
                    come.append(moment)
                    return
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield come
    finally:
        over.set()
        thread.join()


def begun_on(host: LabHost) -> list[str]:
    """Every operation that the host itself says was begun."""
    found = host.shell(
        "[ -d /run/soleil-remediate/ops ] || exit 0; cd /run/soleil-remediate/ops;"
        " find . -name begun -printf '%h\\n' | sed 's:^[.]/::' | sort"
    )
    return found.splitlines()


def ended_on(host: LabHost) -> dict[str, int]:
    """How every operation ended, as the host itself says; none of those that were killed."""
    found = host.shell(
        "[ -d /run/soleil-remediate/ops ] || exit 0; cd /run/soleil-remediate/ops;"
        " find . -name 'rc.*' -printf '%h %f\\n' | sed 's:^[.]/::'"
    )
    return {name: int(status.removeprefix("rc.")) for name, status in map(str.split, found.splitlines())}


def check_truth(rehearsal: Rehearsal, report: HostReport, before: set[str]) -> None:
    """Hold the report and the record of a run against the host, which has enough again."""
    host, record, outcome = rehearsal.host, rehearsal.record(), report.outcome
    served = host.shell(f"readlink {BASE}/current")
    assert served in {f"releases/{OLD}", f"releases/{BAD}"}
    (ended,) = (dict[str, Any](line)["outcome"] for line in record if line["type"] == "HostEnded")
    assert (ended["verdict"], ended["why"]) == (outcome.word, outcome.why)
    intended = {str(line["operation"]) for line in record if line["type"] == "ChangeIntended"}
    answered = {str(line["operation"]): line["exit_status"] for line in record if line["type"] == "ChangeAnswered"}
    begun = set(begun_on(host))
    assert begun <= intended, "the host was told something that is not on record"
    assert answered.items() <= ended_on(host).items(), "what is on record is not what the host says"
    assert not isinstance(outcome, NotNeeded)
    if served.endswith(OLD):
        assert begun, "nobody was told to switch"
        assert _marked(rehearsal) == [BAD]
        assert "nothing was switched" not in outcome.why
    if isinstance(outcome, Fixed):
        check_end(rehearsal, before)
    elif is_down(rehearsal):
        assert armed(rehearsal) != "" or "USERS GO ON SEEING" in outcome.why, "a page that nobody ends and nobody tells"


def check_end(rehearsal: Rehearsal, before: set[str]) -> None:
    """The older release is served by all that serves, and nothing is left half-way."""
    assert _release_that_answers(rehearsal) == OLD
    eyes = rehearsal.eyes()
    link = eyes.file(f"{BASE}/current")
    assert (link.linked_to, link.user) == (f"{BASE}/releases/{OLD}", "deploy")
    assert not eyes.file(f"{BASE}/current.new").exists
    assert _marked(rehearsal) == [BAD]
    for cache in ("config.php", "routes-v7.php"):  # without one Laravel works; one of the bad release's, or half of one
        built = eyes.file(f"{BASE}/releases/{OLD}/bootstrap/cache/{cache}")
        assert not built.exists or (built.user == "www-data" and built.content_string.endswith(";\n")), cache
    assert rehearsal.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"
    assert not before & _processes(rehearsal), "somebody still runs the bad release's code"
    assert not eyes.file(UNFINISHED).exists
    assert not is_down(rehearsal)
    assert armed(rehearsal) == ""


def check_next(rehearsal: Rehearsal, shortage: Shortage, before: set[str]) -> None:
    again = rehearsal.remediate(inputs=shortage.inputs)
    assert isinstance(again.outcome, Fixed | NotNeeded), again.outcome
    check_end(rehearsal, before)


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_way_back_that_was_cut_off_is_seen_and_finished_though_every_page_is_served(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    rehearsal.host.break_with(case.fault)
    assert rehearsal.red_checks() == {"rollback.finished"}
    before = _processes(rehearsal)
    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == case.sent
    assert [sent.change.summary for sent in report.sent] == [f"let php-fpm and workers follow to release {OLD}"]
    check_end(rehearsal, before)
    after = rehearsal.untouched_state()
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert rehearsal.untouched_state() == after


@pytest.mark.long
@pytest.mark.parametrize("fault", ["bad-release", "bad-checkout"])
def test_a_way_back_that_php_fpm_did_not_follow_is_seen_and_finished_by_the_next_run(
    rehearsal: Rehearsal, fault: str
) -> None:
    host, drop_in = rehearsal.host, "/run/systemd/system/php8.2-fpm.service.d/no-reload.conf"
    host.break_with(fault)
    before = _processes(rehearsal)
    host.shell(f"mkdir -p {Path(drop_in).parent}; printf '[Service]\nExecReload=\nExecReload=/bin/false\n' >{drop_in}")
    host.shell("systemctl daemon-reload")
    report = rehearsal.remediate()
    assert not isinstance(report.outcome, Fixed), report.outcome
    assert "could not be reloaded" in report.outcome.why
    assert before & _processes(rehearsal)
    assert host.shell(LEFT) != ""
    assert "rollback.finished" in rehearsal.red_checks()

    host.shell(f"rm {drop_in}; systemctl daemon-reload")
    # It has begun since, with the older code, and has a job that takes longer than anybody waits.
    words = "artisan queue:work"
    host.shell(
        f"sudo -u www-data sh -c 'cd {BASE}/current/ && setsid sh -c \"sleep 900; :\" {words} >/dev/null 2>&1 &'"
    )
    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    (sent,) = report.sent
    assert sent.change.summary.startswith("let php-fpm and workers follow to ")
    assert not before & _processes(rehearsal)
    assert host.shell(f"pgrep -fc '[s]leep 900; : {words}' || :") == "1", "it was not to be ended"
    assert host.shell(LEFT) == ""
    assert isinstance(rehearsal.remediate().outcome, NotNeeded)


@pytest.mark.long
@pytest.mark.parametrize("words", ["artisan schedule:work", "artisan queue:listen redis"])
def test_what_hears_no_word_of_artisans_and_does_no_job_itself_is_ended(rehearsal: Rehearsal, words: str) -> None:
    host = rehearsal.host
    host.break_with("bad-release")
    host.shell(
        f"sudo -u www-data sh -c 'cd {BASE}/current/ && setsid sh -c \"sleep 900; :\" {words} >/dev/null 2>&1 &'"
    )
    before = _processes(rehearsal)
    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert "not all went well" not in report.outcome.why
    assert host.shell(f"pgrep -fc '[s]leep 900; : {words}' || :") == "0"
    check_end(rehearsal, before)


@pytest.mark.parametrize("spare", [pytest.param(spare, marks=pytest.mark.long) for spare in (None, 2, 5)])
def test_where_no_process_can_be_started_nothing_is_half_switched(rehearsal: Rehearsal, spare: int | None) -> None:
    rehearsal.host.break_with("bad-release")
    before = _processes(rehearsal)
    with limited(rehearsal.host, spare=spare):
        report = rehearsal.remediate()
    check_truth(rehearsal, report, before)
    check_next(rehearsal, Shortage(moment="before"), before)


PROCESSES = (
    Shortage(moment="begun"),
    Shortage(moment="marked"),
    Shortage(moment="switched"),
    Shortage(moment="page", page=True),
    Shortage(moment="switched", page=True),
)


@pytest.mark.parametrize("spare", [None, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("shortage", shortages(*PROCESSES, everyday=(PROCESSES[2],)))
def test_where_no_process_can_be_started_from_the_middle_of_it_on_the_next_run_goes_on(
    rehearsal: Rehearsal, shortage: Shortage, spare: int | None
) -> None:
    host = rehearsal.host
    process_limit(host)  # where there is none, that is said here and not in the middle of it
    host.break_with("bad-release")
    before = _processes(rehearsal)
    limit = limited(host, spare=spare)
    lift = threading.Timer(SHORT, lambda: limit.__exit__(None, None, None))

    def take() -> None:
        limit.__enter__()
        lift.start()

    with from_the_moment(host, shortage.moment, take) as come:
        report = rehearsal.remediate(inputs=shortage.inputs)
    lift.join()
    assert come
    check_truth(rehearsal, report, before)
    check_next(rehearsal, shortage, before)


MIB = 2**20


def memory_of(host: LabHost) -> Path:
    """The folder of the control group that limits the host's memory."""
    for folder in host.lab._known(host.name).group.folders():
        payload = folder / "payload"
        at = payload if payload.is_dir() else folder
        if (at / "memory.stat").exists():
            return at
    pytest.skip("this machine's control groups limit no memory of the lab's hosts")


def leave_hardly_any_memory(host: LabHost, *, of_the_change: bool) -> None:
    """Give the host hardly more than its processes hold: the kernel kills some, or the change's own first."""
    group = host.lab._known(host.name).group
    for pid in group.processes() if of_the_change else ():
        with suppress(OSError):
            if b"/run/soleil-remediate/ops/" in Path(f"/proc/{pid}/cmdline").read_bytes():
                Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    said = dict(line.split() for line in (memory_of(host) / "memory.stat").read_text().splitlines())
    size = int(said.get("total_rss") or said["anon"]) + 4 * MIB
    for more in range(0, 256 * MIB, 4 * MIB):
        with suppress(LabError):  # it holds more by now, or cannot be made to let go of it
            group.limit_memory(size + more)
            return
    raise AssertionError("it cannot be left so little")


def killed_for_want_of_memory(host: LabHost) -> int:
    at = memory_of(host)
    file = next(one for one in (at / "memory.oom_control", at / "memory.events") if one.exists())
    return int(dict(line.split() for line in file.read_text().splitlines())["oom_kill"])


MEMORY = (
    Shortage(moment="marked"),
    Shortage(moment="switched"),
    Shortage(moment="page", page=True),
    Shortage(moment="switched", page=True),
)


@pytest.mark.parametrize("of_the_change", [True, False], ids=["its-own", "any"])
@pytest.mark.parametrize("shortage", shortages(*MEMORY))
def test_where_the_kernel_kills_for_want_of_memory_from_the_middle_of_it_on_the_next_run_goes_on(
    rehearsal: Rehearsal, shortage: Shortage, of_the_change: bool
) -> None:
    host = rehearsal.host
    host.break_with("bad-release")
    before, killed = _processes(rehearsal), killed_for_want_of_memory(host)
    lift = threading.Timer(SHORT, lambda: host.lab._known(host.name).group.limit_memory(2**45))

    def take() -> None:
        lift.start()
        until = time.monotonic() + SHORT - 1
        # What ends meanwhile gives memory back: it is taken away again until somebody lacks it.
        while killed_for_want_of_memory(host) == killed and time.monotonic() < until:
            leave_hardly_any_memory(host, of_the_change=of_the_change)
            time.sleep(0.02)

    with from_the_moment(host, shortage.moment, take) as come:
        report = rehearsal.remediate(inputs=shortage.inputs)
    assert come
    lift.join()
    host.lab._known(host.name).group.limit_memory(2**45)  # the last of it may have been taken when it was lifted
    assert killed_for_want_of_memory(host) > killed
    # What the kernel has ended besides is started again, as another scenario does.
    host.shell(
        "systemctl reset-failed; systemctl start postgresql@15-main redis-server php8.2-fpm nginx supervisor cron"
    )
    check_truth(rehearsal, report, before)
    check_next(rehearsal, shortage, before)


def fill(host: LabHost) -> None:
    """Leave no block free for the application, nor in /run."""
    files = files_of(host)
    for folder in (files / "srv", files / "run"):
        with (folder / "ballast").open("ab", buffering=0) as file, suppress(OSError):
            for size in (MIB, 4096):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass


def empty(host: LabHost) -> None:
    for folder in ("srv", "run"):
        (files_of(host) / folder / "ballast").unlink()


BLOCKS = (
    Shortage(moment="begun"),
    Shortage(moment="marked"),
    Shortage(moment="switched"),
    Shortage(moment="begun", page=True),
    Shortage(moment="page", page=True),
    Shortage(moment="switched", page=True),
)


@pytest.mark.long
@pytest.mark.parametrize("inputs", [{}, {"maintenance": "yes"}], ids=["at-once", "behind-the-page"])
def test_without_a_free_block_for_the_application_and_in_run_nothing_is_begun(
    rehearsal: Rehearsal, inputs: dict[str, str]
) -> None:
    host = rehearsal.host
    host.break_with("bad-release")
    before = _processes(rehearsal)
    host.shell("mount -o remount,size=16m /run")
    fill(host)
    report = rehearsal.remediate(inputs=inputs)
    assert isinstance(report.outcome, Refusal), report.outcome
    assert "is it full?" in report.outcome.why
    assert begun_on(host) == []
    assert host.shell(f"readlink {BASE}/current") == f"releases/{BAD}"
    assert _marked(rehearsal) == []
    assert not is_down(rehearsal)
    empty(host)
    check_next(rehearsal, Shortage(moment="before", page=bool(inputs)), before)


@pytest.mark.parametrize("shortage", shortages(*BLOCKS))
def test_where_no_block_is_free_from_the_middle_of_it_on_the_next_run_goes_on(
    rehearsal: Rehearsal, shortage: Shortage
) -> None:
    host = rehearsal.host
    host.break_with("bad-release")
    before = _processes(rehearsal)
    host.shell("mount -o remount,size=16m /run")
    with from_the_moment(host, shortage.moment, lambda: fill(host)) as come:
        report = rehearsal.remediate(inputs=shortage.inputs)
    assert come
    check_truth(rehearsal, report, before)
    empty(host)
    check_next(rehearsal, shortage, before)
