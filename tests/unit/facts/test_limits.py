from __future__ import annotations

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.limits import MemoryLimit, Process, ReadMemoryLimit, ReadProcessState, ShowProcesses
from soleil_remediate.units import ByteSize, MiB
from tests.unit.facts.answers import ask_here, said

SHOW, LIMIT, STATE = ShowProcesses(("redis*.service",)), ReadMemoryLimit(), ReadProcessState(71)
_MISSING = "grep: /proc/71/status: No such file or directory\n"
V2, V1 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/memory"


def test_which_process_a_unit_has_and_how_much_memory_systemd_gives_to_it() -> None:
    answer = said(
        "Id=basic.target\n\nMemoryMax=infinity\nId=a.service\nMainPID=71\n\nMemoryMax=1048576\nId=b.service\nMainPID=0\n"
    )
    assert SHOW.answer(answer) == {"a.service": Process(pid=71), "b.service": Process(pid=0, limit=MiB(1))}


def test_what_a_process_does() -> None:
    assert STATE.answer(said("State:\tT (stopped)\n")) == "T"
    assert STATE.answer(said(status=2, stderr=_MISSING)) == ""
    assert ask_here(ReadProcessState(1)) in set("SRDI")
    with pytest.raises(FactError):
        STATE.answer(said("Name: x\n"))


@pytest.mark.parametrize(
    "answer, room",
    [
        (said(status=2), None),
        (said(f"{V2}.max:max\n{V2}.current:5\n"), None),
        (said(f"{V2}.max:1000\n{V2}.current:700\n{V2}.stat:inactive_file 200\n", status=2), 500),
        (said(f"{V2}.max:1000\n{V2}.current:1700\n", status=2), 0),
        (said(f"{V1}.limit_in_bytes:9223372036854771712\n{V1}.usage_in_bytes:5\n", status=2), None),
        (
            said(
                f"{V1}.limit_in_bytes:1000\n{V1}.usage_in_bytes:900\n{V1}.stat:inactive_file 1\n"
                f"{V1}.stat:total_inactive_file 300\n",
                status=2,
            ),
            400,
        ),
    ],
)
def test_how_much_more_a_container_may_take(answer: Output, room: int | None) -> None:
    limit = LIMIT.answer(answer)
    assert limit == (None if room is None else MemoryLimit(limit=ByteSize(1000), left=ByteSize(room)))


@pytest.mark.parametrize(
    "answer", [said("x\n"), said(f"{V2}.max:9\n"), said(status=2, stderr="grep: x: denied\n"), said(f"{V2}.max:-1\n")]
)
def test_a_limit_that_cannot_be_read_is_not_known(answer: Output) -> None:
    with pytest.raises(FactError):
        LIMIT.answer(answer)


def test_this_machines_own_limit_can_be_read() -> None:
    limit = ask_here(LIMIT)
    assert limit is None or 0 <= limit.left <= limit.limit
