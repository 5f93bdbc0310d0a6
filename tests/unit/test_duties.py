"""What only a person can see to: who said last that it was done, and when it is due again."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soleil_remediate.duties import Confirmations, DutySeen
from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.host import Origin
from soleil_remediate.scenario import Duty, Routine
from soleil_remediate.units import Duration

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
ROUTINE = Routine(
    name="weekly",
    title="Weekly",
    origin=Origin("weekly.yml", 1),
    duties=(
        Duty(name="read-logs", what="Read the logs", every=Duration(WEEK.total_seconds())),
        Duty(name="rotate-keys", what="Rotate the keys", every=Duration(WEEK.total_seconds())),
    ),
)


@pytest.fixture
def confirmations(tmp_path: Path) -> Confirmations:
    return Confirmations(root=tmp_path / "state", inventory=tmp_path / "production.yml")


def first(confirmations: Confirmations, now: datetime = NOW) -> DutySeen:
    return confirmations.standing(ROUTINE, now)[0]


def test_what_nobody_ever_confirmed_is_due(confirmations: Confirmations) -> None:
    seen = confirmations.standing(ROUTINE, NOW)
    assert [(one.duty.name, one.is_due, one.at) for one in seen] == [
        ("read-logs", True, None),
        ("rotate-keys", True, None),
    ]


def test_what_was_confirmed_is_due_again_when_its_time_has_passed(confirmations: Confirmations) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)
    seen = first(confirmations)
    assert (seen.by, seen.at, seen.is_due) == ("jan@laptop", NOW, False)
    assert seen.in_words == "last confirmed on 2026-11-29 by jan@laptop"
    assert not first(confirmations, NOW + WEEK - timedelta(seconds=1)).is_due
    assert first(confirmations, NOW + WEEK).is_due
    assert confirmations.standing(ROUTINE, NOW)[1].is_due, "only what was named"


def test_the_last_word_counts_and_the_others_stay(confirmations: Confirmations) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW - WEEK)
    confirmations.confirm(ROUTINE, ["read-logs", "rotate-keys"], "ana@ops", NOW)
    assert first(confirmations).by == "ana@ops"
    (file,) = (confirmations.root / "duties").iterdir()
    assert [json.loads(line)["by"] for line in file.read_text().splitlines()] == ["jan@laptop", "ana@ops", "ana@ops"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_time_to_come_confirms_nothing(confirmations: Confirmations) -> None:
    """By a clock that was wrong, or by somebody's hand: it must not silence a duty for years."""
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW + timedelta(days=400))
    assert first(confirmations).is_due


def test_another_inventory_has_its_own(confirmations: Confirmations, tmp_path: Path) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)
    for other in (tmp_path / "staging.yml", None):
        assert first(Confirmations(root=confirmations.root, inventory=other)).is_due
    (tmp_path / "link.yml").symlink_to("production.yml")
    assert not first(Confirmations(root=confirmations.root, inventory=tmp_path / "link.yml")).is_due


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"routine": "weekly"}', '{"routine":"weekly","duty":"read-logs","by":"x","at":7}']
)
def test_a_line_that_cannot_be_read_says_nothing(confirmations: Confirmations, line: str) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)
    (file,) = (confirmations.root / "duties").iterdir()
    with file.open("a") as text:
        text.write(f"{line}\n")
    assert not first(confirmations).is_due
    file.write_text(f"{line}\n")
    assert first(confirmations).is_due


def test_a_duty_that_is_not_there_is_refused_and_nothing_noted(confirmations: Confirmations) -> None:
    with pytest.raises(UnknownName, match="did you mean 'read-logs'"):
        confirmations.confirm(ROUTINE, ["rotate-keys", "read-lgos"], "jan@laptop", NOW)
    assert not (confirmations.root / "duties").exists()


def test_a_folder_that_others_may_write_to_is_refused(confirmations: Confirmations) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)
    (confirmations.root / "duties").chmod(0o777)
    with pytest.raises(ConfigError, match=r"nothing was noted: .*somebody else may write there"):
        confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)


def test_what_cannot_be_read_is_not_taken_for_never(confirmations: Confirmations) -> None:
    confirmations.confirm(ROUTINE, ["read-logs"], "jan@laptop", NOW)
    (file,) = (confirmations.root / "duties").iterdir()
    file.unlink()
    file.mkdir()
    with pytest.raises(ConfigError, match="who did what last cannot be read"):
        first(confirmations)


def test_a_full_disk_is_told() -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("there is no /dev/full here")
    from soleil_remediate.duties import _write_whole  # noqa: PLC0415  # no folder of records can be on /dev/full

    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left"):
            _write_whole(descriptor, b"x")
    finally:
        os.close(descriptor)
