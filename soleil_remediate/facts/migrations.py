"""What Laravel's migrations do to a database that older code has to go on with, judged by their text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum


class Effect(Enum):
    """What code from before a migration meets after it.

    Nothing is asked of a database, and no migration is run. What is not understood is unknown, never additive.
    """

    ADDITIVE = "additive"  # all that it knows is still there, and what it writes is still accepted
    DESTRUCTIVE = "destructive"  # something that it knows is gone, renamed or of another type
    UNKNOWN = "unknown"  # nobody can tell by the text


#: Methods of a Blueprint that add a column which older code need not know: with one of _OPTIONAL, its inserts leave it
#: out (https://laravel.com/docs/migrations#available-column-types).
_COLUMNS = frozenset(
    """
    bigInteger binary boolean char date dateTime dateTimeTz decimal double enum float foreignId foreignUlid foreignUuid
    geometry integer ipAddress json jsonb longText macAddress mediumInteger mediumText set smallInteger string text time
    timeTz timestamp timestampTz tinyInteger tinyText ulid unsignedBigInteger unsignedDecimal unsignedInteger
    unsignedMediumInteger unsignedSmallInteger unsignedTinyInteger uuid year
    """.split()
)
#: Methods that add columns which may be left out anyway, or what makes reading faster.
_HARMLESS = frozenset(
    """
    fullText index nullableMorphs nullableTimestamps nullableUlidMorphs nullableUuidMorphs rememberToken softDeletes
    softDeletesTz spatialIndex timestamps timestampsTz
    """.split()
)
_OPTIONAL = frozenset({"nullable", "default", "useCurrent", "storedAs", "virtualAs"})
_MODIFIERS = _OPTIONAL | frozenset(
    {"after", "charset", "collation", "comment", "first", "index", "invisible", "unsigned", "useCurrentOnUpdate"}
)
_DESTROYS = re.compile(r"^(?:drop|rename)", re.IGNORECASE)
_DESTROYING_WORDS = re.compile(r"\b(?:drop|truncate|delete|rename)\b", re.IGNORECASE)

#: A comment, a text in quotes, or anything else, one piece at a time. Heredocs begin with <<<: nobody reads on there.
_PIECES = re.compile(
    r"""(?P<comment>//[^\n]*|\#(?!\[)[^\n]*|/\*.*?\*/)|(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<code>.)""",
    re.DOTALL,
)
_UP, _DOWN = (re.compile(rf"\bfunction\s+{name}\s*\(\s*\)\s*(?::\s*void\s*)?\{{") for name in ("up", "down"))
_ON_TABLE = re.compile(
    r"Schema::(?P<verb>create|table)\(\s*(?:''|\"\")\s*,\s*(?:static\s+)?function\s*\(\s*(?:\\?[\w\\]*Blueprint\s+)?"
    r"\$(?P<variable>\w+)\s*\)\s*(?::\s*void\s*)?\{(?P<body>.*)\}\s*\)",
    re.DOTALL,
)
_CALL = re.compile(r"->\s*(\w+)\s*\(")

#: What is done elsewhere than in the transaction around a migration, or ends that; and what may do anything.
_ELSEWHERE = re.compile(r"withinTransaction|beginTransaction|connection|\bcommit\b|\brollback\b", re.IGNORECASE)
_ANYTHING = re.compile(r"`|\$this\b|\b(?:new|include|include_once|require|require_once)\b", re.IGNORECASE)
_PLAIN = re.compile(r"\bextends\s+\\?(?:Illuminate\\Database\\Migrations\\)?Migration\b")
_CALLED = re.compile(r"(?<![\w>:])(\w+)\s*\(")
_STATIC = re.compile(r"(\w+)\s*::")

#: The name of a table or a column as databases quote it, with its schema or without.
_NAME = r"(?:\"[^\";]+\"|`[^`;]+`|\[[^\];]+\]|[A-Za-z_]\w*)"
_NAMED = rf"{_NAME}(?:\.{_NAME})*"
_DROP_TABLES = re.compile(rf"drop table (?:if exists )?({_NAMED}(?:, ?{_NAMED})*)(?: cascade)?;?", re.IGNORECASE)
_ALTER_TABLE = re.compile(rf"alter table (?:if exists )?({_NAMED}) ([^;]+);?", re.IGNORECASE)
_DROP_COLUMN = re.compile(rf"drop (?:column )?(?:if exists )?({_NAMED})", re.IGNORECASE)
#: What loses nothing that was written: what makes something new, and what only says how it is kept.
_LOSES_NOTHING = re.compile(r"(?:create (?:unique )?index|create table|drop index) [^;]+;?", re.IGNORECASE)
_LOSES_NOTHING_OF_A_TABLE = re.compile(
    r"add [^;]+|drop (?:index|constraint|foreign key|primary key|unique|check)\b[^;]*", re.IGNORECASE
)


def effect_of(text: str) -> Effect:
    """Judge a migration by what it does when it is run forward; how it would be taken back does not count."""
    body = _body(text, _UP)
    if body is None:
        return Effect.UNKNOWN
    effects = {_effect_of_statement(statement) for statement in _statements(body)}
    for worst in (Effect.DESTRUCTIVE, Effect.UNKNOWN):
        if worst in effects:
            return worst
    return Effect.ADDITIVE


