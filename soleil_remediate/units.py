"""Sizes, durations and shares, with their units in the type instead of in a name."""

from __future__ import annotations

import re
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
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+|%)\s*", re.ASCII)


class _Quantity:
    """What every unit shares: text in, text out, and strict validation by pydantic.

    pydantic asks for ``__get_pydantic_core_schema__`` only where values come from a file or a command line, so
    nothing heavy is imported until then.
    """

    __slots__ = ()
    expected: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        raise NotImplementedError  # every unit has its own; this class is never used alone

    @classmethod
    def _validate(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        raise ValueError(f"{value!r} has no unit: write {cls.expected}")

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
        if value < 0:
            raise ValueError(f"a size cannot be negative: {value}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size; a bare number is refused, since nobody can know which unit was meant."""
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] not in _SIZE_UNITS:
            raise ValueError(f"{text!r} is no size: write {cls.expected}")
        return cls(round(float(match[1]) * _SIZE_UNITS[match[2]]))

    def __str__(self) -> str:
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if self >= _SIZE_UNITS[unit]:
                amount = int(self) / _SIZE_UNITS[unit]
                return f"{amount:.0f} {unit}" if amount >= 100 or amount == int(amount) else f"{amount:.1f} {unit}"
        return f"{int(self)} B"

    def __repr__(self) -> str:
        return f"ByteSize({int(self)})"


class Duration(_Quantity, float):
    """A length of time in seconds, written with its unit: ``"10 s"``, ``"30 min"``, ``"2 h"``, ``"7 d"``."""

    __slots__ = ()
    expected = "a time such as 30 min"

    def __new__(cls, value: float) -> Self:
        if not 0 <= value < float("inf"):
            raise ValueError(f"a duration is neither negative nor endless: {value}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration; a bare number is refused, since nobody can know which unit was meant."""
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] not in _TIME_UNITS:
            raise ValueError(f"{text!r} is no duration: write {cls.expected}")
        return cls(float(match[1]) * _TIME_UNITS[match[2]])

    def __str__(self) -> str:
        if self < 60:
            return f"{self:.0f} s" if self.is_integer() or self >= 10 else f"{self:.1f} s"
        whole = round(self)
        for unit, below, size, rest_unit, rest_size in (
            ("min", 3600, 60, "s", 1),
            ("h", 86400, 3600, "min", 60),
            ("d", 10**15, 86400, "h", 3600),
        ):
            if whole < below:
                rest = whole % size // rest_size
                return f"{whole // size} {unit}" + (f" {rest} {rest_unit}" if rest else "")
        raise AssertionError("unreachable: the last bound is beyond any duration")

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
            raise ValueError(f"{text!r} is no share: write {cls.expected}")
        return cls(float(match[1]))

    def __str__(self) -> str:
        return f"{self:.0f} %" if self.is_integer() or self >= 10 else f"{self:.1f} %"

    def __repr__(self) -> str:
        return f"Percent({float(self)!r})"


def MiB(amount: float) -> ByteSize:  # noqa: N802  # the unit's own spelling
    """Return that many mebibytes."""
    return ByteSize(round(amount * _SIZE_UNITS["MiB"]))


def KiB(amount: float) -> ByteSize:  # noqa: N802  # the unit's own spelling
    """Return that many kibibytes."""
    return ByteSize(round(amount * _SIZE_UNITS["KiB"]))
