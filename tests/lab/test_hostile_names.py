"""Releases and log lines whose names and words are code to a shell, options to a program, or acts to a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from soleil_remediate.host_outcomes import Fixed
from tests.lab.conftest import LabHost
from tests.lab.rehearsals import Rehearsal

pytestmark = pytest.mark.lab

OLD = "20260101000000"
#: Each would be the newest before the bad one, were it a release; a shell that took one for code leaves a file. In
#: bash's own notation.
NAMES = r"""
$'20260101120001$(touch canary)' $'20260101120002`touch canary`' $'20260101120003; touch canary'
$'20260101120004\ntouch canary\n' $'20260101120005\'; touch canary; \'' $'--20260101120006' $'-exec'
$'20260101120007 *' $'20260101120008\e[2J\e]0;owned\a' $'20260101120009\u202e' $'20260101120010\xff'
$'{{ 7 * 7 }}' $'20260101120011|touch canary' $'20260101120012&touch canary'
"""
#: Nowhere on the host may one be.
CANARIES = "find / -xdev -name canary"


def test_no_name_beside_the_releases_is_code_or_an_option_and_the_older_release_is_served_again(
    web1: LabHost, tmp_path: Path
) -> None:
    web1.break_with("bad-release")
    web1.shell(
        f'cd /srv/soleil/releases; for name in {" ".join(NAMES.split(chr(10)))}; do cp -a -- {OLD} "./$name"; done'
    )
    listed = "cd /srv/soleil/releases; find . -mindepth 1 -maxdepth 1 -printf '%i %p\\0' | sort -z | sha256sum"
    before = web1.shell(listed)
    assert web1.shell("cd /srv/soleil/releases; find . -mindepth 1 -maxdepth 1 -printf x") == "x" * 16
    rehearsal = Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")
    report = rehearsal.remediate(inputs={})
    assert isinstance(report.outcome, Fixed), report.outcome
    assert web1.shell("readlink -f /srv/soleil/current") == f"/srv/soleil/releases/{OLD}"
    assert web1.shell(listed) == before
    assert web1.shell(CANARIES) == ""


def test_no_line_of_a_log_is_more_than_text(web1: LabHost, tmp_path: Path) -> None:
    log = "/srv/soleil/shared/storage/logs/laravel.log"
    lines = [
        b"x" * 300_000,
        b"FIXED  web1 \r",
        b"\x9b31m $(touch canary) `touch canary`\xff\xfe",
        "[2026-11-25 03:00:00] production.ERROR: \x1b[2J\x1b]0;owned\x07\u202e\u200b [bold]x[/bold] {{ 7*7 }}".encode(),
    ]
    web1.run("sh", "-c", f"cat >>{log}", stdin=b"".join(line + b"\n" for line in lines)).checked()
    web1.break_with("php-fpm-killed")
    call = ["--scenario", "application-down", "--host", "web1", "--inventory", str(web1.lab.inventory), "--verbose"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "CI": "true"}
    for verb, more, status in (("preview", [], ExitStatus.WORK_FOUND), ("remediate", ["--yes"], ExitStatus.OK)):
        done = subprocess.run(
            [sys.executable, "-m", "soleil_remediate", verb, *call, *more],
            capture_output=True, env=environment, cwd=tmp_path, timeout=200, check=False,
        )  # fmt: skip
        shown = (done.stdout + done.stderr).decode()
        assert done.returncode == status, shown
        assert "touch canary" in shown, "the log is not shown at all, so this proves nothing"
        assert not re.search(r"[^\n -~\u00a0-\u2027\u2030-\u205f]", shown), "something that is no text"
        assert len(re.findall(r"^FIXED +web1", shown, re.MULTILINE)) == (verb == "remediate")
    assert web1.shell(CANARIES) == ""
