"""A run with stages as it is told: which follow each other, on which host one is done once, and who was left alone."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soleil_remediate.errors import Declined, FactError
from soleil_remediate.events import Event, HostEnded, HostSeen, RunStarted
from soleil_remediate.gates import PolicyGate
from soleil_remediate.host import Mode, Policy
from soleil_remediate.invocation import Invocation
from soleil_remediate.plan import Risk
from soleil_remediate.reporters.batches import Tally
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.endings import put_verdict
from soleil_remediate.reporters.json import run_document
from soleil_remediate.reporters.junit import junit_document
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.plans import put_commands
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.terminal import _Choice, _offered, _prompt, _word
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case
from tests.unit.reporters.approved import approve
from tests.unit.reporters.junit_schema import parsed
from tests.unit.reporters.samples import StillClock
from tests.unit.test_stages import ALL, LOST, Part, Staged


def told(staged: Staged, *, is_dry: bool = False, is_document: bool = False) -> str:
    """Run, or only preview, and return what a person reads, with single blanks."""
    return " ".join(shown(staged, width=100, is_dry=is_dry, is_document=is_document).split())


def shown(staged: Staged, *, width: int = 80, is_dry: bool = False, is_document: bool = False) -> str:
    """Run, or only preview, and return what a person reads."""
    stream = io.StringIO()
    reporter = ConsoleReporter(
        Screen(stream, is_terminal=False, width=width),
        cases=staged.cases,
        again=Invocation(program="soleil", scenario="tiny", hosts="web"),
        clock=StillClock(),
        is_dry=is_dry,
    )

    def listen(event: Event) -> None:
        (reporter.note if is_document else reporter)(event)

    staged.on_event = listen
    if is_dry:
        staged.preview()
    elif is_document:
        staged.gate.before = lambda: reporter.present(reporter._overview.previews)
        staged.remediate()
    else:
        staged.remediate()
    return stream.getvalue()


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True), Part("serve", ("web2", "web3"), "good")))
    one.hosts[0].unreachable = LOST
    return one


ORDER = "STAGES 1 migrate once, on web2 2 serve on web2 web3"
PASSED = "stage migrate is done once, on web2; web1 was passed over: no answer within 15 s"


@pytest.mark.parametrize("how", [{}, {"is_dry": True}, {"is_document": True}], ids=["run", "dry run", "document"])
def test_before_anybody_says_yes_the_stages_and_the_one_host_are_named(staged: Staged, how: dict[str, bool]) -> None:
    text = told(staged, **how)
    assert "tiny · 3 hosts" in text
    assert text.count(ORDER) == 1
    assert text.count(PASSED) == (2 if how == {} else 1)  # before, and where something was changed after it as well
    assert "stage migrate is done once, on web2" in text.replace(PASSED, "")
    assert "not reached" not in text
    assert "2 hosts WOULD FIX GENTLE web2#migrate web2#serve web3#serve" in text
    assert "2 hosts · no downtime" in text


def test_a_preview_with_stages_is_read_from_the_first_to_the_last(tmp_path: Path) -> None:
    parts = (Part("serve", ("web1", "web2"), "first", risk=Risk.DISRUPTIVE), Part("workers", ALL, "good", is_once=True))
    approve("stages-preview", shown(Staged(tmp_path, parts=parts), is_dry=True))


def test_the_plans_stand_in_the_order_of_the_stages_whichever_is_riskier(tmp_path: Path) -> None:
    parts = (Part("stop", ("web1", "web2"), "first"), Part("start", ("web1",), "good", risk=Risk.DESTRUCTIVE))
    text = told(Staged(tmp_path, parts=parts), is_dry=True)
    first, second = text.index("STAGE 1 of 2 stop web1#stop"), text.index("STAGE 2 of 2 start web1#start")
    assert first < text.index("let /srv/one say first") < second < text.index("let /srv/one say good")
    assert "another plan" not in text


@dataclass
class Rest(Staged):
    """What is left of a run whose first stage is done."""

    @property
    def cases(self) -> list[Case]:
        first, *_ = self.parts
        return [case for case in super().cases if case.host.stage != first.name]


def test_the_rest_of_a_run_counts_its_stages_as_the_whole_run_did(tmp_path: Path) -> None:
    parts = (Part("stop", ("web1",), "first"), Part("migrate", ("web1",), "good"), Part("start", ("web2",), "good"))
    text = told(Rest(tmp_path, parts=parts), is_dry=True)
    assert "STAGES 2 migrate on web1 3 start on web2" in text
    assert text.index("STAGE 2 of 3 migrate web1#migrate") < text.index("STAGE 3 of 3 start web2#start")


def test_the_last_host_of_a_run_with_stages_is_told_with_the_stage_that_is_left(tmp_path: Path) -> None:
    parts = (Part("stop", ("web1",), "first"), Part("start", ("web1",), "good"))
    assert "dry run · stage 2 of 2 · connected" in told(Rest(tmp_path, parts=parts), is_dry=True)


def test_before_anybody_says_yes_the_order_within_each_stage_is_told(tmp_path: Path) -> None:
    parts = (Part("migrate", ("web1",), "first", is_once=True), Part("serve", ALL, "good"))
    text = told(Staged(tmp_path, parts=parts))
    assert (
        "ORDER migrate: web1 serve: canary web1, then one host after another each stage begins when the one before has "
        "ended well on all its hosts; stops at the first that fails 3 hosts"
    ) in text


def test_declined_nobody_is_told_to_leave_out_the_hosts_on_which_a_stage_is_not_done(tmp_path: Path) -> None:
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True), Part("serve", ALL, "good")))
    one.gate.refuses = Declined("jan said no")
    assert told(one).endswith("next soleil remediate --scenario tiny --host web")


def test_declined_nobody_is_told_to_leave_out_the_only_host_of_a_stage(tmp_path: Path) -> None:
    """The command would be refused: a run does all stages or none."""
    one = Staged(tmp_path, parts=(Part("migrate", ("web1",), "first"), Part("serve", ("web2",), "good")))
    one.hosts[0].unreachable = LOST
    text = told(one)
    assert "not tried: web1#migrate ended UNREACHABLE" in text
    assert "leave" not in text
    assert text.endswith("next soleil ping --host web")


def test_a_host_that_was_looked_at_and_passed_over_is_not_told_as_one_that_is_not_fixed(staged: Staged) -> None:
    staged.hosts[0].unreachable = None
    staged.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), FactError("permission denied"))
    text = told(staged, is_dry=True)
    assert "web1#migrate NOT NEEDED stage migrate is done once, on web2; web1 was passed over" in text
    assert "NOT FIXED" not in text


def test_a_host_that_was_passed_over_does_not_count_as_one_that_was_not_reached(staged: Staged) -> None:
    tally = Tally()
    staged.on_event = lambda event: tally.note(event) if isinstance(event, RunStarted | HostSeen | HostEnded) else None
    staged.remediate()
    assert "not reached" not in tally.looked


def test_of_a_host_that_was_left_alone_nothing_is_said_that_nobody_looked_at(staged: Staged) -> None:
    page = Page(100)
    put_verdict(page, staged.remediate().hosts[2])
    text = "\n".join(line.plain for line in page.lines)
    assert text.split("\n")[0].split("  ")[-1] == "web3#migrate · nothing was changed · exit 0"


def test_a_gate_that_refuses_a_host_names_it_once(tmp_path: Path) -> None:
    parts = (Part("one", ("web1",), "first"), Part("two", ("web1",), "good"))
    previews = [one.preview for one in Staged(tmp_path, parts=parts).preview().hosts if one.preview is not None]
    observed = [replace(one, host=replace(one.host, policy=Policy(mode=Mode.OBSERVE))) for one in previews]
    with pytest.raises(Declined, match=r"^web1 is in mode observe"):
        PolicyGate(says_yes=True).approve("tiny", observed)


def test_a_run_tells_at_its_end_how_each_host_ended_in_each_stage(staged: Staged) -> None:
    text = told(staged)
    end = text[text.index("touched") :]
    assert "3: web2#migrate web2#serve web3#serve" in end
    assert "untouched 2: web1#migrate web3#migrate" in end
    assert "2 NOT NEEDED · 3 FIXED · 3 changes sent · exit 0" in end


def test_the_hosts_of_a_stage_that_was_not_begun_are_told_why(staged: Staged) -> None:
    staged.hosts[1].on_change(lambda _: True, "put", then=None)
    text = told(staged)
    assert "not tried: stage migrate comes first, and web2 ended NOT FIXED there. Nothing was sent" in text


def test_the_document_has_each_host_once_a_stage_and_says_which(staged: Staged) -> None:
    document = json.loads(run_document("remediate", staged.remediate(), is_dry=False))
    assert [(one["host"], one["stage"], one["verdict"]) for one in document["hosts"]] == [
        ("web1#migrate", "migrate", "NOT NEEDED"),
        ("web2#migrate", "migrate", "FIXED"),
        ("web3#migrate", "migrate", "NOT NEEDED"),
        ("web2#serve", "serve", "FIXED"),
        ("web3#serve", "serve", "FIXED"),
    ]
    assert document["touched"] == ["web2#migrate", "web2#serve", "web3#serve"]


def test_junit_has_a_suite_for_each_host_in_each_stage(staged: Staged) -> None:
    ended = datetime(2031, 5, 6, tzinfo=UTC)
    root = parsed(junit_document("remediate", staged.remediate(), is_dry=False, ended=ended))
    suites = [
        (
            suite.attrib["name"],
            suite.attrib["hostname"],
            [one.attrib["value"] for one in suite.iter("property") if one.attrib["name"] == "stage"],
        )
        for suite in root
    ]
    assert suites[1] == ("web2#migrate", "web2", ["migrate"])
    assert suites[3] == ("web2#serve", "web2", ["serve"])
    assert sum(int(suite.attrib["failures"]) + int(suite.attrib["errors"]) for suite in root) == 0


@pytest.mark.parametrize(
    "second, word, what",
    [("web1", "web1", "Type web1 to run all stages on it"), ("web2", "2", "Type 2 to run it on 2 hosts")],
)
def test_at_the_gate_a_host_is_typed_as_the_inventory_has_it_and_counts_once(
    tmp_path: Path, second: str, word: str, what: str
) -> None:
    parts = (
        Part("one", ("web1",), "first", risk=Risk.DESTRUCTIVE),
        Part("two", (second,), "good", risk=Risk.DESTRUCTIVE),
    )
    staged = Staged(tmp_path, parts=parts, rollout=Rollout())
    previews = [one.preview for one in staged.preview().hosts if one.preview is not None]
    choice = _Choice(digests=frozenset(), risk=Risk.DESTRUCTIVE)
    assert _word(previews, choice) == word
    assert what in _prompt(previews, choice, _offered(previews), is_short=False)
    assert _word(previews[:1], choice) == "web1"


def test_commands_that_are_printed_name_hosts_as_the_inventory_has_them(tmp_path: Path) -> None:
    staged = Staged(tmp_path, parts=(Part("one", ("web1",), "first"), Part("two", ("web1", "web2"), "good")))
    again = Invocation(program="soleil", scenario="tiny", hosts="web")
    page = Page(100)
    put_commands(page, [one.preview for one in staged.preview().hosts if one.preview is not None])
    assert [line for line in page.text.splitlines() if line.startswith("by hand")] == [
        "by hand on web1, stage one, in a root shell there:",
        "by hand on web1, stage two, in a root shell there:",
        "by hand on web2, stage two, in a root shell there:",
    ]
    assert again.ping(staged.cases[0].host) == "soleil ping --host web1"
    assert again.without(["web1#one", "web1#two"]).preview() == "soleil preview --scenario tiny --host 'web:!web1'"
