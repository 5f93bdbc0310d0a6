from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.queue_workers import Life, ReadWorkers, Watched, Worker, Workers, read_workers
from soleil_remediate.facts.supervisors import Process
from tests.unit.facts.answers import record, said, see

CONF = "/etc/supervisor/conf.d/"
ROOT = Path("/srv/soleil/current")


def lines(*files: tuple[str, str]) -> str:
    return "".join(f"{CONF}{name}\0{line}\n" for name, text in files for line in text.splitlines())


def workers(text: str, root: Path = ROOT) -> tuple[Worker, ...]:
    return ReadWorkers(root).answer(said(lines(("a.conf", text))))


def worker(text: str) -> Worker:
    (found,) = workers(text)
    return found


def test_a_worker_is_told_by_its_command_what_to_do() -> None:
    found = worker(
        "[program:soleil-worker]\n"
        "command=php -d memory_limit=1G /srv/soleil/current/artisan queue:work redis --queue high,low --tries=3 -v ;x\n"
        "autostart = true\n"
        "stdout_logfile=/srv/soleil/shared/storage/logs/%(program_name)s.log\n"
        "stderr_logfile=/var/log/%(process_num)02d.log"
    )
    assert found.runner == ("php", "-d", "memory_limit=1G", "/srv/soleil/current/artisan")
    assert found.told == ("redis", "--queue=high,low", "--tries=3", "-v")
    assert (found.connection, found.queues, found.option("tries")) == ("redis", ("high", "low"), "3")
    assert found.logs == (Path("/srv/soleil/shared/storage/logs/soleil-worker.log"),)
    assert found.starts
    assert found.is_queue_work
    assert not found.is_horizon


def test_only_programs_of_this_application_that_may_work_its_queues_are_meant() -> None:
    found = workers(
        "[program:one]\ncommand=php artisan queue:work\ndirectory=/srv/soleil/current\n"
        "[program:horizon]\ncommand=php /srv/soleil/current/artisan horizon\nautostart=false\n"
        "[program:script]\ncommand=/srv/soleil/worker.sh\n"
        "[program:shell]\ncommand=sh -c 'cd /srv/soleil/current && exec php artisan queue:listen sqs'\n"
        "[program:odd]\ncommand=/srv/soleil/current/it's\n"
        "[program:reverb]\ncommand=php /srv/soleil/current/artisan reverb:start\n"
        "[program:other]\ncommand=php /srv/soleil2/current/artisan queue:work\n"
        "[program:none]\n"
        "[supervisord]\ndirectory=/srv/soleil/current\n"
        "[group:all]\nprograms=one, script\n"
    )
    assert [one.name for one in found] == ["one", "horizon", "script", "shell", "odd"]
    one, horizon, script, shell, odd = found
    assert (one.groups, script.groups, shell.groups) == (("all",), ("all",), ())
    assert (horizon.is_horizon, horizon.starts, horizon.told) == (True, False, None)
    assert (horizon.connection, horizon.queues, horizon.option("queue")) == ("", (), "")
    assert (script.told, odd.told) == (None, None)
    assert (shell.told, shell.connection) == (("sqs",), "sqs")
    assert [
        worker.name for worker in workers("[program:a]\ncommand=/srv/x/y/artisan queue:work", Path("/srv/x/y"))
    ] == ["a"]


def test_processes_are_a_workers_own_by_its_name_or_by_its_groups() -> None:
    one = Worker(name="w", words=(), groups=("all",))
    assert [name for name in ("w", "w:w_00", "all:w_00", "x", "all:x", "y:w") if one.owns(name)] == [
        "w",
        "w:w_00",
        "all:w_00",
    ]


def test_without_supervisor_there_are_none() -> None:
    gone = "grep: /etc/supervisor/conf.d: No such file or directory\n"
    assert ReadWorkers(ROOT).answer(said(status=2, stderr=gone)) == ()
    assert ReadWorkers(ROOT).answer(said(status=1)) == ()
    found = see(read_workers(Reader(), ROOT), ("grep", said(status=1)))
    assert found == Workers()


