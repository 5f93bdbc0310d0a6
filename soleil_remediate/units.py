"""Sizes, durations and shares, with their units in the type instead of in a name."""

from __future__ import annotations

import re
from abc import abstractmethod
from decimal import Decimal
from typing import Any, ClassVar, Self

_KIB = 1024
_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": _KIB,
    "MiB": _KIB**2,
    "GiB": _KIB**3,
    "TiB": _KIB**4,
}
_TIME_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_MOST_BYTES = 2**63 - 1  # what a file, and a shell's arithmetic, can hold
_MOST_SECONDS = 10**9  # about 30 years; what waits for longer waits for ever
_MOST_DIGITS = 40
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+|%)\s*", re.ASCII)


def _short(value: object) -> str:
    shown = repr(value) if isinstance(value, str) else f"{value}"
    return shown if len(shown) <= 60 else shown[:57] + "…"


def _divide(amount: int, by: int) -> int:
    """Return the nearest whole number, without the detour of a float, which loses bytes."""
    return (2 * amount + by) // (2 * by)


def _digits(value: float) -> str:
    """Return the fewest digits that are read as the same number, never as a power of ten."""
    return f"{Decimal(repr(float(value))).normalize():f}"


class _Quantity:
    """What every unit shares: text in, text out, and strict validation by pydantic.

    pydantic asks for ``__get_pydantic_core_schema__`` only where values come from a file or a command line, so
    nothing heavy is imported until then.
    """

    __slots__ = ()
    expected: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """Read it from text with its unit; every unit in its own way."""

    @property
    @abstractmethod
    def written(self) -> str:
        """It as a file or a command line gives it, to the last digit: :meth:`parse` reads the same again."""

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise ValueError(f"{_short(value)} has no unit: write {cls.expected}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415  # heavy, and only needed where input is validated

        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "string", "examples": [cls.expected]}


class ByteSize(_Quantity, int):
    """A number of bytes, written with its unit: ``"200 MiB"``, ``"1.5 GB"``.

    Decimal (kB, MB, GB, TB) and binary (KiB, MiB, GiB, TiB) units are both read; printing uses the binary ones, as
    ``df -h`` does.
    """

    __slots__ = ()
    expected = "a size such as 200 MiB"

    def __new__(cls, value: int) -> Self:
        if not 0 <= value <= _MOST_BYTES:
            raise ValueError(f"no size is negative or beyond {_MOST_BYTES} bytes: {_short(value)}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size; a bare number is refused, since nobody can know which unit was meant."""
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] not in _SIZE_UNITS:
            raise ValueError(f"{_short(text)} is no size: write {cls.expected}")
        if len(match[1]) > _MOST_DIGITS:
            raise ValueError(f"{_short(text)} is no size that a file can have")
        whole, _, decimals = match[1].partition(".")
        return cls(_divide(int(whole + decimals) * _SIZE_UNITS[match[2]], 10 ** len(decimals)))

    def __str__(self) -> str:
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            amount = int(self) / _SIZE_UNITS[unit]
            if amount >= 1 or round(amount * _KIB) == _KIB:  # one byte short of 1 MiB is not "1024 KiB"
                return f"{amount:.0f} {unit}" if amount >= 100 or amount == int(amount) else f"{amount:.1f} {unit}"
        return f"{int(self)} B"

    @property
    def written(self) -> str:
        return f"{int(self)} B"

    def __repr__(self) -> str:
        return f"ByteSize({int(self)})"


class Duration(_Quantity, float):
    """A length of time in seconds, written with its unit: ``"10 s"``, ``"30 min"``, ``"2 h"``, ``"7 d"``."""

    __slots__ = ()
    expected = "a time such as 30 min"

    def __new__(cls, value: float) -> Self:
        if not 0 <= value <= _MOST_SECONDS:
            raise ValueError(f"a duration is neither negative nor longer than {_MOST_SECONDS} s: {value}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration; a bare number is refused, since nobody can know which unit was meant."""
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] not in _TIME_UNITS:
            raise ValueError(f"{_short(text)} is no duration: write {cls.expected}")
        return cls(float(match[1]) * _TIME_UNITS[match[2]])

    def __str__(self) -> str:
        whole = round(self)
        if whole < 60:
            return f"{self:.1f} s" if self < 9.95 and not self.is_integer() else f"{whole} s"
        unit, size, rest_unit, rest_size = "d", 86400, "h", 3600
        if whole < 3600:
            unit, size, rest_unit, rest_size = "min", 60, "s", 1
        elif whole < 86400:
            unit, size, rest_unit, rest_size = "h", 3600, "min", 60
        rest = whole % size // rest_size
        return f"{whole // size} {unit}" + (f" {rest} {rest_unit}" if rest else "")

    @property
    def written(self) -> str:
        return f"{_digits(self)} s"

    def __repr__(self) -> str:
        return f"Duration({float(self)!r})"


class Percent(_Quantity, float):
    """A share from 0 to 100, written with its sign: ``"80%"``."""

    __slots__ = ()
    expected = "a share such as 80%"

    def __new__(cls, value: float) -> Self:
        if not 0 <= value <= 100:
            raise ValueError(f"a share is between 0% and 100%: {value}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a share; its sign is not optional."""
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] != "%":
            raise ValueError(f"{_short(text)} is no share: write {cls.expected}")
        return cls(float(match[1]))

    def __str__(self) -> str:
        if self.is_integer() or 9.95 <= self < 99:
            return f"{self:.0f} %"
        return f"{min(max(self, 0.1), 99.9):.1f} %"  # nearly full is not full, and something is not nothing

    @property
    def written(self) -> str:
        return f"{_digits(self)}%"

    def __repr__(self) -> str:
        return f"Percent({float(self)!r})"


def MiB(amount: float) -> ByteSize:  # noqa: N802  # the unit's own spelling
    """Return that many mebibytes."""
    return ByteSize(round(amount * _SIZE_UNITS["MiB"]))


def KiB(amount: float) -> ByteSize:  # noqa: N802  # the unit's own spelling
    """Return that many kibibytes."""
    return ByteSize(round(amount * _SIZE_UNITS["KiB"]))
