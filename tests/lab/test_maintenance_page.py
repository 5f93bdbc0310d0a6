"""The maintenance page around a way back: users see it in between, it never outlives its reason, nor ends too early."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import HostReport
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded
from soleil_remediate.plan import Change
from soleil_remediate.step_outcomes import StepPending, StepRemedied
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_failed_deployment import BAD, BASE, OLD, Rehearsed

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

LIVE = "http://localhost/api/health/live"
ASKED_FOR = {"maintenance": "yes"}
BEGINS = "show users the maintenance page"
ENDS = f"end the maintenance page once release {OLD} answers behind it"

REPAIRED = [Rehearsed(fault="maintenance-page-left", options=(), sent=("release.rollback",))]

#: What a user gets, every tenth of a second, for at most five minutes.
WATCH = f"""
for turn in $(seq 3000); do
    [ ! -e /run/rehearsal-watched ] || break
    curl -sS -m 5 -o /dev/null -w '%{{http_code}}\\n' {LIVE} >>/run/rehearsal-statuses || true
    sleep 0.1
done
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")


@contextmanager
def watched_by_a_user(rehearsal: Rehearsal) -> Iterator[list[str]]:
    """Fill the list with what a user got meanwhile, each answer that differs from the one before."""
    rehearsal.host.shell("rm -f /run/rehearsal-watched /run/rehearsal-statuses")
    rehearsal.host.shell(f"setsid sh -c {shlex.quote(WATCH)} </dev/null >/dev/null 2>&1 &")
    seen: list[str] = []
    try:
        yield seen
    finally:
        rehearsal.host.shell("touch /run/rehearsal-watched")
        seen += rehearsal.host.shell("uniq /run/rehearsal-statuses").split()


def answers(rehearsal: Rehearsal, page: str = LIVE) -> str:
    return rehearsal.host.shell(f"curl -sS -m 10 -o /dev/null -w '%{{http_code}}' {page}")


def armed(rehearsal: Rehearsal) -> str:
    """The timers that would end the page."""
    return rehearsal.host.shell("systemctl list-units --all --plain --no-legend 'soleil-remediate-*'")


def is_down(rehearsal: Rehearsal) -> bool:
    return bool(rehearsal.eyes().file(f"{BASE}/shared/storage/framework/down").exists)


def _break_the_older_one(rehearsal: Rehearsal, broken: str) -> str:
    """Let requests to the older release fail, and return the file that does."""
    name, how = {
        "controller": ("app/Http/Controllers/HealthController.php", r"s/public function live()/&: int/"),
        "routes": ("routes/api.php", r"$aRoute::get("),  # with which workers do not start, so that the switch fails
    }[broken]
    file = f"{BASE}/releases/{OLD}/{name}"
    rehearsal.host.shell(f"cp -a {file} /run/rehearsal-file && sed -i {shlex.quote(how)} {file}")
    return file


def _mend(rehearsal: Rehearsal, file: str) -> None:
    rehearsal.host.shell(f"cp -a /run/rehearsal-file {file} && systemctl reload php8.2-fpm")


def changes_of(report: HostReport) -> list[Change]:
    assert report.preview is not None
    (step,) = [step for step in report.preview.steps if step.kind == "release.rollback"]
    assert isinstance(step.outcome, StepPending), step.outcome
    return list(step.outcome.plan.changes)


