"""What the contract suite runs against: a real sshd of our own, and a scripted host that executes what it is asked."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

import pytest

from soleil_remediate.command import TIMED_OUT, Command, Output, Secret
from soleil_remediate.errors import HostLocked
from soleil_remediate.host import Connection, Host
from soleil_remediate.identity import Identity
from soleil_remediate.transports import Access, Session, Transport
from soleil_remediate.transports.local import LocalTransport
from soleil_remediate.transports.openssh import OpensshTransport
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.sshd import IS_ROOT, Login, NoSshd, Sshd, private_sshd
from tests.waiting import eventually

#: A password, and what /etc/shadow holds of it: openssl passwd -6. Each process that runs tests has one of its own:
#: some look whether any process of the machine shows it, or a piece of it, and what others show beside them is theirs.
PASSWORD, HASHED = (
    (
        "correct-horse-battery-staple",
        "$6$soleil$aImUqjHbRtlUkDL39spxfMBbDq2bk7i/P.C5pGEHHOjehNig.QS.L8exc.1uz2.Ys63QmwJPCODCQ2GHN.uJx/",
    ),
    (
        "wooden-otter-lantern-pickle",
        "$6$soleil$ivJDHsFgQuOw0W7zZJ9jbKt.AjZ8wk5qqkyL0yPbF6FE3uUqQeMmtD2Kk5iHQnrTFnSSemds85RGUpLQ68oHR1",
    ),
    (
        "silver-cactus-harbour-violin",
        "$6$soleil$jHodf.F5jpubwl3WutNMpsZDIsFCf22o6NUvQrVuDfswlUpB.UXm/2qQlkkbbzz.oJvwpHGj647GCfAcp3GVx1",
    ),
    (
        "gentle-mammoth-orchid-tunnel",
        "$6$soleil$pkCR55cUO.4CpIvFoY8w57rd73KKqXvjVOv2euto5Sb41XSm2zc6wSKYZnuZoAEJl7LTR8QwzZvdjE8tAjGmG0",
    ),
)[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4]
#: Who can log in, as root; each is one way of having or not having rights.
LOGINS = (
    Login("ops", 61001, sudo="ALL=(ALL:ALL) NOPASSWD: ALL"),
    Login("paul", 61002, sudo="ALL=(ALL:ALL) ALL"),
    Login("guest", 61003),
    Login("onlydf", 61004, sudo="ALL=(root) NOPASSWD: /usr/bin/df"),
    Login("rita", 61005, sudo="ALL=(ALL:ALL) ALL", password=HASHED),
    Login("tom", 61006, sudo="ALL=(ALL:ALL) ALL\nDefaults:tom passwd_tries=1", password=HASHED),
    Login("nora", 61007, sudo="ALL=(root) /usr/bin/df", password=HASHED),
    Login("sara", 61008, password=HASHED),
    Login("nell", 61009, sudo="ALL=(games) NOPASSWD: ALL\nnell ALL=(root) NOPASSWD: /usr/bin/touch ^/run/nell-[a-z]+$"),
    *(
        Login(f"in-{shell}", 61010 + number, shell=path, sudo="ALL=(ALL:ALL) NOPASSWD: ALL")
        for number, shell in enumerate(("dash", "bash", "zsh", "fish", "tcsh", "mksh"))
        if (path := shutil.which(shell)) is not None
    ),
)
WITHIN = Duration(10)
#: What every host of the suite says of itself: it is this machine.
HERE = Identity.told(
    " ".join(
        Path(name).read_text("ascii").strip()
        for name in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname")
    )
)


def ssh_host(sshd: Sshd, **changed: object) -> Host:
    """Return the inventory's view of *sshd*."""
    connection = Connection(
        address="127.0.0.1",
        port=sshd.port,
        user=sshd.user,
        key_file=sshd.key,
        known_hosts=(sshd.known_hosts,),
        ssh_config=sshd.folder / "no_config",
    )
    return Host(name="web1", connection=replace(connection, **changed))  # type: ignore[arg-type]


@dataclass
class Bed:
    """One transport and a host that it reaches.

    Args:
        transport: What is tested.
        host: What it reaches.
        folder: Where commands may write, on the host.
        base: Where the host keeps locks and operations.
    """

    transport: Transport
    host: Host
    folder: Path
    base: Path
    sessions: ExitStack

    def open(self) -> Session:
        """Open a session that is closed with the test."""
        session = self.transport.open(self.host, within=WITHIN)
        self.sessions.callback(session.close)
        return session


