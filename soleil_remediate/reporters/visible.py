"""What a host, a file or a person wrote, made safe to look at: the one way by which such text reaches a terminal."""

from __future__ import annotations

import shlex
import unicodedata

from soleil_remediate.command import Command, Secret

#: Other controls, formats (bidi and zero width among them), lone surrogates, private and unassigned characters, and
#: line and paragraph separators: a terminal would act on them, or show nothing (Unicode's general categories).
_ACTED_ON = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Letters that are drawn as nothing at all.
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
#: More marks than this on one letter climb over the lines around it.
_MARKS = 2
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def visible(text: str, limit: int = 1000) -> str:
    """Return *text* on one line with everything escaped that a terminal would act on or not show.

    Newlines, tabs, ESC and other C0 and C1 controls, bidi and zero-width characters, lone surrogates, and piles of
    combining marks appear as escapes such as ``\\x1b`` or ``\\u202e``.

    Args:
        text: From anywhere.
        limit: So many characters of it at most are shown; how many more there were is said.
    """
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


def typed(command: Command) -> list[str]:
    """Return a command's lines as a person may copy them into a root shell; nothing in them acts on a terminal.

    A word with a character that cannot be shown is written in bash's ``$'…'``, which means the same.
    """
    line = " ".join(map(shown_word, command.words))
    if command.user:
        line = f"sudo -u {shown_word(command.user)} {line}"
    if isinstance(command.stdin, Secret):
        line += "   # reads a secret on standard input"
    elif command.stdin is not None:
        line = f"printf %s {shown_word(command.stdin)} | {line}"
    return [visible(part, 100_000) for part in line.split("\n")]


def shown_word(word: str) -> str:
    """Return one word as a shell reads it back, and as nothing that a terminal acts on."""
    if not any(_is_hidden(character) and character not in "\n\t" for character in word):
        return _plain(word) if "\t" not in word else _ansi_c(word)
    return _ansi_c(word)


def _plain(word: str) -> str:
    return shlex.quote(word).replace("'\"'\"'", "'\\''")  # the same, easier to read


def _ansi_c(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(_in_bash(character) if _is_hidden(character) else character for character in escaped) + "'"


def _in_bash(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as Python keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return _escaped(character)
