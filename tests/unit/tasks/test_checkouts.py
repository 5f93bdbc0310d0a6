from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.checkouts import CheckedOut, Checkout
from soleil_remediate.facts.octane import Octane
from soleil_remediate.facts.releases import Link
from soleil_remediate.facts.rollbacks import Artisan, Pretended, Rollback
from soleil_remediate.facts.services import Services
from soleil_remediate.facts.workers import Program
from soleil_remediate.plan import Change, FileIdentity, Risk
from soleil_remediate.tasks.checkouts import CheckoutSeen, RollBackCheckout
from soleil_remediate.tasks.switching import CHECK_OUT
from tests.unit.facts.answers import complaint, record, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import described
from tests.unit.facts.test_checkouts import commit, git
from tests.unit.tasks.test_releases import (
    ADDS,
    BEFORE,
    DROPPED,
    DROPS,
    FPM,
    LISTENS_ON_80,
    NO_PHP,
    NOTHING_FAILS,
    OTHER,
    SERVED,
    SYSTEMD,
    TEST,
    WELL,
    WITH,
)
from tests.unit.tasks.values import SRV, file, nothing, refusal

ROOT = Path("/srv/app")
A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
#: What git's own files say of it.
LOGGED = f"checked out\n{A} {B} a <a@b> 1690000000 +0000\n{B} {C} a <a@b> 1700000000 +0000\n"

TASK = RollBackCheckout(root=ROOT, again="soleil-remediate remediate --host web1")


def checkout(*commits: str, **other: Any) -> Checkout:
    """A checkout in which these were served, newest first, a day each."""
    history = tuple(CheckedOut(one, SERVED - number * 86400) for number, one in enumerate(commits or (C, B, A)))
    said: dict[str, Any] = {
        "root": ROOT,
        "link": Link(target=None, owner="deploy", changed=SERVED),
        "git": file("/srv/app/.git", type="d", inode=7, owner="deploy", owner_id=1000),
        "history": history,
        "difference": {"app/a.php": "M"},
        "migrations": {},
    }
    return Checkout(**{**said, **other})


def seen(found: Checkout | None = None, services: Services = WELL, **other: Any) -> CheckoutSeen:
    said: dict[str, Any] = {
        "checkout": found or checkout(),
        "caches": (file("/srv/app/bootstrap/cache/config.php"),),
        "built": (),
        "services": services,
        "programs": (),
        "onset": NOTHING_FAILS,
    }
    return CheckoutSeen(**{**said, **other})


def change_of(task: RollBackCheckout, what: CheckoutSeen) -> Change:
    (change,) = task.plan(what).changes
    return change


def test_the_commit_before_is_named_and_pinned() -> None:
    change = change_of(TASK, seen())
    assert change.summary == f"check out commit {B[:12]} instead of {C[:12]}"
    assert change.command.words[3:] == (
        "check-out-commit", "/srv/app", B, C, f"{SRV}:7", C, "config", "deploy", "www-data", "php8.2", FPM.name, "120",
        "", "", *TEST,
    )  # fmt: skip
    assert (change.risk, change.loses) == (Risk.DISRUPTIVE, "nothing")
    assert change.after == f"commit {B[:12]}; {C[:12]} marked bad; php8.2-fpm.service reloaded; workers restarted"
    undo = change.undo.command
    assert undo is not None
    assert undo.words[4:10] == ("/srv/app", C, B, f"{SRV}:7", "", "config")
    assert TASK.plan(seen(onset=FactError("gone"))).because == f"commit {C[:12]} is served since 2023-11-14 22:13 UTC"
    assert TASK.plan(seen(onset=WITH)).because.endswith("they went well")


CUT_OFF = checkout(B, C, B, A, bad=frozenset({C}), unfinished=file(f"/srv/app/.git/ROLLBACK_UNFINISHED-{B}"))


@pytest.mark.parametrize("task", [TASK, replace(TASK, to=B[:12]), replace(TASK, began="with-release")])
def test_a_way_back_that_was_cut_off_after_the_checkout_is_gone_on_with(task: RollBackCheckout) -> None:
    plan = task.plan(seen(CUT_OFF))
    (change,) = plan.changes
    assert change.summary == f"let php-fpm and workers follow to commit {B[:12]}"
    assert change.command.words[3:] == (
        "check-out-commit", "/srv/app", B, B, f"{SRV}:7", C, "config", "deploy", "www-data", "php8.2", FPM.name, "120",
        "", "", *TEST,
    )  # fmt: skip
    assert (change.before, change.undo.command) == (f"commit {B[:12]}, and what may run {C[:12]} still", None)
    assert plan.because == (
        f"a way back from commit {C[:12]} was not finished: {B[:12]} is served, and what ran before may run still"
    )


