from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.http import Response, Site
from soleil_remediate.facts.octane import Octane
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.octane import RELOAD, ReloadOctane

TASK = ReloadOctane(root=Path("/srv/app"), live="/live", page="/ready", user="soleil")
OCTANE = Octane(pid=812, started=4711, user="soleil", commands=frozenset({"list", "octane:reload"}))
LATE, BUSY = Response(status=None, why="too late"), Response(status=504)
SERVER, DEAF = Response(status=400), Response(status=None, why="too late")


def site(live: Response, server: Response = SERVER) -> Site:
    return Site(live=live, page=live, server=server)


@pytest.mark.parametrize("live", [LATE, BUSY])
def test_workers_that_hang_are_started_anew_by_the_application_itself(live: Response) -> None:
    (change,) = TASK.plan((OCTANE, site(live))).changes
    assert change.command.words == RELOAD.bind(Path("/srv/app"), 812, 4711, 30)
    assert change.command.user == "soleil"
    assert change.risk is Risk.DISRUPTIVE


@pytest.mark.parametrize(
    "octane, seen, because",
    [
        (None, site(LATE), "no Octane serves it"),
        (OCTANE, site(Response(status=200)), "/live answers 200: no worker of Octane hangs"),
        (OCTANE, site(Response(status=502)), "/live answers 502: no worker of Octane hangs"),
        (OCTANE, site(LATE, DEAF), "/live is not answered in time: no worker of Octane hangs"),
    ],
)
def test_there_is_nothing_to_reload(octane: Octane | None, seen: Site, because: str) -> None:
    plan = TASK.plan((octane, seen))
    assert (plan.changes, plan.because) == ((), because)


@pytest.mark.parametrize(
    "commands, why",
    [
        (frozenset({"list"}), "artisan has no octane:reload"),
        (FactError("php is not there"), "cannot be known whether artisan has octane:reload: php is not there"),
    ],
)
def test_where_artisan_has_no_such_command_nothing_is_sent(commands: frozenset[str] | FactError, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        TASK.plan((replace(OCTANE, commands=commands), site(LATE)))


def test_one_that_runs_as_somebody_else_is_sent_nothing() -> None:
    with pytest.raises(Unplannable, match="Octane runs as root, and artisan would be run as soleil: name it"):
        TASK.plan((replace(OCTANE, user="root"), site(LATE)))


@pytest.mark.skipif(not Here("/proc/self/stat").exists(), reason="only Linux says when a process was started")
@pytest.mark.parametrize(
    "after, says", [("sleep 600", "it did not end in 30 s. Reloading\n"), ("exit 3", "Reloading\n")]
)
def test_an_artisan_that_fails_or_does_not_end_is_not_waited_for(tmp_path: Here, after: str, says: str) -> None:
    programs = {
        "php": f'case "$2" in list) echo octane:reload ;; *) echo Reloading; {after} ;; esac',
        "timeout": f'shift 3; exec {shutil.which("timeout")} -k 5 1 "$@"',  # 30 s are too long for a test
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as master:
        ticks = Here(f"/proc/{master.pid}/stat").read_text().rpartition(") ")[2].split()[19]
        done = subprocess.run(
            RELOAD.bind(tmp_path, master.pid, ticks, 1),
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        master.communicate()
    assert (done.returncode, done.stderr) == (1, f"octane:reload failed: {says}")
