"""What the lab raises."""

from __future__ import annotations

from soleil_remediate.errors import RemediateError


class LabError(RemediateError):
    """The lab could not do what was asked; the message says what happened and what to type next."""
