"""Law 4: no read takes more round trips than its bound, and a whole preview of disk-full takes two."""

from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.look import look
from soleil_remediate.task import Reading
from tests.laws.samples import KINDS, Asked, sample


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_read_keeps_to_its_bound(kind: type[Reading[Any]]) -> None:
    host = Asked()
    look([sample(kind).read(Reader())], host.ask)
    assert 1 <= host.rounds <= kind.rounds


def test_all_kinds_together_take_two_rounds_and_ask_nothing_twice() -> None:
    host = Asked()
    look([sample(kind).read(Reader()) for kind in KINDS], host.ask)
    assert host.rounds == 2
    assert len(set(host.commands)) == len(host.commands)
