"""Show which requests fail, and which errors the application logged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.requests import began, refuse_unless_traffic
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.facts.logged_errors import ErrorsRead, LoggedError, ReadErrors
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.requests import Traffic, read_traffic
from soleil_remediate.task import Look, Shown, Table, Text
from soleil_remediate.units import Duration

#: So many rows are shown.
_MOST = 8


@dataclass(frozen=True, kw_only=True)
class RequestsFailing(Look[Traffic]):
    """Show which requests fail: by what is asked for, how many, of how many, with which status, and until when.

    By nginx's log, since what is served was put there. In an address only plain words are shown: what may be somebody's
    name, number or secret stands as ``{}``, and a query is left out.

    Args:
        root: The link that says which release is served, or the checkout.
        page: One that needs what users need; it is asked for, and is no user's request.
        window: What is shown is not older than that; newer, where what is read of the log begins later.
        access_log: Where nginx logs the requests to this application, in its usual format.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: A page that takes longer is not answered.
    """

    kind = "requests.failing"
    rounds = 3
    title: ClassVar[str] = "Requests that fail"

    root: PurePosixPath
    page: str
    window: Duration = Duration(300)
    access_log: PurePosixPath = ACCESS_LOG
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.page, self.url, self.origin)
        refuse_unless_traffic(self.root, self.access_log, self.window)

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(
            host,
            log=self.access_log,
            root=self.root,
            page=self.page,
            url=self.url,
            origin=self.origin,
            within=self.within,
        )

    def show(self, seen: Traffic) -> Shown:
        start = seen.known_since(max(seen.now - int(self.window), began(seen)))
        counted = [one for one in seen.logged.requests if one.at >= start]
        failed = Counter((one.endpoint, one.status) for one in counted if one.is_failed)
        asked = Counter(one.endpoint for one in counted)
        when = f"since {as_text(start)} UTC"
        if not failed:
            return Text(lines=(f"none of {len(counted)} failed {when}",))
        newest = {(one.endpoint, one.status): one.at for one in counted if one.is_failed}
        rows = [
            (endpoint, f"{times} of {asked[endpoint]}", str(status), as_text(newest[endpoint, status]))
            for (endpoint, status), times in failed.most_common(_MOST)
        ]
        if len(failed) > _MOST:
            rows.append((f"{len(failed) - _MOST} more", "", "", ""))
        return Table(columns=(when, "failed", "status", "newest, UTC"), rows=tuple(rows), align="lrrl")


@dataclass(frozen=True, kw_only=True)
class ErrorsLogged(Look[tuple[tuple[PurePosixPath, ErrorsRead | FactError | None], ...]]):
    """Show the errors that the application logged: how often, which class, and what of its code led there.

    By the end of its logs. What an error says is not shown, and does not leave the host: it may be somebody's. Times
    are the application's own.

    Args:
        logs: Its logs, in Laravel's usual format; of one that is begun anew every day the newest is read.
    """

    kind = "errors.logged"
    rounds = 1
    title: ClassVar[str] = "Errors the application logged"

    logs: tuple[PurePosixPath, ...]

    def __post_init__(self) -> None:
        refuse_unless_absolute(*self.logs)

    async def read(self, host: Reader) -> tuple[tuple[PurePosixPath, ErrorsRead | FactError | None], ...]:
        found = await host.ask_each([ReadErrors(log) for log in self.logs])
        if len(found) == 1 and isinstance(found[0], FactError):
            raise found[0]
        return tuple(zip(self.logs, found, strict=True))

    def show(self, seen: tuple[tuple[PurePosixPath, ErrorsRead | FactError | None], ...]) -> Shown:
        lines: list[str] = []
        for log, found in seen:
            if isinstance(found, FactError):
                lines.append(f"{log}: unknown, {found}")
            elif found is None:
                lines.append(f"{log} is not there")
            else:
                lines += _by_class(found.errors) or [f"{found.file} has no error at its end"]
        return Text(lines=tuple(lines))


def _by_class(found: tuple[LoggedError, ...]) -> list[str]:
    named = [(one.raised or "logged without an exception", one.action or one.place, one.at) for one in found]
    times = Counter((raised, by) for raised, by, _ in named)
    newest = {(raised, by): at for raised, by, at in named}
    lines = []
    for (raised, by), number in times.most_common(_MOST):
        where = f" by {by}" if by else ""
        lines.append(f"{number} times {raised}{where}, the newest at {newest[raised, by]}")
    if len(times) > _MOST:
        lines.append(f"and {len(times) - _MOST} more")
    return lines
