"""Repair deleted files that still take space."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.deleted import DeletedFile, Holder, read_deleted
from soleil_remediate.facts.disks import space_on
from soleil_remediate.facts.processes import Process
from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE
from soleil_remediate.units import ByteSize, Duration, MiB

#: Ask process $1, started at $2 (clock ticks since the boot), running program $3, with signal $4 to reopen its logs;
#: then wait up to ten seconds until neither it nor a child of it has any of the files $5 (device:inode, a space between
#: two) open without a name (a new log may get the number of the old one), and until the file systems mounted at $6…
#: have given their blocks back.
#:
#: Reopening takes room: a full xfs lets not even an empty log be begun, and supervisord 4.2.5 ends when it cannot write
#: its last line into the old one. So where there is next to none the files are emptied first, each through a descriptor
#: of our own that was compared: what they hold goes with the last descriptor in any case. A process that writes into
#: other full file systems as well is not asked.
#:
#: The new log gets the owner and the mode of the old one, which nginx does not see to: it would lie open to everybody.
#: Only a file that was made since, and has no other name, is touched.
ASK_TO_REOPEN = Script(
    "ask-to-reopen",
    SETTLE
    + r"""set -eu
pid=$1 started=$2 program=$3 signal=$4 files=" $5 "
shift 5
stop() { printf '%s\n' "process $pid $1: no signal was sent" >&2; exit 75; }
line=$(cat "/proc/$pid/stat") || stop "has ended"
rest=${line##*) }
[ "$(printf '%s\n' "$rest" | cut -d ' ' -f 20)" = "$started" ] || stop "is another one by now"
is=$(readlink "/proc/$pid/exe")
[ "${is% (deleted)}" = "$program" ] || stop "runs another program by now"
has_room() {
    blocks=$(stat -f -c %a -- "$1") each=$(stat -f -c %S -- "$1") all=$(stat -f -c %b -- "$1") ||
        return 0 # closed meanwhile
    # What has no size of its own is memory, as what OPcache holds.
    [ "$all" = 0 ] || [ $((blocks * each)) -ge 1048576 ]
}
ids=' ' is_full=
for place do
    ids="$ids$(stat -f -c %i -- "$place") "
    has_room "$place" || is_full=yes
done
for fd in "/proc/$pid/fd/"*; do
    [ -f "$fd" ] || continue
    grep -s -q '^flags:.*[12]$' "/proc/$pid/fdinfo/${fd##*/}" || continue
    if has_room "$fd"; then continue; fi
    case $ids in
        *" $(stat -f -c %i -- "$fd") "*) ;;
        *) stop "writes $(readlink "$fd") as well, where there is no room" ;;
    esac
done
is_meant() {
    case $1 in *' 0') ;; *) return 1 ;; esac
    case $files in *" ${1% 0} "*) ;; *) return 1 ;; esac
}
held() {
    children=$(cat "/proc/$pid/task/$pid/children")
    for one in $pid $children; do
        stat -L -c '%d:%i %h %n' "/proc/$one/fd/"* 2>/dev/null || :
    done | while read -r file links name; do
        if is_meant "$file $links"; then printf '%s\n' "$name"; fi
    done
}
was=$(
    for name in $(held); do
        printf '%s %s\n' "$(stat -L -c '%a %u:%g' -- "$name")" "$(readlink "$name")"
    done | sed 's/ (deleted)$//' | sort -u
)
first=
if [ -n "$is_full" ]; then
    for name in $(held); do
        {
            if is_meant "$(stat -L -c '%d:%i %h' /proc/self/fd/4)"; then
                truncate -s 0 /proc/self/fd/4
                first=' after they were emptied'
            fi
        } 4>>"$name" || :
    done
    settle "$@"
fi
began=$(date +%s)
kill -s "$signal" "$pid"
for turn in $(seq 100); do
    open=$(held)
    [ -n "$open" ] || break
    sleep 0.1
done
is_new() { [ -f /proc/self/fd/4 ] && [ "$(stat -L -c '%h' /proc/self/fd/4)" = 1 ] && [ "$1" -ge "$began" ]; }
printf '%s\n' "$was" | while read -r mode owner path; do
    for fd in "/proc/$pid/fd/"*; do
        if [ -z "$path" ] || [ "$(readlink "$fd")" != "$path" ] || [ ! -f "$fd" ]; then continue; fi
        {
            if is_new "$(stat -L -c %W /proc/self/fd/4)"; then
                chown "$owner" /proc/self/fd/4
                chmod "$mode" /proc/self/fd/4
            fi
        } 4<"$fd" || :
    done
