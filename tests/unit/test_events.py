"""What is said while a run goes on, as what JSON can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.command import Command, Secret
from soleil_remediate.events import ChangeIntended, HostEnded, RunStarted, as_data
from soleil_remediate.host import SecretReference
from soleil_remediate.host_outcomes import Fixed
from soleil_remediate.plan import FileIdentity, Risk
from soleil_remediate.report import HostReport
from soleil_remediate.units import Duration, MiB, Percent
from tests import tiny


class Number(IntEnum):
    SEVEN = 7


@pytest.mark.parametrize(
    "value, data",
    [
        (None, None),
        (True, True),
        ("text ä", "text ä"),
        (5, 5),
        (1.5, 1.5),
        (MiB(2), 2 * 1024**2),
        (Duration(1.5), 1.5),
        (Percent(80), 80.0),
        (Risk.GENTLE, "gentle"),
        (Number.SEVEN, 7),
        (b"a\xff", "a\\xff"),
        (PurePosixPath("/a"), "/a"),
        ((1, "a"), [1, "a"]),
        ([1, "a"], [1, "a"]),
        (MappingProxyType({"a": MiB(1)}), {"a": 1024**2}),
        (frozenset({"b", "a"}), ["a", "b"]),
        (frozenset({1, "a", None, 2.5}), ["a", 1, 2.5, None]),
        (Secret("canary"), None),
        (FileIdentity(1, 2), {"type": "FileIdentity", "device": 1, "inode": 2}),
        (frozenset({FileIdentity(1, 3), FileIdentity(1, 2)}), [2, 3]),
        (tiny.host("web1"), "web1"),
        (Fixed(why="w"), {"type": "Fixed", "verdict": "FIXED", "why": "w"}),
    ],
    ids=lambda value: None if isinstance(value, frozenset) else repr(value),  # a set's own order changes
)
def test_every_value_of_an_event_has_its_place_in_a_record(value: Any, data: Any) -> None:
    found = as_data(value)
    if isinstance(value, frozenset) and found and isinstance(found[0], dict):
        found = [one["inode"] for one in found]
    assert found == data
    assert type(found) is type(data)
    json.dumps(found)


@given(st.frozensets(st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.binary())))
def test_a_set_of_whatever_is_written_the_same_way_every_time(values: frozenset[Any]) -> None:
    assert as_data(frozenset(reversed(list(values)))) == as_data(values)


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, int, ValueError("x")])
def test_what_has_no_place_in_a_record_is_refused_and_not_guessed(value: object) -> None:
    with pytest.raises(TypeError, match="no place in a record"):
        as_data(value)


def test_an_intent_tells_what_is_sent_and_no_secret() -> None:
    @dataclass(frozen=True)
    class Login:
        password: Secret
        by: SecretReference

    (change,) = tiny.PutFile().plan("bad").changes
    event = ChangeIntended(
        host="web1", step=0, kind="file.put", operation="0-0-0", digest=change.digest("web1", "file.put"), change=change
    )
    data = as_data(event)
    assert data["type"] == "ChangeIntended"
    assert data["change"]["command"]["words"][-1] == "good"
    started = RunStarted(
        run="0" * 8,
        scenario="s",
        hosts=("web1",),
        operator="jan",
        inputs={
            "login": Login(Secret("canary"), SecretReference("env", "DB")),
            "c": Command(("x",), stdin=Secret("canary")),
        },
    )
    assert "canary" not in json.dumps(as_data(started))


def test_a_hosts_end_names_the_host_and_nothing_else_the_inventory_says_about_it() -> None:
    host = tiny.host("web1")
    data = as_data(HostEnded(report=HostReport(host=host, outcome=Fixed(why="w"))))
    assert data["report"]["host"] == "web1"
    assert data["report"]["outcome"]["verdict"] == "FIXED"
    assert "address" not in json.dumps(data)
