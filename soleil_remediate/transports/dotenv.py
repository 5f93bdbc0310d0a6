"""What an application keeps secret in its ``.env``: learnt before it can be seen in a log or an error, and never told.

Laravel writes what it was configured with into its logs where something fails: a stack trace holds the arguments of
calls, the database's password among them. So the first batch of questions to a host that serves an application reads
these files as well. Where they cannot be read, as by a login without sudo, nothing of theirs can be hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError
from soleil_remediate.host import Host
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import ANYWHERE, REDACTOR
from soleil_remediate.transports import Access
from soleil_remediate.units import KiB

#: The release's own, its variant, and the one of all releases, which the release's own usually leads to.
_READ = Script(
    "read",
    """\
    [ ! "$1" -ef "$3" ] || set -- "$1" "$2"
    for file in "$@"; do [ -f "$file" ] && head -c 65536 -- "$file" && echo; done
    true
    """,
)

#: A line of the file, or several where a quoted value has several: https://laravel.com/docs/configuration
_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*
        (?:"((?:[^"\\]|\\.){0,8000})" | '([^']{0,8000})' | ([^\r\n]*))""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
#: Names of what is kept secret.
_NAME = re.compile(
    r"pass|pwd|secret|token|cred|private|salt|dsn|webhook|(?:^|_)(?:api|access|app|enc|jwt)?keys?(?:_|$)", re.IGNORECASE
)
#: The password in an address; one of those that may have an unescaped ``@`` in it.
_IN_ADDRESS = re.compile(r"://[^\s:@/]*:(\S+)@")
#: No application has more lines or longer values that matter, and no host may keep us busy with more; nor with quotes,
#: of which each can be written in several ways.
_MOST_LINES, _LONGEST, _MOST_SECRETS, _MOST_QUOTES = 2000, 8000, 200, 8


def asking_for_secrets(host: Host, access: Access) -> Command | None:
    """Return what reads the files with the secrets of *host*'s application; ``None`` where it serves none.

    Where sudo allows no shell of root's, the application's user reads them: they are its own.
    """
    root = host.app.get("root")
    if not isinstance(root, PurePosixPath):
        return None
    files = root / ".env", root / ".env.production", root.parent / "shared" / ".env"
    return Command(_READ.bind(*files), user=host.app["user"] if access.is_narrow else None, output_limit=KiB(256))


def learn_secrets(host: Host, answer: Output | FactError) -> None:
    """Learn what the files hold. What the inventory itself says about *host* is no secret, whoever else says it."""
    if isinstance(answer, FactError):
        return
    said = "\n".join((host.name, host.connection.address, host.connection.user or "", *_leaves(host.app)))
    REDACTOR.learn_of_host(*(secret for secret in secrets_in(answer.text) if secret not in said))


def secrets_in(text: str) -> frozenset[str]:
    """Return the values that a ``.env`` keeps secret.

    A value of less than 8 characters is none, and neither is one that another line says openly: hidden, ``root`` or
    ``postgres`` would make everything else unreadable.
    """
    values = [(match[1], _value(match)[:_LONGEST]) for match in islice(_LINE.finditer(text), _MOST_LINES)]
    open_ones = {value for name, value in values if not _NAME.search(name)}
    found = {value for name, value in values if _NAME.search(name) and value not in open_ones and "${" not in value}
    found |= {part.strip() for value in found for part in value.split(",")}  # as in APP_PREVIOUS_KEYS
    found |= {value.removeprefix("base64:") for value in found}
    for _, value in values:
        for password in _IN_ADDRESS.findall(value):
            found |= {password, unquote(password)}
    told = sorted(value for value in found if len(value) >= ANYWHERE and value.count("'") <= _MOST_QUOTES)
    return frozenset(told[:_MOST_SECRETS])


def _value(match: re.Match[str]) -> str:
    if match[2] is not None:
        return re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), match[2], flags=re.DOTALL)
    if match[3] is not None:
        return str(match[3])
    return str(match[4]).partition(" #")[0].partition("\t#")[0].strip()


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _leaves(item)
    else:
        yield str(value)
