"""Lines that fit."""

from __future__ import annotations

import shlex
import subprocess

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from soleil_remediate.reporters.page import Page, counted, joined, shortened, wrapped


@given(st.text(alphabet="ab /日é", max_size=200), st.integers(min_value=2, max_value=40))
def test_wrapped_lines_fit_and_lose_nothing_but_blanks(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.text(alphabet="ab日", max_size=60), st.integers(min_value=2, max_value=40))
def test_a_shortened_text_fits_and_says_that_it_was_cut(text: str, columns: int) -> None:
    short = shortened(text, columns)
    assert cell_len(short) <= columns
    assert short == text or short.endswith("…")


def test_text_beside_a_label_keeps_its_margin() -> None:
    page = Page(40)
    page.beside("FAULT", "one two three four five six seven eight nine")
    assert page.text == "FAULT  one two three four five six seven\n       eight nine\n"


def test_a_number_and_its_unit_are_never_parted() -> None:
    text = "used 100 % of 14.6 GiB, 0 B free, grew by 95 MiB/min, about 2 h 30 min, 5 s"
    for width in range(8, 40):
        lines = wrapped(text, width)
        assert [line for line in lines if line.startswith(("%", "GiB", "B ", "MiB", "h ", "min", "s"))] == []
    assert wrapped("7 hosts 12 Bob 3 dogs", 7) == ["7 hosts", "12 Bob", "3 dogs"]
    assert wrapped("of 7 hosts", 4) == ["of 7", "host", "s"]


def test_a_headline_that_is_too_long_goes_on_below() -> None:
    page = Page(40)
    page.headline(("FIXED", "bold"), "web1 · 1 change · 30 s · nothing unknown · exit 0", 10)
    assert page.text == "FIXED  web1 · 1 change · 30 s · nothing\n          unknown · exit 0\n"


def test_a_cut_text_ends_with_an_ellipsis() -> None:
    page = Page(40)
    page.prose("word " * 30, at_most=2)
    assert [line[-1] for line in page.text.splitlines()] == ["d", "…"]


def test_numbers_stand_right() -> None:
    page = Page(40)
    page.table([("14.6 GiB", "/srv/a"), ("2 B", "/srv/b")], align="rl")
    assert page.text == "14.6 GiB   /srv/a\n     2 B   /srv/b\n"


def test_a_long_command_is_broken_before_options_and_never_inside_quotes() -> None:
    words = ["printf", "%s|", "--one", "a -b -c", "--two", "x" * 30, "--three", "y" * 30]
    page = Page(40)
    page.command("  next", shlex.join(words), 10)
    assert page.text.count(" \\\n") == 2
    typed = page.text.removeprefix("  next").strip()
    said = subprocess.run(["/bin/sh", "-c", typed], capture_output=True, text=True, check=True)
    assert said.stdout == "".join(f"{word}|" for word in words[2:])


def test_a_command_of_ours_within_a_sentence_can_be_copied() -> None:
    page = Page(60)
    page.beside(
        "why",
        "it is not known. If it is to blame: `soleil-remediate remediate --host web1 --set to=1 --set 'a=b c'`. Or "
        "not: `soleil-remediate ping --host web1`, and `php artisan up`",
    )
    assert page.text == (
        "why    it is not known. If it is to blame:\n"
        "         soleil-remediate remediate --host web1 --set to=1 \\\n"
        "           --set 'a=b c'\n"
        "       Or not:\n"
        "         soleil-remediate ping --host web1\n"
        "       and `php artisan up`\n"
    )


def test_two_gaps_are_one_and_none_begins_a_page() -> None:
    page = Page()
    page.gap()
    page.line("a")
    page.gap()
    page.gap()
    page.line("b")
    assert page.text == "a\n\nb\n"


def test_small_words() -> None:
    assert counted(1, "host") == "1 host"
    assert counted(0, "host") == "0 hosts"
    assert joined(["a", "", "b"]) == "a · b"
