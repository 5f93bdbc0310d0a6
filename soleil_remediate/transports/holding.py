"""Who holds a host, and what of ours still runs there: asked without taking anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports.operations import is_operation_id
from soleil_remediate.transports.session import BASE
from soleil_remediate.units import Duration

#: See shim.sh, whose folder this is. The lock is asked for and let go of at once, by a process of its own.
_TELL = Script(
    name="holding",
    text="""
[ -e "$1" ] || { echo never; exit 0; }
flock -n -s -E 75 "$1" true
case $? in
    0) echo free ;;
    75) # as in shim.sh
        # shellcheck disable=SC2012  # the names are logins
        newest=$(ls -1td "$1/owner" "$1"/logins/*/owner 2>/dev/null | head -n 1)
        says=$(readlink "${newest:-$1/owner}" | head -n 1 | cut -c 1-300)
        case $newest in */logins/*) newest=${newest%/owner} says="$says, as ${newest##*/} says" ;; esac
        printf 'held %s\\n' "$says"
        ;;
    *) exit 4 ;;
esac
cd "$2" || exit 3
has_status() {
    for rc in "$1"/rc.*; do [ -L "$rc" ] && return; done
    return 1
}
for op in ops/*; do
    if [ ! -L "$op/begun" ] || has_status "$op"; then continue; fi
    if (command exec 8<"$op" && flock -n -s 8) 2>/dev/null; then
        has_status "$op" || printf 'lost %s\\n' "${op#ops/}"
    else
        printf 'running %s\\n' "${op#ops/}"
    fi
done
echo end
""",
)
_RUN = re.compile(r"\b(?:resumes )?run ([0-9a-f]{8})\b", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How a host's lock and operations stand.

    Args:
        owner: Who holds the lock, since when and from where; ``None`` where nobody does.
        running: Operations that still run.
        lost: Operations that were begun, and ended without an exit status.
    """

    owner: str | None = None
    running: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def run(self) -> str:
        """The run that holds the lock; empty where its owner names none."""
        found = _RUN.search(self.owner or "")
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class ReadHolding(Query[Holding]):
    """Who holds the host, and what of one login's own still runs there; whose *memory* it is has to ask.

    Args:
        base: The folder whose lock it is.
        memory: Where that login keeps its operations; ``None`` is the same folder, which is root's.
    """

    base: PurePosixPath = BASE
    memory: PurePosixPath | None = None

    @property
    def command(self) -> Command:
        return Command(_TELL.bind(self.base, self.memory or self.base), deadline=Duration(5))

    def parse(self, output: Output) -> Holding:
        first, *lines = output.text.splitlines()
        if first == "never":
            return Holding()
        word, _, owner = first.partition(" ")
        if word not in ("free", "held") or lines[-1:] != ["end"]:
            raise ValueError(f"{redacted(first)[:80]!r} is no answer")
        told: dict[str, list[str]] = {"running": [], "lost": []}
        for line in lines[:-1]:
            state, _, operation = line.partition(" ")
            if not is_operation_id(operation):
                raise ValueError(f"{redacted(operation)[:80]!r} is no operation")
            told[state].append(operation)
        return Holding(
            owner=(owner or "somebody who left no name") if word == "held" else None,
            running=tuple(told["running"]),
            lost=tuple(told["lost"]),
        )
