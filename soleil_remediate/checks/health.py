"""Does the application answer, as a user would see it, and would its services start again?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.http import Response, read_page, refuse_unless_askable
from soleil_remediate.facts.services import Services, read_services, refuse_unless_unit
from soleil_remediate.rights import Right, to_test
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class PageServed(Check[Response]):
    """See whether the web server on the host serves a page, by the application's public name and without a login.

    What stands between users and the host (their network, DNS, a load balancer or a proxy in front) is not seen. Over
    TLS it is asked for only where the application's address says so and the host listens for it; a certificate that the
    host does not trust is told and decides nothing (``page.reached`` judges it). Redirects are not followed, and a page
    that wants a login, is not there, or is limited proves nothing either way: that is unknown.

    Args:
        page: Its path. One that needs the database proves more than one for which PHP is enough.
        url: The application's public address; nginx is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.
    """

    kind = "page.served"

    page: str
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.page, self.url, self.origin)
        if self.within <= 0:
            raise ValueError("within must be longer than nothing")

    async def read(self, host: Reader) -> Response:
        return await read_page(host, self.page, url=self.url, origin=self.origin, within=self.within)

    def judge(self, seen: Response) -> Verdict:
        said = f"{self.page} {seen.in_words}{f': {seen.detail}' if seen.detail else ''}"
        value = str(seen.status) if seen.status is not None else seen.why
        measure = Measure(label=self.page, value=value, is_faulty=not seen.is_served)
        if seen.is_served:
            return Verdict.healthy(f"{said}{_distrusted(seen)}", measure)
        if seen.why == "no tls":
            return Verdict.unknown(f"{said}. Users may see another server in front of this host", measure)
        if seen.status is None or seen.status >= 500:
            return Verdict.faulty(said, measure)
        return Verdict.unknown(f"{said}{_proves_nothing(seen)}", measure)


def _distrusted(seen: Response) -> str:
    return f" with a certificate that the host itself does not trust: {seen.distrust}" if seen.distrust else ""


def _proves_nothing(seen: Response) -> str:
    """Return why another answer than an error of the server is none, and what to do about it."""
    if seen.location:
        return f", a redirect to {seen.location}: name the address that users have as app.url"
    if seen.status in {401, 403}:
        return ": it wants a login; name a page without one as app.health.page"
    if seen.status == 404:
        return ": there is no such page; name one as app.health"
    return ": that says nothing about the application"


@dataclass(frozen=True, kw_only=True)
class ServiceConfigured(Check[Services]):
    """See whether nginx and php-fpm could be started with their configuration as it stands on disk.

    A program that runs keeps the configuration it has loaded: with a broken one on disk all goes well until it is
    loaded anew, or the host restarts. They test it themselves, without a trace on the host; that takes root.

    Args:
        units: Names of units; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "service.configured"

    units: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse_unless_unit(*self.units)

    async def read(self, host: Reader) -> Services:
        return await read_services(host, self.units, tested=self.units)

    def reads_with(self) -> tuple[Right, ...]:
        return to_test(*self.units)

    def judge(self, seen: Services) -> Verdict:
        broken, unknown, good = [], [], []
        for unit in seen:
            match seen.tests.get(unit.name):
                case FactError() as error:
                    unknown.append(f"{unit.name}: {error}")
                case None:
                    pass
                case test if test.is_good:
                    good.append(unit.name)
                case test:
                    broken.append(f"{unit.name} could not start with its configuration: {test.says}")
        measures = tuple(
            Measure(label=f"configuration of {name}", value=value, is_faulty=value == "broken")
            for names, value in ((good, "good"), ((one.split()[0] for one in broken), "broken"))
            for name in names
        )
        if broken:
            return Verdict.faulty("; ".join(broken), *measures)
        if unknown:
            return Verdict.unknown("; ".join(unknown), *measures)
        if not good:
            return Verdict.unknown(f"no unit called {' or '.join(self.units)} can test its configuration")
        return Verdict.healthy(f"{' and '.join(good)} could start with their configuration", *measures)