done
settle "$@"
echo "signal $signal sent$first, $(printf '%s' "$open" | grep -c . || :) descriptors still open"
[ -z "$open" ]
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How one program is asked to reopen its logs, without a pause in its work.

    Args:
        program: What its file is called.
        name: What the process calls itself; scripts run as their interpreter.
        source: Where this is promised.
    """

    program: re.Pattern[str]
    signal: str
    source: str
    name: re.Pattern[str] = re.compile(".*", re.DOTALL)


_WAYS = (
    _Way(program=re.compile("nginx"), signal="USR1", source="nginx(8)"),
    _Way(program=re.compile(r"php-fpm[0-9.]*"), signal="USR1", source="php-fpm(8)"),
    _Way(program=re.compile("rsyslogd"), signal="HUP", source="rsyslogd(8)"),
    _Way(
        program=re.compile(r"python3?[0-9.]*"),
        name=re.compile("supervisord"),
        signal="USR2",
        source="supervisord.org/running.html",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ReopenFile(Task[tuple[DeletedFile, ...]]):
    """Ask the process that still holds a deleted file to reopen its logs, so that the space comes free.

    nginx, php-fpm, rsyslog and supervisor promise to do so on a signal, and go on serving. The signal goes to the
    process seen while planning and to no other: its number, start time and program are compared again. Any other
    program would have to be restarted: its file is named in the reason, and left alone. Where the file system is
    full the deleted file is emptied first, since reopening takes room.

    Args:
        larger_than: Deleted files that take no more than this are left alone.

    Raises:
        Unplannable: Deleted files are still open, and nobody who holds one is known to reopen it.
    """

    kind = "open-file.reopen"
    rounds = 2
    risk: ClassVar[Risk] = Risk.GENTLE
    clears: ClassVar[bool] = True

    larger_than: ByteSize = MiB(1)

    async def read(self, host: Reader) -> tuple[DeletedFile, ...]:
        return await read_deleted(host)

    def plan(self, seen: tuple[DeletedFile, ...]) -> Plan:
        large = [one for one in seen if one.allocated > self.larger_than]
        if not large:
            return Plan.nothing(f"no deleted file that is still open takes more than {self.larger_than}")
        asked: dict[Process, tuple[_Way, PurePosixPath, list[DeletedFile]]] = {}
        others = []
        for file in large:
            found = _master(file)
            if found is None:
                others.append(_held(file))
            else:
                process, way, program = found
                asked.setdefault(process, (way, program, []))[2].append(file)
        if not asked:
            raise Unplannable(f"nobody is known to reopen it: {'; '.join(others)}")
        return Plan.of(
            *(self._signal(process, *asked[process]) for process in sorted(asked, key=lambda one: one.pid)),
            because="; ".join(_held(file) for file in large),
        )

    def _signal(self, process: Process, way: _Way, program: PurePosixPath, files: Sequence[DeletedFile]) -> Change:
        amounts: dict[str, int] = {}
        for file in files:
            subject = space_on(file.file_system.mount)
            amounts[subject] = amounts.get(subject, 0) + file.allocated
        total = ByteSize(sum(amounts.values()))
        names = ", ".join(sorted({str(file.path) for file in files}))
        return Change(
            summary=f"ask {program.name} (process {process.pid}) to reopen its logs ({way.source})",
            command=Command(
                ASK_TO_REOPEN.bind(
                    process.pid,
                    process.started,
                    program,
                    way.signal,
                    " ".join(str(file.identity) for file in files),
                    *sorted({file.file_system.mount for file in files}),
                ),
                deadline=Duration(60),
            ),
            risk=self.risk,
            undo=Undo.none("the file had been deleted before; nothing else changes"),
            before=f"{names}, deleted, {total}",
            after="closed, its space free",
            loses="what the deleted file held: no name leads to it since it was deleted",
            keeps=f"{program.name} goes on serving, and logs into a new file",
            relieves=tuple(
                Relief(subject=subject, amount=str(ByteSize(amount))) for subject, amount in sorted(amounts.items())
            ),
        )


def _master(file: DeletedFile) -> tuple[Process, _Way, PurePosixPath] | None:
    """Return whom to ask, how, and what it runs; ``None`` unless everybody who holds the file hears from that one."""
    holders = {holder.process.pid: holder for holder in file.holders if holder.process is not None}
    if not holders or len(holders) != len({holder.descriptor.pid for holder in file.holders}):
        return None
    masters = [pid for pid, holder in holders.items() if _parent(holder) not in holders]
    if len(masters) != 1:
        return None
    master = holders[masters[0]]
    if master.process is None or master.program is None:
        return None
    way = next((way for way in _WAYS if _is_way_of(way, master.process, master.program)), None)
    if way is None or any(holder.program != master.program for holder in holders.values()):
        return None
    return master.process, way, master.program


def _is_way_of(way: _Way, process: Process, program: PurePosixPath) -> bool:
    return way.program.fullmatch(program.name) is not None and way.name.fullmatch(process.name) is not None


def _parent(holder: Holder) -> int | None:
    return holder.process.parent if holder.process else None


def _held(file: DeletedFile) -> str:
    """Return for people what is held by whom."""
    by = sorted(
        {
            f"{holder.process.name} ({holder.process.pid}{f', {holder.process.unit}' if holder.process.unit else ''})"
            if holder.process
            else f"process {holder.descriptor.pid}"
            for holder in file.holders
        }
    )
    return f"{file.path} is deleted and takes {file.allocated}, held by {', '.join(by)}"
