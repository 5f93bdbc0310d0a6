from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.limits import MemoryLimit
from soleil_remediate.facts.memory import (
    Enough,
    Memory,
    NameUsers,
    ReadPressure,
    SampleProcesses,
    below,
    held_by,
    read_memory,
    refuse_unless_amounts,
    with_children,
)
from soleil_remediate.units import ByteSize, Duration, KiB, MiB, Percent
from tests.unit.facts.answers import ask_here, said, see
from tests.unit.facts.memory import CONTAINER, PHP, holder, memory, process, sampled
from tests.unit.facts.services import RESOURCES

SAMPLE, USERS, PRESSURE = SampleProcesses(Duration(2)), NameUsers((0, 33)), ReadPressure()
STALLED = "some avg10=9.00 avg60=9.00 avg300=9.00 total=9\nfull avg10=1.50 avg60=0.25 avg300=0.00 total=7\n"


@pytest.mark.parametrize(
    "what, words, available, total",
    [
        (memory(50), "50 MiB of 1 GiB available", 50, 1024),
        (memory(900, 1024, container=CONTAINER), "20 MiB of 512 MiB available (its container's limit)", 20, 512),
        (memory(10, 1024, container=CONTAINER), "10 MiB of 1 GiB available", 10, 1024),
    ],
)
def test_what_counts_is_the_machines_memory_or_what_a_containers_limit_leaves_of_it(
    what: Memory, words: str, available: int, total: int
) -> None:
    assert (what.in_words, what.available, what.total) == (words, MiB(available), MiB(total))


def test_swap_is_told() -> None:
    assert memory().swap_in_words == "none"
    assert memory(swap=1024).swap_in_words == "768 MiB of 1 GiB used"


@pytest.mark.parametrize(
    "available, total, is_missed",
    [(102, 1024, True), (103, 1024, False), (1023, 65536, True), (1024, 65536, False)],
)
def test_enough_is_a_share_and_on_a_large_host_an_amount(available: int, total: int, is_missed: bool) -> None:
    enough = Enough(least=Percent(10), enough=MiB(1024))
    assert enough.is_missed_by(memory(available, total)) is is_missed
    assert enough.why_missed(memory(50)) == "50 MiB of 1 GiB available, less than 102 MiB"


@pytest.mark.parametrize("least, enough", [(0, MiB(1)), (51, MiB(1)), (10, KiB(1023))])
def test_amounts_that_no_host_could_be_held_to_are_refused(least: float, enough: ByteSize) -> None:
    with pytest.raises(ValueError, match=r"must be|or more"):
        refuse_unless_amounts(Percent(least), enough)
    refuse_unless_amounts(Percent(50), MiB(1))


def test_memory_and_the_limit_of_a_container_are_asked_for_at_once() -> None:
    at = "/sys/fs/cgroup/memory"
    limit = said(f"{at}.max:{MiB(512):d}\n{at}.current:{MiB(492):d}\n", status=2)
    seen = see(read_memory(Reader()), ("/proc/loadavg", said(RESOURCES)), (at, limit), most_rounds=1)
    assert seen.container == MemoryLimit(limit=MiB(512), left=MiB(20))
    assert seen.in_words.startswith("20 MiB of 512 MiB available")


def test_for_how_long_everything_waited_for_memory() -> None:
    assert PRESSURE.answer(said(STALLED)) == ("1.50", "0.25", "0.00")
    assert PRESSURE.answer(said(status=2)) is None
    for answer in (said(""), said("full avg10=x\n"), said("some avg10=9.00 avg60=9.00 avg300=9.00 total=9\n")):
        with pytest.raises(FactError):
            PRESSURE.answer(answer)


