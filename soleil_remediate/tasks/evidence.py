"""Save what may be evidence of an incident off the host, before anything is changed there, and protect the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.incidents import MARK, Incident, ReadIncident, refuse_unless_incident
from soleil_remediate.facts.journals import FindJournalFiles, JournalFile
from soleil_remediate.facts.php import ask_php
from soleil_remediate.facts.together import together
from soleil_remediate.facts.tokens import EXPORT_AUDIT, ReadUses, Uses, refuse_unless_table
from soleil_remediate.plan import Change, Gather, Plan, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.units import ByteSize, Duration, MiB

WEB_LOGS = PurePosixPath("/var/log/nginx")
#: Who logged in, and who tried to, wherever a distribution keeps it.
LOGINS = tuple(
    PurePosixPath(path)
    for path in (
        "/var/log/auth.log*",
        "/var/log/secure*",
        "/var/log/wtmp*",
        "/var/log/btmp*",
        "/var/log/lastlog",
        "/var/log/audit/audit.log*",
    )
)

#: What is gone first: connections. All that the kernel itself says, and which process each belongs to.
SOCKETS = Script(
    "sockets",
    r"""date -u '+%FT%TZ'
ss --tcp --udp --raw --all --numeric --processes --options --extended 2>&1 || echo "ss ended with $?"
for table in tcp tcp6 udp udp6 unix; do
    echo "== /proc/net/$table"
    cat "/proc/net/$table" 2>&1 || :
done
""",
)

#: Every process, and what it was started from; a program that was deleted since says so.
PROCESSES = Script(
    "processes",
    r"""date -u '+%FT%TZ'
ps -e -ww -o pid,ppid,user,lstart,etimes,stat,tty,time,rss,args 2>&1 || echo "ps ended with $?"
echo '== programs and working folders'
for process in /proc/[0-9]*; do
    printf '%s\t%s\t%s\n' "${process#/proc/}" "$(readlink "$process/exe" 2>/dev/null)" \
        "$(readlink "$process/cwd" 2>/dev/null)"
done
""",
)

#: How the host is set up, and what was changed there lately: $1 seconds, $2 the application's folder.
STATE = Script(
    "state",
    r"""run() {
    printf '\n== %s\n' "$*"
    "$@" 2>&1 || printf '(exit status %s)\n' "$?"
}
run date -u '+%FT%TZ'
run uname -a
run uptime
run who -a
run last -F -w -n 500
run ip -details address
run ip route show table all
run nft list ruleset
run systemctl list-units --all --no-pager --plain
run systemctl list-timers --all --no-pager --plain
run getent passwd
run getent group sudo admin wheel
run find /root/.ssh /home -maxdepth 3 -name 'authorized_keys*' -printf '%TF %TT %u %m %s %p\n'
run find /etc/cron.d /etc/cron.daily /etc/cron.hourly /var/spool/cron -type f -printf '%TF %TT %u %m %s %p\n'
run find /etc /usr/local -xdev -type f -mmin "-$(($1 / 60))" -printf '%TF %TT %u %m %s %p\n'
run find -H "$2" -xdev -type f -mmin "-$(($1 / 60))" -printf '%TF %TT %u %m %s %p\n'
:
""",
)

#: The files, as a tar archive, that the words from $2 on let find find and that were written in the last $1 seconds.
#: Reading leaves no trace of itself (O_NOATIME), and the archive says when each was read, written and changed. A log
#: may grow meanwhile: then tar ends with 1, and has what it was.
FILES = Script(
    "files",
    r"""minutes=$(($1 / 60))
shift
find "$@" -type f -mmin "-$minutes" -print0 2>/dev/null |
    tar --create --format=posix --file=- --no-recursion --absolute-names --atime-preserve=system --ignore-failed-read \
        --null --files-from=- || [ $? -eq 1 ]
""",
)

#: The journal of the last $1 seconds, in a form that systemd-journal-remote(8) reads again.
JOURNAL = Script(
    "journal", 'journalctl --quiet --no-pager --output=export --since="-$1s" || echo "journalctl ended with $?"\n'
)

#: Open the incident $2 by the mark $1: at once, by one alone, and without a free block.
OPEN = Script(
    "open-incident",
    r"""set -eu
ln -s -- "$2@$(date +%s)" "$1" 2>/dev/null || case $(readlink "$1") in
    "$2@"*) ;;
    *) echo "$1 cannot be made: another incident is open, or the disk is full. The evidence is saved" >&2; exit 75 ;;
esac
echo "incident $2 is open"
""",
)

#: End it, if it is that one.
CLOSE = Script(
    "close-incident",
    r"""set -eu
case $(readlink "$1") in
    "$2@"*) rm -- "$1" ;;
    *) echo "another incident is open, or none: nothing was changed" >&2; exit 75 ;;
