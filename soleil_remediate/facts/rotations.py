"""logrotate's rules: which one covers a log, and what it would do with it (logrotate.conf(5))."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.files import (
    RECORD,
    FileStat,
    FindNamed,
    ResolvePaths,
    only_missing,
    parse_records,
    readable,
    records,
)
from soleil_remediate.facts.together import together

_MAIN = PurePosixPath("/etc/logrotate.conf")
_FOLDER = PurePosixPath("/etc/logrotate.d")
_PROGRAM = PurePosixPath("/usr/sbin/logrotate")
#: What logrotate itself leaves out of a folder (its tabooext).
_TABOO = tuple(
    ".bak .bkp .cfsaved .disabled .dpkg-bak .dpkg-del .dpkg-dist .dpkg-new .dpkg-old .dpkg-tmp .rhn-cfg-tmp-* .rpmnew "
    ".rpmorig .rpmsave .swp .ucf-dist .ucf-new .ucf-old ~ ,v".split()
)
_SCRIPTS = frozenset({"prerotate", "postrotate", "firstaction", "lastaction", "preremove"})
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What logrotate does with the logs some patterns stand for.

    Args:
        source: The file it stands in.
        patterns: As written: shell patterns of paths.
        body: Its own lines, as written.
        defaults: The lines of logrotate.conf that hold for all rules, as written.
    """

    source: PurePosixPath
    patterns: tuple[str, ...]
    body: tuple[str, ...]
    defaults: tuple[str, ...]

    def covers(self, path: PurePosixPath) -> bool:
        """Return whether it names that log; as in a shell, ``*`` stands for nothing with a slash in it."""
        for pattern in self.patterns:
            wanted = PurePosixPath(pattern).parts
            if len(wanted) == len(path.parts) and all(map(fnmatchcase, path.parts, wanted)):
                return True
        return False

    def value(self, name: str) -> str | None:
        """Return what a directive says last, defaults included; empty for one that says nothing but its name."""
        said = None
        for words in _directives((*self.defaults, *self.body)):
            if words[0] == name:
                said = " ".join(words[1:])
            elif words[0] == f"no{name}":
                said = None
        return said

    @property
    def has_script(self) -> bool:
        """It runs commands of its own, most often to make a program reopen its log."""
        return any(words[0] in _SCRIPTS for words in _directives(self.body))

    @property
    def count(self) -> int:
        """How many rotated logs it keeps; logrotate's own default is none."""
        said = self.value("rotate")
        return int(said) if said and said.lstrip("-").isdigit() else 0


def _directives(lines: Iterable[str]) -> Iterator[list[str]]:
    """Return the directives among some lines, and no line of a script."""
    is_script = False
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if is_script:
            is_script = words[0] != "endscript"
            continue
        is_script = words[0] in _SCRIPTS
        yield words


@dataclass(frozen=True, slots=True)
class ReadRules(Query[tuple[Rule, ...]]):
    """The rules in logrotate.conf and the folder beside it; none where there are no such files."""

    # 1: all of them empty; 2: one of the two is not there
    expects = frozenset({0, 1, 2})
    empty_is = "no rules, where grep ended well or said that there are no such files"

    @property
    def command(self) -> Command:
        return Command(("grep", "-r", "-a", "-Z", "", str(_MAIN), str(_FOLDER)))

    def parse(self, output: Output) -> tuple[Rule, ...]:
        if output.exit_status != 1 or output.stderr:
            only_missing(output)
        texts: dict[PurePosixPath, list[str]] = {}
        for line in records(output.stdout, b"\n"):
            name, _, text = line.partition(b"\0")
            path, is_plain = readable(name)
            if not is_plain or not _:
                raise ValueError(f"no line of a rule: {line!r}")
            texts.setdefault(PurePosixPath(path), []).append(readable(text)[0])
        main_rules, defaults = _rules(_MAIN, texts.pop(_MAIN, []), ())
        rules = list(main_rules)
        for source, lines in sorted(texts.items()):
            if not any(fnmatchcase(source.name, f"*{taboo}") for taboo in _TABOO):
                rules += _rules(source, lines, defaults)[0]
        return tuple(rules)


