"""How every command ends: its exit status, and one text for whatever went wrong."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.forms import safe_to_print, tell_error
from soleil_remediate.cli.verbs import Verb
from soleil_remediate.errors import ConfigError, ExitStatus, RemediateError
from soleil_remediate.reporters.visible import visible
from soleil_remediate.secrecy import redacted

#: prctl(2): no core, and nobody but root reads /proc/PID/environ or /proc/PID/mem, where secrets may be.
_PR_SET_DUMPABLE = 4


def ended(verb: Verb, call: Call) -> ExitStatus:
    """Do what a command is for, and return how it ended; nothing it raises passes this."""
    _never_fail_to_print()
    _keep_to_ourselves()
    with safe_to_print(call):
        status = _done(verb, call)
    return _heard_out(call, status)


def _done(verb: Verb, call: Call) -> ExitStatus:
    module, _, function = verb.body.partition(":")
    try:
        status: ExitStatus = getattr(import_module(f"soleil_remediate.cli.{module}"), function)(call)
    except RemediateError as error:
        return _told(call, type(error).__name__, str(error), error.exit_status)
    except KeyboardInterrupt:
        return _told(call, "KeyboardInterrupt", "stopped by Ctrl-C", ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has gone, as `head` does: nothing is wrong
        return ExitStatus.OK
    except Exception as error:  # noqa: BLE001  # whatever it is, a person gets one sentence and a place to look
        return _bug(call, error)
    return status


def refused(call: Call, why: ConfigError) -> ExitStatus:
    """Say why a call was not even begun."""
    _never_fail_to_print()
    with safe_to_print(call):
        status = _told(call, type(why).__name__, str(why), why.exit_status)
    return _heard_out(call, status)


def _told(call: Call, name: str, message: str, status: ExitStatus) -> ExitStatus:
    with suppress(OSError):
        tell_error(call, name, message, status)
    return status


def _bug(call: Call, error: Exception) -> ExitStatus:
    """Keep the traceback in a file, and say where; on the screen only where it was asked for."""
    text = redacted("".join(traceback.format_exception(error)))
    if call.has("verbose"):
        with suppress(OSError):
            print("\n".join(map(visible, text.splitlines())), file=sys.stderr)  # noqa: T201  # was asked for
    try:
        where = f"Its traceback is in {_kept(text)}"
    except (OSError, ConfigError):
        where = "Its traceback is shown by --verbose"
    message = (
        f"this is a bug in {call.program.name}, not in your input: {type(error).__name__}: {error}\n"
        f"{where}. What was sent to hosts stands in `runs list`; to see how a host is now, use preview."
    )
    return _told(call, "Bug", message, ExitStatus.BUG)


def _kept(text: str) -> Path:
    from soleil_remediate.state import open_private, state_folder  # noqa: PLC0415  # only where something went wrong

    folder = open_private(state_folder(), "bugs")
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return state_folder() / "bugs" / name


def _never_fail_to_print() -> None:
    """Let characters that this terminal's encoding lacks appear as escapes instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # text streams of CPython have it


def _keep_to_ourselves() -> None:
    """Let no secret out of this process by ways that are not its own: cores, its memory, Python's own last words."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if sys.excepthook is sys.__excepthook__:  # a debugger's stays, and so does a test runner's
        sys.excepthook = _last_words
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _last_words_of_a_thread


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    with suppress(OSError, ValueError, AttributeError):  # nobody may be there to hear it
        sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))


def _last_words_of_a_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and told.exc_type is not SystemExit:  # as Python's own does
        _last_words(told.exc_type, told.exc_value, told.exc_traceback)


def _heard_out(call: Call, status: ExitStatus) -> ExitStatus:
    """Return how the command ended, with all of its output written.

    Where nobody can hear it any more, because the terminal or the reader of a pipe has gone, the exit status stays what
    it is; Python would try again at its end, and make it 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            is_gone = isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EIO)
            if status is ExitStatus.OK and isinstance(error, OSError) and not is_gone:
                return _bug(call, error)
    return status
