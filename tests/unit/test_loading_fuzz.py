"""Whatever stands in a file, it is read or refused in bounded time, and every mistake has its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soleil_remediate.catalog import load_catalog
from soleil_remediate.errors import ConfigError
from soleil_remediate.loading import bind, lint, load_inventory, load_scenarios, shipped_playbooks
from soleil_remediate.loading.documents import MISTAKES_LIMIT

CATALOG = load_catalog()
REPOSITORY = Path(__file__).parents[2]
INVENTORIES = [file.read_text() for file in sorted((REPOSITORY / "inventory").glob("*.yml"))]
PLAYBOOKS = [file.read_text() for file in sorted((REPOSITORY / "playbooks").glob("*.yml"))]
SHIPPED = load_scenarios([shipped_playbooks()], CATALOG)
PLACED = re.compile(r"f\.yml:[1-9][0-9]*:[1-9][0-9]*: .")

#: What YAML, Ansible and templates give a meaning, and what nobody expects.
TOKENS = [
    *"""
{ } [ ] : - ? | > & * ! !!str !!python/object:os.system << %YAML --- ... # ' " \\ \\ud800 \\U00110000 @ ` ,
{{app.root}} {{ }} {%if%} {{a|b}} {{vars.x}} {{a[-1]}} 0755 22:22 1_000 1e3 .inf null ~ yes 100MiB 80% -1
[1:3] [a:c] [1:99999999] [3:1] all hosts children vars web1 ansible_host ansible_hots policy polcy apps app root
unattended known_hosts contacts steps healthy_when inputs default scenario only_with always escalate
""".split(),
    *(" ", "  ", ": ", "- ", "\t", "\r", "\n", "\r\n", "\0", "\x1b[31m", "\u2028", "\u0085", "\ufeff", "\u202e"),
    *("\u00e9", "9" * 30, "x" * 2000),
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 60), st.sampled_from(TOKENS) | st.text(max_size=4)),
    min_size=1,
    max_size=6,
)
WAYS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: text.encode("utf-8", "surrogatepass"),
    "with a byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass"),
    "with the line ends of Windows": lambda text: text.replace("\n", "\r\n").encode("utf-8", "surrogatepass"),
    "as UTF-16": lambda text: text.encode("utf-16", "surrogatepass"),
    "as UTF-32": lambda text: text.encode("utf-32", "surrogatepass"),
}
LIMITS = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edited(text: str, edits: list[tuple[float, int, str]]) -> str:
    for place, length, put in edits:
        start = int(place * len(text))
        text = text[:start] + put + text[start + length :]
    return text


def read_all(content: bytes) -> None:
    """Read a file as everything it might be, and use what comes of it; nothing but a placed ConfigError is raised."""
    Path("f.yml").write_bytes(content)
    told: list[str] = [str(problem) for problem in lint(["f.yml"], CATALOG, playbooks=[shipped_playbooks()])]
    scenarios, hosts = [*SHIPPED.values()], []
    try:
        inventory = load_inventory("f.yml")
        hosts = [*inventory.hosts[:3]]
        for host in hosts:
            inventory.explain(host.name)
    except ConfigError as error:
        told += str(error).splitlines()
    try:
        scenarios += load_scenarios(["f.yml"], CATALOG).values()
    except ConfigError as error:
        told += str(error).splitlines()
    for scenario in scenarios:
        inputs = {name: one.default for name, one in scenario.inputs.items()}
        for host in hosts:
            try:
                bind(scenario, host, inputs, CATALOG)
            except ConfigError as error:
                told += [line for line in str(error).splitlines() if not line.startswith(str(shipped_playbooks()))]
    for line in told:
        assert PLACED.match(line)
        assert line.isprintable()
        assert len(line) < 1000


@given(st.sampled_from(INVENTORIES + PLAYBOOKS), EDITS, st.sampled_from([*WAYS]))
@LIMITS
def test_a_file_that_somebody_edited_is_read_or_refused_with_its_places(
    here: Path, text: str, edits: list[tuple[float, int, str]], way: str
) -> None:
    read_all(WAYS[way](edited(text, edits)))


@given(st.binary(max_size=300))
@LIMITS
def test_a_file_of_bytes_is_refused_with_its_place(here: Path, content: bytes) -> None:
    read_all(content)


KEYS = st.sampled_from(["all", "hosts", "web", "app", "policy", "steps", "scenario"])


def in_brackets(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def in_braces(pairs: list[tuple[str, str]]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"


@given(
    st.recursive(
        st.sampled_from([token for token in TOKENS if token.isprintable()]),
        lambda inner: (
            st.lists(inner, max_size=3).map(in_brackets) | st.lists(st.tuples(KEYS, inner), max_size=3).map(in_braces)
        ),
        max_leaves=20,
    )
)
@LIMITS
def test_whatever_is_nested_in_whatever_it_is_read_or_refused_with_its_places(here: Path, text: str) -> None:
    read_all(text.encode())


def repeated(line: str, head: str = "") -> str:
    return head + "".join(line.replace("@", str(number)) for number in range(40_000 // len(line)))


HOSTS = "all:\n  hosts: {web1: }\n  vars:\n"
HEAD = "scenario: a\ntitle: a\nseverity: high\nrespond_within: 1 h\nimpact: a\n"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "\n" * 1_000_000,
        "#\r\n" * 50_000,
        "[" * 1_000_000,
        "\t" * 1_000_000,
        "- " * 500_000,
        '"' + "a" * 500_000,
        "a: [" + "*x, " * 200_000,
        "a: 1" + ":1" * 100_000,
        repeated("    ansible_x@: 1\n", HOSTS),
        repeated("    v@: 0755\n", HOSTS),
        repeated("    h@-[1:10000]:\n", "all:\n  hosts:\n"),
        repeated("    v@: 1\n", "all:\n  hosts: {'web[1:10000]': }\n  vars:\n"),
        repeated("      a@: {root: /a}\n", "all:\n  hosts: {'web[1:10000]': }\n  vars:\n    apps:\n"),
        repeated("        s@: gentle\n", f"{HOSTS}    policy:\n      unattended:\n"),
        repeated("    g@: {hosts: {h@: }}\n", "all:\n  children:\n"),
        "".join(f"{s}{n}: {{children: {{a{n + 1}: , b{n + 1}: }}}}\n" for n in range(300) for s in "ab"),
        repeated("  - log.trunkate@: {}\n", f"{HEAD}steps:\n"),
        HEAD + "hosts: '" + "[" * 1_000_000 + "'\n",
        HEAD + "hosts: '" + "*" * 1_000_000 + "'\n",
        HEAD + "steps: [{log.truncate: {path: '{{ " + "(" * 50_000 + " }}'}}]\n",
        HEAD + "steps: [{log.truncate: {path: '{{ a" + ".b" * 50_000 + " }}'}}]\n",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_file_that_asks_for_much_is_answered_soon_and_in_short(here: Path, text: str) -> None:
    Path("f.yml").write_text(text)
    told: list[str] = []
    try:
        if text.startswith("scenario"):
            load_scenarios(["f.yml"], CATALOG)
        else:
            load_inventory("f.yml")
    except ConfigError as error:
        told = str(error).splitlines()
    assert len(told) <= MISTAKES_LIMIT + 1
    assert all(PLACED.match(line) and len(line) < 1000 for line in told)
