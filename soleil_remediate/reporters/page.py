"""Lines for people: laid out for a width, each part escaped, coloured only where it is said so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len
from rich.text import Text as Line

from soleil_remediate.reporters.visible import visible

#: A text, or a text and rich's name of its style.
Part: TypeAlias = "str | tuple[str, str]"

#: Where the text beside FAULT, WHY and the like begins.
MARGIN = 7

HEADING = "bold"
#: Colours that can be read on white and on black (a contrast of 3.9 and more, as WCAG 2.2 counts it). They are of the
#: palette of 256: what the first sixteen look like every terminal decides by itself, and bold green is white on many.
GREEN, RED, PURPLE = "bold color(28)", "bold color(196)", "bold color(129)"
#: The same for terminals that know no others than the first eight.
OF_EIGHT = {GREEN: "bold green", RED: "bold red", PURPLE: "bold magenta"}

#: Between two things on one line.
SEPARATOR = " · "
#: Where a shell command may go on in the next line: at a blank before an option, and before what becomes of its output;
#: not at one within quotes, which are found as well.
_BREAK = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.| (?=--?[a-z]|> |&& )""", re.DOTALL)

#: One of this program's commands within a sentence.
_COMMAND = re.compile(r"`(soleil-remediate [^`]+)`")

#: A blank where a line may end: none between a number and its unit.
_BLANK = re.compile(r"(?<![0-9]) | (?!(?:%|[KMGT]iB|B|s|min|h|d)(?![A-Za-z0-9]))")


class Page:
    """Lines that fit a width; whatever is put in goes through :func:`visible`.

    Args:
        width: In columns.
    """

    def __init__(self, width: int = 80) -> None:
        self.width = max(width, 40)
        self.lines: list[Line] = []

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def text(self) -> str:
        """The page without colour."""
        return "".join(f"{line.plain}\n" for line in self.lines)

    def gap(self) -> None:
        """Leave one line empty, never two."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Line())

    def line(self, *parts: Part) -> None:
        """Put *parts* on one line, which a terminal may wrap: for what people copy."""
        line = Line(no_wrap=True)
        for part in parts:
            text, style = part if isinstance(part, tuple) else (part, "")
            line.append(visible(text, 100_000), style)
        line.rstrip()
        self.lines.append(line)

    def command(self, label: str, command: str, indent: int) -> None:
        """Put a shell command on as many lines as it takes, each but the last ended by a backslash: it can be copied.

        Args:
            label: Ours, in front.
            command: As typed; it is broken only before an option, ``>`` and ``&&``.
            indent: The column where it begins.
        """
        first, *others = _parts(command)
        line = label.ljust(indent) + first
        for part in others:
            if cell_len(line) + cell_len(part) + 3 > self.width:
                self.line(f"{line} \\")
                line = f"{' ' * (indent + 2)}{part}"
            else:
                line += f" {part}"
        self.line(line)

    def prose(self, text: str, indent: int = 0, *, at_most: int = 0) -> None:
        """Put *text* on as many lines as it takes.

        Args:
            text: From anywhere.
            indent: So many columns stay empty on the left.
            at_most: So many lines; what does not fit ends with an ellipsis. 0 is no limit.
        """
        self.beside("", text, indent, at_most=at_most)

    def beside(self, label: Part, text: str, indent: int = MARGIN, *, at_most: int = 0) -> None:
        """Put *label* on the left and *text*, wrapped, beside it.

        One of this program's commands that stands in it within backticks has lines of its own: it can be copied.

        Args:
            label: On the first line.
            text: From anywhere.
            indent: The column where *text* begins; a longer label pushes only the first line.
            at_most: So many lines; what does not fit ends with an ellipsis. 0 is no limit.
        """
        text, *others = (text,) if at_most else _COMMAND.split(text)
        self._beside(label, text, indent, at_most)
        for command, rest in zip(others[::2], others[1::2], strict=True):
            self.command("", command, indent + 2)
            if rest := rest.lstrip(".,; "):
                self._beside("", rest, indent, 0)

    def _beside(self, label: Part, text: str, indent: int, at_most: int) -> None:
        name, style = label if isinstance(label, tuple) else (label, "")
        name = visible(name)
        first = name.ljust(indent) if cell_len(name) <= indent else f"{name} "
        lines = wrapped(visible(text), self.width - indent, self.width - cell_len(first))
        if at_most and len(lines) > at_most:
            lines = [*lines[: at_most - 1], shortened(f"{lines[at_most - 1]} {lines[at_most]}", self.width - indent)]
        for number, part in enumerate(lines or [""]):
            line = Line(no_wrap=True)
            line.append(first if number == 0 else " " * indent, style if number == 0 else "")
            line.append(part)
            line.rstrip()
            self.lines.append(line)

    def names(self, label: str, names: Iterable[str], indent: int) -> None:
        """Put *label* on the left and all of *names* beside it, however many they are."""
        text = " ".join(visible(name, 200) for name in names)
        for number, part in enumerate(wrapped(text, self.width - indent) or [""]):
            self.line((label if number == 0 else "").ljust(indent), part)

    def headline(self, label: tuple[str, str], text: str, indent: int, *, between: str = "  ") -> None:
        """Put *label* and *text* on one line; what does not fit goes on in the next ones.

        Args:
            label: A text, and rich's name of its style.
            text: From anywhere.
            indent: The column where further lines begin.
            between: What stands between the two.
        """
        name, style = label
        room = self.width - cell_len(visible(name)) - cell_len(between)
        first, *others = wrapped(visible(text), self.width - indent, room)
        self.line((name, style), f"{between}{first}")
        for line in others:
            self.line(" " * indent, line)

    def table(self, rows: Sequence[Sequence[str]], *, align: str = "", indent: int = 0, gap: int = 3) -> None:
        """Put *rows* in columns, as wide as they must be; the last column takes what is left and is cut there.

        Args:
            rows: As many cells each.
            align: One letter a column, ``l`` or ``r``; shorter means left.
            indent: So many columns stay empty on the left.
            gap: Between two columns.
        """
        cells = [[visible(cell, 400) for cell in row] for row in rows]
        count = max((len(row) for row in cells), default=0)
        widths = [max((cell_len(row[i]) for row in cells if i < len(row)), default=0) for i in range(count)]
        for row in cells:
            shown, used = " " * indent, indent
            for index, cell in enumerate(row):
                is_right = align[index : index + 1] == "r"
                room = max(self.width - used, 8) if index == count - 1 else max(self.width // 2, 8)
                text = shortened(cell, room)
                pad = " " * max(min(widths[index], room) - cell_len(text), 0)
                shown += (pad + text if is_right else text + pad) + " " * gap
                used = cell_len(shown)
            self.lines.append(Line(shown.rstrip(), no_wrap=True))

    def add(self, other: Page) -> None:
        """Put another page's lines below."""
        self.lines.extend(other.lines)


