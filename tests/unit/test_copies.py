"""Copies of what changes destroy: in the run's own folder whatever a host calls them, and no half one among them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soleil_remediate.copies import NewCopy, copies_of, cut_short
from soleil_remediate.state import NotPrivate

RUN = "0123abcd"


def copied(state: Path, name: str, content: bytes = b"copy") -> Path:
    """Make a whole copy."""
    with NewCopy(state, RUN, name) as new:
        new.file.write(content)
        new.finish()
    return new.path


@pytest.fixture(autouse=True)
def _no_file_stays_open() -> Iterator[None]:
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir())) if folder.is_dir() else 0
    yield
    assert not before or len(list(folder.iterdir())) == before


# --- half and whole ---------------------------------------------------------------------------------------------------


def test_until_it_is_finished_a_copys_name_says_that_it_is_none(tmp_path: Path) -> None:
    with NewCopy(tmp_path, RUN, "log") as new:
        new.file.write(b"half")
        assert [path.name for path in copies_of(tmp_path, RUN).iterdir()] == ["log.gz.partial"]
        assert cut_short(tmp_path, RUN) == (copies_of(tmp_path, RUN) / "log.gz.partial",)
        new.finish()
        assert [path.name for path in copies_of(tmp_path, RUN).iterdir()] == ["log.gz"]
    assert new.path == copies_of(tmp_path, RUN) / "log.gz"
    assert new.path.read_bytes() == b"half"
    assert stat.S_IMODE(new.path.stat().st_mode) == 0o600
    assert cut_short(tmp_path, RUN) == ()


@pytest.mark.parametrize("is_finished", [True, False])
def test_of_what_went_wrong_nothing_stays(tmp_path: Path, is_finished: bool) -> None:
    def go_wrong() -> None:
        with NewCopy(tmp_path, RUN, "log") as new:
            new.file.write(b"half")
            if is_finished:
                new.finish()
            raise KeyError("whatever")

    with pytest.raises(KeyError):
        go_wrong()
    assert list(copies_of(tmp_path, RUN).iterdir()) == []


def test_what_nobody_finished_does_not_stay(tmp_path: Path) -> None:
    with NewCopy(tmp_path, RUN, "log") as new:
        new.file.write(b"half")
    assert list(copies_of(tmp_path, RUN).iterdir()) == []


def test_a_run_without_copies_has_none_that_were_cut_short(tmp_path: Path) -> None:
    assert cut_short(tmp_path, RUN) == ()
    copied(tmp_path, "log")
    assert cut_short(tmp_path, RUN) == ()


# --- never in the way of another --------------------------------------------------------------------------------------


def test_a_copy_is_never_overwritten(tmp_path: Path) -> None:
    path = copied(tmp_path, "one", b"first")
    with pytest.raises(FileExistsError):
        copied(tmp_path, "one", b"second")
    assert path.read_bytes() == b"first"


def test_nor_is_one_that_is_being_made(tmp_path: Path) -> None:
    with NewCopy(tmp_path, RUN, "one") as first:
        first.file.write(b"first")
        with pytest.raises(FileExistsError):
            copied(tmp_path, "one", b"second")
        first.finish()
    assert first.path.read_bytes() == b"first"


@pytest.mark.parametrize("ending", [".gz", ".gz.partial"])
def test_a_symlink_in_the_way_of_a_copy_is_not_followed(tmp_path: Path, ending: str) -> None:
    copied(tmp_path, "one").with_name(f"two{ending}").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        NewCopy(tmp_path, RUN, "two")
    assert not (tmp_path / "victim").exists()


def test_where_somebody_else_may_write_no_copy_is_made(tmp_path: Path) -> None:
    copied(tmp_path, "one").parent.chmod(0o777)
    with pytest.raises(NotPrivate):
        NewCopy(tmp_path, RUN, "two")
    assert [path.name for path in copies_of(tmp_path, RUN).iterdir()] == ["one.gz"]


# --- names that hosts choose ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a\0b",
        "a/b",
        "\n\x1b[2J\u202e",
        "-rf",
        "x" * 4096,
        "../" * 2000,
        "laravel.log\udcff",
        "ä" * 300,
        " ",
        "web1-0-0-" + "." * 255,
    ],
)
def test_whatever_a_host_calls_a_file_its_copy_lies_in_the_runs_own_folder(tmp_path: Path, name: str) -> None:
    path = copied(tmp_path, name)
    assert path.parent == copies_of(tmp_path, RUN)
    assert path.resolve() == path
    assert path.read_bytes() == b"copy"
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.gz", path.name)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_host_cannot_make_a_whole_copy_look_like_half_of_one(tmp_path: Path) -> None:
    path = copied(tmp_path, "log.gz.partial")
    assert path.name == "log.gz.partial.gz"
    assert cut_short(tmp_path, RUN) == ()


def test_two_long_names_of_two_steps_do_not_meet(tmp_path: Path) -> None:
    assert len({copied(tmp_path, f"{'h' * 200}-{step}-0-{'x' * 255}") for step in range(2)}) == 2


# --- on disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.timeout(60)
def test_a_copy_is_on_disk_before_it_has_its_name_and_its_name_is_before_anything_else_happens(tmp_path: Path) -> None:
    script = tmp_path / "copies.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from soleil_remediate.copies import NewCopy\n"
        "with NewCopy(Path(sys.argv[1]), '0123abcd', 'log') as new:\n"
        "    new.file.write(b'content')\n"
        "    new.finish()\n"
        "    os.write(2, b'SAID')\n"
    )
    trace = tmp_path / "trace"
    calls = "trace=write,fsync,rename,renameat,renameat2"
    subprocess.run(
        ["strace", "-f", "-y", "-e", calls, "-o", trace, sys.executable, script, tmp_path / "state"],
        check=True,
        capture_output=True,
        timeout=50,
    )
    order = []
    for line in trace.read_text().splitlines():
        for pattern, name in [
            (r"write\(\d+<[^>]*log\.gz\.partial>", "write copy"),
            (r"fsync\(\d+<[^>]*log\.gz\.partial>", "sync copy"),
            (r"rename\w*\(.*\"log\.gz\.partial\".*\"log\.gz\"", "rename copy"),
            (r"fsync\(\d+<[^>]*/0123abcd>", "sync folder"),
            (r"write\(2.*SAID", "said"),
        ]:
            if re.search(pattern, line):
                order.append(name)
    assert order == ["write copy", "sync copy", "rename copy", "sync folder", "said"]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small disk")
@pytest.mark.parametrize("count", [100, 100_000])
def test_a_copy_on_a_full_disk_is_an_error_and_leaves_nothing_that_looks_like_one(tmp_path: Path, count: int) -> None:
    script = tmp_path / "full.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from soleil_remediate.copies import NewCopy\n"
        "state = Path(sys.argv[1])\n"
        "try:\n"
        "    with NewCopy(state, '0123abcd', 'log') as new:\n"
        "        with (state / 'ballast').open('wb', buffering=0) as file:\n"
        "            try:\n"
        "                while file.write(b'x' * 4096): pass\n"
        "            except OSError: pass\n"
        f"        new.file.write(b'x' * {count})\n"
        "        new.finish()\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
        "print(list((state / 'evidence' / '0123abcd').iterdir()))\n"
    )
    (tmp_path / "disk").mkdir()
    mounted = 'mount -t tmpfs -o size=64k,mode=700 none "$1" && exec "$2" "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", str(tmp_path / "disk"), sys.executable, str(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout == "No space left on device\n[]\n", done.stderr
