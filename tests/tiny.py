"""The smallest scenario there is, for tests of what is written on top: a file must say ``good``.

Its host is :class:`~soleil_remediate.transports.scripted.ScriptedHost`, or any real one with a shell.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, ClassVar

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.host import Connection, Host, Origin, Policy, nothing
from soleil_remediate.plan import Change, FileIdentity, Gather, Plan, Preserve, Relief, Risk, Script, Undo
from soleil_remediate.scenario import Case, Scenario, Severity, Step
from soleil_remediate.task import Check, Look, Table, Task, Verdict
from soleil_remediate.transports.scripted import ScriptedHost
from soleil_remediate.units import Duration, KiB

PUT = Script(name="put", text='printf "%s\\n" "$2" >"$1" && echo "put $2"')
FILE = PurePosixPath("/srv/one")


@dataclass(frozen=True, slots=True)
class ReadFile(Query[str | None]):
    """What a file says; ``None`` where it is not there."""

    path: PurePosixPath
    expects: ClassVar[frozenset[int]] = frozenset({0, 1})

    @property
    def command(self) -> Command:
        return Command(("sh", "-c", 'test -e "$1" || { echo absent; exit 1; }; cat "$1"', "read", str(self.path)))

    def parse(self, output: Output) -> str | None:
        return output.text.strip() if output.exit_status == 0 else None


@dataclass(frozen=True, kw_only=True)
class FileSays(Check[str | None]):
    """See whether a file says what it should."""

    kind = "file.says"

    path: PurePosixPath = FILE
    text: str = "good"
    better: str = "best"

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def judge(self, seen: str | None) -> Verdict:
        if seen in (self.text, self.better):
            return Verdict.healthy(f"{self.path} says {seen}")
        return Verdict.faulty(f"{self.path} says {seen}", faults=frozenset({str(self.path)}))


@dataclass(frozen=True, kw_only=True)
class ShowFile(Look[str | None]):
    """Show what a file says."""

    kind = "file.show"
    title = "the file"

    path: PurePosixPath = FILE

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def show(self, seen: str | None) -> Table:
        return Table(rows=((str(seen),),))


@dataclass(frozen=True, kw_only=True)
class PutFile(Task[str | None]):
    """Let a file say what it should, one word after another."""

    kind = "file.put"

    path: PurePosixPath = FILE
    words: tuple[str, ...] = ("good",)
    only_from: tuple[str, ...] = ()
    risk: Risk = Risk.GENTLE
    saved: bool = False
    gathers: tuple[Gather, ...] = ()
    relieves: tuple[str, ...] = ()

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def plan(self, seen: str | None) -> Plan:
        if seen in (self.words[-1], "best"):
            return Plan.nothing(f"{self.path} says {seen}")
        if self.only_from and seen not in self.only_from:
            return Plan.nothing(f"{self.path} says {seen}, which is not for this")
        changes = tuple(self._put(word, seen) for word in self.words)
        return Plan.of(*changes, because=f"{self.path} says {seen}")

    def _put(self, word: str, seen: str | None) -> Change:
        return Change(
            summary=f"let {self.path} say {word}",
            command=put(word, self.path),
            risk=self.risk,
            undo=Undo.none("nobody needs the old word"),
            before=str(seen),
            after=word,
            preserve=Preserve(path=self.path, identity=IDENTITY, size=KiB(1)) if self.saved else None,
            gathers=self.gathers,
            relieves=tuple(Relief(subject=subject, amount="a word") for subject in self.relieves),
        )


IDENTITY = FileIdentity(7, 12)


def put(word: str, path: PurePosixPath = FILE) -> Command:
    """Return the command that lets a file say a word."""
    return Command(PUT.bind(path, word), deadline=Duration(10))


def host(name: str = "web1", **policy: Any) -> Host:
    """Return a listed host on which anything may be approved."""
    return Host(name=name, connection=Connection(address=name), policy=Policy(**policy))


ORIGIN = Origin("tiny.yml", 1)


def case(
    *steps: Step | Task[Any],
    on: Host | None = None,
    goal: tuple[Check[Any], ...] = (),
    healthy_when: tuple[Check[Any], ...] = (FileSays(),),
    beyond: tuple[Check[Any], ...] = (),
    inputs: Mapping[str, Any] = MappingProxyType({}),
) -> Case:
    """Bind the tiny scenario to a host; without steps of its own it puts the file right."""
    return Case(
        scenario=Scenario(
            name="tiny",
            title="A file says something else",
            severity=Severity.MEDIUM,
            respond_within=Duration(60),
            impact="none",
            origin=ORIGIN,
        ),
        host=on or host(),
        inputs=inputs or nothing(),
        healthy_when=healthy_when,
        goal=goal,
        beyond=beyond,
        evidence=(ShowFile(),),
        steps=tuple(one if isinstance(one, Step) else Step(task=one) for one in steps or (PutFile(),)),
    )


def scripted(name: str = "web1", says: str | None = "bad") -> ScriptedHost:
    """Return a host whose files say *says*, and that takes every word that is put."""
    one = ScriptedHost(name)
    say(one, says)
    one.on_change(lambda command: command.words[:4] == PUT.bind()[:4], lambda command: f"put {command.words[5]}\n")
    for word in ("good", "best", "bad", "worse", "first"):
        one.on_change(put(word), f"put {word}\n", then=partial(say, word=word))
    return one


def say(one: ScriptedHost, word: str | None) -> None:
    """Let every file of a scripted host say *word*; ``None`` removes them."""
    answer = Output(exit_status=0, stdout=f"{word}\n".encode()) if word else Output(exit_status=1, stdout=b"absent\n")
    one.on_read(lambda command: command.words[3:4] == ("read",), answer)


def words_sent(one: ScriptedHost) -> list[str]:
    """Return the words that were put on a scripted host, in order."""
    return [command.words[5] for command in one.sent]


@dataclass
class Clock:
    """A clock that stands still until somebody sleeps. Safe to use from several threads."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds
            self.slept.append(seconds)
