"""What a plan is about, what an approval is about, and what is only evidence of the moment."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.command import Command, Secret
from soleil_remediate.plan import Change, FileIdentity, Gather, Plan, Preserve, Relief, Risk, Script, Undo, plan_digest
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

GATHER = Gather(name="journal", about="the journal", command=Command(("journalctl",)), size=MiB(1))
COMMAND = Command(("truncate", "-s", "0", "/log"))
PRESERVE = Preserve(path=PurePosixPath("/log"), identity=FileIdentity(7, 12), size=MiB(3))
CHANGE = Change(
    summary="cut /log",
    command=COMMAND,
    risk=Risk.DESTRUCTIVE,
    undo=Undo.none("what is cut is gone"),
    before="3 MiB",
    after="1 MiB",
    loses="old lines",
    preserve=PRESERVE,
    relieves=(Relief(subject="space on /", amount="2 MiB"),),
)


def test_a_digest_is_16_hexadecimal_digits_and_the_same_every_time() -> None:
    assert CHANGE.digest("web1", "log.truncate") == replace(CHANGE).digest("web1", "log.truncate")
    assert len(CHANGE.digest("web1", "log.truncate")) == 16
    int(CHANGE.digest("web1", "log.truncate"), 16)


@pytest.mark.parametrize(
    "different",
    [
        {"summary": "truncate"},
        {"before": "4 MiB"},
        {"after": "2 MiB"},
        {"loses": "nothing"},
        {"keeps": "its owner"},
        {"downtime": "1 s"},
        {"preserve": replace(PRESERVE, size=MiB(900))},
        {"relieves": (Relief(subject="space on /", amount="9 GiB"),)},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_is_only_evidence_of_the_moment_changes_neither_digest_nor_plan(different: dict[str, Any]) -> None:
    other = replace(CHANGE, **different)
    assert other == CHANGE
    assert hash(other) == hash(CHANGE)
    assert other.digest("web1", "k") == CHANGE.digest("web1", "k")
    assert Plan.of(other, because="now") == Plan.of(CHANGE, because="then")


@pytest.mark.parametrize(
    "different",
    [
        {"command": Command(("truncate", "-s", "1", "/log"))},
        {"command": Command(("truncate", "-s", "0", "/log "))},
        {"command": Command(("truncate", "-s", "0 /log"))},
        {"command": replace(COMMAND, user="www-data")},
        {"command": replace(COMMAND, stdin="x")},
        {"command": replace(COMMAND, stdin="")},
        {"command": replace(COMMAND, stdin=Secret("x"))},
        {"risk": Risk.GENTLE},
        {"undo": Undo.by(Command(("true",)), "put it back")},
        {"preserve": None},
        {"preserve": replace(PRESERVE, identity=FileIdentity(7, 13))},
        {"preserve": replace(PRESERVE, path=PurePosixPath("/other"))},
        {"gathers": (GATHER,)},
        {"is_over_new_connection": True},
    ],
    ids=str,
)
def test_what_would_be_done_differently_needs_another_approval_and_is_another_plan(different: dict[str, Any]) -> None:
    other = replace(CHANGE, **different)
    assert other.digest("web1", "k") != CHANGE.digest("web1", "k")
    assert Plan.of(other, because="") != Plan.of(CHANGE, because="")


def test_an_approval_is_for_one_host_and_one_kind() -> None:
    digests = {CHANGE.digest(host, kind) for host in ("web1", "web2") for kind in ("log.truncate", "log.rotate")}
    assert len(digests) == 4


def test_a_secret_is_in_no_digest() -> None:
    one, two = (replace(CHANGE, command=replace(COMMAND, stdin=Secret(text))) for text in ("a", "b"))
    assert one.digest("web1", "k") == two.digest("web1", "k")


def test_a_digest_can_be_made_of_any_text_a_host_can_name_a_file() -> None:
    hostile = Command(("rm", "--", "/a\nb\x1b[0m\u202e\udcff'\"$(id)"))
    assert len(replace(CHANGE, command=hostile).digest("web1", "k")) == 16


@given(st.lists(st.text(alphabet="0123456789abcdef", min_size=16, max_size=16), max_size=6))
def test_a_plans_digest_is_of_the_set_whatever_the_order(digests: list[str]) -> None:
    digest = plan_digest(digests)
    assert len(digest) == 12
    for order in itertools.islice(itertools.permutations(digests), 24):
        assert plan_digest(order) == digest
    assert plan_digest([*digests, *digests]) == digest


def test_one_change_more_or_less_is_another_plan() -> None:
    digests = [CHANGE.digest(f"web{i}", "k") for i in range(4)]
    subsets = [c for n in range(5) for c in itertools.combinations(digests, n)]
    assert len({plan_digest(subset) for subset in subsets}) == len(subsets)


def test_risk_rises_from_gentle_over_disruptive_to_destructive() -> None:
    assert Risk.GENTLE < Risk.DISRUPTIVE < Risk.DESTRUCTIVE
    assert max(Risk) is Risk.DESTRUCTIVE
    assert Risk.GENTLE <= Risk.GENTLE
    assert not Risk.DESTRUCTIVE <= Risk.DISRUPTIVE
    with pytest.raises(TypeError):
        sorted([Risk.GENTLE, 1])  # type: ignore[type-var]  # that is what must not work


def test_a_plan_is_as_risky_as_its_riskiest_change() -> None:
    changes = [replace(CHANGE, risk=risk) for risk in (Risk.GENTLE, Risk.DESTRUCTIVE, Risk.DISRUPTIVE)]
    assert Plan.of(*changes, because="").risk is Risk.DESTRUCTIVE
    assert Plan.of(changes[0], changes[2], because="").risk is Risk.DISRUPTIVE


def test_the_order_of_changes_is_part_of_a_plan() -> None:
    other = replace(CHANGE, risk=Risk.GENTLE)
    assert Plan.of(CHANGE, other, because="") != Plan.of(other, CHANGE, because="")


def test_a_plan_of_nothing_says_so() -> None:
    assert Plan.nothing("fine").changes == ()
    assert Plan.nothing("fine").because == "fine"
    with pytest.raises(ValueError, match=r"Plan\.nothing"):
        Plan.of(because="")


# --- scripts ----------------------------------------------------------------------------------------------------------

SCRIPT = Script(name="cut", text='printf %s "$1"')


@pytest.mark.parametrize(
    "argument, word",
    [
        ("$(id); rm -rf /", "$(id); rm -rf /"),
        ("--help", "--help"),
        ("", ""),
        (PurePosixPath("/a b"), "/a b"),
        (FileIdentity(64769, 12), "64769:12"),
        (5, "5"),
        (MiB(1.5), "1572864"),  # a size's own text is "1.5 MiB": for people, and rounded
        (ByteSize(2**63 - 1), "9223372036854775807"),
        (Duration(90), "90"),
        (Duration(0.5), "0.5"),
        (Duration(1800.25), "1800.25"),
        (Percent(80), "80"),
    ],
)
def test_a_value_reaches_a_script_as_one_word_and_its_text_never_changes(argument: object, word: str) -> None:
    assert SCRIPT.bind(argument) == ("sh", "-c", SCRIPT.text, "cut", word)


@pytest.mark.parametrize("argument", [None, True, False])
def test_what_a_script_could_only_misunderstand_is_refused(argument: object) -> None:
    with pytest.raises(TypeError):
        SCRIPT.bind(argument)


def test_an_undo_is_a_command_or_a_reason() -> None:
    assert Undo.by(COMMAND, "put back").command is COMMAND
    assert Undo.none("gone").command is None
    assert Undo.none("gone").says == "gone"


def test_what_is_gathered_first_is_part_of_the_approval_and_how_much_it_is_is_not() -> None:
    change = replace(CHANGE, gathers=(GATHER,))
    for same in (replace(GATHER, size=MiB(9)), replace(GATHER, about="x")):
        assert replace(CHANGE, gathers=(same,)).digest("web1", "k") == change.digest("web1", "k")
    for other in (replace(GATHER, name="x"), replace(GATHER, command=Command(("cat", "/x")))):
        assert replace(CHANGE, gathers=(other,)).digest("web1", "k") != change.digest("web1", "k")
    assert (GATHER.file_name, str(GATHER)) == ("journal", "the journal")
    assert (PRESERVE.file_name, str(PRESERVE)) == ("log", "/log")
