from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from pathlib import Path

import pytest

from soleil_remediate.transports.known_hosts import KnownHosts, preferring, read_entries, why_rejected

ONE, TWO = b64encode(b"one").decode(), b64encode(b"two").decode()


def known(
    tmp_path: Path, text: str, host: str = "web1.example", port: int = 22, alias: str | None = None
) -> list[bytes]:
    (tmp_path / "known_hosts").write_text(text, "utf-8")
    return [
        entry.key
        for entry in KnownHosts(read_entries(tmp_path / "known_hosts")).look_up(host, port, alias=alias).accepted
    ]


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    return f"|1|{b64encode(salt).decode()}|{b64encode(hmac.new(salt, name.encode(), hashlib.sha1).digest()).decode()}"


@pytest.mark.parametrize(
    "names, host, port, is_known",
    [
        ("web1.example", "web1.example", 22, True),
        ("web1.example", "WEB1.example", 22, True),
        ("WEB1.example", "web1.example", 22, True),
        ("web1.example", "web2.example", 22, False),
        ("web1", "web1.example", 22, False),
        ("web1,web1.example,192.0.2.1", "192.0.2.1", 22, True),
        ("*.example", "web1.example", 22, True),
        ("web?.example", "web1.example", 22, True),
        ("web?.example", "web10.example", 22, False),
        ("*.example,!web1.example", "web1.example", 22, False),
        ("!web1.example,*.example", "web1.example", 22, False),
        ("!web1.example", "web2.example", 22, False),
        ("[web1.example]:2222", "web1.example", 2222, True),
        ("[web1.example]:2222", "web1.example", 22, False),
        ("[web1.example]:2222", "web1.example", 2223, False),
        ("[*.example]:2222", "web1.example", 2222, True),
        ("web1.example", "web1.example", 2222, True),  # OpenSSH: "found matching key w/out port"
        (hashed("web1.example"), "web1.example", 22, True),
        (hashed("[web1.example]:2222"), "web1.example", 2222, True),
        (hashed("web2.example"), "web1.example", 22, False),
        ("|1|broken", "web1.example", 22, False),
        ("|1|!!|!!", "web1.example", 22, False),
        ("web[1].example", "web1.example", 22, False),
        ("2001:db8::1", "2001:db8::1", 22, True),
    ],
)
def test_names_are_matched_as_openssh_does(tmp_path: Path, names: str, host: str, port: int, is_known: bool) -> None:
    assert known(tmp_path, f"{names} ssh-ed25519 {ONE}\n", host, port) == ([b"one"] if is_known else [])


def test_a_key_revoked_for_the_port_is_not_accepted_for_being_the_bare_names(tmp_path: Path) -> None:
    lines = f"web1.example ssh-ed25519 {ONE}\n@revoked [web1.example]:2222 ssh-ed25519 {ONE}\n"
    (tmp_path / "known_hosts").write_text(lines, "utf-8")
    known = KnownHosts(read_entries(tmp_path / "known_hosts"))
    assert not known.look_up("web1.example", 2222).accepts(b"one")
    assert known.look_up("web1.example", 22).accepts(b"one")


def test_an_alias_counts_instead_of_name_and_port(tmp_path: Path) -> None:
    text = f"alias ssh-ed25519 {ONE}\n[web1.example]:2222 ssh-ed25519 {TWO}\n"
    assert known(tmp_path, text, port=2222, alias="alias") == [b"one"]


def test_the_name_with_its_port_counts_before_the_name_alone(tmp_path: Path) -> None:
    text = f"web1.example ssh-ed25519 {ONE}\n[web1.example]:2222 ssh-ed25519 {TWO}\n"
    assert known(tmp_path, text, port=2222) == [b"two"]


def test_several_keys_of_one_host_are_all_accepted(tmp_path: Path) -> None:
    assert known(tmp_path, f"web1.example ssh-ed25519 {ONE}\nweb1.example ssh-ed25519 {TWO}\n") == [b"one", b"two"]


@pytest.mark.parametrize(
    "line", ["", "#web1.example x y", "web1.example", "web1.example ssh-ed25519", "web1.example x ???", "@x"]
)
def test_a_line_that_says_nothing_is_passed_over(tmp_path: Path, line: str) -> None:
    assert known(tmp_path, f"{line}\nweb1.example ssh-ed25519 {ONE} comment\n") == [b"one"]


def test_a_revoked_key_is_not_accepted_and_an_authority_accepts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"web1 a {ONE}\n@revoked * a {ONE}\n@cert-authority * a {TWO}\n", "utf-8")
    found = KnownHosts(read_entries(path)).look_up("web1", 22)
    assert not found.accepts(b"one")
    assert not found.accepts(b"two")
    assert "revoked" in why_rejected(found, "a", b"one", [path])
    authority = KnownHosts(read_entries(path)).look_up("web2", 22)
    assert "@cert-authority does not count" in why_rejected(authority, "a", b"two", [path])


def test_a_missing_file_knows_nobody(tmp_path: Path) -> None:
    assert read_entries(tmp_path / "missing") == ()


@pytest.mark.parametrize(
    "kinds, first",
    [
        ((), ["ed", "ec", "rsa-sha2-512", "rsa-sha2-256"]),
        (("ec",), ["ec", "ed", "rsa-sha2-512", "rsa-sha2-256"]),
        (("ssh-rsa", "ec"), ["rsa-sha2-512", "rsa-sha2-256", "ec", "ed"]),
        (("unheard-of",), ["ed", "ec", "rsa-sha2-512", "rsa-sha2-256"]),
    ],
)
def test_the_types_of_known_keys_come_first(kinds: tuple[str, ...], first: list[str]) -> None:
    assert preferring(kinds, ["ed", "ec", "rsa-sha2-512", "rsa-sha2-256"]) == first