def _parts(command: str) -> list[str]:
    """Split a command where it may go on in the next line, never inside quotes."""
    ends = [match for match in _BREAK.finditer(command) if match[0] == " "]
    starts = [0, *(match.end() for match in ends)]
    return [command[start:end] for start, end in zip(starts, [*(one.start() for one in ends), None], strict=True)]


def wrapped(text: str, width: int, first: int | None = None) -> list[str]:
    """Break *text* at blanks into lines of at most *width* columns; a word that is wider is broken anywhere.

    A number and its unit stay together.

    Args:
        text: On one line.
        width: Of every line.
        first: Of the first one, where that is another.
    """
    lines, line = [], ""
    room = width if first is None else first
    for word in _BLANK.split(text):
        rest = word
        while True:
            candidate = f"{line} {rest}" if line else rest
            if cell_len(candidate) <= room:
                line = candidate
                break
            if line:
                lines.append(line)
                line = ""
            elif cell_len(rest) > room:
                head = _head(rest, room) or rest[:1]
                lines.append(head)
                rest = rest[len(head) :]
            room = width
    return [*lines, line] if line else lines


def advised(advice: str, width: int) -> list[str]:
    """Return advice as lines: sentences wrapped, a command whole, on a line of its own where it does not fit."""
    first, *rest = advice.rstrip().split("\n")
    about, colon, command = first.partition(": ")
    if colon and not first.endswith(".") and ("  " in first or cell_len(first) > width):
        return [f"{about}:", f"  {command.strip()}", *rest]
    return [*wrapped(visible(first), width), *rest]


def _head(text: str, columns: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += cell_len(character)
        if used > columns:
            return text[:index]
    return text


def shortened(text: str, columns: int) -> str:
    """Return *text*, cut to *columns* with an ellipsis where it is wider."""
    return text if cell_len(text) <= columns else _head(text, columns - 1) + "…"


def joined(items: Iterable[str], separator: str = SEPARATOR) -> str:
    """Return the items that say anything, joined."""
    return separator.join(item for item in items if item)


def counted(number: int, noun: str) -> str:
    """Return ``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
