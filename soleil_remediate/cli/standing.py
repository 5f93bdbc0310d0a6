"""``status``: what is frozen, which runs are open here, who holds a host, and what runs there with nobody listening."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, every_host, invocation
from soleil_remediate.cli.freezing import put_freeze, switch
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, FactError, Unreachable, worst
from soleil_remediate.events import as_data
from soleil_remediate.history import Ending, RunSummary
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import MaybeChanged
from soleil_remediate.loading import check_local_files
from soleil_remediate.record import Runs
from soleil_remediate.reporters.endings import BAD, GOOD, HALF
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.state import state_folder
from soleil_remediate.transports.holding import Holding, ReadHolding
from soleil_remediate.transports.session import memory_of
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.visiting import Visits


class Life(Enum):
    """What is known on this machine of a run."""

    ALIVE = "its process is alive here"
    OVER = "its process here is gone"
    ELSEWHERE = "there is no record of yours on this machine, so it cannot be told from here whether it is alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run of this user that goes on, or that nobody has told the end of."""

    run: str
    scenario: str
    operator: str
    hosts: tuple[str, ...]
    is_alive: bool
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStanding:
    """How one host stands.

    Args:
        word: For people.
        says: The same, in full.
        holding: What the host said; ``None`` where it was not asked or said nothing that can be read.
        resume: The run that somebody should resume; empty where there is none.
    """

    host: str
    word: str
    says: str
    exit_status: ExitStatus
    holding: Holding | None = None
    resume: str = ""


def status(call: Call) -> ExitStatus:
    """Say what is frozen, open, locked and orphaned."""
    is_json = call.is_json
    found = switch(call)
    frozen = None if found is None else found.found()
    known = {run.run: run for run in Runs(state_folder()).list()}
    runs = open_runs(Runs(state_folder()), known.values())
    screen = Screen.of(sys.stdout)
    page = Page(screen.width)
    if not is_json:
        if found is not None and frozen is not None:
            put_freeze(page, found, frozen)
            page.gap()
        _put_runs(page, call, runs)
        screen.show(page)  # what is known here is said before any host is waited for
    hosts = _hosts(call)
    standings: list[HostStanding] = []
    if hosts:
        visits = Visits(EachItsWay(), SystemClock())
        standings += visits.each(hosts, lambda host: standing(host, known, visits))
    ended = [one.exit_status for one in standings]
    if frozen is not None or any(not run.is_alive for run in runs):
        ended.append(ExitStatus.WORK_FOUND)
    result = worst([ExitStatus.OK, *ended])
    if is_json:
        more: dict[str, Any] = {"frozen": as_data(frozen), "runs": as_data(runs), "exit_status": int(result)}
        print(list_document(call.verb, "hosts", standings, **more))  # noqa: T201  # the document
        return result
    page = Page(screen.width)
    _put_hosts(page, call, standings)
    screen.show(page)
    return result


def _hosts(call: Call) -> Sequence[Host]:
    if call.text("host") or call.has("all_hosts"):
        return chosen_hosts(call)[0]
    return every_host(call)


def open_runs(runs: Runs, known: Any) -> tuple[OpenRun, ...]:
    """Return the runs that go on, and those whose end somebody still has to find out."""
    return tuple(
        OpenRun(
            run=one.run,
            scenario=one.scenario,
            operator=one.operator,
            hosts=one.hosts,
            is_alive=_is_alive(one),
            verdict=one.verdict,
        )
        for one in known
        if _is_alive(one) or _is_open(runs, one)
    )


def _is_alive(run: RunSummary) -> bool:
    return Ending.RUNNING.value in run.verdict.split(" · ")


def _is_open(runs: Runs, run: RunSummary) -> bool:
    words = set(run.verdict.split(" · "))
    if MaybeChanged.word in words:
        return True
    if words.isdisjoint({Ending.UNFINISHED.value, Ending.CUT_OFF.value}):
        return False
    try:
        history = runs.history(run.run)
        return history.has_intents and history.is_to_be_resumed
    except (ConfigError, LookupError, TypeError):  # damaged: somebody has to look
        return True


def life(run: str, known: dict[str, RunSummary]) -> Life:
    """Return what is known here of a run."""
    found = known.get(run)
    if found is None:
        return Life.ELSEWHERE
    return Life.ALIVE if _is_alive(found) else Life.OVER


def standing(host: Host, known: dict[str, RunSummary], visits: Visits) -> HostStanding:
    """Ask one host."""
    try:
        check_local_files((host,))
        session = visits.open(host)
    except (Unreachable, ConfigError) as error:
        return HostStanding(host=host.name, word="UNREACHABLE", says=str(error), exit_status=Unreachable.exit_status)
    try:
        access = session.access
        if not access.may_change:
            raise FactError(f"its locks are root's to see, and {access.why_not}")
        query = ReadHolding(memory=memory_of(access))
        (output,) = session.ask([query.command])
        if isinstance(output, FactError):
            raise output
        return judge(host.name, query.answer(output), known)
    except FactError as error:
        return HostStanding(host=host.name, word="UNKNOWN", says=str(error), exit_status=error.exit_status)
    except Unreachable as error:
        return HostStanding(host=host.name, word="UNREACHABLE", says=str(error), exit_status=error.exit_status)
    finally:
        visits.close(session)


