"""Law 4: no read takes more round trips than its bound, and a whole preview of disk-full takes two."""

from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.look import look
from soleil_remediate.task import Reading
from tests.laws.samples import KINDS, LOOKS, Asked, followed, sample


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_read_keeps_to_its_bound(kind: type[Reading[Any]]) -> None:
    host = Asked()
    look([sample(kind).read(Reader())], host.ask)
    assert 1 <= host.rounds <= kind.rounds


@pytest.mark.parametrize("kind", LOOKS, ids=lambda kind: kind.kind)
def test_what_a_look_measures_after_a_repair_keeps_to_the_same_bound(kind: type[Reading[Any]]) -> None:
    host = Asked()
    followed(sample(kind), host, Reader())
    assert host.rounds <= kind.rounds


#: What is asked as somebody whom the first answer names, about what the second one names.
SEVERAL = {
    "checkout.rollback": 3,
    # What is looked for in a log only once a page was asked for that has to stand there.
    **dict.fromkeys(("requests.failing", "requests.served"), 3),
    # The cluster behind the application's database is known in the second round.
    **dict.fromkeys(("php-fpm.free", "statement.longest", "cache.hit-rate", "statement.cancel", "statement.end"), 3),
}


def test_all_kinds_together_take_two_rounds_and_ask_nothing_twice() -> None:
    host = Asked()
    look([sample(kind).read(Reader()) for kind in KINDS if kind.kind not in SEVERAL], host.ask)
    assert host.rounds == 2
    assert len(set(host.commands)) == len(host.commands)


def test_the_few_that_take_more_ask_nothing_twice_either() -> None:
    assert {kind.kind: kind.rounds for kind in KINDS if kind.rounds > 2} == SEVERAL
    host = Asked()
    look([sample(kind).read(Reader()) for kind in KINDS], host.ask)
    assert host.rounds == max(SEVERAL.values())
    assert len(set(host.commands)) == len(host.commands)
