"""Secrets are hidden by value wherever something is told: the one place that knows which, and in which forms.

What the program was given as a secret, and what a host's application keeps as one, is learnt here the moment it is
known. Everything that tells (a page, a document, the record, a traceback, a message that quotes what a host said) asks
:func:`redacted` before it cuts, wraps or escapes anything.

A secret is known in these forms, and in mixtures of them: as it is; percent-encoded, as in addresses and forms;
escaped as JSON, once or twice, as HTML, or for a shell by quotes, backslashes or ``$'…'``; as base64, at each of the
three places of three bytes at which it may stand in a longer text. Each line of a secret is one for itself.

What is told piece by piece, as the lines of a log are, is searched piece by piece: a secret that goes on in another
piece is not found there. Short secrets cannot be told from other text: one of 4 to 7 characters is hidden where it
stands as a word of its own, one of less than 4, a short number and words such as ``true`` not at all.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

#: Stands for a secret. No character of it means anything to JSON, XML, HTML or a shell.
HIDDEN = "{hidden}"

#: Fewer characters than this cannot be hidden; fewer than that only where they are a word of their own.
SHORTEST, ANYWHERE = 4, 8
#: Said too often to be anybody's secret.
_ORDINARY = frozenset({"true", "false", "null", "none", "yes", "no", "(null)", "(empty)"})
#: A longer line is hidden piece by piece, so that no pattern grows without bounds.
_PIECE = 200

#: What a text is escaped with once, and again where it is quoted; more of them than this are a host's joke. Possessive,
#: because a row that can be matched in many ways is never done with.
_DEEPEST = 40
_SLASHES = rf"\\{{0,{_DEEPEST}}}+"

_IN_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}


class Redactor:
    """Knows secrets, and hides them. Used by many threads at once."""

    def __init__(self) -> None:
        self._learning = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._open: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, *secrets: str) -> None:
        """Hide *secrets* from now on."""
        lines = (line.strip() for secret in secrets for line in secret.splitlines())
        pieces = {piece for line in lines for piece in _pieces(line)}
        if pieces <= self._known:
            return
        with self._learning:
            self._known |= pieces
            self._pattern = _compiled(self._known)

    def keep_open(self, *names: str) -> None:
        """Let *names* stay readable whatever a host calls its secret."""
        with self._learning:
            self._open |= {name for name in names if name}

    def learn_of_host(self, *secrets: str) -> None:
        """Hide what a host's application keeps secret; a host must not make the names of others unreadable."""
        self.learn(*(secret for secret in secrets if not any(secret in name for name in self._open)))

    def redacted(self, text: str) -> str:
        """Return *text* with every known secret hidden."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Know none within, and afterwards those from before: what one test calls secret is none of the next."""
        known, names, pattern = self._known, self._open, self._pattern
        self._known, self._open, self._pattern = frozenset(), frozenset(), None
        try:
            yield
        finally:
            self._known, self._open, self._pattern = known, names, pattern


#: Of the whole process, on purpose: a secret of one host is one on every other host's page as well, and whatever tells
#: something, today's or tomorrow's, must not have to be handed what it may not tell.
REDACTOR = Redactor()


def learn(*secrets: str) -> None:
    """Hide *secrets* from now on, whatever is told."""
    REDACTOR.learn(*secrets)


def keep_open(*names: str) -> None:
    """Let *names* stay readable whatever a host calls its secret: hosts, their addresses and groups."""
    REDACTOR.keep_open(*names)


def redacted(text: str) -> str:
    """Return *text* with every known secret hidden."""
    return REDACTOR.redacted(text)


def _pieces(line: str) -> Iterable[str]:
    if len(line) < SHORTEST or line.lower() in _ORDINARY or (len(line) < ANYWHERE and line.isdigit()):
        return ()
    if len(line) <= _PIECE:
        return (line,)
    # The last one overlaps the one before: no piece is short.
    return {line[min(start, len(line) - _PIECE) :][:_PIECE] for start in range(0, len(line), _PIECE)}


def _compiled(secrets: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))  # else one would leave another's tail
    forms = [form for secret in longest_first for form in _forms(secret)]
    return re.compile("|".join(forms)) if forms else None


def _forms(secret: str) -> Iterator[str]:
    written = "".join(_runs(secret, _written))
    if len(secret) < ANYWHERE:
        yield rf"(?<![A-Za-z0-9])(?:{written})(?![A-Za-z0-9])"
        return
    yield written
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        # Characters that neither what stands before nor what stands behind has a bit in.
        first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        yield r"(?:\\{1,9}+[rn]|\s){0,2}".join(
            map(_in_base64, base64.b64encode(bytes(before) + data).decode()[first:end])
        )


def _runs(text: str, form: Callable[[str, int], str]) -> Iterator[str]:
    """Yield each character's form, of equal ones in a row together."""
    for run in re.finditer(r"(.)\1*", text, re.DOTALL):
        yield form(run[1], len(run[0]))


def _written(character: str, times: int) -> str:
    """Return a pattern of all the ways in which a character is written, so many times."""
    if character.isascii() and character.isalnum():
        return character * times
    if character == "\\":  # each escaping doubles a row of them
        return rf"(?:\\{{{times},{times + _DEEPEST}}}+|(?:(?:%|\\{{0,{_DEEPEST}}}+(?:u00|x))(?i:5c)){{{times}}})"
    number, encoded = ord(character), character.encode("utf-8", "surrogatepass")
    units = _utf16(number)
    escaped = [
        re.escape(character),
        _SLASHES.join(f"x(?i:{byte:02x})" for byte in encoded),
        _SLASHES.join(f"0?{byte:03o}" for byte in encoded),
        _SLASHES.join(f"u(?i:{unit:04x})" for unit in units),
        f"U(?i:{number:08x})|x0*(?i:{number:x})",
    ]
    if character in _LETTERS:
        escaped.append(_LETTERS[character])
    ways = [
        f"{_SLASHES}(?:{'|'.join(sorted(escaped, key=len, reverse=True))})",
        "".join(f"%(?i:{byte:02x})" for byte in encoded),
        rf"&#0*(?:{number}|x0*(?i:{number:x}));",
    ]
    if character in _IN_HTML:
        ways.append(_IN_HTML[character])
    if character == " ":
        ways.append(r"\+")
    if character == "'":  # as a shell's single quotes have it, which must end for it
        # Not without a backslash: a row of quotes could else be taken apart in so many ways that it never ends.
        ways = [rf"{_SLASHES}'\\{{1,{_DEEPEST}}}+'{_SLASHES}'", _SLASHES.join(["", "'", '"', "'", '"', "'"]), *ways]
    return f"(?:{'|'.join(ways)}){{{times}}}"


def _utf16(number: int) -> tuple[int, ...]:
    """Return a character's UTF-16 units. Not by Python's codec, a module that is only loaded when it is first needed:
    a controller whose disk fails, or who has become somebody else, hides secrets all the same.
    """
    if number < 0x10000:
        return (number,)
    high, low = divmod(number - 0x10000, 0x400)
    return 0xD800 + high, 0xDC00 + low


def _in_base64(character: str) -> str:
    return {"+": "(?:[+-]|%2[Bb])", "/": rf"(?:{_SLASHES}/|_|%2[Ff])"}.get(character, character)
