"""The run's record: on disk before anything is said to have happened, its owner's alone, readable after a crash."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from soleil_remediate import record as record_module
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, UnknownName
from soleil_remediate.events import (
    ChangeAnswered,
    ChangeUnanswered,
    CopyProgress,
    Event,
    GateAnswered,
    HostClaimed,
    HostEnded,
    RunStarted,
)
from soleil_remediate.host import Connection, Host
from soleil_remediate.host_outcomes import Fixed, HostOutcome, Refusal
from soleil_remediate.record import Record, RecordNotWritten, Runs, new_run
from soleil_remediate.report import HostReport
from soleil_remediate.units import Duration, MiB
from tests.unit import recorded
from tests.unit.reporters.samples import SAVED

RUN = "0123abcd"
needs_root = pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small disk")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class StandingClock(SystemClock):
    def now(self) -> datetime:
        return datetime(2031, 5, 6, 3, 14, 15, 926535, tzinfo=UTC)


def claimed(owner: str = "jan@laptop") -> Event:
    return HostClaimed(host="web1", owner=owner)


def started(*hosts: str) -> Event:
    return RunStarted(run=RUN, scenario="disk-full", hosts=hosts, operator="jan@laptop", inputs={"limit": MiB(1)})


def ended(name: str, outcome: HostOutcome) -> Event:
    return HostEnded(report=HostReport(host=Host(name=name, connection=Connection(address=name)), outcome=outcome))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "state" / "soleil-remediate")


@pytest.fixture
def record(runs: Runs) -> Iterator[Record]:
    with runs.begin(RUN, StandingClock()) as record:
        yield record


def file_of(runs: Runs, run: str = RUN) -> Path:
    return runs.folder / "runs" / f"{run}.jsonl"


# --- what is written --------------------------------------------------------------------------------------------------


def test_every_line_stands_on_its_own_with_its_number_and_its_time(runs: Runs, record: Record) -> None:
    with record:
        record.write(claimed())
        record.write(
            ChangeAnswered(host="web1", operation="o", exit_status=0, says="line\nline \u202e", took=Duration(1))
        )
    lines = [json.loads(line) for line in file_of(runs).read_text("ascii").splitlines()]
    assert lines[0] == {"format": 2, "run": RUN}
    assert [(line["n"], line["at"], line["type"]) for line in lines[1:]] == [
        (1, "2031-05-06T03:14:15.926+00:00", "HostClaimed"),
        (2, "2031-05-06T03:14:15.926+00:00", "ChangeAnswered"),
    ]


def test_progress_is_no_news(runs: Runs, record: Record) -> None:
    with record:
        record.write(CopyProgress(host="web1", step=0, path=Path("/l"), copied=MiB(1), total=MiB(2)))
    assert runs.read(RUN) == ()


def test_a_line_is_in_the_file_when_write_returns(runs: Runs, record: Record) -> None:
    with record:
        record.write(claimed())
        assert [line["type"] for line in runs.read(RUN)] == ["HostClaimed"]


@needs_strace
@pytest.mark.timeout(60)
def test_a_line_is_on_disk_before_anything_else_happens(tmp_path: Path) -> None:
    """The order of system calls: each write to the journal is synced before the next thing this process does."""
    script = tmp_path / "writes.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from soleil_remediate.clock import SystemClock\n"
        "from soleil_remediate.events import HostClaimed\n"
        "from soleil_remediate.record import Runs\n"
        "record = Runs(Path(sys.argv[1])).begin('0123abcd', SystemClock())\n"
        "os.write(2, b'BEGUN')\n"
        "record.write(HostClaimed(host='web1', owner='jan'))\n"
        "os.write(2, b'SAID')\n"
    )
    trace = tmp_path / "trace"
    subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=write,fsync,openat", "-o", trace, sys.executable, script, tmp_path / "s"],
        check=True,
        capture_output=True,
        timeout=50,
    )
    calls = []
    for line in trace.read_text().splitlines():
        for pattern, name in [
            (r"write\(\d+<[^>]*0123abcd\.jsonl>", "write journal"),
            (r"fsync\(\d+<[^>]*0123abcd\.jsonl>", "sync journal"),
            (r"fsync\(\d+<[^>]*/runs>", "sync folder"),
            (r"write\(2.*BEGUN", "begun"),
            (r"write\(2.*SAID", "said"),
        ]:
            if re.search(pattern, line):
                calls.append(name)
    assert calls == ["write journal", "sync journal", "sync folder", "begun", "write journal", "sync journal", "said"]


def test_lines_of_several_threads_are_whole_and_numbered_without_a_gap(runs: Runs, record: Record) -> None:
    begin = threading.Barrier(8, timeout=20)

    def write(who: int) -> None:
        begin.wait()
        for number in range(25):
            record.write(claimed(f"{who} {number} " + "x" * 5000))

    with record, ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(write, who) for who in range(8)]:
            future.result(timeout=40)
    lines = runs.read(RUN)
    assert [line["n"] for line in lines] == list(range(1, 201))
    assert len({line["owner"] for line in lines}) == 200


def test_what_comes_after_the_end_is_refused_and_not_written_elsewhere(record: Record) -> None:
    record.close()
    record.close()
    with pytest.raises(RecordNotWritten, match="closed"):
        record.write(claimed())


def test_a_record_that_is_not_written_refuses_and_does_not_fail(record: Record) -> None:
    assert RecordNotWritten.exit_status is ExitStatus.DECLINED


# --- the format, as it is written down --------------------------------------------------------------------------------


@pytest.fixture
def whole(runs: Runs, record: Record) -> Path:
    """A record with every sort of line."""
    with record:
        for event in (*recorded.events(), *recorded.watched(), *recorded.resumed()):
            record.write(event)
    return file_of(runs)


def rows() -> dict[str, str]:
    """Return what the module's docstring says about each sort of line."""
    table, name = dict[str, str](), ""
    for line in (record_module.__doc__ or "").splitlines():
        if (row := re.fullmatch(r"    ([A-Z][A-Za-z]+) +(.*)", line)) is not None:
            name = row[1]
            table[name] = row[2]
        elif line.startswith(" " * 10) and name:
            table[name] += f" {line.strip()}"
        else:
            name = ""
    return table


