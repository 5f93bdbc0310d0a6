"""Migrations that came with a bad release, really taken back: seen before, once, in the database, never half unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import HostReport, PolicyGate
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, Refusal, WouldFix
from soleil_remediate.plan import Change
from soleil_remediate.step_outcomes import StepPending, StepUndecided
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_failed_deployment import BAD, BASE, OLD, YesToAll
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

BACK = {"migrations": "back"}
DROPS, ADDS = "2026_01_02_000001_drop_status_from_bookings", "2026_01_02_000001_add_note_to_bookings"
LATER = "2026_01_03_000001_somebody_elses"
BEGINS, ENDS = "show users the maintenance page", "end the maintenance page once "


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")


def sql(rehearsal: Rehearsal, statement: str) -> str:
    """What the database itself says, asked by nobody's PHP."""
    return (
        rehearsal.host.run("su", "postgres", "-c", "psql -At soleil", stdin=statement.encode()).checked().stdout.strip()
    )


def columns(rehearsal: Rehearsal) -> set[str]:
    asked = "select column_name from information_schema.columns where table_name = 'bookings'"
    return set(sql(rehearsal, asked).split())


def noted(rehearsal: Rehearsal) -> set[str]:
    """What Laravel has noted as run of what came after its first migrations."""
    return set(sql(rehearsal, "select migration from migrations where migration > '2026_01_02'").split())


def answers(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell("curl -sS -m 10 -o /dev/null -w '%{http_code}' http://localhost/api/health/ready")


def timers(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell("systemctl list-units --all --plain --no-legend 'soleil-remediate-*'")


def served(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(f"readlink -f {BASE}/current").rpartition("/")[2]


def changes_of(report: HostReport) -> list[Change]:
    assert report.preview is not None
    (step,) = [step for step in report.preview.steps if isinstance(step.outcome, StepPending)]
    assert isinstance(step.outcome, StepPending)
    return list(step.outcome.plan.changes)


def why_undecided(report: HostReport) -> str:
    assert report.preview is not None
    return " ".join(step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided))


def note_somebody_elses(rehearsal: Rehearsal) -> None:
    """As a migration would that ran later, from code that is nowhere here."""
    sql(rehearsal, "insert into migrations (migration, batch) values ('2026_01_03_000001_somebody_elses', 9)")


def add_migration(rehearsal: Rehearsal, folder: str, name: str, down: str, *, up: str = "") -> None:
    text = f"""<?php
use Illuminate\\Database\\Migrations\\Migration; use Illuminate\\Support\\Facades\\DB;
return new class extends Migration {{
    public function up() {{ {up} }}
    public function down() {{ {down} }}
}};
"""
    file = f"{folder}/database/migrations/{name}.php"
    rehearsal.host.run("tee", file, stdin=text.encode()).checked()
    rehearsal.host.shell(f"chown deploy:www-data {file}")


def migrate(rehearsal: Rehearsal, folder: str) -> None:
    rehearsal.host.shell(f"cd {folder} && php artisan migrate --force", user="deploy")


def test_what_it_would_run_is_in_the_plan_and_then_the_column_is_there_again_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal,
) -> None:
    """The bad release's own code does not even start: that of the older one takes its migration back."""
    rehearsal.host.break_with("bad-release-after-migration")
    assert "status" not in columns(rehearsal)
    before = rehearsal.untouched_state()

    seen = rehearsal.preview(**BACK)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert [change.summary for change in changes_of(seen)] == [
        BEGINS,
        f"take back {DROPS}, which came with release {BAD}",
        f"serve release {OLD} instead of {BAD}",
        f"{ENDS}release {OLD} answers behind it",
    ]
    taken = changes_of(seen)[1]
    assert taken.after.startswith('taken back by alter table "bookings" add column "status" varchar')
    assert "soleil-20260101-0300.sql.gz of " in taken.loses
    assert any('add column "status"' in word for word in taken.command.words), "the commands show it"
    declined = rehearsal.remediate(inputs=BACK, gate=PolicyGate(says_yes=True))
    assert isinstance(declined.outcome, Refusal), declined.outcome
    assert rehearsal.untouched_state() == before
    assert (noted(rehearsal), "status" in columns(rehearsal)) == ({DROPS}, False), "to pretend is not to do it"

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())
    assert isinstance(report.outcome, Fixed), report.outcome
    assert len(report.sent) == 4
    assert report.sent[1].says == f"taken back: {DROPS}"
    assert "status" in columns(rehearsal)
    assert noted(rehearsal) == set()
    assert (served(rehearsal), answers(rehearsal), timers(rehearsal)) == (OLD, "200", "")
    assert not rehearsal.eyes().file(f"{BASE}/shared/storage/framework/down").exists

    after = rehearsal.untouched_state()
    again = rehearsal.remediate(inputs=BACK, gate=YesToAll())
    assert isinstance(again.outcome, NotNeeded), again.outcome
    assert again.sent == ()
    assert rehearsal.untouched_state() == after
    # The same change once more, behind a page: what it was for is over.
    rehearsal.host.shell(f"sudo -u www-data touch {BASE}/shared/storage/framework/down")
    done = rehearsal.host.run(*report.sent[1].change.command.words)
    assert (done.returncode, "other code is served by now: nothing was changed" in done.stderr) == (75, True), done


