"""The newest lines of logs and of the journal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration

#: What a script of ours begins with to find the log that is written now, as $log: what the path or shell pattern $1
#: stands for, or what Laravel's channel ``daily`` makes of it (RotatingFileHandler: NAME-DATE.EXTENSION), whichever was
#: written last. Nothing is found in a folder that may not be looked into: then ls complains, and the script ends.
WRITTEN_NOW = r"""set -eu
IFS=
log=$1
# shellcheck disable=SC2086,SC3013  # a pattern, never split; -nt is what Debian's shells have
for one in $1 "${1%.*}"-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]."${1##*.}"; do
    [ -f "$one" ] || continue
    if [ ! -f "$log" ] || [ "$one" -nt "$log" ]; then log=$one; fi
done
[ -e "$log" ] || ls -- "${1%/*}/" >/dev/null
"""

#: The newest $2 lines of the log $1 behind its name; with the name an empty log is no silence.
NEWEST_LINES = Script("newest-lines", WRITTEN_NOW + 'tail --verbose --lines="$2" -- "$log"\n')

_NONE = "-- No entries --"
#: How Redis tells which line of its configuration is wrong; what follows the first word may be a password.
_SETTING = re.compile(r"^(>>> '\s*\S*)\s.*$")


@dataclass(frozen=True, slots=True)
class NewestLines(Query[tuple[str, ...] | None]):
    """A file's newest lines, oldest first; ``None`` where there is no such file.

    Bytes that are not UTF-8 appear as ``\\xNN``.
    """

    path: PurePosixPath
    lines: int
    # 1: no such file
    expects = frozenset({0, 1})
    empty_is = "no such file, where tail said so"

    @property
    def command(self) -> Command:
        # verbose: the name comes first, so that an empty file is no silence
        return Command(("tail", "--verbose", f"--lines={self.lines}", "--", str(self.path)), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[str, ...] | None:
        if output.exit_status:
            only_missing(output)
            return None
        name, lines = _named(output.stdout)
        if name != f"==> {self.path} <==".encode():
            raise ValueError("not the file that was asked for")
        return lines


@dataclass(frozen=True, slots=True)
class NewestLogged(Query[tuple[PurePosixPath, tuple[str, ...]] | None]):
    """A log's newest lines, oldest first, behind the file that is written now; ``None`` where there is no such log.

    Of a log that is begun anew every day, as Laravel's channel ``daily`` does, that is the newest one.
    """

    log: PurePosixPath
    lines: int
    # 1: no such file; 2: no such folder
    expects = frozenset({0, 1, 2})
    empty_is = NewestLines.empty_is

    @property
    def command(self) -> Command:
        return Command(NEWEST_LINES.bind(self.log, self.lines), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[PurePosixPath, tuple[str, ...]] | None:
        if output.exit_status:
            only_missing(output)
            return None
        name, lines = _named(output.stdout)
        if not (name.startswith(b"==> /") and name.endswith(b" <==")):
            raise ValueError("no log is named")
        return PurePosixPath(readable(name[4:-4])[0]), lines


def _named(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the first line of what tail says, which names the file, and the others."""
    name, *lines = text.split(b"\n")
    return name, tuple(readable(line)[0] for line in (lines[:-1] if lines and not lines[-1] else lines))


@dataclass(frozen=True, slots=True)
class LastWords(Query[tuple[str, ...]]):
    """What the journal has last of a unit, oldest first, systemd's own words about it among them."""

    unit: str
    lines: int

    @property
    def command(self) -> Command:
        return Command(
            (
                "journalctl",
                "--no-pager",
                "--output=json",
                "--output-fields=MESSAGE",
                f"--lines={self.lines}",
                f"--unit={self.unit}",
            ),
            deadline=Duration(10),
            is_slow=True,
        )

    def parse(self, output: Output) -> tuple[str, ...]:
        if output.text.strip() == _NONE:
            return ()
        return tuple(_message(json.loads(line)) for line in output.text.splitlines())


def _message(entry: object) -> str:
    """Return an entry's message: text, or a list of bytes where it is none (systemd's JOURNAL_EXPORT_FORMATS)."""
    match entry:
        case {"MESSAGE": str(text)}:
            return _SETTING.sub(r"\1 …'", text)
        case {"MESSAGE": list(found)} if all(isinstance(byte, int) for byte in found):
            return _SETTING.sub(r"\1 …'", readable(bytes(found))[0])
        case _:
            raise ValueError("no entry of the journal")
