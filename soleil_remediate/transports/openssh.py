"""Reach hosts by the ssh program: whatever lets ``ssh web1`` in (FIDO2 keys, certificates, Teleport) lets us in.

One ssh process, the master, holds the connection; each shell is another one, which reaches the host through the
master's socket and in no other way. The socket stands in a folder of its own that only this user may enter.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from soleil_remediate.errors import ConfigError, ConnectionLost, ConnectTimedOut
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports import HostKey
from soleil_remediate.transports.becoming import sudo_password
from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.transports.openssh_errors import Words, last_words, meaning_of
from soleil_remediate.transports.openssh_key import checked_key
from soleil_remediate.transports.openssh_words import Effective, asking, effective, mastering, through
from soleil_remediate.transports.pipes import Piped, Pipes, lack_of_means
from soleil_remediate.transports.session import BASE, ShellSession
from soleil_remediate.transports.shell import Kept, Stream
from soleil_remediate.transports.ssh_config import read_config
from soleil_remediate.units import Duration

#: For what takes one or two round trips on a connection that works, to a host that may be overloaded.
_STEP = Duration(20)
#: How soon it is noticed that the master's socket is there; in seconds.
_TICK = 0.005
#: How long the end of a connection may take to be noticed after that of a shell on it; in seconds.
_AFTERWARDS = 0.5
#: sun_path has 104 bytes on some systems; ssh puts a random suffix of 17 behind the name while it makes the socket.
_LONGEST_SOCKET = 104 - 17 - 1
#: What ssh exits with for reasons of its own, and for a shell that died of a signal.
_SSHS_OWN = 255

#: Runs the master in the background and waits for it. Its own end, or the end of our pipe (also when this process is
#: killed), ends the whole process group and removes the folder, so nothing stays behind whoever dies first. The group
#: is our own as long as the one that signals it is in it.
_KEEPER = """
folder=$1
shift
exec 3<&0 </dev/null
trap told=1 TERM
"$@" 3<&- &
master=$!
( trap '' TERM; read -r end <&3; kill 0; rm -rf -- "$folder" ) >/dev/null 2>&1 &
exec 3<&-
told=1
while [ -n "$told" ]; do # a wait that a signal interrupts says nothing about ssh
    told=
    wait "$master"
    status=$?
