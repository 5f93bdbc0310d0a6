"""Who may log in how, and what may be done then, on a real host with PAM and sudo."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from soleil_remediate import PolicyGate, Runs, cli, open_remediation
from soleil_remediate.errors import AuthenticationFailed
from soleil_remediate.fleet import preview, remediate
from soleil_remediate.host import Host, SecretReference
from soleil_remediate.host_outcomes import Fixed, NotNeeded, Refusal, WouldFix
from soleil_remediate.scenario import Case
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

WITHIN = Duration(20)


def _case(host: LabHost, **connection: Any) -> Case:
    (case,) = open_remediation(scenario="disk-full", hosts=host.name, inventory=host.lab.inventory).cases
    return replace(case, host=replace(case.host, connection=replace(case.host.connection, **connection)))


def _by_password(host: LabHost) -> Host:
    return _case(host, user="ops", key_file=None, password=SecretReference("env", "LAB_PASSWORD")).host


def test_a_password_by_reference_logs_in(untouched_web1: LabHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "ops-secret")

    session = SshTransport().open(_by_password(untouched_web1), within=WITHIN)

    assert session.access.login == "ops"
    assert not session.access.is_root
    assert session.access.why_not == "sudo wants a password for ops"
    session.close()


def test_a_wrong_password_is_sent_once_and_shown_nowhere(
    untouched_web1: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "not-the-secret")
    failed = "journalctl -u ssh --no-pager | grep -c 'Failed password for ops' || true"
    before = int(untouched_web1.shell(failed))

    with pytest.raises(AuthenticationFailed, match="refused the password") as caught:
        SshTransport().open(_by_password(untouched_web1), within=WITHIN)

    assert "not-the-secret" not in str(caught.value)
    assert int(untouched_web1.shell(f"journalctl --sync; {failed}")) == before + 1


def test_a_hosts_password_is_never_sent_to_the_jump_host_before_it(
    untouched_web1: LabHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are the same login here: the jump would take the password, and still must not hear it."""
    monkeypatch.setenv("LAB_PASSWORD", "ops-secret")
    monkeypatch.setenv("HOME", str(tmp_path))  # no usual keys
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    config = tmp_path / "config"
    config.write_text(
        f"Host inner\n HostName {untouched_web1.address}\n ProxyJump ops@jump\n"
        f"Host jump\n HostName {untouched_web1.address}\n"
    )
    host = _by_password(untouched_web1)
    host = replace(host, connection=replace(host.connection, address="inner", ssh_config=config))
    heard = "journalctl -u ssh --no-pager | grep -c 'password for ops' || true"
    before = int(untouched_web1.shell(heard))

    with pytest.raises(AuthenticationFailed, match="could be offered no key"):
        SshTransport().open(host, within=WITHIN)

    assert int(untouched_web1.shell(f"journalctl --sync; {heard}")) == before


def test_the_rule_that_is_printed_is_enough_to_repair_and_is_the_one_on_the_page(
    web1: LabHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("sudoers", "disk-full", "--host", "web1", "--inventory", str(web1.lab.inventory))
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    page = (Path(__file__).resolve().parents[2] / "docs" / "safety.md").read_text()
    assert re.findall(r"^deploy ALL=.*$", page, re.MULTILINE) == [printed.splitlines()[-1]]
    (install,) = re.findall(r"^# +(visudo .*)$", printed, re.MULTILINE)
    web1.run("tee", "/tmp/rule", stdin=printed.encode()).checked()
    web1.shell(f"rm /etc/sudoers.d/deploy; {install.replace('FILE', '/tmp/rule')}")
    assert web1.run("sudo", "-n", "id", user="deploy").returncode == 1, "nothing but a shell by its name"
    web1.break_with("laravel-log", writer="no")

    report = remediate([_case(web1)], transport=SshTransport(), gate=PolicyGate(says_yes=True), runs=Runs(tmp_path))

    (host,) = report.hosts
    assert isinstance(host.outcome, Fixed), host.outcome
    assert host.preview is not None
    assert host.preview.limits == ""


@pytest.mark.parametrize(
    "user, why",
    [("ops", "sudo wants a password for ops"), ("guest", "guest")],
)
def test_who_has_no_root_can_look_and_changes_nothing(web1: LabHost, tmp_path: Path, user: str, why: str) -> None:
    case = _case(web1, user=user)
    seen = preview([case], transport=SshTransport()).hosts[0]
    assert isinstance(seen.outcome, NotNeeded)
    assert seen.preview is not None
    assert why in seen.preview.limits

    web1.break_with("laravel-log", writer="no")
    report = remediate([case], transport=SshTransport(), gate=PolicyGate(says_yes=True), runs=Runs(tmp_path)).hosts[0]

    assert not isinstance(report.outcome, WouldFix)
    assert report.sent == ()
    if isinstance(report.outcome, Refusal):
        assert why in report.outcome.why
