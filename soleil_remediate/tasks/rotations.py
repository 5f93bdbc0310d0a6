"""Repair logs by rotating them before their time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.disks import space_on
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.rotations import RotatedLog, RotationsSeen, Rule, is_compressed, read_rotations
from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE, where_to_free
from soleil_remediate.units import ByteSize, Duration, MiB

#: Rotate log $1, which is device:inode $2, by the rule on standard input. logrotate takes rules from a plain file
#: only; that one lies in memory, for as long as this takes.
ROTATE_LOG = Script(
    "rotate-log",
    SETTLE
    + r"""set -eu
stop() { printf '%s\n' "$1" >&2; exit 75; }
[ "$(stat -c '%d:%i' -- "$1")" = "$2" ] || stop "$1 is another file by now: nothing was rotated"
rule=$(mktemp -p /run soleil-rotate.XXXXXX)
trap 'rm -f -- "$rule"' EXIT
trap 'exit 124' TERM
cat >"$rule"
was=$(stat -c %s -- "$1")
logrotate --force "$rule"
is=$(stat -c '%d:%i' -- "$1" 2>/dev/null || :)
# Where it is copied and truncated, whoever writes it goes on meanwhile.
if [ "$is" = "$2" ] && [ -s "$1" ] && [ "$(stat -c %s -- "$1")" -ge "$was" ]; then
    stop "logrotate left $1 as it was"
fi
settle "${1%/*}/"
echo rotated
""",
)

#: Text compresses to a fifth or better; so much is promised, and so much room is asked for.
_SHRINKS_TO = 5
#: Beyond what is promised, something must be left for everybody else while it runs.
_SPARE = MiB(1)


@dataclass(frozen=True, kw_only=True)
class RotateLog(Task[RotationsSeen]):
    """Rotate a log now, by the rule logrotate has for it, where that frees space.

    Rotating by itself frees nothing: only compressing does, and that needs room first. So this helps on a disk that is
    nearly full, or full for all but root; where the rule compresses one rotation late (delaycompress), it is the log
    before this one that shrinks. Nothing is removed: for this once, as many old logs are kept as there are. The rule's
    own scripts run as they do every night, and may reload a service.

    Args:
        path: The log on the host, absolute; its last part may be a shell pattern such as ``*.log``. A symlink is
            refused, also one on the way there.
        larger_than: Logs that take no more than this are left alone.

    Raises:
        Unplannable: No log that is too large has a rule that can be trusted and keeps what it rotates.
    """

    kind = "log.rotate"
    rounds = 1
    risk: ClassVar[Risk] = Risk.DISRUPTIVE
    clears: ClassVar[bool] = True

    path: PurePosixPath
    larger_than: ByteSize

    def __post_init__(self) -> None:
        if not self.path.is_absolute() or ".." in self.path.parts or not self.path.name:
            raise ValueError(f"{self.path} must be absolute and name a file")

    async def read(self, host: Reader) -> RotationsSeen:
        return await read_rotations(host, self.path)

    def plan(self, seen: RotationsSeen) -> Plan:
        large = [log for log in seen.logs if log.file.is_regular and log.file.content > self.larger_than]
        if not large:
            return Plan.nothing(f"{self.path}: no log takes more than {self.larger_than}")
        if not seen.is_installed:
            return Plan.nothing("logrotate is not installed")
        changes: list[Change] = []
        useless: list[str] = []
        refusals: list[str] = []
        for log in large:
            if log.rule is None:
                useless.append(f"logrotate has no rule for {log.path}")
                continue
            try:
                change = self._rotation(log, log.rule, seen)
            except Unplannable as error:
                refusals.append(str(error))
                continue
            if isinstance(change, str):
                useless.append(change)
            else:
                changes.append(change)
        if changes:
            reasons = (f"{log.path} takes {log.file.content}, over {self.larger_than}" for log in large)
            return Plan.of_each(*changes, because="; ".join(reasons))
        if refusals:
            raise Unplannable("; ".join(refusals))
        return Plan.nothing("; ".join(useless))

    def _rotation(self, log: RotatedLog, rule: Rule, seen: RotationsSeen) -> Change | str:
        """Return what rotates a log, or why that would be of no use.

        Raises:
            Unplannable: It may not be rotated.
        """
        _refuse_unless_safe(log, rule)
        file_system = where_to_free(log.path, seen.file_systems.holding(log.path, log.file.device))
        shrinks = _shrinks(log, rule)
        if shrinks is None:
            return f"rotating {log.path} compresses nothing yet"
        needed = ByteSize(shrinks.content // _SHRINKS_TO + _SPARE)
        if rule.value("copytruncate") is not None:
            needed = ByteSize(needed + log.file.content)
        if file_system.free < needed:
            return f"rotating {log.path} needs {needed} free on {file_system.mount}, there is {file_system.free}"
        freed = ByteSize(shrinks.content - shrinks.content // _SHRINKS_TO)
        if freed < _SPARE:
            return f"rotating {log.path} frees next to nothing now"
        return Change(
            summary=f"rotate {log.path} by {rule.source}",
            command=Command(
                ROTATE_LOG.bind(log.path, log.file.identity), stdin=_rule_for(log, rule), deadline=Duration(600)
            ),
            risk=self.risk,
            undo=Undo.none("the rotated log stays beside it"),
            before=f"{log.file.content}, and {len(log.rotated)} rotated ones",
            after=f"begun anew; {shrinks.path.name} compressed",
            keeps="every line, and every log rotated before",
            downtime="what the rule's own script does" if rule.has_script else "none",
            relieves=(Relief(subject=space_on(file_system.mount), amount=f"about {freed}"),),
        )


def _refuse_unless_safe(log: RotatedLog, rule: Rule) -> None:
    """Raise Unplannable where rotating could do something other than what the plan says."""
    if log.path != log.file.path:
        raise Unplannable(f"{log.file.path} is reached through a symlink: name {log.path} itself")
    if log.file.links != 1 or not log.file.is_named_plainly or set(str(log.path)) & set('"\\*?[]{}\n'):
        raise Unplannable(f"{log.path} is not a plain file of its own with a plain name")
    if not log.is_rule_trusted:
        raise Unplannable(f"others than root may change {rule.source}")
    if rule.count < 1 or any(rule.value(name) is not None for name in ("shred", "mail")):
        raise Unplannable(f"{rule.source} keeps nothing of {log.path} when it rotates it")


def _shrinks(log: RotatedLog, rule: Rule) -> FileStat | None:
    """Return which file the rule compresses this time; ``None`` where none."""
    if rule.value("compress") is None:
        return None
    if rule.value("delaycompress") is None:
        return log.file
    return next((file for file in log.rotated if file.is_regular and not is_compressed(file)), None)


def _rule_for(log: RotatedLog, rule: Rule) -> str:
    """Return the rule for this one log, so that nothing else is rotated, and nothing is removed."""
    body = [line for line in rule.body if line.split()[:1] != ["maxage"]]
    defaults = [line for line in rule.defaults if line.split()[:1] != ["maxage"]]
    numbers = (re.match(rf"{re.escape(log.path.name)}\.([0-9]{{1,4}})(?:\.|$)", file.path.name) for file in log.rotated)
    # One that is numbered higher than there are files would be taken for one too many.
    keep = max(rule.count, len(log.rotated), *(int(found[1]) for found in numbers if found)) + 1
    return "\n".join([*defaults, f'"{log.path}" {{', *body, f"    rotate {keep}", "}", ""])
