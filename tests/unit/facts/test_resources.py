from __future__ import annotations

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.resources import ReadResources
from soleil_remediate.units import KiB
from tests.unit.facts.answers import ask_here, said
from tests.unit.facts.services import RESOURCES


def test_memory_and_load() -> None:
    seen = ReadResources().answer(said(RESOURCES))
    assert (seen.memory, seen.available, seen.swap) == (KiB(24689708), KiB(22544384), 0)
    assert seen.load == ("6.47", "7.40", "7.89")
    assert seen.running == "12/501"


def test_this_machine_can_be_read() -> None:
    assert ask_here(ReadResources()).available > 0


@pytest.mark.parametrize("text", [RESOURCES + "MemX: much\n", RESOURCES.replace("MemTotal", "MemT"), "a b c d e\n"])
def test_what_is_neither_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        ReadResources().answer(said(text))
