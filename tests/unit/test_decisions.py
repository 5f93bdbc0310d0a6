"""What is decided about what was seen: tables, values in and values out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from soleil_remediate.command import Command, Reader
from soleil_remediate.decisions import (
    conclude,
    decide,
    expected,
    foresee,
    judge,
    relevant,
    sent_by,
    show,
    stands_after,
    uses_of,
    verify,
)
from soleil_remediate.errors import ConfigError, ConnectionLost, Declined, FactError, HostKeyRejected, Unplannable
from soleil_remediate.facts.incidents import MARK, Incident
from soleil_remediate.host import Given
from soleil_remediate.host_outcomes import (
    Eased,
    Fixed,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
)
from soleil_remediate.invocation import Invocation
from soleil_remediate.plan import Change, Gather, Plan
from soleil_remediate.record import RecordNotWritten
from soleil_remediate.report import HostReport
from soleil_remediate.rights import Right, Use
from soleil_remediate.scenario import Step
from soleil_remediate.seen import CheckSeen, Preview, Standing
from soleil_remediate.step_outcomes import (
    Sent,
    StepDeclined,
    StepFailed,
    StepHealthy,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSeen,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.stopping import StopRequested
from soleil_remediate.task import Forecast, Health, Table, Text, Verdict
from soleil_remediate.units import ByteSize, Duration, KiB, MiB
from tests import tiny

GREEN, DARK = Verdict.healthy("all is well"), Verdict.unknown("nobody can tell")


#: What a check says of what is beyond the host, and what counts there for neither symptom nor goal.
EXPIRED, OFFLINE = Verdict.faulty("the certificate has expired"), Verdict.unknown("this machine is offline")


def red(*faults: str) -> Verdict:
    return Verdict.faulty("it is broken", faults=frozenset(faults))


def standing(symptom: Verdict, goal: Verdict = GREEN, scope: Sequence[str] = ()) -> Standing:
    return Standing(
        symptom=(CheckSeen(kind="symptom", verdict=symptom),),
        goal=(CheckSeen(kind="goal", verdict=goal),),
        scope=frozenset(scope),
    )


def both(first: Verdict, second: Verdict, goal: Verdict = GREEN) -> Standing:
    """Return how a host stands whose symptom is two checks."""
    checks = (CheckSeen(kind="first", verdict=first), CheckSeen(kind="second", verdict=second))
    return replace(standing(GREEN, goal), symptom=checks)


AGAIN = Invocation.on(replace(tiny.host(), given=Given(inventory="my hosts.yml")), "tiny")
RED = standing(red())


def step(task: tiny.PutFile | None = None, **different: Any) -> Step:
    return Step(task=task or tiny.PutFile(), **different)


def decided(
    one: Step, seen: object = "bad", at: Standing = RED, need: Health = Health.FAULTY, **policy: Any
) -> StepOutcome:
    return decide(one, seen, at, tiny.host(**policy), need=need)


# --- judging and showing ----------------------------------------------------------------------------------------------


def test_what_could_not_be_read_is_unknown_and_never_healthy() -> None:
    seen = judge(tiny.FileSays(), FactError("cat: no answer within 2 s"))
    assert (seen.kind, seen.verdict) == ("file.says", Verdict.unknown("cat: no answer within 2 s"))


def test_what_was_read_is_judged_by_its_check() -> None:
    assert judge(tiny.FileSays(), "good").verdict.health is Health.HEALTHY
    assert judge(tiny.FileSays(), None).verdict.health is Health.FAULTY


def test_a_look_that_could_not_be_read_shows_why() -> None:
    assert show(tiny.ShowFile(), FactError("gone")).shown == Text(lines=("unknown: gone",))
    assert show(tiny.ShowFile(), "bad").shown == Table(rows=(("bad",),))


@dataclass(frozen=True, kw_only=True)
class Refusing(tiny.PutFile):
    kind = "file.refuse"

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        raise Unplannable(f"{seen} is a symlink")


# --- whether a step is for anything -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "need, at, is_always, expected",
    [
        # something was wrong: a step runs while the goal is not met
        (Health.FAULTY, standing(red(), red()), False, "pending"),
        (Health.FAULTY, standing(red(), GREEN), False, "pending"),
        (Health.FAULTY, standing(GREEN, red()), False, "pending"),
        (Health.FAULTY, standing(DARK, red()), False, "pending"),
        (Health.FAULTY, standing(GREEN, GREEN), False, "not needed: the goal is met"),
        (Health.FAULTY, standing(GREEN, GREEN), True, "pending"),
        (Health.FAULTY, standing(GREEN, DARK), False, "it cannot be known whether it is needed: nobody can tell"),
        (Health.FAULTY, standing(DARK, GREEN), False, "it cannot be known whether it is needed: nobody can tell"),
        # nothing was wrong: however far the goal is, only what always runs does
        (Health.HEALTHY, standing(GREEN, red()), False, "not needed: nothing was wrong"),
        (Health.HEALTHY, standing(GREEN, red()), True, "pending"),
        (Health.HEALTHY, standing(GREEN, GREEN), True, "pending"),
        # nobody could tell: nothing runs
        (Health.UNKNOWN, standing(DARK, red()), False, "it cannot be known whether it is needed: nobody can tell"),
        (Health.UNKNOWN, standing(DARK, red()), True, "it cannot be known whether it is needed: nobody can tell"),
        # the goal is missed only where nothing was wrong
        (Health.FAULTY, standing(GREEN, red("b"), ["a"]), False, "not needed: the goal is met"),
        (Health.FAULTY, standing(GREEN, red("a", "b"), ["a"]), False, "pending"),
    ],
)
def test_a_step_runs_only_where_it_is_needed(need: Health, at: Standing, is_always: bool, expected: str) -> None:
    outcome = decided(step(is_always=is_always), at=at, need=need)
    if expected == "pending":
        assert isinstance(outcome, StepPending)
    else:
        assert outcome == StepSkipped(why=expected)


@pytest.mark.parametrize(
    "one, seen, expected",
    [
        (step(), "good", StepHealthy(why="/srv/one says good")),
        (step(), FactError("no answer"), StepUndecided(why="no answer")),
        (step(Refusing()), "bad", StepUndecided(why="bad is a symlink")),
    ],
)
def test_what_a_step_would_do_about_what_was_seen(one: Step, seen: object, expected: StepOutcome) -> None:
    assert decided(one, seen) == expected


@pytest.mark.parametrize("rights, is_pending", [(None, False), ((), True), ((Right("games"),), True)])
def test_where_sudo_allows_single_commands_what_needs_all_of_roots_rights_is_not_planned(
    rights: tuple[Right, ...] | None, is_pending: bool
) -> None:
    class Put(tiny.PutFile):
        def rights(self) -> tuple[Right, ...] | None:
            return rights

    host = tiny.host()
    host = replace(host, connection=replace(host.connection, is_narrow=True))

    outcome = decide(step(Put()), "bad", RED, host, need=Health.FAULTY)

    assert isinstance(outcome, StepPending) is is_pending
    assert is_pending or "needs all of root's rights, and sudo allows single commands" in str(outcome)


def test_where_sudo_allows_single_commands_no_change_that_is_roots_is_planned() -> None:
    """A task that names its rights may have a plan that takes more: a maintenance page that is up already."""

    class Put(tiny.PutFile):
        def rights(self) -> tuple[Right, ...] | None:
            return ()

        def plan(self, seen: str | None) -> Plan:
            plan = super().plan(seen)
            return replace(plan, changes=tuple(replace(change, is_roots=True) for change in plan.changes))

    host = tiny.host()
    narrow = replace(host, connection=replace(host.connection, is_narrow=True))
    assert isinstance(decide(step(Put()), "bad", RED, host, need=Health.FAULTY), StepPending)
    assert isinstance(decide(step(Put()), "bad", RED, narrow, need=Health.FAULTY), StepUndecided)


def test_what_sudo_would_refuse_is_not_planned() -> None:
    uses = Use(("systemctl", "reload", "--", "nginx.service")), Use(user="www-data"), Use(("id",))

    class Put(tiny.PutFile):
        def plan(self, seen: str | None) -> Plan:
            plan = super().plan(seen)
            return replace(plan, changes=tuple(replace(change, uses=uses) for change in plan.changes))

    assert tuple(uses_of([step(Put()), step(Put()), step(Refusing())], ["bad", FactError("no"), "bad"])) == uses
    for refused in (frozenset(), frozenset({Use(("id", "-u"))})):
        outcome = decide(step(Put()), "bad", RED, tiny.host(), need=Health.FAULTY, refused=refused)
        assert isinstance(outcome, StepPending)
    outcome = decide(step(Put()), "bad", RED, tiny.host(), need=Health.FAULTY, refused=frozenset(uses[:2]), again=AGAIN)
    assert outcome == StepUndecided(
        why="sudo does not allow systemctl reload -- nginx.service, what runs as www-data: `soleil-remediate sudoers "
        "tiny --host web1 --inventory 'my hosts.yml'` prints what it has to allow"
    )


def test_where_sudo_would_refuse_a_user_of_whom_the_rules_know_by_an_input_alone_that_input_is_said() -> None:
    uses = Use(user="www-data"), Use(user="deploy", told_by="owner"), Use(("id",), "deploy", told_by="owner")

    class Put(tiny.PutFile):
        def plan(self, seen: str | None) -> Plan:
            plan = super().plan(seen)
            return replace(plan, changes=tuple(replace(change, uses=uses) for change in plan.changes))

    outcome = decide(step(Put()), "bad", RED, tiny.host(), need=Health.FAULTY, refused=frozenset(uses), again=AGAIN)
    assert outcome == StepUndecided(
        why="sudo does not allow what runs as www-data, what runs as deploy, id: `soleil-remediate sudoers tiny "
        "--host web1 --inventory 'my hosts.yml' --set owner=deploy` prints what it has to allow"
    )


def test_a_pending_step_carries_its_plan_and_the_digest_of_each_change() -> None:
    task = tiny.PutFile(words=("first", "good"))
    outcome = decide(step(task), "bad", RED, tiny.host("web7"), need=Health.FAULTY, is_tentative=True)
    assert isinstance(outcome, StepPending)
    assert outcome.plan == task.plan("bad")
    assert outcome.digests == tuple(one.digest("web7", "file.put") for one in task.plan("bad").changes)
    assert outcome.is_tentative


@pytest.mark.parametrize("limit, is_pending", [(KiB(1), True), (KiB(1) - 1, False), (MiB(1), True), (0, False)])
def test_a_copy_of_exactly_the_limit_is_allowed_and_a_byte_more_is_not(limit: int, is_pending: bool) -> None:
    outcome = decided(step(tiny.PutFile(saved=True)), evidence_limit=type(KiB(1))(limit))
    assert isinstance(outcome, StepPending) is is_pending
    if not is_pending:
        assert isinstance(outcome, StepUndecided)
        assert "evidence_limit" in outcome.why


@pytest.mark.parametrize("limit, is_pending", [(KiB(2), True), (KiB(2) - 1, False)])
def test_what_is_gathered_is_bounded_all_together(limit: int, is_pending: bool) -> None:
    parts = tuple(Gather(name=name, about=name, command=Command((name,)), size=KiB(1)) for name in "ab")
    outcome = decided(step(tiny.PutFile(gathers=parts)), evidence_limit=ByteSize(limit))
    assert isinstance(outcome, StepPending) is is_pending
    if not is_pending:
        assert isinstance(outcome, StepUndecided)
        assert outcome.why == "what is to be saved first is about 2 KiB, evidence_limit is 2.0 KiB"


# --- what may be evidence of an incident ------------------------------------------------------------------------------


class Clear(tiny.PutFile):
    kind = "file.clear"
    clears = True


OPEN = Incident(name="INC-42", since=1_700_000_000)


@pytest.mark.parametrize(
    "incident, why",
    [
        (OPEN, f"incident INC-42 is open since 2023-11-14 22:13 UTC, .* sudo rm {MARK}"),
        (FactError("needs root"), "it cannot be known whether an incident is open, .*: needs root"),
    ],
)
def test_nothing_is_cleared_away_while_an_incident_is_open_or_may_be(incident: Incident | FactError, why: str) -> None:
    def decide_about(task: tiny.PutFile, seen: str) -> object:
        return decide(step(task), seen, RED, tiny.host(), need=Health.FAULTY, incident=incident)

    outcome = decide_about(Clear(), "bad")
    assert isinstance(outcome, StepUndecided)
    assert re.match(why, outcome.why)
    assert isinstance(decide_about(Clear(), "good"), StepHealthy)
    assert isinstance(decide_about(tiny.PutFile(), "bad"), StepPending)
    assert isinstance(decided(step(Clear())), StepPending)


# --- only what eases what is wrong ------------------------------------------------------------------------------------


def plan_for(*relieves: Sequence[str]) -> Plan:
    changes = [tiny.PutFile(relieves=tuple(subjects)).plan("bad").changes[0] for subjects in relieves]
    return Plan.of(*changes, because="b")


SPACE, INODES, OTHER = "space on /srv", "inodes on /srv", "space on /var"


@pytest.mark.parametrize(
    "relieves, faults, kept",
    [
        ([[SPACE]], [SPACE], [0]),
        ([[SPACE]], [INODES], []),  # bytes freed where inodes are out help nobody
        ([[OTHER]], [SPACE], []),  # nor does another file system
        ([[SPACE, INODES]], [INODES], [0]),
        ([[SPACE], [OTHER], [INODES]], [SPACE, INODES], [0, 2]),
        ([[]], [SPACE], [0]),  # the task's own reading is the only judge
        ([[SPACE]], [], [0]),  # nobody can tell parts apart
        ([[], [OTHER]], [SPACE], [0]),
    ],
)
def test_only_changes_that_ease_what_is_wrong_are_kept(
    relieves: list[list[str]], faults: list[str], kept: list[int]
) -> None:
    plan = plan_for(*relieves)
    assert [id(one) for one in relevant(plan, frozenset(faults)).changes] == [id(plan.changes[i]) for i in kept]


def test_a_step_that_would_ease_only_something_else_is_skipped_and_says_what_it_eases() -> None:
    outcome = decided(step(tiny.PutFile(relieves=(OTHER,))), at=standing(red(SPACE), scope=[SPACE]))
    assert outcome == StepSkipped(why="eases space on /var, which is not what is wrong")


def test_after_the_symptom_is_gone_only_what_was_wrong_at_first_is_eased_further() -> None:
    at = standing(GREEN, red(SPACE, OTHER), [SPACE])
    assert isinstance(decided(step(tiny.PutFile(relieves=(SPACE,))), at=at), StepPending)
    assert isinstance(decided(step(tiny.PutFile(relieves=(OTHER,))), at=at), StepSkipped)


# --- what a preview says ----------------------------------------------------------------------------------------------

PENDING = StepPending(plan=tiny.PutFile().plan("bad"), digests=("0" * 16,), is_tentative=False)
SKIPPED, HEALTHY, UNDECIDED = StepSkipped(why="s"), StepHealthy(why="h"), StepUndecided(why="must not be done")


def beyond(at: Standing, *verdicts: Verdict) -> Standing:
    return replace(at, beyond=tuple(CheckSeen(kind="beyond", verdict=verdict) for verdict in verdicts))


def seen(*outcomes: StepOutcome) -> list[StepSeen]:
    return [StepSeen(kind="file.put", outcome=outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    "at, steps, expected",
    [
        (standing(GREEN), [SKIPPED], NotNeeded(why="all is well")),
        (standing(GREEN, red()), [SKIPPED], NotNeeded(why="all is well")),
        (
            beyond(standing(GREEN), EXPIRED, OFFLINE, EXPIRED),
            [SKIPPED],
            NotFixed(why="the certificate has expired; the host itself is well: all is well"),
        ),
        (beyond(standing(GREEN), OFFLINE), [SKIPPED], NotNeeded(why="all is well")),
        (beyond(standing(red()), EXPIRED), [PENDING], WouldFix(why="it is broken")),
        (standing(GREEN), [PENDING], WouldFix(why="nothing is wrong; some steps always run")),
        (standing(GREEN, red()), [PENDING], WouldFix(why="nothing is wrong; some steps always run")),
        (standing(red()), [HEALTHY, PENDING], WouldFix(why="it is broken")),
        (standing(red()), [HEALTHY], NotFixed(why="it is broken; nothing that may be changed would help")),
        (
            standing(red()),
            [UNDECIDED, SKIPPED],
            NotFixed(why="it is broken; nothing that may be changed would help; file.put: must not be done"),
        ),
        (standing(DARK), [SKIPPED], NotFixed(why="it cannot be known whether anything is wrong: nobody can tell")),
    ],
)
def test_what_a_preview_says(at: Standing, steps: list[StepOutcome], expected: HostOutcome) -> None:
    assert foresee(at, seen(*steps)) == expected


# --- what will be at fault again --------------------------------------------------------------------------------------


def forecast(subject: str, seconds: float) -> Forecast:
    return Forecast(subject=subject, about=subject, within=Duration(seconds), because="it grows")


SOON, LATER, ELSEWHERE = forecast("a", 60), forecast("a", 3600), forecast("b", 1)


@pytest.mark.parametrize(
    "followed, scope, known",
    [
        ([], ("a",), ()),
        ([()], ("a",), ()),
        ([(LATER,), (ELSEWHERE, SOON)], ("a",), (SOON, LATER)),
        ([(LATER,), FactError("it cannot be measured")], ("a",), (LATER,)),
        ([FactError("it cannot be measured")], ("a",), ()),
        ([(LATER, ELSEWHERE)], (), (ELSEWHERE, LATER)),
    ],
)
def test_only_what_was_measured_of_what_was_at_fault_is_foreseen(
    followed: list[tuple[Forecast, ...] | FactError], scope: tuple[str, ...], known: tuple[Forecast, ...]
) -> None:
    assert expected(followed, frozenset(scope)) == known


# --- what a fresh look makes of a step --------------------------------------------------------------------------------

CHANGE: Change = tiny.PutFile().plan("bad").changes[0]
SENT = (Sent(change=CHANGE, operation="0-0-0", says="put good", took=Duration(1)),)
REMEDIED = StepRemedied(sent=SENT, why="")


@pytest.mark.parametrize(
    "task, fresh, faults, expected",
    [
        (tiny.PutFile(), "good", [], StepRemedied(sent=SENT, why="/srv/one says good")),
        (tiny.PutFile(), "bad", [], StepStillFaulty(sent=SENT, why="still to do: /srv/one says bad")),
        (
            tiny.PutFile(),
            FactError("no answer"),
            [],
            StepStillFaulty(sent=SENT, why="it cannot be known whether it helped: no answer"),
        ),
        (
            Refusing(),
            "bad",
            [],
            StepStillFaulty(sent=SENT, why="it cannot be known whether it helped: bad is a symlink"),
        ),
        # what is left eases nothing that was wrong: it was never part of the step
        (tiny.PutFile(relieves=(OTHER,)), "bad", [SPACE], StepRemedied(sent=SENT, why="/srv/one says bad")),
        (
            tiny.PutFile(relieves=(SPACE,)),
            "bad",
            [SPACE],
            StepStillFaulty(sent=SENT, why="still to do: /srv/one says bad"),
        ),
    ],
)
def test_only_a_fresh_look_makes_a_step_remedied(
    task: tiny.PutFile, fresh: object, faults: list[str], expected: StepOutcome
) -> None:
    assert verify(REMEDIED, step(task), fresh, frozenset(faults)) == expected


@pytest.mark.parametrize(
    "outcome",
    [
        StepFailed(sent=(), why="exit status 1"),
        StepUnknown(sent=SENT, operation="0-0-1", why="cut"),
        StepStillFaulty(sent=SENT, why="w"),
        StepDeclined(why="w"),
    ],
)
def test_what_did_not_succeed_is_not_made_better_by_a_look(outcome: StepOutcome) -> None:
    assert verify(outcome, step(), "good", frozenset()) is outcome


@pytest.mark.parametrize(
    "outcome, sent",
    [
        (REMEDIED, SENT),
        (StepFailed(sent=SENT, why=""), SENT),
        (StepUnknown(sent=SENT, operation="o", why=""), SENT),
        (StepStillFaulty(sent=SENT, why=""), SENT),
        (PENDING, ()),
        (SKIPPED, ()),
        (HEALTHY, ()),
        (UNDECIDED, ()),
        (StepDeclined(why=""), ()),
    ],
)
def test_what_a_step_sent(outcome: StepOutcome, sent: tuple[Sent, ...]) -> None:
    assert sent_by(outcome) == sent


# --- the verdict on a host --------------------------------------------------------------------------------------------

STILL = StepStillFaulty(sent=SENT, why="still to do")
FAILED = StepFailed(sent=(), why="exit status 1")
UNKNOWN_STEP = StepUnknown(sent=(), operation="r-00-00", why="web1 MAY have been changed")
DECLINED = StepDeclined(why="nobody is there")
STOP, LOCK = StopRequested("stopped by Ctrl-C"), Declined("locked by jan")
SAYS_NOTHING = [Declined(f"it is locked. Nothing was {verb}") for verb in ("sent", "begun", "changed")]
LOST, REJECTED = ConnectionLost("cut"), HostKeyRejected("changed")
FULL = RecordNotWritten("the record cannot be written")

TABLE: list[tuple[str, Standing | None, Standing | None, list[StepOutcome], Exception | None, HostOutcome]] = [
    ("fixed", RED, standing(GREEN), [REMEDIED], None, Fixed(why="all is well")),
    (
        "fixed although not all went well",
        RED,
        standing(GREEN),
        [FAILED, REMEDIED],
        None,
        Fixed(why="all is well; not all went well: file.put: exit status 1"),
    ),
    (
        "eased",
        RED,
        standing(GREEN, red()),
        [REMEDIED],
        None,
        Eased(why="the symptom is gone, the goal is not met: it is broken"),
    ),
    (
        "eased where the goal cannot be known",
        RED,
        standing(GREEN, DARK),
        [REMEDIED],
        None,
        Eased(why="the symptom is gone, whether the goal is met cannot be known: nobody can tell"),
    ),
    ("not fixed", RED, RED, [REMEDIED], None, NotFixed(why="it is broken")),
    (
        "not fixed, and why",
        RED,
        RED,
        [STILL],
        None,
        NotFixed(why="it is broken; not all went well: file.put: still to do"),
    ),
    (
        "failed without anything that succeeded",
        RED,
        RED,
        [FAILED],
        None,
        NotFixed(why="it is broken; not all went well: file.put: exit status 1"),
    ),
    (
        "helped, or not: dark",
        RED,
        standing(DARK),
        [REMEDIED],
        None,
        Unproven(why="whether it helped cannot be known: nobody can tell"),
    ),
    (
        "what was red is green, the rest was never known",
        both(red(), DARK),
        both(GREEN, DARK),
        [REMEDIED],
        None,
        Eased(why="what was at fault is over; unknown before, and still: nobody can tell"),
    ),
    (
        "what was red is green, the rest was never known, and the goal is missed",
        both(red(), DARK),
        both(GREEN, DARK, red("goal")),
        [REMEDIED, FAILED],
        None,
        Eased(
            why="what was at fault is over; unknown before, and still: nobody can tell; the goal is not met: it is "
            "broken; not all went well: file.put: exit status 1"
        ),
    ),
    (
        "what was red is green, and another is not known any more",
        both(red(), GREEN),
        both(GREEN, DARK),
        [REMEDIED],
        None,
        Unproven(why="whether it helped cannot be known: nobody can tell"),
    ),
    (
        "what was red is not known any more",
        both(red(), DARK),
        both(DARK, GREEN),
        [REMEDIED],
        None,
        Unproven(why="whether it helped cannot be known: nobody can tell"),
    ),
    (
        "green before",
        standing(GREEN),
        standing(GREEN),
        [REMEDIED],
        None,
        Unproven(why="no check was red before the changes, so none vouches for them"),
    ),
    (
        "dark before",
        standing(DARK),
        standing(GREEN),
        [REMEDIED],
        None,
        Unproven(why="no check was red before the changes, so none vouches for them"),
    ),
    (
        "nobody could look after the change",
        RED,
        None,
        [STILL],
        LOST,
        Unproven(why="changes were sent, then the host could not be looked at again: cut"),
    ),
    (
        "locked out after the change, and nobody could look",
        RED,
        None,
        [STILL],
        LOCK,
        Unproven(why="changes were sent, then the host could not be looked at again: locked by jan"),
    ),
    (
        "lost after a look that was still red",
        RED,
        RED,
        [REMEDIED],
        LOST,
        NotFixed(why="it is broken; ended early: cut"),
    ),
    (
        "fixed, and then the record was full",
        RED,
        standing(GREEN),
        [REMEDIED],
        FULL,
        Fixed(why="all is well; ended early: the record cannot be written"),
    ),
    (
        "declined after the first change",
        RED,
        standing(GREEN, red()),
        [REMEDIED, DECLINED],
        LOCK,
        Eased(why="the symptom is gone, the goal is not met: it is broken; ended early: locked by jan"),
    ),
    (
        "locked out after a change, by somebody whose message is about the next one",
        RED,
        RED,
        [REMEDIED, StepDeclined(why="Nothing was sent")],
        Declined("locked by jan. Nothing was sent: look again"),
        NotFixed(why="it is broken; ended early: locked by jan. Nothing more was sent: look again"),
    ),
    ("unknown", RED, RED, [UNKNOWN_STEP], None, MaybeChanged(why=UNKNOWN_STEP.why, operation="r-00-00")),
    ("unknown though green", RED, standing(GREEN), [REMEDIED, UNKNOWN_STEP], None, MaybeChanged(
        why=UNKNOWN_STEP.why, operation="r-00-00")),
    ("unknown and stopped", RED, None, [UNKNOWN_STEP], STOP, MaybeChanged(why=UNKNOWN_STEP.why, operation="r-00-00")),
    ("unknown and lost", RED, None, [UNKNOWN_STEP], LOST, MaybeChanged(why=UNKNOWN_STEP.why, operation="r-00-00")),
    ("stopped before", RED, None, [], STOP, Stopped(why="stopped by Ctrl-C; nothing was sent")),
    ("stopped before any look", None, None, [], STOP, Stopped(why="stopped by Ctrl-C; nothing was sent")),
    ("stopped after", RED, standing(GREEN), [REMEDIED], STOP, Stopped(why="stopped by Ctrl-C; the goal is met")),
    ("stopped after, still red", RED, RED, [STILL], STOP, Stopped(why="stopped by Ctrl-C; it is broken")),
    (
        "stopped at once",
        RED,
        None,
        [STILL],
        STOP,
        Stopped(why="stopped by Ctrl-C; how it stands after the last change is not known"),
    ),
    ("healed meanwhile", standing(GREEN), None, [SKIPPED], None, NotNeeded(
        why="it healed itself meanwhile: all is well")),
    ("healed meanwhile, but", beyond(standing(GREEN), EXPIRED), None, [SKIPPED], None, NotFixed(
        why="the certificate has expired; the host itself is well: it healed itself meanwhile: all is well")),
    ("healed meanwhile, goal missed", standing(GREEN, red()), None, [SKIPPED], None, NotNeeded(
        why="it healed itself meanwhile: all is well")),
    ("declined", RED, None, [DECLINED], None, Refusal(why="file.put: nobody is there")),
    ("locked", None, None, [], LOCK, Refusal(why="locked by jan")),
    ("no record", RED, None, [], FULL, Refusal(why="the record cannot be written")),
    ("lost before the first change", RED, None, [], LOST, NotReached(why="cut", is_retryable=True)),
    ("rejected on the way back", None, None, [], REJECTED, NotReached(why="changed", is_retryable=False)),
    ("no answer to be read", RED, None, [], FactError("garbage"), NotFixed(why="garbage; nothing was sent")),
    ("no key any more", None, None, [], ConfigError("no key"), NotFixed(why="no key; nothing was sent")),
    ("nothing helps", RED, None, [UNDECIDED], None, NotFixed(
        why="it is broken; nothing that may be changed would help; file.put: must not be done")),
    ("dark under the lock", standing(DARK), None, [SKIPPED], None, NotFixed(
        why="nobody can tell; nothing that may be changed would help")),
]  # fmt: skip


@pytest.mark.parametrize("before, after, steps, error, expected", [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_the_verdict_on_a_host(
    before: Standing | None, after: Standing | None, steps: list[StepOutcome], error: Any, expected: HostOutcome
) -> None:
    assert conclude(before, after, seen(*steps), error) == expected


@pytest.mark.parametrize(
    "look", [both(red(), red()), both(red(), GREEN), both(GREEN, red())], ids=["red", "green", "red, later"]
)
def test_what_any_look_of_a_run_could_see_is_not_called_unknown_before(look: Standing) -> None:
    before, after = both(red(), DARK), both(GREEN, DARK)
    assert isinstance(conclude(before, after, seen(REMEDIED), None, [before, after]), Eased)
    assert conclude(before, after, seen(REMEDIED), None, [look, before, after]) == Unproven(
        why="whether it helped cannot be known: nobody can tell"
    )


def test_a_goal_that_cannot_be_known_is_not_said_to_have_been_unknown_before() -> None:
    lost = Verdict.unknown("the goal cannot be told")
    assert conclude(both(red(), DARK, red()), both(GREEN, DARK, lost), seen(REMEDIED), None) == Eased(
        why="what was at fault is over; unknown before, and still: nobody can tell; whether the goal is met cannot be "
        "known: the goal cannot be told"
    )


def ended(outcome: HostOutcome, before: Standing, after: Standing, *steps: StepOutcome) -> HostReport:
    preview = Preview(
        host=tiny.host(),
        scenario="tiny",
        login="deploy",
        limits="",
        connected_in=Duration(1),
        looked_in=Duration(1),
        round_trips=1,
        standing=before,
        evidence=(),
        steps=(),
        outcome=WouldFix(why=""),
    )
    return HostReport(host=tiny.host(), outcome=outcome, preview=preview, steps=tuple(seen(*steps)), after=after)


def test_a_host_that_was_eased_as_far_as_known_stays_so_while_it_is_watched() -> None:
    before, after = both(red(), DARK), both(GREEN, DARK)
    eased = Eased(why="what was at fault is over; unknown before, and still: nobody can tell")
    report = ended(eased, before, after, REMEDIED)
    assert stands_after(report, after, "nobody can tell", Duration(60)) == eased
    assert isinstance(stands_after(report, both(DARK, DARK), "nobody can tell", Duration(60)), Unproven)
    assert isinstance(stands_after(report, None, "no answer", Duration(60)), Unproven)


def test_what_did_not_go_well_is_still_said_after_a_watch() -> None:
    report = ended(Fixed(why="all is well"), RED, standing(GREEN), FAILED)
    assert stands_after(report, standing(GREEN), "", Duration(60)) == Fixed(
        why="all is well; not all went well: file.put: exit status 1"
    )


def test_a_watch_makes_nothing_fixed_that_was_never_red() -> None:
    report = ended(Unproven(why="no check was red before"), standing(GREEN), standing(DARK), REMEDIED)
    assert stands_after(report, standing(GREEN), "", Duration(60)) == Unproven(
        why="no check was red before the changes, so none vouches for them (all is well)"
    )
    report = ended(Unproven(why="whether it helped cannot be known"), RED, standing(DARK), REMEDIED)
    assert stands_after(report, standing(GREEN), "", Duration(60)) == Fixed(why="all is well")


@pytest.mark.parametrize("outcome", [REMEDIED, STILL, FAILED, UNKNOWN_STEP], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(
    "error", [None, STOP, LOCK, LOST, REJECTED, FULL, FactError("g"), ConfigError("c"), *SAYS_NOTHING]
)
@pytest.mark.parametrize("after", [None, standing(GREEN), RED, standing(DARK)])
def test_where_anything_was_sent_nothing_claims_that_nothing_was(
    outcome: StepOutcome, error: Any, after: Standing | None
) -> None:
    verdict = conclude(RED, after, seen(outcome), error)
    assert not isinstance(verdict, NotNeeded | Refusal | NotReached | WouldFix)
    assert "othing was" not in verdict.why


@pytest.mark.parametrize("before", [None, standing(GREEN), RED, standing(DARK)])
@pytest.mark.parametrize("error", [None, STOP, LOCK, LOST, REJECTED, FULL, FactError("g"), ConfigError("c")])
@pytest.mark.parametrize("steps", [[], [SKIPPED], [HEALTHY], [UNDECIDED], [DECLINED]])
def test_where_nothing_was_sent_nothing_claims_to_have_helped(
    before: Standing | None, error: Any, steps: list[StepOutcome]
) -> None:
    verdict = conclude(before, None, seen(*steps), error)
    assert not isinstance(verdict, Fixed | Eased | Unproven | MaybeChanged)


def test_equal_plans_decide_equally_whatever_the_moment_was() -> None:
    changed = replace(CHANGE, before="9 GiB", summary="other words")
    assert changed.digest("web1", "file.put") == CHANGE.digest("web1", "file.put")
