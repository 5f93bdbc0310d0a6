from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, as_text, seconds_at
from tests.unit.facts.answers import ask_here, said


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001  # a strategy's bounds
def test_times_are_those_of_the_calendar(time: datetime) -> None:
    time = time.replace(microsecond=0, tzinfo=UTC)
    seconds = seconds_at(time.year, time.month, time.day, time.hour, time.minute, time.second)
    assert seconds == time.timestamp()
    assert as_text(seconds) == time.strftime("%Y-%m-%d %H:%M") or time.year < 1000


@pytest.mark.parametrize(
    "time",
    [(1969, 12, 31), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 1, 32), (2026, 1, 1, 24), (2026, 1, 1, 0, 60),
     (2026, 1, 1, 0, 0, 61), (10000, 1, 1)],
)  # fmt: skip
def test_no_time_is_an_error(time: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no such time"):
        seconds_at(*time)


def test_the_hosts_clock_is_read() -> None:
    assert ask_here(ReadClock()) > 1_700_000_000
    for text in ("", "garbage", "12:00", "0", "-5"):
        with pytest.raises(FactError):
            ReadClock().answer(said(text))