def test_who_names_an_older_commit_goes_there_though_a_way_back_was_cut_off() -> None:
    assert change_of(replace(TASK, to=A), seen(CUT_OFF)).summary == f"check out commit {A[:12]} instead of {B[:12]}"


def test_where_nobody_knows_any_more_from_which_commit_it_was_the_one_that_is_there_is_not_left() -> None:
    assert refusal(TASK, seen(replace(CUT_OFF, bad=frozenset()))) == (
        f"a way back to commit {B[:12]} was not finished, and from which one is not known any more: php-fpm and "
        f"workers may run it still. Once they were restarted: rm /srv/app/.git/ROLLBACK_UNFINISHED-{B}"
    )


def test_without_a_php_fpm_that_runs_none_is_reloaded() -> None:
    change = change_of(TASK, seen(services=NO_PHP))
    assert change.command.words[10:] == ("deploy", "www-data", "php", "", "120", "", "")
    assert change.after == f"commit {B[:12]}; {C[:12]} marked bad; workers restarted"


def test_workers_that_supervisor_keeps_running_from_the_checkout_are_looked_after() -> None:
    own = Program(name="app-worker", runs=("php /srv/app/artisan queue:work",))
    change = change_of(TASK, seen(programs=(own, OTHER)))
    assert change.after.endswith("workers restarted (app-worker)")


def test_what_is_no_checkout_is_left_alone() -> None:
    linked = checkout(link=Link(target="releases/1", owner="deploy", changed=SERVED), git=None, history=())
    assert nothing(TASK, seen(linked)) == "/srv/app is a link: no checkout is served in place"
    neither = checkout(git=None, history=())
    assert refusal(TASK, seen(neither)) == "/srv/app is neither a link to a release nor a git checkout"
    assert nothing(replace(TASK, began="with-release"), seen(neither)) == refusal(TASK, seen(neither))


def test_a_bad_commit_is_never_chosen_and_who_went_back_once_does_not_go_further_by_itself() -> None:
    assert change_of(TASK, seen(checkout(bad=frozenset({C})))).summary.startswith(f"check out commit {B[:12]}")
    assert nothing(TASK, seen(checkout(B, C, B, A, bad=frozenset({C})))) == (
        f"commit {B[:12]} is served, and {C[:12]} is marked bad: that is as far back as it goes by itself. To go back "
        f"further: soleil-remediate remediate --host web1 --set to={A[:12]}"
    )
    assert nothing(TASK, seen(checkout(B, C, B, bad=frozenset({C})))).endswith("as far back as it goes by itself")
    assert refusal(TASK, seen(checkout(C))) == (
        f"no commit was checked out here before {C[:12]} that is not marked bad"
    )


def test_what_was_deployed_after_somebody_went_back_can_be_gone_back_from() -> None:
    fixed = checkout(D, C, B, C, B, A, bad=frozenset({C}))
    assert change_of(TASK, seen(fixed)).summary == f"check out commit {B[:12]} instead of {D[:12]}"
    again = checkout(B, D, C, B, C, B, A, bad=frozenset({C, D}))
    assert "as far back as it goes by itself" in nothing(TASK, seen(again))


@pytest.mark.parametrize(
    "to, why",
    [
        ("dddd", f"dddd is no commit that was checked out here; earlier ones that are not marked bad: {A[:12]}"),
        (
            B[:8],
            (
                f"commit {B[:12]} is marked bad: somebody went back from it. If that is over, as deploy: git -C "
                f"/srv/app update-ref -d refs/soleil-remediate/bad/{B}"
            ),
        ),
    ],
)
def test_a_named_commit_must_be_an_earlier_good_one(to: str, why: str) -> None:
    assert refusal(replace(TASK, to=to), seen(checkout(bad=frozenset({B})))) == why


def test_a_named_commit_is_gone_back_to_and_the_one_that_is_there_is_nothing_to_do() -> None:
    assert change_of(replace(TASK, to=A[:9]), seen(onset=BEFORE)).command.words[5] == A
    assert nothing(replace(TASK, to=C[:9]), seen()) == f"commit {C[:12]} is served"
    only = checkout(C, bad=frozenset({C}))
    assert refusal(replace(TASK, to="d"), seen(only)).endswith("not marked bad: none")


