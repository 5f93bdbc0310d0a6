"""Where pages go: a terminal with colour and lines that move, or a plain stream."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.text import Span
from rich.text import Text as Line

from soleil_remediate.reporters.page import OF_EIGHT, Page, shortened
from soleil_remediate.reporters.visible import visible

#: Wider lines are hard to read; a wider terminal leaves its right side empty.
WIDEST = 100

#: Back to the first column, and erase to the end of the line (ECMA-48, EL).
_ANEW = "\r\x1b[K"


class _Stream(Console):
    def on_broken_pipe(self) -> None:
        """Say nothing more: a reader that went away must not end a run, and rich's own answer would."""
        self.quiet = True


class Screen:
    """Prints pages.

    In a terminal there is colour and a line that is rewritten in place; elsewhere there are plain lines, without any
    control character, 80 columns wide.

    Args:
        file: A text stream.
        is_terminal: Whether somebody looks at it.
        width: In columns.
        height: In lines; how much can be seen at once.
        has_colour: Whether colours and bold are wanted.
        has_palette: Whether it knows 256 colours; others of the first eight are used where it does not.
    """

    def __init__(
        self,
        file: TextIO,
        *,
        is_terminal: bool,
        width: int = 80,
        height: int = 24,
        has_colour: bool = True,
        has_palette: bool = True,
    ) -> None:
        self.is_terminal = is_terminal
        self.width = min(width, WIDEST)
        self.height = height
        self._file = file
        self._is_moving = False
        self._styles = {} if has_palette else OF_EIGHT
        self._console = _Stream(
            file=file,
            force_terminal=is_terminal and has_colour,
            color_system="256" if is_terminal and has_colour else None,
            width=max(width, 40),
            markup=False,
            highlight=False,
            emoji=False,
            soft_wrap=True,
            legacy_windows=False,
            _environ={},  # what is wanted was decided before; rich must not look again
        )

    @classmethod
    def of(cls, file: TextIO, environment: Mapping[str, str] = os.environ) -> Screen:
        """Return the screen that *file* is; ``NO_COLOR`` and ``TERM=dumb`` are respected."""
        is_terminal = file.isatty() and environment.get("TERM", "") not in {"", "dumb"}
        columns, lines = 80, 24
        if is_terminal:
            try:
                columns, lines = os.get_terminal_size(file.fileno())
            except OSError:
                columns, lines = shutil.get_terminal_size()
        return cls(
            file,
            is_terminal=is_terminal,
            width=columns or 80,
            height=lines or 24,
            has_colour=not environment.get("NO_COLOR"),
            has_palette="256color" in environment.get("TERM", "") or bool(environment.get("COLORTERM")),
        )

    def show(self, page: Page) -> None:
        """Print a page."""
        for line in page.lines:
            self._print(line)

    def say(self, text: str) -> None:
        """Print one line."""
        self._print(Line(visible(text, 100_000)))

    def move(self, text: str) -> None:
        """Show one line that the next one takes the place of; only a terminal shows it at all."""
        if not self.is_terminal:
            return
        self._is_moving = True
        self._file.write(f"{_ANEW}{shortened(visible(text), self.width - 1)}")
        self._file.flush()

    def settle(self) -> None:
        """Take a moving line away, and whatever the keyboard echoed behind it."""
        if self._is_moving:
            self._file.write(_ANEW)
            self._is_moving = False

    def _print(self, line: Line) -> None:
        self.settle()
        shown = line.copy()
        shown.spans = [Span(at.start, at.end, self._styles.get(str(at.style), at.style)) for at in line.spans]
        self._console.print(shown, soft_wrap=True)
        self._file.flush()
