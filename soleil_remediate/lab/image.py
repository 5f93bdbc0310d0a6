"""The one image all hosts start from: built once, kept, named by what it was made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.disks import Disk
from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.locks import held
from soleil_remediate.lab.mounts import unmount_below
from soleil_remediate.lab.processes import DIES_WITH_CALLER, call
from soleil_remediate.lab.registry import layers_in_use

SUITE = "bookworm"
SOURCE = Path(__file__).parent
NEEDED = 3 * 2**30

#: Seconds for which an image that no host stands on is kept.
KEPT = 86400

#: Only one image is built at a time on a machine, whatever its cache.
BUILD_LOCK = Path("/var/lib/soleil-lab/build.lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A root file system in read-only layers, and the pristine disks that belong to it.

    Args:
        layers: Folders for an overlay, the topmost first.
        disks: Folder with ``NAME.img`` for each disk.
    """

    layers: tuple[Path, ...]
    disks: Path


def ensure_image(cache: Path, disks: Iterable[Disk], on_progress: Callable[[str], object]) -> Image:
    """Return the image, building what of it is not in *cache* yet.

    Two folders are kept: the Debian packages (about 700 MB, a minute), and on top the configuration, application and
    database (about 80 MB, ten seconds). A build that was interrupted leaves nothing that is ever used.

    Raises:
        LabError: A package could not be fetched or a step of the build failed.
    """
    disks = tuple(disks)
    packages = cache / f"packages-{_packages_digest()}"
    configured = cache / f"configured-{_configured_digest(disks)}"
    image = Image(layers=(configured / "layer", packages), disks=configured / "disks")
    if packages.is_dir() and configured.is_dir():
        os.utime(packages)
        os.utime(configured)
        return image
    cache.mkdir(parents=True, exist_ok=True)
    with held(BUILD_LOCK, waiting=lambda: on_progress("waiting for another image build on this machine")):
        for left in cache.glob("*.partial"):
            unmount_below(left)
            shutil.rmtree(left)
        if not packages.is_dir():
            on_progress("fetching Debian packages for the image, once: about a minute")
            _build_packages(packages)
        if not configured.is_dir():
            on_progress("configuring the image, once: about ten seconds")
            _build_configured(configured, packages, disks)
        _remove_unused(cache)
    return image


def _remove_unused(cache: Path) -> None:
    """Remove what no host stands on and nobody has asked for since yesterday."""
    in_use = {layer if layer.name != "layer" else layer.parent for layer in layers_in_use()}
    for folder in (*cache.glob("packages-*"), *cache.glob("configured-*")):
        if folder not in in_use and not folder.is_symlink() and time.time() - folder.stat().st_mtime > KEPT:
            shutil.rmtree(folder)


def _build_packages(final: Path) -> None:
    if shutil.disk_usage(final.parent).free < NEEDED:
        raise LabError(f"the image needs 3 GB of free space below {final.parent}; free some, or choose another cache")
    partial = final.with_suffix(".partial")
    options = (
        "--variant=minbase",
        "--mode=root",
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
    )
    include = "--include=" + ",".join(_package_list().split())
    call([*DIES_WITH_CALLER, "mmdebstrap", *options, include, SUITE, str(partial)], timeout=1200)
    _finish(partial, final)


def _build_configured(final: Path, packages: Path, disks: tuple[Disk, ...]) -> None:
    partial = final.with_suffix(".partial")
    partial.mkdir()
    script = ["bash", str(SOURCE / "debian/build.sh"), str(packages), str(partial), str(SOURCE)]
    lines = "".join(disk.build_line() for disk in disks)
    call([*DIES_WITH_CALLER, "--uts", *script], stdin=lines, timeout=300)
    _finish(partial, final)


def _finish(partial: Path, final: Path) -> None:
    """Give the tree its final name once all of it is on disk."""
    call(["sync", "-f", str(partial)], timeout=300)
    partial.rename(final)


def _package_list() -> str:
    return (SOURCE / "debian/packages.txt").read_text()


def _packages_digest() -> str:
    return _digest([SUITE.encode(), _package_list().encode()])


def _configured_digest(disks: Iterable[Disk]) -> str:
    files = sorted(path for folder in ("app", "debian") for path in (SOURCE / folder).rglob("*") if path.is_file())
    parts = [part for path in files for part in (str(path.relative_to(SOURCE)).encode(), path.read_bytes())]
    return _digest([_packages_digest().encode(), *(disk.build_line().encode() for disk in disks), *parts])


def _digest(parts: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:12]
