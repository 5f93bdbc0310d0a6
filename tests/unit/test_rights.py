"""What a login is allowed where it is not to have all of root's rights."""

from __future__ import annotations

import re
from typing import Any

import pytest

from soleil_remediate.rights import ROOT, TEST_NGINX, TEST_PHP_FPM, Right, to_act_on, together
from soleil_remediate.task import Task
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
    assert {right.program for right in to_act_on("apache2.service", "reload")} == {"/usr/bin/systemctl"}


def test_the_rights_of_several_tasks_are_told_once_and_in_the_same_order() -> None:
    one, two = Right("root", "/usr/bin/a", "x"), Right("www-data")
    assert together([(two, one), None, (one,)]) == together([(one,), (two,)]) == (one, two)


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