def test_whose_the_checkout_is_has_to_be_so() -> None:
    assert change_of(replace(TASK, owner="deploy"), seen()) == change_of(TASK, seen())
    assert "belongs to deploy, not to jan" in refusal(replace(TASK, owner="jan"), seen())


def test_what_is_roots_is_not_gone_back_in_and_a_person_is_told_how_it_becomes_somebody_elses() -> None:
    roots = seen(checkout(git=file("/srv/app/.git", type="d"), history=(), difference=None, migrations=None))
    said = (
        "/srv/app/.git belongs to root: git would run as root whatever its hooks and its configuration name, so it was "
        "not asked, and which commit was there before is not known. To give what is root's there to the user who "
        "releases: chown -R --from=root {} /srv/app; then run this again. By hand: git -C /srv/app reflog, then git -C "
        "/srv/app checkout --detach COMMIT"
    )
    assert refusal(TASK, roots) == said.format("USER")
    assert refusal(replace(TASK, to=B[:9]), roots) == said.format("USER")
    assert refusal(replace(TASK, owner="deploy"), roots) == said.format("deploy")
    strict = replace(TASK, began="with-release")
    assert refusal(strict, replace(roots, onset=WITH)) == said.format("USER")
    assert nothing(strict, roots) == "no request fails that is logged"
    held = replace(roots, is_held=True, maintenance=(file("/srv/app/storage/framework/down"),))
    paged = replace(TASK, maintenance="yes", pages=("/live",))
    assert refusal(paged, held).startswith(f"{said.format('USER')}. Users see the maintenance page")


def test_where_requests_failed_before_it_or_in_maintenance_mode_going_back_would_not_help() -> None:
    assert refusal(TASK, seen(onset=BEFORE)).startswith(f"going back from commit {C[:12]} would not help: ")
    assert refusal(TASK, seen(onset=BEFORE)).endswith("--set to=COMMIT")
    mark = file("/srv/app/storage/framework/down")
    assert "going back would not end it" in refusal(TASK, seen(maintenance=(mark,)))


def test_users_may_see_the_maintenance_page_and_no_other_commit_is_checked_out() -> None:
    only = replace(TASK, maintenance="only", pages=("/api/health/live",))
    (page,) = only.plan(seen()).changes
    assert (page.summary, page.command.words[-2:]) == ("show users the maintenance page", ("", ""))


def test_users_see_the_maintenance_page_until_the_older_commit_answers() -> None:
    paged = replace(TASK, maintenance="yes", pages=("/api/health/live",))
    what = seen(onset=WITH, listening=frozenset({80}))
    down, switch, up = paged.plan(what).changes
    assert (down.summary, switch.command) == ("show users the maintenance page", change_of(TASK, what).command)
    assert switch.undo.command is None
    assert up.summary == f"end the maintenance page once commit {B[:12]} answers behind it"
    assert down.command.words[-2] == ""  # in place, there is no artisan but the one that is served
    undo = down.undo.command
    assert undo is not None
    assert undo.words[8:11] == ("/srv/app", C, "deploy")  # at once where that is still checked out
    mark = replace(file("/srv/app/storage/framework/down"), modified=SERVED + 60)
    held = replace(what, is_held=True, maintenance=(mark,))
    assert paged.plan(held) == paged.plan(what)
    later = replace(held, maintenance=(replace(mark, modified=SERVED - 60),))
    assert [change.summary for change in paged.plan(later).changes] == [
        f"end the maintenance page once commit {C[:12]} answers behind it"
    ]
    back = replace(held, checkout=checkout(B, C, B, A, bad=frozenset({C})))
    assert [change.summary for change in paged.plan(back).changes] == [up.summary]
    changed = replace(back, checkout=checkout(B, C, B, A, bad=frozenset({C}), dirt=("a.php",)))
    assert "were changed and not committed" in refusal(paged, changed)


def test_where_the_commit_must_be_to_blame_it_must_have_been_seen() -> None:
    strict = replace(TASK, began="with-release")
    assert change_of(strict, seen(onset=WITH)) == change_of(TASK, seen())
    assert nothing(strict, seen()) == "no request fails that is logged"
    assert "nothing is logged before" in refusal(strict, seen(onset=replace(WITH, well=None)))


