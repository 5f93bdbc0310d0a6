"""Time as hosts tell it: seconds since 1970, in UTC; no clock of ours takes part."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query

_DAY = 86400

_MONTHS = {name: number for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
# 2026-01-01 00:00:00 (Laravel, PostgreSQL) and 2026-01-01T00:00:00 (rsyslog), with or without an offset from UTC
_ISO = re.compile(
    rb"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[ T](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,]\d+)?"
    rb"(?P<offset>[+-]\d\d:?\d\d)?"
)
# 01/Jan/2026:00:00:00 +0000 (nginx, Apache)
_COMMON = re.compile(
    rb"(?P<day>\d\d)/(?P<month>[A-Z][a-z][a-z])/(?P<year>\d{4}):(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) "
    rb"(?P<offset>[+-]\d\d:?\d\d)"
)


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


def time_in(line: bytes) -> int | None:
    """Return the first time that a line of a log tells, in seconds since 1970; ``None`` where it tells none.

    One without an offset from UTC is taken for UTC; what is no possible time is none.
    """
    match = _ISO.search(line[:256]) or _COMMON.search(line[:256])
    try:
        return None if match is None else _seconds(match)
    except (ValueError, KeyError):
        return None


def _seconds(match: re.Match[bytes]) -> int:
    part = {name: (text or b"").decode("ascii") for name, text in match.groupdict().items()}
    month = _MONTHS[part["month"]] if part["month"].isalpha() else int(part["month"])
    numbers = (int(part[name]) for name in ("day", "hour", "minute", "second"))
    return seconds_at(int(part["year"]), month, *numbers) - _offset(part["offset"])


def _offset(text: str) -> int:
    """Return an offset from UTC such as ``+02:00`` in seconds; none is UTC, for want of a better guess."""
    digits = text.replace(":", "")
    if not digits:
        return 0
    seconds = int(digits[1:3]) * 3600 + int(digits[3:5]) * 60
    return -seconds if digits[0] == "-" else seconds
