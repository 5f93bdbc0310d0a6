"""Texts that a person has looked at and approved, kept beside the tests and compared to the letter.

    APPROVE_CAPTURES=1 python -m pytest tests/unit/reporters

writes them anew; what has changed is then read in ``git diff``.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "captures"


def approve(name: str, text: str) -> None:
    file = FOLDER / f"{name}.txt"
    if os.environ.get("APPROVE_CAPTURES") == "1":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
