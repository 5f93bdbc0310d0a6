"""The kill switch: on and off, by whom, wherever it can stand, and never off by accident."""

from __future__ import annotations

import os
import stat
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus, Frozen, Refused
from soleil_remediate.freezing import Freeze, Switch
from soleil_remediate.secrecy import HIDDEN, learn
from tests.rights import modes_count

AT = datetime(2026, 11, 25, 3, 12, 41, tzinfo=UTC)


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "hosts" / "production.yml"
    file.parent.mkdir()
    file.write_text("all: {hosts: {web1: }}\n")
    return file


@pytest.fixture
def switch(inventory: Path) -> Switch:
    return Switch(inventory=inventory)


def freeze(switch: Switch, by: str = "jan@laptop", because: str = "42 is being looked into") -> Freeze:
    return switch.freeze(by, AT, because)


def test_what_nobody_froze_holds_nothing_back(switch: Switch) -> None:
    switch.check()
    assert switch.found() is None
    assert switch.thaw() == ()


def test_whoever_is_stopped_hears_who_when_why_and_how_it_is_lifted(switch: Switch, inventory: Path) -> None:
    freeze(switch)
    with pytest.raises(Frozen) as stopped:
        switch.check()
    assert str(stopped.value) == (
        "frozen by jan@laptop since 2026-11-25 03:12:41 UTC: 42 is being looked into. Nothing was sent. "
        f"To lift it:\n  soleil-remediate freeze off --inventory {inventory}"
    )
    assert stopped.value.exit_status is ExitStatus.DECLINED


def test_it_is_lifted_once_and_for_all(switch: Switch, inventory: Path) -> None:
    freeze(switch)
    assert [one.by for one in switch.thaw()] == ["jan@laptop"]
    switch.check()
    assert list(inventory.parent.iterdir()) == [inventory]


def test_who_froze_it_first_stays_who_froze_it(switch: Switch) -> None:
    freeze(switch)
    assert freeze(switch, by="eva@desk", because="me too").by == "jan@laptop"
    assert str(switch.found()) == "frozen by jan@laptop since 2026-11-25 03:12:41 UTC: 42 is being looked into"


def test_it_holds_for_the_file_by_whatever_name(switch: Switch, inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "by-link.yml").symlink_to(inventory)
    freeze(Switch(inventory=tmp_path / "by-link.yml"))
    for name in (inventory, inventory.parent / ".." / "hosts" / "production.yml"):
        with pytest.raises(Frozen):
            Switch(inventory=name).check()


def test_another_inventory_is_not_held_back(switch: Switch, inventory: Path) -> None:
    freeze(switch)
    Switch(inventory=inventory.with_name("staging.yml")).check()


def test_everybody_may_read_why_whatever_the_mask(switch: Switch) -> None:
    before = os.umask(0o077)
    try:
        one = freeze(switch)
    finally:
        os.umask(before)
    assert stat.S_IMODE(one.file.stat().st_mode) == 0o644


@pytest.mark.parametrize("content", [b"", b"{", b'"text"', b"\xff\xfe", b"[" * 10_000, b"x" * 100_000])
def test_whatever_the_file_holds_its_being_there_counts(switch: Switch, inventory: Path, content: bytes) -> None:
    file = inventory.with_name("production.yml.frozen")
    file.write_bytes(content)
    os.utime(file, (AT.timestamp(), AT.timestamp()))
    with pytest.raises(Frozen, match=r"frozen by .+ since 2026-11-25 03:12:41 UTC. Nothing was sent"):
        switch.check()
    switch.thaw()
    switch.check()


def test_a_pipe_or_a_link_to_nowhere_counts_and_nobody_waits_for_it(switch: Switch, inventory: Path) -> None:
    file = inventory.with_name("production.yml.frozen")
    file.symlink_to("nowhere")
    with pytest.raises(Frozen):
        switch.check()
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(Frozen):
        switch.check()
    assert len(switch.thaw()) == 1


def test_what_cannot_be_removed_is_still_frozen(switch: Switch, inventory: Path) -> None:
    inventory.with_name("production.yml.frozen").mkdir()
    with pytest.raises(Refused, match=r"^still frozen by"):
        switch.thaw()
    with pytest.raises(Frozen):
        switch.check()


def test_where_nothing_can_stand_beside_the_inventory_ones_own_runs_are_held_back(
    switch: Switch, inventory: Path
) -> None:
    inventory.parent.chmod(0o555)
    with modes_count():
        one = freeze(switch)
        assert not one.is_shared
        with pytest.raises(Frozen):
            switch.check()
        assert len(switch.thaw()) == 1
        switch.check()


def test_where_it_can_be_put_nowhere_that_is_said_and_no_success(
    switch: Switch, inventory: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file")
    inventory.parent.chmod(0o555)
    with modes_count(), pytest.raises(Refused, match=r"^NOT frozen, runs go on: .*production.yml.frozen: Permission"):
        freeze(switch)


def test_where_it_cannot_be_told_whether_it_is_frozen_it_is(switch: Switch, inventory: Path) -> None:
    inventory.parent.chmod(0o000)
    try:
        with modes_count(), pytest.raises(Frozen, match=r"frozen by somebody, perhaps: .* cannot be looked at"):
            switch.check()
    finally:
        inventory.parent.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_takes_it_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        (folder / "hosts.yml").write_text("all: {hosts: {web1: }}\n")
        with (folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        switch = Switch(inventory=folder / "hosts.yml")
        assert freeze(switch).is_shared
        with pytest.raises(Frozen):
            switch.check()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_name_that_could_not_stand_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    inventory = tmp_path / ("n" * 250 + ".yml")
    inventory.write_text("all: {hosts: {web1: }}\n")
    switch = Switch(inventory=inventory)
    switch.check()
    assert not freeze(switch).is_shared
    with pytest.raises(Frozen):
        switch.check()


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_what_is_known_to_be_a_secret_is_not_written_into_the_file_that_everybody_reads(switch: Switch) -> None:
    learn("canary-value")
    frozen = freeze(switch, because="the password was canary-value")
    assert frozen.because == f"the password was {HIDDEN}"
    assert "canary" not in frozen.file.read_text()
    with pytest.raises(Frozen) as stopped:
        switch.check()
    assert f": the password was {HIDDEN}. Nothing was sent" in str(stopped.value)


@pytest.mark.parametrize("before", range(986, 1001))
def test_no_piece_of_a_secret_is_left_wherever_a_long_reason_is_cut(switch: Switch, before: int) -> None:
    learn("canary-value")
    frozen = freeze(switch, because="x" * before + "canary-value")
    assert "ca" not in frozen.because
    assert "ca" not in frozen.file.read_text().replace("because", "")


def test_a_secret_in_a_file_that_somebody_else_put_there_is_hidden_from_whoever_is_stopped(
    switch: Switch, inventory: Path
) -> None:
    learn("canary-value", "canary name")
    text = '{"by": "canary name", "since": "canary-value", "because": "%scanary-value"}' % ("x" * 995)
    inventory.with_name("production.yml.frozen").write_text(text)
    assert "ca" not in str(switch.found()).replace("because", "")
