"""The scripts by which workers are started, ended and added, with stand-ins for what they start."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from soleil_remediate.plan import Script
from soleil_remediate.tasks.working import ADD, CONTINUE, END, RESTART, START, STOP

pytestmark = pytest.mark.skipif(shutil.which("getent") is None, reason="only Linux knows its users by getent")

#: Its states stand in a file, and what becomes of them when something is started in another one.
SUPERVISORCTL = """\
echo "$*" >>calls
case $1 in
    status) cat states; ! grep -qv RUNNING states || exit 3 ;;
    *) [ ! -e "after-$1" ] || cp "after-$1" states ;;
esac
"""
SYSTEMCTL = """\
echo "$*" >>calls
case $* in show*) cat "state-of-$5" 2>/dev/null || echo inactive ;; esac
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A folder with stand-ins for programs, in which a script is run."""

    folder: Path

    def has(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\ncd {self.folder}\n{text}\n")
        file.chmod(0o755)

    def run(self, script: Script, *arguments: object) -> tuple[int, str, str]:
        done = subprocess.run(
            script.bind(*arguments),
            env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.returncode, done.stdout, done.stderr

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return [line for line in file.read_text().splitlines() if line != "status"] if file.exists() else []


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    (tmp_path / "bin").mkdir()
    made = Standing(tmp_path)
    made.program("supervisorctl", SUPERVISORCTL)
    made.program("systemctl", SYSTEMCTL)
    made.program("journalctl", "echo last words")
    made.program("systemd-run", 'echo "run $*" >>calls')
    made.program("sudo", 'shift; case $1 in -l) exit 0 ;; esac; [ "$1" != -- ] || shift; exec "$@"')
    made.program("sleep", "exit 0")
    return made


FATAL = "w:w_00   FATAL     Exited too quickly (process log may have details)\n"
SINGLE = "mailer   STOPPED   Nov 29 12:40 PM\n"


def running(name: str, pid: int) -> str:
    return f"{name}   RUNNING   pid {pid}, uptime 0:00:01\n"


def test_what_is_down_is_started_by_its_full_name_and_watched(standing: Standing) -> None:
    standing.has("states", f"{FATAL}other RUNNING pid 1, uptime 0:00:01\n{SINGLE}")
    standing.has("after-start", running("w:w_00", 8) + running("mailer", 9))
    assert standing.run(START, 5, "", "w:w_00", "FATAL", "mailer", "STOPPED") == (0, "2 run\n", "")
    assert standing.calls == ["start w:w_00", "start mailer:mailer"]


@pytest.mark.parametrize(
    "states, says",
    [(running("w:w_00", 8), "w:w_00 is RUNNING 8 by now"), (SINGLE, "w:w_00 is unknown to supervisor by now")],
)
def test_what_is_otherwise_by_now_is_left_alone(standing: Standing, states: str, says: str) -> None:
    standing.has("states", states)
    assert standing.run(START, 5, "", "w:w_00", "FATAL") == (75, "", f"{says}: nothing was done\n")
    assert standing.calls == []


def test_what_does_not_start_says_its_last_words(standing: Standing) -> None:
    standing.has("states", FATAL)
    standing.has("log", "no such option\n")
    status, _, says = standing.run(START, 5, standing.folder / "log", "w:w_00", "FATAL")
    assert (status, says) == (
        1,
        "w:w_00 is FATAL     Exited too quickly (process log may have details)\nno such option\n",
    )


@pytest.mark.parametrize("log", ["", "log"])
def test_what_dies_while_it_is_watched_did_not_start(standing: Standing, log: str) -> None:
    standing.has("states", FATAL)
    standing.has("log", "no room\n")
    standing.program(
        "supervisorctl",
        "n=$(cat n 2>/dev/null || echo 0); case $1 in start) n=1 ;; esac\n"
        '[ "$n" = 0 ] && cat states && exit 3\n'
        'n=$((n + 1)); echo "$n" >n; echo "w:w_00 RUNNING pid $n, uptime 0:00:01"',
    )
    status, _, says = standing.run(START, 5, standing.folder / log if log else "", "w:w_00", "FATAL")
    assert (status, says) == (1, "it died and was started again\n" + ("no room\n" if log else ""))


def test_a_start_is_undone_by_stopping(standing: Standing) -> None:
    standing.has("states", "")
    assert standing.run(STOP, "w:w_00", "mailer:mailer")[0] == 0
    assert standing.calls == ["stop w:w_00", "stop mailer:mailer"]


def restart(standing: Standing, patience: int = 2) -> tuple[int, str, str]:
    asked = ("w:w_00", 7, "queue:restart", "w:w_01", 8, "queue:restart")
    return standing.run(RESTART, standing.folder, getpass.getuser(), patience, 2, *asked)


CUT_OFF = "To cut off what it does, which is then done once more"
BOTH = running("w:w_00", 7) + running("w:w_01", 8)


def test_workers_end_after_their_job_and_others_come(standing: Standing) -> None:
    standing.has("states", BOTH)
    standing.has("anew", running("w:w_00", 17) + running("w:w_01", 18))
    standing.program("php", 'echo "$*" >>calls; cp anew states; echo "Broadcasting queue restart signal."')
    assert restart(standing) == (0, "2 workers ended and were started anew\n", "")
    assert standing.calls == ["artisan queue:restart --no-interaction"]


@pytest.mark.parametrize(
    "after, says",
    [
        (
            running("w:w_00", 17) + running("w:w_01", 8),
            f"still at work from before: w:w_01. {CUT_OFF}: supervisorctl restart w:w_01\n",
        ),
        (running("w:w_00", 17) + "w:w_01 FATAL\n", "supervisor did not start w:w_01 anew\n"),
    ],
)
def test_workers_that_do_not_end_or_do_not_come_back_are_named(standing: Standing, after: str, says: str) -> None:
    standing.has("states", BOTH)
    standing.has("anew", after)
    standing.program("php", 'cp anew states; echo "Broadcasting queue restart signal."')
    assert restart(standing) == (1, "", says)


def test_workers_that_die_after_a_restart_are_told(standing: Standing) -> None:
    standing.has("states", BOTH)
    standing.program("php", 'echo 20 >n; echo "Broadcasting queue restart signal."')
    standing.program(
        "supervisorctl",
        '[ -e n ] || { cat states; exit; }; n=$(($(cat n) + 1)); echo "$n" >n\n'
        'printf "w:w_0%s RUNNING pid $n, uptime 0:00:01\\n" 0 1',
    )
    status, _, says = restart(standing)
    assert status == 1
    assert says.startswith("they died again: RUNNING")


def test_a_restart_that_nobody_hears_of_is_told(standing: Standing) -> None:
    standing.has("states", BOTH)
    standing.program("php", "echo; echo 'Connection refused'; exit 0")
    assert restart(standing) == (1, "", "queue:restart failed: Connection refused\n")


def test_a_horizon_that_nobody_hears_of_is_told(standing: Standing) -> None:
    standing.has("states", running("horizon", 7))
    standing.program("php", "echo 'No processes to terminate.'")
    done = standing.run(RESTART, standing.folder, getpass.getuser(), 2, 2, "horizon", 7, "horizon:terminate")
    assert done == (1, "", "horizon:terminate failed: No processes to terminate.\n")


def test_a_horizon_that_starts_no_worker_is_told(standing: Standing) -> None:
    standing.has("states", running("horizon", 7))
    standing.has("anew", running("horizon", os.getpid()))
    standing.program("php", "cp anew states; echo 'Sending TERM signal to processes.'")
    done = standing.run(RESTART, standing.folder, getpass.getuser(), 2, 2, "horizon", 7, "horizon:terminate")
    assert done == (1, "", "no worker was started by horizon\n")


def test_workers_that_are_others_by_now_are_left_alone(standing: Standing) -> None:
    standing.has("states", running("w:w_00", 7) + running("w:w_01", 9))
    assert restart(standing) == (75, "", "w:w_01 was started anew meanwhile: nothing was done\n")


#: A Horizon: its status stands in a file, and what becomes of it in another one.
HORIZON = """\
case $2 in
    horizon:status) cat status ;;
    *) echo "$*" >>calls; [ ! -e after ] || cp after status; cat "said" ;;
