from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.facts.deleted import DeletedFile, Holder
from soleil_remediate.facts.processes import DescribeProcesses, Process
from soleil_remediate.plan import FileIdentity, Risk
from soleil_remediate.tasks.open_files import ASK_TO_REOPEN, ReopenFile
from soleil_remediate.units import MiB
from tests.unit.facts.answers import ask_here, captured, complaint, see
from tests.unit.tasks.values import descriptor, file_system, nothing, refusal

TASK = ReopenFile()
NGINX = Path("/usr/sbin/nginx")


def holder(pid: int, parent: int, name: str = "nginx", program: Path | None = NGINX) -> Holder:
    process = Process(pid=pid, parent=parent, started=1000 + pid, name=name, unit=f"{name}.service")
    return Holder(descriptor=descriptor(pid), process=process, program=program)


def ended(pid: int) -> Holder:
    return Holder(descriptor=descriptor(pid), process=None, program=None)


def deleted(*holders: Holder, size: float = 100, inode: int = 10, mount: str = "/srv") -> DeletedFile:
    return DeletedFile(
        path=Path(f"{mount}/{inode}.log"),
        identity=FileIdentity(1796, inode),
        size=MiB(size),
        allocated=MiB(size),
        file_system=file_system(mount),
        holders=holders,
    )


def test_the_master_is_asked_once_for_all_that_it_and_its_workers_hold() -> None:
    family = holder(45, 44), holder(44, 1), holder(46, 44)
    plan = TASK.plan((deleted(*family), deleted(*family, size=20, inode=11), deleted(*family, inode=12, mount="/log")))
    (change,) = plan.changes
    assert change.command.words[3:] == (
        "ask-to-reopen", "44", "1044", str(NGINX), "USR1", "1796:10 1796:11 1796:12", "/log", "/srv"
    )  # fmt: skip
    assert change.risk is Risk.GENTLE
    assert [(one.subject, one.amount) for one in change.relieves] == [
        ("space on /log", "100 MiB"),
        ("space on /srv", "120 MiB"),
    ]
    assert change.before == "/log/12.log, /srv/10.log, /srv/11.log, deleted, 220 MiB"
    assert "held by nginx (44, nginx.service), nginx (45, nginx.service)" in plan.because


@pytest.mark.parametrize(
    "name, program, signal",
    [
        ("php-fpm8.2", "/usr/sbin/php-fpm8.2", "USR1"),
        ("php-fpm", "/usr/sbin/php-fpm", "USR1"),
        ("rsyslogd", "/usr/sbin/rsyslogd", "HUP"),
        ("supervisord", "/usr/bin/python3.11", "USR2"),
    ],
)
def test_each_known_program_has_its_own_signal(name: str, program: str, signal: str) -> None:
    (change,) = TASK.plan((deleted(holder(7, 1, name, Path(program))),)).changes
    assert change.command.words[7] == signal


@pytest.mark.parametrize(
    "holders",
    [
        (holder(7, 1, "java", Path("/usr/bin/java")),),
        (holder(7, 1, "worker", Path("/usr/bin/python3")),),
        (holder(7, 1, "nginx", Path("/tmp/nginx-lookalike")),),
        (holder(7, 1, "nginx", None),),
        (holder(44, 1), holder(45, 44), holder(7, 1, "tail", Path("/usr/bin/tail"))),
        (holder(44, 1), holder(45, 44, "other", Path("/usr/bin/other"))),
        (holder(44, 1), holder(54, 1)),
        (holder(44, 1), ended(45)),
        (ended(45),),
    ],
)
def test_whom_nobody_knows_how_to_ask_is_shown_and_left_alone(holders: tuple[Holder, ...]) -> None:
    why = refusal(TASK, (deleted(*holders),))
    assert why.startswith("nobody is known to reopen it: /srv/10.log is deleted and takes 100 MiB, held by ")
    assert str(holders[-1].descriptor.pid) in why


def test_those_who_can_be_asked_are_asked_whatever_others_hold() -> None:
    plan = TASK.plan((deleted(ended(9), inode=11), deleted(holder(44, 1)), deleted(holder(33, 1), inode=12)))
    assert [change.command.words[5] for change in plan.changes] == ["1033", "1044"]
    assert "/srv/11.log" in plan.because


def test_small_ones_are_left_alone() -> None:
    assert nothing(TASK, ()) == "no deleted file that is still open takes more than 1 MiB"
    assert nothing(TASK, (deleted(holder(44, 1), size=1),))


def test_a_real_hosts_nginx_is_known() -> None:
    rules = (
        ("mountinfo", captured("mountinfo")),
        ("df", captured("df")),
        ("find /proc /proc/1", captured("deleted-open", status=1, stderr=complaint("/proc/146/fd/6"))),
        ("stat -L", captured("deleted-stat")),
        ("flags", captured("deleted-flags")),
        ("cgroup", captured("deleted-processes")),
        ("exe", captured("deleted-programs")),
    )
    (change,) = TASK.plan(see(TASK.read(Reader()), *rules)).changes
    assert change.summary == "ask nginx (process 44) to reopen its logs (nginx(8))"


# ---- the script itself, with a process of our own

