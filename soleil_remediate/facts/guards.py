"""What keeps two bookings out of one room: how far a constraint reaches, judged by what the catalogue says of it.

PostgreSQL writes expressions in one way only, whoever wrote them in which: what is not understood is unknown, never
enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from soleil_remediate.facts.booking_rules import DELETED, RANGES, Rules, literal, quoted
from soleil_remediate.facts.bookings import BookingTable, IndexSeen

_TEXT = re.compile(r"'(?:[^']|'')*'")
_CAST = re.compile(
    r'::(?:(?:"[^"]+"|[a-z_]\w*)\.)?(?:"[^"]+"|[a-z_]\w*)'
    r"(?: varying| precision| with(?:out)? time zone)?(?:\(\d+\))?(?:\[\])*",
    re.IGNORECASE,
)
_NAME = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
_RANGE = re.compile(rf"(?P<made>\w+)\((?P<starts>{_NAME}), (?P<ends>{_NAME})(?:, '(?P<bounds>[\[(][\])])'::text)?\)")
_TERM = re.compile(
    rf"(?P<column>{_NAME}) (?:(?P<null>IS NULL)|(?P<sign>=|<>|>=|>) "
    r"(?:(?:ANY|ALL) ARRAY\[(?P<several>[^\]]*)\]|(?P<one>\S+)))"
)
#: The sign that goes with a list of values: of any of them, or of none.
_LISTS = {"=": "= ANY", "<>": "<> ALL"}


class Reach(Enum):
    """Which overlapping bookings a constraint refuses."""

    ALL = "all"
    LESS = "less"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A constraint against overlapping bookings.

    Args:
        name: What it is called.
        definition: What it says.
        reach: Which of those that must not be it refuses.
        misses: What it lets through, for people; empty where it lets nothing through, or nobody knows.
        besides: What it refuses that is none, for people; empty where that is nothing.
    """

    name: str
    definition: str
    reach: Reach
    misses: str = ""
    besides: str = ""


def definition(rules: Rules, table: BookingTable, *, since: str = "") -> str:
    """Return what a constraint says that refuses exactly what must not be, as SQL.

    Args:
        rules: Which bookings hold what.
        table: Where they stand.
        since: Only bookings that end after that day; empty for all.
    """
    made = RANGES[table.types[rules.starts]]
    stay = f"{made}({quoted(rules.starts)}, {quoted(rules.ends)}, '[)')"
    terms = []
    if rules.status:
        terms.append(f"{quoted(rules.status)} IN ({', '.join(map(literal, rules.holds))})")
    if DELETED in table.types:
        terms.append(f"{quoted(DELETED)} IS NULL")
    if since:
        terms.append(f"{quoted(rules.ends)} > {literal(since)}")
    about = f" WHERE ({' AND '.join(terms)})" if terms else ""
    return f"EXCLUDE USING gist ({quoted(rules.room)} WITH =, {stay} WITH &&){about}"


def add_statement(rules: Rules, table: BookingTable, name: str, *, since: str = "", instead_of: str = "") -> str:
    """Return the statement that adds such a constraint, in the place of another where one is named; for a person."""
    drop = f"DROP CONSTRAINT {quoted(instead_of)}, " if instead_of else ""
    return f"ALTER TABLE {table.name} {drop}ADD CONSTRAINT {quoted(name)} {definition(rules, table, since=since)};"


def guards(rules: Rules, table: BookingTable) -> tuple[Guard, ...]:
    """Return every exclusion constraint that compares ranges of anything, and how far it reaches."""
    about = (one for one in table.indexes if one.is_exclusion and "&&" in one.operators)
    return tuple(_guard(one, rules, table) for one in about)


def beside(rules: Rules, table: BookingTable) -> tuple[IndexSeen, ...]:
    """Return the unique indexes that have to do with a room and its times: they refuse what is equal, not more."""
    times = {rules.starts, rules.ends}
    return tuple(
        one
        for one in table.indexes
        if not one.is_exclusion and times & {_plain(key) for key in one.keys} and rules.room in map(_plain, one.keys)
    )