def test_what_holds_memory_is_told_with_owner_unit_command_and_growth() -> None:
    worker, master, ended = SAMPLE.answer(
        sampled(
            process(60, "php-fpm8.2", uid=0, held=9000, words="php-fpm: master process (/etc/php/8.2/fpm.conf)\0"),
            process(61, "php-fpm8.2", parent=60, held=300_000, swapped=1000, started=900),
            process(62, "a) S 1", parent=60, held=40, group="/user.slice/session-4.scope"),
            process(2, "kthreadd", parent=0, held=-1),
            later={61: 311_240, 60: 9000},
        )
    )[:3]
    assert (worker.pid, worker.parent, worker.started, worker.name) == (61, 60, 900, "php-fpm8.2")
    assert (worker.uid, worker.unit, worker.held, worker.swapped) == (33, PHP, KiB(301_000), KiB(1000))
    assert (worker.grown, worker.words, worker.in_words) == (KiB(10_240), (), "php-fpm8.2")
    assert (master.pid, master.uid, master.grown) == (60, 0, 0)
    assert (ended.pid, ended.name) == (1, "systemd")
    (odd,) = (one for one in SAMPLE.answer(sampled(process(62, "a) S 1", held=9999))) if one.pid == 62)
    assert (odd.name, odd.grown, odd.unit) == ("a) S 1", None, PHP)


@pytest.mark.parametrize(
    "words, told",
    [
        (
            "php\0/srv/soleil/current/artisan\0queue:work\0redis\0--tries=3\0",
            "php /srv/soleil/current/artisan queue:work",
        ),
        ("php\0artisan\0horizon:work\0", "php artisan horizon:work"),
        ("/usr/bin/php\0../../x.php\0secret\0", "/usr/bin/php ../../x.php"),
        ("mysql\0-psecret\0/srv/x\0", "mysql"),
        ("python3\0report.py\0password\0", "python3 report.py"),
        ("worker --secret=1", "x"),
        ("", "x"),
    ],
)
def test_of_a_command_only_what_can_be_no_secret_is_told(words: str, told: str) -> None:
    (found,) = (one for one in SAMPLE.answer(sampled(process(9, "x", words=words))) if one.pid == 9)
    assert found.in_words == told


def test_a_process_that_ended_while_it_was_looked_at_is_left_out() -> None:
    text = sampled(process(9, "x")).text.replace("/proc/9/stat:", "/proc/9/cmdline:")
    assert [one.pid for one in SAMPLE.answer(said(text))] == [1]


@pytest.mark.parametrize(
    "answer, why",
    [
        (said("later\n"), "hidden: needs root"),
        (said(process(9, "x") + "later\n"), "hidden: needs root"),
        (said(process(1, "x", held=-1) + "later\n"), "no process holds any memory"),
        (said(process(1, "x")), "cannot be read"),
        (said("x\nlater\n"), "no line of a process"),
        (said(process(1, "x").replace("1024 kB", "1 GB") + "later\n"), "no amount of memory"),
        (said(process(1, "x") + "later\n", stderr="cut: no\n"), "cut: no"),
    ],
)
def test_what_is_no_sample_is_not_believed(answer: Output, why: str) -> None:
    with pytest.raises(FactError, match=why):
        SAMPLE.answer(answer)


def test_this_machines_processes_can_be_sampled() -> None:
    found = ask_here(SampleProcesses())
    assert {one.pid for one in found if one.pid == 1}
    assert found[0].held > 0


def test_a_processs_children_belong_to_it() -> None:
    tree = [holder(1, 1, parent=0), holder(2, 5, parent=1), holder(3, 7, parent=2), holder(9, 9, parent=8)]
    assert [one.pid for one in with_children((2,), tree)] == [2, 3]
    assert held_by(with_children((2,), tree)) == MiB(12)


def test_what_users_are_called() -> None:
    assert USERS.answer(said("root:x:0:0:root:/root:/bin/sh\n", status=2)) == {0: "root"}
    assert USERS.answer(said(status=2)) == {}
    for answer in (said("\n"), said("")):
        with pytest.raises(FactError):
            USERS.answer(answer)


@pytest.mark.parametrize(
    "root, word, is_below",
    [
        ("/srv/a/current", "/srv/a/current/artisan", True),
        ("/srv/a/current", "/srv/a/releases/1/artisan", True),
        ("/srv/a/current", "/srv/ab/artisan", False),
        ("/srv/a", "/srv/a", True),
        ("/srv/a", "/srv/b", False),
    ],
)
def test_whether_something_is_below_an_applications_folder(root: str, word: str, is_below: bool) -> None:
    assert below(Path(root), ["php", word]) is is_below
