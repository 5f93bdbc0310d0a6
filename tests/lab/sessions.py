"""Sessions at a terminal as a page shows them: run for real, and compared with what stands there, figures aside.

A page's ``console`` blocks hold commands behind ``$``, what a person types behind ``>``, and what is then on the
screen; a line ``…`` stands for lines left out. ``yaml`` blocks that begin with a file's name in a comment are files.

    APPROVE_CAPTURES=1 python -m pytest tests/lab/test_documents_and_examples.py -k tutorial

writes what is not as it stands there into the page; what has changed is then read in ``git diff``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

from tests.unit.reporters.ptys import Watched

if TYPE_CHECKING:
    from soleil_remediate.lab import Lab

ROOT = Path(__file__).resolve().parents[2]

#: Where a person's home is on the page.
HOME = "/root"

#: A line that stands for lines left out, or for none.
LEFT_OUT = "…"

COLUMNS, LINES = 80, 24
_WITHIN = 300  # seconds for one command; the first of all may build the lab's image

_BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Of a run or a plan, or a checksum.
_NAME = re.compile(r"\b[0-9a-f]{8,64}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that a person writes, named in its first line."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One command and what is on the screen after it; *typed* is what a person answered, in order."""

    command: str
    shown: str
    typed: tuple[str, ...]


def steps(page: str) -> Iterator[File | Exchange]:
    """Give what a reader of *page* does, in order."""
    for kind, text in _BLOCK.findall(page):
        if kind == "yaml":
            if name := re.match(r"# ([\w/-]+\.yml)\n", text):
                yield File(name=name[1], text=text)
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield Exchange(command=command, shown=shown, typed=tuple(re.findall(r"^> (.*)$", shown, re.MULTILINE)))


def is_as_shown(expected: str, actual: str) -> bool:
    """Whether *actual* is what the page shows, but for figures, names of runs, and lines that it leaves out."""
    parts = [re.escape(_without_figures(part)) for part in re.split(f"^{LEFT_OUT}$", expected, flags=re.MULTILINE)]
    return re.fullmatch(r".*".join(parts), _without_figures(actual)) is not None


def _without_figures(text: str) -> str:
    text = re.sub(f"{_NAME.pattern}…?", "ID", text)
    text = re.sub(r"\bSHA256:[\w+/]+", "ID", text)
    text = re.sub(r"\d+(?:[.:-]\d+)*", "0", text)
    text = re.sub(r"\b0 (?:B|KiB|MiB|GiB)\b(?:/(?:min|h)\b)?", "0 B", text)
    text = re.sub(r"\b0 (?:s|min|h|d)\b(?: 0 (?:s|min|h)\b)?", "0 s", text)
    return " ".join(re.sub(r"\broot@[\w.-]+", "root@here", text).split())


@dataclass
class Session:
    """A person at a terminal, in a home of their own, with a lab of their own.

    Args:
        lab: Stands for the default lab, whose name and folder the page shows.
        home: An empty folder.
    """

    lab: Lab
    home: Path
    exit_status: int = 0
    _environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._environment = {
            "HOME": str(self.home), "PWD": str(ROOT), "PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8",
            "PYTHON": sys.executable,
        }  # fmt: skip

    def write(self, file: File) -> None:
        """Write a file where the person is."""
        Path(self._environment["PWD"], file.name).write_text(file.text, "utf-8")

    def run(self, exchange: Exchange) -> str:
        """Run a command, type what is typed, and return what was on the screen from its beginning to its end."""
        kept = self.home / ".environment"
        folder = self._environment["PWD"]
        script = f"cd '{folder}'\n{self._on_our_lab(exchange.command)}\nset -- $?\nenv -0 >'{kept}'\nexit $1\n"
        with Watched(
            ["/bin/bash", "--norc", "-c", script], self._environment, columns=COLUMNS, lines=LINES
        ) as terminal:
            for number, answer in enumerate(exchange.typed, 1):
                terminal.wait_for("\n> ", times=number, within=_WITHIN)
                terminal.type(f"{answer}\r")
            self.exit_status = terminal.wait(_WITHIN)
        variables = kept.read_text("utf-8").split("\0")
        self._environment = dict(variable.split("=", 1) for variable in variables if variable)
        return self._as_on_the_page(_screen(terminal.raw))

    def _on_our_lab(self, command: str) -> str:
        command = command.replace("$PWD/inventory/lab.yml", str(self.lab.inventory))
        return re.sub(r"\b(soleil-remediate lab \w+)", rf"\1 --lab {self.lab.name}", command)

    def _as_on_the_page(self, shown: str) -> str:
        shown = shown.replace(str(self.lab.inventory.parent), "/var/lib/soleil-lab/default").replace(
            str(self.home), HOME
        )
        return shown.replace(f" --lab {self.lab.name}", "")


def _screen(raw: bytes) -> str:
    """Return what a terminal shows of *raw*, what has left it at the top included; long lines stay whole."""
    screen = pyte.HistoryScreen(1000, LINES, history=10_000, ratio=0.5)
    pyte.ByteStream(screen).feed(raw)
    rows = ["".join(row[column].data for column in range(1000)) for row in screen.history.top]
    lines = [line.rstrip() for line in (*rows, *screen.display)]
    return "\n".join(lines).rstrip("\n") + "\n"


def differences(page: Path, session: Session) -> list[str]:
    """Do what *page* says, and return every command after which something else is on the screen."""
    text, found, position = page.read_text("utf-8"), [], 0
    for step in steps(text):
        if isinstance(step, File):
            session.write(step)
            continue
        shown = session.run(step)
        position = text.index(f"$ {step.command}\n{step.shown}", position)
        said = re.findall(r"\bexit (\d+)$", step.shown, re.MULTILINE)
        if not is_as_shown(step.shown, shown):
            found.append(f"$ {step.command}\n--- on the page\n{step.shown}--- on the screen\n{shown}")
            begins = position + len(f"$ {step.command}\n")
            text = text[:begins] + as_it_stands_now(step.shown, shown) + text[begins + len(step.shown) :]
        elif said and int(said[-1]) != session.exit_status:
            found.append(f"$ {step.command}\nended with {session.exit_status}, the page says {said[-1]}")
        position += 1
    if os.environ.get("APPROVE_CAPTURES") == "1":
        page.write_text(text, "utf-8")
    return found


def as_it_stands_now(expected: str, actual: str) -> str:
    """Return what is to stand on the page: what is new, and as it stood there what differs in figures only."""
    old, new = expected.splitlines(), actual.splitlines()
    matcher = SequenceMatcher(None, [_without_figures(line) for line in old], [_without_figures(line) for line in new])
    lines: list[str] = []
    called: dict[str, str] = {}
    for tag, first, last, new_first, new_last in matcher.get_opcodes():
        if tag == "equal":
            for stood, stands in zip(old[first:last], new[new_first:new_last], strict=True):
                called |= zip(_NAME.findall(stands), _NAME.findall(stood), strict=False)
        was, now = old[first:last], new[new_first:new_last]
        if LEFT_OUT in was:  # as many lines before it and behind it as there were
            place = was.index(LEFT_OUT)
            behind = len(now) - (len(was) - place - 1)
            now = [*now[:place], LEFT_OUT, *now[max(behind, place) :]]
        lines += was if tag == "equal" else now
    text = "".join(f"{line}\n" for line in lines)
    text = text if is_as_shown(text, actual) else actual
    return _NAME.sub(lambda name: called.get(name[0], name[0]), text)
