from __future__ import annotations

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.supervisors import LOG, SAMPLE_PROGRAMS_BY_SUDO, Process, SamplePrograms, deaths_of
from tests.unit.facts.answers import said

#: As supervisorctl 4.2.5 of Debian 12 prints them.
FATAL = "soleil-worker:soleil-worker_00   FATAL     Exited too quickly (process log may have details)\n"
RUNNING = "soleil-worker:soleil-worker_01   RUNNING   pid 4711, uptime 1 day, 2:03:04\n"
STOPPED = "reverb                           STOPPED   Nov 29 12:40 PM\n"
STARTING = "horizon                          STARTING  \n"
DOWN = "unix:///var/run/supervisor.sock no such file\nstatus 4\n"


def looks(first: str, second: str) -> str:
    return f"{first}\0{second}\0"


def test_processes_are_seen_twice_with_their_numbers_and_how_long_they_run() -> None:
    answer = SamplePrograms().answer(
        said(looks(f"{FATAL}{RUNNING}{STOPPED}status 3\n", f"{RUNNING}{STARTING}".replace("1 day, 2", "3 days, 12")))
    )
    assert answer is not None
    before, after = answer
    assert list(before.values()) == [
        Process(
            name="soleil-worker:soleil-worker_00",
            state="FATAL",
            says="Exited too quickly (process log may have details)",
        ),
        Process(name="soleil-worker:soleil-worker_01", state="RUNNING", pid=4711, uptime=((24 + 2) * 60 + 3) * 60 + 4),
        Process(name="reverb", state="STOPPED", says="Nov 29 12:40 PM"),
    ]
    assert after["soleil-worker:soleil-worker_01"].uptime == ((3 * 24 + 12) * 60 + 3) * 60 + 4
    assert after["horizon"] == Process(name="horizon", state="STARTING")


def test_supervisor_may_keep_nothing() -> None:
    assert SamplePrograms().answer(said(looks("", ""))) == ({}, {})


@pytest.mark.parametrize(
    "first, second", [(DOWN, DOWN), (RUNNING, DOWN), (DOWN.replace("no such file", "refused connection"), RUNNING)]
)
def test_a_supervisor_that_does_not_run_is_no_unknown(first: str, second: str) -> None:
    assert SamplePrograms().answer(said(looks(first, second))) is None


@pytest.mark.parametrize(
    "text, why",
    [
        ("error: <class 'PermissionError'>, [Errno 13] Permission denied: file: x line: 5\nstatus 1\n", "needs root"),
        ("status 127\n", "supervisorctl is not there"),
        ("Error: could not find config file\nstatus 2\n", "ended with 2: Error: could not find config file"),
        ("a: ERROR (no such group)\nstatus 4\n", "ended with 4: a: ERROR"),
        ("sudo: a password is required\nstatus 1\n", "ended with 1: sudo: a password is required"),
        ("soleil-worker RUNNING\n", "no time that it runs"),
        ("soleil-worker RUNS well\n", "no process of supervisor's"),
        ("\n", "no process of supervisor's"),
    ],
)
def test_what_cannot_be_asked_is_unknown(text: str, why: str) -> None:
    with pytest.raises(FactError, match=why):
        SamplePrograms().answer(said(looks(text, text)))


def test_a_login_of_single_commands_asks_by_them() -> None:
    words = SamplePrograms().command.by_sudo
    assert words == SAMPLE_PROGRAMS_BY_SUDO.bind("4")
    assert words[2].count("sudo -n -- supervisorctl status ||") == 2


def logged(*lines: str) -> list[str]:
    return [f"2026-11-29 12:{line}" for line in lines]


def deaths(process: Process, *lines: str) -> tuple[int, str]:
    return deaths_of(process, logged(*lines))


WORKER = Process(name="soleil-worker:soleil-worker_00", state="RUNNING", pid=9, uptime=2)
#: As supervisord 4.2.5 logs it.
SPAWNED = "INFO spawned: 'soleil-worker_00' with pid 9"
DIED = "WARN exited: soleil-worker_00 (exit status 1; not expected)"


def test_deaths_in_a_row_are_counted_by_supervisors_own_log_and_clock() -> None:
    assert deaths(
        WORKER,
        f"30:00,123 {DIED}",  # long before
        f"40:00,123 {SPAWNED}",
        "40:01,123 INFO success: soleil-worker_00 entered RUNNING state, process has stayed up for > than 1 seconds",
        f"40:02,123 {DIED}",
        f"40:03,123 {SPAWNED}",
        "40:04,123 WARN exited: soleil-worker_01 (exit status 1; not expected)",
        "40:05,123 WARN exited: soleil-worker_00 (terminated by SIGKILL; not expected)",
        f"40:06,123 {SPAWNED}",
        "not a line of it",
    ) == (2, "terminated by SIGKILL")


@pytest.mark.parametrize(
    "line",
    [
        "INFO gave up: soleil-worker_00 entered FATAL state, too many start retries too quickly",
        "INFO stopped: soleil-worker_00 (exit status 0)",
    ],
)
def test_what_was_before_it_was_given_up_or_stopped_is_another_story(line: str) -> None:
    assert deaths(WORKER, f"40:00,1 {DIED}", f"40:01,1 {DIED}", f"40:02,1 {line}", f"40:03,1 {SPAWNED}") == (0, "")


ENDED = "INFO exited: soleil-worker_00 (exit status 0; expected)"  # queue:restart, --max-time, a lost Redis


@pytest.mark.parametrize("line", [ENDED, "WARN exited: soleil-worker_00 (exit status 12; not expected)"])  # --memory
def test_a_worker_that_ends_itself_after_a_while_does_not_die(line: str) -> None:
    assert deaths(WORKER, f"38:00,1 {SPAWNED}", f"39:00,1 {line}", f"39:01,1 {SPAWNED}") == (0, "")
    assert deaths(WORKER, f"38:00,1 {SPAWNED}", f"38:59,1 {line}", f"39:01,1 {SPAWNED}")[0] == 1


def test_a_worker_that_is_told_to_end_soon_may_do_so() -> None:
    lines = logged(
        f"38:00,1 {SPAWNED}", f"38:01,1 {ENDED}", f"38:02,1 {SPAWNED}", f"38:03,1 {DIED}", f"38:04,1 {SPAWNED}"
    )
    assert deaths_of(WORKER, lines, ends_itself=True) == (1, "exit status 1")
    assert deaths_of(WORKER, lines) == (2, "exit status 1")


def test_without_a_start_in_the_log_nothing_is_known() -> None:
    assert deaths(WORKER, f"40:00,1 {DIED}") == (0, "")
    assert LOG.is_absolute()
