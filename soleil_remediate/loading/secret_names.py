"""What is taken for a secret because of its name."""

from __future__ import annotations

import re

_SECRET = re.compile(r"pass(?:word|wd|phrase)?$|secret|token|api_?key|private_?key(?!_file)|credential", re.IGNORECASE)
_REFERENCE = re.compile(r"(?:env|file):\S+")


def looks_secret(name: str, value: object = "…") -> bool:
    """Whether a variable of that name holds a secret itself, and not only a reference to one."""
    return _SECRET.search(name) is not None and value is not None and not _REFERENCE.fullmatch(str(value))