def test_what_the_bad_release_added_goes_by_its_own_code_and_what_stood_in_it_is_said_to_be_lost(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("bad-release", what="exception")
    sql(rehearsal, "update bookings set note = 'late' where id = 1")
    owned_by_root = rehearsal.host.shell(f"find {BASE} -user root | sort")

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    assert isinstance(report.outcome, Fixed), report.outcome
    taken = report.sent[1].change
    assert taken.command.words[11:13] == (f"{BASE}/releases/{BAD}", "")
    assert taken.loses.startswith('column "note" of "bookings"; the newest file in /var/backups/soleil is ')
    assert "note" not in columns(rehearsal)
    assert noted(rehearsal) == set()
    assert (served(rehearsal), answers(rehearsal)) == (OLD, "200")
    assert rehearsal.host.shell(f"find {BASE} -user root | sort") == owned_by_root


def test_in_a_checkout_in_place_it_is_taken_back_before_the_commit_before_is_checked_out(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bad-checkout", what="migration")
    assert "status" not in columns(rehearsal)

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    assert isinstance(report.outcome, Fixed), report.outcome
    assert [sent.change.summary.partition(" ")[0] for sent in report.sent] == ["show", "take", "check", "end"]
    assert "status" in columns(rehearsal)
    assert noted(rehearsal) == set()
    assert (answers(rehearsal), timers(rehearsal)) == ("200", "")
    assert isinstance(rehearsal.remediate(inputs=BACK, gate=YesToAll()).outcome, NotNeeded)


@pytest.mark.long
def test_what_never_ran_is_no_obstacle_and_what_has_run_by_the_switch_is(rehearsal: Rehearsal) -> None:
    """The bad release's own code does not even start: that of the older one says what has run."""
    rehearsal.host.break_with("bad-release-after-migration")
    ran = "insert into migrations (migration, batch) values ('2026_01_02_000001_drop_status_from_bookings', 2)"
    never_ran = "delete from migrations where migration = '2026_01_02_000001_drop_status_from_bookings'"
    sql(rehearsal, "alter table bookings add column status varchar(255) not null default 'confirmed'")
    sql(rehearsal, never_ran)
    assert (noted(rehearsal), "status" in columns(rehearsal)) == (set(), True)
    before = rehearsal.untouched_state()

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips == 3
    (step,) = [step for step in seen.preview.steps if isinstance(step.outcome, StepPending)]
    assert isinstance(step.outcome, StepPending)
    assert step.outcome.plan.because.endswith(f". 1 migration between them never ran, artisan says: {DROPS}.php")
    (switch,) = changes_of(seen)
    assert rehearsal.untouched_state() == before

    sql(rehearsal, ran)
    done = rehearsal.host.run(*switch.command.words)
    assert (done.returncode, f"migration {DROPS} has run by now: nothing was switched" in done.stderr) == (75, True), (
        done
    )
    assert f"{DROPS}.php (destructive)" in why_undecided(rehearsal.preview())
    assert (served(rehearsal), rehearsal.untouched_state()) == (BAD, before)

    sql(rehearsal, never_ran)
    assert isinstance(rehearsal.remediate(gate=PolicyGate(says_yes=True)).outcome, Refusal), "a person has to decide"
    assert (served(rehearsal), rehearsal.untouched_state()) == (BAD, before)
    report = rehearsal.remediate(gate=YesToAll())
    assert isinstance(report.outcome, Fixed), report.outcome
    assert [sent.change.summary for sent in report.sent] == [f"serve release {OLD} instead of {BAD}"]
    assert (served(rehearsal), answers(rehearsal)) == (OLD, "200")
    assert (noted(rehearsal), "status" in columns(rehearsal)) == (set(), True)


@pytest.mark.parametrize("has_file", [True, False], ids=["with-its-file", "without-a-file"])
def test_where_somebody_elses_ran_later_nothing_is_taken_back(rehearsal: Rehearsal, has_file: bool) -> None:
    rehearsal.host.break_with("bad-release", what="exception")
    if has_file:
        for release in (OLD, BAD):
            add_migration(rehearsal, f"{BASE}/releases/{release}", LATER, down="DB::statement('drop table users');")
        migrate(rehearsal, f"{BASE}/releases/{BAD}")
    else:
        note_somebody_elses(rehearsal)
    before = rehearsal.untouched_state()

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    why = why_undecided(report)
    assert LATER in why
    assert ("did not come with it" if has_file else "no file of it is there") in why
    assert why.endswith(f"--set to={OLD} --set migrations=any`")
    assert report.sent == ()
    assert rehearsal.untouched_state() == before
    assert noted(rehearsal) == {ADDS, LATER}
    assert "note" in columns(rehearsal)


def test_where_one_cannot_be_taken_back_nothing_is_switched_the_page_stays_and_the_next_run_goes_on(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("bad-release", what="exception")
    folder = f"{BASE}/releases/{BAD}"
    # It comes first, since it ran last; then what the fault brought, which cannot be taken back by now.
    add_migration(rehearsal, folder, "2026_01_02_000002_floors", "DB::statement('drop table floors');",
                  up="DB::statement('create table floors (id int)');")  # fmt: skip
    migrate(rehearsal, folder)
    sql(rehearsal, "create view late as select note from bookings")

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert (
        f"NOT taken back, or half: {ADDS}; taken back: 2026_01_02_000002_floors: NOTHING IS SWITCHED"
        in report.outcome.why
    )
    assert "USERS GO ON SEEING THE MAINTENANCE PAGE" in report.outcome.why
    assert "cannot drop column note" in report.outcome.why, "what the database said is not kept back"
    assert noted(rehearsal) == {ADDS}
    assert (served(rehearsal), answers(rehearsal), timers(rehearsal)) == (BAD, "503", "")

    sql(rehearsal, "drop view late")
    again = rehearsal.remediate(inputs=BACK, gate=YesToAll())
    assert isinstance(again.outcome, Fixed), again.outcome
    assert [sent.change.summary.partition(" ")[0] for sent in again.sent] == ["take", "serve", "end"]
    assert noted(rehearsal) == set()
    assert (served(rehearsal), answers(rehearsal), timers(rehearsal)) == (OLD, "200", "")


def test_a_table_that_somebody_holds_is_waited_for_seconds_and_nobody_for_longer_behind_it(
    rehearsal: Rehearsal,
) -> None:
    """Whoever wants a table waits for whoever waits for it before: others, too, who use this database."""
    rehearsal.host.break_with("bad-release", what="exception")
    holding = "begin; lock table bookings in access share mode; select pg_sleep(300)"
    rehearsal.host.shell(f'systemd-run --quiet --collect --unit=holding --uid=postgres psql -d soleil -c "{holding}"')
    eventually(lambda: sql(rehearsal, "select count(*) from pg_locks where relation = 'bookings'::regclass") != "0")

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "lock timeout" in report.outcome.why
    assert f"NOT taken back, or half: {ADDS}; taken back: none: NOTHING IS SWITCHED" in report.outcome.why
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(300)'"
    assert sql(rehearsal, ended) == "t", "it still held the table"
    assert (noted(rehearsal), served(rehearsal), answers(rehearsal)) == ({ADDS}, BAD, "503")

    again = rehearsal.remediate(inputs=BACK, gate=YesToAll())
    assert isinstance(again.outcome, Fixed), again.outcome
    assert (noted(rehearsal), served(rehearsal), answers(rehearsal)) == (set(), OLD, "200")


def test_a_pooler_that_hands_no_options_on_is_no_obstacle(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("pgbouncer-stopped")
    rehearsal.host.shell("systemctl start pgbouncer")
    refused = (
        "PGOPTIONS='-c lock_timeout=10s' PGPASSWORD=soleil-secret psql -h 127.0.0.1 -p 6432 -U soleil soleil -c ''"
    )
    assert "unsupported startup parameter: options" in rehearsal.host.run("sh", "-c", refused).stderr
    rehearsal.host.break_with("bad-release-after-migration")

    report = rehearsal.remediate(inputs=BACK, gate=YesToAll())

    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.sent[1].says == f"taken back: {DROPS}"
    assert ("status" in columns(rehearsal), noted(rehearsal)) == (True, set())


def test_where_something_ran_meanwhile_nothing_is_changed_and_users_see_the_application_again(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("bad-release", what="exception")

    begin, taken, *_ = changes_of(rehearsal.preview(**BACK))
    rehearsal.host.run(*begin.command.words).checked()
    note_somebody_elses(rehearsal)
    done = rehearsal.host.run(*taken.command.words)
    assert (done.returncode, "something else would be done by now: nothing was changed" in done.stderr) == (75, True)
    assert ".timer" in timers(rehearsal), "nothing was begun: the host ends the page in time"
    assert begin.undo.command is not None
    rehearsal.host.run(*begin.undo.command.words).checked()
    assert (answers(rehearsal), noted(rehearsal), timers(rehearsal)) == ("500", {ADDS, LATER}, "")