LOGGER = """
import os, signal, sys
path, obeys = sys.argv[1], sys.argv[2] == "obeys"
log = open(path, "a")
def reopen(number, frame):
    global log
    if obeys:
        log.close()
        log = open(path, "a")
signal.signal(signal.SIGUSR1, reopen)
os.unlink(path)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    log.close()
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture(params=["obeys"])
def logger(tmp_path: Here, request: pytest.FixtureRequest) -> Iterator[tuple[Process, str, Path]]:
    path = tmp_path / "a.log"
    path.write_text("x" * 5000)
    path.chmod(0o620)
    info = path.stat()
    words = [sys.executable, "-c", LOGGER, str(path), request.param]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as running:
        try:
            assert running.stdout is not None
            running.stdout.readline()
            process = ask_here(DescribeProcesses((running.pid,)))[running.pid]
            program = Path(Here(f"/proc/{running.pid}/exe").readlink())
            yield process, f"{info.st_dev}:{info.st_ino}", program
        finally:
            os.killpg(running.pid, 9)


def ask(asked: tuple[Process, str, Path], **other: object) -> subprocess.CompletedProcess[str]:
    process, identity, program = asked
    said = {"pid": process.pid, "started": process.started, "program": program, "place": "/dev/shm", **other}
    files = f"{identity} 1:2"
    words = ASK_TO_REOPEN.bind(said["pid"], said["started"], said["program"], "USR1", files, said["place"])
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=40)


def test_a_process_that_reopens_gives_the_space_back(logger: tuple[Process, str, Path], tmp_path: Here) -> None:
    done = ask(logger)
    assert (done.returncode, done.stdout, done.stderr) == (0, "signal USR1 sent, 0 descriptors still open\n", "")
    new = (tmp_path / "a.log").stat()
    assert (new.st_size, new.st_mode & 0o777) == (0, 0o620)


def test_a_log_that_somebody_else_began_meanwhile_is_left_as_it_is(
    logger: tuple[Process, str, Path], tmp_path: Here
) -> None:
    began = tmp_path / "a.log"
    began.touch(0o604)
    began.chmod(0o604)
    time.sleep(1.1)  # times of birth are compared by the second
    assert ask(logger).returncode == 0
    assert began.stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("logger", ["ignores"], indirect=True)
@pytest.mark.timeout(60)
def test_a_process_that_does_not_is_no_success(logger: tuple[Process, str, Path]) -> None:
    done = ask(logger)
    assert (done.returncode, done.stdout) == (1, "signal USR1 sent, 1 descriptors still open\n")


# ---- and on file systems that are full to the last block, which only root can make

#: Holds a deleted log, and another that is none; as supervisord does, it ends when it cannot write as it reopens.
DYING = """
import os, signal, sys
path, other = sys.argv[1:]
log, second = open(path, "ab", 0), open(other, "ab", 0)
def reopen(number, frame):
    global log, second
    for stream in (log, second):
        stream.write(b"reopened\\n" * 1000)
        stream.close()
    log, second = open(path, "ab", 0), open(other, "ab", 0)
signal.signal(signal.SIGUSR1, reopen)
os.unlink(path)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def full(tmp_path: Here) -> Iterator[tuple[Here, Here]]:
    """Two file systems of 2 MiB, each with a log that fills it."""
    if os.geteuid():
        pytest.skip("needs root: file systems are mounted")
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
        (folder / "a.log").write_bytes(b"x" * 2**21)
    try:
        yield folders
    finally:
        for folder in folders:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def dying(path: Here, other: Here, program: str = DYING) -> Iterator[tuple[Process, str, Path]]:
    info = path.stat()
    with subprocess.Popen([sys.executable, "-c", program, str(path), str(other)], stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            running.stdout.readline()
            process = ask_here(DescribeProcesses((running.pid,)))[running.pid]
            yield process, f"{info.st_dev}:{info.st_ino}", Path(Here(f"/proc/{running.pid}/exe").readlink())
            assert running.poll() is None, "it has ended"
        finally:
            running.kill()


def test_on_a_full_file_system_the_deleted_file_is_emptied_before_anybody_is_asked(
    full: tuple[Here, Here], tmp_path: Here
) -> None:
    log = full[0] / "a.log"
    with dying(log, tmp_path / "other.log") as asked:
        done = ask(asked, place=full[0])
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "signal USR1 sent after they were emptied, 0 descriptors still open\n"
        assert log.stat().st_size == 0
        assert os.statvfs(full[0]).f_bavail * 4096 == 2**21


def test_a_process_that_writes_to_another_full_file_system_is_not_asked(full: tuple[Here, Here]) -> None:
    one, two = full
    with dying(one / "a.log", two / "a.log") as asked:
        done = ask(asked, place=one)
        assert done.returncode == 75
        assert f"writes {two}/a.log as well, where there is no room: no signal was sent" in done.stderr
        assert os.statvfs(one).f_bavail == 0, "nothing was emptied either"


def test_memory_that_has_no_size_is_no_full_file_system(full: tuple[Here, Here], tmp_path: Here) -> None:
    """As OPcache holds some in every php-fpm."""
    held = f"import os; memory = os.fdopen(os.memfd_create('opcache_lock'), 'wb')\n{DYING}"
    with dying(full[0] / "a.log", tmp_path / "other.log", held) as asked:
        done = ask(asked, place=full[0])
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "other, why",
    [
        ({"started": 1}, "is another one by now: no signal was sent"),
        ({"program": "/usr/sbin/nginx"}, "runs another program by now: no signal was sent"),
        ({"pid": 4_100_000}, "has ended: no signal was sent"),
    ],
)
def test_another_process_gets_no_signal(
    logger: tuple[Process, str, Path], tmp_path: Here, other: dict[str, object], why: str
) -> None:
    done = ask(logger, **other)
    assert done.returncode == 75
    assert why in done.stderr
    assert not (tmp_path / "a.log").exists()
