from __future__ import annotations

import os
import subprocess
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.facts.disks import FileSystem
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.rotations import RotatedLog, RotationsSeen, Rule
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.rotations import ROTATE_LOG, RotateLog
from soleil_remediate.units import ByteSize, MiB
from tests.unit.facts.answers import captured, record, said, see
from tests.unit.tasks.values import SRV, file, file_system, file_systems, nothing, refusal

PATH = Path("/srv/app.log")
TASK = RotateLog(path=PATH, larger_than=MiB(10))
ROOMY = file_system(used=MiB(512))


def rule(*body: str, defaults: tuple[str, ...] = ("weekly", "rotate 4")) -> Rule:
    return Rule(source=Path("/etc/logrotate.d/app"), patterns=(str(PATH),), body=body, defaults=defaults)


COMPRESSING = rule("compress", "rotate 3")


def log(size: float = 100, *rotated: FileStat, by: Rule | None = COMPRESSING, **other: Any) -> RotatedLog:
    known = {key: other.pop(key) for key in ("path", "is_rule_trusted") if key in other}
    return RotatedLog(
        file=file(other.pop("name", str(PATH)), size, **other),
        rotated=rotated,
        rule=by,
        **{"path": PATH, "is_rule_trusted": True, **known},
    )


def seen(*logs: RotatedLog, disk: FileSystem = ROOMY, is_installed: bool = True) -> RotationsSeen:
    return RotationsSeen(logs=logs, is_installed=is_installed, file_systems=file_systems(disk))


def test_a_log_is_rotated_by_its_own_rule_alone_and_nothing_is_removed() -> None:
    old = tuple(file(f"{PATH}.{number}.gz") for number in range(1, 6))
    by = rule("  maxage 30", "  compress", "  rotate 3", "  postrotate", "    reload", "  endscript")
    plan = TASK.plan(seen(log(100, *old, by=by)))
    (change,) = plan.changes
    assert change.command.words[-3:] == ("rotate-log", str(PATH), f"{SRV}:10")
    assert change.command.stdin == (
        'weekly\nrotate 4\n"/srv/app.log" {\n  compress\n  rotate 3\n  postrotate\n    reload\n  endscript\n'
        "    rotate 6\n}\n"
    )
    assert (change.risk, change.downtime) == (Risk.DISRUPTIVE, "what the rule's own script does")
    assert [(one.subject, one.amount) for one in change.relieves] == [("space on /srv", "about 80 MiB")]
    assert change.after == "begun anew; app.log compressed"
    assert plan.because == "/srv/app.log takes 100 MiB, over 10 MiB"


@pytest.mark.parametrize(
    "names, keep",
    [
        (("app.log.1.gz", "app.log.2.gz", "app.log.5.gz"), 6),  # somebody lowered rotate since
        (("app.log.1.gz", "app.log.2.gz"), 4),
        (("app.log-20260101.gz", "app.log.20260101"), 4),
        (("app.log.1", "other.log.9"), 4),
    ],
)
def test_the_highest_number_among_rotated_logs_is_one_that_stays(names: tuple[str, ...], keep: int) -> None:
    old = tuple(file(f"/srv/{name}") for name in names)
    (change,) = TASK.plan(seen(log(100, *old, by=rule("compress", "rotate 3")))).changes
    assert f"    rotate {keep}\n" in str(change.command.stdin)


def test_a_rule_that_compresses_late_shrinks_the_log_before() -> None:
    late = rule("compress", "delaycompress", "rotate 3")
    (change,) = TASK.plan(seen(log(100, file(f"{PATH}.1", 50), file(f"{PATH}.2.gz", 9), by=late))).changes
    assert [one.amount for one in change.relieves] == ["about 40 MiB"]
    assert change.downtime == "none"
    assert nothing(TASK, seen(log(100, file(f"{PATH}.2.gz", 9), by=late))).endswith("compresses nothing yet")
    assert nothing(TASK, seen(log(100, file(f"{PATH}.1", 1), by=late))).endswith("frees next to nothing now")


def test_what_would_free_nothing_is_not_done() -> None:
    assert nothing(TASK, seen()) == "/srv/app.log: no log takes more than 10 MiB"
    assert nothing(TASK, seen(log(10), log(0, type="l")))
    assert nothing(TASK, seen(log(), is_installed=False)) == "logrotate is not installed"
    assert nothing(TASK, seen(log(by=None))) == "logrotate has no rule for /srv/app.log"
    assert "compresses nothing" in nothing(TASK, seen(log(by=rule("rotate 3"))))


def test_compressing_needs_room_first_and_copying_more() -> None:
    full = file_system(used=MiB(1024))
    assert nothing(TASK, seen(log(), disk=full)) == "rotating /srv/app.log needs 21 MiB free on /srv, there is 0 B"
    for_root = file_system(used=MiB(1000), available=ByteSize(0))
    assert TASK.plan(seen(log(), disk=for_root)).changes
    copying = rule("compress", "copytruncate", "rotate 3")
    assert "needs 121 MiB" in nothing(TASK, seen(log(by=copying), disk=for_root))


