"""``sudoers``: the rule that is printed, for whom, and what is said about it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.rights import TESTER

INVENTORY = """\
all:
  vars: {ansible_user: deploy}
  hosts:
    web1: {}
    web2: {}
    asks: {ansible_user: jan@corp, ansible_become_password: "env:NOT_SET"}
    root: {ansible_user: root}
    looks: {ansible_become: false}
    db1: {policy: {mode: observe}}
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    file = tmp_path / "production.yml"
    file.write_text(INVENTORY)
    return str(file)


def printed(inventory: str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["sudoers", "disk-full", "--inventory", inventory, *words]) == 0
    return capsys.readouterr().out


def test_each_login_gets_the_rule_it_needs(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(inventory, capsys, "--all-hosts").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "deploy ALL=(root) NOPASSWD: /usr/bin/sh",
        "jan\\@corp ALL=(root) /usr/bin/sh",
    ]
    assert "# disk-full on web1, web2" in lines
    assert "# root needs no rule" in lines
    assert any("looks" in line for line in lines)
    assert any(line.startswith("# deploy needs no rule: sudo is not used there") for line in lines)


def test_what_it_gives_away_is_said_in_it(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = printed(inventory, capsys, "--host", "web1")
    assert "IT IS ALL OF ROOT'S RIGHTS" in said
    assert "log.truncate" in said
    assert max(map(len, said.splitlines())) <= 120


def test_where_nothing_may_be_changed_no_rule_is_printed(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(inventory, capsys, "--host", "db1").splitlines() == [
        "# disk-full on db1",
        "# no rule: nothing may be changed there (mode: observe)",
    ]
    assert cli.main(["sudoers", "disk-full", "--host", "deploy@web1"]) == 0
    assert "# no rule: nothing may be changed there (it stands in no inventory)" in capsys.readouterr().out


def test_a_host_without_a_login_is_told_where_to_write_one(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text("all:\n  hosts:\n    whoever:\n")
    assert cli.main(["sudoers", "disk-full", "--inventory", inventory, "--host", "whoever"]) == 2
    assert "whoever: the inventory does not say who logs in there: write ansible_user" in capsys.readouterr().err


def test_a_routine_gets_its_rule_also_where_nothing_may_be_changed(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sudoers", "daily", "--inventory", inventory, "--host", "web1,db1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# daily on web1, db1\n# For the checks of page.served, page.reached, ")
    assert "\ndeploy ALL=(root) NOPASSWD: /usr/bin/sh\n" in said


NARROW = """\
all:
  vars: {ansible_user: deploy, sudo: narrow, app: {name: shop, root: /srv/shop/current}}
  children: {web: {hosts: {web1: {}}}}
"""

RULES = """
Defaults:deploy listpw=all
deploy ALL=(root) CWD=/ NOPASSWD: /usr/bin/supervisorctl ^(status NAME\\:\\*|start NAME\\:NAME)$
deploy ALL=(root) CWD=/ NOPASSWD: /usr/bin/systemctl ^reload -- php[0-9A-Za-z_.@-]*-fpm\\.service$
deploy ALL=(root) CWD=/ NOPASSWD: /usr/bin/systemctl ^reset-failed -- php[0-9A-Za-z_.@-]*-fpm\\.service$
deploy ALL=(root) CWD=/ NOPASSWD: {tester} ^/usr/sbin/php-fpm[0-9.]* -t --fpm-config {php}$
deploy ALL=(root) CWD=/ NOPASSWD: /usr/sbin/php-fpm* ^-t --fpm-config {php}$
deploy ALL=(www-data) NOPASSWD: ALL
""".replace("{tester}", TESTER)
RULES = RULES.replace("{php}", r"/etc/php/[0-9]+\.[0-9]+/fpm/php-fpm\.conf").replace(
    "NAME", "[0-9A-Za-z_][0-9A-Za-z_.-]*"
)


def test_single_commands_are_listed_where_the_inventory_wants_no_more(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", "failed-deployment-rollback", "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    assert f"<<'END'{RULES}END" in said
    assert "# For the changes of release.rollback, checkout.rollback." in said
    assert "a+ /run/soleil-remediate - - - - u:deploy:rx" in said


def test_for_a_routine_only_what_asks_is_allowed(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", "daily", "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    assert "# For the checks of page.served, page.reached, " in said
    rules = [line for line in said.splitlines() if " ALL=(" in line]
    assert "deploy ALL=(www-data) NOPASSWD: ALL" in rules
    assert not [line for line in rules if re.search("reload|restart|start", line)]
    assert "/run/soleil-remediate" not in said, "who only looks takes no lock"
    assert "rules=/etc/sudoers.d/soleil-remediate-deploy-daily\n" in said


@pytest.mark.parametrize(
    "routine, checks", [("weekly", "jobs.done, queries.quick, database.size"), ("monthly", "requests.served")]
)
def test_who_counts_as_the_application_needs_its_user_alone(
    inventory: str, capsys: pytest.CaptureFixture[str], routine: str, checks: str
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", routine, "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    assert f"# For the checks of {checks}.\n" in said
    rules = [line for line in said.splitlines() if " ALL=(" in line]
    assert rules == (["deploy ALL=(www-data) NOPASSWD: ALL"] if routine == "weekly" else [])


@pytest.mark.parametrize(
    "name, instead",
    [("daly", "daily"), ("disk-ful", "disk-full"), ("zzz", None)],
)
def test_a_misspelt_name_may_have_meant_a_scenario_or_a_routine(
    inventory: str, capsys: pytest.CaptureFixture[str], name: str, instead: str | None
) -> None:
    assert cli.main(["sudoers", name, "--inventory", inventory, "--host", "web1"]) == 2
    said = capsys.readouterr().err
    assert f"unknown scenario or routine {name!r}: " in said
    assert (f"did you mean {instead!r}?" if instead else "known: ") in said


def test_a_name_that_is_a_scenarios_and_a_routines_is_neither(
    inventory: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "own/routines").mkdir(parents=True)
    own = tmp_path / "own/routines/disk-full.yml"
    own.write_text("routine: disk-full\ntitle: Ours\nduties:\n  - {duty: look, what: Look, every: 1d}\n")
    words = ["sudoers", "disk-full", "--inventory", inventory, "--host", "web1", "--playbooks", str(tmp_path / "own")]
    assert cli.main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"disk-full is a scenario in \S*disk-full\.yml:\S+, and a routine in {own}:\S+: rename one", said)


def test_two_applications_of_one_machine_have_rules_in_a_file_each(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    apps = "apps: {shop: {root: /srv/shop/current}, blog: {root: /srv/blog/current, user: blog}}"
    Path(inventory).write_text(NARROW.replace("app: {name: shop, root: /srv/shop/current}", apps))
    assert cli.main(["sudoers", "failed-deployment-rollback", "--inventory", inventory, "--all-hosts"]) == 0
    said = capsys.readouterr().out
    assert re.findall("^rules=(.*)$", said, re.MULTILINE) == [
        "/etc/sudoers.d/soleil-remediate-deploy-failed-deployment-rollback-shop",
        "/etc/sudoers.d/soleil-remediate-deploy-failed-deployment-rollback-blog",
    ]


def test_no_script_is_run_where_it_is_not_meant(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW.replace("{web1: {}}", "{web1: {}, web2: {ansible_user: jan}, web3: {}}"))
    words = ["sudoers", "application-down", "--inventory", inventory, "--host"]
    assert cli.main([*words, "web"]) == 2
    assert "web1 and web2 need different scripts: have each printed alone, by --host" in capsys.readouterr().err
    assert cli.main([*words, "web1,web3"]) == 0
    assert "# application-down on web1, web3\n" in capsys.readouterr().out


def test_what_a_broken_application_would_give_away_is_said(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW.replace("root: /srv", "user: deploy, root: /srv"))
    assert cli.main(["sudoers", "application-down", "--inventory", inventory, "--host", "web1"]) == 0
    assert "WHOEVER BREAKS INTO THE APPLICATION HAS THESE RIGHTS, TOO" in capsys.readouterr().out


def test_what_single_commands_cannot_do_is_said(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW)
    said = printed(inventory, capsys, "--host", "web1")
    assert "# NOT DONE BY SINGLE COMMANDS" in said
    assert "log.truncate" in said
    assert "ALL=" not in said
    words = ["sudoers", "failed-deployment-rollback", "--inventory", inventory, "--host", "web1"]
    assert cli.main([*words, "--set", "maintenance=yes"]) == 0
    assert "ALL=" not in capsys.readouterr().out


@pytest.mark.parametrize("scenario", ["application-down", "failed-deployment-rollback"])
def test_whose_the_releases_are_is_said_and_gets_a_rule(
    inventory: str, capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    Path(inventory).write_text(NARROW)
    words = ["sudoers", scenario, "--inventory", inventory, "--host", "web1"]
    assert cli.main([*words, "--set", "owner=releaser"]) == 0
    said = capsys.readouterr().out
    assert "\ndeploy ALL=(releaser) NOPASSWD: ALL\ndeploy ALL=(root) " in said
    assert "# releaser runs the application, or its code is theirs: " in said
    assert cli.main([*words, "--set", "owner=root"]) == 2
    assert "owner must be the name of a user other than root" in capsys.readouterr().err


def test_what_only_the_applications_user_can_be_asked_may_be_asked(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", "redis-down", "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    assert "\ndeploy ALL=(www-data) NOPASSWD: ALL\n" in said
    assert f"NOPASSWD: {TESTER} ^/usr/bin/(redis|valkey)-server /etc/" in said
    assert "# NOT DONE BY SINGLE COMMANDS, they need all of root's rights: redis-memory.raise, redis.restart." in said


def test_nobody_gets_all_of_roots_rights_as_single_commands(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW.replace("root: /srv", "user: root, root: /srv"))
    assert cli.main(["sudoers", "application-down", "--inventory", inventory, "--host", "web1"]) == 2
    assert "web1: the application runs as root there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "scenario",
    [
        "application-down",
        "database-connection-failure",
        "failed-deployment-rollback",
        "high-error-rate",
        "disk-full",
        "double-booking",
        "queue-backlog",
        "rate-limit-breach",
        "redis-down",
        "security-incident",
        "slow-response",
    ],
)
@pytest.mark.skipif(shutil.which("visudo") is None, reason="sudo is not installed: apt-get install sudo")
def test_sudo_and_sh_take_the_single_commands(
    inventory: str, capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", scenario, "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    rules = "".join(line for line in said.splitlines(keepends=True) if line.startswith(("deploy ALL", "Defaults:")))
    for words, text in ((["visudo", "-cf", "-"], rules), (["sh", "-n"], said)):
        checked = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
    assert bool(rules) is (scenario != "disk-full")


@pytest.mark.parametrize("login", ["jan@corp", "jan.k", "Jan", "$(id)", "a b"])
def test_a_login_that_could_be_read_as_something_else_gets_no_script(
    inventory: str, capsys: pytest.CaptureFixture[str], login: str
) -> None:
    Path(inventory).write_text(NARROW.replace("deploy", f"'{login}'"))
    assert cli.main(["sudoers", "application-down", "--inventory", inventory, "--host", "web1"]) == 2
    assert "web1: sudo: narrow wants a login of small letters" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("visudo") is None, reason="sudo is not installed: apt-get install sudo")
def test_sudo_takes_what_is_printed(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    rules = printed(inventory, capsys, "--all-hosts")
    checked = subprocess.run(["visudo", "-cf", "-"], input=rules, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
