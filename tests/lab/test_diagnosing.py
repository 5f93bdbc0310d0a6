"""A real host, diagnosed: it is left as it is. Every fault is diagnosed in test_rehearsing.py, by an inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import diagnose
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


def test_a_host_on_which_nothing_is_wrong_is_left_as_it_is(web1: LabHost) -> None:
    traces = "find /srv /etc -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort; ls -d /run/soleil* || :"
    before = web1.shell(traces)
    (found,) = diagnose(hosts="web1", inventory=web1.lab.inventory)
    assert (found.end, found.exit_status, {one.health for one in found.findings}) == (None, 0, {Health.HEALTHY})
    assert web1.shell(traces) == before


@pytest.mark.parametrize("what", ["exception", "migration"])
def test_every_scenario_of_a_checkout_in_place_is_known_after_three_round_trips(web1: LabHost, what: str) -> None:
    """Also where it comes down to whether a migration has run, which artisan is asked."""
    web1.break_with("bad-checkout", what=what)
    (found,) = diagnose(hosts="web1", inventory=web1.lab.inventory)
    assert "failed-deployment-rollback" in [one.scenario for one in found.faulty]
    assert {one.preview.round_trips for one in found.findings} == {3}


@pytest.mark.parametrize(
    "user, cause, health",
    [
        ("deploy", "database-connection-failure", Health.HEALTHY),
        ("guest", "application-down", Health.UNKNOWN),  # who may not ask the application only sees what nginx answers
    ],
)
def test_a_host_without_inventory_is_searched_for_its_application(
    web1: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, cause: str, health: Health
) -> None:
    folder = web1.lab.inventory.parent
    config = tmp_path / ".ssh/config"
    config.parent.mkdir(mode=0o700)
    config.write_text(
        f"Host {web1.address}\n IdentityFile {folder / 'id_ed25519'}\n UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    config.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    (well,) = diagnose(hosts=f"{user}@{web1.address}")
    web1.break_with("postgresql-stopped")
    (broken,) = diagnose(hosts=f"{user}@{web1.address}")

    for found in (well, broken):
        assert (found.end, found.not_found, found.unbound, found.left_out) == (None, "", (), ())
        assert dict(found.found) == {
            "app.root": "/srv/soleil/current",
            "app.user": "www-data",
            "app.logs": "/srv/soleil/shared/storage/logs/laravel.log",
        }
    assert well.faulty == ()
    assert next(one.health for one in well.findings if one.scenario == "database-connection-failure") is health
    assert well.exit_status == (0 if health is Health.HEALTHY else 5)
    assert cause in [one.scenario for one in broken.faulty if not one.explained_by]
    assert broken.exit_status == 5
