from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.sockets import Listening, ListListening
from tests.unit.facts.answers import said
from tests.unit.facts.sockets import LISTENING


def test_who_listens_where_and_how_many_wait_there() -> None:
    www, other, udev, dbus, web, ssh, renamed = ListListening().answer(said(LISTENING))
    assert www == Listening(
        at="/run/php/php8.2-www.sock", programs=("php-fpm8.2",), processes=2, waiting=0, most=4096, is_gone=True
    )
    assert (other.at, other.waiting, other.most, other.is_gone) == ("/run/php/other pool.sock", 2, 511, False)
    assert (udev.programs, udev.processes) == (("systemd-udevd",), 1)
    assert (dbus.programs, dbus.is_file, dbus.is_port) == ((), False, False)
    assert (web.at, web.programs, web.processes, web.is_port) == ("0.0.0.0:80", ("nginx",), 2, True)
    assert renamed.is_gone
    assert (ssh.at, ssh.programs, ssh.waiting) == ("[::]:22", (), 3)


@pytest.mark.parametrize(
    "text, why",
    [
        (LISTENING.removesuffix("end\n"), "it ends in the middle"),
        ("tcp LISTEN something\nend\n", "no socket: 'tcp LISTEN something'"),
    ],
)
def test_what_is_no_such_list_is_no_answer(text: str, why: str) -> None:
    with pytest.raises(FactError) as caught:
        ListListening().answer(said(text))
    assert why in str(caught.value)


@pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2 is not installed")
def test_a_real_socket_is_found_and_so_is_that_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "with space.sock"
    with socket.socket(socket.AF_UNIX) as file, socket.socket() as port, socket.socket(socket.AF_UNIX) as client:
        file.bind(str(path))
        file.listen(7)
        port.bind(("127.0.0.1", 0))
        port.listen(5)
        client.connect(str(path))
        there = _found(str(path))
        assert (there.waiting, there.most, there.is_gone) == (1, 7, False)
        assert there.processes == 1, "it is this one"
        assert _found(f"127.0.0.1:{port.getsockname()[1]}").most == 5
        path.unlink()
        assert _found(str(path)).is_gone
        path.write_text("no socket")
        assert _found(str(path)).is_gone


def _found(at: str) -> Listening:
    ended = subprocess.run(ListListening().command.words, capture_output=True, check=True, env=dict(os.environ))
    listening = ListListening().answer(Output(exit_status=0, stdout=ended.stdout))
    (found,) = [one for one in listening if one.at == at]
    return found