def _rules(
    source: PurePosixPath, lines: Iterable[str], defaults: tuple[str, ...]
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules of one file, and its lines outside of them: in logrotate.conf these are everybody's defaults."""
    rules: list[Rule] = []
    outside: list[str] = []
    patterns: list[str] = []
    body: list[str] | None = None
    is_script = False
    for line in lines:
        words = line.split()
        if body is not None:
            if is_script:
                is_script = words[:1] != ["endscript"]
            elif words[:1] == ["}"]:
                rules.append(
                    Rule(source=source, patterns=tuple(patterns), body=tuple(body), defaults=(*defaults, *outside))
                )
                patterns, body = [], None
                continue
            else:
                is_script = bool(words) and words[0] in _SCRIPTS
            body.append(line)
        elif words and not words[0].startswith("#"):
            head, brace, rest = line.partition("{")
            if brace and rest.strip():
                raise ValueError(f"{source}: a rule in one line: {line!r}")
            if brace or words[0][0] in "/\"'":
                patterns += shlex.split(head)
                body = [] if brace else None
            elif words[0] != "include":
                outside.append(line)
    if body is not None:
        raise ValueError(f"{source}: a rule without an end")
    return tuple(rules), tuple(outside)


@dataclass(frozen=True, slots=True)
class StatRules(Query[Mapping[PurePosixPath, FileStat]]):
    """The files with rules, and logrotate itself where it is installed: whose they are."""

    expects = frozenset({0, 1})
    empty_is = "no logrotate, where find said so"

    @property
    def command(self) -> Command:
        starts = (str(_PROGRAM), str(_MAIN), str(_FOLDER))
        return Command(("find", "-H", *starts, "-maxdepth", "1", "-type", "f", "-printf", RECORD))

    def parse(self, output: Output) -> Mapping[PurePosixPath, FileStat]:
        return {file.path: file for file in parse_records(output)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedLog:
    """One log that may be rotated.

    Args:
        file: The log itself.
        path: Its real name: another one where a symlink was on the way.
        rotated: What earlier rotations left of it, newest first.
        rule: The first that covers it; ``None`` without one.
        is_rule_trusted: Nobody but root can change the rule; logrotate itself demands that.
    """

    file: FileStat
    path: PurePosixPath
    rotated: tuple[FileStat, ...]
    rule: Rule | None
    is_rule_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationsSeen:
    """The logs one path stands for, and whether they can be rotated at all.

    Args:
        is_installed: logrotate is there.
    """

    logs: tuple[RotatedLog, ...]
    is_installed: bool
    file_systems: FileSystems


async def read_rotations(host: Reader, path: PurePosixPath) -> RotationsSeen:
    """Ask for the logs *path* stands for, their rules and what was rotated before; one round trip.

    Raises:
        FactError: It cannot be told.
    """
    wanted = (path, *(path.with_name(f"{path.name}{end}") for end in (".*", "-*")))
    file_systems, (files, real, rules, owners) = await together(
        read_file_systems(host),
        host.ask_all(FindNamed(wanted), ResolvePaths((path.parent,)), ReadRules(), StatRules()),
    )
    logs = [file for file in files if fnmatchcase(file.path.name, path.name)]
    return RotationsSeen(
        logs=tuple(_rotated_log(file, real[path.parent], files, rules, owners) for file in logs),
        is_installed=_PROGRAM in owners,
        file_systems=file_systems,
    )


def _rotated_log(
    file: FileStat,
    folder: PurePosixPath,
    files: Iterable[FileStat],
    rules: Iterable[Rule],
    owners: Mapping[PurePosixPath, FileStat],
) -> RotatedLog:
    path = folder / file.path.name
    rule = next((rule for rule in rules if rule.covers(path)), None)
    sources = () if rule is None else (owners.get(rule.source), owners.get(_MAIN))
    starts = (f"{file.path.name}.", f"{file.path.name}-")
    rotated = [other for other in files if other.path.name.startswith(starts)]
    return RotatedLog(
        file=file,
        path=path,
        rotated=tuple(sorted(rotated, key=lambda other: (-other.modified, other.path))),
        rule=rule,
        is_rule_trusted=all(one is not None and one.owner_id == 0 and not one.mode & 0o022 for one in sources),
    )


def is_compressed(file: FileStat) -> bool:
    """Return whether its name says that it is compressed."""
    return file.path.name.endswith(_COMPRESSED)