def _guard(one: IndexSeen, rules: Rules, table: BookingTable) -> Guard:
    bounds = _bounds(one, rules, table)
    covered = _covered(one.condition, rules, table)
    reach, misses, besides = Reach.ALL, [], []
    if bounds is None or covered is None:
        return Guard(name=one.name, definition=one.definition, reach=Reach.UNKNOWN)
    if not one.is_valid:
        misses.append("anything, for its index is not valid")
    if bounds not in {"[)", "[]"}:
        misses.append(f"bookings that share no more than a bound ({bounds})")
    left = [status for status in rules.holds if status not in covered.statuses] if covered.statuses is not None else []
    if covered.others is not None:
        left = [status for status in rules.holds if status in covered.others]
    if covered.since[:10] > table.today:
        misses.append(f"bookings that end before {covered.since}")
    if left:
        misses.append(f"bookings that are {' or '.join(left)}")
    if misses:
        reach = Reach.LESS
    if bounds == "[]":
        besides.append("a booking that begins when another ends")
    freed = _freed(covered, rules)
    if freed:
        besides.append(f"a room whose booking is {' or '.join(freed)}")
    if DELETED in table.types and not covered.spares_deleted:
        besides.append("a room whose booking was deleted softly")
    return Guard(
        name=one.name,
        definition=one.definition,
        reach=reach,
        misses=" and ".join(misses),
        besides=" and ".join(besides),
    )


def _bounds(one: IndexSeen, rules: Rules, table: BookingTable) -> str | None:
    """Return the bounds of the ranges that it compares for each room; ``None`` where it compares anything else."""
    pairs = {operator: key for key, operator in zip(one.keys, one.operators, strict=False)}
    if len(one.keys) != 2 or set(pairs) != {"=", "&&"} or _plain(pairs["="]) != rules.room:
        return None
    key = pairs["&&"]
    made = _RANGE.fullmatch(table.generated.get(_plain(key), key))
    if made is None or made["made"] != RANGES[table.types[rules.starts]]:
        return None
    if (_plain(made["starts"]), _plain(made["ends"])) != (rules.starts, rules.ends):
        return None
    return made["bounds"] or "[)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Covered:
    """Which rows a condition is about: of these statuses, or of all *others* than those; ``None`` is no limit.

    And only those that end after a day; empty for none.
    """

    statuses: frozenset[str] | None = None
    others: frozenset[str] | None = None
    spares_deleted: bool = False
    since: str = ""


def _covered(condition: str, rules: Rules, table: BookingTable) -> _Covered | None:
    """Return which rows a condition is about; ``None`` where that is not understood."""
    if not condition:
        return _Covered()
    texts: list[str] = []

    def number(match: re.Match[str]) -> str:
        texts.append(match[0][1:-1].replace("''", "'"))
        return f"${len(texts) - 1}"

    # Without OR and NOT, which no term below has, parentheses change nothing.
    bare = re.sub(r"[()]", "", _CAST.sub("", _TEXT.sub(number, condition)))
    found = _Covered()
    for term in bare.split(" AND "):
        match = _TERM.fullmatch(term)
        further = None if match is None else _with(found, match, texts, rules, table)
        if further is None:
            return None
        found = further
    return found


def _with(
    found: _Covered, match: re.Match[str], texts: list[str], rules: Rules, table: BookingTable
) -> _Covered | None:
    """Return which rows it is about with one term more; ``None`` where that is not understood."""
    column, values = _plain(match["column"]), _values(match, texts)
    if match["null"]:
        return replace(found, spares_deleted=True) if column == DELETED and DELETED in table.types else None
    if values is None:
        return None
    if match["sign"] in {">", ">="}:
        day = min(values)
        is_day = re.fullmatch(r"\d{4}-\d\d-\d\d.*", day) is not None
        return replace(found, since=day) if column == rules.ends and is_day and not found.since else None
    if column != rules.status or (found.statuses, found.others) != (None, None):
        return None
    return replace(found, statuses=values) if match["sign"] == "=" else replace(found, others=values)


def _values(match: re.Match[str], texts: list[str]) -> frozenset[str] | None:
    """Return the values that a term names; ``None`` where it names something else."""
    if match["null"] or (match["several"] is not None and f"{_LISTS.get(match['sign'])} " not in match[0]):
        return None
    words = match["several"].split(", ") if match["several"] is not None else [match["one"]]
    if not all(re.fullmatch(r"\$\d+|-?\d+", word) for word in words):
        return None
    return frozenset(texts[int(word[1:])] if word.startswith("$") else word for word in words)


def _freed(covered: _Covered, rules: Rules) -> list[str]:
    if covered.statuses is not None:
        return [status for status in rules.free if status in covered.statuses]
    return [status for status in rules.free if status not in (covered.others or ())]


def _plain(name: str) -> str:
    """Return a name without the quotation marks that SQL puts around it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') and name.endswith('"') else name
