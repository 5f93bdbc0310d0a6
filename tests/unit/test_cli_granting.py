"""``sudoers``: the rule that is printed, for whom, and what is said about it."""

from __future__ import annotations

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


NARROW = """\
all:
  vars: {ansible_user: deploy, sudo: narrow, app: {name: shop, root: /srv/shop/current}}
  children: {web: {hosts: {web1: {}}}}
"""

RULES = """
deploy ALL=(root) NOPASSWD: /usr/bin/supervisorctl ^(status [0-9A-Za-z_.-]+\\:\\*|start [0-9A-Za-z_.\\:-]+)$
deploy ALL=(root) NOPASSWD: /usr/bin/systemctl ^reload -- php[0-9A-Za-z\\:_.@-]*-fpm\\.service$
deploy ALL=(root) NOPASSWD: /usr/bin/systemctl ^reset-failed -- php[0-9A-Za-z\\:_.@-]*-fpm\\.service$
deploy ALL=(root) NOPASSWD: {tester} ^/usr/sbin/php-fpm[0-9.]* -t --fpm-config /etc/php/[0-9.]+/fpm/php-fpm\\.conf$
deploy ALL=(root) NOPASSWD: /usr/sbin/php-fpm* ^-t --fpm-config /etc/php/[0-9.]+/fpm/php-fpm\\.conf$
deploy ALL=(www-data) NOPASSWD: ALL
""".replace("{tester}", TESTER)


def test_single_commands_are_listed_where_the_inventory_wants_no_more(
    inventory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", "failed-deployment-rollback", "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    assert f"<<'END'{RULES}END" in said
    assert "# For the changes of release.rollback, checkout.rollback." in said
    assert "a+ /run/soleil-remediate - - - - u:deploy:rx" in said


def test_what_single_commands_cannot_do_is_said(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW)
    said = printed(inventory, capsys, "--host", "web1")
    assert "# NOT DONE BY SINGLE COMMANDS" in said
    assert "log.truncate" in said
    assert "ALL=" not in said
    words = ["sudoers", "failed-deployment-rollback", "--inventory", inventory, "--host", "web1"]
    assert cli.main([*words, "--set", "maintenance=yes"]) == 0
    assert "ALL=" not in capsys.readouterr().out


def test_nobody_gets_all_of_roots_rights_as_single_commands(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(inventory).write_text(NARROW.replace("root: /srv", "user: root, root: /srv"))
    assert cli.main(["sudoers", "application-down", "--inventory", inventory, "--host", "web1"]) == 2
    assert "web1: the application runs as root there" in capsys.readouterr().err


@pytest.mark.parametrize("scenario", ["application-down", "failed-deployment-rollback", "disk-full"])
@pytest.mark.skipif(shutil.which("visudo") is None, reason="sudo is not installed: apt-get install sudo")
def test_sudo_and_sh_take_the_single_commands(
    inventory: str, capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    Path(inventory).write_text(NARROW)
    assert cli.main(["sudoers", scenario, "--inventory", inventory, "--host", "web1"]) == 0
    said = capsys.readouterr().out
    rules = "".join(line for line in said.splitlines(keepends=True) if " ALL=(" in line)
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