@pytest.mark.parametrize(
    "text, status, stderr",
    [
        ("no line of it\n", 0, ""),
        (f"{CONF}a.conf\0environment=PASSWORD=x\n", 0, ""),
        (f"{CONF}a.conf\0command\n", 0, ""),
        ("", 0, ""),
        ("", 2, ""),
        ("", 2, "grep: /etc/supervisor/conf.d/a.conf: Permission denied\n"),
    ],
)
def test_what_cannot_be_read_is_no_answer(text: str, status: int, stderr: str) -> None:
    with pytest.raises(FactError):
        ReadWorkers(ROOT).answer(said(text, status=status, stderr=stderr))


WORKER = Worker(name="w", words=())
ON_DEMAND = Worker(name="w", words=(), starts=False)


def running(pid: int = 1, uptime: int = 100) -> Process:
    return Process(name="w", state="RUNNING", pid=pid, uptime=uptime)


def state(name: str) -> Process:
    return Process(name="w", state=name)


@pytest.mark.parametrize(
    "before, after, deaths, life",
    [
        (running(), running(uptime=104), 0, Life.RUNS),
        (running(uptime=1), running(uptime=5), 2, Life.RUNS),
        (running(uptime=1), running(uptime=5), 3, Life.DIES),
        (running(uptime=100), running(uptime=104), 3, Life.RUNS),
        (running(uptime=3600), running(pid=2, uptime=2), 0, Life.RUNS),
        (running(uptime=59), running(pid=2, uptime=2), 0, Life.DIES),
        (running(uptime=3600), state("STARTING"), 0, Life.CHANGES),
        (running(uptime=3), state("STARTING"), 0, Life.DIES),
        (running(uptime=3), state("EXITED"), 0, Life.DIES),
        (running(uptime=3600), state("EXITED"), 0, Life.DOWN),
        (running(), state("BACKOFF"), 0, Life.DIES),
        (running(), state("STOPPING"), 0, Life.CHANGES),
        (state("BACKOFF"), running(uptime=1), 0, Life.DIES),
        (state("BACKOFF"), state("STARTING"), 0, Life.DIES),
        (state("BACKOFF"), state("FATAL"), 0, Life.DOWN),
        (state("STARTING"), running(uptime=4), 0, Life.RUNS),
        (state("STARTING"), running(uptime=2), 0, Life.DIES),
        (state("STARTING"), running(uptime=4), 3, Life.DIES),
        (state("STARTING"), state("STARTING"), 0, Life.CHANGES),
        (state("STARTING"), state("STARTING"), 3, Life.DIES),
        (state("STOPPED"), running(uptime=2), 0, Life.CHANGES),
        (state("STOPPED"), state("STOPPED"), 0, Life.DOWN),
        (None, running(uptime=2), 0, Life.CHANGES),
    ],
)
def test_how_a_process_has_been_is_told_by_both_looks_and_by_its_deaths(
    before: Process | None, after: Process, deaths: int, life: Life
) -> None:
    assert Watched(worker=WORKER, before=before, after=after, deaths=deaths).life is life


@pytest.mark.parametrize(
    "words, expected",
    [
        (("--once",), True),
        (("--stop-when-empty",), True),
        (("--max-jobs=1",), True),
        (("--max-jobs=0",), False),
        (("--max-time=59",), True),
        (("--max-time=60",), False),
        (("--max-time=x",), False),
        ((), False),
    ],
)
def test_one_that_is_told_to_end_soon_may_end_whenever_it_likes(words: tuple[str, ...], expected: bool) -> None:
    brief = Worker(name="w", words=("php", "artisan", "queue:work", *words))
    assert brief.ends_itself is expected
    if expected:
        for before, after in ((running(uptime=3), state("EXITED")), (None, running(pid=2, uptime=0))):
            assert Watched(worker=brief, before=before, after=after).life is Life.RUNS
            assert Watched(worker=brief, before=before, after=after, deaths=3).life is Life.DIES
        assert Watched(worker=brief, before=running(), after=state("FATAL")).life is Life.DOWN


