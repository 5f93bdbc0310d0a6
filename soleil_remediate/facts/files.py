"""Files: what they are, whose they are, how much of a disk they take, and where they really lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.plan import FileIdentity
from soleil_remediate.units import ByteSize

#: One record of find -printf: numbers first, the name last, since that may hold anything but NUL.
RECORD = r"%D\t%i\t%n\t%U\t%u\t%g\t%m\t%y\t%s\t%b\t%T@\t%p\0"

_GONE = re.compile(r".*: No such file or directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """One file, without following a link.

    Args:
        path: Its name as it was found; bytes that are not UTF-8 appear as ``\\xNN``.
        is_named_plainly: The name is UTF-8, so *path* is the real one. Any other is shown and never acted on.
        type: One letter, as find's %y prints it: ``f`` file, ``d`` folder, ``l`` symlink.
        mode: The permissions only, such as ``0o640``.
        allocated: What it takes on the disk: less than its size where it has holes, more where space was set aside.
        modified: Seconds since 1970.
    """

    path: PurePosixPath
    is_named_plainly: bool
    device: int
    inode: int
    links: int
    owner_id: int
    owner: str
    group: str
    mode: int
    type: str
    size: ByteSize
    allocated: ByteSize
    modified: int

    @property
    def identity(self) -> FileIdentity:
        return FileIdentity(self.device, self.inode)

    @property
    def is_regular(self) -> bool:
        return self.type == "f"

    @property
    def content(self) -> ByteSize:
        """What its content takes on the disk: holes, and space set aside beyond its end, do not count."""
        return min(self.size, self.allocated)


@dataclass(frozen=True, slots=True)
class StatFile(Query[FileStat | None]):
    """One file; ``None`` where there is none. A symlink is not followed at the end of *path*."""

    path: PurePosixPath
    # find prints one record and 0, or says that there is no such file and 1
    expects = frozenset({0, 1})
    empty_is = "no such file, where find said so"

    @property
    def command(self) -> Command:
        return Command(("find", *_starts([self.path]), "-maxdepth", "0", "-printf", RECORD))

    def parse(self, output: Output) -> FileStat | None:
        found = parse_records(output)
        if len(found) > 1:
            raise ValueError(f"{len(found)} files under one name")
        if not found and output.exit_status == 0:
            raise ValueError("neither a file nor a word about it")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class FindNamed(Query[tuple[FileStat, ...]]):
    """The files that have one of these paths; ``*`` and ``?`` in a last component stand for what they do in a shell.

    What a folder does not hold is not in the answer. A folder that cannot be searched is an error.
    """

    paths: tuple[PurePosixPath, ...]
    # 1: one of the folders is not there
    expects = frozenset({0, 1})
    empty_is = "no such file, where find ended well or said so"

    @property
    def command(self) -> Command:
        folders = sorted({path.parent for path in self.paths})
        names = [f"{_escaped(str(path.parent / '_')[:-1])}{path.name}" for path in self.paths]
        wanted = [word for name in names for word in ("-o", "-path", name)][1:]
        return Command(
            ("find", "-H", *_starts(folders), "-mindepth", "1", "-maxdepth", "1", "(", *wanted, ")", "-printf", RECORD)
        )

    def parse(self, output: Output) -> tuple[FileStat, ...]:
        return parse_records(output)


@dataclass(frozen=True, slots=True)
class ResolvePaths(Query[Mapping[PurePosixPath, PurePosixPath]]):
    """Where folders really are once every symlink is followed; one that is not there is resolved as far as it goes."""

    paths: tuple[PurePosixPath, ...]

    @property
    def command(self) -> Command:
        return Command(("realpath", "-m", "-z", "--", *map(str, self.paths)))

    def parse(self, output: Output) -> Mapping[PurePosixPath, PurePosixPath]:
        real = [PurePosixPath(record.decode()) for record in records(output.stdout)]
        if not all(path.is_absolute() for path in real):
            raise ValueError("no absolute path")
        return dict(zip(self.paths, real, strict=True))


def parse_records(output: Output) -> tuple[FileStat, ...]:
    """Read what find printed with :data:`RECORD`; sorted by path.

    Raises:
        ValueError: It is something else, or find could not look into a folder that is there.
    """
    only_missing(output)
    return parse_found(output.stdout)


def parse_found(text: bytes, *, is_cut_short: bool = False) -> tuple[FileStat, ...]:
    """Read records alone; sorted by path.

    Args:
        is_cut_short: find was ended while it was writing, so the last record may not be whole.

    Raises:
        ValueError: They are something else.
    """
    if is_cut_short:
        text = text[: text.rfind(b"\0") + 1]
    return tuple(sorted((_file(record) for record in records(text)), key=lambda file: file.path))


def only_missing(output: Output) -> None:
    """Accept an error status where every complaint is that something is not there.

    Raises:
        ValueError: There was another complaint, or none.
        FactError: It takes root to see.
    """
    complaints = output.error_text.splitlines()
    if output.exit_status == 0 and not complaints:
        return
    others = [line for line in complaints if not _GONE.fullmatch(line)]
    if others and others[0].endswith("Permission denied"):
        raise FactError(f"{others[0]}: needs root")
    if others or not complaints:
        raise ValueError(others[0] if others else "failed without a word")


def _file(record: bytes) -> FileStat:
    device, inode, links, owner_id, owner, group, mode, kind, size, blocks, modified, name = record.split(b"\t", 11)
    path, is_plain = readable(name)
    return FileStat(
        path=PurePosixPath(path),
        is_named_plainly=is_plain,
        device=int(device),
        inode=int(inode),
        links=int(links),
        owner_id=int(owner_id),
        owner=owner.decode("utf-8", "backslashreplace"),
        group=group.decode("utf-8", "backslashreplace"),
        mode=int(mode, 8),
        type=kind.decode("ascii"),
        size=ByteSize(int(size)),
        allocated=ByteSize(int(blocks) * 512),
        modified=int(modified.partition(b".")[0]),
    )


def readable(name: bytes) -> tuple[str, bool]:
    """Return a name for people, and whether it is the real one: what is not UTF-8 appears as ``\\xNN``."""
    try:
        return name.decode(), True
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace"), False


def records(text: bytes, end: bytes = b"\0") -> list[bytes]:
    """Return records that each have an *end*.

    Raises:
        ValueError: The last has none: the text is cut short, or something else.
    """
    *whole, rest = text.split(end)
    if rest:
        raise ValueError("the last record is cut short")
    return whole


def _starts(paths: Iterable[PurePosixPath]) -> list[str]:
    """Return where find begins; an absolute path can be no option.

    Raises:
        ValueError: One is relative: what it means would depend on the folder of the moment.
    """
    paths = tuple(paths)
    for path in paths:
        if not path.is_absolute():
            raise ValueError(f"{path} is not absolute")
    return [str(path) for path in paths]


def _escaped(text: str) -> str:
    """Return a pattern of fnmatch(3) that stands for *text* and nothing else."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def refuse_unless_absolute(*paths: PurePosixPath) -> None:
    """Refuse what would mean another place elsewhere.

    Raises:
        ValueError: One of them is relative, or leads back out of itself.
    """
    for path in paths:
        if not path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{path} must be absolute")
