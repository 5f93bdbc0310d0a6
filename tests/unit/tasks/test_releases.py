from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.octane import Octane
from soleil_remediate.facts.onsets import Onset
from soleil_remediate.facts.releases import Link, Release, Releases
from soleil_remediate.facts.rollbacks import Artisan, Pretended, Rollback
from soleil_remediate.facts.services import Configuration, Services, Unit
from soleil_remediate.facts.workers import Program
from soleil_remediate.plan import Change, Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.releases import RollBackRelease, RollbackSeen
from soleil_remediate.tasks.switching import SWITCH
from soleil_remediate.units import ByteSize, Duration
from tests.unit.facts.answers import complaint, record, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import described
from tests.unit.tasks.values import SRV, file, nothing, refusal

LINK = Path("/srv/app/current")
SERVED = 1_700_000_000
TASK = RollBackRelease(root=LINK, again="soleil-remediate remediate --host web1")
FPM = Unit(
    name="php8.2-fpm.service",
    active="active",
    sub="running",
    program=("/usr/sbin/php-fpm8.2", "--nodaemonize", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf"),
)
TEST = ("/usr/sbin/php-fpm8.2", "-t", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf")
WELL = Services(units=(FPM,), tests={FPM.name: Configuration(is_good=True)})
NO_PHP = Services(units=(), tests={})
WORKER = Program(name="app-worker", runs=("php /srv/app/current/artisan queue:work",))
OTHER = Program(name="blog", runs=("php /srv/blog/current/artisan queue:work",))
ADDS = "function up() { Schema::table('a', function ($table) { $table->string('b')->nullable(); }); }"
#: What nginx logged: since which minute requests fail, and until when they went well.
NOTHING_FAILS = Onset(since=None)
WITH = Onset(since=SERVED - 20, well=SERVED - 80, failed=9, asked=10)
BEFORE = Onset(since=SERVED - 3620, well=SERVED - 3680, failed=9, asked=10)
LATER = Onset(since=SERVED + 86380, well=SERVED + 86320, failed=9, asked=10)
LISTENS_ON_80 = "  sl  local_address rem_address   st\n   0: 00000000:0050 00000000:0000 0A 00000000:00000000\n"
DROPS = "function up() { Schema::drop('a'); }"


def release(name: str, *, bad: bool = False, whole: bool = True, more: tuple[str, ...] = ()) -> Release:
    path = LINK.parent / "releases" / name
    inside = ["artisan", *(["vendor/autoload.php"] if whole else []), *(["BAD_RELEASE"] if bad else []), *more]
    number = int(name) if name.isdigit() else 900
    return Release(
        folder=file(str(path), type="d", inode=number, owner="deploy"),
        files={one: file(str(path / one)) for one in inside},
    )


def releases(*all_of_them: Release, serves: str, target: str | None = "", lock: FileStat | None = None) -> Releases:
    link = Link(target=f"releases/{serves}" if target == "" else target, owner="deploy", changed=SERVED)
    return Releases(link=LINK, served=link, owner="deploy", all=all_of_them, lock=lock)


def seen(
    found: Releases,
    migrations: Mapping[str, str] | FactError | None = None,
    services: Services = WELL,
    onset: Onset | FactError = NOTHING_FAILS,
) -> RollbackSeen:
    return RollbackSeen(
        releases=found,
        migrations={} if migrations is None else migrations,
        services=services,
        programs=(WORKER, OTHER),
        onset=onset,
    )


def change_of(task: RollBackRelease, what: RollbackSeen) -> Change:
    (change,) = task.plan(what).changes
    return change


THREE = releases(release("1"), release("2"), release("3"), serves="3")


def test_the_newest_good_release_before_the_served_one_is_named_and_pinned() -> None:
    change = change_of(TASK, seen(THREE))
    assert change.summary == "serve release 2 instead of 3"
    assert change.command.words[3:] == (
        "switch-release", "/srv/app/current", "releases/3", "releases/2", "/srv/app/releases/2", f"{SRV}:2",
        "/srv/app/releases/3", f"{SRV}:3", "", "deploy", "www-data", "php8.2", FPM.name, "120", "app-worker", "", *TEST,
    )  # fmt: skip
    assert (change.risk, change.loses) == (Risk.DISRUPTIVE, "nothing")
    assert change.after == "release 2; 3 marked bad; php8.2-fpm.service reloaded; workers restarted (app-worker)"
    assert TASK.plan(seen(THREE, onset=FactError("gone"))).because == "release 3 is served since 2023-11-14 22:13 UTC"
    undo = change.undo.command
    assert undo is not None
    assert undo.words[4:12] == (
        "/srv/app/current", "releases/2", "releases/3", "/srv/app/releases/3", f"{SRV}:3", "", "", "",
    )  # fmt: skip
    assert undo.words[12:] == change.command.words[12:]


def test_where_octane_has_the_code_in_memory_a_person_is_told_what_to_do_and_nothing_is_switched() -> None:
    octane = Octane(pid=812, started=4711, user="www-data", commands=FactError("gone"))
    found = replace(seen(THREE, services=NO_PHP, onset=WITH), octane=octane)
    for task in (TASK, replace(TASK, to="2"), replace(TASK, began="with-release")):
        assert refusal(task, found) == (
            "Octane (process 812) serves the application and has release 3 in memory: nothing here lets it follow. By "
            "hand: as deploy, in /srv/app: ln -s releases/2 current.new && mv -T current.new current; then start "
            "Octane anew, by what keeps it running: systemctl status 812"
        )
    assert nothing(replace(TASK, began="with-release"), replace(found, onset=NOTHING_FAILS)) == (
        "no request fails that is logged"
    )


def test_a_link_keeps_the_form_of_what_stands_in_it() -> None:
    change = change_of(TASK, seen(replace(THREE, served=replace(THREE.served, target="/srv/app/releases/3"))))
    assert change.command.words[5:7] == ("/srv/app/releases/3", "/srv/app/releases/2")


def test_a_bad_release_is_never_chosen_and_numbers_count_not_letters() -> None:
    found = releases(release("8"), release("9", bad=True), release("10"), serves="10")
    assert change_of(TASK, seen(found)).summary == "serve release 8 instead of 10"
    found = releases(release("9", bad=True), release("10"), serves="10")
    assert refusal(TASK, seen(found)) == "there is no release before 10 that is not marked bad"


def test_who_has_gone_back_once_does_not_go_back_further_by_itself() -> None:
    found = releases(release("1"), release("2"), release("3", bad=True), serves="2")
    assert nothing(TASK, seen(found)) == (
        "release 2 is served, and 3 is marked bad: that is as far back as it goes by itself. To go back further: "
        "soleil-remediate remediate --host web1 --set to=1"
    )
    found = releases(release("2"), release("3", bad=True), release("4", bad=True), serves="2")
    assert nothing(TASK, seen(found)).endswith("3 and 4 are marked bad: that is as far back as it goes by itself")
    named = replace(TASK, to="2")
    assert nothing(named, seen(found)) == "release 2 is served"
    paged = replace(TASK, pages=("/live",))
    assert (
        "by itself. For users to see the maintenance page meanwhile: soleil-remediate remediate --host web1 --set "
        "maintenance=only. To go back further: "
    ) in nothing(paged, seen(replace(found, all=(release("1"), *found.all))))


def test_what_puts_up_the_page_alone_keeps_whatever_else_was_given() -> None:
    found = releases(release("1"), release("2"), release("3", bad=True), serves="2")
    given = replace(TASK, pages=("/live",), owner="deploy", access_log=Path("/var/log/x.log"), maintenance="yes")
    assert (
        "maintenance page meanwhile: soleil-remediate remediate --host web1 --set maintenance=only --set owner=deploy "
        "--set access_log=/var/log/x.log. To go back further: "
    ) in nothing(given, seen(found)).replace("`", "")


CUT_OFF = releases(release("1"), release("2"), release("3", bad=True, more=("ROLLBACK_UNFINISHED-2",)), serves="2")


@pytest.mark.parametrize("task", [TASK, replace(TASK, to="2"), replace(TASK, began="with-release")])
def test_a_way_back_that_was_cut_off_after_the_switch_is_gone_on_with(task: RollBackRelease) -> None:
    plan = task.plan(seen(CUT_OFF))
    (change,) = plan.changes
    assert change.summary == "let php-fpm and workers follow to release 2"
    assert change.command.words[3:] == (
        "switch-release", "/srv/app/current", "releases/2", "releases/2", "/srv/app/releases/2", f"{SRV}:2",
        "/srv/app/releases/3", f"{SRV}:3", "", "deploy", "www-data", "php8.2", FPM.name, "120", "app-worker", "", *TEST,
    )  # fmt: skip
    assert (change.risk, change.loses) == (Risk.DISRUPTIVE, "nothing")
    assert change.before == "release 2, and what may run 3 still"
    assert change.undo.command is None
    assert plan.because == "a way back from release 3 was not finished: 2 is served, and what ran before may run still"


def test_who_names_an_older_release_goes_there_though_a_way_back_was_cut_off() -> None:
    assert change_of(replace(TASK, to="1"), seen(CUT_OFF)).summary == "serve release 1 instead of 2"


def test_somebody_who_deploys_is_not_disturbed_by_what_is_left_of_a_way_back() -> None:
    lock = file("/srv/app/.dep/deploy.lock", modified=SERVED)
    assert refusal(TASK, seen(replace(CUT_OFF, lock=lock))).startswith("somebody deploys since 2023-11-14 22:13 UTC")


def test_a_newer_release_that_is_not_marked_may_mean_that_somebody_went_back_already() -> None:
    found = releases(release("1"), release("2"), release("3"), serves="2")
    assert refusal(TASK, seen(found)) == (
        "release 3 is newer than 2, which is served, and not marked bad: somebody may have gone back already. If 2 is "
        "the bad one: soleil-remediate remediate --host web1 --set to=RELEASE"
    )
    unfinished = releases(release("1"), release("2"), release("3", whole=False), serves="2")
    assert change_of(TASK, seen(unfinished)).summary == "serve release 1 instead of 2"
    assert change_of(replace(TASK, to="1"), seen(found)).summary == "serve release 1 instead of 2"


@pytest.mark.parametrize(
    "to, why",
    [
        ("7", "there is no release 7; older ones that are not marked bad: 1"),
        (
            "2",
            "release 2 is marked bad: somebody went back from it. If that is over: rm /srv/app/releases/2/BAD_RELEASE",
        ),
        ("4", "release 4 is newer than 3: that would be no way back"),
    ],
)
def test_a_named_release_must_be_an_older_good_one(to: str, why: str) -> None:
    found = releases(release("1"), release("2", bad=True), release("3"), release("4"), serves="3")
    assert refusal(replace(TASK, to=to), seen(found)) == why
    only = releases(release("3"), serves="3")
    if to == "7":
        assert refusal(replace(TASK, to=to), seen(only)).endswith("not marked bad: none")


def test_names_that_do_not_tell_their_order_need_a_name() -> None:
    found = releases(release("abc"), release("def"), serves="def")
    assert refusal(TASK, seen(found)) == (
        "the name of release def does not tell which came before: soleil-remediate remediate --host web1 "
        "--set to=RELEASE"
    )
    assert change_of(replace(TASK, to="abc"), seen(found)).summary == "serve release abc instead of def"


def test_whose_the_releases_are_is_for_sudoers_and_has_to_be_so() -> None:
    owned = replace(TASK, owner="deploy")
    assert change_of(owned, seen(THREE)) == change_of(TASK, seen(THREE))
    assert set(owned.rights() or ()) - set(TASK.rights() or ()) == {Right("deploy")}
    assert [use.told_by for use in change_of(TASK, seen(THREE)).uses if use.user == "deploy"] == ["owner"]
    users = replace(THREE, owner="www-data")
    assert not any(use.told_by for use in change_of(TASK, seen(users)).uses)
    assert refusal(replace(TASK, owner="jan"), seen(THREE)) == (
        "what is served belongs to deploy, not to jan: say owner=deploy, or leave it out"
    )
    found = releases(release("1"), release("2"), release("3", bad=True), serves="2")
    assert nothing(owned, seen(found)).endswith("--set to=1 --set owner=deploy")


def test_what_a_person_types_to_go_on_keeps_what_was_given_and_nothing_else() -> None:
    further = releases(release("1"), release("2"), release("3", bad=True), serves="2")
    assert nothing(TASK, seen(further)).endswith(f"To go back further: {TASK.again} --set to=1")
    given = replace(
        TASK,
        migrations="any",
        maintenance="yes",
        pages=("/up",),
        url="https://app.example",
        owner="deploy",
        php="php8.?-fpm.service",
        access_log=Path("/var/log/nginx/my app.log"),
        within=Duration(90),
    )
    assert nothing(given, seen(further)).endswith(
        f"To go back further: {TASK.again} --set to=1 --set migrations=any --set maintenance=yes --set owner=deploy "
        "--set 'php=php8.?-fpm.service' --set 'access_log=/var/log/nginx/my app.log' --set 'within=90 s'"
    )


def test_what_is_no_such_layout_is_left_alone() -> None:
    in_place = replace(THREE, served=replace(THREE.served, target=None))
    assert nothing(TASK, seen(in_place)) == "/srv/app/current is no link: there is no folder of releases"
    elsewhere = replace(THREE, served=replace(THREE.served, target="/opt/app"))
    assert (
        refusal(TASK, seen(elsewhere)) == "/srv/app/current leads to /opt/app, which is no release in /srv/app/releases"
    )


def test_a_release_that_is_not_whole_is_refused_with_one_that_is() -> None:
    found = releases(release("1"), release("2", whole=False), release("3"), serves="3")
    assert refusal(TASK, seen(found)) == (
        "release 2 has no vendor/autoload.php: what composer installed for it is gone. One that is whole: "
        "soleil-remediate remediate --host web1 --set to=1"
    )
    found = releases(release("2", whole=False), release("3"), serves="3")
    assert refusal(TASK, seen(found)).endswith("is gone. No other one is whole")


def test_somebody_who_deploys_is_not_disturbed() -> None:
    lock = file("/srv/app/.dep/deploy.lock")
    assert refusal(TASK, seen(replace(THREE, lock=lock))) == (
        "somebody deploys since 2023-11-14 22:13 UTC, or left /srv/app/.dep/deploy.lock behind. If nobody does: "
        "rm /srv/app/.dep/deploy.lock"
    )


def test_migrations_that_only_add_are_no_obstacle_and_are_said() -> None:
    change = change_of(TASK, seen(THREE, {"1_add.php": ADDS}))
    assert change.risk is Risk.DISRUPTIVE
    assert change.keeps == "the database as it is, with 1_add.php (additive); every release"


def test_any_other_migration_needs_a_word_and_the_command_is_said() -> None:
    what = seen(THREE, {"1_add.php": ADDS, "2_drop.php": DROPS, "3_odd.php": "?"})
    assert refusal(TASK, what) == (
        "release 2 does not know what came after it: 2_drop.php (destructive), 3_odd.php (unknown). If its code can go "
        "on with that: soleil-remediate remediate --host web1 --set to=2 --set migrations=any. To see what taking it "
        "back would do: soleil-remediate remediate --host web1 --set to=2 --set migrations=back"
    )
    change = change_of(replace(TASK, migrations="any"), what)
    assert change.risk is Risk.DESTRUCTIVE
    assert "2_drop.php (destructive)" in change.loses
    many = seen(THREE, {f"{number:060}.php": DROPS for number in range(9)})
    assert len(change_of(replace(TASK, migrations="any"), many).loses) < 300


def test_migrations_that_cannot_be_read_are_unknown() -> None:
    newer = release("3", more=("database/migrations/9_new.php",))
    found = releases(release("2"), newer, serves="3")
    what = seen(found, FactError("more than 1 MiB"))
    assert refusal(TASK, what) == (
        "the migrations that came after release 2 cannot be read (more than 1 MiB). If its code can go on with them: "
        "soleil-remediate remediate --host web1 --set to=2 --set migrations=any"
    )
    change = change_of(replace(TASK, migrations="any"), what)
    assert (change.risk, "9_new.php (unknown)" in change.loses) == (Risk.DESTRUCTIVE, True)
    whole = releases(release("2", whole=False), release("1"), newer, serves="3")
    assert refusal(replace(TASK, to="2", migrations="any"), seen(whole)).endswith("--set to=1 --set migrations=any")


def test_only_caches_that_one_of_the_two_has_are_built() -> None:
    cached = release("2", more=("bootstrap/cache/routes-v7.php", "bootstrap/cache/services.php"))
    found = releases(cached, release("3", more=("bootstrap/cache/config.php",)), serves="3")
    assert change_of(TASK, seen(found)).command.words[11] == "config route"


def test_php_fpm_is_reloaded_only_where_its_configuration_is_right() -> None:
    broken = Services(units=(FPM,), tests={FPM.name: Configuration(is_good=False, says="line 3")})
    assert refusal(TASK, seen(THREE, services=broken)) == (
        "php8.2-fpm.service could not be reloaded with its configuration: line 3"
    )
    unknown = Services(units=(FPM,), tests={FPM.name: FactError("needs root")})
    assert "cannot be known: needs root" in refusal(TASK, seen(THREE, services=unknown))
    untested = Services(units=(FPM,), tests={})
    assert "nobody knows how" in refusal(TASK, seen(THREE, services=untested))
    second = replace(FPM, name="php8.3-fpm.service")
    two = Services(units=(FPM, second), tests=WELL.tests)
    assert "name the one that is meant" in refusal(TASK, seen(THREE, services=two))


def test_where_something_that_the_application_needs_is_down_going_back_would_not_help() -> None:
    (php,) = WELL.units
    database = replace(php, name="postgresql@15-main.service", active="failed", sub="failed")
    needing = replace(TASK, needs=("postgresql@*.service", "redis*.service"))
    with_database = replace(WELL, units=(php, database))
    assert refusal(needing, seen(THREE, services=with_database)).startswith(
        "going back would not help: postgresql@15-main.service is failed"
    )
    running = replace(WELL, units=(php, replace(php, name="postgresql@15-main.service")))
    assert change_of(needing, seen(THREE, services=running)) == change_of(TASK, seen(THREE))


def test_where_requests_failed_before_the_release_was_served_going_back_would_not_help_unless_it_is_named() -> None:
    what = seen(THREE, onset=BEFORE)
    assert refusal(TASK, what) == (
        "going back from release 3 would not help: 9 of the last 10 requests failed, since 2023-11-14 21:13 UTC; until "
        "2023-11-14 21:12 they went well, and release 3 is served since 2023-11-14 22:13 UTC. If an older one would: "
        "soleil-remediate remediate --host web1 --set to=RELEASE"
    )
    assert change_of(replace(TASK, to="1"), what).summary == "serve release 1 instead of 3"


@pytest.mark.parametrize("onset", [WITH, LATER, NOTHING_FAILS, FactError("gone")])
def test_who_asks_to_go_back_may_where_it_is_not_seen_that_it_would_be_of_no_use(onset: Onset | FactError) -> None:
    assert change_of(TASK, seen(THREE, onset=onset)).summary == "serve release 2 instead of 3"


def test_the_reason_says_since_when_requests_fail() -> None:
    assert TASK.plan(seen(THREE, onset=WITH)).because == (
        "release 3 is served since 2023-11-14 22:13 UTC, and 9 of the last 10 requests failed, since 2023-11-14 22:13 "
        "UTC; until 2023-11-14 22:12 they went well"
    )


WITH_RELEASE = replace(TASK, began="with-release")


def test_where_the_release_must_be_to_blame_it_must_have_been_seen() -> None:
    assert change_of(WITH_RELEASE, seen(THREE, onset=WITH)) == change_of(TASK, seen(THREE))
    assert "would not help" in refusal(WITH_RELEASE, seen(THREE, onset=BEFORE))
    assert refusal(WITH_RELEASE, seen(THREE, onset=LATER)) == (
        "release 3 is served since 2023-11-14 22:13 UTC and went well: 9 of the last 10 requests failed, since "
        "2023-11-15 22:13 UTC; until 2023-11-15 22:12 they went well. If it is to blame all the same: soleil-remediate "
        "remediate --host web1 --set to=2"
    )
    assert refusal(WITH_RELEASE, seen(THREE, onset=replace(WITH, well=None))) == (
        "release 3 is served since 2023-11-14 22:13 UTC; 9 of the last 10 requests failed, since 2023-11-14 22:13 UTC; "
        "nothing is logged before. If it is to blame: soleil-remediate remediate --host web1 --set to=2"
    )
    assert refusal(WITH_RELEASE, seen(THREE, onset=FactError("gone"))) == (
        "release 3 is served since 2023-11-14 22:13 UTC; whether it is to blame cannot be seen (gone). If it is: "
        "soleil-remediate remediate --host web1 --set to=2"
    )


def test_where_the_release_must_be_to_blame_and_none_can_be_nothing_is_said_to_be_in_the_way() -> None:
    in_place = replace(THREE, served=replace(THREE.served, target=None))
    assert nothing(WITH_RELEASE, seen(in_place, onset=WITH)) == (
        "/srv/app/current is no link: there is no folder of releases"
    )
    assert nothing(WITH_RELEASE, seen(THREE, services=NO_PHP, onset=WITH)) == (
        "no php*-fpm.service is running: no release is served"
    )
    assert nothing(WITH_RELEASE, seen(THREE)) == "no request fails that is logged"


def test_going_back_would_not_end_maintenance_mode() -> None:
    mark = file("/srv/app/current/storage/framework/down")
    what = replace(seen(THREE, onset=WITH), maintenance=(mark,))
    for task in (TASK, WITH_RELEASE):
        assert refusal(task, what) == (
            "the application is in maintenance mode since 2023-11-14 22:13 UTC, by /srv/app/current/storage/framework/"
            "down: going back would not end it. If release 3 is bad all the same: soleil-remediate remediate --host "
            "web1 --set to=2"
        )
    assert change_of(replace(TASK, to="2"), what).summary == "serve release 2 instead of 3"


def test_without_a_php_fpm_that_runs_none_is_reloaded() -> None:
    change = change_of(TASK, seen(THREE, services=NO_PHP))
    assert change.command.words[12:] == ("deploy", "www-data", "php", "", "120", "app-worker", "")
    assert change.after == "release 2; 3 marked bad; workers restarted (app-worker)"
    named = replace(FPM, name="fpm.service")
    own = Services(units=(named,), tests={named.name: Configuration(is_good=True)})
    assert change_of(TASK, seen(THREE, services=own)).command.words[14] == "php"


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"root": Path("current")}, "absolute"),
        ({"root": Path("/srv/../current")}, "absolute"),
        ({"root": Path("/current")}, "absolute"),
        ({"to": "../x"}, "name of a release"),
        ({"to": "-rf"}, "name of a release"),
        ({"to": ""}, "name of a release"),
        ({"migrations": "none"}, "additive, any or back"),
        ({"migrations": "back"}, "migrations needs pages"),
        ({"backups": Path("backups")}, "absolute"),
        ({"backups": Path("/var/../x")}, "absolute"),
        ({"php": "-x"}, "must be a service"),
        ({"began": "then"}, "any or with-release"),
        ({"owner": "root"}, "other than root"),
        ({"owner": "jan ALL"}, "name of a user"),
        ({"owner": ""}, "name of a user"),
        ({"access_log": Path("access.log")}, "absolute"),
        ({"access_log": Path("/var/../x")}, "absolute"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(TASK, **wrong)


SYSTEMD = (
    ("list-unit-files", said("basic.target static\n")),
    ("systemctl show", said("Id=basic.target\nLoadState=loaded\nActiveState=active\nSubState=active\n"
                            "UnitFileState=static\nInvocationID=\nStateChangeTimestamp=\n")),
    ("supervisor", said(status=1)),
)  # fmt: skip


@pytest.mark.parametrize("to, asked", [(None, True), ("1", True), ("9", False)])
def test_a_read_asks_for_the_migrations_after_the_chosen_release(to: str | None, asked: bool) -> None:
    where = "/srv/app/releases"
    new = f"{where}/2/database/migrations/9_new.php"
    found = b"".join(record(f"{where}/{name}", kind="d", device=SRV) for name in "12") + record(new, device=SRV)
    read = replace(TASK, to=to).read(Reader())
    what = see(
        read,
        *SYSTEMD,
        ("%l", said("l\tdeploy\t1.5\treleases/2\0")),
        ("-regextype", said(found)),
        ("-maxdepth 0", said(record("/srv/app", kind="d"))),
        (".dep", said(status=1, stderr=complaint("/srv/app/.dep"))),
        ("grep -oE", said(f'"secret": "soleil-remediate-{"0a" * 16}"\n')),
        ("/proc/net/tcp", said(LISTENS_ON_80)),
        ("framework/down", said(record("/srv/app/current/storage/framework/down"))),
        ("count-by-minute", said(status=1)),
        ("date", said(f"{SERVED}\n")),
        ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
        ("grep", said(f"{new}\0x\n")),
    )
    assert what.migrations == ({"9_new.php": "x"} if asked else {})
    assert what.releases.current.name == "2"
    assert isinstance(what.onset, FactError)
    assert [mark.path.name for mark in what.maintenance] == ["down"]
    assert what.is_held
    assert what.listening == {80}


# ---- behind the maintenance page -------------------------------------------------------------------------------------

PAGED = replace(TASK, maintenance="yes", pages=("/api/health/live", "/api/health/ready"), url="https://app.example")
MARK = (replace(file("/srv/app/current/storage/framework/down"), modified=SERVED + 60),)


def test_users_see_the_maintenance_page_until_the_older_release_answers() -> None:
    what = replace(seen(THREE, onset=WITH), listening=frozenset({80}))
    down, switch, up = PAGED.plan(what).changes
    assert [down.summary, switch.summary, up.summary] == [
        "show users the maintenance page",
        "serve release 2 instead of 3",
        "end the maintenance page once release 2 answers behind it",
    ]
    assert switch.command == change_of(TASK, what).command
    assert switch.undo.command is None  # what fails behind the page must not let users see the bad release
    name, root, user, php, timer, seconds, _, older, is_to_serve = down.command.words[3:]
    who = ("/srv/app/current", "www-data", "php8.2", timer)
    assert (name, root, user, php, timer) == ("begin-maintenance", *who)
    assert (seconds, older, is_to_serve) == ("1200", "/srv/app/releases/2", "yes")
    pages = (
        "http://app.example/api/health/live",
        "localhost:80",
        "http://app.example/api/health/ready",
        "localhost:80",
    )
    assert up.command.words[3:] == (
        "leave-maintenance",
        *who,
        "/srv/app/current",
        "",
        "",
        "5",
        "60",
        "app-worker",
        *pages,
    )
    undo = down.undo.command
    assert undo is not None
    assert undo.words[3:] == (
        "leave-maintenance", *who, "/srv/app/current", "releases/3", "deploy", "5", "60", "app-worker", *pages,
    )  # fmt: skip
    assert up.undo.command is None
    assert up.command.deadline >= 60 + 3 * 5 + 120
    assert PAGED.plan(what).is_one_repair  # what fails later takes the page down again


def test_a_page_that_was_put_up_here_is_not_forgotten_and_its_time_begins_anew() -> None:
    held = replace(seen(THREE, onset=WITH), is_held=True, maintenance=MARK)
    for task in (PAGED, replace(PAGED, maintenance="no")):
        assert task.plan(held) == PAGED.plan(seen(THREE, onset=WITH))
    ends = ["end the maintenance page once release 2 answers behind it"]
    back = replace(held, releases=releases(release("2"), release("3", bad=True), serves="2"))
    for task in (PAGED, replace(PAGED, maintenance="no"), replace(PAGED, to="2")):
        plan = task.plan(back)
        assert [change.summary for change in plan.changes] == ends
        assert plan.because == "users see the maintenance page until release 2 answers behind it"
    cut_off = PAGED.plan(replace(held, releases=CUT_OFF))
    assert [change.summary for change in cut_off.changes] == ["let php-fpm and workers follow to release 2", *ends]
    assert "going back would not end it" in refusal(TASK, held)  # without pages nobody could tell when to end it
    assert nothing(TASK, back).startswith("release 2 is served, and 3 is marked bad")


def test_what_was_deployed_behind_the_page_is_not_gone_back_from() -> None:
    earlier = (replace(MARK[0], modified=SERVED - 60),)
    what = replace(seen(THREE, onset=BEFORE), is_held=True, maintenance=earlier)
    assert [change.summary for change in PAGED.plan(what).changes] == [
        "end the maintenance page once release 3 answers behind it"
    ]


def test_whatever_stands_in_the_way_that_users_see_the_page_is_said() -> None:
    what = replace(seen(THREE, onset=BEFORE), is_held=True, maintenance=MARK)
    assert refusal(PAGED, what).endswith(
        "Users see the maintenance page that was put up here; to end it, as www-data: cd /srv/app/current && "
        "php artisan up"
    )
    two = Services(units=(FPM, replace(FPM, name="php8.1-fpm.service")), tests={})
    back = replace(what, releases=releases(release("2"), release("3", bad=True), serves="2"), services=two)
    assert PAGED.plan(back).changes, "nothing is reloaded for it"


def test_who_else_put_the_application_into_maintenance_mode_ends_it() -> None:
    elsewhere = replace(seen(THREE, onset=WITH), maintenance=MARK)
    assert "going back would not end it" in refusal(PAGED, elsewhere)
    assert refusal(PAGED, elsewhere).endswith("--set to=2 --set maintenance=yes")
    assert [change.summary for change in replace(PAGED, to="2").plan(elsewhere).changes] == [
        "serve release 2 instead of 3"
    ]


def test_users_may_see_the_maintenance_page_and_nothing_else_is_done() -> None:
    only = replace(PAGED, maintenance="only")
    down_too = Services(
        units=(FPM, replace(FPM, name="postgresql@15-main.service", active="failed", sub="failed")), tests={}
    )
    for what in (seen(THREE, onset=WITH), replace(seen(THREE, onset=BEFORE), services=down_too)):
        (page,) = only.plan(what).changes
        assert page.summary == "show users the maintenance page"
        assert page.downtime.startswith("until a person ends it;")
        assert page.command.words[-2:] == ("/srv/app/releases/2", ""), "no other release is going to be served"
        assert page.undo.command is not None
        assert page.undo.command.words[8:11] == ("/srv/app/current", "releases/3", "deploy")
    for held in (True, False):
        again = replace(seen(THREE, onset=WITH), is_held=held, maintenance=MARK)
        assert nothing(only, again).startswith("users see a maintenance page since 2023-11-14 22:14 UTC, by /srv/app/")


@pytest.mark.parametrize(
    "given, why",
    [
        ({"maintenance": "maybe"}, "maintenance must be no, yes or only, not 'maybe'"),
        ({"maintenance": "yes"}, "maintenance needs pages"),
        ({"maintenance": "only"}, "maintenance needs pages"),
        ({"pages": ("live",)}, "'live' must be a page"),
        ({"pages": ("/live",), "url": "ftp://app"}, "'ftp://app' must be an address"),
    ],
)
def test_a_maintenance_page_that_nothing_could_end_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(TASK, **given)


# ---- with the migrations taken back ----------------------------------------------------------------------------------

BACK = replace(PAGED, maintenance="no", migrations="back")
NEW, OLD = "2026_01_02_000001_drop_status", "2026_01_01_000001_create_bookings"
ADDED = "2026_01_02_000002_add_note"
TEXTS = {f"{NEW}.php": DROPS, f"{ADDED}.php": ADDS}
ARTISAN = Artisan(code=Path("/srv/app/releases/3"), user="www-data")
SQL = {ADDED: ('alter table "b" drop column "note"',), NEW: ('alter table "b" add column "status" text',)}
LINES = tuple(
    line for name, said in SQL.items() for line in (f"Rolling back: {name}", *(f"{name}: {one}" for one in said))
)
#: Both came with release 3, whose own code says so.
BOTH = Rollback(artisan=ARTISAN, batches={OLD: 1, NEW: 2, ADDED: 2}, pretended=Pretended(lines=LINES, sql=SQL))
WITH_BOTH = releases(
    release("2"), release("3", more=tuple(f"database/migrations/{name}" for name in TEXTS)), serves="3"
)
OTHERWISE = (
    " If the code of release 2 can go on with the database as it is: soleil-remediate remediate --host web1 --set to=2 "
    "--set migrations=any"
)


def with_rollback(rollback: Rollback = BOTH, **other: Any) -> RollbackSeen:
    what = seen(WITH_BOTH, TEXTS, onset=WITH)
    return replace(what, rollback=rollback, listening=frozenset({80}), **other)


def test_migrations_are_taken_back_behind_the_page_before_the_older_release_is_served() -> None:
    plan = BACK.plan(with_rollback())
    down, taken, switch, _ = plan.changes
    assert [change.summary for change in plan.changes] == [
        "show users the maintenance page",
        f"take back {ADDED}, {NEW}, which came with release 3",
        "serve release 2 instead of 3",
        "end the maintenance page once release 2 answers behind it",
    ]
    timer = down.command.words[7]
    assert taken.command.words[3:] == (
        "take-back-migrations", "/srv/app/current", "www-data", "php8.2", timer, "/srv/app/current", "releases/3",
        "deploy", "/srv/app/releases/3", "", f"{ADDED} {NEW}", *LINES,
    )  # fmt: skip
    assert (taken.risk, taken.undo.command, taken.is_roots) == (Risk.DESTRUCTIVE, None, True)
    assert taken.after == ('taken back by alter table "b" drop column "note"; alter table "b" add column "status" text')
    assert taken.loses == (
        'column "note" of "b"; whether there is a backup is not known (app.backups in the inventory)'
    )
    assert taken.keeps == "all else in the database"
    assert taken.undo.says.startswith("php artisan migrate would make tables and columns again, empty")
    assert down.after.endswith("should nobody else, until migrations are taken back")
    assert down.undo.says == "users see the application again, unless migrations are taken back by then"
    assert (switch.risk, switch.undo.command) == (Risk.DISRUPTIVE, None)
    assert switch.keeps == "the database as it is; every release"
    assert plan.is_finished
    assert BACK.plan(with_rollback()) == replace(BACK, maintenance="yes").plan(with_rollback())
    assert BACK.rights() is None


@pytest.mark.parametrize("effects", [TEXTS, FactError("gone")])
def test_what_it_would_run_is_part_of_what_is_approved(effects: Mapping[str, str] | FactError) -> None:
    other = replace(BOTH, pretended=Pretended(lines=(*LINES, "something"), sql=SQL))
    assert BACK.plan(with_rollback(migrations=effects)) == BACK.plan(with_rollback())
    assert BACK.plan(with_rollback(other)) != BACK.plan(with_rollback())


def test_where_the_bad_release_does_not_start_the_code_of_the_older_one_takes_them_back() -> None:
    older = Artisan(code=Path("/srv/app/releases/2"), user="www-data", migrations=ARTISAN.code / "database/migrations")
    plan = BACK.plan(with_rollback(replace(BOTH, artisan=older)))
    assert plan.changes[1].command.words[11:13] == (
        "/srv/app/releases/2", "/srv/app/releases/3/database/migrations",
    )  # fmt: skip
    assert plan.because.endswith(
        ". artisan of release 3 cannot be asked: that of the older code takes back what came with it"
    )


def test_what_has_not_run_is_left_out_and_said() -> None:
    some = replace(
        BOTH, batches={OLD: 1, NEW: 2, ADDED: None}, pretended=Pretended(lines=LINES[2:], sql={NEW: SQL[NEW]})
    )
    plan = BACK.plan(with_rollback(some))
    assert plan.changes[1].command.words[13] == NEW
    assert plan.changes[1].loses.startswith("nothing that this SQL shows; ")
    assert plan.because.endswith(f"they went well. Not taken back, since it has not run: {ADDED}")
    none = replace(BOTH, batches={OLD: 1, NEW: None, ADDED: None}, pretended=None)
    (switch,) = BACK.plan(with_rollback(none)).changes
    assert (switch.risk, switch.keeps) == (Risk.DISRUPTIVE, "the database as it is; every release")


@pytest.mark.parametrize(
    "other, why",
    [
        ({"batches": FactError("no route")}, "which migrations have run cannot be told (no route)."),
        ({"batches": {OLD: 1, NEW: 2}}, f"artisan knows nothing of {ADDED}."),
        (
            {"batches": {OLD: 1, NEW: 2, ADDED: 2, "2026_01_03_000001_z": 3}, "pretended": None},
            (
                f"2026_01_03_000001_z ran after what came with release 3, and did not come with it: Laravel takes the "
                f"newest back first, {ADDED}, {NEW} only after that."
            ),
        ),
        ({"pretended": FactError("no")}, f"what taking back {ADDED}, {NEW} would do cannot be told (no)."),
        (
            {"pretended": Pretended(lines=LINES[:3], sql={**SQL, NEW: ()})},
            f"its down() does nothing: {NEW} would be noted as taken back, and what it did would stay.",
        ),
    ],
)
def test_where_not_exactly_those_would_be_taken_back_nothing_is_and_the_next_command_is_said(
    other: dict[str, Any], why: str
) -> None:
    assert refusal(BACK, with_rollback(replace(BOTH, **other))) == why + OTHERWISE


def test_what_only_adds_may_have_an_empty_down_and_stays_where_all_have() -> None:
    empty = replace(BOTH, pretended=Pretended(lines=LINES[:1] + LINES[2:], sql={**SQL, ADDED: ()}))
    _, taken, *_ = BACK.plan(with_rollback(empty)).changes
    assert taken.keeps == f"all else in the database, and what {ADDED} added: its down() does nothing"
    both = replace(BOTH, pretended=Pretended(lines=LINES[::2], sql={ADDED: (), NEW: ()}))
    (switch,) = BACK.plan(with_rollback(both, migrations=dict.fromkeys(TEXTS, ADDS))).changes
    assert switch.keeps == f"the database as it is, with {NEW} (additive), {ADDED} (additive); every release"


def backup(name: str, age: int, **other: Any) -> FileStat:
    return replace(file(f"/var/backups/app/{name}", size=1, **other), modified=SERVED - age)


@pytest.mark.parametrize(
    "found, told",
    [
        (
            (backup("", 0, type="d"), backup("a.gz", 7200), backup("b.gz", 90000), backup("c", 1, type="l")),
            "the newest file in /var/backups/app is a.gz of 2023-11-14 20:13 UTC, 2 h old",
        ),
        ((replace(backup("a.gz", 1), size=ByteSize(0)),), "there is no backup in /var/backups/app"),
        ((), "there is no backup in /var/backups/app"),
        (FactError("Permission denied"), "whether there is a backup cannot be seen (Permission denied)"),
    ],
)
def test_how_old_the_newest_backup_is_is_said(found: tuple[FileStat, ...] | FactError, told: str) -> None:
    task = replace(BACK, backups=Path("/var/backups/app"))
    _, taken, *_ = task.plan(with_rollback(replace(BOTH, backups=found, now=SERVED))).changes
    assert taken.loses == f'column "note" of "b"; {told}'


def test_much_sql_is_cut_for_people_and_not_for_the_host() -> None:
    much = {ADDED: tuple(f"drop table t{number:03}" for number in range(99)), NEW: SQL[NEW]}
    lines = tuple(f"{ADDED}: {statement}" for statement in much[ADDED])
    _, taken, *_ = BACK.plan(with_rollback(replace(BOTH, pretended=Pretended(lines=lines, sql=much)))).changes
    assert taken.after.endswith("… (the commands have all of it)")
    assert taken.command.words[14:] == lines


def test_a_page_behind_which_an_earlier_run_took_something_back_is_not_put_up_again() -> None:
    """Who takes that back would let users see a bad release whose database is not there any more."""
    held = {"is_held": True, "maintenance": MARK}
    half = replace(
        BOTH, batches={OLD: 1, NEW: 2, ADDED: None}, pretended=Pretended(lines=LINES[2:], sql={NEW: SQL[NEW]})
    )
    assert [change.summary.partition(" ")[0] for change in BACK.plan(with_rollback(half, **held)).changes] == [
        "take", "serve", "end",
    ]  # fmt: skip
    none = replace(BOTH, batches={OLD: 1, NEW: None, ADDED: None}, pretended=None)
    assert [change.summary.partition(" ")[0] for change in BACK.plan(with_rollback(none, **held)).changes] == [
        "serve", "end",
    ]  # fmt: skip


def test_behind_somebody_elses_page_they_are_taken_back_and_it_stays() -> None:
    taken, switch = replace(BACK, to="2").plan(with_rollback(maintenance=MARK)).changes
    assert taken.summary.startswith("take back ")
    assert switch.undo.command is None


@pytest.mark.parametrize(
    "given, serves, is_asked",
    [
        ({}, "2", True),
        ({"migrations": "any"}, "2", False),
        ({"maintenance": "only"}, "2", False),
        ({"to": "9"}, "2", False),
        ({"to": "2"}, "2", False),
        ({"to": "bad"}, "2", False),
        ({}, "1", False),
    ],
)
def test_how_they_would_be_taken_back_is_read_only_where_a_person_wants_that_and_a_release_is_gone_back_from(
    given: dict[str, Any], serves: str, is_asked: bool
) -> None:
    where = "/srv/app/releases"
    new = f"{where}/2/database/migrations/9_new.php"
    older = record(f"{where}/1/database/migrations/8_old.php", device=SRV)
    found = b"".join(record(f"{where}/{name}", kind="d", device=SRV) for name in ("0", "1", "2", "bad")) + older
    found += b"".join(record(f"{where}/{name}/BAD_RELEASE", device=SRV) for name in ("2", "bad"))
    found += record(new, device=SRV)
    what = see(
        replace(BACK, **given).read(Reader()),
        *SYSTEMD,
        ("%l", said(f"l\tdeploy\t1.5\treleases/{serves}\0")),
        ("releases/2/artisan migrate:status", said("Migration name ... Batch / Status\n9_new ... [2] Ran\n")),
        ("releases/2/artisan migrate:rollback", said("Rolling back: 9_new\n9_new: drop table a\n")),
        ("-regextype", said(found)),
        ("-maxdepth 0", said(record("/srv/app", kind="d"))),
        (".dep", said(status=1, stderr=complaint("/srv/app/.dep"))),
        (
            "grep -oE",
            said(status=2, stderr="grep: /srv/app/current/storage/framework/down: No such file or directory\n"),
        ),
        ("/proc/net/tcp", said(LISTENS_ON_80)),
        ("framework/down", said(status=1, stderr=complaint("/srv/app/current/storage"))),
        ("count-by-minute", said(status=1)),
        ("date", said(f"{SERVED}\n")),
        ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
        ("grep", said(f"{new}\0x\n")),
        most_rounds=3 if is_asked else 2,
    )
    assert (what.rollback is not None) is is_asked
    if is_asked:
        assert what.rollback.pretended.sql == {"9_new": ("drop table a",)}


# ---- with migrations that have not run -------------------------------------------------------------------------------

DROPPED = f"return new class extends Migration {{ public {DROPS} public function down() {{ Schema::create('a'); }} }};"


def test_what_has_not_run_is_no_obstacle_and_that_is_said() -> None:
    what = replace(seen(THREE, {"1_add.php": ADDS, "2_drop.php": DROPPED}), waiting=frozenset({"2_drop.php"}))
    change = change_of(TASK, what)
    assert change.risk is Risk.DESTRUCTIVE, "a person decides: a migration that runs elsewhere just now cannot be seen"
    assert change.loses == "nothing, unless one runs on another host just now: 2_drop.php"
    assert change.keeps == "the database as it is, with 1_add.php (additive); every release"
    assert TASK.plan(what).because.endswith(". 1 migration between them never ran, artisan says: 2_drop.php")
    assert change.command.words[17:] == ("app-worker", "2_drop", *TEST)
    assert change.undo.command is not None
    assert change.undo.command.words[17:] == ("app-worker", "", *TEST), (
        "to serve the bad one again nothing is in the way"
    )
    both = replace(what, waiting=frozenset({"1_add.php", "2_drop.php"}))
    assert change_of(TASK, both).keeps == "the database as it is; every release"
    assert TASK.plan(both).because.endswith(
        ". 2 migrations between them never ran, artisan says: 1_add.php, 2_drop.php"
    )
    assert "2_drop.php (destructive). If its code" in refusal(TASK, replace(what, waiting=frozenset({"1_add.php"})))


NEVER = "Migration name ... Batch / Status\n8_old ... [1] Ran\n9_new ... Pending\n"
ON = {"pgsql": said(STARTED + described(driver="pgsql")), "mysql": said(STARTED + described(driver="mysql"))}


def seen_on_a_host(
    task: RollBackRelease,
    text: str = DROPPED,
    status: Output | FactError = said(NEVER),  # noqa: B008  # a value
    *more: tuple[str, Output | FactError],
    driver: str = "pgsql",
    rounds: int = 3,
) -> RollbackSeen:
    where = "/srv/app/releases"
    new = f"{where}/2/database/migrations/9_new.php"
    found = b"".join(
        record(f"{where}/{name}{inside}", kind=kind, device=SRV)
        for name in "12"
        for inside, kind in (("", "d"), ("/artisan", "f"), ("/vendor/autoload.php", "f"))
    )
    what: RollbackSeen = see(
        task.read(Reader()),
        *more,
        *SYSTEMD,
        ("%l", said("l\tdeploy\t1.5\treleases/2\0")),
        ("migrate:status", status),
        ("php -- application", ON[driver]),
        ("-regextype", said(found + record(new, device=SRV))),
        ("-maxdepth 0", said(record("/srv/app", kind="d"))),
        (".dep", said(status=1, stderr=complaint("/srv/app/.dep"))),
        (
            "grep -oE",
            said(status=2, stderr="grep: /srv/app/current/storage/framework/down: No such file or directory\n"),
        ),
        ("/proc/net/tcp", said(LISTENS_ON_80)),
        ("framework/down", said(status=1, stderr=complaint("/srv/app/current/storage"))),
        ("count-by-minute", said(status=1)),
        ("date", said(f"{SERVED}\n")),
        ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
        ("grep", said(f"{new}\0{text}\n")),
        most_rounds=rounds,
    )
    return what


def test_whether_they_have_run_is_asked_where_only_that_is_in_the_way() -> None:
    what = seen_on_a_host(TASK)
    assert what.waiting == {"9_new.php"}
    assert change_of(TASK, what).summary == "serve release 1 instead of 2"
    assert seen_on_a_host(replace(TASK, to="1")).waiting == {"9_new.php"}


@pytest.mark.parametrize(
    "status, driver",
    [
        (said(NEVER.replace("Pending", "[2] Ran")), "pgsql"),
        (said(status=255, stderr="PHP Parse error: syntax error\n"), "pgsql"),
        (said("\n   ERROR  Migration table not found.  \n", status=1), "pgsql"),
        (FactError("no answer"), "pgsql"),
        (said(NEVER), "mysql"),
    ],
)
def test_what_has_run_or_may_have_is_in_the_way_as_it_would_be_unasked(status: Output, driver: str) -> None:
    what = seen_on_a_host(TASK, DROPPED, status, driver=driver)
    assert what.waiting == frozenset()
    assert refusal(TASK, what) == refusal(TASK, replace(what, waiting=frozenset()))
    assert "9_new.php (destructive). If its code can go on with that: " in refusal(TASK, what)


@pytest.mark.parametrize(
    "given, text, more",
    [
        ({}, ADDS, ()),
        ({}, DROPS, ()),
        ({"migrations": "any"}, DROPPED, ()),
        ({"to": "9"}, DROPPED, ()),
        ({"began": "with-release"}, DROPPED, ()),
        ({}, DROPPED, ((".dep", said(record("/srv/app/.dep/deploy.lock"))),)),
        ({}, DROPPED, (("grep -a -H -Z", FactError("gone")),)),
    ],
)
def test_nobody_is_asked_where_the_answer_would_not_help(
    given: dict[str, Any], text: str, more: tuple[tuple[str, Output | FactError], ...]
) -> None:
    what = seen_on_a_host(replace(TASK, **given), text, FactError("nobody asks"), *more, rounds=2)
    assert what.waiting == frozenset()


# ---- what the script itself compares, immediately before the switch --------------------------------------------------


def run_switch(base: Here, **other: str) -> subprocess.CompletedProcess[str]:
    """Run the script on this machine; nothing here may come as far as the switch."""
    to, bad = base / "releases/1", base / "releases/2"
    for folder in (to, bad):
        folder.mkdir(parents=True)
    (base / "current").symlink_to("releases/2")

    def identity(folder: Here) -> str:
        return f"{folder.stat().st_dev}:{folder.stat().st_ino}"

    words = {
        "link": str(base / "current"), "now": "releases/2", "then": "releases/1", "to": str(to), "to_is": identity(to),
        "bad": str(bad), "bad_is": identity(bad), "caches": "", "owner": "root", "user": "nobody", "php": "php",
        "unit": "", "patience": "1", "programs": "", "unrun": "", "test": "false",
    }  # fmt: skip
    done = subprocess.run(
        SWITCH.bind(*{**words, **other}.values()), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert (base / "current").readlink() == Here("releases/2")
    assert not (bad / "BAD_RELEASE").exists()
    assert done.returncode == 75, done.stderr
    assert done.stderr.endswith(": nothing was switched\n")
    return done


def test_a_service_that_has_ended_has_no_processes() -> None:
    functions = SWITCH.text.partition("as_planned() {")[0]
    words = ["sh", "-c", f"{functions}\nchildren 0", "children", *["x"] * 15]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "", "not the first process of all"


@pytest.mark.skipif(not Here("/proc/self/cwd").exists(), reason="only Linux says where a process is")
@pytest.mark.parametrize("through", ["srv", "www"])
@pytest.mark.parametrize("words", [["artisan"], ["{base}/current/artisan"]])
def test_workers_are_found_whichever_link_leads_to_them(tmp_path: Here, through: str, words: list[str]) -> None:
    at = tmp_path / "srv/releases/1"
    at.mkdir(parents=True)
    other = tmp_path / "srv2/releases/1"
    other.mkdir(parents=True)
    (tmp_path / "www").symlink_to("srv")
    functions = SWITCH.text.partition("as_planned() {")[0]

    def worker(folder: Here) -> subprocess.Popen[bytes]:
        said = [word.format(base=folder.parents[1]) for word in words]
        return subprocess.Popen(
            [sys.executable, "-c", "input()", *said, "queue:work"], cwd=folder, stdin=subprocess.PIPE
        )

    with worker(at) as one, worker(other) as another:
        done = subprocess.run(
            ["sh", "-c", f"{functions}\nworkers", "workers", str(tmp_path / through / "current"), *["x"] * 14],
            capture_output=True,
            text=True,
            check=False,
        )
        for process in (one, another):
            process.communicate(b"\n")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [str(one.pid)], done.stderr


@dataclass
class Followers:
    """Workers of an application that a way back was made of, and what the script says of them."""

    base: Here
    begun: ExitStack

    @property
    def mark(self) -> Here:
        return self.base / "releases/2/ROLLBACK_UNFINISHED-1"

    def says(self, now: str) -> list[str]:
        """Return which workers may have the old code, where release 1 is served by now."""
        functions = SWITCH.text.partition("as_planned() {")[0]
        to, bad = (self.base / "releases" / name for name in "12")
        places = (self.base / "current", now, "releases/1", to, "", bad, "", "")
        script = f'{functions}\nserve_since "$bad/ROLLBACK_UNFINISHED-1"\nworkers'
        done = subprocess.run(
            ["sh", "-c", script, "switch", *map(str, places), *["x"] * 7],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        time.sleep(0.05)  # more than one tick of the kernel's
        return [line.partition(":")[0] for line in done.stdout.splitlines()]

    def worker(self, *words: str, at: str = "current", script: str = "input()") -> subprocess.Popen[str]:
        """Start one, which ends with the test."""
        process = subprocess.Popen(
            [sys.executable, "-c", script, *(words or ["artisan"]), "queue:work"],
            cwd=self.base / at,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.begun.callback(process.communicate, "\n")
        return process


@pytest.fixture
def followers(tmp_path: Here) -> Iterator[Followers]:
    for name in ("1", "2"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    (tmp_path / "releases/2/ROLLBACK_UNFINISHED-1").touch()
    with ExitStack() as begun:
        yield Followers(tmp_path, begun)


@pytest.mark.skipif(not Here("/proc/self/cwd").exists(), reason="only Linux says where a process is")
def test_a_worker_that_has_begun_since_the_switch_does_not_have_the_old_code(followers: Followers) -> None:
    old = str(followers.worker().pid)
    assert followers.says("releases/2") == [old]
    followers.worker()
    followers.worker(f"{followers.base}/current/artisan", at="..")
    assert followers.says("releases/1") == [old]
    assert followers.says("releases/1") == [old], "what was noted is kept by who goes on with it"


@pytest.mark.skipif(not Here("/proc/self/cwd").exists(), reason="only Linux says where a process is")
def test_a_worker_of_the_old_code_counts_whenever_it_has_begun(followers: Followers) -> None:
    assert followers.says("releases/2") == []
    old = (
        followers.worker(at="releases/2"),
        followers.worker(f"{followers.base}/releases/2/artisan", at=".."),
        followers.worker("artisan", f"--env={followers.base}/current/../releases/2/.env"),
    )
    assert sorted(followers.says("releases/1")) == sorted(str(one.pid) for one in old)


@pytest.mark.skipif(not Here("/proc/self/cwd").exists(), reason="only Linux says where a process is")
def test_a_worker_that_one_with_the_old_code_has_begun_counts_as_well(followers: Followers) -> None:
    script = "import os; input(); child = os.fork(); print(child, flush=True) if child else 0; input()"
    old = followers.worker(script=script)
    assert followers.says("releases/2") == [str(old.pid)]
    assert old.stdin is not None
    assert old.stdout is not None
    old.stdin.write("\n")
    old.stdin.flush()
    child = old.stdout.readline().strip()
    assert sorted(followers.says("releases/1")) == sorted([str(old.pid), child])


@pytest.mark.skipif(not Here("/proc/self/cwd").exists(), reason="only Linux says where a process is")
@pytest.mark.parametrize("since", ["switched", "restarted", "no block", "no number"])
def test_what_was_noted_of_another_switch_says_nothing_of_this_one(followers: Followers, since: str) -> None:
    assert followers.says("releases/2") == []
    worker = str(followers.worker().pid)
    noted = followers.mark.read_text()
    match since:
        case "switched":
            link = followers.base / "current"
            link.unlink()
            link.symlink_to("releases/1")
        case "restarted":
            boot = Here("/proc/sys/kernel/random/boot_id").read_text().strip()
            assert boot in noted
            followers.mark.write_text(noted.replace(boot, boot[::-1]))
        case "no block":
            followers.mark.write_text("")
        case _:
            followers.mark.write_text(f"x{noted}")
    assert followers.says("releases/1") == [worker]


@pytest.mark.parametrize(
    "other, why",
    [
        ({"now": "releases/3"}, "current leads elsewhere by now"),
        ({"to_is": "1:1"}, "releases/1 is another folder by now"),
        ({"bad_is": "1:1", "test": "true"}, "releases/2 is another folder by now"),
        ({"test": "false"}, "the configuration of  is not right ()"),
    ],
)
def test_whatever_is_not_as_planned_ends_it_before_anything_is_done(
    tmp_path: Here, other: dict[str, str], why: str
) -> None:
    assert why in run_switch(tmp_path, **other).stderr


def run_still_wait(
    base: Here, artisan: str, unrun: str = "1_a 2_b", proc: str = "/nobody"
) -> tuple[int, str, list[str]]:
    """What the script says of migrations that must not have run, with a PHP that says what a test wants.

    Args:
        proc: Where it sees processes; other tests run migrations on this machine.
    """
    for name in ("old", "new"):
        (base / name).mkdir()
    (base / "bin").mkdir()
    (base / "bin/php").write_text(f'#!/bin/sh\necho "$PWD $*" >>{base}/asked\ncase $PWD in\n{artisan}\nesac\n')
    (base / "bin/php").chmod(0o755)
    functions = SWITCH.text.partition("as_planned() {")[0].replace("/proc/[0-9]*/cmdline", f"{proc}/[0-9]*/cmdline")
    me = pwd.getpwuid(os.getuid()).pw_name
    words = [
        "switch", f"{base}/current", "now", "then", f"{base}/old", "", f"{base}/new", "", "", me, me, "php", "", "1",
        "", unrun,
    ]  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", f"{functions}\nstill_wait\necho goes on", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": f"{base}/bin:{os.environ['PATH']}"},
        timeout=60,
    )
    asked = (base / "asked").read_text().splitlines() if (base / "asked").exists() else []
    return done.returncode, done.stdout + done.stderr, asked


def told(*rows: str) -> str:
    return "; ".join(f"echo '{row}'" for row in ("Migration name ... Batch / Status", "  0_old ... [1] Ran", *rows))


NEITHER = told("1_a ... Pending", "2_b ... Pending")
TABLED = "; ".join(f"echo '{row}'" for row in ("| Yes  | 0_old | 1 |", "| No   | 1_a |  |", "| No   | 2_b |  |"))


@pytest.mark.parametrize(
    "artisan, why",
    [
        (f"*) {NEITHER} ;;", ""),
        (f"*) {TABLED} ;;", ""),
        (f"*/new) exit 255 ;; *) {NEITHER} ;;", ""),
        (f"*/new) {NEITHER} ;; *) echo no >&2; exit 1 ;;", ""),
        (f"*/new) {told('1_a ... Pending', '2_b ... [2] Ran')} ;; *) {NEITHER} ;;", "migration 2_b has run by now"),
        (f"*/old) {told('1_a ... [2] Ran', '2_b ... Pending')} ;; *) {NEITHER} ;;", "migration 1_a has run by now"),
        (f"*) {told('1_a ... [2] Ran', '2_b ... [2] Ran')} ;;", "migration 2_b has run by now"),
        (f"*) {told('1_a ... Pending')} ;;", "migration 2_b has run by now"),
        ("*) exit 255 ;;", "which migrations have run cannot be told any more"),
        ("*) echo 'Nothing. 1_a ... Pending' ;;", "which migrations have run cannot be told any more"),
    ],
)
def test_a_migration_that_has_run_meanwhile_ends_it(tmp_path: Here, artisan: str, why: str) -> None:
    status, said_then, asked = run_still_wait(tmp_path, artisan)
    assert (status, said_then) == ((75, f"{why}: nothing was switched\n") if why else (0, "goes on\n"))
    assert asked[0] == f"{tmp_path}/new artisan migrate:status --no-interaction --no-ansi"
    there = f"--path={tmp_path}/new/database/migrations --realpath"
    assert asked[1:] in (
        [],
        [f"{tmp_path}/old artisan migrate:status {there} --no-interaction --no-ansi"],
    )


@pytest.mark.skipif(not Here("/proc/self/cmdline").exists(), reason="only Linux says what processes were started with")
def test_migrations_that_somebody_runs_just_then_end_it(tmp_path: Here) -> None:
    words = [sys.executable, "-c", "input()", "artisan", "migrate", "--force"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as one:
        found = run_still_wait(tmp_path, f"*) {NEITHER} ;;", proc="/proc")
        one.communicate(b"\n")
    assert found == (75, "somebody runs migrations just now: nothing was switched\n", [])


def test_artisan_is_not_asked_where_nothing_depends_on_it(tmp_path: Here) -> None:
    assert run_still_wait(tmp_path, "*) exit 255 ;;", unrun="") == (0, "goes on\n", [])


def test_a_deployment_that_has_begun_meanwhile_ends_it(tmp_path: Here) -> None:
    (tmp_path / ".dep").mkdir()
    (tmp_path / ".dep/deploy.lock").touch()
    assert "somebody deploys" in run_switch(tmp_path).stderr


def test_a_link_in_the_place_of_a_release_is_not_it(tmp_path: Here) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "other").mkdir()
    where = tmp_path / "other"
    identity = f"{where.stat().st_dev}:{where.stat().st_ino}"
    assert "another folder" in run_switch(tmp_path, to=str(tmp_path / "link"), to_is=identity).stderr
