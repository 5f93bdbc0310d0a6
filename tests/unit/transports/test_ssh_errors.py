"""Every error of the libraries below means something here."""

from __future__ import annotations

import importlib
import pkgutil
import socket
import threading
from collections.abc import Iterator

import fabric
import invoke
import paramiko
import pytest

from soleil_remediate.errors import AuthenticationFailed, ConfigError, ConnectionLost, RemediateError, Unreachable
from soleil_remediate.transports.ssh_errors import MEANINGS, meaning
from soleil_remediate.transports.ssh_link import QuietTransport

#: Modules for other systems, or that need what is not installed.
NOT_HERE = {"paramiko._winapi", "paramiko.win_openssh", "paramiko.win_pageant"}


def errors_of(package: object) -> Iterator[type[Exception]]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):  # type: ignore[attr-defined]
        if found.name in NOT_HERE or "vendor" in found.name or "testing" in found.name or "__main__" in found.name:
            continue
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == found.name:
                yield value


ERRORS = sorted({*errors_of(paramiko), *errors_of(fabric), *errors_of(invoke)}, key=lambda error: error.__qualname__)


def test_there_are_errors_to_map() -> None:
    names = {error.__name__ for error in ERRORS}
    assert {
        "SSHException",
        "BadHostKeyException",
        "PipeTimeout",
        "InvalidHostKey",
        "GroupException",
        "Failure",
    } <= names
    assert len(ERRORS) > 30


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__qualname__)
def test_every_error_of_the_libraries_becomes_one_of_ours(error: type[Exception]) -> None:
    printable: type[Exception] = type(
        error.__name__, (error,), {"__str__": lambda _: "why", "__module__": error.__module__}
    )
    ours = meaning(printable.__new__(printable), "web1")
    assert isinstance(ours, Unreachable | ConfigError)
    assert "web1" in str(ours)


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "x"),
        socket.gaierror(-2, "Name or service not known"),
        TimeoutError(),
        ConnectionResetError(),
        ConnectionRefusedError(111, "Connection refused"),
        BrokenPipeError(),
        EOFError(),
    ],
    ids=repr,
)
def test_every_error_of_a_socket_becomes_one_of_ours(error: Exception) -> None:
    assert isinstance(meaning(error, "web1"), Unreachable)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), AttributeError("x"), TypeError("x"), AssertionError()]
)
def test_what_is_none_of_theirs_is_a_bug_and_stays_one(error: Exception) -> None:
    assert meaning(error, "web1") is None


def test_our_own_errors_pass_as_they_are() -> None:
    error = ConnectionLost("gone")
    assert meaning(error, "web1") is error


def test_the_first_meaning_that_fits_is_the_most_exact_one() -> None:
    """A class stands before those that it is one of, or it would never be found."""
    classes = [theirs for theirs, _, _ in MEANINGS]
    for index, theirs in enumerate(classes):
        assert not [later for later in classes[index + 1 :] if issubclass(later, theirs) and later is not theirs]


def test_a_failed_authentication_is_not_worth_trying_again() -> None:
    ours: RemediateError | None = meaning(paramiko.AuthenticationException("no"), "web1")
    assert isinstance(ours, AuthenticationFailed)
    assert not ours.retryable


def test_a_transports_thread_dies_in_silence_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: paramiko.Transport) -> None:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(paramiko.Transport, "run", broken)
    near, far = socket.socketpair()
    transport = QuietTransport(near)
    transport.start_client(event=threading.Event())
    transport.join(5)
    assert not transport.is_alive()
    assert not transport.is_active()
    assert isinstance(transport.saved_exception, IndexError)
    assert capfd.readouterr() == ("", "")
    far.close()
