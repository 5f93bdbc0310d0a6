"""Whatever a host says, a terminal shows it and does nothing about it."""

from __future__ import annotations

import subprocess
import unicodedata

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soleil_remediate.command import Command, Secret
from soleil_remediate.reporters.visible import typed, visible


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain /srv 100 % é ü 日本", "plain /srv 100 % é ü 日本"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("one\rtwo\nthree\tfour\0", "one\\rtwo\\nthree\\tfour\\0"),
        ("a\u202eb\u2066c\u200bd\ufeffe", "a\\u202eb\\u2066c\\u200bd\\ufeffe"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("e\u0301", "e\u0301"),
        ("z\u0301\u0302\u0303\u0304", "z\u0301\u0302\\u0303\\u0304"),
        ("\u3164\u2800", "\\u3164\\u2800"),
        ("line\u2028sep", "line\\u2028sep"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    shown = visible(text, 10_000)
    assert not [one for one in shown if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
    assert visible(shown, 100_000) == shown


@given(st.text(alphabet=st.characters(max_codepoint=0x9F), max_size=200))
def test_controls_leave_a_terminal_as_it_was(text: str) -> None:
    screen = pyte.Screen(80, 5)
    stream = pyte.Stream(screen)
    stream.feed("first\r\n")
    stream.feed(visible(text[:60]).ljust(1)[:79])
    assert screen.display[0].rstrip() == "first"
    assert screen.cursor.y == 1
    assert (screen.title, screen.icon_name) == ("", "")
    assert screen.mode == pyte.Screen(80, 5).mode


def test_sixty_four_kib_are_cut_and_counted() -> None:
    shown = visible("x" * 65_536)
    assert len(shown) < 1100
    assert shown.endswith("(64,536 characters more)")


# --- commands ---------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30), max_size=4
    )
)
@example(["\"'"])
def test_a_command_as_shown_means_the_same_to_a_shell(words: list[str]) -> None:
    shown = "\n".join(typed(Command(("printf", "%s\\0", *words))))
    ended = subprocess.run(
        ["/bin/bash", "-c", shown], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True, timeout=10
    )
    assert ended.stdout.decode() == "".join(f"{word}\0" for word in words or [""])


def test_a_command_as_shown_cannot_act_on_the_terminal() -> None:
    shown = typed(Command(("rm", "--", "/tmp/\x1b]0;x\x07\u202etxt.exe")))
    assert shown == ["rm -- $'/tmp/\\x1b]0;x\\x07\\xe2\\x80\\xaetxt.exe'"]


def test_a_script_keeps_its_lines() -> None:
    assert typed(Command(("sh", "-c", "set -eu\ntrue", "name"))) == ["sh -c 'set -eu", "true' name"]


def test_a_secret_is_never_shown() -> None:
    (line,) = typed(Command(("psql",), stdin=Secret("hunter2"), user="postgres"))
    assert line == "sudo -u postgres psql   # reads a secret on standard input"


def test_what_a_command_reads_is_shown_with_it() -> None:
    assert typed(Command(("cat",), stdin="12\n")) == ["printf %s $'12\\n' | cat"]


def test_a_file_name_cannot_look_like_a_line_of_this_program() -> None:
    assert typed(Command(("rm", "x\nFIXED  web1"))) == ["rm $'x\\nFIXED  web1'"]
