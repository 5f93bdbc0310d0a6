from __future__ import annotations

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.oom_kills import CountKills, Kill, ReadKills
from soleil_remediate.units import Duration, KiB
from tests.unit.facts.answers import said
from tests.unit.facts.memory import PHP, entry, killed

KILLS, COUNT = ReadKills(Duration(900)), CountKills()
UNIT, OOMD = "fe6faa94e7774663a0da52717891d8ef", "d989611b15e44c9dbf31e3c81256e4ed"
HELD = KiB(409_600 + 1024)


def test_what_the_kernel_killed_is_told_with_its_unit_the_newest_last() -> None:
    newer, older = killed(62, at=2000), killed(61, at=1000, unit="session-4.scope", name="a) b (c")
    assert KILLS.answer(said(newer + older)) == (
        Kill(at=1000, pid=61, name="a) b (c", unit="session-4.scope", held=HELD),
        Kill(at=2000, pid=62, name="php-fpm8.2", unit=PHP, held=HELD),
    )


def test_what_systemd_says_of_a_unit_is_the_same_kill_or_one_of_its_own() -> None:
    in_container = killed(61, at=1000, unit="x").replace("/system.slice/x", "/")
    of_unit = entry("A process of this unit has been killed by the OOM killer.", at=1004, MESSAGE_ID=UNIT, UNIT=PHP)
    by_oomd = entry("systemd-oomd killed 3 process(es)", at=3000, MESSAGE_ID=OOMD, UNIT="nginx.service")
    assert KILLS.answer(said(in_container + of_unit + by_oomd)) == (
        Kill(at=1000, pid=61, name="php-fpm8.2", unit=PHP, held=HELD),
        Kill(at=3000, unit="nginx.service"),
    )
    assert [one.in_words for one in KILLS.answer(said(in_container + by_oomd))] == [
        "php-fpm8.2 61 (401 MiB)",
        "a process of nginx.service",
    ]


def test_other_words_of_the_kernel_are_none() -> None:
    assert (
        KILLS.answer(said(entry("Killed process accounting", at=1) + '{"__REALTIME_TIMESTAMP":"5","MESSAGE":[1]}'))
        == ()
    )


def test_none_is_an_answer_and_no_rights_are_not() -> None:
    assert KILLS.answer(said(status=1)) == KILLS.answer(said("-- No entries --\n")) == ()
    with pytest.raises(FactError, match="the journal cannot be read: No journal files were opened"):
        KILLS.answer(said(status=1, stderr="No journal files were opened due to insufficient permissions.\n"))


@pytest.mark.parametrize("answer", [said(""), said("1\n"), said("x", status=1), said("{}\n"), said("[]\n")])
def test_what_is_no_entry_is_not_believed(answer: Output) -> None:
    with pytest.raises(FactError):
        KILLS.answer(answer)


@pytest.mark.parametrize(
    "text, count",
    [
        ("/proc/vmstat:oom_kill 7\n", 7),
        ("/proc/vmstat:oom_kill 7\n/sys/fs/cgroup/memory/memory.oom_control:oom_kill 2\n", 2),
        ("/sys/fs/cgroup/memory.events:oom_kill 0\n/proc/vmstat:oom_kill 7\n", 0),
    ],
)
def test_how_many_the_kernel_counts_itself_in_a_container_its_own(text: str, count: int) -> None:
    assert COUNT.answer(said(text, status=2)) == count


def test_another_files_count_is_none() -> None:
    with pytest.raises(FactError):
        COUNT.answer(said("/tmp/x:oom_kill 1\n"))