esac
"""


def go_on(standing: Standing, status: str, said: str, after: str) -> tuple[int, str, str]:
    standing.has("states", running("horizon", 7))
    standing.has("status", status)
    standing.has("said", said)
    standing.has("after", after)
    standing.program("php", HORIZON)
    return standing.run(CONTINUE, standing.folder, getpass.getuser(), 2, "horizon", 7)


PAUSED, RUNNING, SENT = "Horizon is paused.\n", "Horizon is running.\n", "Sending CONT signal to processes.\n"


@pytest.mark.parametrize("after", [RUNNING, PAUSED])
def test_a_paused_horizon_is_told_to_go_on_and_what_it_says_then_is_told(standing: Standing, after: str) -> None:
    assert go_on(standing, PAUSED, SENT, after) == (0, after, "")
    assert standing.calls == ["artisan horizon:continue --no-interaction --no-ansi"]


def test_a_horizon_that_goes_on_by_itself_is_left_alone(standing: Standing) -> None:
    done = go_on(standing, RUNNING, SENT, RUNNING)
    assert done == (75, "", "Horizon is not paused by now: nothing was done\n")
    assert standing.calls == []


def test_a_horizon_that_cannot_be_told_to_go_on_is_told(standing: Standing) -> None:
    done = go_on(standing, PAUSED, "No processes to continue.\n", PAUSED)
    assert done == (1, "", "horizon:continue failed: No processes to continue.\n")


def test_another_horizon_than_was_seen_is_left_alone(standing: Standing) -> None:
    standing.has("states", running("horizon", 8))
    done = standing.run(CONTINUE, standing.folder, getpass.getuser(), 2, "horizon", 7)
    assert done == (75, "", "horizon was started anew meanwhile: nothing was done\n")


def add(standing: Standing, folder: Path | None = None) -> tuple[int, str, str]:
    return standing.run(
        ADD, "soleil", folder or standing.folder, 600, 5, 2, "u-1", "u-2", "php", "artisan", "queue:work"
    )


def test_workers_are_added_as_services_that_end_by_themselves(standing: Standing) -> None:
    standing.program(
        "systemd-run",
        'echo "run $*" >>calls\n'
        'for word; do case $word in --unit=*) echo active >"state-of-${word#--unit=}.service" ;; esac; done',
    )
    assert add(standing) == (0, "u-1 runs\nu-2 runs\n", "")
    (run, _) = [call for call in standing.calls if call.startswith("run ")]
    assert "--unit=u-1 --uid=soleil" in run
    assert "--property=RuntimeMaxSec=660" in run
    assert run.endswith("-- php artisan queue:work")


def test_one_whose_queue_is_empty_has_ended(standing: Standing) -> None:
    assert add(standing)[1] == "u-1 has ended: its queue is empty\nu-2 has ended: its queue is empty\n"


def test_one_that_fails_takes_the_others_with_it(standing: Standing) -> None:
    standing.program("systemd-run", "echo failed >state-of-u-2.service")
    assert add(standing) == (1, "u-1 has ended: its queue is empty\n", "u-2 did not run\nlast words\n")
    assert [call for call in standing.calls if call.startswith("stop")] == [
        "stop -- u-1.service",
        "stop -- u-2.service",
    ]


def test_none_is_added_where_systemd_refuses_one(standing: Standing) -> None:
    standing.program("systemd-run", "exit 1")
    assert add(standing)[0] == 1
    assert "stop -- u-1.service" in standing.calls


def test_none_is_added_beside_one_of_the_same_name_or_nowhere(standing: Standing) -> None:
    standing.has("state-of-u-2.service", "active\n")
    assert add(standing) == (75, "", "u-2 runs already: nothing was done\n")
    assert add(standing, standing.folder / "gone")[0] == 75


def test_those_that_were_added_are_ended(standing: Standing) -> None:
    assert standing.run(END, "u-1", "u-2")[0] == 0
    assert standing.calls == ["stop -- u-1.service", "stop -- u-2.service"]
