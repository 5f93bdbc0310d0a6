"""Does the application tell its users more than they should know?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.application import Application, ReadApplication
from soleil_remediate.task import Check, Measure, Verdict


@dataclass(frozen=True, kw_only=True)
class DebugOff(OfApplication[Application], Check[Application]):
    """See whether debug mode is off: with it on, whoever meets an error sees code, queries and secrets.

    It is the configuration as it is loaded that counts, cached or not, and the application itself that says so. What
    php-fpm or a worker has loaded before it was changed is another matter.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "debug.off"
    rounds = 1

    async def read(self, host: Reader) -> Application:
        return await host.ask(ReadApplication(self.root, self.user))

    def judge(self, seen: Application) -> Verdict:
        source = "cached configuration" if seen.is_cached else "configuration"
        measure = Measure(label="debug mode", value="on" if seen.is_debugging else "off", is_faulty=seen.is_debugging)
        if seen.is_debugging:
            return Verdict.faulty(f"debug mode is on in {seen.environment}, by the {source}: APP_DEBUG", measure)
        return Verdict.healthy(f"debug mode is off in {seen.environment}, by the {source}", measure)