def test_users_see_the_maintenance_page_and_then_the_older_release(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    owned_by_root = rehearsal.host.shell(f"find {BASE} -user root | sort")
    with watched_by_a_user(rehearsal) as seen:
        report = rehearsal.remediate(inputs=ASKED_FOR)
    assert isinstance(report.outcome, Fixed), report.outcome
    assert [sent.change.summary for sent in report.sent] == [
        BEGINS,
        f"serve release {OLD} instead of {BAD}",
        ENDS,
    ], report.outcome.why
    first = seen.index("503")
    assert set(seen[:first]) <= {"500"}, seen
    # A reload of php-fpm may cut a request off, which nginx then answers with 502.
    later = [answer for answer, _ in groupby(answer for answer in seen[first:] if answer != "502")]
    assert later in (["503"], ["503", "200"]), f"somebody saw an error, or anything before it was over: {seen}"
    assert answers(rehearsal) == "200"
    assert not is_down(rehearsal)
    assert armed(rehearsal) == ""
    assert rehearsal.host.shell(f"find {BASE} -user root | sort") == owned_by_root
    assert rehearsal.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_page_that_was_left_up_is_a_fault_and_is_ended_once_the_release_answers(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    rehearsal.host.break_with(case.fault)
    assert rehearsal.red_checks() == {"maintenance.ended", "page.served"}

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    remedied = tuple(step.kind for step in report.steps if isinstance(step.outcome, StepRemedied))
    assert remedied == case.sent, report.steps
    assert [sent.change.summary for sent in report.sent] == [ENDS]
    assert answers(rehearsal) == "200"

    after = rehearsal.untouched_state()
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert rehearsal.untouched_state() == after


@pytest.mark.long
@pytest.mark.parametrize("broken", ["controller", "routes"])
def test_where_the_older_release_does_not_answer_either_users_go_on_seeing_the_page_until_it_does(
    rehearsal: Rehearsal, broken: str
) -> None:
    rehearsal.host.break_with("bad-release", what="syntax")  # with which the bad one's own artisan does not start
    file = _break_the_older_one(rehearsal, broken)

    report = rehearsal.remediate(inputs=ASKED_FOR)
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "USERS GO ON SEEING THE MAINTENANCE PAGE" in report.outcome.why
    assert answers(rehearsal) == "503"
    assert is_down(rehearsal)
    assert armed(rehearsal) == "", "the host would let users see what does not work"
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == f"{BASE}/releases/{OLD}"

    _mend(rehearsal, file)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, Fixed), again.outcome
    assert [sent.change.summary for sent in again.sent] == [ENDS]
    assert answers(rehearsal) == "200"


@pytest.mark.long
@pytest.mark.parametrize("broken", ["controller", "routes"])
def test_where_nothing_helps_users_may_see_the_page_until_what_is_served_answers(
    rehearsal: Rehearsal, broken: str
) -> None:
    rehearsal.host.break_with("bad-release")
    file = _break_the_older_one(rehearsal, broken)
    assert isinstance(rehearsal.remediate().outcome, NotFixed)
    told = rehearsal.remediate()
    assert told.sent == ()
    assert told.preview is not None
    assert any("--set maintenance=only" in getattr(step.outcome, "why", "") for step in told.preview.steps)
    assert answers(rehearsal) == "500"

    report = rehearsal.remediate(inputs={"maintenance": "only"})
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert [sent.change.summary for sent in report.sent] == [BEGINS], report.outcome.why
    assert answers(rehearsal) == "503"
    assert ".timer" in armed(rehearsal)
    again = rehearsal.remediate(inputs={"maintenance": "only"})
    assert isinstance(again.outcome, NotFixed), again.outcome
    assert again.sent == ()

    _mend(rehearsal, file)
    ended = rehearsal.remediate()
    assert isinstance(ended.outcome, Fixed), ended.outcome
    assert [sent.change.summary for sent in ended.sent] == [ENDS]
    assert answers(rehearsal) == "200"
    assert armed(rehearsal) == ""


@pytest.mark.long
def test_should_nobody_come_back_the_host_itself_ends_the_page(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    words = _put_up(rehearsal, seconds="30")
    rehearsal.host.run(*words).checked()
    assert answers(rehearsal) == "503"
    assert ".timer" in armed(rehearsal)
    _await(lambda: not is_down(rehearsal))
    assert answers(rehearsal) == "500"  # the bad release, as before
    _await(lambda: armed(rehearsal) == "")


def test_what_somebody_else_put_up_meanwhile_is_ended_by_nobody_here(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    _, switch, ends = changes_of(rehearsal.preview(**ASKED_FOR))
    rehearsal.host.run(*_put_up(rehearsal, seconds="1200")).checked()
    artisan = f"sudo -u www-data php {BASE}/releases/{OLD}/artisan"
    rehearsal.host.shell(f"{artisan} up && {artisan} down --secret=soleil-2026")
    (timer,) = [line.split()[0] for line in armed(rehearsal).splitlines() if ".timer" in line]
    rehearsal.host.shell(f"systemctl start {timer.removesuffix('.timer')}.service")
    assert answers(rehearsal) == "503"

    rehearsal.host.run(*switch.command.words).checked()
    said = rehearsal.host.run(*ends.command.words).checked()
    assert "somebody else put it into maintenance mode meanwhile" in str(said)
    assert answers(rehearsal) == "503"
    assert is_down(rehearsal)
    assert armed(rehearsal) == ""


def test_the_next_run_goes_on_where_one_died_behind_the_page(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.run(*_put_up(rehearsal, seconds="1200")).checked()
    assert answers(rehearsal) == "503"

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert [sent.change.summary for sent in report.sent] == [BEGINS, f"serve release {OLD} instead of {BAD}", ENDS]
    assert answers(rehearsal) == "200"
    assert armed(rehearsal) == ""


def test_where_nothing_is_switched_users_see_the_application_again(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.shell(f"chattr +i {BASE}/releases/{BAD}")  # it cannot be marked bad
    try:
        report = rehearsal.remediate(inputs=ASKED_FOR)
    finally:
        rehearsal.host.shell(f"chattr -i {BASE}/releases/{BAD}")
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "taken back: show users the maintenance page" in report.outcome.why
    assert answers(rehearsal) == "500"
    assert not is_down(rehearsal)
    assert armed(rehearsal) == ""


def test_a_maintenance_mode_that_cannot_be_seen_is_ended_at_once(rehearsal: Rehearsal) -> None:
    """As with a driver of the application's own: ours could not tell that it is over, nor the host end it."""
    rehearsal.host.break_with("bad-release")
    asked = f"{BASE}/shared/storage/logs/asked"
    rehearsal.host.shell(f"""
        for code in {BASE}/releases/*; do
            mv $code/artisan $code/artisan.php
            cat >$code/artisan <<'PHP'
<?php
if (in_array($argv[1] ?? "", ["down", "up"])) {{
    file_put_contents("{asked}", $argv[1] . " ", FILE_APPEND);
    exit(0);
}}
require __DIR__ . "/artisan.php";
PHP
        done
    """)
    report = rehearsal.remediate(inputs=ASKED_FOR)
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "no maintenance mode that can be seen" in report.outcome.why
    assert "artisan up was run after it" in report.outcome.why
    assert rehearsal.host.shell(f"cat {asked}").split()[-1:] == ["up"]
    assert answers(rehearsal) == "500"
    assert armed(rehearsal) == ""


def _put_up(rehearsal: Rehearsal, *, seconds: str) -> tuple[str, ...]:
    """Return the words that put the page up, as planned, but for so many *seconds*."""
    first = changes_of(rehearsal.preview(**ASKED_FOR))[0]
    assert first.summary == BEGINS
    return tuple(seconds if word == "1200" else word for word in first.command.words)


def _await(is_so: Callable[[], bool]) -> None:
    """Wait for it, for a minute and a half at most."""
    until = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < until, "not in a minute and a half"
        time.sleep(0.5)
