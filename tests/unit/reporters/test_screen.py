"""Colour and moving lines for a terminal, plain lines for everything else."""

from __future__ import annotations

import io

import pyte
import pytest

from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.screen import Screen


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


def page() -> Page:
    made = Page()
    made.line(("FAULT", "bold red"), "  [red]not markup[/red] :smile: https://soleil.example 100 %")
    return made


def test_a_pipe_gets_plain_text() -> None:
    stream = io.StringIO()
    Screen.of(stream, {"TERM": "xterm"}).show(page())
    assert stream.getvalue() == "FAULT  [red]not markup[/red] :smile: https://soleil.example 100 %\n"


def test_a_terminal_gets_colour_only_where_it_was_asked_for() -> None:
    stream = Tty()
    Screen.of(stream, {"TERM": "xterm"}).show(page())
    plain = "  [red]not markup[/red] :smile: https://soleil.example 100 %\n"
    assert stream.getvalue() == f"\x1b[1;31mFAULT\x1b[0m{plain}"


@pytest.mark.parametrize("environment", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_colour_is_respected(environment: dict[str, str]) -> None:
    stream = Tty()
    Screen.of(stream, environment).show(page())
    assert "\x1b" not in stream.getvalue()


def test_nothing_of_the_environment_brings_colour_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    stream = io.StringIO()
    Screen.of(stream, {"TERM": "xterm", "FORCE_COLOR": "1"}).show(page())
    assert "\x1b" not in stream.getvalue()


def test_a_moving_line_is_rewritten_and_leaves_no_trace() -> None:
    stream = Tty()
    screen = Screen(stream, is_terminal=True, width=40)
    screen.move("one is rather long")
    screen.move("two")
    assert _seen(stream)[0] == "two"
    screen.say("done")
    assert _seen(stream)[:2] == ["done", ""]


def test_a_moving_line_never_wraps() -> None:
    stream = Tty()
    screen = Screen(stream, is_terminal=True, width=40)
    screen.move("x" * 200)
    screen.move("short")
    assert _seen(stream) == ["short"] + [""] * 4


def test_nothing_moves_in_a_pipe() -> None:
    stream = io.StringIO()
    screen = Screen(stream, is_terminal=False)
    screen.move("a")
    screen.say("b")
    assert stream.getvalue() == "b\n"


def test_a_reader_that_went_away_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    Screen(Gone(), is_terminal=False).show(page())


def _seen(stream: io.StringIO) -> list[str]:
    terminal = pyte.Screen(40, 5)
    pyte.Stream(terminal).feed(stream.getvalue().replace("\n", "\r\n"))
    return [row.rstrip() for row in terminal.display]
