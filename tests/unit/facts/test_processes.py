from __future__ import annotations

import os
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.processes import (
    DescribeProcesses,
    Descriptor,
    FindOpenFiles,
    OpenFile,
    ReadFlags,
    StatDescriptors,
    read_descriptors,
)
from soleil_remediate.plan import FileIdentity
from tests.unit.facts.answers import NOT_THERE, ask_here, captured, complaint, run_here, said, see

ONE = OpenFile(pid=12, fd=3, path=Path("/x"), is_deleted=False)
FIND = FindOpenFiles(("*/x",))


def deleted() -> tuple[OpenFile, ...]:
    ended = complaint("/proc/146/fd/6")
    return FindOpenFiles(("* (deleted)",)).answer(captured("deleted-open", status=1, stderr=ended))


def test_a_real_host_shows_who_holds_deleted_files() -> None:
    assert [(one.pid, one.fd, str(one.path)) for one in deleted() if "nginx" in str(one.path)] == [
        (44, 4, "/var/log/nginx/access.log"),
        (45, 4, "/var/log/nginx/access.log"),
        (46, 4, "/var/log/nginx/access.log"),
    ]
    assert all(one.is_deleted for one in deleted())


def test_a_real_hosts_descriptors_say_which_file_and_how_it_is_written() -> None:
    descriptors = see(
        read_descriptors(Reader(), deleted()),
        ("stat -L", captured("deleted-stat")),
        ("flags", captured("deleted-flags")),
    )
    nginx = [one for one in descriptors if one.pid == 45]
    assert [(one.links, one.is_written, one.is_appending) for one in nginx] == [(0, True, True)]
    assert nginx[0].allocated > 280 * 1024**2


def test_a_real_hosts_processes_have_a_start_a_parent_and_a_unit() -> None:
    found = DescribeProcesses((36, 44, 45, 46, 55, 56)).answer(captured("deleted-processes"))
    assert (found[45].name, found[45].parent, found[45].unit) == ("nginx", 44, "nginx.service")
    assert found[44].started > 0


def test_this_very_process_is_found_with_what_it_has_open(tmp_path: Here) -> None:
    path = tmp_path / "some [odd] name.log"
    with path.open("a") as file, path.open() as reader, path.open("r+") as careless:
        answer = run_here(FindOpenFiles(("*/some [[]odd[]] name.log",)).command)
        mine = [one for one in FIND.parse(Output(exit_status=0, stdout=answer.stdout)) if one.pid == os.getpid()]
        assert {one.fd for one in mine} == {file.fileno(), reader.fileno(), careless.fileno()}
        by_fd = {one.fd: one for one in see_here(mine)}
        assert by_fd[file.fileno()].is_appending
        assert not by_fd[reader.fileno()].is_written
        assert by_fd[careless.fileno()].is_written
        assert not by_fd[careless.fileno()].is_appending
        appending = by_fd[file.fileno()].identity
    info = path.stat()
    assert appending == FileIdentity(info.st_dev, info.st_ino)
    me = ask_here(DescribeProcesses((os.getpid(), 4_000_000)))
    assert me[os.getpid()].parent == os.getppid()
    assert set(me) == {os.getpid()}


def see_here(files: list[OpenFile]) -> tuple[Descriptor, ...]:
    stats, flags = run_here(StatDescriptors(tuple(files)).command), run_here(ReadFlags(tuple(files)).command)
    found = see(read_descriptors(Reader(), files), ("stat", stats), ("flags", flags))
    assert isinstance(found, tuple)
    return found


def test_nobody_is_an_answer_only_where_everybody_was_looked_at() -> None:
    assert FIND.answer(said()) == ()
    assert FIND.answer(said(status=1, stderr=complaint("/proc/77"))) == ()
    # process 1 writes no logs, and some sandboxes hide it even from root
    assert FIND.answer(said(status=1, stderr=complaint("/proc/1/fd/0", "Permission denied"))) == ()
    assert FIND.answer(said(status=1, stderr=complaint("/proc/1/fd/7"))) == ()


