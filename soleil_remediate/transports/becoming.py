"""How the shells of a session come by root's rights: by sudo, with the inventory's password where it wants one.

The password is sent to nothing but sudo's own prompt: a random text that sudo prints where, and only where, it will
read what comes next as a password. A sudo that wants none prints no prompt, and whatever were sent to it then would be
a command of root's. It is sent once to each shell, and never again in this session once it was refused.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Protocol

from soleil_remediate.command import Secret
from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Connection
from soleil_remediate.transports.shell import Kept, Stream, opening
from soleil_remediate.units import Duration

#: The end of a refused sudo may take this long to free its channel, on a host that gives only one; in seconds.
_FREED_WITHIN = 3.0

#: First without, then with a password; each says on standard output that root's shell is there, or at last that it
#: will not be: that on both streams, for what sudo says of it may arrive later than what is written after it. ``-k``
#: lets no earlier success count, so that the prompt is certain wherever a password is wanted. One line without single
#: quotes and exclamation marks, so that every login shell can quote it.
_ASKED_FOR_ONE = (
    r'trap b=1 USR1; r="kill -USR1 \$1; echo {ready}; exec sh -s \"\$@\""; '
    r'try() {{ LC_ALL=C sudo "$@" -- sh -c "$r" sh "$$" "$SSH_CONNECTION"; }}; '
    r'try -n || test -n "$b" || try -k -S -p {prompt} || test -n "$b" || '
    r"{{ echo {denied}; echo {denied} >&2; exec sh; }}"
)


class Link(Protocol):
    """A connection that carries shells.

    Attributes:
        opens_at_once: Whether several threads may open streams at once: worth it where that takes a round trip.

    Raises:
        Unreachable: In every method but :meth:`close`: it is gone.
    """

    opens_at_once: bool

    def open_stream(self, text: str) -> Stream | None:
        """Let ``sh -c`` run *text*, which becomes a shell, on one more stream; ``None`` where the host gives none."""

    def wait(self, seconds: float) -> None:
        """Return when something has arrived on any stream, or after that long."""

    def close(self) -> None:
        """End it, whatever is under way; closing it twice is harmless."""


def sudo_password(connection: Connection) -> Secret | None:
    """Fetch the password that sudo may be given; ``None`` where there is none, or sudo is not to be used.

    Raises:
        ConfigError: It is not where the inventory says, or cannot be typed.
    """
    if not connection.become or connection.become_password is None:
        return None
    password = connection.become_password.resolve()
    if re.search(r"[\n\r\0]", password.reveal()):
        raise ConfigError(f"the sudo password in {connection.become_password} is more than one line")
    return password


class Becoming:
    """Opens one session's shells, each with root's rights where they are to be had.

    Args:
        link: What carries them.
        connection: What the inventory says about rights.
        password: What sudo is given where it asks.

    Attributes:
        why_not: Why a shell has no root's rights, where sudo's words on a password say so; else empty.
    """

    def __init__(self, link: Link, connection: Connection, password: Secret | None) -> None:
        self.link = link
        self._become = connection.become and not connection.is_narrow
        self._reference = connection.become_password
        self._password = password
        self.why_not = ""

    @property
    def opens_at_once(self) -> bool:
        """Whether several threads may open shells at once; a password is typed to one after another."""
        return self.link.opens_at_once and self._password is None

    def open_shell(self, *, within: Duration) -> Stream | None:
        """Start one more shell; ``None`` where the host gives no more, or sudo does not come to an end in time.

        Raises:
            Unreachable: The connection is gone.
        """
        if self._password is None:
            return self.link.open_stream(opening(become=self._become and not self.why_not))
        ready, prompt, denied = (secrets.token_hex(16) for _ in range(3))
        stream = self.link.open_stream(_ASKED_FOR_ONE.format(ready=ready, prompt=prompt, denied=denied))
        if stream is None:
            return None
        out, err = Kept(2**16), Kept(2**16)
        ends = time.monotonic() + within
        unsent: bytes | None = None
        while not stream.has_ended:
            for sink, said in zip((out, err), stream.receive(), strict=True):
                sink.write(said)
            if ready.encode() in out.data:
                return stream
            prompts = err.data.count(prompt.encode())
            if denied.encode() in out.data and (denied.encode() in err.data or err.cut):
                self._give_up(err, prompts)
                return stream
            if prompts > 1:  # it was wrong, and it is not tried again: no more is sent
                self._give_up(err, prompts)
                stream.close()
                return self._open_plainly()
            if prompts and unsent is None:
                unsent = self._password.reveal().encode() + b"\n"
            if unsent:
                unsent = unsent[stream.send(memoryview(unsent)) :]
            if time.monotonic() >= ends:
                break
            self.link.wait(min(0.02 if unsent else 1.0, ends - time.monotonic()))
        stream.close()
        return None

    def _give_up(self, said: Kept, prompts: int) -> None:
        """Note why sudo gave no root's shell; the password is not sent to this host again."""
        self._password = None
        lines = said.data.decode("utf-8", "backslashreplace").splitlines()
        if prompts > 1 or any("incorrect password attempt" in line for line in lines):
            self.why_not = f"sudo refused the password ({self._reference})"
            return
        for sign, meaning in (
            ("not in the sudoers", "the login is not in sudoers"),
            ("not allowed to execute", "sudo does not allow the login a shell"),
            ("may not run sudo", "sudo does not allow the login anything"),
            ("must have a tty", "sudo wants a terminal (requiretty)"),
            ("not found", "sudo is not there"),
        ):
            if any(sign in line for line in lines):
                self.why_not = meaning
                return
        heard = [re.sub(r"[0-9a-f]{32}", "", line).strip() for line in lines if "sudo" in line]
        self.why_not = heard[-1] if heard else "sudo gave no shell"

    def _open_plainly(self) -> Stream | None:
        ends = time.monotonic() + _FREED_WITHIN
        while (stream := self.link.open_stream(opening(become=False))) is None and time.monotonic() < ends:
            time.sleep(0.1)
        return stream
