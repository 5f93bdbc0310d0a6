"""Errors in an application's own log: which classes, and where they were raised.

What an error says, and what it was called with, may be customers' data: neither leaves the host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable
from soleil_remediate.facts.lines import WRITTEN_NOW
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, MiB

#: So much of the end of a log is looked at, and so much of what is found there.
_END, _MOST = MiB(2), 250_000
#: A name that is longer is nobody's.
_LONGEST = 120

#: Without a bound for how often something is repeated: grep takes a hundred times as long for such a pattern.
_HEADING = (
    "^[[][0-9]{4}-[0-9][0-9]-[0-9][0-9][ T][0-9:]+[0-9.:+-]*[]] [A-Za-z0-9_-]+"
    "[.](EMERGENCY|ALERT|CRITICAL|ERROR|WARNING|NOTICE|INFO|DEBUG): "
)
_CLASS = r"""[{,]"exception":"[[]object[]] [(][A-Za-z_][A-Za-z0-9_\\]*[(]code: """
_PLACE = """ at /[^ :"()]+[.]php:[0-9]+[)]"""
_FRAME = r"""App[\\]+[A-Za-z0-9_\\]+(->|::)[A-Za-z0-9_]+[(]"""

#: Which file the log $1 is, and of its last $2 bytes at most $3 bytes of this: when something was logged and how grave
#: it is; of an exception its class and its place; and the application's own code on the way to it.
FIND_ERRORS = Script(
    "find-errors",
    WRITTEN_NOW
    + """printf '%s\\n' "$log"
tail -c "$2" -- "$log" | grep -a -o -E -e "$4" -e "$5" -e "$6" -e "$7" | tail -c "$3"
printf 'end\\n'
""",
)

_BEGINS = re.compile(rb"\[(.{10})[ T](.{8})[^]]*\] [^ ]+\.([A-Z]+): ")
_GRAVE = frozenset({b"EMERGENCY", b"ALERT", b"CRITICAL", b"ERROR"})
_NAMED = re.compile(rb".*\(([A-Za-z_][\w\\]*)\(code: ", re.DOTALL)
_AT = re.compile(rb" at (/.*\.php:[0-9]+)\)")
_ENDPOINT = re.compile(rb"(App[\w\\]*)(->|::)(\w+)\(")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedError:
    """One error that an application logged.

    Args:
        at: When, as it stands there: in the application's own time.
        raised: The class of the exception; empty where it was logged without one.
        place: Where it was raised; empty where that is not told.
        action: What of the application led there: a controller's method, a job's, …; empty likewise.
    """

    at: str
    raised: str = ""
    place: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsRead:
    """What the end of a log tells of errors.

    Args:
        file: The log, or the newest of those that are begun anew every day.
        errors: The oldest first.
    """

    file: PurePosixPath
    errors: tuple[LoggedError, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadErrors(Query[ErrorsRead | None]):
    """The newest errors in a log of Laravel's usual format; ``None`` where there is no such log.

    An exception's message may hold what looks like another exception's class: it is a hint for people, no proof.
    """

    log: PurePosixPath
    # 2: no such folder
    expects = frozenset({0, 2})
    empty_is = "no such folder, where ls said so"

    @property
    def command(self) -> Command:
        wanted = (_HEADING, _CLASS, _PLACE, _FRAME)
        return Command(FIND_ERRORS.bind(self.log, int(_END), _MOST, *wanted), deadline=Duration(5), is_slow=True)

    def parse(self, output: Output) -> ErrorsRead | None:
        if output.stderr:
            only_missing(Output(exit_status=1, stderr=output.stderr))
            return None
        name, _, told = output.stdout.partition(b"\n")
        text, end, rest = told.rpartition(b"end\n")
        if not end or rest:
            raise ValueError("not all was read")
        found: list[LoggedError] = []
        entry: list[bytes] = []
        for line in text.split(b"\n"):
            if _BEGINS.fullmatch(line):
                found += _error(entry)
                entry = []
            entry.append(line)
        return ErrorsRead(file=PurePosixPath(readable(name)[0]), errors=(*found, *_error(entry)))


def _error(lines: list[bytes]) -> list[LoggedError]:
    """Return what the lines of one entry say; nothing where it is no error, or its beginning is cut off."""
    begins = _BEGINS.fullmatch(lines[0]) if lines else None
    if begins is None or begins[3] not in _GRAVE:
        return []
    raised = next((match[1] for line in lines if (match := _NAMED.fullmatch(line))), b"")
    place = next((match[1] for line in lines if (match := _AT.fullmatch(line))), b"") if raised else b""
    frames = [match for line in lines if (match := _ENDPOINT.fullmatch(line))] if raised else []
    controllers = [match for match in frames if b"\\Controllers\\" in match[1]]
    led = next(iter(controllers or [match for match in frames if b"\\Middleware\\" not in match[1]]), None)
    return [
        LoggedError(
            at=f"{_ascii(begins[1])} {_ascii(begins[2])}",
            raised=_class(raised),
            place="/".join(_ascii(place).split("/")[-2:])[-_LONGEST:],
            action="" if led is None else f"{_class(led[1])}{_ascii(led[2])}{_ascii(led[3])[:_LONGEST]}",
        )
    ]


def _class(name: bytes) -> str:
    """Return a class as PHP has it: in a log its backslashes are doubled."""
    return re.sub(r"\\+", r"\\", _ascii(name))[-_LONGEST:]


def _ascii(text: bytes) -> str:
    return text.decode("ascii", "backslashreplace")
