"""The folders that hold records: their owner's alone, the whole way down, and never behind a link."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from pathlib import Path

import pytest

from soleil_remediate.errors import ConfigError
from soleil_remediate.state import NotPrivate, open_private, remedy_for, state_folder

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to somebody else")


def opened(root: Path, *names: str) -> Path:
    """Open a folder and return where its descriptor leads."""
    descriptor = open_private(root, *names)
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink() if sys.platform == "linux" else root.joinpath(*names)
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
def _no_folder_stays_open() -> object:
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir())) if folder.is_dir() else 0
    yield
    assert not before or len(list(folder.iterdir())) == before


# --- made -------------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "state"
    before = os.umask(0)
    try:
        assert opened(root, "evidence", "0123abcd") == root / "evidence" / "0123abcd"
    finally:
        os.umask(before)
    made = [tmp_path / "a", tmp_path / "a" / "b", root, root / "evidence", root / "evidence" / "0123abcd"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in made] == [0o700] * 5


def test_what_is_there_is_opened_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    assert opened(tmp_path / "state", "runs") == tmp_path / "state" / "runs"
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o755


def test_above_the_state_folder_links_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "big-disk").mkdir()
    (tmp_path / ".local").symlink_to("big-disk")
    assert opened(tmp_path / ".local" / "state" / "soleil-remediate") == (
        tmp_path / "big-disk" / "state" / "soleil-remediate"
    )


# --- refused ----------------------------------------------------------------------------------------------------------

DOWN = [(), ("evidence",), ("evidence", "0123abcd")]


def refused(root: Path) -> NotPrivate:
    with pytest.raises(NotPrivate) as caught:
        open_private(root, "evidence", "0123abcd")
    return caught.value


@pytest.mark.parametrize("at", DOWN, ids=lambda names: "/".join(names) or "root")
@pytest.mark.parametrize("is_dangling", [True, False])
def test_no_folder_on_the_way_may_be_a_link(tmp_path: Path, at: tuple[str, ...], is_dangling: bool) -> None:
    root, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    if not is_dangling:
        elsewhere.mkdir(mode=0o700)
    link = root.joinpath(*at)
    link.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    link.symlink_to(elsewhere)
    assert refused(root).strerror == f"{link} is a link, which may lead anywhere"
    assert elsewhere.exists() is not is_dangling
    assert is_dangling or list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("at", DOWN, ids=lambda names: "/".join(names) or "root")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o1777])
def test_nobody_else_may_write_to_a_folder_on_the_way(tmp_path: Path, at: tuple[str, ...], mode: int) -> None:
    root = tmp_path / "state"
    root.joinpath(*at).mkdir(parents=True)
    root.joinpath(*at).chmod(mode)
    why = refused(root)
    assert why.strerror == f"{root.joinpath(*at)} has mode {mode:04o}: somebody else may write there"
    assert remedy_for(why) == f"chmod go-w {root.joinpath(*at)}"


@needs_root
@pytest.mark.parametrize("at", DOWN, ids=lambda names: "/".join(names) or "root")
def test_no_folder_on_the_way_may_belong_to_somebody_else(tmp_path: Path, at: tuple[str, ...]) -> None:
    root = tmp_path / "state"
    root.joinpath(*at).mkdir(parents=True, mode=0o700)
    os.chown(root.joinpath(*at), NOBODY, NOBODY)
    why = refused(root)
    assert why.strerror == f"{root.joinpath(*at)} belongs to nobody: somebody else may write there"
    assert "sudo -H" in remedy_for(why)


@needs_root
def test_in_somebody_elses_home_nothing_is_begun(tmp_path: Path) -> None:
    """As sudo without -H leaves it: a ~/.local that belongs to root would keep its owner out for ever after."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    why = refused(home / ".local" / "state" / "soleil-remediate")
    assert why.strerror == f"{home} belongs to nobody, and nothing of ours is begun in it"
    assert "sudo -H" in remedy_for(why)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("at", DOWN, ids=lambda names: "/".join(names) or "root")
def test_a_file_in_the_way_is_no_folder(tmp_path: Path, at: tuple[str, ...]) -> None:
    root = tmp_path / "state"
    root.joinpath(*at).parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    root.joinpath(*at).write_text("precious")
    assert refused(root).strerror == f"{root.joinpath(*at)} is no folder"
    assert root.joinpath(*at).read_text() == "precious"


# --- where ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base, expected",
    [("/var/state", "/var/state"), ("", "/home/jan/.local/state"), ("relative", "/home/jan/.local/state")],
)
def test_the_state_folder_is_where_the_xdg_specification_says(
    monkeypatch: pytest.MonkeyPatch, base: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/jan")
    monkeypatch.setenv("XDG_STATE_HOME", base)
    assert state_folder() == Path(expected) / "soleil-remediate"


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_in_the_environment_it_is_the_users_own_and_never_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    own = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    assert state_folder() == own / ".local" / "state" / "soleil-remediate"


@needs_root
def test_a_user_without_a_home_and_without_a_name_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    os.seteuid(60_999)
    try:
        with pytest.raises(ConfigError, match=r"HOME is not set.*name a folder in XDG_STATE_HOME"):
            state_folder()
    finally:
        os.seteuid(0)
