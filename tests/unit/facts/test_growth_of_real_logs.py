"""How fast a log grows, told by the times in a real file of it; only where it lies is made up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path as Here

import pytest

from soleil_remediate.command import Command, Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text, seconds_at
from soleil_remediate.facts.growth import GrowingLog, read_growth
from soleil_remediate.look import look
from soleil_remediate.units import Duration
from tests.unit.facts.answers import Prepared, captured, record, run_here, said

NOW = seconds_at(2026, 1, 2, 12)
HOUR = 3600
SRV = 0x704


def lines(since: int, until: int, rate: float, *, width: int = 150) -> Iterable[bytes]:
    """Return lines of *width* bytes, so many bytes a second on the whole, from a time before now until another."""
    due = 0.0
    for at in range(NOW - since, NOW - until):
        due += rate / width
        line = f"[{as_text(at)}:{at % 60:02}] production.ERROR: ".ljust(width - 1, "x").encode() + b"\n"
        yield line * int(due)
        due -= int(due)


class OneLog:
    """A host whose only large log is a real file here."""

    def __init__(self, file: Here) -> None:
        stat = file.stat()
        found = record(str(file), size=stat.st_size, device=SRV, modified=NOW)
        self._others = Prepared(
            (
                ("mountinfo", captured("mountinfo")),
                ("df", captured("df")),
                ("find", said(found)),
                ("date", said(f"{NOW}\n")),
            )
        )

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        return [run_here(one) if "sample-log" in one.words else self._others.ask([one])[0] for one in commands]


def seen(tmp_path: Here, *content: Iterable[bytes]) -> GrowingLog:
    """Return what is seen of a log with that content."""
    file = tmp_path / "x.log"
    with file.open("wb") as out:
        for part in content:
            out.writelines(part)
    (found,) = look([read_growth(Reader(), top=1, within=Duration(5))], OneLog(file).ask)
    assert not isinstance(found, FactError), found
    log: GrowingLog = found.logs[0]
    return log


@pytest.mark.parametrize(
    "rate, since, width",
    [
        pytest.param(200, 3 * HOUR, 150, id="a line a second"),
        pytest.param(29127, HOUR, 180, id="100 MiB an hour"),
        pytest.param(29127, HOUR // 4, 5000, id="100 MiB an hour in long lines"),
        pytest.param(400_000, 150, 100, id="23 MiB a minute"),
        pytest.param(1_600_000, 90, 200, id="92 MiB a minute"),
        pytest.param(20, 30 * HOUR, 150, id="a line in seven seconds"),
    ],
)
def test_a_steady_rate_is_seen_from_its_beginning(tmp_path: Here, rate: float, since: int, width: int) -> None:
    log = seen(tmp_path, lines(since, 0, rate, width=width))
    assert log.rate == pytest.approx(rate, rel=0.2)
    assert log.until == pytest.approx(NOW, abs=width / rate + 1)
    assert log.since == pytest.approx(NOW - since, abs=since * 0.05 + 2)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([(3, 0, 10_000_000)], id="all of it within three seconds"),
        pytest.param([(1, 0, 30_000_000)], id="all of it within one second"),
        pytest.param([(45, 0, 100_000)], id="not yet a minute"),
        pytest.param([(2 * HOUR, 2, 300), (2, 0, 15_000_000)], id="after two quiet hours"),
        pytest.param([(10 * HOUR, 10 * HOUR - 5, 300), (2, 0, 15_000_000)], id="after hours of silence"),
        pytest.param([(53, 50, 10_000_000), (50, 0, 300)], id="then fifty seconds of a few lines"),
        pytest.param([(23, 20, 10_000_000), (20, 0, 300)], id="then a few lines"),
        pytest.param([(25 * HOUR, 25 * HOUR - 5, 400_000), (5, 0, 400_000)], id="every night"),
    ],
)
def test_a_burst_is_no_rate(tmp_path: Here, content: list[tuple[int, int, float]]) -> None:
    assert seen(tmp_path, *(lines(since, until, rate) for since, until, rate in content)).rate is None


def test_what_lies_further_back_than_the_newest_rate_does_not_count(tmp_path: Here) -> None:
    log = seen(tmp_path, lines(20 * HOUR, 600, 100), lines(600, 0, 30_000))
    assert log.rate == pytest.approx(30_000, rel=0.2)
    assert log.since is not None
    assert NOW - 600 <= log.since <= NOW - 60
    log = seen(tmp_path, lines(70, 65, 10_000_000), lines(65, 0, 300))
    assert log.rate == pytest.approx(300, rel=0.2)
    log = seen(tmp_path, lines(20 * HOUR, 20 * HOUR - 3, 10_000_000), lines(10 * HOUR, 0, 300))
    assert log.rate == pytest.approx(300, rel=0.2)
    assert log.since == pytest.approx(NOW - 10 * HOUR, abs=5 * HOUR)


def test_a_log_that_stopped_says_how_it_grew_until_then(tmp_path: Here) -> None:
    log = seen(tmp_path, lines(5 * HOUR, 3 * HOUR, 5000))
    assert log.rate == pytest.approx(5000, rel=0.2)
    assert log.until == pytest.approx(NOW - 3 * HOUR, abs=1)


def test_holes_and_whatever_else_a_log_holds_do_not_shift_what_is_read(tmp_path: Here) -> None:
    log = seen(tmp_path, [b"\0" * 700_000], lines(HOUR, 0, 5000), [b"\0\0\0\xff[not a time]\n" * 40])
    assert log.rate == pytest.approx(5000, rel=0.2)


def test_a_burst_is_told_as_what_it_was(tmp_path: Here) -> None:
    log = seen(tmp_path, lines(3, 0, 10_000_000))
    assert log.since == NOW - 3
    assert log.grown == pytest.approx(30_000_000, rel=0.01)
    assert seen(tmp_path, [b"x\n" * 600_000], lines(45, 0, 10_000)).grown == 0
