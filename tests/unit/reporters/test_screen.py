"""Colour and moving lines for a terminal, plain lines for everything else."""

from __future__ import annotations

import io

import pyte
import pytest
from rich.style import Style

from soleil_remediate.reporters.endings import BAD, GOOD, HALF
from soleil_remediate.reporters.page import HEADING, RED, Page
from soleil_remediate.reporters.plans import STYLES
from soleil_remediate.reporters.previews import FAULT
from soleil_remediate.reporters.screen import Screen

Triplet = tuple[int, int, int]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("no descriptor")


def page() -> Page:
    made = Page()
    made.line(("FAULT", RED), "  [red]not markup[/red] :smile: https://soleil.example 100 %")
    return made


def test_a_pipe_gets_plain_text() -> None:
    stream = io.StringIO()
    Screen.of(stream, {"TERM": "xterm"}).show(page())
    assert stream.getvalue() == "FAULT  [red]not markup[/red] :smile: https://soleil.example 100 %\n"


def test_a_terminal_gets_colour_only_where_it_was_asked_for() -> None:
    stream = Tty()
    Screen.of(stream, {"TERM": "xterm-256color"}).show(page())
    plain = "  [red]not markup[/red] :smile: https://soleil.example 100 %\n"
    assert stream.getvalue() == f"\x1b[1;38;5;196mFAULT\x1b[0m{plain}"


@pytest.mark.parametrize(
    "environment, code",
    [
        ({"TERM": "xterm"}, "1;31"),
        ({"TERM": "linux"}, "1;31"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "1;38;5;196"),
        ({"TERM": "tmux-256color"}, "1;38;5;196"),
    ],
)
def test_a_terminal_gets_only_colours_that_it_knows(environment: dict[str, str], code: str) -> None:
    stream = Tty()
    Screen.of(stream, environment).show(page())
    assert stream.getvalue().startswith(f"\x1b[{code}mFAULT\x1b[0m")


def contrast(one: Triplet, other: Triplet) -> float:
    """How well one colour is read on another, from 1 to 21: WCAG 2.2, contrast ratio."""

    def luminance(colour: Triplet) -> float:
        parts = [part / 255 for part in colour]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@pytest.mark.parametrize("background", [WHITE, BLACK], ids=["white", "black"])
@pytest.mark.parametrize("style", sorted({GOOD, BAD, HALF, FAULT, HEADING, *STYLES.values()}))
def test_every_colour_is_read_on_a_light_and_on_a_dark_background(style: str, background: Triplet) -> None:
    colour = Style.parse(style).color
    if colour is not None:  # otherwise it is the terminal's own, on its own background
        assert colour.number is None or colour.number >= 16, "every terminal shows the first sixteen in its own way"
        assert contrast(colour.get_truecolor(), background) >= 3.9


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
