from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.files import parse_found
from soleil_remediate.facts.incidents import MARK, Incident
from soleil_remediate.facts.journals import JournalFile
from soleil_remediate.facts.tokens import Uses
from soleil_remediate.plan import Risk
from soleil_remediate.task import Health
from soleil_remediate.tasks.evidence import CollectEvidence, EvidenceSeen
from soleil_remediate.units import Duration, MiB
from tests.unit.facts.answers import record

ROOT = PurePosixPath("/srv/app")
LOG = PurePosixPath("/srv/app/storage/logs/laravel.log")
COLLECT = CollectEvidence(root=ROOT, incident="INC-42", logs=(LOG,))
FILES = parse_found(record(str(LOG), size=MiB(3)) + record("/var/log/nginx", kind="d", size=MiB(100)))
JOURNAL = tuple(JournalFile(file=one, began=None) for one in parse_found(record("/var/log/journal/x/y", size=MiB(8))))
SEEN = EvidenceSeen(incident=None, files=FILES, journal=JOURNAL, uses=Uses(table="audit_logs"))


def test_what_may_be_gone_first_is_saved_first_and_the_mark_is_made_last() -> None:
    (change,) = COLLECT.plan(SEEN).changes
    assert [(one.name, str(one)) for one in change.gathers] == [
        ("sockets", "connections"),
        ("processes", "processes"),
        ("state", "set-up and what was changed lately"),
        ("logs.tar", "logs"),
        ("journal.export", "the journal"),
        ("audit.jsonl", "table audit_logs"),
    ]
    assert [one.size for one in change.gathers[3:5]] == [MiB(3), MiB(8)]
    assert change.risk is Risk.GENTLE
    assert change.command.words[-2:] == (str(MARK), "INC-42")
    assert change.undo.command is not None
    assert change.undo.command.words[-2:] == (str(MARK), "INC-42")


def test_of_a_log_also_those_that_were_rotated_are_saved_and_who_logged_in() -> None:
    (change,) = COLLECT.plan(SEEN).changes
    words = change.gathers[3].command.words
    for name in (f"{LOG.parent}/laravel*.log*", "/var/log/nginx/*", "/var/log/auth.log*", "/var/log/wtmp*"):
        assert name in words
    assert "-printf" not in words
    assert words[4] == str(7 * 86400)
    assert change.gathers[5].command.words[-2:] == ("audit_logs", str(7 * 86400))
    assert change.gathers[5].command.user == "www-data"


@pytest.mark.parametrize(
    "uses, says",
    [
        (Uses(table=None), "the application has no table of who did what"),
        (FactError("PHP is down"), "without what the application wrote down, for PHP is down"),
    ],
)
def test_what_cannot_be_saved_does_not_keep_the_rest_from_it_and_is_named(uses: Any, says: str) -> None:
    plan = COLLECT.plan(replace(SEEN, uses=uses))
    (change,) = plan.changes
    assert [one.name for one in change.gathers][-1] == "journal.export"
    assert says in change.summary
    assert says in plan.because


def test_once_it_is_saved_nothing_is_left_to_do() -> None:
    plan = COLLECT.plan(replace(SEEN, incident=Incident(name="INC-42", since=1_700_000_000)))
    assert plan.changes == ()
    assert plan.because == "the evidence of INC-42 was saved, and is protected since 2023-11-14 22:13 UTC"


def test_another_incident_that_is_open_is_not_written_over() -> None:
    seen = replace(SEEN, incident=Incident(name="INC-41", since=1_700_000_000))
    with pytest.raises(Unplannable, match=f"incident INC-41 is open here .* By hand: sudo rm {MARK}"):
        COLLECT.plan(seen)
    assert COLLECT.judge(seen).health is Health.UNKNOWN


def test_where_no_incident_is_named_nothing_is_saved_and_nothing_is_wrong() -> None:
    nobody = replace(COLLECT, incident=None)
    assert nobody.judge(SEEN).health is Health.HEALTHY
    assert "an incident that is named" in nobody.aim()
    assert "INC-42" in COLLECT.aim()


@pytest.mark.parametrize(
    "given, why",
    [
        ({"root": PurePosixPath("srv")}, "must be absolute"),
        ({"incident": "a b"}, "no incident's name"),
        ({"within": Duration(60)}, "from 1 h to 90 d"),
        ({"within": Duration(91 * 86400)}, "from 1 h to 90 d"),
        ({"logs": (PurePosixPath("x.log"),)}, "must be absolute"),
        ({"logs": (PurePosixPath("/a/../x.log"),)}, "must be absolute"),
        ({"web_logs": PurePosixPath("/")}, "must be absolute"),
        ({"table": "a b"}, "no table's name"),
    ],
)
def test_what_is_given_is_checked_before_any_host_is_asked(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(COLLECT, **given)