def test_where_something_that_the_application_needs_is_down_going_back_would_not_help() -> None:
    database = replace(FPM, name="postgresql@15-main.service", active="failed", sub="failed")
    needing = replace(TASK, needs=("postgresql@*.service",))
    assert refusal(needing, seen(services=replace(WELL, units=(FPM, database)))).startswith(
        "going back would not help: postgresql@15-main.service is failed"
    )


def test_who_is_at_work_and_what_was_changed_by_hand_is_not_disturbed() -> None:
    lock = file("/srv/app/.git/index.lock")
    assert refusal(TASK, seen(checkout(lock=lock))) == (
        "somebody is at work in /srv/app since 2023-11-14 22:13 UTC, or left /srv/app/.git/index.lock behind. If "
        "nobody is: rm /srv/app/.git/index.lock"
    )
    assert refusal(TASK, seen(checkout(dirt=("a", "b")))) == (
        "files in /srv/app were changed and not committed: a, b. Whoever did it decides what becomes of them; to put "
        "them aside, as the checkout's owner: git stash"
    )
    assert "committed: a, b, c and 2 more. " in refusal(TASK, seen(checkout(dirt=tuple("abcde"))))


def test_where_files_are_not_as_the_commit_has_them_there_is_never_nothing_to_do() -> None:
    for task, found in (
        (TASK, checkout(B, C, B, A, bad=frozenset({C}), dirt=("z/f",))),
        (replace(TASK, to=C[:9]), checkout(dirt=("z/f",))),
    ):
        assert refusal(task, seen(found)).startswith("files in /srv/app were changed and not committed: z/f. ")


def test_where_octane_has_the_code_in_memory_a_person_is_told_what_to_do_and_nothing_is_checked_out() -> None:
    octane = Octane(pid=812, started=4711, user="www-data", commands=FactError("gone"))
    assert refusal(TASK, seen(octane=octane)) == (
        f"Octane (process 812) serves the application and has commit {C[:12]} in memory: nothing here lets it follow. "
        f"By hand: as deploy: git -C /srv/app checkout --detach {B[:12]}; then start Octane anew, by what keeps it "
        "running: systemctl status 812"
    )


VENDOR, BUILT = "vendor/autoload.php", "public/build/manifest.json"


@pytest.mark.parametrize(
    "changed, is_built, tracked, lacks",
    [
        ("composer.lock", False, (), "what composer installs"),
        ("composer.lock", False, (VENDOR,), ""),
        ("composer.json", False, (), ""),
        ("package-lock.json", True, (), "what is built for the browser"),
        ("resources/js/app.js", True, (), "what is built for the browser"),
        ("resources/views/a.blade.php", True, (), ""),
        ("package-lock.json", True, (BUILT,), ""),
        ("package-lock.json", False, (), ""),
    ],
)
def test_what_the_older_commit_needs_otherwise_must_come_with_it(
    changed: str, is_built: bool, tracked: tuple[str, ...], lacks: str
) -> None:
    built = (file(f"/srv/app/{BUILT}"),) if is_built else ()
    what = seen(checkout(difference={changed: "M"}, tracked=frozenset(tracked)), built=built)
    if lacks:
        assert f"needs other files of {lacks} than those that are there ({changed} differs)" in refusal(TASK, what)
    else:
        assert change_of(TASK, what) == change_of(TASK, seen())


def between(migrations: Mapping[str, str] | FactError) -> CheckoutSeen:
    return seen(checkout(difference={"database/migrations/9_new.php": "A"}, migrations=migrations))


def test_migrations_are_judged_as_between_releases() -> None:
    assert "9_new.php (additive)" in change_of(TASK, between({"9_new.php": ADDS})).keeps
    assert refusal(TASK, between({"9_new.php": DROPS})) == (
        f"commit {B[:12]} does not know what came after it: 9_new.php (destructive). If its code can go on with that: "
        f"soleil-remediate remediate --host web1 --set to={B[:12]} --set migrations=any. To see what taking it back "
        f"would do: soleil-remediate remediate --host web1 --set to={B[:12]} --set migrations=back"
    )
    other = checkout(difference={"database/migrations/9_new.php": "M"}, migrations={"9_new.php": DROPS})
    assert refusal(TASK, seen(other)).endswith("--set migrations=any"), "which of the two has run nobody knows"
    for found in ({"9_new.php": DROPS}, FactError("gone")):
        change = change_of(replace(TASK, migrations="any"), between(found))
        assert (change.risk, "9_new.php" in change.loses) == (Risk.DESTRUCTIVE, True)
    further = nothing(replace(TASK, migrations="any"), seen(checkout(B, C, B, A, bad=frozenset({C}))))
    assert further.endswith(f"--set to={A[:12]} --set migrations=any")


