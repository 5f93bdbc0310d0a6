from __future__ import annotations

import time
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.octane import ListArtisan, Octane, ReadBoot, ReadServerState, ReadStart, read_octane
from tests.unit.facts.answers import ask_here, record, said, see

ROOT = Path("/srv/app")
STATE = ReadServerState(ROOT)
GONE = "cat: /srv/app/storage/logs/octane-server-state.json: No such file or directory\n"
STAT = "812 (a) (b) S 1 812 812 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 4711 1 1 1\n"
LIST = "list            List commands\noctane:reload   Reload the Octane workers\n"


def test_octane_is_known_by_the_process_that_it_wrote_down() -> None:
    assert STATE.answer(said('{"masterProcessId":812,"managerProcessId":813,"state":{}}')) == 812
    assert STATE.answer(said(status=1, stderr=GONE)) is None


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"masterProcessId":null}', '{"masterProcessId":true}', '{"masterProcessId":1}', "{"]
)
def test_a_state_without_a_process_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        STATE.answer(said(text))


def test_a_process_has_a_start_and_a_zombie_or_none_has_not() -> None:
    assert ReadStart(812).answer(said(STAT)) == 4711
    assert ReadStart(812).answer(said(STAT.replace(" S ", " Z "))) is None
    assert ReadStart(812).answer(said(status=1, stderr="cat: /proc/812/stat: No such file or directory\n")) is None


def test_artisan_is_asked_as_the_applications_own_user() -> None:
    command = ListArtisan(ROOT, "www-data").command
    assert command.words == ("php", "/srv/app/artisan", "list", "--raw", "--no-interaction")
    assert (command.user, command.is_slow) == ("www-data", True)


def test_what_artisan_complains_of_is_no_list_even_if_it_ends_with_0() -> None:
    assert ListArtisan(ROOT, "www-data").answer(said(LIST)) == {"list", "octane:reload"}
    for text in ("The stream or file could not be opened\n", "list\n[error] x\n"):
        with pytest.raises(FactError, match="no list of commands"):
            ListArtisan(ROOT, "www-data").answer(said(text))


WRITTEN = 1_700_000_000


def answers(
    *, booted: int = WRITTEN - 47, owner: str = "www-data", stat: Output | None = None, commands: Output | None = None
) -> tuple[tuple[str, Output], ...]:
    """What a host answers whose process 812 was started 47.11 s after the host itself."""
    return (
        ("cat -- /srv/app/storage/logs/octane-server-state.json", said('{"masterProcessId":812}')),
        ("find /srv/app/storage", said(record(str(ROOT / "storage/logs/o.json"), modified=WRITTEN))),
        ("/proc/812/stat", stat or said(STAT)),
        ("find /proc/812", said(record("/proc/812", kind="d", owner=owner))),
        ("/proc/stat", said(f"btime {booted}\n")),
        ("artisan list", commands or said(LIST)),
    )


def test_an_octane_that_runs_is_read_in_two_round_trips() -> None:
    seen = see(read_octane(Reader(), ROOT, "www-data"), *answers(owner="deploy"))
    assert seen == Octane(pid=812, started=4711, user="deploy", commands=frozenset({"list", "octane:reload"}))


@pytest.mark.parametrize("late, is_it", [(9, True), (10, False), (86400, False)])
def test_a_process_that_is_younger_than_what_was_written_down_is_another_one(late: int, is_it: bool) -> None:
    seen = see(read_octane(Reader(), ROOT, "www-data"), *answers(booted=WRITTEN - 47 + late))
    assert (seen is not None) is is_it


def test_when_the_host_was_started_is_told_by_its_kernel() -> None:
    assert 0 < ask_here(ReadBoot()) < time.time()
    with pytest.raises(FactError):
        ReadBoot().answer(said("ctxt 1\n"))


def test_one_that_never_ran_or_is_gone_is_none() -> None:
    assert see(read_octane(Reader(), ROOT, "www-data"), ("state.json", said(status=1, stderr=GONE))) is None
    gone = said(status=1, stderr="cat: /proc/812/stat: No such file or directory\n")
    assert see(read_octane(Reader(), ROOT, "www-data"), *answers(stat=gone)) is None


def test_an_artisan_that_cannot_be_asked_hides_no_octane() -> None:
    seen = see(read_octane(Reader(), ROOT, "www-data"), *answers(commands=said(status=127)))
    assert seen is not None
    assert isinstance(seen.commands, FactError)
