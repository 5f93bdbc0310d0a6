"""The host's key that was checked: shown as ssh-keygen shows it, so that a person can compare the two."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.transports import HostKey
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.transports.ssh import SshTransport
from tests import tiny
from tests.contract.conftest import WITHIN, Bed, ssh_host
from tests.sshd import Sshd, known_hosts_line, make_key, private_sshd


def printed(public: Path) -> str:
    """Return what ssh-keygen says of a key, without its comment."""
    said = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True, check=True).stdout.split()
    return f"{said[0]} {said[1]} {said[-1]}"


def test_every_session_says_which_key_it_checked_or_that_it_knows_none(bed: Bed) -> None:
    key = bed.open().host_key
    assert key is None or (key.fingerprint.startswith("SHA256:") and key.bits >= 256)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_the_key_is_the_one_that_is_known_whichever_others_the_host_has(sshd: Sshd, kind: str, work: Path) -> None:
    known = work / "known_hosts"
    known.write_text(known_hosts_line(f"[127.0.0.1]:{sshd.port}", sshd.folder / f"host_{kind}.pub"), "utf-8")
    session = SshTransport().open(ssh_host(sshd, known_hosts=(known,)), within=WITHIN)
    assert str(session.host_key) == printed(sshd.folder / f"host_{kind}.pub")
    session.close()


def test_an_rsa_key_is_shown_like_any_other(folder: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "host_rsa", "rsa")
    with private_sshd(folder / "rsa", options=f"HostKey {key}") as running:
        known = tmp_path / "known_hosts"
        known.write_text(known_hosts_line(f"[127.0.0.1]:{running.port}", key.with_suffix(".pub")), "utf-8")
        (running.folder / "no_config").touch()
        session = SshTransport().open(ssh_host(running, known_hosts=(known,)), within=WITHIN)
        assert str(session.host_key) == printed(key.with_suffix(".pub"))
        session.close()


def test_a_scripted_host_has_the_key_that_it_was_given_and_none_else() -> None:
    given = HostKey(kind="ED25519", bits=256, fingerprint="SHA256:abc")
    for key in (given, None):
        session = ScriptedTransport(ScriptedHost("web1", host_key=key)).open(tiny.host("web1"), within=WITHIN)
        assert session.host_key is key
    assert str(given) == "256 SHA256:abc (ED25519)"


def test_ping_shows_it_to_people_and_to_programs(
    sshd: Sshd, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(work))
    inventory = work / "inventory.yml"
    inventory.write_text(
        f"all:\n  vars:\n    ansible_port: {sshd.port}\n    ansible_user: {sshd.user}\n"
        f"    ansible_ssh_private_key_file: {sshd.key}\n    known_hosts: [{sshd.known_hosts}]\n"
        f"    ssh_config: {sshd.folder / 'no_config'}\n"
        "  hosts:\n    web1: {ansible_host: 127.0.0.1}\n",
        "utf-8",
    )
    expected = printed(sshd.folder / "host_ed25519.pub")
    words = ("ping", "--host", "web1", "--inventory", str(inventory))
    assert cli.main(words) == 0
    assert f"\n    host key {expected}\n" in capsys.readouterr().out
    assert cli.main((*words, "-o", "json")) == 0
    assert json.loads(capsys.readouterr().out)["hosts"][0]["host_key"] == expected
