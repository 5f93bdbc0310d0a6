from __future__ import annotations

import errno
import os
import pwd
from contextlib import suppress
from pathlib import Path

import pytest

from soleil_remediate.local_files import (
    NotPlain,
    TooLarge,
    expanded,
    home,
    is_folder,
    names_in,
    read_file,
    shown_path,
    status_of,
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("length", [0, 1, 65_536, 65_537, 200_000])
def test_a_file_is_read_to_its_last_byte_where_it_may_be_as_long(length: int) -> None:
    content = os.urandom(length)
    Path("f").write_bytes(content)
    assert read_file("f", length).content == content
    assert read_file(Path("f"), length + 1).content == content
    if length:
        with pytest.raises(TooLarge, match=f"it is larger than {length - 1} bytes"):
            read_file("f", length - 1)


def test_what_is_said_about_a_file_is_about_the_one_that_was_read() -> None:
    Path("f").touch(0o640)
    Path("link").symlink_to("f")
    assert read_file("link", 1).status.st_ino == Path("f").stat().st_ino


def test_nothing_is_waited_for() -> None:
    os.mkfifo("pipe")
    for path in ("pipe", "/dev/zero", "/dev/tty", "/dev/stdin"):
        with pytest.raises(OSError) as caught:  # noqa: PT011  # without a terminal there is no /dev/tty
            read_file(path, 100)
        assert isinstance(caught.value, NotPlain) or caught.value.errno == errno.ENXIO


@pytest.mark.parametrize(
    "path,why",
    [
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 256, "File name too long"),
        ("a\0b", "nothing can have such a name"),
        ("\ud800", "nothing can have such a name"),
    ],
)
def test_what_cannot_be_read_says_why(path: str, why: str) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the words are its strerror
        read_file(path, 100)
    assert caught.value.strerror == why


def test_no_file_stays_open() -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    Path("f").write_text("x")
    os.mkfifo("pipe")
    before = opened()
    read_file("f", 1)
    for path in ("f", "pipe", ".", "/dev/zero"):
        with suppress(OSError):
            read_file(path, 0)
    assert opened() == before


def test_a_link_that_leads_nowhere_is_not_nothing() -> None:
    Path("dangling").symlink_to("elsewhere")
    Path("plain").touch()
    assert status_of("missing") is None
    assert status_of("plain/below") is None
    with pytest.raises(FileNotFoundError):
        status_of("dangling")
    with pytest.raises(OSError, match="nothing can have such a name"):
        status_of("a\0b")


def test_a_folder_is_told_from_everything_else() -> None:
    Path("folder").mkdir()
    Path("link").symlink_to("folder")
    Path("plain").touch()
    for path in ("b", "a"):
        Path("folder", path).touch()
    assert is_folder("folder")
    assert is_folder(Path("link"))
    for path in ("plain", "missing", "x" * 5000, "a\0b"):
        assert not is_folder(path)
    assert names_in("link") == ["a", "b"]
    with pytest.raises(NotADirectoryError):
        names_in("plain")


def test_a_path_is_shown_whole_unless_nobody_can_have_meant_it() -> None:
    assert shown_path(Path("a/b")) == "a/b"
    assert shown_path("x" * 1000) == "x" * 1000
    assert shown_path("x" * 1001) == "x" * 100 + "…"


@pytest.mark.parametrize("named", [None, "", "relative", "~"])
def test_a_home_that_the_environment_does_not_name_is_the_users_own_and_never_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    monkeypatch.delenv("HOME") if named is None else monkeypatch.setenv("HOME", named)
    own = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    assert home() == own
    assert expanded("~/.ssh/config") == own / ".ssh" / "config"
    assert expanded("~") == own


def test_the_home_that_the_environment_names_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jan")
    assert expanded("~/.ssh") == Path("/home/jan/.ssh")
    assert expanded("~root/.ssh") == Path(pwd.getpwnam("root").pw_dir, ".ssh")
    assert [expanded(path) for path in ("~nobody-of-that-name/x", "a/~/b", "/a")] == [
        Path("~nobody-of-that-name/x"),
        Path("a/~/b"),
        Path("/a"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user whom nobody knows")
def test_a_user_without_a_home_finds_nothing_there_and_nothing_of_the_current_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOME")
    Path("~").mkdir()
    Path("~", "config").touch()
    os.seteuid(60_999)
    try:
        assert home() is None
        assert expanded("~/config") == Path("/~/config")
    finally:
        os.seteuid(0)
