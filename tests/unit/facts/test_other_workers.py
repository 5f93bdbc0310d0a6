from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.other_workers import FindOtherWorkers, OtherWorker
from soleil_remediate.units import Duration
from tests.unit.facts.answers import ask_here, said
from tests.unit.facts.other_workers import found, process

FIND = FindOtherWorkers(Path("/srv/app"))


@pytest.mark.parametrize(
    "about, is_meant",
    [
        ({}, True),
        ({"words": ("artisan", "queue:listen"), "folder": "/srv/app"}, True),
        ({"words": ("artisan", "horizon"), "folder": "/srv/app"}, True),
        ({"words": ("artisan", "queue:work"), "folder": "/srv/app/"}, True),
        ({"words": ("/srv/app/artisan", "queue:work"), "folder": ""}, True),
        ({"words": ("artisan", "queue:work"), "folder": ""}, False),
        ({"words": ("artisan", "queue:work"), "folder": "/srv/other"}, False),
        ({"words": ("/srv/application/artisan", "queue:work")}, False),
        ({"words": ("/srv/other/artisan", "queue:work"), "folder": "/srv/elsewhere"}, False),
        ({"words": ("/srv/app/artisan",)}, False),
        ({"words": ("queue:work", "/srv/app/artisan")}, False),
        ({"words": ("/srv/app/artisan", "/srv/app/artisan")}, False),
        ({"words": ("horizon",), "folder": "/srv/app"}, False),
        ({"words": ()}, False),
    ],
)
def test_a_worker_is_whoever_runs_the_applications_artisan_to_work_off_queues(
    about: dict[str, Any], is_meant: bool
) -> None:
    told = FIND.answer(found(process(71, unit="w.service", **about)))
    assert told == ((OtherWorker(pid=71, age=Duration(600), unit="w.service"),) if is_meant else ())


def test_beside_current_every_release_is_the_same_application() -> None:
    (one,) = FindOtherWorkers(Path("/srv/app/current")).answer(
        found(process(71, words=("artisan", "horizon"), folder="/srv/app/releases/41"))
    )
    assert (one.unit, one.in_words, one.is_lasting) == ("", "process 71", True)


def test_one_that_was_started_less_than_a_minute_ago_may_not_last() -> None:
    young, old, clock_of_another = FIND.answer(
        found(process(71, age=59), process(72, age=60, unit="w.service"), process(73, age=-5))
    )
    assert (young.is_lasting, old.is_lasting, old.in_words) == (False, True, "w.service")
    assert clock_of_another.age == 0


def test_what_a_process_calls_itself_is_no_time() -> None:
    """A name may hold a parenthesis, and an end of a line: what counts follows the last of them."""
    (one,) = FIND.answer(found(process(71, name="x) S 1 2\n/proc/71/stat:y) R 1 2 3")))
    assert one.age == 600


def test_a_folder_with_a_name_that_has_to_be_written_otherwise_is_nobodys() -> None:
    odd = found(process(71, words=("artisan", "queue:work"), folder="X"))
    told = said(odd.stdout.replace(b"'X'", b"'/srv/app/'$'\\n'"))
    assert FIND.answer(told) == ()


def test_one_that_ended_meanwhile_is_none() -> None:
    told = found(process(71))
    lines = told.stdout.split(b"\n")
    assert FIND.answer(said(b"\n".join(line for line in lines if not line.startswith(b"/proc/71/stat")))) == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"/proc/uptime:1.00 1.00\n",
        b"word\0\0/proc/uptime:1.00 1.00\n",
        b"\0/proc/uptime:1.00\n",
        b"\0/proc/71/else:x\n/proc/uptime:1.00 1.00\n",
        b"\0/proc/uptime:1.00 1.00\n/proc/71/stat:",
        b"/proc/71/cmdline:artisan\0/proc/uptime:1.00 1.00\n",
    ],
)
def test_what_is_told_of_processes_is_checked(text: bytes) -> None:
    with pytest.raises(FactError):
        FIND.answer(said(text))


def test_a_real_host_tells_of_its_processes() -> None:
    assert isinstance(ask_here(FIND), tuple)