def judge(host: str, holding: Holding, known: dict[str, RunSummary]) -> HostStanding:
    """Say what a host's own answer means, by what is known here of the runs that it names."""
    one = _held(host, holding, known)
    if not holding.lost:
        return one
    says = [one.says] if one.says else []
    statuses, resume = [one.exit_status], one.resume
    for operation in holding.lost:
        run = operation.partition("-")[0]
        alive, of_run = life(run, known), f"of run {run}, {life(run, known).value}"
        if alive is Life.OVER and _is_told(known[run]):  # as far as anybody ever can
            of_run = f"run {run} ended {known[run].verdict}, as its record says"
        elif alive is not Life.ALIVE:
            statuses.append(ExitStatus.WORK_FOUND)
            resume = resume or (run if alive is Life.OVER else "")
        says.append(f"{operation} was begun and killed before it ended: it may be half done; {of_run}")
    word = "LOST" if one.word == "FREE" else one.word
    return replace(one, word=word, says="; ".join(says), exit_status=worst(statuses), resume=resume)


def _is_told(run: RunSummary) -> bool:
    """Whether somebody has found out what became of every change of a run that is over."""
    open_ends = {MaybeChanged.word, Ending.UNFINISHED.value, Ending.CUT_OFF.value, "unreadable"}
    return open_ends.isdisjoint(run.verdict.split(" · "))


def _held(host: str, holding: Holding, known: dict[str, RunSummary]) -> HostStanding:
    """Say who holds a host, and what runs there."""
    for operation in holding.running:
        run = operation.partition("-")[0]
        alive = life(run, known)
        is_somebodys = alive is Life.ELSEWHERE and holding.owner is not None  # another machine's, or another user's
        if alive is not Life.ALIVE and not is_somebodys:
            return HostStanding(
                host=host,
                word="ORPHAN",
                says=f"{operation} still runs, and nobody listens that is known here: of run {run}, {alive.value}",
                exit_status=ExitStatus.WORK_FOUND,
                holding=holding,
                resume=run if alive is Life.OVER else "",
            )
    if holding.owner is None:
        return HostStanding(host=host, word="FREE", says="", exit_status=ExitStatus.OK, holding=holding)
    alive = life(holding.run, known) if holding.run else Life.ELSEWHERE
    now = f"; {', '.join(holding.running)} is under way" if holding.running else ""
    return HostStanding(
        host=host,
        word="LOCKED",
        says=f"by {holding.owner}: {alive.value}{now}",
        exit_status=ExitStatus.OK if alive is Life.ALIVE else ExitStatus.WORK_FOUND,
        holding=holding,
        resume=holding.run if alive is Life.OVER else "",
    )


# --- for people -------------------------------------------------------------------------------------------------------


def _put_runs(page: Page, call: Call, runs: Sequence[OpenRun]) -> None:
    page.line(("RUNS", HEADING), " of this user, on this machine")
    for run in runs:
        where = ", ".join(run.hosts[:3]) + (f" and {len(run.hosts) - 3} more" if len(run.hosts) > 3 else "")
        word = ("goes on", GOOD) if run.is_alive else (run.verdict, BAD)
        page.line(f"  {run.run}  ", word, f"  {joined([run.scenario, where, run.operator])}")
        if not run.is_alive:
            page.command("  next", invocation(call, "").resume(run.run), 12)
    if not runs:
        page.line("  none goes on, and none is open")


_STYLES = {"FREE": GOOD, "LOCKED": HALF, "LOST": BAD, "ORPHAN": BAD, "UNKNOWN": BAD, "UNREACHABLE": BAD}


def _put_hosts(page: Page, call: Call, standings: Sequence[HostStanding]) -> None:
    page.gap()
    page.line(("HOSTS", HEADING))
    free = [one.host for one in standings if one.word == "FREE"]
    rest = [one for one in standings if one.word != "FREE"]
    width = max((len(one.host) for one in rest), default=0) + 2
    for one in rest:
        page.line(f"  {one.host:<{width}}", (one.word, _STYLES[one.word]))
        page.prose(one.says.removeprefix(f"{one.host}: "), 4)
        if one.resume:
            page.command("  next", replace(invocation(call, ""), inventory="").resume_again(one.resume), 12)
    if free:
        page.prose(f"{counted(len(free), 'host')} free: nobody holds them, nothing of ours runs: {' '.join(free)}", 2)
    if not standings:
        page.prose("no inventory, so none was asked, and nothing is known of a freeze: add --inventory FILE", 2)