def test_migrations_are_taken_back_by_the_only_code_that_there_is() -> None:
    back = replace(TASK, migrations="back", pages=("/api/health/live",))
    what = replace(
        between({"9_new.php": DROPS}),
        rollback=Rollback(
            artisan=Artisan(code=ROOT, user="www-data"),
            batches={"9_new": 2, "1_old": 1},
            pretended=Pretended(lines=("Rolling back: 9_new", "9_new: drop table a"), sql={"9_new": ("drop table a",)}),
        ),
    )
    down, taken, switch, up = back.plan(what).changes
    assert taken.summary == f"take back 9_new, which came with commit {C[:12]}"
    assert taken.command.words[8:15] == ("/srv/app", C, "deploy", "/srv/app", "", "9_new", "Rolling back: 9_new")
    assert [switch.undo.command, up.undo.command] == [None, None]
    assert down.summary == "show users the maintenance page"
    changed = replace(what, checkout=replace(what.checkout, difference={"database/migrations/9_new.php": "M"}))
    assert refusal(back, changed) == (
        f"commit {B[:12]} has 9_new.php otherwise: which of the two has run cannot be told. If the code of commit "
        f"{B[:12]} can go on with the database as it is: soleil-remediate remediate --host web1 --set to={B[:12]} "
        "--set migrations=any"
    )


@pytest.mark.parametrize(
    "to, bad, migrations, is_asked",
    [
        (None, "", "back", True),
        (None, "", "any", False),
        ("d", "", "back", False),
        (B[:9], B, "back", False),
    ],
)
def test_how_migrations_would_be_taken_back_is_read_only_where_a_person_wants_that(
    to: str | None, bad: str, migrations: str, is_asked: bool
) -> None:
    back = replace(TASK, migrations=migrations, pages=("/live",), to=to)
    what = see(
        back.read(Reader()),
        *SYSTEMD,
        ("migrate:status", said("Migration name ... Batch / Status\n9_new ... [2] Ran\n")),
        ("migrate:rollback", said("Rolling back: 9_new\n9_new: drop table a\n")),
        ("find /srv/app ", said("d\tdeploy\t1.5\t\0")),
        ("-path /srv/app/.git )", said(record("/srv/app/.git", kind="d", owner="deploy", owner_id=1000))),
        ("logged-commits", said(LOGGED)),
        (" log -g ", said(f"{C}\tHEAD@{{1700000000}}\n{B}\tHEAD@{{1690000000}}\n")),
        ("for-each-ref", said(f"{bad}\n" if bad else "")),
        (" status ", said()),
        (" ls-files ", said()),
        (" diff ", said("A\0database/migrations/9_new.php\0")),
        ("grep -oE", said(status=2, stderr="grep: /srv/app/storage/framework/down: No such file or directory\n")),
        ("/proc/net/tcp", said(LISTENS_ON_80)),
        ("find -H", said(status=1, stderr=complaint("/srv/app"))),
        ("count-by-minute", said(status=1)),
        ("date", said(f"{SERVED}\n")),
        ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
        ("grep", said("/srv/app/database/migrations/9_new.php\0x\n")),
        most_rounds=4 if is_asked else 3,
    )
    assert (what.rollback is not None) is is_asked


def read_where(differs: str, *rules: tuple[str, Output | FactError]) -> CheckoutSeen:
    """Return what is read where the two commits differ so, in three round trips."""
    what: CheckoutSeen = see(
        TASK.read(Reader()),
        *rules,
        *SYSTEMD,
        ("find /srv/app ", said("d\tdeploy\t1.5\t\0")),
        ("-path /srv/app/.git )", said(record("/srv/app/.git", kind="d", owner="deploy", owner_id=1000))),
        ("logged-commits", said(LOGGED)),
        (" log -g ", said(f"{C}\tHEAD@{{1700000000}}\n{B}\tHEAD@{{1690000000}}\n")),
        ("for-each-ref", said()),
        (" status ", said()),
        (" ls-files ", said()),
        (" diff ", said(differs)),
        ("grep -oE", said(status=2, stderr="grep: /srv/app/storage/framework/down: No such file or directory\n")),
        ("/proc/net/tcp", said(LISTENS_ON_80)),
        ("find -H", said(status=1, stderr=complaint("/srv/app"))),
        ("count-by-minute", said(status=1)),
        ("date", said(f"{SERVED}\n")),
        ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
        ("grep", said(f"/srv/app/database/migrations/9_new.php\0{DROPPED}\n")),
        most_rounds=3,
    )
    return what


