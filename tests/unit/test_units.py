"""Sizes, durations and shares: what is read, what is refused, and what people see."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from soleil_remediate.units import ByteSize, Duration, KiB, MiB, Percent


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0 B", 0),
        ("1 B", 1),
        ("200 MiB", 200 * 1024**2),
        ("200MiB", 200 * 1024**2),
        ("  1.5 GB ", 1_500_000_000),
        ("1 kB", 1000),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("1 MB", 10**6),
        ("1 TB", 10**12),
        ("1 TiB", 1024**4),
        ("0.5 KiB", 512),
        ("9007199254740993 B", 9007199254740993),  # beyond what a float can hold
        ("8388607 TiB", 8388607 * 1024**4),
    ],
)
def test_a_size_is_read_to_the_byte(text: str, expected: int) -> None:
    assert ByteSize.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "200",
        "1.5",
        "-1 MiB",
        "+1 MiB",
        "1e3 B",
        "0x10 B",
        "nan B",
        "inf B",
        "1 mib",
        "1 M",
        "1 Mb",
        "1 MiB extra",
        "1 MiB\n2 MiB",
        "1,5 MiB",
        "1. MiB",
        ".5 MiB",
        "1_000 B",
        "٣ MiB",
        "1 %",
        "1 min",
        "8388608 TiB",
        "9" * 30 + " B",
        "9" * 400 + " B",
        "9" * 5000 + " B",
        "x" * 65536,
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        ByteSize.parse(text)


@pytest.mark.parametrize(
    "size, shown",
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),  # never "1024 KiB"
        (1024**2, "1 MiB"),
        (150 * 1024**2 + 1, "150 MiB"),
        (200 * 1024**2, "200 MiB"),
        (1024**3 - 1, "1.0 GiB"),
        (1024**4 - 1, "1.0 TiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)
def test_a_size_is_shown_in_the_units_of_df(size: int, shown: str) -> None:
    assert str(ByteSize(size)) == shown


@given(st.integers(min_value=0, max_value=2**62))
def test_what_is_shown_of_a_size_is_read_back_within_a_twentieth(size: int) -> None:
    shown = ByteSize.parse(str(ByteSize(size)))
    assert abs(shown - size) * 20 <= max(size, shown)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_size_in_bytes_is_read_back_exactly(size: int) -> None:
    assert ByteSize.parse(f"{size} B") == size


def test_a_size_sent_to_a_host_is_digits_and_never_its_rounded_form() -> None:
    assert f"{MiB(1.5):d}" == "1572864"
    assert str(MiB(1.5)) == "1.5 MiB"
    assert KiB(2) == 2048


@pytest.mark.parametrize("value", [-1, 2**63, 10**100])
def test_a_size_no_file_can_have_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="size"):
        ByteSize(value)


@pytest.mark.parametrize(
    "text, expected", [("10 s", 10), ("0.5 s", 0.5), ("30 min", 1800), ("2h", 7200), ("7 d", 604800), ("0 s", 0)]
)
def test_a_duration_is_read_in_seconds(text: str, expected: float) -> None:
    assert Duration.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "10", "-1 s", "nan s", "inf s", "1 m", "1 sec", "1 month", "1 %", "9" * 400 + " s", "99999999 d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), float("-inf"), 1e300])
def test_a_duration_is_neither_negative_nor_endless(value: float) -> None:
    with pytest.raises(ValueError, match="duration"):
        Duration(value)


@pytest.mark.parametrize(
    "seconds, shown",
    [
        (0, "0 s"),
        (0.04, "0.0 s"),
        (0.5, "0.5 s"),
        (2, "2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (1800, "30 min"),
        (3599.6, "1 h"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86399.9, "1 d"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (604800, "7 d"),
        (10**9, "11574 d 1 h"),
    ],
)
def test_a_duration_is_shown_in_at_most_two_units(seconds: float, shown: str) -> None:
    assert str(Duration(seconds)) == shown


@given(st.floats(min_value=0, max_value=10**9))
def test_every_duration_can_be_shown(seconds: float) -> None:
    assert str(Duration(seconds)).split()[1] in {"s", "min", "h", "d"}


@pytest.mark.parametrize("text, expected", [("80%", 80), ("80 %", 80), ("0%", 0), ("100%", 100), ("99.5 %", 99.5)])
def test_a_share_is_read_with_its_sign(text: str, expected: float) -> None:
    assert Percent.parse(text) == expected


@pytest.mark.parametrize("text", ["", "80", "101%", "100.0001%", "-1%", "nan%", "80 percent", "80 %%", "9" * 400 + "%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="share"):
        Percent.parse(text)


@pytest.mark.parametrize(
    "share, shown",
    [
        (0, "0 %"),
        (0.04, "0.1 %"),  # something is not nothing
        (0.5, "0.5 %"),
        (9.94, "9.9 %"),
        (9.96, "10 %"),
        (80, "80 %"),
        (80.4, "80 %"),
        (99.4, "99.4 %"),
        (99.97, "99.9 %"),  # not quite full is not full
        (99.999999, "99.9 %"),
        (100, "100 %"),
    ],
)
def test_a_share_is_shown_full_or_empty_only_where_it_is(share: float, shown: str) -> None:
    assert str(Percent(share)) == shown


@given(st.floats(min_value=0, max_value=100))
def test_only_nothing_is_shown_as_nothing_and_only_all_as_all(share: float) -> None:
    shown = str(Percent(share))
    assert (shown == "0 %") == (share == 0)
    assert (shown == "100 %") == (share == 100)
    assert abs(Percent.parse(shown) - share) <= 0.5


@pytest.mark.parametrize("value", [-0.001, 100.001, float("nan")])
def test_a_share_is_between_nothing_and_all(value: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Percent(value)


@pytest.mark.parametrize("unit, text", [(ByteSize, "200 MiB"), (Duration, "30 min"), (Percent, "80%")])
def test_a_playbook_writes_a_quantity_as_text_with_its_unit(
    unit: type[ByteSize | Duration | Percent], text: str
) -> None:
    adapter = TypeAdapter(unit)
    value = adapter.validate_python(text, strict=True)
    assert type(value) is unit
    assert value == unit.parse(text)
    assert adapter.validate_python(value, strict=True) is value
    assert adapter.validate_json(f'"{text}"', strict=True) == value
    assert adapter.dump_python(value) == str(value)
    assert adapter.json_schema()["type"] == "string"


@pytest.mark.parametrize(
    "value, written",
    [
        (ByteSize(1_234_567), "1234567 B"),
        (Duration(90), "90 s"),
        (Duration(0.1), "0.1 s"),
        (Duration(10**9), "1000000000 s"),
        (Duration(1e-7), "0.0000001 s"),
        (Percent(99.5), "99.5%"),
    ],
)
def test_a_quantity_is_written_with_its_unit_to_the_last_digit(
    value: ByteSize | Duration | Percent, written: str
) -> None:
    assert value.written == written


@given(
    st.integers(min_value=0, max_value=2**63 - 1).map(ByteSize)
    | st.floats(min_value=0, max_value=10**9).map(Duration)
    | st.floats(min_value=0, max_value=100).map(Percent)
)
def test_what_is_written_is_read_as_the_same(value: ByteSize | Duration | Percent) -> None:
    assert type(value).parse(value.written) == value


@pytest.mark.parametrize("unit", [ByteSize, Duration, Percent])
@pytest.mark.parametrize("value", [200, 1.5, True, None, b"1 MiB", [], {}, float("nan"), "200", "9" * 400 + " B"])
def test_a_quantity_without_its_unit_is_refused_by_validation(
    unit: type[ByteSize | Duration | Percent], value: object
) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(unit).validate_python(value)


@pytest.mark.parametrize("unit, other", [(ByteSize, Duration(5)), (Duration, ByteSize(5)), (Percent, Duration(5))])
def test_one_unit_does_not_pass_for_another(unit: type[ByteSize | Duration | Percent], other: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(unit).validate_python(other)


@given(st.fractions(min_value=0, max_value=10**6))
def test_sizes_compare_as_numbers_do_at_the_limit(amount: Fraction) -> None:
    size = ByteSize(int(amount))
    assert size <= int(amount)
    assert not size > int(amount)
    assert size < int(amount) + 1
