"""What a login is allowed where it is not to have all of root's rights."""

from __future__ import annotations

import re
from typing import Any

import pytest

from soleil_remediate.rights import (
    ROOT,
    SUPERVISORCTL,
    TEST_NGINX,
    TEST_PHP_FPM,
    TEST_REDIS,
    Right,
    Use,
    to_act_on,
    together,
)
from soleil_remediate.task import Task
from soleil_remediate.tasks.releases import RollBackRelease
from tests.laws.samples import TASKS, changes_of, sample

#: What changes a service or somebody's processes, as a script would write it.
_NEEDS_ROOT = re.compile(
    r"(?<!root )(?<!may )\b(?:systemctl (?:start|stop|restart|reload|reset-failed)|systemctl \"\$verb\"|supervisorctl )"
)


@pytest.mark.parametrize(
    "pattern, allowed, refused",
    [
        ("nginx.service", ("nginx.service",), ("nginxxservice", "nginx.service ssh.service", "php-fpm.service")),
        (
            "php*-fpm.service",
            ("php8.2-fpm.service", "php-fpm.service"),
            ("php8.2-fpm.service ssh.service", "php --now x-fpm.service", "phpx/y-fpm.service", "ssh.service"),
        ),
        ("php?.?-fpm.service", ("php8.2-fpm.service",), ("php8..2-fpm.service", "php8 2-fpm.service")),
    ],
)
def test_a_units_pattern_never_allows_a_second_word(
    pattern: str, allowed: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    (restart,) = [right for right in to_act_on(pattern, "restart") if right.arguments.startswith("restart")]
    assert all(re.fullmatch(restart.arguments, f"restart -- {name}") for name in allowed)
    assert not any(re.fullmatch(restart.arguments, f"restart -- {name}") for name in refused)
    assert not re.fullmatch(restart.arguments, f"stop -- {allowed[0]}")


def test_what_is_tested_first_is_allowed_to_be_tested() -> None:
    assert set(TEST_NGINX) < set(to_act_on("nginx.service", "reload"))
    assert set(TEST_PHP_FPM) < set(to_act_on("php*-fpm.service", "reload"))
    assert set(TEST_REDIS) < set(to_act_on("redis*.service", "start"))
    assert {right.program for right in to_act_on("apache2.service", "reload")} == {"/usr/bin/systemctl"}


def test_the_rights_of_several_tasks_are_told_once_and_in_the_same_order() -> None:
    one, two = Right("root", "/usr/bin/a", "x"), Right("www-data")
    assert together([(two, one), None, (one,)]) == together([(one,), (two,)]) == (one, two)


@pytest.mark.parametrize(
    "right, use, is_covered",
    [
        (Right("www-data"), Use(user="www-data"), True),
        (Right("www-data"), Use(("id",), "www-data"), True),
        (Right("www-data"), Use(("id",)), False),
        (Right("root", SUPERVISORCTL, "start a"), Use(("supervisorctl", "start", "a")), True),
        (Right("root", SUPERVISORCTL, "start a"), Use((SUPERVISORCTL, "start", "a")), True),
        (Right("root", SUPERVISORCTL, "start a"), Use(("supervisorctl", "start", "a", "b")), False),
        (Right("root", SUPERVISORCTL, "start a"), Use(("systemctl", "start", "a")), False),
        (Right("root", SUPERVISORCTL, "start a"), Use(), False),
        (Right("root", "/usr/sbin/php-fpm*", "-t"), Use(("/usr/sbin/php-fpm8.2", "-t")), True),
    ],
)
def test_a_right_covers_what_its_rule_of_sudoers_would_allow(right: Right, use: Use, is_covered: bool) -> None:
    assert use.is_covered_by(right) is is_covered


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_what_sudo_is_asked_about_beforehand_is_what_the_printed_rules_allow(kind: type[Task[Any]]) -> None:
    task = sample(kind)
    assert isinstance(task, Task)
    rights = task.rights()
    for change in changes_of(kind):
        if rights is None or change.is_roots:
            assert change.uses == ()
        else:
            assert change.uses, "nobody would know before that sudo refuses it"
            for use in change.uses:
                assert any(use.is_covered_by(right) for right in rights), use


def test_to_start_a_program_is_not_to_start_all_of_them() -> None:
    task = sample(RollBackRelease)
    assert isinstance(task, Task)
    rights = task.rights() or ()
    covered = {
        name: any(Use(("supervisorctl", "start", name)).is_covered_by(right) for right in rights)
        for name in ("soleil-worker:soleil-worker_00", "single:single", "all", "single", "soleil-worker:*")
    }
    assert [name for name, is_covered in covered.items() if is_covered] == [
        "soleil-worker:soleil-worker_00",
        "single:single",
    ]


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_whoever_names_rights_takes_no_others(kind: type[Task[Any]]) -> None:
    """Everything that only root may do goes through ``root``, which asks sudo where the login is not root."""
    task = sample(kind)
    assert isinstance(task, Task)
    if task.rights() is None:
        return
    for change in changes_of(kind):
        for command in (change.command, change.undo.command):
            if command is not None and command.user is None:
                text = command.words[2]
                assert command.words[:2] == ("sh", "-c")
                assert ROOT in text
                assert not _NEEDS_ROOT.search(re.sub(r"#.*|printf .*|echo .*|stop \".*", "", text))
