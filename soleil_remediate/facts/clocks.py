"""Time as hosts tell it: seconds since 1970, in UTC; no clock of ours takes part."""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query

_DAY = 86400


@dataclass(frozen=True, slots=True)
class ReadClock(Query[int]):
    """The host's clock, in seconds since 1970."""

    @property
    def command(self) -> Command:
        return Command(("date", "+%s"))

    def parse(self, output: Output) -> int:
        seconds = int(output.text)
        if seconds <= 0:
            raise ValueError(f"no clock says {seconds}")
        return seconds


def seconds_at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    """Return the seconds since 1970 of a time in UTC.

    The proleptic Gregorian calendar, counted in years that begin in March, so that a leap day is the last of its year
    (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil).

    Raises:
        ValueError: There is no such time.
    """
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31 and 0 <= hour <= 23):
        raise ValueError(f"no such time: {year}-{month}-{day} {hour}:{minute}:{second}")
    if not (0 <= minute <= 59 and 0 <= second <= 60):  # 60: a leap second
        raise ValueError(f"no such time: {hour}:{minute}:{second}")
    march_year = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = march_year * 365 + march_year // 4 - march_year // 100 + march_year // 400 + day_of_year - 719468
    return days * _DAY + hour * 3600 + minute * 60 + second


def as_text(seconds: int) -> str:
    """Return a time for people, such as ``2026-01-01 03:00``, in UTC; the other way round (civil_from_days)."""
    days, rest = divmod(seconds, _DAY)
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = (shifted + 2) % 12 + 1
    year = year_of_era + era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02} {rest // 3600:02}:{rest % 3600 // 60:02}"
