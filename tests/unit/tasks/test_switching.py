"""How a worker that is started anew just then is judged, and what is told of what a command said.

supervisorctl is a stand-in whose answers change.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from soleil_remediate.tasks.switching import AS_SOMEBODY, PROGRAMS

#: Says what the line of its turn says, and the last one for good.
STAND_IN = r"""#!/bin/sh
[ "$1" = status ] || exit 0
turn=$(cat turn 2>/dev/null || echo 0)
turn=$((turn + 1))
echo "$turn" >turn
echo "worker:worker_00 $(sed -n "${turn}p;\$p" states | head -n 1)"
"""
RUNS = "RUNNING pid 7, uptime 0:00:09"


@pytest.mark.parametrize(
    "states, said, exit_status",
    [
        ([RUNS], "worker runs\n", 0),
        ([RUNS, RUNS, "EXITED Nov 29 03:00 AM"], "worker runs\n", 0),  # it ends right after it was seen to run
        ([RUNS, "EXITED Nov 29 03:00 AM", "STARTING  ", RUNS], "worker runs\n", 0),
        ([RUNS, "FATAL Exited too quickly"], "worker does not run: worker:worker_00 FATAL Exited too quickly\n", 1),
        ([RUNS, "STOPPED Not started"], "worker runs\n", 0),  # nobody wants it to run
    ],
    ids=["runs", "ends-after-the-look", "started-anew", "given-up", "stopped"],
)
def test_a_program_is_judged_by_the_look_that_found_nothing_to_wait_for(
    tmp_path: Path, states: list[str], said: str, exit_status: int
) -> None:
    (tmp_path / "supervisorctl").write_text(STAND_IN)
    (tmp_path / "supervisorctl").chmod(0o755)
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    script = f'root() {{ PATH=.:$PATH "$@"; }}\nlast() {{ printf "%s\\n" "$1"; }}\nprograms=worker wrong=\n{PROGRAMS}'
    ran = subprocess.run(
        ["sh", "-euc", script + 'run_programs 2>&1\n[ -z "$wrong" ]'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ran.stdout, ran.returncode) == (said, exit_status), ran.stderr


#: As artisan says it: in a box of blanks.
BOX = f"""\
Configuration cache cleared!

In Filesystem.php line 187:
{"":80}
{"  file_put_contents(/srv/soleil/current/bootstrap/cache/config.php): Failed t":80}
{"  o open stream: Permission denied":80}
{"":80}

"""


@pytest.mark.parametrize(
    "said, last", [(BOX, "  o open stream: Permission denied\n"), ("one\n M two\n", " M two\n"), ("", "")]
)
def test_of_what_a_command_said_the_last_line_that_says_anything_is_told(said: str, last: str) -> None:
    words = ["sh", "-euc", f'{AS_SOMEBODY}last "$1"', "last", said]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (ran.stdout, ran.returncode) == (last, 0), ran.stderr
