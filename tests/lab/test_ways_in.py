"""Ways in beside the plain one: through a bastion, by the ssh program, and with a password for sudo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from soleil_remediate import PolicyGate, Runs, open_remediation
from soleil_remediate.command import Command
from soleil_remediate.fleet import preview, remediate
from soleil_remediate.host import SecretReference
from soleil_remediate.host_outcomes import Fixed
from soleil_remediate.report import HostReport
from soleil_remediate.scenario import Case
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration

if TYPE_CHECKING:
    from soleil_remediate.lab import Lab
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

WITHIN = Duration(20)
WAYS = pytest.mark.parametrize("way", ["ssh", "openssh"])
BY_PASSWORD = SecretReference("env", "LAB_SUDO")


def _case(host: LabHost, **connection: Any) -> Case:
    (case,) = open_remediation(scenario="disk-full", hosts=host.name, inventory=host.lab.inventory).cases
    return replace(case, host=replace(case.host, connection=replace(case.host.connection, **connection)))


def _repaired(case: Case, state: Path) -> HostReport:
    gate = PolicyGate(says_yes=True)
    return remediate([case], transport=EachItsWay(), gate=gate, runs=Runs(state)).hosts[0]


@WAYS
def test_a_host_behind_a_bastion_is_repaired_through_it(web1: LabHost, lab: Lab, tmp_path: Path, way: str) -> None:
    lab.up(["bare1"])
    bastion = next(host.address for host in lab.status() if host.name == "bare1")
    config = tmp_path / "config"
    config.write_text(
        f"Host inner\n HostName {web1.address}\n ProxyJump bastion\n"
        f"Host bastion\n HostName {bastion}\n User deploy\n IdentityFile {lab.inventory.parent / 'id_ed25519'}\n"
    )
    case = _case(web1, address="inner", ssh_config=config, transport=way)

    session = EachItsWay().open(case.host, within=WITHIN)
    (answer,) = session.ask([Command(("printenv", "SSH_CONNECTION"))])
    session.close()
    web1.break_with("laravel-log", writer="no")
    report = _repaired(case, tmp_path / "state")

    assert getattr(answer, "text", "").startswith(f"{bastion} ")
    assert isinstance(report.outcome, Fixed), report.outcome
    assert len(report.sent) == 1


@WAYS
def test_a_password_for_sudo_repairs_and_is_found_nowhere_afterwards(
    web1: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv(BY_PASSWORD.name, "ops-secret")
    web1.break_with("laravel-log", writer="no")

    report = _repaired(_case(web1, user="ops", become_password=BY_PASSWORD, transport=way), tmp_path)

    assert isinstance(report.outcome, Fixed), report.outcome
    assert "ops-secret" not in repr(report)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"ops-secret" in path.read_bytes()]
    assert web1.shell("journalctl --no-pager | grep -c ops-secret || true") == "0"
    assert web1.shell("grep -rlF ops-secret /run /tmp /var/log /dev/shm || true") == ""


@WAYS
def test_a_wrong_password_for_sudo_is_tried_once_and_the_host_is_looked_at_all_the_same(
    untouched_web1: LabHost, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv(BY_PASSWORD.name, "not-the-secret")
    failed = "journalctl --no-pager | grep -c 'pam_unix(sudo:auth): authentication failure' || true"
    before = int(untouched_web1.shell(failed))

    case = _case(untouched_web1, user="ops", become_password=BY_PASSWORD, transport=way)
    seen = preview([case], transport=EachItsWay()).hosts[0]

    assert seen.preview is not None
    assert "sudo refused the password (env:LAB_SUDO)" in seen.preview.limits
    assert int(untouched_web1.shell(f"journalctl --sync; {failed}")) == before + 1
