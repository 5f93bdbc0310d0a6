"""Laravel's maintenance mode: whether an application is in it, and whether that was done here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.files import FileStat, FindNamed, only_missing
from soleil_remediate.facts.http import ListeningPorts

#: The word by which pages can be seen behind the maintenance page that is put up here, as a pattern: nobody else's.
OUR_WORD = "soleil-remediate-[0-9a-f]{32}"


def down_file(root: PurePosixPath) -> PurePosixPath:
    """Return the file that ``artisan down`` leaves in an application's storage."""
    return root / "storage/framework/down"


async def read_maintenance(host: Reader, root: PurePosixPath) -> tuple[tuple[FileStat, ...], bool, frozenset[int]]:
    """Return the file by which an application is in maintenance mode, whether it is ours, and where something listens.

    Raises:
        FactError: It cannot be seen.
    """
    return await host.ask_all(FindNamed((down_file(root),)), IsHeldHere(root), ListeningPorts())


@dataclass(frozen=True, slots=True)
class IsHeldHere(Query[bool]):
    """Whether an application is in maintenance mode since a run of this program put it there."""

    root: PurePosixPath
    # 1: in maintenance mode by somebody else; 2: in none
    expects = frozenset({0, 1, 2})
    empty_is = "not by us, where grep found nothing or said that there is no such file"

    @property
    def command(self) -> Command:
        pattern = f'"secret": *"{OUR_WORD}"'
        return Command(("grep", "-oE", "-m", "1", "-D", "skip", "--", pattern, str(down_file(self.root))))

    def parse(self, output: Output) -> bool:
        found = re.fullmatch(rf'"secret": *"{OUR_WORD}"\n', output.text)
        if (found is not None) is not (output.exit_status == 0) or (output.exit_status and output.stdout):
            raise ValueError("not what grep finds")
        if output.exit_status == 2:
            only_missing(output)
        return found is not None
