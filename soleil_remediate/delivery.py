"""One change, sent once: saved first, intended on disk, sent, and asked about until its outcome is known."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from soleil_remediate.clock import Clock
from soleil_remediate.command import TIMED_OUT, Command, Output
from soleil_remediate.copies import NewCopy
from soleil_remediate.errors import (
    AnswerNotRecorded,
    CommandFailed,
    EvidenceNotStored,
    FactError,
    HostLocked,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from soleil_remediate.events import ChangeAnswered, ChangeIntended, ChangeUnanswered, CopyProgress, CopySaved, Event
from soleil_remediate.freezing import Brake, released
from soleil_remediate.plan import Change, Gather, Preserve, Undo
from soleil_remediate.secrecy import redacted
from soleil_remediate.state import remedy_for
from soleil_remediate.step_outcomes import SavedCopy, Sent
from soleil_remediate.stopping import Stop
from soleil_remediate.transports import Operation, Progress, Saved, Session
from soleil_remediate.units import ByteSize, Duration

#: After a change's own deadline its outcome is asked for this much longer before it is called unknown.
PATIENCE = Duration(60)
#: How a line of a change's standard output begins that a person is to read although all ended well.
WARNING = "warning: "


class Copies(Protocol):
    """Where copies are kept; the run's record."""

    def create_copy(self, name: str) -> NewCopy:
        """Create a file for a copy, never overwriting one."""