done
exit "$status"
"""


class OpensshTransport:
    """Reaches hosts by the ssh program. Used by many threads at once.

    Args:
        base: Where locks and operations are kept on the hosts; another one is for tests without root.
    """

    def __init__(self, *, base: PurePosixPath = BASE) -> None:
        self._base = base

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ShellSession:
        """Connect to *host*; the whole of it takes no longer than *within*, nor than until somebody cancels it.

        Raises:
            Unreachable: With one of its subclasses; nothing was changed.
            ConfigError: There is no ssh program, or it does not take its configuration; the host was not contacted.
        """
        with lack_of_means(host.name):
            link = OpensshLink(host, by=time.monotonic() + within)

        def session() -> ShellSession:
            try:
                password = sudo_password(host.connection)
                key = link.connect()
                return ShellSession.start(host, link, password=password, base=self._base, host_key=key)
            except BaseException:
                link.close()
                raise

        attempt = Attempt(
            session, give_up=link.cut, undo=ShellSession.close, cancellation=cancellation or Cancellation()
        )
        try:
            return attempt.result(within)
        except OutOfTime:
            heard = f" (ssh said last: {words})" if (words := last_words(link.said)) else ""
            raise ConnectTimedOut(f"{host.name}: {link.doing} took longer than {within}{heard}") from None
        except GivenUp:
            raise ConnectionLost(f"{host.name}: {link.doing} was given up") from None


class OpensshLink:
    """One connection of the ssh program, and the shells on it.

    Args:
        host: Whose it is.
        by: When it must be open, on the monotonic clock.
    """

    #: Each stream waits for its first line on the pipes that all share.
    opens_at_once = False

    def __init__(self, host: Host, *, by: float) -> None:
        self._host, self._by = host, by
        self._who = host.name
        self._pipes = Pipes()
        self._environment = _environment(host.connection)
        self._master: Piped | None = None
        self._folder: Path | None = None
        self._heard = Words()
        self.doing = "reading the ssh configuration"

    @property
    def said(self) -> str:
        """What the master has written so far, for people and for programs."""
        return self._heard.text

    # -- opening ------------------------------------------------------------------------------------------------------

    def connect(self) -> HostKey | None:
        """Open the connection; return the host's key, where it is surely known which one was checked.

        Raises:
            Unreachable: With one of its subclasses.
            ConfigError: There is no ssh program, or it does not take its configuration.
        """
        connection = self._host.connection
        if connection.password is not None:
            raise ConfigError(
                f"{self._host.name}: the openssh transport types no passwords, and the inventory names one "
                f"({connection.password}): use a key, or transport: ssh"
            )
        if connection.ssh_config is not None:
            read_config(connection.ssh_config)  # ssh does not look whether others could have written it
        found = self._effective()
        self._who = f"{self._host.name} ({found.user}@{found.address}:{found.port})"
        self.doing = f"connecting to {self._who} and logging in"
        self._folder = _private_folder()
        within = max(1, round(self._by - time.monotonic()) + 1)
        words = mastering(connection, self._socket, found, within=within)
        keeper = ("/bin/sh", "-c", _KEEPER, "keeper", str(self._folder), *words)
        self._master = self._start(keeper)
        while not _is_socket(self._socket):
            self._listen()
            if self._master.exit_status is not None:
                self._listen()
                raise meaning_of(self.said, self._who)
            self._pipes.wait(_TICK)
        self._listen()
        self.doing = "starting a shell"
        return checked_key(self.said)

    def _effective(self) -> Effective:
        """Ask ssh what its configuration says about the host."""
        asked = self._start(asking(self._host.connection))
        out, err = Kept(2**18), Kept(2**16)
        while not asked.has_ended:
            said = asked.receive()
            out.write(said[0])
            err.write(said[1])
            if said == (b"", b""):
                self._pipes.wait(1)
        asked.close()
        asked.reap()
        if asked.exit_status:
            told = last_words(err.data.decode("utf-8", "backslashreplace"))
            raise ConfigError(f"the ssh configuration for {self._host.name} cannot be used: {told}")
        return effective(out.data.decode("utf-8", "backslashreplace"))

    def _start(self, words: Sequence[str]) -> Piped:
        try:
            with lack_of_means(self._who):
                return self._pipes.start(words, env=self._environment, who=self._who)
        except FileNotFoundError:
            raise ConfigError(
                f"{self._host.name} is to be reached by the ssh program, and there is none: apt-get install "
                f"openssh-client, or use transport: ssh"
            ) from None

    @property
    def _socket(self) -> Path:
        return (self._folder or Path("/nonexistent")) / "s"

    # -- shells -------------------------------------------------------------------------------------------------------

    def open_stream(self, text: str) -> Stream | None:
        """Start a shell on a new channel; ``None`` where the host gives no more."""
        self._check_it_is_open()
        # The first line says that the channel is there.
        stream = self._start(through(self._socket, f"exec sh -c {shlex.quote(f'echo; {text}')}"))
        ends = time.monotonic() + _STEP
        out, err = b"", b""
        while not out:
            said = stream.receive()
            out, err = out + said[0], err + said[1]
            if not out and stream.has_ended:
                self._check_after(stream)
                stream.close()
                return None
            if not out:
                if time.monotonic() >= ends:
                    self.close()
                    raise ConnectionLost(f"{self._who} has stopped answering")
                self._pipes.wait(ends - time.monotonic())
                self._listen()
        return _Shell(stream, (out, err))

    def _check_after(self, shell: Piped) -> None:
        """Raise where a shell has ended because the connection did."""
        ends = time.monotonic() + _AFTERWARDS
        while shell.exit_status in {None, _SSHS_OWN} and time.monotonic() < ends:
            self._check_it_is_open()
            time.sleep(_TICK)

    def _check_it_is_open(self) -> None:
        if self._master is not None:
            self._listen()
            if self._master.exit_status is None:
                return
        words = last_words(self.said)
        raise ConnectionLost(f"{self._who} closed the connection{f': {words}' if words else ''}")

    def wait(self, seconds: float) -> None:
        """Return when something has arrived on any stream, or after that long."""
        self._pipes.wait(seconds)
        self._listen()

    def _listen(self) -> None:
        """Take what the master says: it would stop at a full pipe."""
        if self._master is not None and not self._master.has_ended:
            for said in self._master.receive():
                self._heard.write(said)

    # -- the end ------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """End it from another thread; closing is still to come."""
        self._pipes.cut()

    def close(self) -> None:
        """End the connection, whatever is under way."""
        self._pipes.close()
        self._master = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class _Shell:
    """A shell's stream, of which something was received already."""

    def __init__(self, stream: Piped, first: tuple[bytes, bytes]) -> None:
        self._stream, self._first = stream, first

    def send(self, data: memoryview) -> int:
        """Send what the pipe takes."""
        return self._stream.send(data)

    def receive(self) -> tuple[bytes, bytes]:
        """Return what has arrived."""
        out, err = self._stream.receive()
        (first_out, first_err), self._first = self._first, (b"", b"")
        return first_out + out, first_err + err

    @property
    def has_ended(self) -> bool:
        """Whether the shell is gone and everything it wrote was received."""
        return self._stream.has_ended and self._first == (b"", b"")

    def close(self) -> None:
        """Let it go; the shell reads the end of its input."""
        self._stream.close()
        self._first = b"", b""


def _environment(connection: Connection) -> Mapping[str, str]:
    """Return what the ssh program may have of our environment: what its configuration may need, and no secret of ours.

    Nobody is asked anything, and commands of the configuration run in the same shell, whoever is logged in here.
    """
    secrets = {each.name for each in (connection.password, connection.become_password) if each and each.source == "env"}
    dropped = {"SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY", *secrets}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "SSH_ASKPASS_REQUIRE": "never", "SHELL": "/bin/sh", "LC_ALL": "C"}


def _private_folder() -> Path:
    """Make a folder that only this user may enter, with a path short enough for a socket in it.

    Raises:
        ConfigError: None can be made.
    """
    failed = ""
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108  # mkdtemp's
        if not re.fullmatch(r"/[A-Za-z0-9_./-]*", parent) or len(parent) + len("/soleil-12345678/s") > _LONGEST_SOCKET:
            continue  # ssh would expand what else may stand in a path
        try:
            return Path(tempfile.mkdtemp(prefix="soleil-", dir=parent))
        except OSError as error:
            failed = f" ({parent}: {error.strerror})"
    raise ConfigError(f"there is no folder for the ssh program's socket{failed}: set TMPDIR to a short path")


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False
