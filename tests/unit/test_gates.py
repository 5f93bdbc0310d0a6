"""What may be sent: the whole table, decided before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import Declined, PlanDrifted, Refused
from soleil_remediate.gates import Gate, PersonGate, PlanGate, PolicyGate, commands_by_hand, downtime
from soleil_remediate.host import Host, Mode
from soleil_remediate.host_outcomes import WouldFix
from soleil_remediate.plan import Change, Plan, Risk
from soleil_remediate.seen import Preview, Standing, plan_of
from soleil_remediate.step_outcomes import StepPending, StepSeen
from soleil_remediate.units import Duration
from tests import tiny

GENTLE, DISRUPTIVE, DESTRUCTIVE = Risk


def change(risk: Risk, word: str = "good", **different: Any) -> Change:
    (one,) = tiny.PutFile(risk=risk, words=(word,)).plan("bad").changes
    return replace(one, **different)


def preview(*changes: Change, host: Host | None = None) -> Preview:
    host = host or tiny.host()
    steps = tuple(
        StepSeen(
            kind="file.put",
            outcome=StepPending(
                plan=Plan.of(one, because="b"), digests=(one.digest(host.name, "file.put"),), is_tentative=False
            ),
        )
        for one in changes
    )
    return Preview(
        host=host,
        scenario="tiny",
        login="root",
        limits="",
        connected_in=Duration(0),
        looked_in=Duration(0),
        round_trips=1,
        standing=Standing(symptom=(), goal=()),
        evidence=(),
        steps=steps,
        outcome=WouldFix(why="w"),
    )


class Person:
    """Somebody who answers as told, and remembers what was asked."""

    name = "jan@laptop"

    def __init__(self, answer: frozenset[str] | str | None = "all", *, again: bool = False) -> None:
        self.answer = answer
        self.again = again
        self.asked: list[tuple[str, tuple[str, ...], Risk]] = []
        self.asked_again: list[str] = []

    def ask(self, scenario: str, previews: Sequence[Preview], risk: Risk) -> frozenset[str] | None:
        self.asked.append((scenario, tuple(one.host.name for one in previews), risk))
        if self.answer == "all":
            return frozenset(digest for one in previews for digest in one.digests)
        assert not isinstance(self.answer, str)
        return self.answer

    def ask_again(self, host: Host, kind: str, change: Change) -> bool:
        self.asked_again.append(f"{host.name} {kind} {change.summary}")
        return self.again


# --- nobody is there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("says_yes", [True, False])
@pytest.mark.parametrize("ceiling", [None, *Risk])
def test_unattended_passes_up_to_the_policy_with_yes_and_only_what_is_gentle_without(
    risk: Risk, says_yes: bool, ceiling: Risk | None
) -> None:
    host = tiny.host(unattended={"tiny": ceiling} if ceiling else {})
    one = preview(change(risk), host=host)
    passes = risk <= (ceiling or GENTLE) if says_yes else risk is GENTLE
    gate = PolicyGate(says_yes=says_yes)
    if passes:
        assert gate.approve("tiny", [one]).digests == one.digests
        return
    with pytest.raises(Declined) as caught:
        gate.approve("tiny", [one])
    message = str(caught.value)
    assert "Nothing was sent" in message
    assert f"--approve {plan_of((one,))}" in message
    assert "web1" in message
    assert risk.value in message


@pytest.mark.parametrize(
    "says_yes, said",
    [
        (
            False,
            "the plans for 2 hosts (web1, web3) are destructive, and nobody was asked; the plan for web2 is disruptive",
        ),
        (True, "the plans for 2 hosts (web1, web3) are destructive, and their policy allows gentle at most"),
    ],
)
def test_a_declined_fleet_hears_how_many_hosts_are_beyond_the_policy_and_which(says_yes: bool, said: str) -> None:
    previews = [
        preview(change(DESTRUCTIVE), host=tiny.host("web1")),
        preview(change(DISRUPTIVE), host=tiny.host("web2", unattended={"tiny": DISRUPTIVE})),
        preview(change(DESTRUCTIVE), host=tiny.host("web3")),
        preview(change(GENTLE), host=tiny.host("web4")),
    ]
    with pytest.raises(Declined) as caught:
        PolicyGate(says_yes=says_yes).approve("tiny", previews)
    assert str(caught.value).startswith(said)
    assert "web4" not in str(caught.value)
    assert ("web2" in str(caught.value)) is not says_yes


def test_every_host_in_mode_observe_is_named() -> None:
    watched = [preview(change(GENTLE), host=tiny.host(name, mode=Mode.OBSERVE)) for name in ("web1", "web2")]
    with pytest.raises(
        Declined, match=r"2 hosts \(web1, web2\) are in mode observe: their inventory allows no changes"
    ):
        PolicyGate(says_yes=True).approve("tiny", [*watched, preview(change(GENTLE), host=tiny.host("web3"))])


def test_a_policy_for_one_scenario_is_none_for_another() -> None:
    host = tiny.host(unattended={"other": DESTRUCTIVE})
    with pytest.raises(Declined):
        PolicyGate(says_yes=True).approve("tiny", [preview(change(DISRUPTIVE), host=host)])


def test_one_risky_change_among_gentle_ones_declines_the_gentle_ones_too() -> None:
    with pytest.raises(Declined):
        PolicyGate(says_yes=True).approve("tiny", [preview(change(GENTLE), change(DESTRUCTIVE, "best"))])


def test_one_host_over_its_ceiling_declines_every_host() -> None:
    strict = preview(change(DISRUPTIVE), host=tiny.host("web2"))
    lax = preview(change(DISRUPTIVE), host=tiny.host("web1", unattended={"tiny": DESTRUCTIVE}))
    with pytest.raises(Declined, match="web2"):
        PolicyGate(says_yes=True).approve("tiny", [lax, strict])


def test_each_host_is_judged_by_its_own_policy() -> None:
    gentle = preview(change(GENTLE), host=tiny.host("web2"))
    lax = preview(change(DISRUPTIVE), host=tiny.host("web1", unattended={"tiny": DISRUPTIVE}))
    assert PolicyGate(says_yes=True).approve("tiny", [lax, gentle]).digests == lax.digests | gentle.digests


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("gate", [PolicyGate(says_yes=True), PolicyGate(says_yes=False), PlanGate(plan="0" * 12)])
def test_unattended_nothing_new_is_ever_approved_later(gate: PolicyGate | PlanGate, risk: Risk) -> None:
    with pytest.raises(PlanDrifted, match="--dry-run"):
        gate.approve_again(tiny.host(unattended={"tiny": DESTRUCTIVE}), "file.put", change(risk))


# --- somebody approved it elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize("risk", list(Risk))
def test_an_approved_plan_passes_whatever_its_risk(risk: Risk) -> None:
    one = preview(change(risk))
    assert PlanGate(plan=plan_of((one,))).approve("tiny", [one]).digests == one.digests


@pytest.mark.parametrize(
    "now",
    [
        preview(change(DESTRUCTIVE, "best")),
        preview(change(DISRUPTIVE)),
        preview(change(DESTRUCTIVE), change(DESTRUCTIVE, "best")),
        preview(change(DESTRUCTIVE), host=tiny.host("web2")),
        preview(change(DESTRUCTIVE, command=Command(("true",)))),
    ],
    ids=["another word", "another risk", "one more", "another host", "another command"],
)
def test_an_approval_of_what_is_no_longer_the_plan_is_refused_and_names_the_new_one(now: Preview) -> None:
    old = plan_of((preview(change(DESTRUCTIVE)),))
    with pytest.raises(PlanDrifted) as caught:
        PlanGate(plan=old).approve("tiny", [now])
    assert old in str(caught.value)
    assert f"--approve {plan_of((now,))}" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)


@pytest.mark.parametrize("plan", ["", "0", "x" * 12])
def test_a_plan_that_was_never_printed_is_refused(plan: str) -> None:
    with pytest.raises(PlanDrifted):
        PlanGate(plan=plan).approve("tiny", [preview(change(GENTLE))])


def test_an_approval_holds_although_the_evidence_has_changed() -> None:
    old = plan_of((preview(change(DESTRUCTIVE)),))
    grown = preview(change(DESTRUCTIVE, before="4 GiB", summary="let it say good now"))
    assert PlanGate(plan=old).approve("tiny", [grown]).digests == grown.digests


# --- somebody is there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("says_yes", [True, False])
@pytest.mark.parametrize("ceiling", [None, *Risk])
def test_at_a_terminal_a_person_is_asked_about_what_nothing_else_allows(
    risk: Risk, says_yes: bool, ceiling: Risk | None
) -> None:
    host = tiny.host(unattended={"tiny": ceiling} if ceiling else {})
    one = preview(change(risk), host=host)
    passes = risk <= (ceiling or GENTLE) if says_yes else risk is GENTLE
    person = Person()
    assert PersonGate(asker=person, says_yes=says_yes).approve("tiny", [one]).digests == one.digests
    assert person.asked == ([] if passes else [("tiny", ("web1",), risk)])


def test_a_person_is_asked_once_for_all_hosts_by_the_highest_risk() -> None:
    person = Person()
    previews = [preview(change(risk), host=tiny.host(f"web{i}")) for i, risk in enumerate(Risk)]
    approval = PersonGate(asker=person, says_yes=False).approve("tiny", previews)
    assert person.asked == [("tiny", ("web0", "web1", "web2"), DESTRUCTIVE)]
    assert approval.by == "jan@laptop"


@pytest.mark.parametrize("answer", [None, frozenset[str]()])
def test_a_person_who_says_no_declines_all(answer: frozenset[str] | None) -> None:
    with pytest.raises(Declined, match="Nothing was sent"):
        PersonGate(asker=Person(answer), says_yes=False).approve("tiny", [preview(change(DISRUPTIVE))])


def test_a_person_may_approve_a_part_and_never_more_than_was_shown() -> None:
    one = preview(change(DISRUPTIVE), change(DISRUPTIVE, "best"))
    some = min(one.digests)
    gate = PersonGate(asker=Person(frozenset({some, "f" * 16})), says_yes=False)
    assert gate.approve("tiny", [one]).digests == {some}


def test_a_person_is_asked_again_about_one_change_and_approves_only_that() -> None:
    person = Person(again=True)
    approval = PersonGate(asker=person, says_yes=True).approve_again(tiny.host(), "file.put", change(GENTLE))
    assert approval.digests == {change(GENTLE).digest("web1", "file.put")}
    assert person.asked_again == ["web1 file.put let /srv/one say good"]


def test_a_person_who_says_no_to_what_is_new_refuses_it() -> None:
    with pytest.raises(PlanDrifted, match="declined"):
        PersonGate(asker=Person(), says_yes=True).approve_again(tiny.host(), "file.put", change(GENTLE))


# --- hosts that may only be looked at ---------------------------------------------------------------------------------


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize(
    "host, why",
    [
        (tiny.host(mode=Mode.OBSERVE, unattended={"tiny": DESTRUCTIVE}), "mode observe"),
        (replace(tiny.host(unattended={"tiny": DESTRUCTIVE}), is_listed=False), "stands in no inventory"),
    ],
)
@pytest.mark.parametrize("way", ["policy", "plan", "person"])
def test_nobody_can_approve_a_change_on_a_host_that_may_only_be_looked_at(
    host: Host, why: str, way: str, risk: Risk
) -> None:
    one = preview(change(risk), host=host)
    person = Person()
    gates: dict[str, Gate] = {
        "policy": PolicyGate(says_yes=True),
        "plan": PlanGate(plan=plan_of((one,))),
        "person": PersonGate(asker=person, says_yes=True),
    }
    with pytest.raises(Declined, match=why) as caught:
        gates[way].approve("tiny", [one])
    assert "Nothing was sent" in str(caught.value)
    assert person.asked == []


def test_one_observed_host_among_others_is_enough_to_decline() -> None:
    previews = [preview(change(GENTLE)), preview(change(GENTLE), host=tiny.host("web2", mode=Mode.OBSERVE))]
    with pytest.raises(Declined, match="web2"):
        PolicyGate(says_yes=True).approve("tiny", previews)


def test_an_observed_host_with_nothing_to_do_is_no_reason_to_decline() -> None:
    previews = [preview(change(GENTLE)), preview(host=tiny.host("web2", mode=Mode.OBSERVE))]
    assert PolicyGate(says_yes=False).approve("tiny", previews).digests == previews[0].digests


def test_every_refusal_of_a_gate_ends_with_declined() -> None:
    assert issubclass(Declined, Refused)
    assert issubclass(PlanDrifted, Refused)
    assert Declined.exit_status == PlanDrifted.exit_status == 4


# --- what people see at the gate --------------------------------------------------------------------------------------


def test_the_commands_a_person_would_type_are_in_order_and_quoted() -> None:
    one = preview(change(GENTLE), change(DESTRUCTIVE, "best", command=Command(("rm", "--", "a b"), user="www-data")))
    assert [command for _, command in commands_by_hand(one)][1] == "sudo -u www-data rm -- 'a b'"
    assert [summary for summary, _ in commands_by_hand(one)] == ["let /srv/one say good", "let /srv/one say best"]


@pytest.mark.parametrize(
    "noticed, shown", [((), "none"), (("1 s", "1 s"), "1 s"), (("1 s", "none", "2 s"), "1 s; 2 s")]
)
def test_what_users_notice_of_a_step_is_said_once(noticed: tuple[str, ...], shown: str) -> None:
    plan = Plan(changes=tuple(change(GENTLE, downtime=one) for one in noticed), because="")
    assert downtime(StepPending(plan=plan, digests=(), is_tentative=False)) == shown
