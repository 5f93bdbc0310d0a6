"""Secrets that are planted to be found again where they must not be, and the forms in which they come."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus, urlencode

from soleil_remediate.reporters.visible import shown_word

#: So many characters of a form in a row stand nowhere by chance.
_TELLING = 8

#: A character of every sort that some encoder treats in a way of its own.
CANARY = "cän4ry/ + 'q\"$x\\y&z<%>=\t!"


def base64_after(text: str, before: str) -> str:
    return base64.b64encode((before + text + " and more").encode()).decode()


IN_LINES = "as base64 in lines"

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in an address": lambda text: quote(text, safe=""),
    "in a path": quote,
    "in a form": quote_plus,
    "in a query": lambda text: urlencode({"password": text}),
    "in an address in lower case": lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    "in an address twice over": lambda text: quote(text, safe="/").replace("%20", "+"),
    "as JSON": json.dumps,
    "as JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "as PHP's JSON": lambda text: json.dumps(text).replace("/", "\\/"),
    "as JSON in JSON": lambda text: json.dumps(json.dumps({"password": text})),
    "as HTML": html.escape,
    "as XML": lambda text: html.escape(text, quote=False),
    "as Python has it": repr,
    "as Python has it in ASCII": ascii,
    "as bytes in Python": lambda text: repr(text.encode()),
    "for a shell": shlex.quote,
    "for a shell, as people quote": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "for bash": shown_word,
    "as base64": lambda text: base64_after(text, ""),
    "as base64 behind a name": lambda text: base64_after(text, "u"),
    "as base64 behind a longer name": lambda text: base64_after(text, "ab"),
    "as base64 of an address": lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
    IN_LINES: lambda text: "\n".join(textwrap.wrap(base64_after(text, ""), 11)),
    "as base64 in JSON": lambda text: json.dumps(base64_after(text, "???")).replace("/", "\\/"),
}


def fragments(written: str) -> list[str]:
    """Return every four characters in a row that stand in the middle of a form and are not only an escape.

    Its ends are not all the secret's.
    """
    found = (written[at : at + 4] for at in range(len(written) // 3, len(written) * 2 // 3 - 4))
    return [piece for piece in found if sum(map(str.isalnum, piece)) > 1]


def found_in(told: bytes, canaries: Iterable[str]) -> set[str]:
    """Return the forms of *canaries* of which a piece stands in *told*, however it is wrapped there.

    A form that is too short to have telling pieces in its middle is looked for as a whole.
    """
    text = "".join(told.decode("utf-8", "backslashreplace").split())
    found = set()
    for canary in canaries:
        for form, write in FORMS.items():
            written = "".join(write(canary).split())
            middle = range(len(written) // 4, len(written) * 5 // 8 - _TELLING + 1)
            pieces = [written[at : at + _TELLING] for at in middle] if len(written) >= 4 * _TELLING else [written]
            if any(piece in text for piece in pieces):
                found.add(f"{canary} {form}")
    return found
