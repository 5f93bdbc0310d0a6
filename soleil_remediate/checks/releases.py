"""Has everything followed that a way back let serve older code?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.errors import NotOnHost
from soleil_remediate.facts.checkouts import read_unfinished
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.releases import read_releases
from soleil_remediate.facts.together import together
from soleil_remediate.task import Check, Measure, Verdict


@dataclass(frozen=True, kw_only=True)
class RollbackFinished(Check[str]):
    """See whether a way back to an older release is unfinished, though that is served.

    Its pages may be served then, by a php-fpm that was not reloaded and beside workers that run the bad release's code
    until they end. A release or a commit that was deployed since knows of no such mark.

    Args:
        root: The link that says which release is served, or the git checkout that is served in place.
    """

    kind = "rollback.finished"
    rounds = 1

    root: PurePosixPath

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)

    async def read(self, host: Reader) -> str:
        try:
            releases, mark = await together(read_releases(host, self.root), read_unfinished(host, self.root))
        except NotOnHost:  # what that means is said where something is to be served
            return ""
        if releases.served.target is None:
            return "" if mark is None else str(mark.path)
        now, left = releases.current, releases.unfinished
        return "" if now is None or left is None else str(left.mark_of_the_way_to(now))

    def judge(self, seen: str) -> Verdict:
        measure = Measure(label="way back unfinished", value=seen or "none", is_faulty=bool(seen))
        if seen:
            return Verdict.faulty(
                "a way back is unfinished: php-fpm and workers may run the bad release still", measure
            )
        return Verdict.healthy("no way back is unfinished", measure)
