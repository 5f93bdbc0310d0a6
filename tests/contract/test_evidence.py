"""Saving a file off the host, over every transport: the right file, complete, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path, PurePosixPath

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import EvidenceNotStored, Unreachable
from soleil_remediate.plan import FileIdentity, Gather, Preserve
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import ByteSize, Duration
from tests.contract.conftest import Bed, in_background, ssh_host, through
from tests.contract.tcp import proxy
from tests.sshd import IS_ROOT, Sshd

CONTENTS = (b"", b"x", b"line\n" * 3, os.urandom(300_000), b"\0" * 5_000_000, os.urandom(3_000_000) + b"a" * 3_000_000)


def preserving(path: Path) -> Preserve:
    found = path.stat()
    return Preserve(
        path=PurePosixPath(path), identity=FileIdentity(found.st_dev, found.st_ino), size=ByteSize(found.st_size)
    )


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: f"{len(content)} bytes")
def test_a_saved_file_is_the_file(bed: Bed, content: bytes) -> None:
    path = bed.folder / "it's a $(log)\n.log"
    path.write_bytes(content)
    preserve = preserving(path)
    if isinstance(bed.transport, ScriptedTransport):
        host = ScriptedHost("web1")
        host.has_file(preserve.path, content, preserve.identity)
        bed.transport = ScriptedTransport(host)
    into = io.BytesIO()
    heard: list[int] = []
    saved = bed.open().save(preserve, into, heard.append)
    assert gzip.decompress(into.getvalue()) == content
    assert (saved.size, saved.stored) == (len(content), len(into.getvalue()))
    assert saved.sha256 == hashlib.sha256(content).hexdigest()
    assert saved.receipt == f"{len(content)} {hashlib.sha256(content[-65536:]).hexdigest()}\n"
    assert heard[-1:] == [len(content)]
    assert heard == sorted(heard)


def test_another_file_under_the_same_name_is_not_saved(bed: Bed) -> None:
    path = bed.folder / "log"
    path.write_bytes(b"one")
    before = preserving(path)
    other = Preserve(path=before.path, identity=FileIdentity(before.identity.device, 1), size=before.size)
    into = io.BytesIO()
    with pytest.raises(EvidenceNotStored, match="Nothing was changed"):
        bed.open().save(other, into, lambda _: None)


# -- what only a real host can show -----------------------------------------------------------------------------------


def refused(bed: Bed, preserve: Preserve) -> str:
    with pytest.raises(EvidenceNotStored) as caught:
        bed.open().save(preserve, io.BytesIO(), lambda _: None)
    return str(caught.value)


def test_a_link_is_not_followed_even_to_the_very_file(reached: Bed) -> None:
    (reached.folder / "log").write_bytes(b"one")
    (reached.folder / "link").symlink_to("log")
    meant = preserving(reached.folder / "log")
    assert "no plain file" in refused(reached, Preserve(
        path=PurePosixPath(reached.folder / "link"), identity=meant.identity, size=meant.size
    ))  # fmt: skip


def test_a_pipe_is_not_waited_for(reached: Bed) -> None:
    os.mkfifo(reached.folder / "pipe")
    assert "no plain file" in refused(reached, preserving(reached.folder / "pipe"))


def test_a_file_that_is_gone_is_not_saved(reached: Bed) -> None:
    path = reached.folder / "log"
    path.write_bytes(b"one")
    preserve = preserving(path)
    path.unlink()
    assert "no plain file" in refused(reached, preserve)


@pytest.mark.skipif(not IS_ROOT, reason="only root can make files that the login cannot read")
def test_a_file_that_may_not_be_read_is_not_saved(over_ssh: Bed, sshd: Sshd) -> None:
    path = over_ssh.folder / "log"
    path.write_bytes(b"one")
    path.chmod(0o600)
    over_ssh.host = ssh_host(sshd, user="guest")
    assert "cannot open" in refused(over_ssh, preserving(path)).lower()


def test_what_is_appended_meanwhile_is_not_saved_and_does_no_harm(reached: Bed) -> None:
    path = reached.folder / "log"
    path.write_bytes(os.urandom(2_000_000))
    preserve = preserving(path)
    into, content = io.BytesIO(), path.read_bytes()

    def append(_: ByteSize) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    saved = reached.open().save(preserve, into, append)
    assert content.startswith(gzip.decompress(into.getvalue())[: len(content)])
    assert saved.size == len(gzip.decompress(into.getvalue()))


def test_a_disk_that_is_full_on_this_side_is_told_as_such_and_the_session_goes_on(reached: Bed) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    path = reached.folder / "log"
    path.write_bytes(os.urandom(2_000_000))
    session = reached.open()
    with pytest.raises(OSError, match="No space left"):
        session.save(preserving(path), Full(), lambda _: None)
    assert session.save(preserving(path), io.BytesIO(), lambda _: None).size == 2_000_000


def test_a_connection_that_breaks_in_the_middle_is_no_copy(over_ssh: Bed, sshd: Sshd) -> None:
    path = over_ssh.folder / "log"
    path.write_bytes(os.urandom(20_000_000))
    with proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        session = over_ssh.open()
        failed = in_background(lambda: session.save(preserving(path), io.BytesIO(), lambda _: between.reset()))
        assert isinstance(failed(), Unreachable | EvidenceNotStored)


def test_nothing_is_written_on_the_host(reached: Bed, sshd: Sshd) -> None:
    path = reached.folder / "log"
    path.write_bytes(os.urandom(1_000_000))
    session = reached.open()
    before = sorted(
        sshd.inside("find", "/run", str(reached.folder), "-newermt", "@0", "-printf", "%p %s\n").stdout.splitlines()
    )
    session.save(preserving(path), io.BytesIO(), lambda _: None)
    after = sorted(
        sshd.inside("find", "/run", str(reached.folder), "-newermt", "@0", "-printf", "%p %s\n").stdout.splitlines()
    )
    assert before == after


SAYS = 'printf \'%s\' "$1"; head -c 300000 /dev/zero; cat; echo noise >&2; exit "$2"'


def saying(word: str, *, ends: int = 0, stdin: str | None = None, user: str | None = None) -> Gather:
    command = Command(("sh", "-c", SAYS, "says", word, str(ends)), stdin=stdin, user=user, deadline=Duration(10))
    return Gather(name="what.is-said", about="what is said", command=command, size=ByteSize(1))


@pytest.mark.parametrize("stdin", [None, "it's 100% $(read)\\n"])
def test_what_a_command_says_is_saved_whole(bed: Bed, stdin: str | None) -> None:
    content = b"it's a $(log)" + b"\0" * 300_000 + (stdin or "").encode()
    if isinstance(bed.transport, ScriptedTransport):
        host = ScriptedHost("web1")
        host.says("what.is-said", content)
        bed.transport = ScriptedTransport(host)
    into = io.BytesIO()
    saved = bed.open().save(saying("it's a $(log)", stdin=stdin), into, lambda _: None)
    assert gzip.decompress(into.getvalue()) == content
    assert (saved.size, saved.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_what_a_command_says_that_ends_badly_is_not_taken_for_all_of_it(bed: Bed) -> None:
    why = "nothing is said" if isinstance(bed.transport, ScriptedTransport) else "exit status 3: noise"
    with pytest.raises(EvidenceNotStored, match=rf"was not saved: {why}\. Nothing was changed"):
        bed.open().save(saying("x", ends=3), io.BytesIO(), lambda _: None)


def test_a_command_that_takes_too_long_is_not_taken_for_all_of_it(reached: Bed) -> None:
    slow = Gather(
        name="slow", about="a slow one", command=Command(("sleep", "9"), deadline=Duration(0.5)), size=ByteSize(1)
    )
    with pytest.raises(EvidenceNotStored, match=r"a slow one was not saved: exit status 124\. Nothing"):
        reached.open().save(slow, io.BytesIO(), lambda _: None)
