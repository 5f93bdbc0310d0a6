from __future__ import annotations

import os
from pathlib import Path

import pytest
from paramiko.config import SSHConfig

from soleil_remediate.errors import ConfigError
from soleil_remediate.transports import ssh_config
from soleil_remediate.transports.ssh_config import configured_keys, jumps, known_hosts_files, read_config, usual_keys


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", tmp_path / "etc/ssh_config")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "etc").mkdir()
    return tmp_path


def looked_up(host: str, named: Path | None = None) -> dict[str, object]:
    return dict(SSHConfig.from_text(read_config(named)).lookup(host))


def test_the_users_file_counts_before_the_systems(home: Path) -> None:
    (home / ".ssh/config").write_text("Host web1\n  Port 1\n", "utf-8")
    (home / "etc/ssh_config").write_text("Port 2\nUser sys\n", "utf-8")
    assert looked_up("web1")["port"] == "1"
    assert looked_up("web1")["user"] == "sys"  # it does not belong to the block that the user's file ends with
    assert looked_up("web2")["user"] == "sys"


def test_no_file_at_all_is_no_configuration() -> None:
    assert looked_up("web1") == {"hostname": "web1"}


def test_a_named_file_counts_alone(home: Path) -> None:
    (home / ".ssh/config").write_text("Port 1\n", "utf-8")
    (home / "mine").write_text("User me\n", "utf-8")
    assert looked_up("web1", home / "mine") == {"hostname": "web1", "user": "me"}


def test_a_named_file_must_be_there(home: Path) -> None:
    with pytest.raises(ConfigError, match="no such ssh configuration"):
        read_config(home / "missing")


def test_includes_are_read_where_they_stand_and_their_block_goes_on_after_them(home: Path) -> None:
    (home / ".ssh/config").write_text(
        "Include first.d/* ~/other\nHost web1\n  Include inside\n  User mine\nHost *\n  User rest\n", "utf-8"
    )
    (home / ".ssh/first.d").mkdir()
    (home / ".ssh/first.d/a").write_text("Host web2\n  Port 2\n", "utf-8")
    (home / "other").write_text("Host web3\n  Port 3\n", "utf-8")
    (home / ".ssh/inside").write_text("Port 1\nHost elsewhere\n  User theirs\n", "utf-8")
    assert looked_up("web1") == {"hostname": "web1", "port": "1", "user": "mine"}
    assert looked_up("web2") == {"hostname": "web2", "port": "2", "user": "rest"}
    assert looked_up("web3") == {"hostname": "web3", "port": "3", "user": "rest"}


def test_a_file_that_includes_itself_ends(home: Path) -> None:
    (home / ".ssh/config").write_text("Port 1\nInclude config\n", "utf-8")
    assert looked_up("web1")["port"] == "1"


@pytest.mark.parametrize(
    "mode, is_used", [(0o600, True), (0o644, True), (0o664, False), (0o666, False), (0o602, False)]
)
def test_what_others_can_write_is_not_used(home: Path, mode: int, is_used: bool) -> None:
    (home / ".ssh/config").write_text("Port 1\n", "utf-8")
    (home / ".ssh/config").chmod(mode)
    if is_used:
        assert looked_up("web1")["port"] == "1"
    else:
        with pytest.raises(ConfigError, match="chmod go-w"):
            read_config(None)


def test_an_include_that_others_can_write_is_not_used_either(home: Path) -> None:
    (home / ".ssh/config").write_text("Include other\n", "utf-8")
    (home / ".ssh/other").write_text("Port 1\n", "utf-8")
    (home / ".ssh/other").chmod(0o666)
    with pytest.raises(ConfigError, match="chmod go-w"):
        read_config(None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_not_used(home: Path) -> None:
    (home / ".ssh/config").write_text("Port 1\n", "utf-8")
    os.chown(home / ".ssh/config", 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        read_config(None)


def test_jump_hosts_are_listed_nearest_first() -> None:
    assert jumps({"proxyjump": "a, user@b:22"}) == ["a", "user@b:22"]
    assert jumps({"proxyjump": "none"}) == jumps({}) == []


def test_known_hosts_files_are_those_of_the_configuration() -> None:
    options = {"userknownhostsfile": "~/a '/b c'", "globalknownhostsfile": "none"}
    assert known_hosts_files(options) == (Path("~/a"), Path("/b c"))
    assert Path("~/.ssh/known_hosts") in known_hosts_files({})


def test_a_key_of_the_inventory_counts_alone(home: Path) -> None:
    for name in ("mine", "theirs"):
        (home / name).touch()
    assert configured_keys(home / "mine", {"identityfile": [str(home / "theirs")]}) == (home / "mine",)


def test_missing_keys_of_the_configuration_are_passed_over_unless_all_are(home: Path) -> None:
    (home / "there").touch()
    assert configured_keys(None, {"identityfile": ["~/missing", "~/there"]}) == (home / "there",)
    with pytest.raises(ConfigError, match="missing does not exist"):
        configured_keys(None, {"identityfile": ["~/missing"]})


def test_where_only_identities_count_the_agent_does_not() -> None:
    assert configured_keys(None, {"identitiesonly": "yes"}) == usual_keys()
    assert configured_keys(None, {}) == ()