#: What artisan says where the migration has not run.
PENDING = (
    ("migrate:status", said("Migration name ... Batch / Status\n8_old ... [1] Ran\n9_new ... Pending\n")),
    ("php -- application /srv/app", said(STARTED + described(driver="pgsql"))),
)


@pytest.mark.parametrize("kind, is_asked", [("A", True), ("M", False)])
def test_whether_a_migration_has_run_is_asked_where_only_that_is_in_the_way(kind: str, is_asked: bool) -> None:
    what = read_where(f"{kind}\0database/migrations/9_new.php\0", *(PENDING if is_asked else ()))
    assert what.waiting == ({"9_new.php"} if is_asked else set())
    if is_asked:
        assert TASK.plan(what).because.endswith(". 1 migration between them never ran, artisan says: 9_new.php")
        assert change_of(TASK, what).command.words[-2:] == ("", "9_new")


def test_artisan_is_not_asked_where_no_migration_came_or_something_else_is_in_the_way() -> None:
    assert read_where("A\0app/new.php\0").checkout.migrations == {}
    what = read_where("A\0database/migrations/9_new.php\0", (" status --porcelain", said(" M a.php\0")))
    assert (what.checkout.migrations, what.waiting) == ({"9_new.php": DROPPED}, frozenset())
    assert "were changed and not committed: a.php" in refusal(TASK, what)


def test_what_artisan_says_is_no_reason_to_go_back_over_a_migration_that_cannot_be_read() -> None:
    unreadable = ("grep -a -H -Z  -- /srv/app/database", FactError("no answer"))
    what = read_where("A\0database/migrations/9_new.php\0", unreadable, *PENDING)
    assert (str(what.checkout.migrations), what.waiting) == ("no answer", frozenset())
    assert "cannot be read (no answer)" in refusal(TASK, what)


@pytest.mark.parametrize("difference", [FactError("gone"), None])
def test_a_difference_that_cannot_be_told_may_hold_anything(difference: FactError | None) -> None:
    assert "cannot be told" in refusal(TASK, seen(checkout(difference=difference, migrations=None)))


