"""What all that free space have in common: where they may, and when the space is back."""

from __future__ import annotations

from pathlib import PurePosixPath

from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.disks import FileSystem

#: For scripts: ``settle PLACE…`` returns once the file systems of these places show as free what was freed there, or
#: after some time. A look that comes too early would see them as full as before, and the next, more drastic step would
#: be taken. btrfs frees with its next commit, up to half a minute later unless it is asked to; xfs frees removed files
#: little by little afterwards; and all of them only when the last descriptor of a file is closed.
SETTLE = r"""
settle() {
    for place do
        case $(stat -f -c %T -- "$place") in
            btrfs) timeout 30 sync -f -- "$place" || : ;;
        esac
    done
    most=0 same=0 turn=0
    while [ "$same" -lt 3 ] && [ "$turn" -lt 100 ]; do
        free=0
        for blocks in $(stat -f -c %f -- "$@"); do free=$((free + blocks)); done
        if [ "$free" -gt "$most" ]; then most=$free same=0; else same=$((same + 1)); fi
        turn=$((turn + 1))
        sleep 0.1
    done
}
"""


def where_to_free(path: PurePosixPath, found: FileSystem | None) -> FileSystem:
    """Return the file system on which something may be removed, or say why there is none.

    Args:
        path: What is to be removed, or the folder it is in.
        found: The file system it lies on; ``None`` where it is none that was measured.

    Raises:
        Unplannable: Nothing may be removed there.
    """
    if found is None:
        raise Unplannable(f"{path} is on no file system that was measured")
    if found.is_stopped:
        raise Unplannable(f"{path} is on {found.mount}, where the kernel stopped all writing after an error")
    if found.is_read_only:
        raise Unplannable(f"{path} is on {found.mount}, which is mounted read only")
    return found