class Line(Protocol):
    """The way to one host, which may have to be opened anew."""

    @property
    def session(self) -> Session:
        """The open session."""

    def reopen(self) -> Session:
        """Connect anew and take the host's lock again.

        Raises:
            Unreachable: The host cannot be reached.
            HostLocked: A change that was sent, or somebody else, holds the host.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Sends the changes of one run to one host.

    Args:
        run: The run's name; part of every operation's id.
        line: The way to the host.
        copies: Where what is destroyed is kept.
        clock: For durations and waiting.
        say: Told every event; whatever it raises stops what has not been sent yet.
        stop: Looked at before and between changes.
        brake: Likewise.
        nth: Which of the run's targets it is, from 0: a machine may be several, and remembers operations by their ids.
    """

    run: str
    line: Line
    copies: Copies
    clock: Clock
    say: Callable[[Event], None]
    stop: Stop
    brake: Brake = released
    nth: int = 0

    def send(
        self, change: Change, kind: str, step: int, number: int, sent: list[Sent], *, is_to_finish: bool = False
    ) -> None:
        """Send *change* and append what became of it to *sent*.

        Args:
            change: An approved one.
            kind: Its task's kind.
            step: The step's place in the scenario, from 0.
            number: The change's place in its step, from 0.
            sent: Gets the change once it was answered with exit status 0.
            is_to_finish: It ends what was begun, so that only somebody who insists stops it, or a freeze.

        Raises:
            EvidenceNotStored: What it would destroy could not be saved: it was not sent.
            Refused: It could not be begun, recorded, or somebody asked to stop or froze it: it was not sent.
            Unreachable: The host is gone: it was not sent.
            CommandFailed: It was sent and ended with an error.
            AnswerNotRecorded: It was sent and answered, but that could not be recorded.
            OutcomeUnknown: It was sent, and nobody knows what became of it.
        """
        self._check(is_to_finish=is_to_finish)
        if change.is_over_new_connection:
            self.line.reopen()
        saved, receipt = self._save(change.preserve, step, number) if change.preserve else (None, None)
        if change.gathers:
            receipt = self._gather(change, step, number)
        self._check(is_to_finish=is_to_finish)
        command = replace(change.command, stdin=receipt) if receipt else change.command
        operation = self.operation(step, number)

        def made(answered: ChangeAnswered) -> None:
            sent.append(
                Sent(
                    change=change,
                    operation=operation,
                    says=answered.says,
                    took=answered.took,
                    saved=saved,
                    warnings=answered.warnings,
                )
            )

        self._make(change, command, kind, step, operation, made)

    def take_back(self, one: Sent, kind: str, step: int, taken_back: list[str]) -> None:
        """Take a change back that succeeded, and append its operation to *taken_back*.

        It is no new approval that this needs: how a change is undone is part of what was approved.

        Raises:
            Refused: It cannot be taken back, or nothing may be sent any more: it stands.
            Unreachable: The host is gone: it stands.
            CommandFailed: That was tried and ended with an error.
            AnswerNotRecorded: It was taken back, but that could not be recorded.
            OutcomeUnknown: Nobody knows whether it was.
        """
        command, change = one.change.undo.command, one.change
        if command is None:
            raise Refused(one.change.undo.says)
        self._check(is_to_finish=True)
        back = Change(
            summary=f"take back: {change.summary}",
            command=command,
            risk=change.risk,
            undo=Undo.none("it takes a change back itself"),
            before=change.after,
            after=change.before,
        )
        undoing = f"{one.operation}-undo"
        self._make(back, command, kind, step, undoing, lambda _: taken_back.append(one.operation), of=one.operation)

    def _make(  # everything that its intent says, and who hears of its success
        self,
        change: Change,
        command: Command,
        kind: str,
        step: int,
        operation: str,
        made: Callable[[ChangeAnswered], None],
        of: str = "",
    ) -> None:
        """Intend one operation on record, send it once, and record its answer; *made* hears of a success at once.

        Whatever breaks before the session is told to send it is raised as it is: the host is as it was.
        """
        session = self.line.session
        host, memory = session.host.name, session.memory
        self.say(
            ChangeIntended(
                host=host,
                step=step,
                kind=kind,
                operation=operation,
                digest=change.digest(host, kind),
                change=change,
                memory=memory,
                takes_back=of,
            )
        )
        began = self.clock.monotonic()
        try:
            output = self._deliver(session, memory, operation, command)
        except (Refused, OutcomeUnknown):
            raise
        except Exception as error:
            raise OutcomeUnknown(
                f"{host} MAY have been changed: a bug in this program hid what became of operation {operation} "
                f"({type(error).__name__}: {error})"
            ) from error
        answered = ChangeAnswered(
            host=host,
            operation=operation,
            exit_status=output.exit_status,
            says=last_lines(output),
            took=Duration(self.clock.monotonic() - began),
            warnings=warnings_in(output),
        )
        if output.exit_status == 0:
            made(answered)
        try:
            self.say(answered)
        except Refused as error:
            raise AnswerNotRecorded(
                f"operation {operation} ended with exit status {output.exit_status}, but {error}"
            ) from error
        if output.exit_status != 0:
            why = f"exit status {output.exit_status}"
            if output.exit_status == TIMED_OUT:
                why = f"it took longer than {command.deadline} and was ended: it may be half done"
            raise CommandFailed(f"{why}{': ' + answered.says if answered.says else ''}")

    def _check(self, *, is_to_finish: bool) -> None:
        if not is_to_finish or self.stop.is_insisted:
            self.stop.check()
        self.brake()

    def operation(self, step: int, number: int) -> str:
        """Return the id under which a change is sent: of the run, the target, the step and the change in it."""
        target = f"{self.nth:02x}." if self.nth else ""
        return f"{self.run}-{target}{step:02x}-{number:02x}"

    def _deliver(self, session: Session, memory: str, operation: str, command: Command) -> Output:
        try:
            return session.send(operation, command)
        except (OutcomeUnknown, Unreachable) as error:
            host = session.host.name
            with suppress(Refused):  # what is unknown is found out first; the record fails again, and then is heard
                self.say(ChangeUnanswered(host=host, operation=operation, why=str(error)))
            known = self._find_out(operation, command, memory)
            if known is None:
                if isinstance(error, OutcomeUnknown):
                    raise
                raise OutcomeUnknown(
                    f"{host} MAY have been changed: operation {operation} was sent, then {error}"
                ) from error
            if known.progress is Progress.NEVER_BEGUN:
                why = f"operation {operation} was never begun: the connection was cut before {host} took it"
                raise Refused(why) from error
            if known.progress is Progress.FORGOTTEN:
                raise OutcomeUnknown(
                    f"{host} MAY have been changed: operation {operation} was sent, and the host has forgotten all "
                    "operations since (it restarted, or its /run was emptied)"
                ) from error
            if known.output is None:
                raise OutcomeUnknown(
                    f"{host} MAY have been changed: the host says that operation {operation} was begun and ended "
                    "without an exit status (it was killed)"
                ) from error
            return known.output

    def _find_out(self, operation: str, command: Command, memory: str) -> Operation | None:
        """Ask the host what became of an operation, over a new connection; ``None`` where it cannot be learnt.

        An answer counts whoever holds the host's lock. That it was never begun, or was lost, counts only once the lock
        is ours: until then the old session's shell may still be alive and begin it.
        """
        ends = self.clock.monotonic() + command.deadline + PATIENCE
        pause = 0.2
        while self.clock.monotonic() < ends and not self.stop.is_insisted:
            with suppress(Unreachable, Refused, FactError):  # asked again below: nothing is lost by asking
                session, is_ours = self._reopen()
                known = session.outcome(operation, memory=memory)
                if known.progress is Progress.DONE or (is_ours and known.progress is not Progress.RUNNING):
                    return known
            self.clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)
        return None

    def _reopen(self) -> tuple[Session, bool]:
        try:
            return self.line.reopen(), True
        except HostLocked:
            return self.line.session, False

    def _save(self, what: Preserve | Gather, step: int, number: int, before: int = 0) -> tuple[SavedCopy, str]:
        """Return the copy, and what the change must be told about it; *before* it, so much was saved for the change."""
        with self._new_copy(what, what.file_name, step, number) as new:
            saved = self._stream(what, new, step, before)
            return self._saved(new, saved, step, what.name if isinstance(what, Gather) else ""), saved.receipt

    def _gather(self, change: Change, step: int, number: int) -> str:
        """Save what a change wants to be gathered, and a manifest of it; return what the change must be told."""
        manifest, size = "", 0
        for one in change.gathers:
            copy, _ = self._save(one, step, number, size)
            size += copy.size
            manifest += f"{copy.sha256} {copy.size:d} {one.name}\n"
        text = manifest.encode()
        stored = gzip.compress(text, mtime=0)
        with self._new_copy("the manifest", "manifest", step, number) as new:
            try:
                new.file.write(stored)
                new.finish()
            except OSError as error:
                raise _not_stored("the manifest", new, error) from error
            saved = Saved(
                size=ByteSize(len(text)),
                stored=ByteSize(len(stored)),
                sha256=hashlib.sha256(text).hexdigest(),
                tail_sha256="",
            )
            self._saved(new, saved, step, "manifest")
        return manifest

    def _new_copy(self, what: object, name: str, step: int, number: int) -> NewCopy:
        try:
            return self.copies.create_copy(f"{self.line.session.host.name}-{step}-{number}-{name}")
        except OSError as error:
            why = f"the copy of {what} cannot be created here: {error.strerror}"
            raise EvidenceNotStored(f"{why}. To go on: {remedy_for(error)}") from error

    def _saved(self, new: NewCopy, saved: Saved, step: int, part: str) -> SavedCopy:
        copy = SavedCopy(path=new.path, size=saved.size, stored=saved.stored, sha256=saved.sha256)
        self.say(CopySaved(host=self.line.session.host.name, step=step, copy=copy, part=part))
        return copy

    def _stream(self, what: Preserve | Gather, new: NewCopy, step: int, before: int) -> Saved:
        host = self.line.session.host.name
        limit = self.line.session.host.policy.evidence_limit
        path = what.path if isinstance(what, Preserve) else PurePosixPath(what.name)

        def check(size: int) -> None:
            if before + size > limit:
                whole = ByteSize(before + size)
                raise EvidenceNotStored(f"the copy of {what} is {whole}{more}, the policy allows {limit}")

        def on_progress(copied: ByteSize) -> None:
            self.stop.check()
            check(copied)  # it may have grown since it was planned
            self.say(CopyProgress(host=host, step=step, path=path, copied=copied, total=what.size))

        more = f" with the {ByteSize(before)} before it" if before else ""
        check(what.size)
        try:
            saved = self.line.session.save(what, new.file, on_progress)
            check(saved.size)
            new.finish()
        except OSError as error:
            raise _not_stored(what, new, error) from error
        return saved


def _not_stored(what: object, new: NewCopy, error: OSError) -> EvidenceNotStored:
    room = _room(new.path.parent)
    return EvidenceNotStored(f"the copy of {what} cannot be stored here: {error.strerror} ({room})")


def _room(folder: Path) -> str:
    try:
        return f"{ByteSize(shutil.disk_usage(folder).free)} free in {folder}"
    except OSError as error:
        return f"{folder}: {error.strerror}"


def warnings_in(output: Output) -> tuple[str, ...]:
    """Return what a change warns of: what follows :data:`WARNING` on lines of its standard output, the first ones."""
    lines = [" ".join(line.split()) for line in redacted(output.text).splitlines() if line.startswith(WARNING)]
    return tuple(line.removeprefix(WARNING)[:500] for line in lines[:10])


def last_lines(output: Output) -> str:
    """Return what a change wrote last."""
    text = (output.text.strip() + "\n" + output.error_text.strip()).strip()
    return "\n".join(redacted(text).splitlines()[-10:])[-2000:]