class Opener(Protocol):
    def __call__(self) -> Session: ...


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for two seconds makes no answer wrong; what a command may take stands in its test."""
    defaults = Command.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline", Duration(20))


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that every user may pass, removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="soleil-contract-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def sshd(folder: Path) -> Iterator[Sshd]:
    """A real sshd for the whole run."""
    try:
        with private_sshd(folder / "sshd", logins=LOGINS) as running:
            (running.folder / "no_config").write_text("", "utf-8")
            yield running
    except NoSshd as reason:
        pytest.skip(str(reason))


@pytest.fixture
def work(folder: Path) -> Path:
    """A folder for one test, that every user may write."""
    made = Path(tempfile.mkdtemp(dir=folder))
    made.chmod(0o777)
    return made


@pytest.fixture
def ssh(sshd: Sshd, work: Path) -> Iterator[Bed]:
    """The real thing; with root's own place for locks only as root."""
    base = Path("/run/soleil-remediate") if IS_ROOT else work / "run"
    sshd.inside("rm", "-rf", str(base))  # what an earlier test left
    with ExitStack() as sessions:
        yield Bed(SshTransport(base=PurePosixPath(base)), ssh_host(sshd), work, base, sessions)


@pytest.fixture
def scripted(work: Path) -> Iterator[Bed]:
    """A scripted host whose every answer is what the command says on this machine."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    host = ScriptedHost("web1", access=Access(login=user, is_root=IS_ROOT), identity=HERE)
    host.on_read(lambda _: True, executed)
    host.on_change(lambda _: True, executed)
    with ExitStack() as sessions:
        target = Host(name="web1", connection=Connection(address="192.0.2.1"))
        yield Bed(ScriptedTransport(host), target, work, work / "run", sessions)


@pytest.fixture
def openssh(sshd: Sshd, work: Path) -> Iterator[Bed]:
    """The same sshd, by the ssh program."""
    base = Path("/run/soleil-remediate") if IS_ROOT else work / "run"
    sshd.inside("rm", "-rf", str(base))  # what an earlier test left
    with ExitStack() as sessions:
        target = ssh_host(sshd, transport="openssh")
        yield Bed(OpensshTransport(base=PurePosixPath(base)), target, work, base, sessions)


@pytest.fixture
def local(work: Path) -> Iterator[Bed]:
    """This machine, without SSH; its locks are where nothing else looks for them."""
    base = work / "run"
    with ExitStack() as sessions:
        target = Host(name="web1", connection=Connection(address="localhost", transport="local"))
        yield Bed(LocalTransport(base=PurePosixPath(base)), target, work, base, sessions)


#: A process for every session: the slowest way by far. What is its own, tests/contract/test_openssh.py asks every day.
OPENSSH = pytest.param("openssh", marks=pytest.mark.long)


@pytest.fixture(params=["ssh", OPENSSH, "local", "scripted"])
def bed(request: pytest.FixtureRequest) -> Bed:
    """Each transport in turn."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture(params=["ssh", OPENSSH, "local"])
def reached(request: pytest.FixtureRequest) -> Bed:
    """Each way to a real host in turn."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture(params=["ssh", OPENSSH])
def over_ssh(request: pytest.FixtureRequest) -> Bed:
    """Each way over SSH in turn; its host may be replaced by another that is reached by SSH."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def session(bed: Bed) -> Session:
    """An open session on each transport in turn."""
    return bed.open()


def executed(command: Command) -> Output:
    """Run *command* on this machine, as a host would."""
    stdin = command.stdin.reveal() if isinstance(command.stdin, Secret) else command.stdin
    words = [word.encode("utf-8", "surrogateescape") for word in command.words]
    who = {"user": command.user, "group": pwd.getpwnam(command.user).pw_gid} if command.user else {}
    try:
        done = subprocess.run(
            words, input=(stdin or "").encode(), capture_output=True, timeout=command.deadline, check=False, **who,
        )  # type: ignore[call-overload]  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Output(exit_status=TIMED_OUT, stdout=late.stdout or b"", stderr=late.stderr or b"")
    except FileNotFoundError:
        return Output(exit_status=127, stderr=b"not found")
    return Output(exit_status=done.returncode % 256, stdout=done.stdout, stderr=done.stderr)


def shown(text: str) -> str:
    """Return a parameter's name: pytest puts it into an environment variable, which has its limits."""
    return repr(text[:20])


def output(answer: object) -> Output:
    """Return *answer*, which must be one."""
    assert isinstance(answer, Output), answer
    return answer


def through(sshd: Sshd, port: int) -> Host:
    """Return the host as reached by another port, with the same keys."""
    known = sshd.folder / f"known_hosts_{port}"
    known.write_text(sshd.known_hosts.read_text("utf-8").replace(f":{sshd.port} ", f":{port} "), "utf-8")
    return ssh_host(sshd, port=port, known_hosts=(known,))


def claims(session: Session) -> None:
    """Claim the lock, once others have given it back."""

    def claimed() -> bool:
        try:
            session.claim("test")
        except HostLocked:
            return False
        return True

    assert eventually(claimed, within=30)


def in_background(act: Callable[[], object]) -> Callable[[], object]:
    """Start *act*; the function returned waits for its end and returns what it returned or raised."""
    ending: list[object] = []

    def run() -> None:
        try:
            ending.append(act())
        except Exception as error:  # noqa: BLE001  # the test looks at it
            ending.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def ended() -> object:
        thread.join(30)
        assert ending, "it did not end"
        return ending[0]

    return ended
