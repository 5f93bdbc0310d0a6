"""What a person sees of a run, from its first line to its last; see ``tests/unit/captures``."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TextIO

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import (
    BatchStarted,
    ChangeAnswered,
    ChangeIntended,
    ChangeUnanswered,
    CopyProgress,
    CopySaved,
    Event,
    GateAnswered,
    HostClaimed,
    HostEnded,
    HostSeen,
    HostWatched,
    RolloutPlanned,
    RunEnded,
    RunStarted,
    StepEnded,
    StopHeard,
    WatchEnded,
    WatchStarted,
)
from soleil_remediate.host_outcomes import (
    Crashed,
    Eased,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WrongInput,
)
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import ad_hoc_host
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.batches import Tally, compact, put_order
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.endings import put_proof
from soleil_remediate.reporters.fleets import put_hosts
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import ForPeople
from soleil_remediate.seen import CheckSeen, EvidenceSeen, Preview, Standing
from soleil_remediate.step_outcomes import (
    StepFailed,
    StepRemedied,
    StepSeen,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.task import Forecast, Health, Measure, Table, Text, Verdict
from soleil_remediate.units import Duration, MiB
from tests import tiny
from tests.unit.reporters.approved import approve
from tests.unit.reporters.ptys import moments
from tests.unit.reporters.samples import (
    AGAIN,
    CUT_LOG,
    LOG,
    PRUNE,
    RELOAD,
    RUN,
    SAVED,
    SENT,
    VACUUM,
    StillClock,
    case,
    ended_steps,
    fixed_report,
    healthy_preview,
    host,
    pending,
    preview,
    report,
    standing,
    warned_report,
)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def told(
    events: Iterable[Event],
    *,
    names: Sequence[str] = ("web1",),
    is_dry: bool = False,
    is_verbose: bool = False,
    has_commands: bool = False,
    width: int = 80,
    again: Invocation = AGAIN,
) -> str:
    stream = io.StringIO()
    reporter = ConsoleReporter(
        Screen(stream, is_terminal=False, width=width),
        cases=[case(name) for name in names],
        again=again,
        clock=StillClock(),
        is_dry=is_dry,
        is_verbose=is_verbose,
        has_commands=has_commands,
    )
    for event in events:
        reporter(event)
    return stream.getvalue()


def started(*names: str) -> RunStarted:
    return RunStarted(run=RUN, scenario="disk-full", hosts=names or ("web1",), operator="jan@laptop", inputs={})


def left_on(*reports: HostReport) -> ForPeople:
    return ForPeople.of([case(one.host.name) for one in reports])


def ended(*reports: HostReport) -> list[Event]:
    whole = RunReport(run=RUN, scenario="disk-full", hosts=reports, for_people=left_on(*reports))
    return [*(HostEnded(report=one) for one in reports), RunEnded(report=whole)]


def seen_and_ended(one: HostReport) -> list[Event]:
    looked: list[Event] = [] if one.preview is None else [HostSeen(preview=one.preview)]
    return [started(), *looked, *ended(one)]


def applied(outcome: StepRemedied | StepStillFaulty | StepFailed | StepUnknown) -> list[Event]:
    """From a first look to the end of the step that cuts the log."""
    seen = preview()
    return [
        started(),
        HostSeen(preview=seen),
        GateAnswered(is_open=True, by="jan@laptop typed web1", approved=tuple(sorted(seen.digests))),
        HostClaimed(host="web1", owner=f"jan@laptop (run {RUN})"),
        CopyProgress(host="web1", step=3, path=LOG, copied=MiB(0), total=SAVED.size),
        CopyProgress(host="web1", step=3, path=LOG, copied=MiB(8000), total=SAVED.size),
        CopySaved(host="web1", step=3, copy=SAVED),
        ChangeIntended(host="web1", step=3, kind="log.truncate", operation=SENT.operation, digest="d", change=CUT_LOG),
        *answers(outcome),
        StepEnded(host="web1", step=3, kind="log.truncate", outcome=outcome),
    ]


def answers(outcome: StepRemedied | StepStillFaulty | StepFailed | StepUnknown) -> list[Event]:
    if isinstance(outcome, StepUnknown):
        return [ChangeUnanswered(host="web1", operation=SENT.operation, why="the connection was cut")]
    status = 1 if isinstance(outcome, StepFailed) else 0
    says = "fallocate: not supported" if status else ""
    return [ChangeAnswered(host="web1", operation=SENT.operation, exit_status=status, says=says, took=Duration(1.2))]


def watching(*names: str) -> WatchStarted:
    return WatchStarted(hosts=names or ("web1",), lasts=Duration(900), every=Duration(30))


def watch_ended(*reports: HostReport, stopped: str = "", took: float = 900) -> WatchEnded:
    whole = RunReport(run=RUN, scenario="disk-full", hosts=reports, for_people=left_on(*reports))
    return WatchEnded(report=whole, stopped=stopped, took=Duration(took))


# --- one host ---------------------------------------------------------------------------------------------------------


def test_a_preview_of_a_destructive_plan() -> None:
    seen = preview()
    one = report(seen.outcome, seen=seen)
    approve("preview-destructive", told(seen_and_ended(one), is_dry=True))


def test_a_preview_with_the_commands_to_do_it_by_hand() -> None:
    seen = preview()
    approve("preview-commands", told(seen_and_ended(report(seen.outcome, seen=seen)), is_dry=True, has_commands=True))


def test_a_preview_of_a_gentle_and_a_disruptive_step() -> None:
    chosen = (pending("web1", "journal.vacuum", VACUUM), pending("web1", "service.restart", RELOAD, is_tentative=True))
    seen = preview(with_steps=chosen)
    approve("preview-disruptive", told(seen_and_ended(report(seen.outcome, seen=seen)), is_dry=True))


def test_a_preview_as_a_user_without_root() -> None:
    undecided = preview().steps[3]
    why = "it cannot be known who writes it: reading /proc needs root"
    seen = preview(
        limits="sudo wants a password",
        with_steps=[replace(undecided, outcome=StepUndecided(why=why))],
        outcome=NotFixed(why="/srv is full; nothing that may be changed would help"),
    )
    approve("preview-without-root", told(seen_and_ended(report(seen.outcome, seen=seen)), is_dry=True))


def test_fixed_with_its_proof() -> None:
    one = fixed_report()
    step = one.steps[3].outcome
    assert isinstance(step, StepRemedied)
    skipped = StepEnded(
        host="web1", step=4, kind="backup.prune", outcome=StepSkipped(why="not needed: the goal is met")
    )
    approve("fixed", told([*applied(step), skipped, *ended(one)]))


def forecast(subject: str = "space on /srv", seconds: float = 9000) -> Forecast:
    mount = subject.removeprefix("space on ")
    return Forecast(
        subject=subject,
        about=f"{mount} is full again",
        within=Duration(seconds),
        because=f"{LOG} grows by 95 MiB/min",
    )


def test_each_of_several_copies_is_told_by_its_name() -> None:
    said = told([started(), *(CopySaved(host="web1", step=3, copy=SAVED, part=one) for one in ("sockets", "manifest"))])
    assert re.findall(r"saved   (\S+) 14\.6 GiB here", said) == ["sockets:", "manifest:"]


def test_fixed_and_not_over() -> None:
    one = replace(fixed_report(), forecasts=(forecast(),))
    step = one.steps[3].outcome
    assert isinstance(step, StepRemedied)
    text = told([*applied(step), *ended(one)])
    approve("fixed-not-over", text)
    assert "nothing unknown · exit 0\nNOT OVER  /srv is full again in about 2 h 30 min:\n" in text


def test_fixed_and_warned() -> None:
    text = told(ended(warned_report("without a config cache: it holds a closure", "views are compiled later")))
    verdict, *under = text[text.index("FIXED") :].splitlines()
    assert verdict.endswith("exit 0")
    assert under[:2] == [
        "WARNING   without a config cache: it holds a closure",
        "WARNING   views are compiled later",
    ]


def test_what_a_change_warns_of_is_told_at_once() -> None:
    warnings = ("without a config cache", "and later")
    answer = ChangeAnswered(host="web1", operation="o", exit_status=0, says="", took=Duration(1), warnings=warnings)
    said = told([started(), answer])
    assert said.splitlines()[-1].endswith("! without a config cache; and later")


def test_of_many_hosts_one_that_warned_is_shown_by_itself() -> None:
    names = [f"web{n}" for n in range(1, 31)]
    fixed = [replace(fixed_report(), host=host(name)) for name in names]
    fixed[20] = replace(warned_report("without a config cache"), host=host("web21"))
    text = told(ended(*fixed), names=names)
    assert text.count("PROOF") == 2
    assert "WARNING   without a config cache" in text


def beyond(at: Standing, verdict: Verdict) -> Standing:
    return replace(at, beyond=(CheckSeen(kind="page.reached", verdict=verdict),))


CUT_OFF = Verdict.faulty(
    "https://soleil.example/ from here: its certificate is not trusted: certificate has expired",
    Measure(label="/ from here", value="not trusted", is_faulty=True),
)


def test_what_users_meet_beyond_the_host_stands_in_the_preview_the_proof_and_the_end() -> None:
    one = fixed_report()
    assert one.preview is not None
    assert one.after is not None
    one = replace(
        one,
        preview=replace(one.preview, standing=beyond(one.preview.standing, CUT_OFF)),
        after=beyond(one.after, CUT_OFF),
    )
    text = told(seen_and_ended(one))
    approve("fixed-beyond", text)
    assert text.index("BEYOND ") < text.index("PROOF") < text.index("/ from here ") < text.index("NOT OVER ")


@pytest.mark.parametrize(
    "verdict, says",
    [
        (Verdict.unknown("this machine has no way there"), "BEYOND this machine has no way there"),
        (
            Verdict.healthy("it ends soon", Measure(label="certificate", value="3 d left", is_faulty=True)),
            "BEYOND it ends soon",
        ),
        (Verdict.healthy("all is well", Measure(label="/ from here", value="200")), "/ from here 200"),
    ],
)
def test_what_is_beyond_is_told_where_it_is_not_fine_or_not_for_long(verdict: Verdict, says: str) -> None:
    seen = healthy_preview()
    text = told([started(), HostSeen(preview=replace(seen, standing=beyond(seen.standing, verdict)))])
    assert says in text
    assert ("BEYOND" in text) is says.startswith("BEYOND")


def test_a_check_that_says_nothing_else_aims_at_what_it_was_given() -> None:
    assert tiny.FileSays(text="fine").aim() == "file.says text fine"
    assert tiny.FileSays().aim() == "file.says"


@pytest.mark.parametrize(
    "seconds, said",
    [
        (9, "9 s"),
        (64, "1 min"),
        (148, "2 min 30 s"),
        (3148, "52 min"),
        (9143, "2 h 30 min"),
        (95000, "1 d 2 h"),
        (0.4, "0 s"),
    ],
)
def test_what_is_estimated_is_not_told_to_the_second(seconds: float, said: str) -> None:
    one = replace(fixed_report(), forecasts=(forecast(seconds=seconds),))
    assert f"NOT OVER  /srv is full again in about {said}:" in told(seen_and_ended(one))


def test_of_several_hosts_those_that_are_not_over_say_so() -> None:
    previews, reports = several()
    one = replace(fixed_report(), forecasts=(forecast(), forecast("space on /var", 86400)))
    events: list[Event] = [started(*NAMES[:4]), *(HostSeen(preview=seen) for seen in previews)]
    text = told([*events, *ended(one, *reports[1:])], names=NAMES[:4])
    assert text.index("PROOF") < text.index("NOT OVER  /srv is full again in about 2 h 30 min") < text.index("1 FIXED")
    assert "NOT OVER  /var is full again in about 1 d" in text


def test_not_needed_says_what_was_looked_at() -> None:
    seen = healthy_preview()
    approve("not-needed", told(seen_and_ended(report(seen.outcome, seen=seen))))


def test_declined_at_the_terminal() -> None:
    seen = preview()
    why = "declined at the terminal. Nothing was sent"
    closed = GateAnswered(is_open=False, by=why, approved=())
    one = report(Refusal(why=why), seen=seen)
    approve("declined", told([started(), HostSeen(preview=seen), closed, *ended(one)]))


def test_declined_by_the_policy_of_a_plan_with_short_commands_shows_them() -> None:
    chosen = (pending("web1", "service.restart", RELOAD),)
    seen = preview(with_steps=chosen)
    why = "the plan for web1 is disruptive, and nobody was asked. Nothing was sent."
    closed = GateAnswered(is_open=False, by=why, approved=())
    one = report(Refusal(why=why), seen=seen)
    approve("declined-by-policy", told([started(), HostSeen(preview=seen), closed, *ended(one)]))


def test_eased() -> None:
    after = standing(91, is_writable=True)
    step = StepRemedied(sent=(SENT,), why=f"{LOG} is 64 MiB, within 100 MiB")
    why = "the symptom is gone, the goal is not met: /srv 91 % of 20.0 GiB, not below 80 %"
    one = report(Eased(why=why), seen=preview(), with_steps=ended_steps(step), after=after)
    approve("eased", told([*applied(step), *ended(one)]))


def test_not_fixed_after_a_change_that_failed() -> None:
    step = StepFailed(sent=(), why=f"{CUT_LOG.summary}: exit status 1: fallocate: not supported")
    why = "/srv 100 % of 20.0 GiB, 0 B free for www-data, inodes 12 %; not all went well: log.truncate: exit status 1"
    one = report(NotFixed(why=why), seen=preview(), with_steps=ended_steps(step), after=standing())
    approve("not-fixed", told([*applied(step), *ended(one)]))


def test_not_fixed_though_every_command_succeeded() -> None:
    step = StepStillFaulty(sent=(SENT,), why="still to do: it grew again")
    one = report(
        NotFixed(why="/srv 99 % of 20.0 GiB"), seen=preview(), with_steps=ended_steps(step), after=standing(99)
    )
    approve("still-faulty", told([*applied(step), *ended(one)]))


def test_what_was_not_repaired_leaves_questions_too() -> None:
    seen = preview()
    text = told(seen_and_ended(report(NotFixed(why="no step eases it"), seen=seen)))
    assert "  by hand See what fills it: du" in text
    assert "  answer  Which log grew, and why?\n" in text


@pytest.mark.parametrize("is_dry", [False, True])
def test_of_several_hosts_the_record_has_what_is_left_to_people(is_dry: bool) -> None:
    previews, _ = several()
    reports = [report(NotFixed(why="no step eases it"), name=one.host.name, seen=one) for one in previews[:2]]
    looked: list[Event] = [started("web1", "web2"), *(HostSeen(preview=seen) for seen in previews[:2])]
    text = told([*looked, *ended(*reports)], names=NAMES[:2], is_dry=is_dry)
    said = f"  record invoke runs.show {RUN}\n         the record has what is left to people: 1 question, 2 steps"
    assert (said in text) is not is_dry  # a preview keeps no record


def test_unproven() -> None:
    step = StepStillFaulty(sent=(SENT,), why="it could not be looked at again: the connection was cut")
    why = "changes were sent, then the host could not be looked at again: the connection was cut"
    one = report(Unproven(why=why), seen=preview(), with_steps=ended_steps(step))
    approve("unproven", told([*applied(step), *ended(one)]))


def test_unknown_begins_with_what_may_have_happened() -> None:
    why = "web1 MAY have been changed: no answer to operation 7f3a19c2-03-00 within 3 min"
    step = StepUnknown(sent=(), operation=SENT.operation, why=why)
    outcome = MaybeChanged(why=why, operation=SENT.operation)
    one = report(outcome, seen=preview(), with_steps=ended_steps(step))
    text = told([*applied(step), *ended(one)])
    approve("unknown", text)
    assert "UNKNOWN  web1 MAY have been changed" in text


def test_an_input_that_names_what_the_host_has_not() -> None:
    why = "/svr is no mount point of this host: did you mean /srv? It has /, /srv, /var"
    seen = preview(outcome=WrongInput(why=why, given="/svr", nearest="/srv"))
    again = replace(AGAIN, inputs=("mount=/svr", "target=70%"))
    approve("wrong-input", told(seen_and_ended(report(seen.outcome, seen=seen)), again=again))


def test_an_input_that_is_wrong_for_one_host_of_several() -> None:
    why = "/data is no mount point of this host: It has /, /srv, /var"
    previews = [preview("web1"), preview("web2", outcome=WrongInput(why=why, given="/data"))]
    declined = Refusal(why="not tried: what was given is not right for web2. Nothing was sent to any host")
    reports = [report(declined, seen=previews[0]), report(previews[1].outcome, name="web2", seen=previews[1])]
    looked: list[Event] = [started(*NAMES[:2]), *(HostSeen(preview=seen) for seen in previews)]
    closed = GateAnswered(is_open=False, by=declined.why, approved=())
    again = replace(AGAIN, hosts="web*", inputs=("mount=/data",))
    text = told([*looked, closed, *ended(*reports)], names=NAMES[:2], again=again)
    approve("several-wrong-input", text)


@pytest.mark.parametrize(
    "nearest, last",
    [(("/srv", "/srv"), "--set mount=/srv"), (("/srv", "/data"), "exit 2"), (("", ""), "exit 2")],
    ids=["all mean the same", "each means another", "nobody knows"],
)
def test_an_input_that_is_wrong_for_all_of_several_hosts_is_corrected_where_it_is_known_how(
    nearest: tuple[str, str], last: str
) -> None:
    outcomes = [WrongInput(why=f"/svr {one}", given="/svr", nearest=one) for one in nearest]
    previews = [preview(name, outcome=outcome) for name, outcome in zip(NAMES, outcomes, strict=False)]
    reports = [report(seen.outcome, name=seen.host.name, seen=seen) for seen in previews]
    looked: list[Event] = [started(*NAMES[:2]), *(HostSeen(preview=seen) for seen in previews)]
    text = told([*looked, *ended(*reports)], names=NAMES[:2], again=replace(AGAIN, inputs=("mount=/svr",)))
    assert text.rstrip().endswith(last)


def test_unreachable() -> None:
    one = report(NotReached(why="web1 (192.0.2.11:22): no answer within 15 s", is_retryable=True))
    approve("unreachable", told(seen_and_ended(one)))


@pytest.mark.parametrize(
    "seen, last",
    [
        (
            preview(),
            (
                "WOULD FIX  web1.example:2222 · nothing was changed · exit 5\n"
                "  It stands in no inventory, so it may only be looked at. List it in one, then:\n"
                "  next    soleil-remediate remediate --scenario disk-full --host web1.example \\\n"
                "            --inventory FILE\n"
            ),
        ),
        (
            replace(
                preview(with_steps=(), outcome=NotFixed(why="it is full")),
                left_out=(StepSeen(kind="log.truncate", outcome=StepSkipped(why="needs app.logs")),),
            ),
            (
                "          it is full\n"
                "  It stands in no inventory, so not every step could be looked into. List it in\n"
                "  one, then:\n"
                "  next    soleil-remediate preview --scenario disk-full --host web1.example \\\n"
                "            --inventory FILE\n"
            ),
        ),
    ],
    ids=["something could be done", "nothing is known of its application"],
)
def test_a_host_that_stands_in_no_inventory_is_led_to_one(seen: Preview, last: str) -> None:
    alone = replace(ad_hoc_host("deploy@web1.example:2222"), policy=case().host.policy)
    seen = replace(seen, host=alone)
    one = replace(report(seen.outcome, seen=seen), host=alone)
    stream = io.StringIO()
    cases = [replace(case(), host=alone)]
    again = Invocation(scenario="disk-full", hosts="deploy@web1.example:2222")
    reporter = ConsoleReporter(
        Screen(stream, is_terminal=False), cases=cases, again=again, clock=StillClock(), is_dry=True
    )
    for event in seen_and_ended(one):
        reporter(event)
    assert last in stream.getvalue()


def test_stopped_after_a_change() -> None:
    step = StepRemedied(sent=(SENT,), why="within 100 MiB")
    after = standing(27, is_writable=True)
    one = report(
        Stopped(why="stopped by Ctrl-C; the goal is met"), seen=preview(), with_steps=ended_steps(step), after=after
    )
    events = applied(step)
    events.insert(-2, StopHeard(why="Ctrl-C", is_insisted=False))
    approve("stopped", told([*events, *ended(one)]))


def test_stopped_twice_during_a_change() -> None:
    """Nobody asks the host then, and nobody says so."""
    step = StepUnknown(sent=(), operation=SENT.operation, why="web1 MAY have been changed: the connection was closed")
    one = report(MaybeChanged(why=step.why, operation=step.operation), seen=preview(), with_steps=ended_steps(step))
    events = applied(step)
    events[-2:-2] = [StopHeard(why="Ctrl-C", is_insisted=False), StopHeard(why="Ctrl-C", is_insisted=True)]
    text = told([*events, *ended(one)])
    assert "asking the host" not in text
    approve("stopped-twice", text)


def test_a_bug_on_a_host() -> None:
    one = report(Crashed(why="a bug in this program: TypeError: boom"))
    approve("bug", told(seen_and_ended(one)))


def test_verbose_shows_all_evidence_and_measures() -> None:
    one = fixed_report()
    step = one.steps[3].outcome
    assert isinstance(step, StepRemedied)
    approve("fixed-verbose", told([*applied(step), *ended(one)], is_verbose=True))


def test_the_proof_of_a_check_that_measures_nothing_is_what_it_said() -> None:
    def stands(verdict: Verdict) -> Standing:
        return Standing(symptom=(CheckSeen(kind="deploy-lock.remove", verdict=verdict),), goal=(), scope=frozenset())

    page = Page(80)
    put_proof(page, stands(Verdict.faulty("it is 2 h old")), stands(Verdict.healthy("it is not there")))
    assert page.text.splitlines() == [
        "PROOF                  before     now",
        "  deploy-lock.remove   faulty     healthy",
    ]


# --- several hosts ----------------------------------------------------------------------------------------------------


def several() -> tuple[list[Preview], list[HostReport]]:
    previews = [preview("web1"), preview("web2"), healthy_preview("web3"), healthy_preview("web4")]
    return previews, [report(seen.outcome, name=seen.host.name, seen=seen) for seen in previews]


NAMES = ("web1", "web2", "web3", "web4", "web5")


def test_several_hosts_previewed() -> None:
    previews, reports = several()
    gone = report(NotReached(why="web5 (192.0.2.15:22): connection refused", is_retryable=True), name="web5")
    events: list[Event] = [started(*NAMES), *(HostSeen(preview=seen) for seen in previews), *ended(*reports, gone)]
    approve("several-preview", told(events, names=NAMES, is_dry=True))


def test_hosts_are_told_in_the_inventorys_order_whoever_answers_first() -> None:
    previews, reports = several()
    events: list[Event] = [started(*NAMES[:4]), *(HostSeen(preview=seen) for seen in reversed(previews))]
    text = told([*events, *ended(*reports)], names=NAMES[:4], is_dry=True)
    assert "    web1 web2\n" in text
    assert "    web3 web4\n" in text
    assert text.index("web2") < text.index("web3")
    assert "web1 (production, app soleil), the worst of 2" in text


def test_several_hosts_declined_say_how_many_and_which() -> None:
    previews, _ = several()
    why = (
        "the plans for 2 hosts (web1, web2) are destructive, and nobody was asked. Nothing was sent. To go on: add "
        "--yes, run it at a terminal, or add --approve 369a06fe76c3"
    )
    reports = [report(Refusal(why=why), name=seen.host.name, seen=seen) for seen in previews[:2]]
    healthy = report(previews[2].outcome, name="web3", seen=previews[2])
    looked: list[Event] = [started(*NAMES[:3]), *(HostSeen(preview=seen) for seen in previews[:3])]
    closed = GateAnswered(is_open=False, by=why, approved=())
    text = told([*looked, closed, *ended(*reports, healthy)], names=NAMES[:3])
    approve("several-declined", text)


@pytest.mark.parametrize(
    "whys, rows",
    [
        pytest.param(["full at web1: 3 %", "full at web2: 3 %"], ["full at each of them: 3 %"], id="each its own name"),
        pytest.param(["full: 3 %", "full: 4 %"], ["such as web1: full: 3 %"], id="other figures"),
        pytest.param(["web1 and web2 are", "web1 and web2 are"], ["web1 and web2 are"], id="all of them by name"),
        pytest.param(["web10 is", "web2 is"], ["web10 is", "web2 is"], id="the name of neither"),
    ],
)
def test_what_is_alike_of_several_hosts_is_said_once(whys: list[str], rows: list[str]) -> None:
    page = Page(80)
    hosts: list[tuple[str, HostOutcome, Preview | None]] = [
        (f"web{number}", NotFixed(why=why), None) for number, why in enumerate(whys, 1)
    ]
    put_hosts(page, hosts)
    assert [
        line.strip() for line in page.text.splitlines() if line.startswith("    ") and "web1 web2" not in line
    ] == rows


@pytest.mark.parametrize("count", [2, 200])
@pytest.mark.parametrize(
    "address",
    ["deploy@10.0.0.{}:22", "deploy@web{}.example.com:22", "deploy@ec2-{}-a.example.com:2222", "[2001:db8::{}]:22"],
)
def test_hosts_that_cannot_be_reached_stand_together_wherever_each_of_them_is(address: str, count: int) -> None:
    page = Page(80)
    whys = [f"web{number} ({address.format(number)}): Connection refused" for number in range(1, count + 1)]
    put_hosts(page, [(f"web{n}", NotReached(why=why, is_retryable=True), None) for n, why in enumerate(whys, 1)])
    assert page.text.splitlines() == [
        f"  {f'{count} hosts':<12} UNREACHABLE",
        "    web1 web2" if count == 2 else "    web[1:200]",
        f"    such as {whys[0]}",
    ]


def test_hosts_that_cannot_be_reached_for_different_reasons_stand_apart() -> None:
    page = Page(80)
    put_hosts(
        page,
        [
            ("web1", NotReached(why="web1 (deploy@10.0.0.1:22): Connection refused", is_retryable=True), None),
            ("web2", NotReached(why="web2 (deploy@10.0.0.2:22): No route to host", is_retryable=True), None),
        ],
    )
    assert [line.strip() for line in page.text.splitlines() if "(" in line] == [
        "web1 (deploy@10.0.0.1:22): Connection refused",
        "web2 (deploy@10.0.0.2:22): No route to host",
    ]


def test_what_the_first_table_said_of_hosts_that_were_left_alone_is_not_said_again() -> None:
    previews, reports = several()
    events: list[Event] = [started(*NAMES[2:4]), *(HostSeen(preview=seen) for seen in previews[2:])]
    text = told([*events, *ended(*reports[2:])], names=NAMES[2:4])
    assert text.count("web3 web4") == 1
    assert "2 NOT NEEDED · nothing was changed · exit 0" in text


def test_every_plan_that_differs_is_shown_before_anybody_says_yes() -> None:
    other = preview("web2", with_steps=(pending("web2", "backup.prune", PRUNE),))
    previews = [preview("web1"), other, preview("web3")]
    looked: list[Event] = [started("web1", "web2", "web3"), *(HostSeen(preview=seen) for seen in previews)]
    reports = [report(seen.outcome, name=seen.host.name, seen=seen) for seen in previews]
    approve("several-plans", told([*looked, *ended(*reports)], names=NAMES[:3], is_dry=True))


def test_several_hosts_repaired() -> None:
    previews, reports = several()
    step = StepRemedied(sent=(SENT,), why="within 100 MiB")
    fixed = fixed_report()
    stuck = report(
        NotFixed(why="/srv 99 % of 20.0 GiB"),
        name="web2",
        seen=previews[1],
        with_steps=ended_steps(StepStillFaulty(sent=(SENT,), why="still to do")),
        after=standing(99),
    )
    events: list[Event] = [
        started(*NAMES[:4]),
        *(HostSeen(preview=seen) for seen in previews),
        GateAnswered(is_open=True, by="jan@laptop typed 2", approved=()),
        HostClaimed(host="web1", owner="jan@laptop"),
        ChangeIntended(host="web1", step=3, kind="log.truncate", operation="o", digest="d", change=CUT_LOG),
        StepEnded(host="web1", step=3, kind="log.truncate", outcome=step),
        *ended(fixed, stuck, *reports[2:]),
    ]
    approve("several-repaired", told(events, names=NAMES[:4]))


def test_fifty_hosts_fit_a_screen_or_two() -> None:
    names = [f"web{number}" for number in range(1, 51)]
    previews = [preview(name) if number % 7 == 0 else healthy_preview(name) for number, name in enumerate(names)]
    reports = [report(seen.outcome, name=seen.host.name, seen=seen) for seen in previews]
    reports[3] = report(NotReached(why="web4 (192.0.2.4:22): no answer within 15 s", is_retryable=True), name="web4")
    looked: list[Event] = [HostSeen(preview=seen) for seen in previews if seen.host.name != "web4"]
    text = told([started(*names), *looked, *ended(*reports)], names=names, is_dry=True)
    approve("fifty-hosts", text)
    assert len(text.splitlines()) <= 60


def planned(*sizes: int, max_fail: int = 0, forks: int = 50) -> RolloutPlanned:
    """Return that batches of these sizes are to be changed: web1, web2, …"""
    names = iter(f"web{number}" for number in range(1, sum(sizes) + 1))
    return RolloutPlanned(batches=tuple(tuple(islice(names, size)) for size in sizes), forks=forks, max_fail=max_fail)


@pytest.mark.parametrize(
    "event, line",
    [
        (planned(1, 1), "canary web1 · then one host after another · stops at the first that fails"),
        (planned(1, 1, 1, max_fail=2), "canary web1 · then one host after another · stops when more than 2 failed"),
        (planned(1, 3), "canary web1 · then together 3 hosts · stops at the first that fails"),
        (planned(1, 5, 10, 10, 4), "canary web1 · then together 5, 2 x 10 and 4 hosts · stops at the first that fails"),
        (planned(1, 9, forks=4), "canary web1 · then together 9 hosts, 4 at once · stops at the first that fails"),
    ],
)
def test_the_order_says_who_is_first_how_many_follow_together_and_when_it_stops(
    event: RolloutPlanned, line: str
) -> None:
    page = Page(200)
    put_order(page, event)
    assert page.text == f"ORDER  {line}\n"


@pytest.mark.parametrize(
    "names, said",
    [
        ("web1 web2 web3 web4", "web[1:4]"),
        ("web1 web2", "web1 web2"),
        ("web9 web10 web11 db1 web12", "web[9:11] db1 web12"),
        ("web08 web09 web10", "web08 web09 web10"),
        ("web1 web3 web5", "web1 web3 web5"),
        ("db web", "db web"),
        ("1 2 3", "[1:3]"),
        ("a1b1 a1b2 a1b3", "a1b[1:3]"),
        ("web1/a web2/a web3/a", "web1/a web2/a web3/a"),
        ("web3 web2 web1", "web3 web2 web1"),
        ("", ""),
    ],
)
def test_names_that_count_on_are_said_as_one_and_no_other(names: str, said: str) -> None:
    assert " ".join(compact(names.split())) == said


@given(st.lists(st.from_regex(r"[a-c]{0,2}(0|[1-9][0-9]{0,2})?", fullmatch=True).filter(bool), max_size=30))
def test_names_said_as_one_are_those_names_and_no_others(names: list[str]) -> None:
    back: list[str] = []
    for part in compact(names):
        if found := re.fullmatch(r"(.*)\[(\d+):(\d+)\]", part):
            back += [f"{found[1]}{number}" for number in range(int(found[2]), int(found[3]) + 1)]
        else:
            back.append(part)
    assert back == names


TWO_HUNDRED = [f"web{number}" for number in range(1, 201)]


def two_hundred() -> list[Event]:
    """Return what happens to two hundred hosts in batches, two of which fail."""
    names = TWO_HUNDRED
    step = StepRemedied(sent=(SENT,), why="within 100 MiB")
    stuck = ended_steps(StepFailed(sent=(), why="exit status 1"))
    reports = {
        name: replace(fixed_report(), host=host(name), preview=preview(name)) for name in names if name != "web7"
    }
    reports["web7"] = report(NotReached(why="web7 (192.0.2.7:22): no answer", is_retryable=True), name="web7")
    reports["web90"] = report(
        NotFixed(why="/srv 99 %"), name="web90", seen=preview("web90"), with_steps=stuck, after=standing(99)
    )
    for name in names[149:]:
        reports[name] = report(
            Refusal(
                why="not tried: web7 ended UNREACHABLE, web90 NOT FIXED, and --max-fail allows 1. Nothing was sent"
            ),
            name=name,
            seen=preview(name),
        )
    order = [name for name in names if name != "web7"]
    batches = Rollout(serial=(1, 50, 98)).batches(order)
    events: list[Event] = [started(*names), *(HostSeen(preview=preview(name)) for name in order)]
    events += [HostEnded(report=reports["web7"]), RolloutPlanned(batches=batches, forks=50, max_fail=1)]
    events += [GateAnswered(is_open=True, by="jan@laptop typed 199", approved=())]
    for number, batch in enumerate(batches[:3], start=1):
        events.append(BatchStarted(number=number, of=len(batches), hosts=batch))
        for name in batch:
            events += [
                HostClaimed(host=name, owner="jan@laptop"),
                ChangeIntended(host=name, step=3, kind="log.truncate", operation="o", digest="d", change=CUT_LOG),
                StepEnded(host=name, step=3, kind="log.truncate", outcome=step),
                HostEnded(report=reports[name]),
            ]
    events += [HostEnded(report=reports[name]) for name in names[149:]]
    return [*events, ended(*(reports[name] for name in names))[-1]]


def test_of_two_hundred_hosts_each_gets_one_line_and_the_end_names_every_one() -> None:
    text = told(two_hundred(), names=TWO_HUNDRED)
    approve("two-hundred-hosts", text)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("FIXED · 1 change\n") == 147
    assert "sending" not in text
    assert len(text.splitlines()) < 147 + 100


def test_of_two_hundred_hosts_everything_is_told_to_who_wants_it() -> None:
    text = told(two_hundred(), names=TWO_HUNDRED, is_verbose=True)
    assert text.count("  locked web") == 149
    assert "more, in the record" not in text


def test_on_a_terminal_one_line_moves_below_what_is_told_of_two_hundred_hosts_and_leaves_no_trace() -> None:
    def tell(terminal: TextIO) -> None:
        screen = Screen.of(terminal, {"TERM": "xterm-256color"})
        reporter = ConsoleReporter(screen, cases=list(map(case, TWO_HUNDRED)), again=AGAIN, clock=StillClock())
        for event in two_hundred():
            reporter(event)

    lines = told(two_hundred(), names=TWO_HUNDRED).splitlines()
    moved: list[str] = []
    rows: list[str] = []
    for screen in moments(tell, columns=80, lines=24):
        rows = [row.rstrip() for row in screen.display]
        gone, at = len(screen.history.top), screen.cursor.y
        assert rows[:at] == lines[gone : gone + at]
        assert not any(rows[at + 1 :])
        moved.append(rows[at])

    looked = [f"looked at {number} of 200 hosts" for number in range(1, 200)]
    assert [row for row in moved if row.startswith("looked at ")] == [*looked, f"{looked[-1]} · 1 not reached"]
    done = (re.match(r"03:12:41  batch \d of 4 · (\d+) of 199 hosts done · [12] failed", row) for row in moved)
    assert list(dict.fromkeys(int(found[1]) for found in done if found)) == list(range(149))
    assert rows == [*lines[-23:], ""]
    assert {"  web90        NOT FIXED", "  touched   148: web[1:6] web[8:149]"} < set(rows)


def test_while_many_hosts_are_changed_one_line_says_how_far_it_has_come() -> None:
    tally = Tally()
    tally.note(started(*(f"web{number}" for number in range(1, 31))))
    for number in range(1, 30):
        tally.note(HostSeen(preview=preview(f"web{number}")))
    gone = report(NotReached(why="gone", is_retryable=True), name="web30")
    assert tally.looked == "looked at 29 of 30 hosts"
    tally.note(HostEnded(report=gone))
    assert tally.looked == "looked at 29 of 30 hosts · 1 not reached"
    tally.note(planned(1, 28))
    assert tally.is_calm
    tally.note(BatchStarted(number=1, of=2, hosts=("web1",)))
    assert tally.changed == "batch 1 of 2 · 0 of 29 hosts done · 1 failed · under way: web1"
    tally.note(HostEnded(report=fixed_report()))
    tally.note(BatchStarted(number=2, of=2, hosts=tuple(f"web{number}" for number in range(2, 30))))
    tally.note(HostEnded(report=report(NotFixed(why="?"), name="web2")))
    tally.note(HostEnded(report=report(Refusal(why="not tried: web2 ended NOT FIXED"), name="web3")))
    assert tally.changed == ("batch 2 of 2 · 2 of 29 hosts done · 2 failed · under way: web4 web5 web6 …")


def test_where_others_wait_for_a_host_that_was_not_reached_the_next_command_leaves_it_out() -> None:
    why = "not tried: web2 ended UNREACHABLE. Nothing was sent to any host."
    seen = preview("web1")
    gone = report(NotReached(why="web2 (192.0.2.12:22): no answer", is_retryable=True), name="web2")
    again = replace(AGAIN, hosts="web", serial="1,5")
    events = [
        started("web1", "web2"),
        HostSeen(preview=seen),
        GateAnswered(is_open=False, by=why, approved=()),
        *ended(report(Refusal(why=why), seen=seen), gone),
    ]
    text = told(events, names=("web1", "web2"), again=again)
    assert "--host 'web:!web2'" in text
    assert "--serial 1,5" in text


def test_what_was_seen_of_other_hosts_stands_right_above_the_question() -> None:
    doubt = (
        "6 of the 8 hosts of web are not healthy (web1 web2 web3 web4 web5 …): with more than 3 of them the cause may "
        "be what they share, so only a person may say yes: policy.unhealthy_limit is 40 % "
        "(inventory/production.yml:33:24)"
    )
    seen = replace(preview("web1"), doubts=(doubt,))
    one = report(seen.outcome, seen=seen)
    text = told([started(), HostSeen(preview=preview()), *ended(one)], is_dry=True)
    approve("preview-with-doubts", text)
    both = [seen, replace(preview("web2"), cautions=(doubt,))]
    reporter = ConsoleReporter(
        Screen(stream := io.StringIO(), is_terminal=False),
        cases=[case("web1"), case("web2")],
        again=AGAIN,
        clock=StillClock(),
    )
    reporter.present(both, reserve=1)
    assert stream.getvalue().count("CAUTION") == 1


# --- hostile hosts ----------------------------------------------------------------------------------------------------

EVIL = "\x1b[2J\x1b]0;owned\x07\rFIXED  web1\n\u202e\x9b31m\x1b[?1049h\x1bc\x0e" + "A" * 65_536


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_whatever_a_host_says_a_terminal_shows_it_and_does_nothing_else() -> None:
    bad = Verdict.faulty(EVIL, Measure(label=EVIL, value=EVIL, is_faulty=True), faults=frozenset({EVIL}))
    seen_checks = (CheckSeen(kind="disk.writable", verdict=bad),)
    looks = (
        EvidenceSeen(kind="k", title=EVIL, shown=Table(columns=(EVIL, "b"), rows=((EVIL, EVIL), ("c", "d")))),
        EvidenceSeen(kind="k", title="t", shown=Text(lines=(EVIL, EVIL))),
    )
    change = replace(CUT_LOG, summary=EVIL, before=EVIL, after=EVIL, loses=EVIL, keeps=EVIL, downtime=EVIL)
    seen = replace(
        preview(with_steps=[pending("web1", "log.truncate", change)]),
        standing=Standing(symptom=seen_checks, goal=seen_checks),
        evidence=looks,
        limits=EVIL,
    )
    failed = StepFailed(sent=(replace(SENT, change=change, says=EVIL),), why=EVIL)
    steps = [StepSeen(kind="log.truncate", outcome=failed)]
    one = report(NotFixed(why=EVIL), seen=seen, with_steps=steps, after=seen.standing)
    events: list[Event] = [
        started(),
        HostSeen(preview=seen),
        GateAnswered(is_open=True, by=EVIL, approved=()),
        HostClaimed(host="web1", owner=EVIL),
        CopyProgress(host="web1", step=0, path=PurePosixPath(EVIL), copied=MiB(1), total=MiB(2)),
        ChangeIntended(host="web1", step=0, kind="log.truncate", operation="o", digest="d", change=change),
        ChangeUnanswered(host="web1", operation="o", why=EVIL),
        ChangeAnswered(host="web1", operation="o", exit_status=1, says=EVIL, took=Duration(1)),
        StepEnded(host="web1", step=0, kind="log.truncate", outcome=failed),
        *ended(one),
    ]
    stream = Tty()
    screen = Screen(stream, is_terminal=True)
    reporter = ConsoleReporter(
        screen, cases=[case()], again=AGAIN, clock=StillClock(), is_verbose=True, has_commands=True
    )
    for event in events:
        reporter(event)
    raw = stream.getvalue()
    ours = re.sub(r"\x1b\[(0|1|1;38;5;(?:28|129|196))m|\r\x1b\[K", "", raw)
    assert "\x1b" not in ours
    assert not [letter for letter in set(ours) if letter in "\u202e\x9b\x0e\x07"]
    assert not [line for line in ours.split("\n") if line.startswith("FIXED")]
    terminal = pyte.Screen(80, 24)
    pyte.Stream(terminal).feed(raw.replace("\n", "\r\n"))
    assert (terminal.title, terminal.icon_name) == ("", "")
    assert terminal.mode == pyte.Screen(80, 24).mode


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_no_control_character_and_no_line_is_rewritten() -> None:
    step = StepRemedied(sent=(SENT,), why="within 100 MiB")
    text = told([*applied(step), *ended(fixed_report())])
    assert not [character for character in text if character < " " and character != "\n"]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_prose_keeps_to_the_width(width: int) -> None:
    step = StepRemedied(sent=(SENT,), why="within 100 MiB")
    text = told([*applied(step), *ended(fixed_report())], width=width)
    kept_whole = ("saved", "FIXED", "PROOF", "PLAN", "  2")
    too_wide = [
        line
        for line in text.splitlines()
        if len(line) > width and not line.startswith(kept_whole) and "B  /srv/" not in line
    ]
    assert too_wide == []


def test_every_verdict_ends_with_the_exit_status_of_the_process() -> None:
    one = report(NotNeeded(why="all is well"), seen=healthy_preview())
    assert f"exit {int(ExitStatus.OK)}" in told(seen_and_ended(one))


# --- watched afterwards -----------------------------------------------------------------------------------------------


def test_a_host_that_is_watched_and_stays_well() -> None:
    fixed = fixed_report()
    seen = HostWatched(host="web1", health=Health.HEALTHY, why="/srv is 27 %")
    events = [*seen_and_ended(fixed), watching(), seen, watch_ended(fixed, stopped="Ctrl-C", took=125)]
    approve("watched", told(events))


def test_a_host_that_is_watched_and_is_at_fault_again() -> None:
    fixed = fixed_report()
    again = replace(fixed, outcome=NotFixed(why="FIXED at first, and at fault within 4 min: /srv is 100 %"))
    events = [
        *seen_and_ended(fixed),
        watching(),
        HostWatched(host="web1", health=Health.HEALTHY, why="/srv is 27 %"),
        HostWatched(host="web1", health=Health.UNKNOWN, why="web1 does not answer"),
        HostWatched(host="web1", health=Health.FAULTY, why="/srv is 100 %"),
        watch_ended(again, took=240),
    ]
    approve("watched-again", told(events))


def test_several_hosts_that_are_watched() -> None:
    one, two = fixed_report(), replace(fixed_report(), host=host("web2"))
    again = replace(two, outcome=NotFixed(why="FIXED at first, and at fault within 4 min: /srv is 100 %"))
    events = [
        started("web1", "web2"),
        *ended(one, two),
        watching("web1", "web2"),
        HostWatched(host="web1", health=Health.HEALTHY, why="/srv is 27 %"),
        HostWatched(host="web2", health=Health.FAULTY, why="/srv is 100 %"),
        watch_ended(one, again),
    ]
    approve("watched-several", told(events, names=("web1", "web2")))
