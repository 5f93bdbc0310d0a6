"""The gate, in a real terminal: what opens it, and what must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.reporters.approved import approve
from tests.unit.reporters.ptys import Watched

ROOT = Path(__file__).parents[3]
PROGRAM = (sys.executable, "-m", "tests.unit.reporters.gate_program")
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
ANSWER = "\n> "
DESTRUCTIVE = "Type web1 to run 1 (2 if needed)"


def gate(*arguments: str, columns: int = 80, lines: int = 24, **environment: str) -> Watched:
    return Watched((*PROGRAM, *arguments), {**ENVIRONMENT, **environment}, columns=columns, lines=lines)


def test_the_hosts_name_opens_a_destructive_gate() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type("web1\n")
        assert watched.wait() == 0
        assert "APPROVED web1:log.truncate web1:backup.prune by jan@laptop typed web1" in " ".join(watched.rows)


def test_the_whole_gate_is_on_one_screen() -> None:
    with gate("destructive") as watched:
        watched.wait_for("Enter = no")
        watched.wait_for(ANSWER)
        approve("gate", watched.screen)
        assert watched.rows[0].startswith("disk-full · web1")
        assert DESTRUCTIVE in watched.screen


@pytest.mark.parametrize("columns, lines", [(60, 30), (80, 50), (120, 40), (200, 24)])
def test_the_gate_fits_other_terminals(columns: int, lines: int) -> None:
    with gate("destructive", columns=columns, lines=lines) as watched:
        watched.wait_for(ANSWER)
        approve(f"gate-{columns}x{lines}", watched.screen)
        assert "FAULT  /srv 100 %" in watched.screen
        assert "1  DESTRUCTIVE  log.truncate" in watched.screen


def test_a_gate_with_much_to_show_leaves_out_why_and_never_what_and_where() -> None:
    with gate("full") as watched:
        watched.wait_for(ANSWER)
        approve("gate-full", watched.screen)
        assert watched.rows[0].startswith("disk-full · web1")
        assert DESTRUCTIVE in watched.screen
        assert "d = details" in watched.screen
        watched.type("d\n")
        watched.wait_for(ANSWER, times=2)
        assert b"look 4" in watched.raw


@pytest.mark.parametrize("answer", ["", "n", "no"])
def test_enter_and_no_are_no(answer: str) -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type(f"{answer}\n")
        assert watched.wait() == 4
        assert "DECLINED declined at the terminal" in watched.screen


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("y", id="yes is not enough"),
        pytest.param("yes", id="nor in full"),
        pytest.param("web2", id="another host"),
        pytest.param("WEB1", id="capitals"),
        pytest.param("w\u0435b1", id="a Cyrillic e"),
        pytest.param("\uff57eb1", id="full width"),
        pytest.param("web1\u200b", id="a zero-width blank"),
        pytest.param("\x1b[200~web1\x1b[201~", id="a bracketed paste"),
        pytest.param("web1 web1", id="twice"),
        pytest.param("7", id="a step that there is not"),
        pytest.param("1 7", id="a step that there is and one that there is not"),
    ],
)
def test_what_is_not_the_hosts_name_three_times_is_no(answer: str) -> None:
    with gate("destructive") as watched:
        for number in range(1, 4):
            watched.wait_for(ANSWER, times=number)
            watched.type(f"{answer}\n")
        assert watched.wait() == 4
        assert watched.raw.count(b"Nothing was sent yet") == 3


def test_what_was_typed_before_the_question_does_not_count() -> None:
    with gate("destructive", "pause") as watched:
        watched.wait_for("WAITING")
        watched.type("web1\n")
        watched.wait_for(ANSWER)
        watched.type("\n")
        assert watched.wait() == 4


def test_the_end_of_input_is_no() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type(b"\x04")
        assert watched.wait() == 4


def test_a_half_typed_name_and_the_end_of_input_are_no() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type(b"web1\x04")
        assert watched.wait() == 4


def test_ctrl_c_approves_nothing() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type(b"\x03")
        assert watched.wait() != 0
        assert b"APPROVED" not in watched.raw


def test_one_step_alone_still_takes_the_hosts_name() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type("1\n")
        watched.wait_for("Type web1 to run step 1 only")
        watched.wait_for(ANSWER, times=2)
        watched.type("web1\n")
        assert watched.wait() == 0
        assert "APPROVED web1:log.truncate by jan@laptop typed web1" in watched.screen


def test_a_gentle_step_alone_needs_no_name_and_approves_nothing_else() -> None:
    with gate("mixed") as watched:
        watched.wait_for(ANSWER)
        watched.type("1\n")
        assert watched.wait() == 0
        assert "APPROVED web1:journal.vacuum by jan@laptop typed 1" in watched.screen


def test_two_steps_are_asked_about_by_the_higher_of_their_risks() -> None:
    with gate("mixed") as watched:
        watched.wait_for(ANSWER)
        watched.type("1, 2\n")
        watched.wait_for("Type yes to run steps 1, 2 only")
        watched.wait_for(ANSWER, times=2)
        watched.type("yes\n")
        assert watched.wait() == 0
        assert "APPROVED web1:journal.vacuum web1:service.restart by" in watched.screen


def test_a_disruptive_plan_takes_yes() -> None:
    with gate("disruptive") as watched:
        watched.wait_for("Type yes to run 1")
        watched.wait_for(ANSWER)
        watched.type("y\n")
        assert watched.wait() == 0


def test_several_hosts_take_their_number() -> None:
    with gate("several", lines=40) as watched:
        watched.wait_for("Type 3 to run it on 3 hosts")
        watched.wait_for(ANSWER)
        approve("gate-several", watched.screen)
        watched.type("web1\n")
        watched.wait_for(ANSWER, times=2)
        watched.type("3\n")
        assert watched.wait() == 0
        assert watched.screen.count("backup.prune") >= 1


def test_c_prints_the_commands_and_keeps_what_is_asked_about_in_view() -> None:
    with gate("destructive") as watched:
        watched.wait_for(ANSWER)
        watched.type("c\n")
        watched.wait_for(ANSWER, times=2)
        assert b"cut-open-file /srv/soleil/shared/storage/logs/laravel.log 2049:131 67108864" in watched.raw
        approve("gate-commands", watched.screen)
        assert DESTRUCTIVE in watched.screen
        assert "1  DESTRUCTIVE  log.truncate   14.6 GiB -> about 64 MiB" in watched.screen
        watched.type("\n")
        assert watched.wait() == 4


def test_d_shows_what_the_screen_had_no_room_for_and_keeps_what_is_asked_about_in_view() -> None:
    with gate("destructive") as watched:
        watched.wait_for("d = details")
        watched.wait_for(ANSWER)
        watched.type("d\n")
        watched.wait_for(ANSWER, times=2)
        assert b"the newest 3, whatever their age" in watched.raw
        assert "1 host · no downtime · cannot be undone · plan 923d9041ee9e" in watched.screen


def test_c_of_several_hosts_keeps_in_view_which_they_are() -> None:
    with gate("several") as watched:
        watched.wait_for(ANSWER)
        watched.type("c\n")
        watched.wait_for(ANSWER, times=2)
        assert "  DESTRUCTIVE  web1 web2 web3   log.truncate, backup.prune" in watched.screen
        assert "3 hosts · no downtime · cannot be undone · plan 35e77aa8b041" in watched.screen
        assert "Type 3 to run it on 3 hosts" in watched.screen


def test_a_change_that_nobody_saw_yet_is_asked_about_by_itself() -> None:
    with gate("destructive", "again") as watched:
        watched.wait_for("This was not in the plan")
        watched.wait_for(ANSWER)
        approve("gate-again", watched.screen)
        watched.type("c\n")
        watched.wait_for(ANSWER, times=2)
        assert b"rm -- /srv/backups/soleil-1.sql.gz" in watched.raw
        assert watched.screen.count("  +  DESTRUCTIVE  backup.prune") == 2
        watched.type("web1\n")
        watched.wait()
        assert "AGAIN True" in watched.screen


def test_a_hosts_name_cannot_act_on_the_terminal() -> None:
    with gate("hostile") as watched:
        watched.wait_for(ANSWER)
        assert watched.title == ""
        assert "\\u202e" in watched.screen
        assert b"\x1b[2J" not in watched.raw
        assert b"\x1b]0;" not in watched.raw


# --- nobody is there --------------------------------------------------------------------------------------------------


def without_terminal(*arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> str:
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        env={**ENVIRONMENT, **environment},
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert ended.returncode == 4, ended
    return ended.stdout


def test_without_a_terminal_nobody_is_asked() -> None:
    assert "NOBODY the plan for web1 is destructive, and nobody was asked" in without_terminal("destructive")


def test_a_pipe_full_of_yes_answers_nothing() -> None:
    with subprocess.Popen(["/usr/bin/yes", "web1"], stdout=subprocess.PIPE) as saying:
        assert saying.stdout is not None
        assert "NOBODY" in without_terminal("destructive", stdin=saying.stdout.fileno())
        saying.kill()


def test_closed_standard_input_is_nobody() -> None:
    words = " ".join([*PROGRAM, "destructive"])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec <&-; exec {words}"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert "NOBODY" in ended.stdout


def test_a_build_servers_terminal_is_nobody() -> None:
    with gate("destructive", CI="true") as watched:
        assert watched.wait() == 4
        assert "NOBODY" in watched.screen


def test_yes_piped_in_at_a_terminal_does_not_answer_for_the_person() -> None:
    words = " ".join([*PROGRAM, "destructive"])
    with Watched(("/bin/sh", "-c", f"yes web1 | {words}"), ENVIRONMENT) as watched:
        watched.wait_for(ANSWER)
        watched.type("\n")
        watched.wait()
        assert "DECLINED" in watched.screen


def test_with_the_output_in_a_file_the_person_still_sees_the_plan(tmp_path: Path) -> None:
    words = " ".join([*PROGRAM, "destructive"])
    with Watched(("/bin/sh", "-c", f"{words} > {tmp_path}/out"), ENVIRONMENT) as watched:
        watched.wait_for(ANSWER)
        assert "DESTRUCTIVE  log.truncate" in watched.screen
        watched.type("web1\n")
        assert watched.wait() == 0
    assert "APPROVED web1:log.truncate" in (tmp_path / "out").read_text()


def test_an_answer_is_never_taken_from_the_background() -> None:
    words = " ".join([*PROGRAM, "destructive"])
    with Watched(("/bin/bash", "-c", f"set -m; {words} & wait $!"), ENVIRONMENT) as watched:
        watched.wait()
        assert "NOBODY" in watched.screen