def test_what_is_written_down_about_the_format_names_every_field_of_every_line(whole: Path) -> None:
    lines = [json.loads(line) for line in whole.read_text("ascii").splitlines()[1:]]
    assert set(rows()) == {event.__name__ for event in get_args(Event)} - {"CopyProgress"}
    assert {line["type"] for line in lines} == set(rows())
    for line in lines:
        missing = [
            name
            for name in line
            if name not in ("n", "at", "type") and not re.search(rf"\b{name}\b", rows()[line["type"]])
        ]
        assert missing == [], line["type"]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_commands_that_are_written_down_print_what_they_promise(whole: Path) -> None:
    commands = [line.strip() for line in (record_module.__doc__ or "").splitlines() if line.startswith("    jq ")]
    said = []
    for command in commands:
        words = shlex.split(command)
        assert words[-1] == "1a2b3c4d.jsonl"
        done = subprocess.run([*words[:-1], whole], capture_output=True, text=True, check=True, timeout=20)
        said.append([line.split("\t")[:2] for line in done.stdout.splitlines()])
    copy = "/home/jan/.local/state/soleil-remediate/evidence/7f3a19c2/web1-3-0-log.gz"
    assert said == [
        [["web3", "UNREACHABLE"], ["web1", "FIXED"], ["web2", "UNKNOWN"], ["web2", "NOT FIXED"]],
        [["web1", recorded.OPERATION]],
        [[f"{SAVED.sha256}  {copy}"]],
    ]


# --- for its owner alone ----------------------------------------------------------------------------------------------


def test_only_their_owner_can_read_the_records(runs: Runs, record: Record) -> None:
    before = os.umask(0)
    try:
        with record.create_copy("laravel.log") as copy:
            copy.finish()
    finally:
        os.umask(before)
    folders = [runs.folder, file_of(runs).parent, copy.path.parent, copy.path.parent.parent]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 4
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file_of(runs), copy.path)] == [0o600] * 2


@pytest.mark.parametrize("name", ["", "runs", "evidence"])
@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_where_somebody_else_may_write_no_run_begins_and_the_way_out_is_said(runs: Runs, name: str, mode: int) -> None:
    folder = runs.folder / name
    folder.mkdir(parents=True)
    folder.chmod(mode)
    with pytest.raises(RecordNotWritten, match="somebody else may write there") as caught:
        runs.begin(RUN, StandingClock())
    assert f"To go on: chmod go-w {folder}" in str(caught.value)
    assert "free space" not in str(caught.value)
    assert not file_of(runs).exists()


