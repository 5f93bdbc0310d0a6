"""What users' requests came to lately, by what the application's web server has logged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, time_in
from soleil_remediate.facts.files import FindNamed, only_missing
from soleil_remediate.facts.http import AskPage, ListeningPorts, Response, page_of
from soleil_remediate.facts.onsets import NO_PROOF, OWN
from soleil_remediate.facts.releases import ReadLink
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, MiB

#: So much of the end of the log, and of the one before it, is looked at, and so much of what is found there.
_END, _MOST = MiB(4), 500_000

#: The newest lines of the log $1 and of the one before it, in nginx's usual format, from their beginning to the status.
#: Only there: what a user sent may look like all of it, and stands behind, or has no quotation mark.
READ_REQUESTS = Script(
    "read-requests",
    "set -eu\n"
    'tail -q -c "$2" -- "$1.1" "$1"'
    ' | grep -a -o -E -e \'^[^"]*[[][^]"]*[]] "[^"]*" [1-5][0-9][0-9] \' | tail -c "$3"\n'
    "printf 'end\\n'\n",
)

_LINE = re.compile(rb'[^"]*\[([^]"]*)\] "([^"]*)" ([1-5][0-9]{2}) ')
_ASKED = re.compile(rb"([A-Z]{3,7}) ([^ ?]*)(?:[?][^ ]*)? HTTP/[0-9.]+")
_NO_PROOF = re.compile("|".join(NO_PROOF).encode())
_OWN = re.compile(OWN.encode())
#: What stands in an address and is nobody's name, number or secret.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z_-]{0,30}|v[0-9]{1,2}")
_DEEPEST = 6
#: What tail puts around a name, in C.UTF-8 and in C.
_QUOTE = "[\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}']"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that tells how the application does.

    Args:
        at: When it was answered, in seconds since 1970.
        endpoint: What was asked for; what may be somebody's stands as ``{}``.
        status: With which status.
    """

    at: int
    endpoint: str
    status: int

    @property
    def is_failed(self) -> bool:
        return self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a web server has logged lately.

    Args:
        requests: The oldest first; none that says nothing of the application.
        oldest: When the oldest line of all that was read was logged; ``None`` where there is no line. Of a busy log the
            end is read, and a log may have begun just now.
        newest: When the newest was.
    """

    requests: tuple[Request, ...]
    oldest: int | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class ReadRequests(Query[Logged]):
    """The newest requests by an access log in nginx's usual format (``combined``), and by the one before it.

    One that was answered well counts only where the application answered it: no file, no redirect, no refusal, and
    nothing that a monitor asks for, since the web server may answer these by itself. One that failed counts always,
    unless this host asked itself how it does.

    Args:
        log: The log.
        page: What this program itself asks for, on the host.
    """

    log: PurePosixPath
    page: str

    @property
    def command(self) -> Command:
        return Command(READ_REQUESTS.bind(self.log, int(_END), _MOST), deadline=Duration(5), is_slow=True)

    def parse(self, output: Output) -> Logged:
        only_missing(Output(exit_status=1 if output.stderr else 0, stderr=output.stderr))
        if re.search(rf"{_QUOTE}{re.escape(str(self.log))}{_QUOTE}", output.error_text):
            raise FactError(f"there is no {self.log}, where nginx was to log the requests")
        text, end, rest = output.stdout.rpartition(b"end\n")
        if not end or rest or (text and not text.endswith(b"\n")):
            raise ValueError("not all was read")
        lines = text.split(b"\n")[:-1]
        requests, times = [], []
        for number, line in enumerate(lines):
            match = _LINE.fullmatch(line)
            if match is None:
                if number:  # the first one may be cut
                    raise ValueError(f"no request: {line[:80]!r}")
                continue
            at = time_in(match[1])
            if at is None:
                continue
            times.append(at)
            status, says_nothing = int(match[3]), _NO_PROOF.search(line) is not None
            if _OWN.search(line) and (says_nothing or match[2].split(b" ")[1:2] == [self.page.encode()]):
                continue
            if status >= 500 or (status < 300 and not says_nothing):
                requests.append(Request(at=at, endpoint=_endpoint(match[2]), status=status))
        return Logged(requests=tuple(requests), oldest=min(times, default=None), newest=max(times, default=None))


def _endpoint(asked: bytes) -> str:
    match = _ASKED.fullmatch(asked)
    if match is None:
        return "?"
    parts = match[2].decode("ascii", "replace").strip("/").split("/")
    shown = [part if _PLAIN.fullmatch(part) else "{}" for part in parts[:_DEEPEST] if part]
    more = "/…" if len(parts) > _DEEPEST else ""
    return f"{match[1].decode()} /{'/'.join(shown)}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What users' requests come to, and what one that is made now comes to.

    Args:
        logged: What the web server logged, that request included.
        page: What it answered to that request.
        now: When it was made, by the host's clock.
        switched: When what is served was put there; 0 where that is not known.
    """

    logged: Logged
    page: Response
    now: int
    switched: int

    @property
    def is_logged(self) -> bool:
        """Whether the request that was made now stands in the log: else others need not, either."""
        return self.logged.newest is not None and self.logged.newest >= self.now - 1

    def known_since(self, start: int) -> int:
        """Return from when on all requests are known: *start*, or later where what is read of the log begins later."""
        return max(start, self.logged.oldest or 0)


async def read_traffic(  # all by name: what a page is asked by, and where its log is
    host: Reader,
    *,
    log: PurePosixPath,
    root: PurePosixPath,
    page: str,
    url: str | None,
    origin: str | None,
    within: Duration,
) -> Traffic:
    """Make a request, then read what the web server has logged; three round trips.

    Raises:
        FactError: It cannot be told.
    """
    listening, now, link, commits = await host.ask_all(
        ListeningPorts(), ReadClock(), ReadLink(root), FindNamed((root / ".git/logs/HEAD",))
    )
    response = await host.ask(AskPage(*page_of(page, url, origin, listening), within))
    logged = await host.ask(ReadRequests(log, page))
    times = [file.modified for file in commits]
    if link is not None and link.target is not None:
        times.append(link.changed)
    return Traffic(logged=logged, page=response, now=now, switched=max(times, default=0))
