from __future__ import annotations

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.transports import Operation, Progress
from soleil_remediate.transports.operations import in_time, is_operation_id, read_operation, wait_times
from soleil_remediate.units import Duration


@pytest.mark.parametrize(
    "said, operation",
    [
        (b"running\n", Operation(progress=Progress.RUNNING)),
        (b"lost\n", Operation(progress=Progress.LOST)),
        (b"never-begun\n", Operation(progress=Progress.NEVER_BEGUN)),
        (b"done 0 0\n", Operation(progress=Progress.DONE, output=Output(exit_status=0))),
        (
            b"done 3 0\nsaid\n\xff",
            Operation(progress=Progress.DONE, output=Output(exit_status=3, stdout=b"said\n\xff")),
        ),
        (b"done 0 65536\nx", Operation(progress=Progress.DONE, output=Output(exit_status=0, stdout=b"x"))),
        (b"done 0 65546\nx", Operation(progress=Progress.DONE, output=Output(exit_status=0, stdout=b"x", cut=10))),
    ],
)
def test_what_the_host_says_of_an_operation_is_read(said: bytes, operation: Operation) -> None:
    assert read_operation("op", Output(exit_status=0, stdout=said)) == operation


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"\n", b"done\n", b"done 0\n", b"done x 0\n", b"done 256 0\n", b"done -1 0\n", b"done 0 0 0\n"),
        *(b"DONE 0 0", b"runningx", b"\xff"),
    ],
)
def test_anything_else_is_no_answer(said: bytes) -> None:
    with pytest.raises(FactError, match="cannot be read"):
        read_operation("op", Output(exit_status=0, stdout=said, stderr=b"why"))


def test_who_may_still_begin_it_is_named() -> None:
    with pytest.raises(FactError, match=r"still holds the lock \(jan@laptop since then\)"):
        read_operation("op", Output(exit_status=0, stdout=b"unclear jan@laptop since then\n"))


@pytest.mark.parametrize("text", ["a", "7f3a-01-02", "A.b_c-9", "0" * 128])
def test_a_file_name_may_be_an_operations_id(text: str) -> None:
    assert is_operation_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", "-a", "_a", "a/b", "a b", "a\n", "é", "0" * 129, "a\0"])
def test_nothing_else_may_be_one(text: str) -> None:
    assert not is_operation_id(text)


@pytest.mark.parametrize("status, took, expected", [(137, 5.0, 124), (137, 4.9, 137), (0, 9.0, 0), (124, 5.0, 124)])
def test_only_what_was_killed_after_its_deadline_ran_out_of_time(status: int, took: float, expected: int) -> None:
    assert in_time(Output(exit_status=status), Duration(5), took).exit_status == expected


@pytest.mark.parametrize("deadline", [0.1, 2, 60, 3600])
def test_a_change_is_waited_for_beyond_its_deadline_and_not_for_ever(deadline: float) -> None:
    times = list(wait_times(Duration(deadline)))
    assert deadline + 30 <= sum(times) <= deadline + 40
    assert max(times) <= 5
    assert times == sorted(times)
