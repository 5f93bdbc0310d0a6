"""What is measured after a repair: asked with the look that proves it, and never before anything was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.gates import PolicyGate
from soleil_remediate.record import Runs
from soleil_remediate.report import HostReport
from soleil_remediate.reporters.json import run_document
from soleil_remediate.scenario import Case
from soleil_remediate.task import Forecast
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import Duration
from tests import tiny

GROWTH = tiny.ReadFile(PurePosixPath("/srv/growth"))
AGAIN = Forecast(subject=str(tiny.FILE), about="it is bad again", within=Duration(60), because="it said bad before")


@dataclass(frozen=True, kw_only=True)
class WatchFile(tiny.ShowFile):
    """Show what a file says, and after a repair when it will be bad again."""

    kind = "file.watch"

    subject: str = str(tiny.FILE)

    async def follow(self, host: Reader, seen: str | None) -> tuple[Forecast, ...]:
        if await host.ask(GROWTH) is None:
            return ()
        return (replace(AGAIN, subject=self.subject, because=f"it said {seen} before"),)


def case(*, subject: str = str(tiny.FILE)) -> Case:
    return replace(tiny.case(), evidence=(WatchFile(subject=subject),))


def run(tmp_path: Path, web1: ScriptedHost, of: Case | None = None) -> HostReport:
    (report,) = fleet.remediate(
        [of or case()],
        transport=ScriptedTransport(web1),
        gate=PolicyGate(says_yes=True),
        runs=Runs(tmp_path),
        clock=tiny.Clock(),
    ).hosts
    return report


def grows(web1: ScriptedHost, answer: Output | FactError) -> None:
    web1.on_read(lambda command: command == GROWTH.command, answer)


def host(answer: Output | FactError) -> ScriptedHost:
    """Return a host that answers so about its growth once its file says good."""
    web1 = tiny.scripted("web1")

    def healed(one: ScriptedHost) -> None:
        tiny.say(one, "good")
        grows(one, answer)

    web1.on_change(tiny.put("good"), "put good\n", then=healed)
    return web1


YES = Output(exit_status=0, stdout=b"yes\n")
NO = Output(exit_status=1, stdout=b"absent\n")


def test_after_the_repair_it_is_measured_in_the_round_trip_that_proves_it(tmp_path: Path) -> None:
    web1 = host(YES)
    report = run(tmp_path, web1)
    assert report.forecasts == (AGAIN,)
    rounds = [number for number, batch in enumerate(web1.asked) if GROWTH.command in batch]
    assert rounds == [len(web1.asked) - 1]
    assert len(web1.asked[-1]) == 2


def test_before_anything_was_sent_nothing_of_it_is_asked(tmp_path: Path) -> None:
    web1 = tiny.scripted("web1", says="good")
    assert run(tmp_path, web1).forecasts == ()
    assert not [batch for batch in web1.asked if GROWTH.command in batch]


@pytest.mark.parametrize("answer", [NO, FactError("it cannot be measured")], ids=["nothing grows", "not known"])
def test_what_is_not_known_is_not_said(tmp_path: Path, answer: Output | FactError) -> None:
    report = run(tmp_path, host(answer))
    assert report.forecasts == ()
    assert report.outcome.word == "FIXED"


def test_what_was_never_at_fault_is_not_foreseen(tmp_path: Path) -> None:
    assert run(tmp_path, host(YES), case(subject="/srv/other")).forecasts == ()


def test_what_could_not_be_seen_before_is_not_followed(tmp_path: Path) -> None:
    web1 = host(YES)
    unreadable = replace(case(), evidence=(WatchFile(path=PurePosixPath("/srv/two")),))
    web1.on_read(lambda command: command == tiny.ReadFile(PurePosixPath("/srv/two")).command, FactError("it is dark"))
    assert run(tmp_path, web1, unreadable).forecasts == ()


def test_programs_hear_of_it_too(tmp_path: Path) -> None:
    web1 = host(YES)
    report = fleet.remediate(
        [case()],
        transport=ScriptedTransport(web1),
        gate=PolicyGate(says_yes=True),
        runs=Runs(tmp_path),
        clock=tiny.Clock(),
    )
    (told,) = json.loads(run_document("remediate", report, is_dry=False))["hosts"]
    (forecast,) = told["report"]["forecasts"]
    assert (forecast["subject"], forecast["within"]) == ("/srv/one", 60.0)