@pytest.mark.parametrize(
    "one, why",
    [
        (log(path=Path("/etc/app.log")), "symlink: name /etc/app.log itself"),
        (log(links=2), "not a plain file of its own"),
        (log(is_named_plainly=False), "not a plain file of its own"),
        (log(path=Path('/srv/a".log'), name='/srv/a".log'), "plain name"),
        (log(path=Path("/srv/a*.log"), name="/srv/a*.log"), "plain name"),
        (log(is_rule_trusted=False), "others than root may change /etc/logrotate.d/app"),
        (log(by=rule("compress", defaults=())), "keeps nothing"),
        (log(by=rule("compress", "shred")), "keeps nothing"),
        (log(by=rule("compress", "mail you@example.test")), "keeps nothing"),
        (log(device=99, path=Path("/x/app.log"), name="/x/app.log"), "no file system that was measured"),
    ],
)
def test_what_could_lose_something_is_refused(one: RotatedLog, why: str) -> None:
    assert why in refusal(TASK, seen(one))


def test_those_that_can_be_rotated_are_whatever_the_others_are() -> None:
    other = log(links=2, name="/srv/b.log", path=Path("/srv/b.log"))
    assert len(TASK.plan(seen(other, log(), log(by=None))).changes) == 1
    assert "b.log" in refusal(TASK, seen(other, log(by=None)))


@pytest.mark.parametrize("path", [Path("app.log"), Path("/srv/../x"), Path("/")])
def test_a_path_that_could_mean_anything_is_a_mistake(path: Path) -> None:
    with pytest.raises(ValueError, match="absolute"):
        RotateLog(path=path, larger_than=MiB(1))


def test_a_real_hosts_rules_are_seen_in_one_round() -> None:
    access = "/var/log/nginx/access.log"
    rules = (
        ("mountinfo", captured("mountinfo")),
        ("df", captured("df")),
        ("realpath", said("/var/log/nginx\0")),
        ("grep", captured("logrotate-rules")),
        ("logrotate", captured("logrotate-owners")),
        ("find", said(b"".join(record(access + end, size=2**26, device=0x705) for end in ("", ".1")))),
    )
    task = RotateLog(path=Path(access), larger_than=MiB(10))
    plan = task.plan(see(task.read(Reader()), *rules, most_rounds=1))
    assert [one.subject for change in plan.changes for one in change.relieves] == ["space on /var/log"]


@pytest.mark.parametrize("does", ["rotates", "truncates", "nothing", "fails"])
def test_the_rule_lies_in_memory_only_while_it_is_used(tmp_path: Here, does: str) -> None:
    # what logrotate itself does is seen in the lab; here only what is around it
    program, log_file, told = tmp_path / "logrotate", tmp_path / "app.log", tmp_path / "told"
    log_file.write_text("many lines")
    ways = {
        "rotates": f'mv "{log_file}" "{log_file}.1"; : >"{log_file}"',
        "truncates": f'cp "{log_file}" "{log_file}.1"; echo next >"{log_file}"',  # and somebody went on writing
        "nothing": f'echo next >>"{log_file}"',
        "fails": "exit 3",
    }
    program.write_text(f'#!/bin/sh\nstat -c "%a %n" "$2" >"{told}"; cat "$2" >>"{told}"\n{ways[does]}\n')
    program.chmod(0o755)
    info = log_file.stat()
    if not os.access("/run", os.W_OK):
        pytest.skip("needs root: the rule is put into /run")
    done = subprocess.run(
        ROTATE_LOG.bind(log_file, f"{info.st_dev}:{info.st_ino}"),
        input="the rule\n",
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == {"rotates": 0, "truncates": 0, "nothing": 75, "fails": 3}[does]
    mode, _, rest = told.read_text().partition(" ")
    name, _, text = rest.partition("\n")
    assert (mode, text) == ("600", "the rule\n")
    assert name.startswith("/run/")
    assert not Here(name).exists()


def test_what_a_rules_own_script_makes_can_be_read_as_ever(tmp_path: Here) -> None:
    program, log_file = tmp_path / "logrotate", tmp_path / "app.log"
    log_file.write_text("x")
    program.write_text(f'#!/bin/sh\n: >"{tmp_path}/made"; mv "{log_file}" "{log_file}.1"\n')
    program.chmod(0o755)
    if not os.access("/run", os.W_OK):
        pytest.skip("needs root: the rule is put into /run")
    info = log_file.stat()
    words = ROTATE_LOG.bind(log_file, f"{info.st_dev}:{info.st_ino}")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(words, input="", env={**os.environ, "PATH": path}, text=True, check=True, timeout=20, umask=0o022)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


def test_another_file_is_not_rotated(tmp_path: Here) -> None:
    (tmp_path / "app.log").write_text("x")
    words = ROTATE_LOG.bind(tmp_path / "app.log", "1:2")
    done = subprocess.run(words, input="", capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 75
    assert "nothing was rotated" in done.stderr
