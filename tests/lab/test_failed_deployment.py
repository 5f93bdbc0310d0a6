"""A bad release, really deployed: seen red, the release named, served again, proven by other eyes, and only once."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from soleil_remediate import HostReport, PolicyGate
from soleil_remediate.gates import Approval
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, Refusal, WouldFix
from soleil_remediate.lab import Lab
from soleil_remediate.plan import Change
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepHealthy, StepPending, StepRemedied, StepUndecided
from soleil_remediate.task import Table
from tests.lab.conftest import LabHost
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_disk_full_hardships import WhileAsking

pytestmark = pytest.mark.lab

OLD, BAD, THIRD = "20260101000000", "20260102000000", "20260103000000"
BASE = "/srv/soleil"
AGAIN = "soleil-remediate remediate --scenario failed-deployment-rollback"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A bad release that can be gone back from, and the kinds that do it."""

    fault: str
    options: tuple[tuple[str, str], ...]
    sent: tuple[str, ...]


REPAIRED = [
    Rehearsed(fault="bad-release", options=(("what", "exception"),), sent=("release.rollback",)),
    Rehearsed(fault="bad-release", options=(("what", "syntax"),), sent=("release.rollback",)),
    Rehearsed(fault="bad-release-crash-loop", options=(), sent=("release.rollback",)),
]

NO_FURTHER = [Rehearsed(fault="bad-release-after-another", options=(), sent=("release.rollback",))]


class YesToAll:
    """A person who says yes to everything."""

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        del scenario
        return Approval(digests=frozenset(one for seen in previews for one in seen.digests), by="the test")

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        return Approval(digests=frozenset({change.digest(host.name, kind)}), by="the test")


def _release_that_answers(rehearsal: Rehearsal) -> str:
    """The release whose code nginx and PHP serve, by its own word."""
    return str(json.loads(rehearsal.host.shell("curl -sS -m 10 http://localhost/api/health/live"))["release"])


def _processes(rehearsal: Rehearsal) -> set[str]:
    """The processes that run the application's code: php-fpm's and the queue's."""
    return set(rehearsal.host.shell("pgrep -f '^php .*artisan queue:work|^php-fpm: pool' || true").split())


def _see_that_the_old_release_is_served(rehearsal: Rehearsal) -> None:
    """By its own word, by what stands on the disk, and by supervisor's."""
    assert _release_that_answers(rehearsal) == OLD
    eyes = rehearsal.eyes()
    link = eyes.file(f"{BASE}/current")
    assert (link.linked_to, link.user) == (f"{BASE}/releases/{OLD}", "deploy")
    assert not eyes.file(f"{BASE}/current.new").exists
    assert eyes.file(f"{BASE}/releases/{BAD}/BAD_RELEASE").user == "deploy"
    assert not eyes.file(f"{BASE}/releases/{OLD}/BAD_RELEASE").exists
    for cache in ("config.php", "routes-v7.php"):
        assert eyes.file(f"{BASE}/releases/{OLD}/bootstrap/cache/{cache}").user == "www-data"
    assert OLD in eyes.file(f"{BASE}/releases/{OLD}/bootstrap/cache/config.php").content_string
    see_that_views_were_compiled(rehearsal, f"{BASE}/releases/{OLD}", f"{BASE}/releases/{BAD}/BAD_RELEASE")
    assert eyes.service("php8.2-fpm").is_running
    assert rehearsal.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"


def see_that_views_were_compiled(rehearsal: Rehearsal, folder: str, mark: str) -> None:
    """Every view of the code in *folder*, by the application's user, and since *mark*, which a way back makes first."""
    compiled = f"{BASE}/shared/storage/framework/views"
    of_a_view = rehearsal.host.shell(
        f"find {compiled} -name '*.php' -user www-data -newer {mark}"
        f" -exec grep -ho '{folder}/resources/views/[^ ]*' {{}} + | sort || :"
    )
    assert of_a_view == rehearsal.host.shell(f"find {folder}/resources/views -name '*.blade.php' | sort")
    assert rehearsal.host.shell(f"find {compiled} -type f ! -user www-data") == ""


