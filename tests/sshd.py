"""A real sshd for tests: its own keys, port and log; as root also its own /run and users' rights, seen by nobody else.

It runs in the foreground as our child, in a mount namespace of its own where we are root, and is ended by its process
id. Nothing stays behind but the folder it was given.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
IS_ROOT = os.geteuid() == 0


class NoSshd(Exception):
    """Why there is no sshd to test with, in one sentence."""


@dataclass(frozen=True)
class Login:
    """A user who exists for one sshd only.

    Args:
        name: Also the group's name.
        uid: Of the user and the group.
        shell: The login shell.
        home: The home folder.
        sudo: What sudoers says after the name; nothing where it says nothing.
        password: As crypt(3) hashes it; none fits unless given.
    """

    name: str
    uid: int
    shell: str = "/bin/sh"
    home: str = "/nonexistent"
    sudo: str = ""
    password: str = "*"


@dataclass(frozen=True)
class Sshd:
    """A running sshd.

    Args:
        port: On 127.0.0.1.
        folder: Its files: keys, known_hosts, log.
        pid: Its process, inside its mount namespace.
        user: Whom the key lets in besides root.
    """

    port: int
    folder: Path
    pid: int
    user: str

    @property
    def key(self) -> Path:
        """The private key that lets us in."""
        return self.folder / "client"

    @property
    def known_hosts(self) -> Path:
        """Its host keys, as a known_hosts file."""
        return self.folder / "known_hosts"

    @property
    def log(self) -> str:
        """What it logged so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    @property
    def sudo_log(self) -> str:
        """What sudo logged so far; only as root."""
        path = self.folder / "sudo.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def inside(self, *words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        """Run a program where its sessions run: in its mount namespace, where it has one of its own."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "--"] if IS_ROOT else []
        return subprocess.run([*enter, *words], capture_output=True, check=False, timeout=30, **options)  # type: ignore[call-overload,no-any-return]


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair without asking anything."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)],
        check=True, stdin=subprocess.DEVNULL, timeout=30,
    )  # fmt: skip
    return path


def known_hosts_line(name: str, public: Path) -> str:
    """Return a known_hosts line for a host key."""
    return f"{name} {' '.join(public.read_text('utf-8').split()[:2])}\n"


@contextmanager
def private_sshd(
    folder: Path,
    *,
    options: str = "",
    run_size: str = "16m",
    logins: tuple[Login, ...] = (),
    machine_id: str | None = None,
) -> Iterator[Sshd]:
    """Run an sshd in *folder* and end it, with every session on it, at the end.

    Every user may pass *folder*. As root it has a tmpfs of *run_size* on /run, a sudoers file of its own, *logins*,
    whom the same key lets in, and another *machine_id* than this machine's, where one is given. Keys that lie in
    *folder* are taken.

    Raises:
        NoSshd: There is none on this machine, or it does not start.
    """
    if SSHD is None:
        raise NoSshd("openssh-server is not installed: apt-get install openssh-server")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    user = pwd.getpwuid(os.geteuid()).pw_name
    for kind in ("ed25519", "ecdsa"):
        if not (folder / f"host_{kind}").exists():
            make_key(folder / f"host_{kind}", kind)
    if not (folder / "client").exists():
        make_key(folder / "client")
    shutil.copyfile(folder / "client.pub", folder / "authorized_keys")
    (folder / "authorized_keys").chmod(0o644)
    port = free_port()
    (folder / "known_hosts").write_text(known_hosts_line(f"[127.0.0.1]:{port}", folder / "host_ed25519.pub"), "utf-8")
    (folder / "sshd_config").write_text(
        f"""
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_ed25519
HostKey {folder}/host_ecdsa
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UseDNS no
PrintMotd no
LogLevel VERBOSE
MaxStartups 200:30:400
AllowTcpForwarding yes
{options}
""",
        "utf-8",
    )
    sshd = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    if IS_ROOT:
        _prepare_etc(folder / "etc", logins)
        if machine_id is not None:
            (folder / "etc/machine-id").write_text(machine_id, "utf-8")
        sshd = ["unshare", "-m", "--", "sh", "-c", _NAMESPACE, "sshd", run_size, str(folder / "etc"), *sshd]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(sshd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    log.close()
    try:
        _wait_until_it_listens(process, port, folder)
        yield Sshd(port=port, folder=folder, pid=process.pid, user=user)
    finally:
        for pid in (*_below(process.pid), process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


#: $1 is the size of /run, $2 a folder whose files replace those in /etc; the rest is what is run there.
_NAMESPACE = """
mount --make-rprivate / && mount -t tmpfs -o "size=$1,mode=755" tmpfs /run && mkdir /run/sshd || exit
for file in "$2"/*; do mount --bind "$file" "/etc/${file##*/}" || exit; done
shift 2
exec "$@"
"""


def _prepare_etc(etc: Path, logins: tuple[Login, ...]) -> None:
    etc.mkdir(exist_ok=True)
    lines: dict[str, list[str]] = {
        "passwd": [],
        "group": [],
        "shadow": [],
        "sudoers": [f"Defaults logfile={etc.parent}/sudo.log, loglinelen=0", "root ALL=(ALL:ALL) NOPASSWD: ALL"],
    }
    for login in logins:
        lines["passwd"].append(f"{login.name}:x:{login.uid}:{login.uid}::{login.home}:{login.shell}")
        lines["group"].append(f"{login.name}:x:{login.uid}:")
        lines["shadow"].append(f"{login.name}:{login.password}:19000:0:99999:7:::")
        if login.sudo:
            lines["sudoers"].append(f"{login.name} {login.sudo}")
    for name, added in lines.items():
        there = Path("/etc") / name
        if name == "sudoers":
            if not there.exists():  # no sudo on this machine: nothing to replace
                continue
            text = ""
        else:
            text = there.read_text("utf-8")
            if name == "passwd":  # root's own .bashrc is no part of a test: it may do anything, and wait for others
                text = re.sub(r"^(root(?::[^:]*){4}):[^:]*:", rf"\1:{etc.parent}:", text, flags=re.MULTILINE)
        (etc / name).write_text(text + "\n".join(added) + "\n", "utf-8")
        (etc / name).chmod({"shadow": 0o600, "sudoers": 0o440}.get(name, 0o644))


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Return once it listens and has logged the connection that found it out: tests count connections."""
    is_listening = False
    for _ in range(200):
        if process.poll() is not None:
            raise NoSshd(f"sshd does not start: {(folder / 'log').read_text('utf-8', 'replace')[-500:]}")
        if is_listening and "Connection from " in (folder / "log").read_text("utf-8", "replace"):
            return
        if not is_listening:
            with socket.socket() as sock:
                is_listening = sock.connect_ex(("127.0.0.1", port)) == 0
        time.sleep(0.02)
    raise NoSshd("sshd does not listen within 4 s")


def _below(pid: int) -> list[int]:
    """Return the processes below *pid*, deepest first."""
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return found
    for child in children:
        found += [*_below(int(child)), int(child)]
    return found
