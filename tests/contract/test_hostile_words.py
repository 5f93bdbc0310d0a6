"""A host that says whatever fools programs and people: markers of our own, words of ours, what a terminal acts on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyte
import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import ExitStatus
from soleil_remediate.transports import Progress, Session
from tests.contract.conftest import Bed, output
from tests.contract.controllers import ROOT, Desk
from tests.sshd import IS_ROOT, Sshd

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")

#: A title, a cleared screen, a cursor at home, a clipboard, bidi, zero width, C1, a carriage return, what is no UTF-8.
ACTED_ON = b"\x1b]0;owned\x07\x1b[2J\x1b[H\x1b]52;c;b3duZWQ=\x07\xe2\x80\xaeelif\xe2\x80\x8b\xc2\x9b31m\rFIXED\xff\xfe"


def our_own_words() -> bytes:
    """Return every line that the shim prints and the marker's form, as they stand in the sources, and exit statuses."""
    shim = (ROOT / "soleil_remediate" / "transports" / "shim.sh").read_text()
    printed = re.findall(r"echo ['\"]?([^'\"<>&|;$]+)", shim)
    forged = ["done 0 0", "done 0", "running", "lost", "forgotten", "never-begun", *printed]
    forged += [f"{digits * 32} 0" for digits in "0f"] + ["0", "uid=0(root)", '{"type":"RunEnded","exit_status":0}']
    return b"".join(b"\n" + line.strip().encode() + b"\n" for line in forged)


@pytest.fixture
def forged(work: Path) -> Path:
    """A file on the host that holds all of it."""
    path = work / "forged"
    path.write_bytes(our_own_words() + ACTED_ON)
    return path


def test_a_read_that_prints_what_we_print_is_read_to_the_byte_and_its_status_is_its_own(
    session: Session, forged: Path
) -> None:
    command = Command(("sh", "-c", 'cat "$1"; cat "$1" >&2; exit 5', "forge", str(forged)))
    answers = [output(one) for one in session.ask([command, Command(("echo", "after")), command])]
    for one in (answers[0], answers[2]):
        assert (one.exit_status, one.stdout, one.stderr) == (5, forged.read_bytes(), forged.read_bytes())
    assert answers[1].stdout == b"after\n"


def test_a_change_that_prints_what_we_print_is_as_it_ended_and_not_as_it_says(reached: Bed, forged: Path) -> None:
    session = reached.open()
    session.claim("jan@laptop")
    failing = Command(("sh", "-c", 'cat "$1"; exit 3', "forge", str(forged)))
    answer = session.send("op-forged", failing)
    assert (answer.exit_status, answer.stdout) == (3, forged.read_bytes())
    known = session.outcome("op-forged", memory=session.memory)
    assert known.progress is Progress.DONE
    assert known.output is not None
    assert known.output.exit_status == 3


@pytest.mark.parametrize("more", [(), ("--verbose",), ("--output", "json"), ("--dry-run",)])
def test_nothing_that_a_host_says_reaches_the_terminal_as_more_than_text(
    tmp_path: Path, work: Path, sshd: Sshd, forged: Path, more: tuple[str, ...]
) -> None:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    desk = Desk.at(tmp_path, work, sshd)
    desk.file.write_bytes(forged.read_bytes())
    words = [word for word in desk.words(*more) if word != "--yes" or "--dry-run" not in more]
    said = desk.run(*words)
    assert said.status == (ExitStatus.WORK_FOUND if "--dry-run" in more else ExitStatus.OK), said
    shown = said.out + said.err + ("" if "--dry-run" in more else desk.run("runs", "show", desk.runs.list()[0].run).out)
    assert not re.search(r"[^\n -~\u00a0-\u2027\u2030-\u205f]", shown), "something that is no text"
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(shown.replace("\n", "\r\n"))
    assert (screen.title, screen.icon_name) == ("", "")
    if "json" in more:
        assert json.loads(said.out)["exit_status"] == said.status
    if "--dry-run" not in more:
        assert desk.ledger == ["begun good", "done good"]
        (path,) = (desk.state / "soleil-remediate" / "runs").iterdir()
        assert path.read_bytes().isascii()
        assert {json.loads(line).get("exit_status") for line in path.read_bytes().splitlines()} <= {None, 0}
