from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc
from pathlib import PurePosixPath

import pytest

from soleil_remediate.errors import EvidenceNotStored
from soleil_remediate.plan import FileIdentity, Preserve
from soleil_remediate.transports.evidence import Copy
from soleil_remediate.units import ByteSize

PRESERVE = Preserve(path=PurePosixPath("/var/log/x.log"), identity=FileIdentity(1, 2), size=ByteSize(5))
CONTENT = b"hello"
PACKED = gzip.compress(CONTENT, mtime=0)


def copied(
    stream: bytes,
    *,
    size: int = len(CONTENT),
    digest: str = hashlib.sha256(CONTENT).hexdigest(),
    status: int | None = 0,
) -> object:
    copy = Copy(PRESERVE, io.BytesIO(), lambda _: None)
    for start in range(0, len(stream), 7):
        copy.write(stream[start : start + 7])
    copy.said.write(f"size {size}\n{digest}  -\n".encode())
    return copy.saved(status)


def test_a_complete_copy_is_saved() -> None:
    assert "sha256" in repr(copied(PACKED))


@pytest.mark.parametrize(
    "stream, options, why",
    [
        (PACKED, {"digest": "0" * 64}, "the checksums differ"),
        (PACKED, {"size": 6}, "it changed while it was copied: 5 of 6 bytes"),
        (PACKED[:-1], {}, "no proper end"),
        (PACKED + b"more", {}, "no proper end"),
        (b"", {}, "no proper end"),
        (PACKED, {"status": None}, "cut short"),
        (PACKED, {"digest": "x"}, "named no checksum"),
    ],
)
def test_anything_less_is_not(stream: bytes, options: dict[str, object], why: str) -> None:
    with pytest.raises(EvidenceNotStored, match=f"/var/log/x.log was not saved: .*{why}.*Nothing was changed"):
        copied(stream, **options)  # type: ignore[arg-type]


def test_what_is_no_gzip_is_noticed_at_once() -> None:
    with pytest.raises(EvidenceNotStored, match="not gzip"):
        copied(b"sh: gzip: not found")


def test_the_hosts_own_reason_is_told() -> None:
    copy = Copy(PRESERVE, io.BytesIO(), lambda _: None)
    copy.said.write(b"another file has its name now (1:3 1 81a4)\n")
    with pytest.raises(EvidenceNotStored, match="another file has its name now"):
        copy.saved(65)


def test_many_bytes_in_few_need_little_memory() -> None:
    bomb = gzip.compress(bytes(200_000_000))
    copy = Copy(PRESERVE, io.BytesIO(), lambda _: None)
    tracemalloc.start()
    copy.write(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    copy.said.write(f"size 200000000\n{hashlib.sha256(bytes(200_000_000)).hexdigest()}  -\n".encode())
    assert copy.saved(0).size == 200_000_000