def test_no_migration_asked_for_is_none() -> None:
    assert change_of(TASK, seen(checkout(migrations=None))) == change_of(TASK, seen())


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"root": Path("current")}, "absolute"),
        ({"root": Path("/srv/../current")}, "absolute"),
        ({"root": Path("/current")}, "absolute"),
        ({"to": "-rf"}, "must be a commit"),
        ({"migrations": "none"}, "additive, any or back"),
        ({"migrations": "back"}, "migrations needs pages"),
        ({"backups": Path("backups")}, "absolute"),
        ({"backups": Path("/var/../x")}, "absolute"),
        ({"began": "then"}, "any or with-release"),
        ({"access_log": Path("access.log")}, "absolute"),
        ({"access_log": Path("/var/../x")}, "absolute"),
        ({"php": "-x"}, "must be a service"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(TASK, **wrong)


# ---- what the script itself sees where git fails; nothing here may come as far as what follows a checkout ------------


def run_check_out(folder: Here, then: str, now: str, owner: str | None = None) -> subprocess.CompletedProcess[str]:
    found = (folder / ".git").stat()
    me = pwd.getpwuid(found.st_uid).pw_name if owner is None else owner
    words = CHECK_OUT.bind(
        folder, then, now, FileIdentity(found.st_dev, found.st_ino), now, "", me, me, "php", "", 1, "", ""
    )
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def everybodys() -> Iterator[Here]:
    """A folder that others may reach: what pytest makes is its user's alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # a TMPDIR may be one user's alone as well
        Here(name).chmod(0o755)
        yield Here(name)


def two_commits(folder: Here) -> tuple[str, str]:
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "a", "1", SERVED - 86400)
    commit(folder, "z", "1", SERVED - 86400)
    older = git(folder, "rev-parse", "HEAD")
    (folder / "a").write_text("2")
    newer = commit(folder, "z", "2", SERVED)
    give_to_nobody(folder)
    return older, newer


def give_to_nobody(folder: Here) -> None:
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as somebody")
def test_a_checkout_that_git_refuses_whole_changed_nothing_and_one_that_stopped_half_way_is_not_called_so(
    everybodys: Here,
) -> None:
    older, newer = two_commits(everybodys)
    done = run_check_out(everybodys, "d" * 40, newer)
    assert (done.returncode, "is not there: nothing was switched" in done.stderr) == (75, True)
    git(everybodys, "rm", "-q", "--cached", "z")
    done = run_check_out(everybodys, older, newer)
    assert (done.returncode, "files were changed and not committed" in done.stderr) == (75, True)
    git(everybodys, "reset", "-q", "--hard")

    (everybodys / ".git/info/attributes").write_text("z filter=fails\n")
    git(everybodys, "config", "filter.fails.clean", "cat")
    git(everybodys, "config", "filter.fails.smudge", "false")
    git(everybodys, "config", "filter.fails.required", "true")
    done = run_check_out(everybodys, older, newer)
    assert (done.returncode, "git stopped half-way" in done.stderr) == (1, True), done.stderr
    assert "nothing was switched" not in done.stderr
    assert git(everybodys, "rev-parse", "HEAD") == newer


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as somebody")
@pytest.mark.parametrize("owner", ["nobody", "root"])
def test_a_checkout_that_became_roots_meanwhile_is_seen_before_git_is_asked(everybodys: Here, owner: str) -> None:
    older, newer = two_commits(everybodys)
    marker = everybodys / ".git/ran"
    git(everybodys, "config", "filter.tells.smudge", f"touch {marker}; cat")
    (everybodys / ".git/info/attributes").write_text("z filter=tells\n")
    os.chown(everybodys, 0, 0)
    os.chown(everybodys / ".git", 0, 0)
    done = run_check_out(everybodys, older, newer, owner=owner)
    assert (done.returncode, done.stderr) == (
        75, f"{everybodys}/.git belongs to root by now: nothing was switched\n",
    )  # fmt: skip
    assert not marker.exists()
    assert not (everybodys / ".git/refs/soleil-remediate").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as somebody")
def test_a_checkout_that_became_somebody_elses_meanwhile_is_seen_before_git_is_asked(everybodys: Here) -> None:
    older, newer = two_commits(everybodys)
    os.chown(everybodys / ".git", pwd.getpwnam("daemon").pw_uid, -1)
    done = run_check_out(everybodys, older, newer, owner="nobody")
    assert (done.returncode, done.stderr) == (
        75, f"{everybodys}/.git belongs to daemon by now: nothing was switched\n",
    )  # fmt: skip


def two_commits_of_nobody(folder: Here) -> tuple[str, str]:
    git(folder, "init", "-q", "-b", "main")
    (folder / "z").mkdir()
    commit(folder, "z/f", "1", SERVED - 86400)
    older = git(folder, "rev-parse", "HEAD")
    newer = commit(folder, "z/f", "2", SERVED)
    give_to_nobody(folder)
    return older, newer


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as somebody")
def test_a_folder_in_which_git_may_not_replace_files_is_found_before_anything_is_done(everybodys: Here) -> None:
    older, newer = two_commits_of_nobody(everybodys)
    os.chown(everybodys / "z", 0, 0)
    done = run_check_out(everybodys, older, newer)
    assert (done.returncode, done.stderr) == (
        75, f"nobody may not replace files in {everybodys} (z): nothing was switched\n",
    )  # fmt: skip
    head = (everybodys / ".git/HEAD").read_text()
    assert head == "ref: refs/heads/main\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as somebody")
def test_a_checkout_that_git_calls_done_and_that_left_a_file_as_it_was_is_not_done(everybodys: Here) -> None:
    older, newer = two_commits_of_nobody(everybodys)
    (everybodys / "z").chmod(0o1777)  # everybody may write there, and nobody may remove what is root's
    os.chown(everybodys / "z", 0, 0)
    os.chown(everybodys / "z/f", 0, 0)
    done = run_check_out(everybodys, older, newer)
    assert (done.returncode, done.stderr) == (
        1, f"git stopped half-way: files of both commits lie in {everybodys}:  M z/f\n",
    )  # fmt: skip
