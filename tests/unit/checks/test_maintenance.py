from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.maintenance import MaintenanceEnded
from soleil_remediate.command import Reader
from soleil_remediate.task import Health
from tests.unit.facts.answers import said, see

CHECK = MaintenanceEnded(root=Path("/srv/app/current"))


def test_a_page_that_a_run_left_behind_is_a_fault_whatever_health_checks_answer() -> None:
    word = f"soleil-remediate-{'0a' * 16}"
    assert see(CHECK.read(Reader()), ("grep", said(f'"secret": "{word}"\n')))
    verdict = CHECK.judge(True)
    assert (verdict.health, verdict.why) == (
        Health.FAULTY, "users see the maintenance page that a run put up around its change",
    )  # fmt: skip
    assert CHECK.judge(False).health is Health.HEALTHY


def test_a_folder_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ValueError, match="srv/app must be absolute"):
        MaintenanceEnded(root=Path("srv/app"))
