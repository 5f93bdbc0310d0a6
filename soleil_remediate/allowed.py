"""What sudo allows a login to which it allows single commands: asked before a change is planned that takes it."""

from __future__ import annotations

from collections.abc import Iterable

from soleil_remediate.errors import FactError
from soleil_remediate.rights import Use
from soleil_remediate.transports import Session

#: How sudo ends where it would not allow something, or would ask for a password first (sudo(8), exit value).
_WOULD_NOT = 1


class Allowed:
    """What is known of it in one run on one host. A rule that changes meanwhile is met by the change itself.

    Attributes:
        refused: What sudo would not allow.
    """

    def __init__(self) -> None:
        self._asked: set[Use] = set()
        self.refused: frozenset[Use] = frozenset()

    def ask(self, uses: Iterable[Use], session: Session) -> None:
        """Ask about what was not asked about yet: one round trip, or none.

        Raises:
            Unreachable: The connection is gone, or the host has stopped answering.
        """
        if not session.access.is_narrow:
            return
        new = [use for use in dict.fromkeys(uses) if use not in self._asked and use.user != session.access.login]
        answers = dict(zip(new, session.ask([use.question for use in new]), strict=True))
        known = {use: answer for use, answer in answers.items() if not isinstance(answer, FactError)}
        self._asked.update(known)
        self.refused |= {use for use, answer in known.items() if answer.exit_status == _WOULD_NOT}
