from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.application import DebugOff
from soleil_remediate.command import Reader
from soleil_remediate.task import Health, Verdict
from tests.unit.facts.answers import said, see
from tests.unit.facts.application import DESCRIBED, STARTED

CHECK = DebugOff(root=Path("/srv/app"))


def judged(**changed: str) -> Verdict:
    text = DESCRIBED
    for name, value in changed.items():
        text = text.replace(f'"{name}":false', f'"{name}":{value}')
    return CHECK.judge(see(CHECK.read(Reader()), ("php -- application", said(STARTED + text))))


def test_debug_mode_that_is_on_is_a_fault_wherever_the_configuration_comes_from() -> None:
    verdict = judged(debug="true")
    assert (verdict.health, verdict.why) == (
        Health.FAULTY, "debug mode is on in production, by the configuration: APP_DEBUG",
    )  # fmt: skip
    assert judged(debug="true", is_cached="true").why.endswith("by the cached configuration: APP_DEBUG")


def test_debug_mode_that_is_off_is_as_it_should_be() -> None:
    verdict = judged()
    assert (verdict.health, verdict.measures[0].value) == (Health.HEALTHY, "off")


def test_a_folder_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ValueError, match="srv/app must be absolute"):
        DebugOff(root=Path("srv/app"))
