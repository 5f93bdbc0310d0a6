"""A real host, diagnosed: it is left as it is. Every fault is diagnosed in test_rehearsing.py, by an inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import diagnose
from soleil_remediate.findings import Diagnosis
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


def diagnosed(hosts: str, inventory: Path | None = None) -> Diagnosis:
    """Diagnose one that is well; again where all that is found is slow pages: others use this machine's processors."""
    (found,) = diagnose(hosts=hosts, inventory=inventory)
    for _ in range(2):
        if [one.scenario for one in found.faulty] == ["slow-response"]:
            (found,) = diagnose(hosts=hosts, inventory=inventory)
    return found


def test_a_host_on_which_nothing_is_wrong_is_left_as_it_is(web1: LabHost) -> None:
    traces = "find /srv /etc -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort; ls -d /run/soleil* || :"
    before = web1.shell(traces)
    found = diagnosed("web1", web1.lab.inventory)
    assert (found.end, found.exit_status, {one.health for one in found.findings}) == (None, 0, {Health.HEALTHY})
    assert web1.shell(traces) == before
    assert round_trips(found) == {3}


def address_of(web1: LabHost, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return where the host is reached without an inventory, by what a user's own ssh knows of it."""
    folder = web1.lab.inventory.parent
    config = home / ".ssh/config"
    config.parent.mkdir(mode=0o700)
    config.write_text(
        f"Host {web1.address}\n IdentityFile {folder / 'id_ed25519'}\n UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    config.chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return web1.address


def round_trips(found: Diagnosis) -> set[int]:
    return {one.preview.round_trips for one in found.findings}


@pytest.mark.parametrize("what", ["exception", "migration"])
def test_every_scenario_of_a_checkout_in_place_is_known_after_three_round_trips(
    web1: LabHost, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it comes down to whether a migration has run, which artisan is asked."""
    web1.break_with("bad-checkout", what=what)
    (listed,) = diagnose(hosts="web1", inventory=web1.lab.inventory)
    address = address_of(web1, tmp_path, monkeypatch)
    (unlisted,) = diagnose(hosts=f"deploy@{address}")
    for found in (listed, unlisted):
        assert "failed-deployment-rollback" in [one.scenario for one in found.faulty]
        assert round_trips(found) == {3}
    (seen_by_a_guest,) = diagnose(hosts=f"guest@{address}")
    assert max(round_trips(seen_by_a_guest)) <= 3


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
    address = address_of(web1, tmp_path, monkeypatch)

    well = diagnosed(f"{user}@{address}")
    web1.break_with("postgresql-stopped")
    (broken,) = diagnose(hosts=f"{user}@{address}")

    for found in (well, broken):
        assert (found.end, found.not_found, found.unbound, found.left_out) == (None, "", (), ())
        assert dict(found.found) == {
            "app.root": "/srv/soleil/current",
            "app.user": "www-data",
            "app.logs": "/srv/soleil/shared/storage/logs/laravel.log",
        }
        assert 0 < max(round_trips(found)) <= 3
    assert well.faulty == ()
    assert next(one.health for one in well.findings if one.scenario == "database-connection-failure") is health
    assert well.exit_status == (0 if health is Health.HEALTHY else 5)
    assert cause in [one.scenario for one in broken.faulty if not one.explained_by]
    assert broken.exit_status == 5
