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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from heapq import heapify, heappop, heappush

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

#: Ends a line where that is escaped.
_BREAK = re.compile(r"\\{1,9}+[rn]")
_PLAIN = re.compile(r"[A-Za-z0-9]+")

_IN_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}


class _Form:
    """One form of a secret, and how to find it.

    Its pattern takes milliseconds to compile, and a fleet has hundreds of secrets of which hardly any is ever told: so
    it is compiled when a text has the form's longest row of letters and digits, without which it cannot match.

    Args:
        needle: That row; empty where the form has none.
        is_broken: Lines may break within the form, so that the row is looked for where line breaks are left out.
        write: Returns the pattern.
    """

    __slots__ = ("_pattern", "_write", "is_broken", "needle")

    def __init__(self, needle: str, write: Callable[[], str], *, is_broken: bool) -> None:
        self.needle = needle
        self.is_broken = is_broken
        self._write = write
        self._pattern: re.Pattern[str] | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What finds it. Of two threads that ask at once both compile it, and nothing is lost."""
        pattern = self._pattern
        if pattern is None:
            pattern = self._pattern = re.compile(self._write())
        return pattern


class Redactor:
    """Knows secrets, and hides them. Used by many threads at once."""

    def __init__(self) -> None:
        self._learning = threading.Lock()
        self._known: Mapping[str, tuple[_Form, ...]] = {}
        self._open: frozenset[str] = frozenset()
        self._forms: tuple[_Form, ...] = ()

    def learn(self, *secrets: str) -> None:
        """Hide *secrets* from now on."""
        lines = (line.strip() for secret in secrets for line in secret.splitlines())
        pieces = {piece for line in lines for piece in _pieces(line)}
        if pieces <= self._known.keys():
            return
        with self._learning:
            known = {**self._known, **{new: tuple(_forms(new)) for new in pieces - self._known.keys()}}
            # The longest first: else one would leave another's tail.
            in_order = sorted(known, key=lambda secret: (-len(secret), secret))
            self._forms = tuple(form for secret in in_order for form in known[secret])
            self._known = known  # last: whoever finds a secret known may rely on its being hidden

    def keep_open(self, *names: str) -> None:
        """Let *names* stay readable whatever a host calls its secret."""
        with self._learning:
            self._open |= {name for name in names if name}

    def learn_of_host(self, *secrets: str) -> None:
        """Hide what a host's application keeps secret; a host must not make the names of others unreadable."""
        new = [secret for secret in secrets if secret not in self._known]  # the hosts of a fleet often have the same
        self.learn(*(secret for secret in new if not any(secret in name for name in self._open)))

    def redacted(self, text: str) -> str:
        """Return *text* with every known secret hidden."""
        forms = self._forms
        if not forms:
            return text
        unbroken = "".join((_BREAK.sub("", text) if "\\" in text else text).split())
        found = [form.pattern for form in forms if form.needle in (unbroken if form.is_broken else text)]
        return _hidden(found, text) if found else text

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Know none within, and afterwards those from before: what one test calls secret is none of the next."""
        known, names, forms = self._known, self._open, self._forms
        self._known, self._open, self._forms = {}, frozenset(), ()
        try:
            yield
        finally:
            self._known, self._open, self._forms = known, names, forms


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


def _hidden(patterns: Sequence[re.Pattern[str]], text: str) -> str:
    """Hide what *patterns* find, as one pattern of all of them would: what begins first, then the earlier pattern's."""
    if len(patterns) == 1:
        return patterns[0].sub(HIDDEN, text)
    told: list[str] = []
    at = 0
    nearest = [(match.start(), order, match) for order, one in enumerate(patterns) if (match := one.search(text))]
    heapify(nearest)
    while nearest:
        start, order, match = heappop(nearest)
        if start >= at:
            told += text[at:start], HIDDEN
            at = match.end()
        if (match_after := patterns[order].search(text, at)) is not None:
            heappush(nearest, (match_after.start(), order, match_after))
    return "".join([*told, text[at:]])


def _forms(secret: str) -> Iterator[_Form]:
    yield _Form(_needle(secret), partial(_as_written, secret), is_broken=False)
    if len(secret) < ANYWHERE:
        return
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        # Characters that neither what stands before nor what stands behind has a bit in.
        first, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        encoded = base64.b64encode(bytes(before) + data).decode()[first:end]
        # Not its first character: behind somebody's backslash it may look like the end of a line.
        yield _Form(_needle(encoded[1:]), partial(_as_base64, encoded), is_broken=True)


def _needle(text: str) -> str:
    """Return the longest row of characters of which each is written in one way only."""
    return max(_PLAIN.findall(text), key=len, default="")


def _as_written(secret: str) -> str:
    written = "".join(_runs(secret, _written))
    return written if len(secret) >= ANYWHERE else rf"(?<![A-Za-z0-9])(?:{written})(?![A-Za-z0-9])"


def _as_base64(encoded: str) -> str:
    return rf"(?:{_BREAK.pattern}|\s){{0,2}}".join(map(_in_base64, encoded))


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
