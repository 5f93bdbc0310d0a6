from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path, PurePosixPath
from typing import TypeVar

import pytest

from soleil_remediate.command import Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.sockets import FindSockets, Listening, ListListening
from tests.unit.facts.answers import said
from tests.unit.facts.sockets import LISTENING

T = TypeVar("T")


def test_who_listens_where_and_how_many_wait_there() -> None:
    www, other, udev, dbus, web, ssh, renamed = ListListening().answer(said(LISTENING))
    assert www == Listening(at="/run/php/php8.2-www.sock", programs=("php-fpm8.2",), processes=2, waiting=0, most=4096)
    assert (other.at, other.waiting, other.most) == ("/run/php/other pool.sock", 2, 511)
    assert (udev.programs, udev.processes) == (("systemd-udevd",), 1)
    assert (dbus.programs, dbus.is_file, dbus.is_port) == ((), False, False)
    assert (web.at, web.programs, web.processes, web.is_port) == ("0.0.0.0:80", ("nginx",), 2, True)
    assert renamed.programs == ("supervisord",)
    assert (ssh.at, ssh.programs, ssh.waiting) == ("[::]:22", (), 3)


def test_what_is_no_such_list_is_no_answer() -> None:
    with pytest.raises(FactError, match="no socket: 'tcp LISTEN something'"):
        ListListening().answer(said("tcp LISTEN something\n"))


def test_the_sockets_in_a_folder_are_found_and_where_there_is_none_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "with space.sock"
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as file:
        file.bind(str(path))
    assert _asked(FindSockets(PurePosixPath(tmp_path))) == {PurePosixPath(path)}
    path.unlink()
    assert _asked(FindSockets(PurePosixPath(tmp_path))) == frozenset()
    assert _asked(FindSockets(PurePosixPath(tmp_path / "none"))) == frozenset()


@pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2 is not installed")
def test_real_sockets_are_found_with_how_many_wait_there(tmp_path: Path) -> None:
    path = tmp_path / "with space.sock"
    with socket.socket(socket.AF_UNIX) as file, socket.socket() as port, socket.socket(socket.AF_UNIX) as client:
        file.bind(str(path))
        file.listen(7)
        port.bind(("127.0.0.1", 0))
        port.listen(5)
        client.connect(str(path))
        found = {one.at: one for one in _asked(ListListening())}
        there = found[str(path)]
        assert (there.waiting, there.most, there.processes) == (1, 7, 1)
        assert found[f"127.0.0.1:{port.getsockname()[1]}"].most == 5


def _asked(query: Query[T]) -> T:
    ended = subprocess.run(query.command.words, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return query.answer(Output(exit_status=ended.returncode, stdout=ended.stdout, stderr=ended.stderr))
