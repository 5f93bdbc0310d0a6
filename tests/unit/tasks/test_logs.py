from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.logs import Log, LogsSeen
from soleil_remediate.plan import Preserve, Risk
from soleil_remediate.task import Health
from soleil_remediate.tasks.logs import CUT_OPEN_FILE, TruncateLog
from soleil_remediate.units import ByteSize, KiB, MiB
from tests.unit.facts.answers import captured, record, said, see
from tests.unit.tasks.values import SRV, descriptor, file, file_system, file_systems, nothing, refusal

PATH = Path("/srv/app/laravel.log")
TASK = TruncateLog(path=PATH, larger_than=MiB(10))


def log(size: float = 100, name: str = "laravel.log", **other: Any) -> Log:
    said: dict[str, Any] = {
        "path": PATH.with_name(name),
        "writers": (),
        "newest_lines": KiB(100),
        "shared": ByteSize(0),
    }
    known = {key: other.pop(key) for key in list(other) if key in said}
    return Log(file=file(f"/srv/app/{name}", size, **other), **{**said, **known})


def seen(*logs: Log) -> LogsSeen:
    return LogsSeen(file_systems=file_systems(), logs=logs)


def test_a_large_log_is_cut_to_its_newest_part_and_the_rest_saved_first() -> None:
    plan = TASK.plan(seen(log(writers=(descriptor(12), descriptor(13), descriptor(12)))))
    (change,) = plan.changes
    assert change.command.words[-5:] == ("cut-open-file", str(PATH), f"{SRV}:10", str(2**20), "1000")
    assert change.risk is Risk.DESTRUCTIVE
    assert change.preserve == Preserve(path=PATH, identity=log().file.identity, size=MiB(100))
    assert [(one.subject, one.amount) for one in change.relieves] == [("space on /srv", "99 MiB")]
    assert (change.before, change.after) == ("100 MiB", "about 1 MiB")
    assert change.keeps.endswith("writers (12, 13) carry on")
    assert change.undo.command is None
    assert plan.because == f"{PATH} takes 100 MiB, over 10 MiB"
    assert TASK.judge(seen(log())).health is Health.FAULTY


def test_a_log_that_grew_meanwhile_is_the_same_plan() -> None:
    assert TASK.plan(seen(log(100))) == TASK.plan(seen(log(200, newest_lines=KiB(300))))


def test_long_newest_lines_all_stay() -> None:
    (change,) = TASK.plan(seen(log(newest_lines=MiB(3)))).changes
    assert change.after == "about 3 MiB"


def test_what_a_snapshot_holds_as_well_is_not_promised() -> None:
    (change,) = TASK.plan(seen(log(shared=MiB(49)))).changes
    assert [one.amount for one in change.relieves] == ["50 MiB"]


@pytest.mark.parametrize(
    "other, why",
    [
        ({"is_stopped": True}, "is on /srv, where the kernel stopped all writing after an error"),
        ({"is_read_only": True}, "is on /srv, which is mounted read only"),
    ],
)
def test_nothing_is_cut_where_nothing_can_be_written(other: dict[str, Any], why: str) -> None:
    one = LogsSeen(file_systems=file_systems(file_system(**other)), logs=(log(),))
    assert refusal(TASK, one) == f"{PATH} {why}"


def test_a_log_within_its_limit_is_left_alone() -> None:
    assert nothing(TASK, seen()) == f"{PATH} does not exist"
    assert nothing(TASK, seen(log(10))) == f"{PATH} takes 10 MiB, within 10 MiB"
    assert TASK.plan(seen(log(10.001))).changes


def test_a_hole_takes_nothing() -> None:
    assert nothing(TASK, seen(log(100, allocated=MiB(1))))


@pytest.mark.parametrize(
    "one, why",
    [
        (log(is_named_plainly=False), "not UTF-8"),
        (log(path=Path("/etc/precious.log")), "symlink: name /etc/precious.log itself"),
        (log(links=2), "not a plain file of its own"),
        (log(0, type="l"), "not a plain file of its own"),
        (log(0, type="d"), "not a plain file of its own"),
        (log(writers=(descriptor(7, flags=0o1), descriptor(8))), "without O_APPEND by process 7: cut, it would grow"),
        (log(device=99, path=PATH), "no file system that was measured"),
        (log(newest_lines=FactError("tail: gone")), "cannot be measured: tail: gone"),
        (log(newest_lines=None), "cannot be measured"),
        (log(shared=MiB(50)), "50 MiB of /srv/app/laravel.log are in a snapshot or a copy of it as well"),
        (log(newest_lines=MiB(9.5)), "newest 1000 lines of /srv/app/laravel.log alone take 9.5 MiB"),
    ],
)
def test_what_could_go_wrong_is_refused(one: Log, why: str) -> None:
    unmeasured = LogsSeen(file_systems=file_systems(file_system("/other", 5)), logs=(one,))
    assert why in refusal(TASK, unmeasured if "measured" in why and "file system" in why else seen(one))


