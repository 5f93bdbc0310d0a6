"""What a host, a file or a person wrote, made safe to look at: the one way by which such text reaches a terminal."""

from __future__ import annotations

import re
import shlex
import unicodedata

from soleil_remediate.command import Command, Secret
from soleil_remediate.secrecy import redacted

#: Other controls, formats (bidi and zero width among them), lone surrogates, private and unassigned characters, and
#: line and paragraph separators: a terminal would act on them, or show nothing (Unicode's general categories).
_ACTED_ON = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Letters that are drawn as nothing at all.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
#: More marks than this on one letter climb over the lines around it.
_MARKS = 2
#: What a GitHub runner takes for a command in a step's output. It compares text by a culture, which passes over some
#: characters: any but those of ASCII that are drawn may stand in between (actions/runner, ``ActionCommand.cs``).
_COMMAND = re.compile(r"^([^!-~]*):(?=[^!-~]*:)")
_OLD_COMMAND = re.compile(r"#(?=[^!-~]*#[^!-~]*\[)")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def visible(text: str, limit: int = 1000) -> str:
    """Return *text* on one line with everything escaped that a terminal would act on or not show.

    Newlines, tabs, ESC and other C0 and C1 controls, bidi and zero-width characters, lone surrogates, and piles of
    combining marks appear as escapes such as ``\\x1b`` or ``\\u202e``. Secrets are hidden.

    Args:
        text: From anywhere.
        limit: So many characters of it at most are shown; how many more there were is said.
    """
    text = redacted(text)  # first of all: what is cut or escaped could not be told any more
    shown, marks = [], 0
    for character in text[:limit]:
        is_mark = unicodedata.category(character) in {"Mn", "Me"}
        marks = marks + 1 if is_mark else 0
        shown.append(_escaped(character) if _is_hidden(character) or marks > _MARKS else character)
    rest = len(text) - limit
    return "".join(shown) + (f" … ({rest:,} characters more)" if rest > 0 else "")


def _is_hidden(character: str) -> bool:
    if " " <= character <= "~":
        return False
    return unicodedata.category(character) in _ACTED_ON or character in _BLANK or "\ufe00" <= character <= "\ufe0f"


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def inert(line: str, *, colon: str = "\\x3a", hash_sign: str = "\\x23") -> str:
    """Return a line that no runner takes for a command; all but lines that would be one stay as they are.

    Args:
        line: From anywhere, without its end.
        colon: What the first colon of a command becomes.
        hash_sign: What the first ``#`` of ``##[`` becomes.
    """
    return _OLD_COMMAND.sub(lambda _: hash_sign, _COMMAND.sub(lambda found: found[1] + colon, line))


def typed(command: Command) -> list[str]:
    """Return a command's lines as a person may copy them into a root shell; nothing in them acts on a terminal.

    A word with a character that cannot be shown is written in bash's ``$'…'``, which means the same. Only a script of
    ours keeps its lines: a newline in any other word could look like a line of this program.
    """
    has_script = command.words[:2] == ("sh", "-c")
    words = (shown_word(word, keeps_lines=has_script and place == 2) for place, word in enumerate(command.words))
    line = " ".join(words)
    if command.user:
        line = f"sudo -u {shown_word(command.user)} {line}"
    if isinstance(command.stdin, Secret):
        line += "   # reads a secret on standard input"
    elif command.stdin is not None:
        line = f"printf %s {shown_word(command.stdin)} | {line}"
    return [visible(part, 100_000) for part in line.split("\n")]


def shown_word(word: str, *, keeps_lines: bool = False) -> str:
    """Return one word as a shell reads it back, and as nothing that a terminal acts on."""
    looked_at = word.replace("\n", "") if keeps_lines else word
    if visible(looked_at, 1_000_000) == looked_at:
        text = word.replace("'", "'\\''")  # as shlex.quote has it, and easier to read
        return word if shlex.quote(word) == word else f"'{text}'"
    return "$'" + "".join(map(_in_bash, word)) + "'"


def _in_bash(character: str) -> str:
    if character in "\n\r\t\\'":
        return {"\\": "\\\\", "'": "\\'"}.get(character) or _SHORT[character]
    if " " <= character <= "~":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