def test_one_that_nobody_wants_to_run_by_itself_may_be_stopped() -> None:
    stopped = Watched(worker=ON_DEMAND, before=state("STOPPED"), after=state("STOPPED"))
    assert (stopped.is_well, Watched(worker=WORKER, before=None, after=state("STOPPED")).is_well) == (True, False)
    assert Workers(programs=(ON_DEMAND,), processes=(stopped,)).that(Life.DOWN) == ()


def test_it_is_said_how_it_is() -> None:
    fatal = Process(name="w", state="FATAL", says="Exited too quickly")
    assert Watched(worker=WORKER, before=fatal, after=fatal).in_words == "FATAL (Exited too quickly)"
    assert Watched(worker=WORKER, before=running(), after=running()).in_words == "RUNNING"
    dying = Watched(worker=WORKER, before=state("BACKOFF"), after=state("BACKOFF"), deaths=4, died_of="exit status 1")
    assert dying.in_words == "dies again and again, 4 times in 5 min (exit status 1)"
    assert Watched(worker=WORKER, before=None, after=state("BACKOFF")).in_words == "dies again and again"


_CONF = lines(
    (
        "a.conf",
        """\
[program:w]
command=php /srv/soleil/current/artisan queue:work
stdout_logfile=/srv/w.log
[program:x]
command=php /srv/soleil/current/artisan queue:work""",
    )
)
_LINE = "w:w_00                           {}\n"


def read(*rules: tuple[str, Output | FactError]) -> Workers:
    found = see(read_workers(Reader(), ROOT), ("grep", said(_CONF)), *rules, ("framework/down", said()))
    assert isinstance(found, Workers)
    return found


def test_workers_are_read_in_two_round_trips_with_what_their_logs_say_last() -> None:
    look = _LINE.format("RUNNING   pid 9, uptime 0:00:02")
    found = read(
        ("sample-programs", said(f"{look}other RUNNING pid 8, uptime 0:00:03\n\0{look}\0")),
        ("supervisord.log", said("==> /var/log/supervisor/supervisord.log <==\n")),
        ("framework/down", said(record("/srv/soleil/current/storage/framework/down"))),
        ("/srv/w.log", said("==> /srv/w.log <==\nfirst\n  no such room  \n---\n")),
    )
    assert found.is_in_maintenance
    (process,) = found.processes
    assert (process.worker.name, process.after.pid, process.before) == ("w", 9, process.after)
    assert found.words_of(process.worker) == "no such room"
    assert found.words_of(found.programs[1]) == ""
    assert [one.name for one in found.unloaded] == ["x"]
    assert not found.is_horizon


def test_deaths_are_unknown_where_supervisors_log_is_and_words_where_a_log_is() -> None:
    look = _LINE.format("BACKOFF   Exited too quickly")
    found = read(
        ("sample-programs", said(f"{look}\0{look}\0")),
        ("supervisord.log", FactError("no")),
        (
            "/srv/w.log",
            said(status=1, stderr="tail: cannot open '/srv/w.log' for reading: No such file or directory\n"),
        ),
    )
    assert (found.processes[0].deaths, found.last_words, found.is_in_maintenance) == (0, (), False)


def test_supervisor_may_be_down_or_unknown() -> None:
    others = (("tail", FactError("no")), ("find", FactError("no")))
    down = "unix:///var/run/supervisor.sock no such file\nstatus 4\n"
    found = read(("sample-programs", said(f"{down}\0{down}\0")), *others)
    assert (found.is_supervised, found.processes, found.unloaded) == (False, (), ())
    with pytest.raises(FactError, match="needs root"):
        read(("sample-programs", FactError("needs root")), *others)