def test_of_several_logs_those_that_may_be_cut_are_cut() -> None:
    task = TruncateLog(path=PATH.with_name("*.log"), larger_than=MiB(10))
    links = log(0, "link.log", type="l")
    plan = task.plan(seen(log(name="a.log"), log(name="b.log", links=2), log(1, name="c.log"), links))
    assert [change.summary for change in plan.changes] == ["cut /srv/app/a.log to its newest 1 MiB"]
    assert nothing(task, seen(links, log(1, name="c.log"))) == "/srv/app/*.log takes 1 MiB, within 10 MiB"


def test_a_log_that_was_cut_stays_so_where_another_cannot_be() -> None:
    plan = TruncateLog(path=PATH.with_name("*.log"), larger_than=MiB(10)).plan(
        seen(log(name="a.log"), log(name="b.log"))
    )
    assert len(plan.changes) == 2
    assert not plan.is_one_repair


@pytest.mark.parametrize(
    "arguments, why",
    [
        ({"path": Path("laravel.log")}, "absolute"),
        ({"path": Path("/srv/../etc/passwd")}, "absolute"),
        ({"path": Path("/")}, "name a file"),
        ({"keep": MiB(10)}, "less than larger_than"),
        ({"keep": ByteSize(0)}, "must be something"),
        ({"keep_lines": 0}, "1 or more"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TruncateLog(**{"path": PATH, "larger_than": MiB(10), **arguments})


def test_what_is_read_is_what_is_judged() -> None:
    found = see(
        TASK.read(Reader()),
        ("mountinfo", captured("mountinfo")),
        ("df", captured("df")),
        ("realpath", said("/srv/app\0")),
        ("find /proc", said()),
        ("find -H", said(record(str(PATH), size=5, device=SRV))),
    )
    assert nothing(TASK, found) == f"{PATH} takes 5 B, within 10 MiB"


# ---- the script itself, on this machine's own disk


def cut(path: Here, saved: object, keep: int = 4096, lines: int = 10, **other: Any) -> subprocess.CompletedProcess[str]:
    info = path.stat()
    identity = other.get("identity", f"{info.st_dev}:{info.st_ino}")
    return subprocess.run(
        CUT_OPEN_FILE.bind(other.get("name", path), identity, keep, lines),
        input=str(saved),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.fixture
def path(tmp_path: Here) -> Here:
    path = tmp_path.resolve() / "odd 'na\"me $(x).log"
    path.write_text("".join(f"line {number:06}\n" for number in range(100_000)))
    path.chmod(0o640)
    return path


def test_the_front_goes_and_the_writer_carries_on(path: Here) -> None:
    before = path.stat()
    with path.open("a") as writer:
        writer.write("before\n")
        writer.flush()
        done = cut(path, saved=path.stat().st_size)
        writer.write("after\n")
    assert (done.returncode, done.stderr) == (0, "")
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)
    assert 4096 <= after.st_blocks * 512 <= 16384
    text = path.read_text().lstrip("\0")
    assert text.endswith("line 099999\nbefore\nafter\n")
    assert len(text) >= 4096
    assert done.stdout.split()[0].isdigit()


def test_nothing_beyond_what_was_saved_is_cut(path: Here) -> None:
    assert cut(path, saved=400_000).returncode == 0
    kept = path.read_text().lstrip("\0")
    assert len(kept) >= 800_000
    assert kept.endswith("line 099999\n")


def test_so_many_lines_stay_however_long(path: Here) -> None:
    assert cut(path, saved=path.stat().st_size, keep=1, lines=50_000).returncode == 0
    assert path.read_text().count("\n") >= 50_000


@pytest.mark.parametrize(
    "saved, other, why",
    [
        ("", {}, "no number"),
        ("12a", {}, "no number"),
        ("-5", {}, "no number"),
        ("0x10", {}, "no number"),
        ("010", {}, "no number"),
        (0, {}, "must stay"),
        (10**9, {}, "shorter than what was saved"),
        (1_200_000, {"identity": "1:2"}, "another file"),
        (1_200_000, {"keep": 2_000_000}, "must stay"),
        (1_200_000, {"lines": 200_000}, "must stay"),
    ],
)
def test_in_doubt_nothing_is_cut(path: Here, saved: object, other: dict[str, Any], why: str) -> None:
    before = path.read_bytes()
    done = cut(path, saved, **other)
    assert done.returncode == 75
    assert why in done.stderr
    assert done.stderr.endswith("nothing was cut\n")
    assert path.read_bytes() == before


LINES = "".join(f"line {number:06}\n" for number in range(100_000)).encode()


def receipt(content: bytes) -> str:
    return f"{len(content)} {hashlib.sha256(content[-65536:]).hexdigest()}\n"


def test_a_log_that_still_holds_what_was_saved_is_cut_however_much_longer_it_is(path: Here) -> None:
    with path.open("ab") as file:
        file.write(LINES)
    assert cut(path, receipt(LINES)).returncode == 0
    kept = path.read_bytes().lstrip(b"\0")
    assert kept.endswith(LINES)
    assert len(kept) < len(LINES) + 4096


def test_a_person_may_hand_over_what_sha256sum_prints(path: Here) -> None:
    by_hand = 'echo "$(wc -c <"$1") $(tail -c 65536 "$1" | sha256sum)"'
    said = subprocess.run(["sh", "-c", by_hand, "sh", str(path)], capture_output=True, text=True, check=True).stdout
    assert said == receipt(LINES).replace("\n", "  -\n")
    assert cut(path, said).returncode == 0


@pytest.mark.parametrize("size", [1, 65536, 65537])
def test_a_short_copy_is_compared_as_a_whole(path: Here, size: int) -> None:
    done = cut(path, receipt(LINES[:size]), keep=1, lines=1)
    assert done.returncode == (75 if size < 4096 else 0)
    assert size >= 4096 or "must stay" in done.stderr
    assert "written anew" in cut(path, receipt(b"x" * size), keep=1, lines=1).stderr


def test_a_log_that_was_emptied_in_place_and_grew_past_what_was_saved_is_not_cut(path: Here) -> None:
    saved = receipt(LINES)
    anew = LINES.replace(b"line", b"next") * 2
    with path.open("r+b") as file:
        file.truncate()
        file.write(anew)
    done = cut(path, saved)
    assert (done.returncode, path.read_bytes()) == (75, anew)
    assert "was emptied and written anew since it was saved: nothing was cut" in done.stderr


COPYTRUNCATE = """
import os, sys
path, size = sys.argv[1], int(sys.argv[2])
log = os.open(path, os.O_WRONLY | os.O_APPEND)
turn = 0
while True:
    turn += 1
    os.ftruncate(log, 0)
    for _ in range(size // 22_000):
        os.write(log, (b"%021d\\n" % turn) * 1000)
"""


def test_a_racer_that_empties_and_fills_the_log_all_the_time_never_loses_a_line_that_was_not_saved(path: Here) -> None:
    saved = receipt(LINES)
    info = path.stat()
    words = CUT_OPEN_FILE.bind(path, f"{info.st_dev}:{info.st_ino}", 4096, 10)
    racer = subprocess.Popen([sys.executable, "-c", COPYTRUNCATE, str(path), str(3 * len(LINES))])
    try:
        while path.read_bytes()[:1] != b"0":
            pass
        for _ in range(100):
            done = subprocess.run(words, input=saved, capture_output=True, text=True, check=False, timeout=20)
            assert done.returncode != 0, done.stdout
    finally:
        racer.kill()
        racer.wait()
    size, blocks = path.stat().st_size, path.stat().st_blocks
    assert blocks * 512 >= size // 4096 * 4096, "a hole: something was cut"


def test_another_way_to_the_same_file_is_refused(path: Here) -> None:
    link, hard, folder = (path.with_name(name) for name in ("link", "hard", "folder"))
    before = path.read_bytes()
    link.symlink_to(path.name)
    folder.symlink_to(".")
    for name in (link, folder / path.name):
        assert "reached through a link" in cut(path, 1_200_000, name=name).stderr
    hard.hardlink_to(path)
    assert "another file" in cut(path, 1_200_000).stderr
    assert cut(path, 1_200_000, name=path.with_name("none")).returncode != 0
    assert path.read_bytes() == before


RACER = """
import os, sys
folder, victim = sys.argv[1:]
os.chdir(folder)
while True:
    os.symlink(victim, "s"); os.rename("logs/a.log", "logs/real"); os.rename("s", "logs/a.log")
    os.unlink("logs/a.log"); os.rename("logs/real", "logs/a.log")
    os.link(victim, "h"); os.rename("logs/a.log", "logs/real"); os.rename("h", "logs/a.log")
    os.unlink("logs/a.log"); os.rename("logs/real", "logs/a.log")
    os.rename("logs", "logs.real"); os.symlink(os.path.dirname(victim), "logs")
    os.unlink("logs"); os.rename("logs.real", "logs")
"""


def test_a_racer_that_swaps_files_links_and_folders_never_gets_another_file_cut(tmp_path: Here) -> None:
    folder = tmp_path.resolve()
    (folder / "logs").mkdir()
    (folder / "precious").mkdir()
    victim, target = folder / "precious" / "a.log", folder / "logs" / "a.log"
    for one in (victim, target):
        one.write_text("line\n" * 100_000)
    info = victim.stat()
    # the worst case: while the plan was made, a swapped folder had the victim's own identity seen
    words = CUT_OPEN_FILE.bind(target, f"{info.st_dev}:{info.st_ino}", 4096, 10)
    racer = subprocess.Popen([sys.executable, "-c", RACER, str(folder), str(victim)])
    try:
        for _ in range(300):
            done = subprocess.run(words, input="500000", capture_output=True, text=True, check=False, timeout=20)
            assert done.returncode != 0, done.stdout
    finally:
        racer.kill()
        racer.wait()
    assert victim.stat().st_size == 500_000
    assert victim.stat().st_blocks == info.st_blocks