def _owned_by_root(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(f"find {BASE} -user root | sort")


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: "-".join([case.fault, *dict(case.options).values()]))
def test_the_older_release_is_named_served_again_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault, **dict(case.options))
    before, owned_by_root, old_processes = rehearsal.untouched_state(), _owned_by_root(rehearsal), _processes(rehearsal)

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert seen.preview.round_trips <= 2
    (step,) = [step for step in seen.preview.steps if step.kind == "release.rollback"]
    assert isinstance(step.outcome, StepPending)
    (change,) = step.outcome.plan.changes
    assert change.summary == f"serve release {OLD} instead of {BAD}"
    assert "add_note_to_bookings.php (additive)" in change.keeps
    assert rehearsal.untouched_state() == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(step.kind for step in report.steps if isinstance(step.outcome, StepRemedied)) == case.sent
    assert len(report.sent) == 1
    _see_that_the_old_release_is_served(rehearsal)
    assert _owned_by_root(rehearsal) == owned_by_root, "what the application will have to write is root's"
    assert not old_processes & _processes(rehearsal), "somebody still runs the bad release's code"

    after = rehearsal.untouched_state()
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert rehearsal.untouched_state() == after


def _below_horizon(rehearsal: Rehearsal) -> dict[str, str]:
    """The processes that Horizon has started, by number, each with the folder whose code it runs."""
    listed = "for pid in $(pgrep -f 'artisan horizon:(supervisor|work)'); do echo $pid $(readlink /proc/$pid/cwd); done"
    own = rehearsal.host.shell(f"{listed} | grep {BASE}/ || true")
    return dict(line.split() for line in own.splitlines())


@pytest.mark.long
def test_horizon_and_its_workers_follow_to_the_older_release(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release", workers="horizon")
    before = _below_horizon(rehearsal)
    assert [*before.values()] == [f"{BASE}/releases/{BAD}"] * 3

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert "not all went well" not in report.outcome.why
    there = "[ $(pgrep -cf 'artisan horizon:[w]ork') = 2 ]"
    rehearsal.host.shell(f"for n in $(seq 50); do {there} && break; sleep 0.2; done")
    after = _below_horizon(rehearsal)
    assert [*after.values()] == [f"{BASE}/releases/{OLD}"] * 3
    assert not before.keys() & after.keys()
    rehearsal.host.shell(f"""
        cd {BASE}/current
        setpriv --reuid www-data --regid www-data --init-groups php artisan queue:fill 3 >/dev/null
        for n in $(seq 50); do [ "$(redis-cli llen soleil_database_queues:default)" = 0 ] && exit; sleep 0.2; done
        exit 1
    """)


@pytest.mark.long
def test_what_is_called_horizon_and_is_none_is_left_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.shell("systemd-run --quiet --unit=lab-other php -r 'sleep(1000);' horizon")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert "not all went well" not in report.outcome.why
    assert rehearsal.host.shell("systemctl is-active lab-other") == "active"


@pytest.mark.long
def test_a_horizon_that_the_older_release_does_not_know_is_asked_to_end_all_the_same(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release", workers="horizon")
    rehearsal.host.shell(f"echo '<?php' >{BASE}/releases/{OLD}/routes/console.php")
    before = _below_horizon(rehearsal)

    report = rehearsal.remediate()

    assert "horizon:terminate failed: " in report.outcome.why
    assert "horizon does not run: " in report.outcome.why
    assert "still have the old code" not in report.outcome.why
    assert before
    assert _below_horizon(rehearsal) == {}


@pytest.mark.long
def test_what_is_said_to_take_it_back_does_and_the_mark_stays(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    (sent,) = rehearsal.remediate().sent
    assert sent.change.undo.command is not None
    rehearsal.host.run(*sent.change.undo.command.words).checked()
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == f"{BASE}/releases/{BAD}"
    assert _marked(rehearsal) == [BAD]
    assert isinstance(rehearsal.remediate().outcome, Fixed), "and the way back is open again"
    assert _release_that_answers(rehearsal) == OLD


def see_that_two_runs_at_once_send_one_change(rehearsal: Rehearsal, desks: Path) -> None:
    others = [Rehearsal(rehearsal.host, desks / name, scenario="failed-deployment-rollback") for name in ("one", "two")]
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda one: one.remediate(), others))
    assert [len(report.sent) for report in reports if report.sent] == [1], [report.outcome for report in reports]
    assert any(isinstance(report.outcome, Fixed) for report in reports)


def test_two_runs_at_once_go_back_once(rehearsal: Rehearsal, tmp_path: Path) -> None:
    _third_release(rehearsal)
    see_that_two_runs_at_once_send_one_change(rehearsal, tmp_path)
    assert _release_that_answers(rehearsal) == OLD
    assert _marked(rehearsal) == [BAD]


@pytest.mark.long
def test_an_older_release_that_is_bad_as_well_is_not_passed_over_by_itself_and_that_is_said(
    rehearsal: Rehearsal,
) -> None:
    _third_release(rehearsal)
    rehearsal.host.shell(f"echo 'Route::get(' >>{BASE}/releases/{OLD}/routes/api.php")

    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "/api/health/live answers 500" in report.outcome.why
    assert "soleil-worker does not run" in report.outcome.why
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == f"{BASE}/releases/{OLD}"
    before = rehearsal.untouched_state()

    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotFixed)
    assert again.sent == ()
    assert rehearsal.untouched_state() == before
    assert _marked(rehearsal) == [BAD]

    further = rehearsal.remediate(inputs={"to": "20251231000000"})
    assert isinstance(further.outcome, Fixed), further.outcome
    assert _release_that_answers(rehearsal) == "20251231000000"
    assert _marked(rehearsal) == [OLD, BAD]


