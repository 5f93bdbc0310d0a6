# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from pathlib import Path

import pytest

from soleil_remediate import Remediation, open_remediation
from soleil_remediate.errors import InventoryError
from soleil_remediate.host import Connection, Host
from soleil_remediate.loading import check_local_files, load_inventory
from soleil_remediate.transports.scripted import ScriptedTransport
from soleil_remediate.transports.ssh import SshTransport
from tests.rights import modes_count

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("id", KEY), ("known_hosts", ""), ("config", ""), ("pw", "hunter2\n")):
        Path(name).write_text(text)
        Path(name).chmod(0o600)
    return tmp_path


def check(text: str) -> None:
    Path("hosts.yml").write_text(text)
    check_local_files(load_inventory("hosts.yml").hosts)


def variables(*lines: str) -> str:
    return "all:\n  hosts:\n    web1:\n" + "".join(f"      {line}\n" for line in lines)


def refused(text: str) -> str:
    with pytest.raises(InventoryError) as caught:
        check(text)
    return str(caught.value)


def test_what_is_there_and_can_be_read_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hunter2")
    check(
        variables(
            "ansible_ssh_private_key_file: id",
            "known_hosts: [known_hosts, later]",
            "ssh_config: config",
            "ansible_password: file:pw",
        )
    )
    check(variables("ansible_password: env:PW"))
    check(variables("ansible_host: 127.0.0.1"))


@pytest.mark.parametrize(
    "kind", ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
)
def test_every_kind_of_private_key_is_taken_for_one(kind: str) -> None:
    Path("id").write_text(f"# mine\n-----BEGIN {kind}-----\n")
    check(variables("ansible_private_key_file: id"))


def test_a_certificate_stands_for_the_key_beside_it() -> None:
    Path("id-cert.pub").write_text("ssh-ed25519-cert-v01@openssh.com AAAA\n")
    check(variables("ansible_ssh_private_key_file: id-cert.pub"))


@pytest.mark.parametrize(
    "line,message",
    [
        ("ansible_ssh_private_key_file: nope", "4:37: web1: the private key nope does not exist"),
        ("ansible_private_key_file: id/nope", "4:33: web1: the private key id/nope does not exist"),
        ("ansible_ssh_private_key_file: /", "4:37: web1: the private key / cannot be read: Is a directory"),
        ("ansible_ssh_private_key_file: closed", "4:37: web1: the private key closed cannot be read: Permission denied"),
        ("ansible_ssh_private_key_file: id.pub", "4:37: web1: id.pub is the public half of a key: name the private one"),
        ("ansible_ssh_private_key_file: pw", "4:37: web1: pw is no private key of a kind that can be used here"),
        ("ansible_ssh_private_key_file: empty", "4:37: web1: empty is no private key of a kind that can be used here"),
        ("ansible_ssh_private_key_file: ~nobody-of-this-name/id", "4:37: web1: the private key ~nobody-of-this-name/id does not exist"),
        ("ssh_config: nope", "4:19: web1: the ssh configuration nope does not exist"),
        ("ssh_config: closed", "4:19: web1: the ssh configuration closed cannot be read: Permission denied"),
        ("known_hosts: [nope, closed]", "4:20: web1: the file of known hosts closed cannot be read: Permission denied"),
        ("ansible_password: env:NOT_SET", "4:25: web1: the environment variable NOT_SET is not set: the inventory wants a secret in it"),
        ("ansible_ssh_pass: file:nope", "4:25: web1: the secret in nope cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_with_its_place_and_its_host(line: str, message: str) -> None:
    Path("id.pub").write_text("ssh-ed25519 AAAA me@laptop\n")
    Path("empty").touch()
    Path("closed").touch(0)
    with modes_count():
        assert refused(variables(line)) == f"hosts.yml:{message}"


def test_a_file_that_many_hosts_need_is_told_once_and_every_other_as_well() -> None:
    assert refused(
        "all:\n"
        "  vars: {ansible_ssh_private_key_file: nope}\n"
        "  hosts:\n"
        "    web[1:5]:\n"
        "    db1: {ansible_ssh_private_key_file: gone, apps: {a: {root: /a}, b: {root: /b}}}\n"
        "    db2: {ansible_ssh_private_key_file: id}\n"
    ) == (
        "hosts.yml:2:40: web1, web2, web3 and 2 more: the private key nope does not exist\n"
        "hosts.yml:5:41: db1/a, db1/b: the private key gone does not exist"
    )  # fmt: skip


def test_a_host_made_without_an_inventory_has_no_place_to_tell() -> None:
    host = Host(name="web1", connection=Connection(address="web1", key_file=Path("nope")))
    with pytest.raises(InventoryError, match=r"^web1: the private key nope does not exist$"):
        check_local_files([host])


def test_a_key_that_is_missing_later_is_looked_for_again() -> None:
    check(variables("ansible_ssh_private_key_file: id"))
    Path("id").unlink()
    assert "does not exist" in refused(variables("ansible_ssh_private_key_file: id"))


def remediation(**more: object) -> Remediation:
    Path("hosts.yml").write_text(variables("ansible_ssh_private_key_file: nope"))
    return open_remediation(scenario="disk-full", hosts="web1", inventory="hosts.yml", **more)  # type: ignore[arg-type]


def test_only_who_connects_over_ssh_needs_a_key() -> None:
    for more in ({}, {"transport": SshTransport()}):
        with pytest.raises(InventoryError, match=r"^hosts\.yml:4:37: web1: the private key nope does not exist$"):
            remediation(**more)
    assert remediation(transport=ScriptedTransport()).cases[0].host.name == "web1"


@pytest.mark.parametrize(
    "lines",
    [
        ("transport: local", "ansible_ssh_private_key_file: nope", "ansible_password: env:NOPE", "ssh_config: nope"),
        ("transport: openssh", "ansible_ssh_private_key_file: id.pub"),
        ("ansible_become: false", "ansible_become_password: env:NOPE"),
    ],
    ids=["no file is needed here", "an agent or a token holds the other half", "sudo is not used"],
)
def test_what_a_way_in_does_not_use_is_not_looked_for(lines: tuple[str, ...]) -> None:
    Path("id.pub").write_text("ssh-ed25519 AAAA\n")
    check(variables(*lines))


@pytest.mark.parametrize(
    "lines, message",
    [
        (("transport: openssh", "ansible_private_key_file: nope"), "5:33: web1: the key nope does not exist"),
        (
            ("transport: openssh", "ansible_password: file:pw"),
            "5:25: web1: the ssh program is given no password, and file:pw is one: use a key, or transport: ssh",
        ),
        (
            ("transport: local", "ansible_become_password: env:NOPE"),
            "5:32: web1: the environment variable NOPE is not set: the inventory wants a secret in it",
        ),
        (
            ("ansible_become_password: file:nope",),
            "4:32: web1: the secret in nope cannot be read: No such file or directory",
        ),
    ],
)
def test_what_a_way_in_needs_is_looked_at(lines: tuple[str, ...], message: str) -> None:
    assert refused(variables(*lines)) == f"hosts.yml:{message}"