@pytest.mark.parametrize(
    "complaint, why",
    [
        (complaint("/proc/77/fd", "Permission denied"), "what 1 processes have open cannot be seen: needs root"),
        (complaint("/proc/1"), "hidden: needs root"),
        ("find: unknown predicate\n", "unknown predicate"),
        ("", "without a word"),
    ],
)
def test_who_may_be_missing_is_not_taken_for_nobody(complaint: str, why: str) -> None:
    with pytest.raises(FactError, match=why):
        FIND.answer(said(status=1, stderr=complaint))


def test_a_file_that_merely_looks_deleted_keeps_a_name() -> None:
    (one,) = FIND.answer(said("/proc/12/fd/3\t/srv/odd (deleted)\0"))
    assert (one.path, one.is_deleted) == (Path("/srv/odd"), True)
    (descriptor,) = see(
        read_descriptors(Reader(), [one]),
        ("stat", said("/proc/12/fd/3\t1\t2\t1\t10\t8\n")),
        ("flags", said("/proc/12/fdinfo/3:flags:\t0100001\n")),
    )
    assert descriptor.links == 1


def test_what_was_closed_meanwhile_is_not_there() -> None:
    gone = "stat: cannot statx '/proc/12/fd/3': No such file or directory\n"
    flags = "grep: /proc/12/fdinfo/3: No such file or directory\n"
    read = read_descriptors(Reader(), [ONE])
    assert see(read, ("stat", said(status=1, stderr=gone)), ("flags", said(status=2, stderr=flags))) == ()
    read = read_descriptors(Reader(), [ONE])
    half = ("stat", said("/proc/12/fd/3\t1\t2\t1\t10\t8\n")), ("flags", said(status=2, stderr=flags))
    assert see(read, *half) == ()
    assert see(read_descriptors(Reader(), []), most_rounds=0) == ()


def test_a_process_may_call_itself_anything() -> None:
    name = "a) S 1 1\n(b"
    rest = "S 7 " + " ".join(str(number) for number in range(100, 120))
    stat = "".join(f"/proc/12/stat:{line}\n" for line in f"12 ({name}) {rest}".split("\n"))
    found = DescribeProcesses((12,)).answer(said(stat))
    assert (found[12].name, found[12].parent, found[12].started, found[12].unit) == (name, 7, 117, None)


@pytest.mark.parametrize(
    "groups, unit",
    [
        (["0::/system.slice/nginx.service"], "nginx.service"),
        (["5:cpu:/x.service", "1:name=systemd:/user.slice/user-0.slice/session-3.scope"], "session-3.scope"),
        (["0::/"], None),
        (["0::/", "1:name=systemd:/a.service/b.service"], "b.service"),
    ],
)
def test_the_innermost_unit_counts(groups: list[str], unit: str | None) -> None:
    lines = [f"stat:12 (x) S 1 {' '.join('9' * 20)}", *(f"cgroup:{group}" for group in groups)]
    found = DescribeProcesses((12,)).answer(said("".join(f"/proc/12/{line}\n" for line in lines)))
    assert found[12].unit == unit


def test_only_the_processes_asked_about_are_answers() -> None:
    stat = f"stat:13 (x) S 1 {' '.join('9' * 20)}\n"
    assert DescribeProcesses((12,)).answer(said(f"/proc/13/{stat}")) == {}


@pytest.mark.parametrize(
    "query, text",
    [
        (FIND, "garbage\0"),
        (FIND, "/etc/passwd\t/x\0"),
        (StatDescriptors((ONE,)), "garbage\n"),
        (StatDescriptors((ONE,)), "/etc/passwd\t1\t2\t3\t4\t5\n"),
        (ReadFlags((ONE,)), "garbage\n"),
        (ReadFlags((ONE,)), "/proc/12/fdinfo/3:flags:\t9\n"),
        (DescribeProcesses((12,)), "garbage\n"),
        (DescribeProcesses((12,)), "/proc/12/stat:garbage\n"),
    ],
)
def test_garbage_is_an_error(query: Query[object], text: str) -> None:
    with pytest.raises(FactError):
        query.answer(said(text))
    with pytest.raises(FactError, match="is not there"):
        query.answer(NOT_THERE)