esac
""",
)

_MINUTE, _LONG = Duration(60), Duration(1800)
#: Of what is asked and not measured, for the estimate.
_LITTLE = MiB(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSeen:
    """What there is to be saved.

    Args:
        incident: The one that is open.
        files: Logs.
        journal: The journal's files on disk.
        uses: By which table the application tells who did what; or why that cannot be known.
    """

    incident: Incident | None
    files: tuple[FileStat, ...]
    journal: tuple[JournalFile, ...]
    uses: Uses | FactError


@dataclass(frozen=True, kw_only=True)
class CollectEvidence(OfApplication[EvidenceSeen], Task[EvidenceSeen]):
    """Save what may be evidence of an incident off the host, and keep the rest of it from being cleared away.

    Connections first, then processes, how the host is set up, the logs of the last days, the journal, and what the
    application itself wrote down about who did what. Each is streamed off the host, compressed there, its checksum
    compared here, and named in a manifest; nothing of it is written on the host, so that a full disk is no obstacle,
    and that a log was saved does not change when it was read last. Only when all of it is here is the incident opened
    on the host by a mark that only root can change: while that is there, no scenario rotates, cuts, vacuums or prunes
    anything there. What is not on this host, such as another one's journal, has to be saved there.

    What is saved holds customers' data, and what stands in command lines: only who ran this can read it.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        incident: What the incident is called, such as INC-42. Without it nothing is saved, and nothing opened.
        within: How far back, for logs, the journal and the table; from 1 h to 90 d.
        logs: Logs of the application, absolute; of each also those that were rotated.
        web_logs: The folder of the web server's logs.
        table: Where the application writes who did what; ``audit_logs`` or ``admin_audit_logs`` unless named.

    Raises:
        Unplannable: Another incident is open there.
    """

    kind = "evidence.collect"
    rounds = 2
    risk: ClassVar[Risk] = Risk.GENTLE

    incident: str | None = None
    within: Duration = Duration(7 * 86400)
    logs: tuple[PurePosixPath, ...] = ()
    web_logs: PurePosixPath = WEB_LOGS
    table: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_table(self.table)
        if self.incident is not None:
            refuse_unless_incident(self.incident)
        if not 3600 <= self.within <= 90 * 86400:
            raise ValueError("within must be from 1 h to 90 d")
        for path in (*self.logs, self.web_logs):
            if not path.is_absolute() or ".." in path.parts or not path.name:
                raise ValueError(f"{path} must be absolute")

    def aim(self) -> str:
        return f"the evidence of {self.incident or 'an incident that is named'} is saved and protected"

    async def read(self, host: Reader) -> EvidenceSeen:
        (incident, files, journal), (uses,) = await together(
            host.ask_all(ReadIncident(), FindNamed(self._names), FindJournalFiles()),
            host.ask_each((ReadUses(self.root, self.user, Duration(3600), self.table),)),
        )
        return EvidenceSeen(incident=incident, files=files, journal=journal, uses=uses)

    @property
    def _names(self) -> tuple[PurePosixPath, ...]:
        own = (path.with_name(f"{path.stem}*{path.suffix}*") for path in self.logs)
        return tuple(dict.fromkeys((self.web_logs / "*", *own, *LOGINS)))

    def plan(self, seen: EvidenceSeen) -> Plan:
        if self.incident is None:
            return Plan.nothing("no incident was named (--set incident=INC-42)")
        if seen.incident is not None:
            since = f"since {as_text(seen.incident.since)} UTC"
            if seen.incident.name != self.incident:
                raise Unplannable(
                    f"incident {seen.incident.name} is open here {since}: go on under that name, or end it once it is "
                    f"over. By hand: sudo rm {MARK}"
                )
            return Plan.nothing(f"the evidence of {self.incident} was saved, and is protected {since}")
        gathers, missing = tuple(self._gathers(seen)), self._missing(seen)
        change = Change(
            summary=f"save the evidence of {self.incident} off the host, and protect what is there{missing}",
            command=Command(OPEN.bind(MARK, self.incident), deadline=Duration(10)),
            risk=self.risk,
            undo=Undo.by(
                Command(CLOSE.bind(MARK, self.incident), deadline=Duration(10)),
                says="the protection is lifted; what was saved here stays",
            ),
            before="no evidence is saved",
            after=f"saved with a manifest; {self.incident} is open, and nothing is cleared away on the host",
            keeps="every file; logs are saved without changing when they were read last",
            gathers=gathers,
        )
        return Plan.of(change, because=f"the evidence of {self.incident} is not saved yet{missing}")

    def _missing(self, seen: EvidenceSeen) -> str:
        if isinstance(seen.uses, FactError):
            return f"; without what the application wrote down, for {seen.uses}"[:200]
        return "" if seen.uses.table is not None else "; the application has no table of who did what"

    def _gathers(self, seen: EvidenceSeen) -> Iterator[Gather]:
        seconds = int(self.within)
        find = FindNamed(self._names).command.words
        logs = sum(one.size for one in seen.files if one.is_regular)
        journal = sum(one.file.size for one in seen.journal)
        yield Gather(name="sockets", about="connections", command=_asks(SOCKETS), size=_LITTLE)
        yield Gather(name="processes", about="processes", command=_asks(PROCESSES), size=_LITTLE)
        state = _asks(STATE, seconds, self.root, deadline=Duration(300))
        yield Gather(name="state", about="set-up and what was changed lately", command=state, size=_LITTLE)
        files = _asks(FILES, seconds, *find[1 : find.index("-printf")], deadline=_LONG)
        yield Gather(name="logs.tar", about="logs", command=files, size=ByteSize(logs))
        entries = _asks(JOURNAL, seconds, deadline=_LONG)
        yield Gather(name="journal.export", about="the journal", command=entries, size=ByteSize(journal))
        if not isinstance(seen.uses, FactError) and seen.uses.table is not None:
            words = (seen.uses.table, str(seconds))
            rows = ask_php(self.user, _MINUTE, EXPORT_AUDIT, "export", self.root, *words)
            yield Gather(name="audit.jsonl", about=f"table {seen.uses.table}", command=rows, size=_LITTLE)


def _asks(script: Script, *arguments: object, deadline: Duration = _MINUTE) -> Command:
    return Command(script.bind(*arguments), deadline=deadline)
