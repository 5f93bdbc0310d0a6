"""Rights: what a login has to be allowed by sudo, where it is not to have all of root's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from soleil_remediate.command import Command

#: The programs that the scripts of changes start with root's rights; each is found by sudo on its own path.
SYSTEMCTL, SUPERVISORCTL = "/usr/bin/systemctl", "/usr/bin/supervisorctl"

#: For scripts that run with root's rights, or with a login's for which sudo lists what they need. ``root`` runs its
#: words with root's rights; ``may`` is true where that will be allowed, and runs nothing.
ROOT = r"""root() { case $(id -u) in 0) "$@" ;; *) sudo -n -- "$@" ;; esac; }
may() { case $(id -u) in 0) ;; *) sudo -n -l -- "$@" >/dev/null 2>&1 ;; esac; }
"""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that a login is allowed to do as somebody else.

    Args:
        user: As whom.
        program: Which program, as sudoers(5) has it: an absolute path, in which ``*`` stands for anything but a slash;
            empty where it is all of that user's rights.
        arguments: A regular expression for all of its arguments, joined by single spaces.
    """

    user: str
    program: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that a change does as somebody else.

    Args:
        words: What it starts; empty where that user's own rights are what it takes.
        user: As whom.
        told_by: The input by which ``sudoers``, which asks no host, is told of that user; empty where it knows.
    """

    words: tuple[str, ...] = ()
    user: str = "root"
    told_by: str = field(default="", compare=False)

    def __str__(self) -> str:
        return " ".join(self.words) or f"what runs as {self.user}"

    @property
    def question(self) -> Command:
        """What asks sudo whether it will be allowed, and starts nothing."""
        return Command(("sudo", "-n", "-l", "-u", self.user, "--", *(self.words or ("true",))))

    def is_covered_by(self, right: Right) -> bool:
        """Whether a rule of sudoers for *right* allows it."""
        if right.user != self.user or not right.program:
            return right.user == self.user
        if not self.words:
            return False
        name = self.words[0].rpartition("/")[2]
        is_program = fnmatchcase(name, right.program.rpartition("/")[2])
        return is_program and re.fullmatch(right.arguments, " ".join(self.words[1:])) is not None


#: To ask supervisor how its programs are.
SEE_PROGRAMS = Right("root", SUPERVISORCTL, "status")

#: Where root installs what tests a configuration without a trace: no text of a login's own is then run as root.
TESTER = "/usr/local/lib/soleil-remediate/without-a-trace"
#: What tests a configuration, as Debian's own units start these programs, and nothing else: while looking, and by a
#: change itself before it is loaded.
TEST_NGINX = (Right("root", TESTER, "/usr/sbin/nginx -t"), Right("root", "/usr/sbin/nginx", "-t"))
#: What no configuration of Redis holds: it reads its own in order, and stops at the first setting that it cannot know.
NO_SETTING = "tested-by-soleil-remediate"
TEST_REDIS = (
    Right("root", TESTER, rf"/usr/bin/(redis|valkey)-server /etc/[a-z]+/[A-Za-z0-9_.-]+\.conf --{NO_SETTING}"),
)
_PHP_CONFIGURATION = r"-t --fpm-config /etc/php/[0-9]+\.[0-9]+/fpm/php-fpm\.conf"
TEST_PHP_FPM = (
    Right("root", TESTER, f"/usr/sbin/php-fpm[0-9.]* {_PHP_CONFIGURATION}"),
    Right("root", "/usr/sbin/php-fpm*", _PHP_CONFIGURATION),
)


def to_act_on(unit: str, *verbs: str) -> tuple[Right, ...]:
    """Return the rights to tell systemd *verbs* about a unit whose name may hold ``*`` and ``?``, and to test it."""
    one_word = {"*": "[0-9A-Za-z_.@-]*", "?": "[0-9A-Za-z_.@-]"}
    name = "".join(one_word.get(letter) or re.escape(letter).replace(r"\-", "-") for letter in unit)
    return (*(Right("root", SYSTEMCTL, f"{verb} -- {name}") for verb in (*verbs, "reset-failed")), *to_test(unit))


def to_test(*units: str) -> tuple[Right, ...]:
    """Return the rights to test the configurations of units whose names may hold ``*`` and ``?``."""
    tests = {"nginx": TEST_NGINX, "php": TEST_PHP_FPM, "redis": TEST_REDIS}
    return tuple(
        right for unit in units for start, rights in tests.items() if unit.startswith(start) for right in rights
    )


def together(parts: Iterable[tuple[Right, ...] | None]) -> tuple[Right, ...]:
    """Return the rights of several tasks, each once, in a lasting order; those that need all of root's are left out."""
    return tuple(sorted({right for part in parts if part is not None for right in part}))
