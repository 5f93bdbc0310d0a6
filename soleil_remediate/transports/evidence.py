"""Bytes of a file or of a command on their way off a host: compressed there, decompressed and summed here,
never all in memory.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import zlib
from collections.abc import Callable
from typing import BinaryIO

from soleil_remediate.errors import EvidenceNotStored
from soleil_remediate.plan import Gather, Preserve, Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports import Saved
from soleil_remediate.transports.shell import Kept, whole
from soleil_remediate.units import ByteSize, KiB, MiB

#: How much is decompressed at once, however much the host packed into few bytes.
_PIECE = MiB(1)
#: So much of its end tells later whether a file still holds what was saved.
TAIL = KiB(64)
#: A copy slower than this is given up by the host itself, so that nothing of it stays behind there.
_SLOWEST = 64 * 1024

#: $1 is the file, $2 its device and inode. It is opened once; what was opened must be what was meant. The bytes are
#: read once, for the checksum and the compression alike, and written nowhere. The copy must not slow the host's own
#: work, hence nice.
_COPY = Script(
    "copy",
    """
[ -f "$1" ] && [ ! -L "$1" ] || { echo 'it is no plain file any more' >&2; exit 65; }
exec 3<"$1" || exit 66
is=$(stat -L -c '%d:%i %h %f' /proc/self/fd/3) || exit 66
case $is in "$2 "*) ;; *) echo "another file has its name now ($is)" >&2; exit 65 ;; esac
size=$(stat -L -c %s /proc/self/fd/3) || exit 66
echo "size $size" >&2
{ { head -c "$size" <&3 | tee /dev/fd/5 | nice -n 10 gzip -1 >&4; } 5>&1 | sha256sum >&2; } 4>&1
""",
)


#: The same for what a command says: how it ended is told last, since a pipe forgets that.
_SAYING = (
    """( { { { %s; echo "status $?" >&2; } | tee /dev/fd/5 | nice -n 10 gzip -1 >&4; } 5>&1 | sha256sum >&2; } 4>&1 """
    ") 9<&-"
)


def copying(what: Preserve | Gather) -> str:
    """Return the shell's text that copies *what* is named: gzip on standard output, the rest on the other."""
    if isinstance(what, Gather):
        return _SAYING % whole(what.command)
    seconds = 600 + what.size // _SLOWEST
    words = _COPY.bind(what.path, what.identity)
    return f"( exec timeout -k 5 {seconds} {shlex.join(words)} ) </dev/null 9<&-"


class Copy:
    """Takes the compressed bytes as they come and hands them on; decompresses them only to count and sum.

    Args:
        what: What is copied.
        into: Where the compressed bytes go; its errors are not caught.
        on_progress: Gets the number of the file's bytes that have arrived so far.
    """

    def __init__(self, what: Preserve | Gather, into: BinaryIO, on_progress: Callable[[ByteSize], None]) -> None:
        self._what = what
        self._into = into
        self._on_progress = on_progress
        self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._sum = hashlib.sha256()
        self._tail = b""
        self._size = 0
        self.stored = 0
        self.said = Kept(2**16)

    def write(self, data: bytes) -> None:
        if not data:
            return
        self._into.write(data)
        self.stored += len(data)
        try:
            while not self._unzip.eof:
                piece = self._unzip.decompress(data, _PIECE)
                self._sum.update(piece)
                self._tail = (self._tail + piece)[-TAIL:]
                self._size += len(piece)
                data = self._unzip.unconsumed_tail
                if not data and len(piece) < _PIECE:
                    break
        except zlib.error as error:
            raise self._refused(f"what arrived is not gzip ({error})") from error
        self._on_progress(ByteSize(self._size))

    def saved(self, status: int | None) -> Saved:
        """Return what was saved, after its end; *status* is the copying command's, ``None`` where none arrived.

        Raises:
            EvidenceNotStored: It is not complete, or not what the host read.
        """
        said = redacted(self.said.data.decode("utf-8", "backslashreplace"))
        if status is None:
            raise self._refused("its copy was cut short")
        if status:
            raise self._refused(said.strip().splitlines()[-1][-200:] if said.strip() else f"exit status {status}")
        size = self._size_told(said)
        digest = re.search(r"^([0-9a-f]{64})  -$", said, re.MULTILINE)
        if digest is None:
            raise self._refused(f"the host named no checksum: {' '.join(said.split())[-200:]}")
        if not self._unzip.eof or self._unzip.unused_data:
            raise self._refused("the compressed stream has no proper end")
        if self._size != size:
            raise self._refused(f"it changed while it was copied: {self._size} of {size} bytes")
        if digest[1] != self._sum.hexdigest():
            raise self._refused("the checksums differ")
        return Saved(
            size=ByteSize(self._size),
            stored=ByteSize(self.stored),
            sha256=digest[1],
            tail_sha256=hashlib.sha256(self._tail).hexdigest(),
        )

    def _size_told(self, said: str) -> int:
        """Return how long it is, as the host said before; of what a command says only its end is known."""
        if isinstance(self._what, Gather):
            ended = re.findall(r"^status (\d{1,3})$", said, re.MULTILINE)[-1:]
            if ended != ["0"]:
                lines = [line for line in said.splitlines() if not re.fullmatch(r"status \d+|[0-9a-f]{64}  -|", line)]
                why = f"exit status {ended[0]}" if ended else "nobody knows how it ended"
                raise self._refused(f"{why}: {lines[-1][-200:]}" if lines else why)
            return self._size
        size = re.search(r"^size (\d{1,20})$", said, re.MULTILINE)
        if size is None:
            raise self._refused(f"the host named no checksum: {' '.join(said.split())[-200:]}")
        return int(size[1])

    def _refused(self, why: str) -> EvidenceNotStored:
        return EvidenceNotStored(f"{self._what} was not saved: {why}. Nothing was changed")
