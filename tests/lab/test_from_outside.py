"""What users meet in front of a host that is well: certificates of each sort, seen from the machine of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from soleil_remediate import HostReport, PolicyGate, Runs, open_remediation
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.task import Health, Verdict
from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


@pytest.fixture
def inventory(web1: LabHost, tmp_path: Path) -> Path:
    """The lab's inventory with the application's address as its users have it, and the lab's own authority beside it.

    The host itself does not know that authority, as with a staging site's: whether it is well does not depend on that.
    """
    web1.break_with("certificate-expired", how="good")
    (tmp_path / "ca.pem").write_text(web1.shell("cat /etc/ssl/soleil/ca.pem"))
    public = f"url: https://{web1.address}/\n      ca: ca.pem\n"
    text = web1.lab.inventory.read_text().replace("user: www-data\n", f"user: www-data\n      {public}", 1)
    file = tmp_path / "hosts.yml"
    file.write_text(text)
    return file


def preview(inventory: Path) -> HostReport:
    return open_remediation(scenario="application-down", hosts="web1", inventory=inventory).preview().hosts[0]


def beyond(report: HostReport) -> Verdict:
    assert report.preview is not None
    (seen,) = report.preview.standing.beyond
    assert seen.kind == "page.reached"
    return seen.verdict


def test_a_certificate_that_is_well_is_seen_with_the_days_it_has_left(web1: LabHost, inventory: Path) -> None:
    report = preview(inventory)
    assert isinstance(report.outcome, NotNeeded), report.outcome
    assert report.preview is not None
    assert report.preview.round_trips <= 2
    verdict = beyond(report)
    assert verdict.health is Health.HEALTHY
    assert f"https://{web1.address}/api/health/ready from here answers 200, {web1.address} is this host" in verdict.why
    assert [measure.value for measure in verdict.measures] in (["200", "59 d left"], ["200", "60 d left"])


@pytest.mark.parametrize(
    "how, says",
    [
        ("expired", "certificate has expired"),
        ("other-name", "it is for"),
        ("self-signed", "self-signed certificate"),
        ("unknown-authority", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_users_refuse_is_a_finding_and_no_reason_to_change_the_host(
    web1: LabHost, inventory: Path, how: str, says: str
) -> None:
    web1.break_with("certificate-expired", how=how)
    before = web1.shell(
        "systemctl show --property=Id,MainPID,InvocationID nginx php8.2-fpm; ls -l --full-time /run/*.pid"
    )

    report = (
        open_remediation(scenario="application-down", hosts="web1", inventory=inventory)
        .remediate(gate=PolicyGate(says_yes=True), runs=Runs(inventory.parent / "state"))
        .hosts[0]
    )

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert report.sent == ()
    assert says in report.outcome.why.replace("self signed", "self-signed")
    assert "; the host itself is well: " in report.outcome.why
    assert report.preview is not None
    assert report.preview.standing.goal_health is Health.HEALTHY
    assert beyond(report).health is Health.FAULTY
    after = web1.shell(
        "systemctl show --property=Id,MainPID,InvocationID nginx php8.2-fpm; ls -l --full-time /run/*.pid"
    )
    assert after == before


def test_a_certificate_that_ends_soon_is_told_before_it_has_ended(web1: LabHost, inventory: Path) -> None:
    web1.break_with("certificate-expired", how="soon")
    report = preview(inventory)
    assert isinstance(report.outcome, NotNeeded)
    assert ", its certificate ends 20" in beyond(report).why


def test_what_is_down_is_repaired_whatever_the_certificate_is_and_that_it_is_not_over_is_told(
    web1: LabHost, inventory: Path
) -> None:
    web1.break_with("certificate-expired")
    web1.break_with("php-fpm-killed")
    remediation = open_remediation(scenario="application-down", hosts="web1", inventory=inventory)
    assert isinstance(remediation.preview().hosts[0].outcome, WouldFix)

    report = remediation.remediate(gate=PolicyGate(says_yes=True), runs=Runs(inventory.parent / "state")).hosts[0]

    assert isinstance(report.outcome, Fixed), report.outcome
    assert len(report.sent) == 1
    assert report.after is not None
    assert "certificate has expired" in report.after.fault_beyond


def test_a_repair_is_seen_from_outside_as_well(web1: LabHost, inventory: Path) -> None:
    web1.break_with("php-fpm-killed")
    remediation = open_remediation(scenario="application-down", hosts="web1", inventory=inventory)

    report = remediation.remediate(gate=PolicyGate(says_yes=True), runs=Runs(inventory.parent / "state")).hosts[0]

    assert isinstance(report.outcome, Fixed), report.outcome
    assert beyond(report).measures[0].value == "502"
    assert report.after is not None
    assert [seen.verdict.health for seen in report.after.beyond] == [Health.HEALTHY]