@pytest.mark.parametrize("case", NO_FURTHER, ids=lambda case: case.fault)
def test_where_the_only_older_release_fails_as_well_it_goes_no_further_and_says_what_is_wrong(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    rehearsal.host.break_with(case.fault)
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert report.kinds_sent == case.sent
    assert "/api/health/live answers 500" in report.outcome.why
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == f"{BASE}/releases/{OLD}"
    before = rehearsal.untouched_state()

    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotFixed)
    assert again.sent == ()
    assert again.preview is not None
    (step,) = [step for step in again.preview.steps if step.kind == "release.rollback"]
    assert isinstance(step.outcome, StepHealthy)
    assert f"release {OLD} is served, and {BAD} is marked bad: that is as far back as it goes" in step.outcome.why
    assert "--set maintenance=only" in step.outcome.why
    assert rehearsal.untouched_state() == before


def test_a_full_disk_is_no_obstacle(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.shell(
        "for size in 1M 4k 4k; do dd if=/dev/zero of=/srv/full bs=$size oflag=append conv=notrunc status=none || true;"
        " sync -f /srv; done"
    )
    assert not rehearsal.can_write("www-data", f"{BASE}/shared/storage/logs")

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert _release_that_answers(rehearsal) == OLD
    assert _marked(rehearsal) == [BAD]
    empty = rehearsal.host.shell(
        f"find {BASE}/releases/{OLD}/bootstrap/cache {BASE}/shared/storage/framework/views -type f -size 0"
    )
    assert empty == "", "nothing half written is taken for whole"


@pytest.mark.long
def test_without_an_inode_to_give_nothing_is_changed_and_it_is_said(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.shell("mkdir /srv/many; cd /srv/many; n=0; while : >$n; do n=$((n + 1)); done 2>/dev/null; sync")
    assert rehearsal.host.shell("stat -f -c %d /srv") == "0"
    served = rehearsal.eyes().file(f"{BASE}/current").linked_to

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == served
    assert _marked(rehearsal) == []
    assert report.outcome.why.endswith("cannot be marked bad: nothing was switched"), report.outcome.why
    assert report.preview is not None
    (disks,) = (one.shown for one in report.preview.evidence if one.kind == "disk.overview")
    assert isinstance(disks, Table)
    assert ("/srv", "100 %") in {(row[0], row[disks.columns.index("inodes")]) for row in disks.rows}

    rehearsal.host.shell("rm -r /srv/many")
    assert isinstance(rehearsal.remediate().outcome, Fixed)


@pytest.mark.long
def test_before_one_host_of_several_goes_back_it_is_said_that_users_would_meet_both(tmp_path: Path) -> None:
    lab = Lab(f"test-{os.getpid()}-two")
    try:
        lab.up(["web1", "web2"])
        rehearsal = Rehearsal(LabHost(lab=lab, name="web1"), tmp_path / "state", scenario="failed-deployment-rollback")
        rehearsal.host.break_with("bad-release")
        preview = rehearsal.preview().preview
        assert preview is not None
        (caution,) = preview.cautions
        assert caution.startswith("this would be done on 1 of the 2 hosts of web: ")
        assert caution.endswith("users meet the one and the other")
    finally:
        lab.down()


def test_a_release_without_its_vendor_is_seen_before_anybody_is_asked(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release-alone")
    before = rehearsal.untouched_state()
    report = rehearsal.remediate(gate=YesToAll())
    assert "no vendor/autoload.php" in _why_undecided(report)
    assert report.sent == ()
    assert rehearsal.untouched_state() == before


def test_a_migration_that_took_something_away_needs_a_word_and_the_whole_command_is_said(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release-after-migration")
    before = rehearsal.untouched_state()
    refused = rehearsal.remediate(gate=YesToAll())
    assert "2026_01_02_000001_drop_status_from_bookings.php (destructive)" in _why_undecided(refused)
    again = f"`{AGAIN} {rehearsal.options} --set to={OLD}"
    assert f"on with that: {again} --set migrations=any`. " in _why_undecided(refused)
    assert _why_undecided(refused).endswith(f"would do: {again} --set migrations=back`")
    assert rehearsal.untouched_state() == before

    declined = rehearsal.remediate(inputs={"to": OLD, "migrations": "any"}, gate=PolicyGate(says_yes=True))
    assert isinstance(declined.outcome, Refusal), declined.outcome
    assert rehearsal.untouched_state() == before

    done = rehearsal.remediate(inputs={"to": OLD, "migrations": "any"}, gate=YesToAll())
    assert isinstance(done.outcome, Fixed), done.outcome
    assert _release_that_answers(rehearsal) == OLD


def test_a_cache_that_cannot_be_built_is_no_failure_and_is_told_beside_the_verdict(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    config = f"{BASE}/releases/{OLD}/config/late.php"
    rehearsal.host.shell(f"echo \"<?php return ['late' => fn () => 1];\" >{config}", user="deploy")
    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert _release_that_answers(rehearsal) == OLD
    assert not rehearsal.eyes().file(f"{BASE}/releases/{OLD}/bootstrap/cache/config.php").exists
    (warning,) = report.warnings
    assert re.fullmatch(r"without a config cache: .*Closure.*", warning)
    (answered,) = (line for line in rehearsal.record() if line["type"] == "ChangeAnswered")
    assert answered["warnings"] == [warning]


def test_deployers_lock_is_honoured(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-release")
    rehearsal.host.shell(f"mkdir {BASE}/.dep && touch {BASE}/.dep/deploy.lock")
    before = rehearsal.untouched_state()
    report = rehearsal.remediate()
    assert f"rm {BASE}/.dep/deploy.lock" in _why_undecided(report)
    assert rehearsal.untouched_state() == before


def _deployment(code: str, answers: int) -> str:
    """What deploys a third release with the code of another, and waits until it answers so."""
    return f"""
        cd {BASE}
        sudo -u deploy sh -ec '
            cp -a releases/{code} releases/{THIRD}
            cd releases/{THIRD}
            rm bootstrap/cache/config.php
            php artisan config:cache >/dev/null
            cd {BASE}
            ln -s releases/{THIRD} current.new
            mv -T current.new current'
        systemctl reload php8.2-fpm
        supervisorctl restart 'soleil-worker:*' >/dev/null || true
        for n in $(seq 50); do
            now=$(curl -sS -m 10 -o /dev/null -w '%{{http_code}}' http://localhost/api/health/live) || :
            [ "$now" != {answers} ] || exit 0
            sleep 0.2
        done
        exit 1
    """


@pytest.mark.parametrize(
    "code, answers, ended, why",
    [
        (BAD, 500, Refusal, f"would now serve release {BAD} instead of {THIRD}, which is not what was approved"),
        (OLD, 200, NotNeeded, "it healed itself meanwhile"),
    ],
    ids=["as bad as before", "good"],
)
def test_from_what_was_deployed_while_somebody_read_the_plan_nobody_goes_back(
    rehearsal: Rehearsal, code: str, answers: int, ended: type[Refusal | NotNeeded], why: str
) -> None:
    rehearsal.host.break_with("bad-release")

    report = rehearsal.remediate(gate=WhileAsking(rehearsal.host, _deployment(code, answers)))

    assert isinstance(report.outcome, ended), report.outcome
    assert why in report.outcome.why
    assert report.sent == ()
    assert not any(line["type"] == "ChangeIntended" for line in rehearsal.record())
    assert report.preview is not None
    ((_, approved),) = report.preview.pending
    (change,) = approved.plan.changes
    assert change.summary == f"serve release {OLD} instead of {BAD}"
    done = rehearsal.host.run(*change.command.words)  # what is deployed a moment later is met by the change itself
    assert (done.returncode, "current leads elsewhere by now: nothing was switched" in done.stderr) == (75, True)
    assert rehearsal.eyes().file(f"{BASE}/current").linked_to == f"{BASE}/releases/{THIRD}"
    assert _marked(rehearsal) == []


def _third_release(rehearsal: Rehearsal) -> None:
    """Put one before the old one as well, and a bad one after it: who goes back twice is seen."""
    rehearsal.host.shell(f"sudo -u deploy cp -a {BASE}/releases/{OLD} {BASE}/releases/20251231000000")
    rehearsal.host.break_with("bad-release")


def _marked(rehearsal: Rehearsal) -> list[str]:
    found = rehearsal.host.shell(f"cd {BASE}/releases && find . -name BAD_RELEASE | sort")
    return [line.split("/")[1] for line in found.splitlines()]


def _why_undecided(report: HostReport) -> str:
    assert report.preview is not None
    (step,) = [step for step in report.preview.steps if step.kind == "release.rollback"]
    assert isinstance(step.outcome, StepUndecided)
    return step.outcome.why


def test_with_the_database_down_no_release_is_to_blame_and_nothing_is_sent(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(f"sudo -u deploy cp -a {BASE}/releases/{OLD} {BASE}/releases/20251231000000")
    rehearsal.host.break_with("postgresql-killed")

    report = rehearsal.remediate()

    assert report.sent == ()
    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "going back would not help: postgresql@15-main.service is " in report.outcome.why


def test_where_requests_failed_before_the_release_going_back_would_not_help_and_nothing_is_sent(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("errors-before-release")
    before = rehearsal.untouched_state()

    report = rehearsal.remediate(gate=YesToAll())

    assert f"going back from release {BAD} would not help: " in _why_undecided(report)
    assert _why_undecided(report).endswith(f"If an older one would: `{AGAIN} {rehearsal.options} --set to=RELEASE`")
    assert report.sent == ()
    assert rehearsal.untouched_state() == before
    assert report.preview is not None
    shown = next(look.shown for look in report.preview.evidence if look.kind == "release.list")
    assert isinstance(shown, Table)
    assert any(cell.endswith(", before it") for row in shown.rows for cell in row)


def test_going_back_would_not_end_maintenance_mode_and_nothing_is_sent(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(f"sudo -u deploy cp -a {BASE}/releases/{OLD} {BASE}/releases/20251231000000")
    rehearsal.host.break_with("maintenance-mode")
    report = rehearsal.remediate(gate=YesToAll())
    assert "going back would not end it" in _why_undecided(report)
    assert report.sent == ()
