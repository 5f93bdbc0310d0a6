"""Records for people: sizes in the units that people read, also in records that older versions wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from soleil_remediate.catalog import load_catalog
from soleil_remediate.history import Ending, History
from soleil_remediate.loading import load_scenarios, shipped_playbooks
from soleil_remediate.reporters.records import in_units, run_page
from tests.unit.reporters.approved import approve

SCENARIOS = load_scenarios([shipped_playbooks()], load_catalog())

_LOG = "/srv/soleil/shared/storage/logs/laravel.log"
_OPERATION = "e0417479-06-00"
#: As the first version wrote them.
LINES: tuple[dict[str, Any], ...] = (
    {
        "type": "RunStarted",
        "scenario": "disk-full",
        "hosts": ["web1"],
        "operator": "jan@laptop",
        "inputs": {
            "mount": None,
            "target": 80.0,
            "journal_limit": 104857600,
            "log_limit": 20971520,
            "log_keep": 1048576,
        },
    },
    {
        "type": "HostSeen",
        "preview": {"host": "web1", "outcome": {"verdict": "WOULD FIX", "why": "/srv 100 % of 295 MiB"}},
    },
    {"type": "GateAnswered", "is_open": True, "by": "jan@laptop typed web1", "approved": ["7f3a"]},
    {"type": "HostClaimed", "host": "web1", "owner": "jan@laptop (run e0417479)"},
    {
        "type": "CopySaved",
        "host": "web1",
        "copy": {"size": 302669824, "stored": 2306867, "path": "/root/copy.gz", "sha256": "9f86d081884c7d65"},
    },
    {
        "type": "ChangeIntended",
        "host": "web1",
        "operation": _OPERATION,
        "kind": "log.truncate",
        "change": {"summary": f"cut {_LOG} to its newest 1 MiB"},
    },
    {
        "type": "ChangeAnswered",
        "host": "web1",
        "operation": _OPERATION,
        "exit_status": 0,
        "took": 0.1,
        "says": "301621248 bytes cut off the front, 1048576 stay",
    },
    {
        "type": "StepEnded",
        "host": "web1",
        "step": 6,
        "kind": "log.truncate",
        "outcome": {"type": "StepRemedied", "why": f"{_LOG} takes 1 MiB, within 20 MiB"},
    },
    {"type": "RunEnded"},
)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines() -> list[dict[str, Any]]:
    return [{"at": f"2026-11-25T13:37:{second:02}.100+00:00", **line} for second, line in enumerate(LINES)]


def history(lines: list[dict[str, Any]]) -> History:
    return History(run="e0417479", lines=tuple(lines), ending=Ending.ENDED)


def test_a_record_is_read_in_the_units_of_people() -> None:
    approve("run-record", run_page(history(lines()), SCENARIOS, 80, is_verbose=False).text)


def test_everything_to_the_byte_where_everything_is_asked_for() -> None:
    text = " ".join(run_page(history(lines()), SCENARIOS, 80, is_verbose=True).text.split())
    assert "301621248 bytes cut off the front, 1048576 stay" in text


@pytest.mark.parametrize(
    "scenario, inputs, said",
    [
        ("disk-full", {"log_limit": 20971520, "target": 79.5}, "log_limit=20 MiB, target=80 %"),
        ("disk-full", {"mount": "/srv", "gone_since": 4096}, "mount=/srv, gone_since=4096"),
        ("disk-full", {"log_limit": "20 MiB"}, "log_limit=20 MiB"),
        ("disk-full", {"log_limit": -1, "target": 1e9}, "log_limit=-1, target=1000000000.0"),
        ("of nobody today", {"log_limit": 20971520}, "log_limit=20971520"),
    ],
)
def test_an_input_has_the_unit_that_its_playbook_declares(scenario: str, inputs: dict[str, Any], said: str) -> None:
    began = lines()[0] | {"scenario": scenario, "inputs": inputs}
    assert f" · {said} · " in " ".join(run_page(history([began]), SCENARIOS, 80, is_verbose=False).text.split())


@pytest.mark.parametrize(
    "text, said",
    [
        ("301621248 bytes at the front are free, 1048576 stay", "288 MiB at the front are free, 1 MiB stay"),
        ("process 301621248 ended", "process 301621248 ended"),
        ("operation 7f3a-301621248 bytes", "operation 7f3a-301621248 bytes"),
        ("9999999999999999999999 bytes", "9999999999999999999999 bytes"),
        ("0 bytes", "0 B"),
    ],
)
def test_only_what_is_called_bytes_is_a_size(text: str, said: str) -> None:
    assert in_units(text) == said
