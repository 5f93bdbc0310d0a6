"""Commands to do it by hand: a real shell takes what is printed, and destroys nothing that was not saved first."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.plan import Gather, Script
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.plans import Detail, login, put_by_hand, put_change
from soleil_remediate.units import MiB
from tests.unit.reporters.samples import CUT_LOG, host

#: Cuts a file by what it reads, whatever that is: the guard has to stand before it.
_CUT = Script("cut", 'read -r saved\nprintf "it\'s cut by %s\\n" "$saved" >"$1"')
_SHELLS = ("bash", "dash")


def printed(file: Path) -> list[str]:
    page = Page(80)
    put_by_hand(page, host(), replace(CUT_LOG, command=Command(_CUT.bind(file, 4096))), "1 log.truncate")
    return page.text.splitlines()


def test_what_is_done_by_hand_on_this_machine_needs_no_ssh() -> None:
    there = host()
    here = replace(there, connection=replace(there.connection, transport="local"))
    assert login(there, "sudo -i").startswith("ssh -t ")
    assert login(here, "sudo -i") == "sudo -i"
    assert login(here, "sudo gzip -c '/a log'") == "sudo gzip -c '/a log'"


def pasted(shell: str, lines: list[str], *, is_interactive: bool) -> str:
    """Run lines as somebody who pasted them; those for the person's own machine are left out."""
    here = next(number for number, line in enumerate(lines) if line.startswith("ssh "))
    there = [*lines[:here], *lines[here + 2 :]]
    given = [shell, "-i"] if is_interactive else [shell]
    nobodys = os.environ | {"HOME": "/nonexistent", "HISTFILE": "/dev/null"}  # neither what a person set up nor typed
    done = subprocess.run(
        given, input="\n".join(there) + "\n", env=nobodys, capture_output=True, text=True, check=False, timeout=20
    )
    return done.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "a log"
    file.write_text("lines\n")
    return file


@pytest.mark.parametrize("is_interactive", [True, False], ids=["at a prompt", "in a script"])
@pytest.mark.parametrize("shell", _SHELLS)
def test_commands_copied_without_saving_first_do_nothing_and_say_why(
    shell: str, is_interactive: bool, log: Path
) -> None:
    said = pasted(shell, printed(log), is_interactive=is_interactive)
    assert log.read_text() == "lines\n"
    assert "BYTES_SAVED: save it first" in said


@pytest.mark.parametrize("number", ["x", "-1", "1 2"])
@pytest.mark.parametrize("shell", _SHELLS)
def test_what_is_no_number_of_bytes_does_nothing_either(shell: str, number: str, log: Path) -> None:
    lines = [f"BYTES_SAVED='{number}'" if line == "BYTES_SAVED=" else line for line in printed(log)]
    pasted(shell, lines, is_interactive=False)
    assert log.read_text() == "lines\n"


@pytest.mark.parametrize("shell", _SHELLS)
def test_with_the_number_filled_in_the_change_gets_it(shell: str, log: Path) -> None:
    lines = [f"{line}6" if line == "BYTES_SAVED=" else line for line in printed(log)]
    pasted(shell, lines, is_interactive=True)
    assert log.read_text() == "it's cut by 6\n"


def test_the_number_is_never_filled_in_for_anybody(log: Path) -> None:
    assert CUT_LOG.preserve is not None
    assert str(int(CUT_LOG.preserve.size)) not in "\n".join(printed(log))


def test_what_saves_it_prints_how_much_it_saved(log: Path) -> None:
    lines = printed(log)
    start = next(number for number, line in enumerate(lines) if line.startswith("ssh "))
    assert lines[start : start + 2] == [
        "ssh deploy@192.0.2.11 'sudo gzip -c /srv/soleil/shared/storage/logs/laravel.log' \\",
        "  > web1-laravel.log.gz && gzip -dc web1-laravel.log.gz | wc -c",
    ]


GATHERED = replace(
    CUT_LOG,
    preserve=None,
    gathers=(
        Gather(name="sockets", about="connections", command=Command(("ss", "-a")), size=MiB(1)),
        Gather(name="journal", about="the journal", command=Command(("journalctl",)), size=MiB(2)),
    ),
)


def test_what_is_gathered_first_is_said_in_full_and_in_short_and_by_hand() -> None:
    page = Page(200)
    put_change(page, GATHERED)
    assert "about 3 MiB off the host first, gzip, checksums compared: connections, the journal" in page.text
    short = Page(200)
    put_change(short, GATHERED, Detail.LEAST)
    assert "saved first" in short.text
    typed = Page(200)
    put_by_hand(typed, host(), GATHERED, "1 evidence.collect")
    lines = typed.text.splitlines()
    assert lines.index("# sockets: connections") + 1 == lines.index("ss -a")
    assert "journalctl" in lines
    assert "# then this; it reads a line of each on its standard input: SHA256 BYTES NAME" in lines
