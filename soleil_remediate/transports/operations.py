"""Operations: what may be sent under their ids, and what the shim says about them, read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soleil_remediate.command import TIMED_OUT, Output
from soleil_remediate.errors import FactError, Refused
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports import Operation, Progress
from soleil_remediate.units import Duration

#: How much of a change's output is kept from its beginning; as much again from its end.
KEPT = 2**16

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}", re.ASCII)
_DONE = re.compile(rb"done (\d{1,3}) (\d{1,20})", re.ASCII)


def is_operation_id(text: str) -> bool:
    """Return whether *text* may name an operation: it becomes a file's name on the host."""
    return _ID.fullmatch(text) is not None


def refuse_unwritable(host: str, operation: str, text: str) -> None:
    """Raise Refused where *text*, the words of a change, holds what no host can be sent: half a character."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        why = f"{error.reason}: {text[error.start : error.end]!a}"
        raise Refused(f"{host}: operation {operation} cannot be written in bytes ({why}). Nothing was sent") from None


def read_operation(operation: str, output: Output) -> Operation:
    """Return what ``tell`` answered.

    Raises:
        FactError: It cannot be read, or nobody can tell yet.
    """
    first, _, written = output.stdout.partition(b"\n")
    if (done := _DONE.fullmatch(first)) is not None and int(done[1]) <= 255:
        cut = max(0, int(done[2]) - KEPT)
        return Operation(
            progress=Progress.DONE, output=Output(exit_status=int(done[1]), stdout=written, cut=cut + output.cut)
        )
    word, _, owner = first.decode("utf-8", "backslashreplace").partition(" ")
    if word == "unclear":
        raise FactError(
            f"operation {operation} has not begun, but whoever may begin it still holds the lock ({owner}): ask again",
            command=f"tell {operation}",
        )
    for progress in (Progress.RUNNING, Progress.LOST, Progress.FORGOTTEN, Progress.NEVER_BEGUN):
        if word == progress.value:
            return Operation(progress=progress)
    raise FactError(
        f"what became of operation {operation} cannot be read (exit status {output.exit_status})",
        command=f"tell {operation}",
        output=redacted(output.error_text.strip() or output.text.strip())[-400:],
    )


def in_time(output: Output, deadline: Duration, took: float) -> Output:
    """Return *output* with the status of a command that ran out of time, where it had to be killed for that."""
    if output.exit_status == 137 and took >= deadline:  # timeout -k then answers 128 + 9 instead
        return Output(exit_status=TIMED_OUT, stdout=output.stdout, stderr=output.stderr, cut=output.cut)
    return output


def wait_times(deadline: Duration) -> Iterator[Duration]:
    """Yield how long to wait for a change's end each time; stops well after *deadline* must have ended it."""
    waited, seconds = 0.0, 1.0
    while waited < deadline + 30:
        yield Duration(seconds)
        waited += seconds
        seconds = min(seconds * 2, 5.0)
