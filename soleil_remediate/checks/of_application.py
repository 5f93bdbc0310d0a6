"""What is asked of an application, as its own user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import refuse_unless_user
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.rights import Right
from soleil_remediate.task import Reading, Seen


@dataclass(frozen=True, kw_only=True)
class OfApplication(Reading[Seen]):
    """What asks an application about itself, with its own configuration and as the user that PHP runs as."""

    root: PurePosixPath
    user: str = "www-data"

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)
        refuse_unless_user(self.user)

    def reads_with(self) -> tuple[Right, ...]:
        return (Right(self.user),)
