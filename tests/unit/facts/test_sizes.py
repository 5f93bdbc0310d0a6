from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.sizes import Growing, WatchSizes
from tests.unit.facts.answers import ask_here, said

A = Path("/srv/a.log")


def watched(before: str, after: str, *, clock: tuple[float, float] = (10.0, 12.0)) -> dict[Path, Growing]:
    """Return what is seen where the files are as *before* says, and two seconds later as *after* does."""
    text = "".join(f"{at} 99.0\n\0{look}\0" for at, look in zip(clock, (before, after), strict=True))
    return dict(WatchSizes((A,)).answer(said(text)))


def test_a_file_grows_by_what_it_gains_a_second() -> None:
    assert watched("1000 1796:7 /srv/a.log\0", "5000 1796:7 /srv/a.log\0") == {A: Growing(device=1796, rate=2000.0)}
    assert watched("0 1:7 /srv/a.log\0", "90 1:7 /srv/a.log\0", clock=(1.5, 4.5))[A].rate == 30


def test_a_file_that_is_cut_or_quiet_does_not_grow() -> None:
    for after in ("1000", "10"):
        assert watched("1000 1:7 /srv/a.log\0", f"{after} 1:7 /srv/a.log\0")[A].rate == 0


def test_another_file_under_the_same_name_is_no_growth() -> None:
    assert watched("10 1:7 /srv/a.log\0", "5000 1:8 /srv/a.log\0") == {}
    assert watched("10 1:7 /srv/a.log\0", "5000 2:7 /srv/a.log\0") == {}
    assert watched("10 1:7 /srv/a.log\0", "") == {}
    assert watched("", "10 1:7 /srv/a.log\0") == {}
    assert watched("", "") == {}


def test_names_may_hold_anything() -> None:
    name = "/srv/a\n10.0 9.9\n5 1:1 b.log"
    assert list(watched(f"1 1:7 {name}\0", f"3 1:7 {name}\0")) == [Path(name)]


def look(clock: str, record: str = "1 1:7 a") -> str:
    return f"{clock}\n\0{record}\0\0"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(look("10.0 9"), id="once"),
        pytest.param(look("10.0 9") + look("12.0 9") + look("14.0 9"), id="three times"),
        pytest.param(look("10.0 9") + look("12.0 9")[:-1], id="cut short"),
        pytest.param(look("10.0 9") * 2, id="no time passed"),
        pytest.param(look("10.0 9") + look("9.0 9"), id="backwards"),
        pytest.param(look("10.0 9", "-1 1:7 a") + look("12.0 9"), id="a negative size"),
        pytest.param(look("10.0 9", "1 17 a") + look("12.0 9"), id="no identity"),
        pytest.param(look("10.0") + look("12.0 9"), id="no uptime"),
        pytest.param(look("x 9") + look("12.0 9"), id="no number"),
    ],
)
def test_what_is_no_two_looks_is_no_answer(text: str) -> None:
    with pytest.raises(FactError):
        WatchSizes((A,)).answer(said(text))


def writing(file: Here, *, seconds: float) -> Callable[[], object]:
    """Append 1 KB every 50 ms to *file* for a while, from a thread; the function returned waits for its end."""

    def write() -> None:
        ends = time.monotonic() + seconds
        with file.open("ab", buffering=0) as out:
            while time.monotonic() < ends:
                out.write(b"x" * 1000)
                time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    return thread.join


def test_a_file_that_is_written_to_is_seen_to_grow(tmp_path: Here) -> None:
    growing, quiet, gone = (tmp_path / name for name in ("a log", "b'log", "gone"))
    quiet.write_bytes(b"x")
    growing.touch()
    ended = writing(growing, seconds=4)
    seen = ask_here(WatchSizes(tuple(map(Path, (growing, quiet, gone)))))
    ended()
    assert set(seen) == {Path(growing), Path(quiet)}
    assert seen[Path(quiet)] == Growing(device=quiet.stat().st_dev, rate=0)
    assert 2_000 < seen[Path(growing)].rate < 21_000