def is_all_or_nothing(text: str) -> bool:
    """Whether nothing of a migration is in a database that has no note of it, by its text.

    Laravel notes one once it is done. One that failed half-way leaves half of it behind, unless it says all that it has
    to say to one database, in the transaction that Laravel puts around it where that database knows such. And the note
    goes where somebody takes it back: what it did goes with it only where its ``down()`` does something.
    """
    up, down = _body(text, _UP), _body(text, _DOWN)
    if up is None or down is None or not any(_statements(down)):
        return False
    if _PLAIN.search(text) is None or _ELSEWHERE.search(text) or _ANYTHING.search(up):
        return False
    called, asked = {name.lower() for name in _CALLED.findall(up)}, set(_STATIC.findall(up))
    return called <= {"function", "fn", "use", "if", "foreach"} and asked <= {"Schema", "DB"}


def lost_by(statement: str) -> tuple[str, ...]:
    """Say what is gone from a database after one statement of SQL; what is not understood is named whole.

    As Laravel writes it for PostgreSQL, MySQL and SQLite. Quotation marks stay as they are.
    """
    whole = f"whatever goes by: {statement}"
    if tables := _DROP_TABLES.fullmatch(statement):
        return tuple(f"table {name} and all its rows" for name in re.findall(_NAMED, tables[1]))
    if _LOSES_NOTHING.fullmatch(statement):
        return ()
    altered = _ALTER_TABLE.fullmatch(statement)
    if altered is None:
        return (whole,)
    clauses = [one for one in _clauses(altered[2]) if not _LOSES_NOTHING_OF_A_TABLE.fullmatch(one)]
    dropped = [found for one in clauses if (found := _DROP_COLUMN.fullmatch(one))]
    if len(dropped) < len(clauses):
        return (whole,)
    return tuple(f"column {found[1]} of {altered[1]}" for found in dropped)


def _clauses(text: str) -> Iterator[str]:
    """Return what stands between the commas of a statement; what is in quotes or parentheses stays together."""
    depth, quote, begin = 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == "," and depth == 0:
                yield text[begin:at].strip()
                begin = at + 1
    yield text[begin:].strip()


def _without_texts(text: str) -> str | None:
    """Return PHP without comments and with every text in quotes empty; ``None`` where that cannot be told apart."""
    if "<<<" in text or "?>" in text:
        return None
    pieces = []
    for piece in _PIECES.finditer(text):
        if piece["text"]:
            # What is said to the database itself is in a text: words that destroy are kept for _effect_of_statement.
            words = " ".join(_DESTROYING_WORDS.findall(piece["text"]))
            pieces.append(f"''/*{words}*/" if words else "''")
        elif piece["code"]:
            if piece["code"] in "'\"":
                return None  # a quotation mark without its other half
            pieces.append(piece["code"])
        else:
            pieces.append(" ")
    return "".join(pieces)


def _body(text: str, begins: re.Pattern[str]) -> str | None:
    """Return what stands in a method; ``None`` where that cannot be told."""
    code = _without_texts(text)
    begin = begins.search(code) if code is not None else None
    return None if code is None or begin is None else _block(code, begin.end())


def _block(code: str, start: int) -> str | None:
    """Return what stands between an opening brace, just before *start*, and its closing one."""
    depth = 1
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return code[start:at]
    return None


def _statements(body: str) -> Iterator[str]:
    """Return the statements of a block, each without its semicolon; what is in braces or parentheses stays together."""
    depth, begin = 0, 0
    for at, character in enumerate(body):
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(character, 0)
        if character == ";" and depth == 0:
            yield body[begin:at].strip()
            begin = at + 1
    if rest := body[begin:].strip():
        yield rest


def _effect_of_statement(statement: str) -> Effect:
    bare = re.sub(r"/\*.*?\*/", "", statement)
    table = _ON_TABLE.fullmatch(bare)
    if table is not None and table["verb"] == "create" and not _DESTROYING_WORDS.search(table["body"]):
        return Effect.ADDITIVE  # nobody knew the table
    if table is not None and table["verb"] == "table":
        effects = {_effect_on_table(one, table["variable"]) for one in _statements(table["body"])}
        return next((one for one in (Effect.DESTRUCTIVE, Effect.UNKNOWN) if one in effects), Effect.ADDITIVE)
    is_schema = re.match(r"Schema::(?:drop|rename)", bare)
    return Effect.DESTRUCTIVE if is_schema or _DESTROYING_WORDS.search(statement) else Effect.UNKNOWN


def _effect_on_table(statement: str, variable: str) -> Effect:
    """Judge one statement about a table that older code knows."""
    calls = _CALL.findall(statement)
    if any(_DESTROYS.match(call) or call == "change" for call in calls):
        return Effect.DESTRUCTIVE
    if not calls or not re.match(rf"\${variable}\s*->", statement):
        return Effect.UNKNOWN
    method, *modifiers = calls
    if method in _HARMLESS and _MODIFIERS.issuperset(modifiers):
        return Effect.ADDITIVE
    is_optional = bool(_OPTIONAL.intersection(modifiers))
    if method in _COLUMNS and is_optional and _MODIFIERS.issuperset(modifiers) and "->" not in _arguments(statement):
        return Effect.ADDITIVE
    return Effect.UNKNOWN


def _arguments(statement: str) -> str:
    """Return what stands in parentheses: a call in there is not one of the chain."""
    depth, inside = 0, []
    for character in statement:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth > 0:
            inside.append(character)
    return "".join(inside)
