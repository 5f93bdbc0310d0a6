"""An input that names something that a host has not: seen at once, said with what there is, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Reader
from soleil_remediate.errors import ExitStatus, NotOnHost
from soleil_remediate.gates import Approval, PolicyGate
from soleil_remediate.host_outcomes import Fixed, NotFixed, Refusal, WouldFix, WrongInput
from soleil_remediate.record import Runs
from soleil_remediate.report import RunReport
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepSkipped
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from tests import tiny


@dataclass(frozen=True, kw_only=True)
class FileThere(tiny.FileSays):
    """See what a file says that has to be there."""

    kind = "file.there"

    async def read(self, host: Reader) -> str | None:
        seen = await super().read(host)
        if seen is None:
            raise NotOnHost.among("file", str(self.path), ["/srv/two", "/etc/hosts"])
        return seen


def run(tmp_path: Path, *hosts: ScriptedHost, is_dry: bool = False) -> RunReport:
    cases = [tiny.case(on=tiny.host(one.name), healthy_when=(FileThere(),)) for one in hosts]
    transport = ScriptedTransport(*hosts)
    if is_dry:
        return fleet.preview(cases, transport=transport, clock=tiny.Clock())
    return fleet.remediate(
        cases, transport=transport, gate=PolicyGate(says_yes=True), runs=Runs(tmp_path), clock=tiny.Clock()
    )


@pytest.mark.parametrize("is_dry", [True, False], ids=["preview", "remediate"])
def test_a_host_that_has_not_what_was_named_ends_with_2_and_the_nearest_it_has(tmp_path: Path, is_dry: bool) -> None:
    web1 = tiny.scripted("web1", says=None)
    report = run(tmp_path, web1, is_dry=is_dry)
    assert report.hosts[0].outcome == WrongInput(
        why="/srv/one is no file of this host: did you mean /srv/two? It has /srv/two, /etc/hosts",
        given="/srv/one",
        nearest="/srv/two",
    )
    assert report.exit_status is ExitStatus.USAGE
    assert web1.sent == []
    assert web1.owners == []
    with pytest.raises(NotOnHost, match="web1: /srv/one is no file"):
        report.raise_for_outcome()


def test_no_step_is_planned_for_what_was_not_meant(tmp_path: Path) -> None:
    (one,) = run(tmp_path, tiny.scripted("web1", says=None), is_dry=True).hosts
    assert one.preview is not None
    assert [type(step.outcome) for step in one.preview.steps] == [StepSkipped]


def test_what_is_wrong_for_one_host_is_tried_on_none(tmp_path: Path) -> None:
    web1, web2 = tiny.scripted("web1"), tiny.scripted("web2", says=None)
    report = run(tmp_path, web1, web2)
    assert [type(host.outcome) for host in report.hosts] == [Refusal, WrongInput]
    assert report.hosts[0].outcome.why == (
        "not tried: what was given is not right for web2. Nothing was sent to any host"
    )
    assert web1.sent == web2.sent == []
    assert report.exit_status is ExitStatus.USAGE


def test_a_preview_still_shows_what_the_others_need_and_that_the_input_is_wrong_for_one(tmp_path: Path) -> None:
    report = run(tmp_path, tiny.scripted("web1"), tiny.scripted("web2", says=None), is_dry=True)
    assert [type(host.outcome) for host in report.hosts] == [WouldFix, WrongInput]
    assert report.exit_status is ExitStatus.USAGE


def test_what_goes_away_after_the_preview_is_no_wrong_input_but_unknown(tmp_path: Path) -> None:
    web1 = tiny.scripted("web1")
    asked = len(web1.asked)

    class Gone(PolicyGate):
        def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
            tiny.say(web1, None)
            return super().approve(scenario, previews)

    report = fleet.remediate(
        [tiny.case(on=tiny.host("web1"), healthy_when=(FileThere(),))],
        transport=ScriptedTransport(web1),
        gate=Gone(says_yes=True),
        runs=Runs(tmp_path),
        clock=tiny.Clock(),
    )
    assert len(web1.asked) > asked
    assert isinstance(report.hosts[0].outcome, NotFixed)
    assert web1.sent == []


def test_where_every_host_has_it_all_goes_on(tmp_path: Path) -> None:
    report = run(tmp_path, tiny.scripted("web1"), tiny.scripted("web2"))
    assert [type(host.outcome) for host in report.hosts] == [Fixed, Fixed]


@pytest.mark.parametrize(
    "known, nearest, said",
    [
        (["/srv", "/"], "", "/x is no mount point of this host: It has /srv, /"),
        ([], "", "/x is no mount point of this host: It has none"),
        (["/srv"], "/srv", "/x is no mount point of this host: did you mean /srv? It has /srv"),
        ([f"/mnt/{n:02}" for n in range(20)], "", "/mnt/11 …"),
    ],
)
def test_what_there_is_is_said_with_what_may_have_been_meant(known: list[str], nearest: str, said: str) -> None:
    error = NotOnHost.among("mount point", "/x", known, meant=nearest)
    assert said in str(error)
    assert (error.given, error.nearest) == ("/x", nearest)