@pytest.mark.parametrize("name", ["", "runs", "evidence"])
def test_where_a_link_leads_elsewhere_no_run_begins(runs: Runs, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    link = runs.folder / name
    link.parent.mkdir(parents=True, mode=0o700)
    link.symlink_to(elsewhere)
    with pytest.raises(RecordNotWritten, match=f"{link} is a link"):
        runs.begin(RUN, StandingClock())
    assert list(elsewhere.iterdir()) == []


def test_an_earlier_record_is_never_overwritten(runs: Runs, record: Record) -> None:
    with record:
        record.write(claimed())
    before = file_of(runs).read_bytes()
    with pytest.raises(RecordNotWritten):
        runs.begin(RUN, StandingClock())
    assert file_of(runs).read_bytes() == before


@pytest.mark.parametrize("is_dangling", [True, False])
def test_a_symlink_in_the_way_is_not_followed(runs: Runs, tmp_path: Path, is_dangling: bool) -> None:
    target = tmp_path / "precious"
    if not is_dangling:
        target.write_text("precious")
    file_of(runs).parent.mkdir(parents=True, mode=0o700)
    file_of(runs).symlink_to(target)
    with pytest.raises(RecordNotWritten):
        runs.begin(RUN, StandingClock())
    assert target.exists() is not is_dangling
    assert is_dangling or target.read_text() == "precious"


# --- full and broken disks --------------------------------------------------------------------------------------------


def in_a_small_disk(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run *code* with ``state`` on a disk of 64 KiB, in a mount namespace of its own that ends with it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from soleil_remediate.clock import SystemClock\n"
        "from soleil_remediate.events import HostClaimed\n"
        "from soleil_remediate.record import *\n"
        f"state = Path({str(disk)!r})\n"
        "def fill():\n"
        "    with (state / 'ballast').open('wb', buffering=0) as file:\n"
        "        try:\n"
        "            while file.write(b'x' * 4096): pass\n"
        "        except OSError: pass\n" + code
    )
    mounted = 'mount -t tmpfs -o size=64k,mode=700 none "$1" && exec "$2" "$3"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", str(disk), sys.executable, str(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )


@needs_root
def test_on_a_full_disk_no_run_begins_and_none_is_listed(tmp_path: Path) -> None:
    done = in_a_small_disk(
        tmp_path,
        "(state / 'runs').mkdir(mode=0o700)\n"
        "fill()\n"
        "try:\n"
        "    Runs(state).begin('0123abcd', SystemClock())\n"
        "except RecordNotWritten as error:\n"
        "    print(error)\n"
        "print(Runs(state).list(), list((state / 'runs').iterdir()))\n",
    )
    assert done.returncode == 0, done.stderr
    assert "No space left on device" in done.stdout
    assert "To go on: free space there" in done.stdout
    assert done.stdout.endswith("() []\n")


@needs_root
def test_a_disk_that_fills_up_refuses_every_line_from_then_on_and_half_a_line_never_counts(tmp_path: Path) -> None:
    done = in_a_small_disk(
        tmp_path,
        "record = Runs(state).begin('0123abcd', SystemClock())\n"
        "record.write(HostClaimed(host='web1', owner='kept'))\n"
        "fill()\n"
        "refused = 0\n"
        "for attempt in range(20):\n"
        "    try:\n"
        "        record.write(HostClaimed(host='web1', owner='x' * 9000))\n"
        "    except RecordNotWritten as error:\n"
        "        refused += 1\n"
        "(state / 'ballast').unlink()\n"
        "try:\n"
        "    record.write(HostClaimed(host='web1', owner='after'))\n"
        "except RecordNotWritten as error:\n"
        "    print(error)\n"
        "print(refused, [line['owner'] for line in Runs(state).read('0123abcd')])\n",
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written: No space left on device" in done.stdout
    assert done.stdout.endswith("20 ['kept']\n")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_half_a_last_line_is_left_out(runs: Runs, record: Record) -> None:
    with record:
        record.write(claimed())
        record.write(claimed())
    whole = file_of(runs).read_bytes()
    second = whole.rindex(b'{"n":2')
    for cut in range(second, len(whole)):
        file_of(runs).write_bytes(whole[:cut])
        assert [line["n"] for line in runs.read(RUN)] == [1]
    file_of(runs).write_bytes(whole)
    assert [line["n"] for line in runs.read(RUN)] == [1, 2]


@pytest.mark.parametrize("prefix", ["0", "0123", RUN])
def test_a_run_is_found_by_the_beginning_of_its_name(runs: Runs, record: Record, prefix: str) -> None:
    record.write(claimed())
    assert len(runs.read(prefix)) == 1


@pytest.mark.parametrize("prefix", ["", "9", "0123abcde", "../runs/0123abcd", "0123ABCD", "*"])
def test_a_name_that_is_no_runs_is_unknown(runs: Runs, record: Record, prefix: str) -> None:
    with pytest.raises(UnknownName):
        runs.read(prefix)


def test_a_beginning_of_several_names_is_ambiguous_and_says_which(runs: Runs) -> None:
    for run in ("aaaa0000", "aaaa1111", "bbbb0000"):
        runs.begin(run, StandingClock()).close()
    with pytest.raises(ConfigError, match="aaaa0000, aaaa1111"):
        runs.read("aaaa")
    assert runs.read("b") == ()


def test_runs_are_listed_newest_first_with_what_became_of_each_host(runs: Runs) -> None:
    class Ticking(StandingClock):
        def __init__(self, hour: int) -> None:
            self.hour = hour

        def now(self) -> datetime:
            return datetime(2031, 5, 6, self.hour, tzinfo=UTC)

    with runs.begin("aaaaaaaa", Ticking(3)) as one:
        one.write(started("web1", "web2"))
        one.write(ended("web1", Fixed(why="w")))
        one.write(ended("web2", Fixed(why="w")))
    with runs.begin("bbbbbbbb", Ticking(5)) as one:
        one.write(started("web1", "web2"))
        one.write(ended("web1", Refusal(why="w")))
    with runs.begin("cccccccc", Ticking(4)) as one:
        one.write(started("web1"))
        one.write(ChangeUnanswered(host="web1", operation="o", why="cut"))
        one.write(GateAnswered(is_open=True, by="jan", approved=()))
    assert [(run.run, run.verdict) for run in runs.list()] == [
        ("bbbbbbbb", "DECLINED · unfinished"),
        ("cccccccc", "unfinished"),
        ("aaaaaaaa", "FIXED"),
    ]
    assert runs.list()[0].hosts == ("web1", "web2")
    assert (runs.list()[0].scenario, runs.list()[0].operator) == ("disk-full", "jan@laptop")


@pytest.mark.parametrize(
    "damage",
    [
        b"not json\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"HostEnded"}\n',
        b'{"type":"HostEnded","report":3}\n',
    ],
)
def test_one_damaged_record_hides_no_other(runs: Runs, record: Record, damage: bytes) -> None:
    with record:
        record.write(started("web1"))
    with file_of(runs).open("ab") as file:
        file.write(damage)
    runs.begin("ffffffff", StandingClock()).close()
    assert {run.run: run.verdict for run in runs.list()} == {RUN: "unreadable", "ffffffff": "unfinished"}


def test_a_damaged_record_says_in_which_line(runs: Runs, record: Record) -> None:
    with record:
        record.write(claimed())
    with file_of(runs).open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(ConfigError, match=r"0123abcd\.jsonl:3: "):
        runs.read(RUN)


def test_other_files_beside_the_records_are_not_runs(runs: Runs, record: Record) -> None:
    for name in ("notes.txt", "0123abcd.jsonl.bak", "xyz.jsonl", "0123ABCD.jsonl"):
        (file_of(runs).parent / name).write_text("{}\n")
    assert [run.run for run in runs.list()] == [RUN]


def test_where_nothing_ever_ran_nothing_is_listed_and_nothing_is_made(runs: Runs) -> None:
    assert runs.list() == ()
    assert not runs.folder.exists()


def test_two_runs_at_once_keep_two_records(runs: Runs) -> None:
    names = [new_run() for _ in range(8)]

    def one(run: str) -> None:
        with runs.begin(run, StandingClock()) as record:
            for _ in range(10):
                record.write(claimed(run))

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(one, run) for run in names]:
            future.result(timeout=40)
    for run in names:
        assert {line["owner"] for line in runs.read(run)} == {run}
        assert len(runs.read(run)) == 10


def test_a_runs_name_is_8_hexadecimal_digits() -> None:
    assert all(re.fullmatch("[0-9a-f]{8}", new_run()) for _ in range(100))
