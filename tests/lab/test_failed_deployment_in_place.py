"""A bad commit, really checked out in place: the one before is named, checked out by its owner, proven, only once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import HostReport
from soleil_remediate.host_outcomes import Fixed, NotNeeded, WouldFix
from soleil_remediate.step_outcomes import StepPending, StepRemedied, StepUndecided
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_failed_deployment import (
    AGAIN,
    BASE,
    OLD,
    Rehearsed,
    YesToAll,
    see_that_two_runs_at_once_send_one_change,
    see_that_views_were_compiled,
)

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

ROOT = "/srv/soleil/current"

REPAIRED = [Rehearsed(fault="bad-checkout", options=(), sent=("checkout.rollback",))]


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")


def git(rehearsal: Rehearsal, words: str) -> str:
    return rehearsal.host.shell(f"git -C {ROOT} {words}", user="deploy")


def commits(rehearsal: Rehearsal) -> tuple[str, str]:
    """The good one and the bad one."""
    good, bad = git(rehearsal, "log --reverse --format=%H main").splitlines()
    return good, bad


def processes(rehearsal: Rehearsal) -> set[str]:
    return set(rehearsal.host.shell("pgrep -f '^php .*artisan queue:work|^php-fpm: pool' || true").split())


def is_served(rehearsal: Rehearsal) -> bool:
    return "release" in json.loads(rehearsal.host.shell("curl -sS -m 10 http://localhost/api/health/live"))


def see_that_caches_were_built(rehearsal: Rehearsal, bad: str) -> None:
    assert rehearsal.eyes().file(f"{ROOT}/bootstrap/cache/config.php").user == "www-data"
    see_that_views_were_compiled(rehearsal, ROOT, f"{ROOT}/.git/refs/soleil-remediate/bad/{bad}")


def why_undecided(report: HostReport) -> str:
    assert report.preview is not None
    (why,) = [step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided)]
    return why


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_the_commit_before_is_named_checked_out_by_its_owner_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    rehearsal.host.break_with(case.fault)
    good, bad = commits(rehearsal)
    before, old_processes = rehearsal.untouched_state(), processes(rehearsal)
    owned_by_root = rehearsal.host.shell("find /srv/soleil -user root | sort")

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    (change,) = [step.outcome.plan.changes[0] for step in seen.preview.steps if isinstance(step.outcome, StepPending)]
    assert change.summary == f"check out commit {good[:12]} instead of {bad[:12]}"
    assert "add_note_to_bookings.php (additive)" in change.keeps
    assert rehearsal.untouched_state() == before, "nothing is written, git's index neither"

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(step.kind for step in report.steps if isinstance(step.outcome, StepRemedied)) == case.sent
    assert len(report.sent) == 1
    assert is_served(rehearsal)
    assert git(rehearsal, "rev-parse HEAD") == good
    assert git(rehearsal, "rev-parse main") == bad, "no branch is moved"
    assert git(rehearsal, "for-each-ref --format='%(objectname)' refs/soleil-remediate/bad") == bad
    assert git(rehearsal, "status --porcelain --untracked-files=no") == ""
    assert rehearsal.host.shell("find /srv/soleil -user root | sort") == owned_by_root
    see_that_caches_were_built(rehearsal, bad)
    assert not old_processes & processes(rehearsal), "somebody still runs the bad commit's code"
    assert rehearsal.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"

    after = rehearsal.untouched_state()
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert rehearsal.untouched_state() == after

    (sent,) = report.sent
    assert sent.change.undo.command is not None
    rehearsal.host.run(*sent.change.undo.command.words).checked()
    assert git(rehearsal, "rev-parse HEAD") == bad
    assert isinstance(rehearsal.remediate().outcome, Fixed), "and the way back is open again"
    assert is_served(rehearsal)


def test_users_see_the_maintenance_page_until_the_commit_before_answers(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-checkout")
    good, _ = commits(rehearsal)
    report = rehearsal.remediate(inputs={"maintenance": "yes"})
    assert isinstance(report.outcome, Fixed), report.outcome
    assert [sent.change.summary.partition(" commit")[0] for sent in report.sent] == [
        "show users the maintenance page", "check out", "end the maintenance page once",
    ]  # fmt: skip
    assert git(rehearsal, "rev-parse HEAD") == good
    assert is_served(rehearsal)
    assert not rehearsal.eyes().file(f"{ROOT}/storage/framework/down").exists


def test_the_same_change_sent_twice_goes_back_once(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-checkout")
    good, _ = commits(rehearsal)
    (sent,) = rehearsal.remediate().sent
    done = rehearsal.host.run(*sent.change.command.words)
    assert (done.returncode, "another commit is checked out by now: nothing was switched" in done.stderr) == (75, True)
    assert git(rehearsal, "rev-parse HEAD") == good


def commit_earlier(rehearsal: Rehearsal) -> None:
    """Let there be a commit before the good one as well: who goes back twice is seen."""
    rehearsal.host.shell(
        f"""
        cd {BASE}/releases/{OLD}
        git init -q -b main
        printf 'storage\n.env\nvendor\nbootstrap/cache/*.php\n# and no more\n' >.gitignore
        git add -A
        export GIT_COMMITTER_DATE="@$(date -d '-2 hours' +%s) +0000"
        git -c user.name=deploy -c user.email=deploy@localhost commit -q -m earlier
        """,
        user="deploy",
    )


def test_two_runs_at_once_go_back_once(rehearsal: Rehearsal, tmp_path: Path) -> None:
    commit_earlier(rehearsal)
    rehearsal.host.break_with("bad-checkout")
    _, good, bad = git(rehearsal, "log --reverse --format=%H main").splitlines()

    see_that_two_runs_at_once_send_one_change(rehearsal, tmp_path)

    assert git(rehearsal, "log -g --format=%gs HEAD").splitlines()[:-3] == [f"checkout: moving from main to {good}"]
    assert git(rehearsal, "for-each-ref --format='%(objectname)' refs/soleil-remediate/bad") == bad
    assert is_served(rehearsal)


def test_files_that_somebody_changed_are_named_and_nothing_is_sent(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-checkout")
    rehearsal.host.shell(f"echo '// by hand' >>{ROOT}/routes/web.php")
    before = rehearsal.untouched_state()
    report = rehearsal.remediate(gate=YesToAll())
    assert f"files in {ROOT} were changed and not committed: routes/web.php. " in why_undecided(report)
    assert report.sent == ()
    assert rehearsal.untouched_state() == before


@pytest.mark.parametrize(
    "what, why",
    [
        ("vendor", r"needs other files of what composer installs .*\(composer\.lock differs\), and its own are gone"),
        (
            "migration",
            rf"drop_status_from_bookings.php \(destructive\).*`{AGAIN} OPTIONS --set to=\w+ --set migrations=any`",
        ),
    ],
)
def test_what_the_older_commit_could_not_go_on_with_is_seen_before_anybody_is_asked(
    rehearsal: Rehearsal, what: str, why: str
) -> None:
    rehearsal.host.break_with("bad-checkout", what=what)
    before = rehearsal.untouched_state()
    report = rehearsal.remediate(gate=YesToAll())
    said = why.replace("OPTIONS", re.escape(rehearsal.options))
    assert re.search(said, why_undecided(report)), why_undecided(report)
    assert report.sent == ()
    assert rehearsal.untouched_state() == before
