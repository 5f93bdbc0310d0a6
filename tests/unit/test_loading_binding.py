# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.command import Reader
from soleil_remediate.errors import ConfigError, PlaybookError, UnknownName
from soleil_remediate.host import Connection, Host, Origin
from soleil_remediate.loading import (
    ad_hoc_host,
    bind,
    load_inventory,
    load_scenarios,
    parse_inputs,
    shipped_playbooks,
    unbound,
)
from soleil_remediate.loading.binding import INPUT_LIMIT
from soleil_remediate.looks.services import LogNewest
from soleil_remediate.plan import Plan
from soleil_remediate.scenario import Input, LeftOut, Scenario, Severity
from soleil_remediate.task import Check, Task, Verdict
from soleil_remediate.tasks.addresses import BlockAddress
from soleil_remediate.units import ByteSize, Duration, MiB, Percent


@dataclass(frozen=True, kw_only=True)
class Note(Task[int]):
    """Take everything."""

    kind = "note.take"

    text: str = ""
    path: PurePosixPath | None = None
    paths: tuple[PurePosixPath, ...] = ()
    size: ByteSize = MiB(1)
    time: Duration = Duration(1)
    share: Percent = Percent(1)
    number: int = 1
    is_loud: bool = False
    by_name: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.number == 500:
            raise ValueError("number must not be 500")

    async def read(self, host: Reader) -> int:
        return 0

    def plan(self, seen: int) -> Plan:
        return Plan.nothing("noted")


@dataclass(frozen=True, kw_only=True)
class Comparison(Check[int]):
    """Compare."""

    kind = "note.compare"

    text: str = ""

    async def read(self, host: Reader) -> int:
        return 0

    def judge(self, seen: int) -> Verdict:
        return Verdict.healthy(f"{seen}")


CATALOG = Catalog.of(Note, LogNewest, Comparison)

INVENTORY = """\
all:
  vars:
    app: {name: soleil, root: /srv/soleil/current, backups: /var/backups/soleil}
    region: eu
    asked: 500
    loud: true
    quiet: false
    list: [a]
    hostile: "{{ app.root }}"
  hosts:
    web1: {ansible_host: 10.0.0.1}
    db1: {app: {logs: []}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def web1() -> Host:
    Path("hosts.yml").write_text(INVENTORY)
    return load_inventory("hosts.yml").host("web1")


def scenario(steps: str, inputs: str = "") -> Scenario:
    text = f"scenario: note\ntitle: Note\nseverity: high\nrespond_within: 1 min\nimpact: none\nhealthy_when: [note.take: {{}}]\n{inputs}steps:\n{steps}"
    Path("p.yml").write_text(text)
    return load_scenarios(["p.yml"], CATALOG).find("note")


def taken(argument: str, *, inputs: str = "", given: tuple[str, ...] = (), host: Host | None = None) -> Any:
    loaded = scenario(f"  - note.take: {{{argument}}}\n", inputs)
    case = bind(loaded, host or web1(), parse_inputs(loaded, given), CATALOG)
    return case.steps[0].task


# ---- binding ---------------------------------------------------------------------------------------------------------


def test_a_playbook_knows_the_addresses_of_all_hosts_of_its_inventory() -> None:
    loaded = load_scenarios([shipped_playbooks()], load_catalog()).find("rate-limit-breach")
    case = bind(loaded, web1(), parse_inputs(loaded, ()), load_catalog())
    (block,) = (step.task for step in case.steps if isinstance(step.task, BlockAddress))
    assert block.never == ("10.0.0.1", "db1")


@pytest.mark.parametrize(
    "argument,field,value",
    [
        ('text: "{{ app.name }} on {{ host.name }}"', "text", "soleil on web1"),
        ('text: "{{ host.address }}, {{ host.environment }}"', "text", "10.0.0.1, production"),
        ('text: "remediate {{ host.options }}"', "text", "remediate --host web1 --inventory hosts.yml"),
        ('text: "{{ vars.region }}"', "text", "eu"),
        ('text: "{{ vars.loud }} {{ vars.quiet }}"', "text", "true false"),
        ('is_loud: "{{ vars.loud }}"', "is_loud", True),
        ('text: "{ not one }"', "text", "{ not one }"),
        ('text: "{# nothing #}a"', "text", "a"),
        ('path: "{{ app.root }}/storage"', "path", PurePosixPath("/srv/soleil/current/storage")),
        ('path: "{{ app.backups.path }}"', "path", PurePosixPath("/var/backups/soleil")),
        ('paths: "{{ app.logs }}"', "paths", (PurePosixPath("/srv/soleil/current/storage/logs/laravel.log"),)),
        ('paths: ["{{ app.logs[0] }}", /b]', "paths", (PurePosixPath("/srv/soleil/current/storage/logs/laravel.log"), PurePosixPath("/b"))),
        ('number: "{{ app.backups.keep }}"', "number", 3),
        ('time: "{{ app.backups.older_than }}"', "time", Duration(7 * 86400)),
        ('by_name: [[a, "{{ host.name }}"]]', "by_name", (("a", "web1"),)),
    ],
)  # fmt: skip
def test_a_template_is_filled_from_the_inventory_and_keeps_its_type(argument: str, field: str, value: object) -> None:
    filled = getattr(taken(argument), field)
    assert (filled, type(filled)) == (value, type(value))


def test_a_host_that_is_in_no_file_is_named_by_itself_on_a_command_line() -> None:
    alone = Host(name="web1", connection=Connection(address="10.0.0.1"))
    assert taken('text: "remediate {{ host.options }}"', host=alone).text == "remediate --host web1"


def test_what_may_be_left_out_is_where_the_inventory_has_not_the_whole_of_which_it_is_a_part() -> None:
    here = web1()
    without = replace(here, app={**here.app, "backups": None})
    assert taken('path: "{{ app.backups.path }}"', host=without).path is None
    with pytest.raises(PlaybookError, match=r"number needs app\.backups\.keep, which is not given in the inventory"):
        taken('number: "{{ app.backups.keep }}"', host=without)


def test_a_list_where_one_value_is_wanted_makes_one_step_of_each() -> None:
    loaded = scenario('  - note.take: {path: "{{ app.logs }}", number: 7}\n', "")
    logs = (PurePosixPath("/srv/a.log"), PurePosixPath("/srv/b.log"))
    here = web1()

    case = bind(loaded, replace(here, app={**here.app, "logs": logs}), {}, CATALOG)

    assert [step.task for step in case.steps] == [Note(path=log, number=7) for log in logs]


def test_a_list_with_something_else_in_it_is_refused() -> None:
    loaded = scenario('  - note.take: {path: "{{ vars.list }}"}\n', "")
    with pytest.raises(PlaybookError, match=r"p\.yml:8:\d+: web1: note\.take: path \(vars\.list\)"):
        bind(loaded, web1(), {}, CATALOG)


@pytest.mark.parametrize(
    "declared,given,field,value",
    [
        ("{type: size, default: 1.3 GiB, about: x}", (), "size", ByteSize(1395864371)),
        ("{type: size, default: 100 MiB, about: x}", ("x=5 MB",), "size", ByteSize(5_000_000)),
        ("{type: duration, default: 90 s, about: x}", (), "time", Duration(90)),
        ("{type: duration, about: x, required: true}", ("x=0.1 s",), "time", Duration(0.1)),
        ("{type: percent, default: 33.3%, about: x}", (), "share", Percent(33.3)),
        ("{type: integer, about: x, required: true}", ("x=-7",), "number", -7),
        ("{type: integer, about: x, required: true}", ("x=100000000000000000",), "number", 10**17),
        ("{type: path, about: x}", (), "path", None),
        ("{type: path, about: x}", ("x=/srv/a b",), "path", PurePosixPath("/srv/a b")),
        ("{type: text, default: '', about: x}", (), "text", ""),
    ],
)
def test_an_input_arrives_as_what_it_is(declared: str, given: tuple[str, ...], field: str, value: object) -> None:
    filled = getattr(taken(f'{field}: "{{{{ inputs.x }}}}"', inputs=f"inputs: {{x: {declared}}}\n", given=given), field)
    assert (filled, type(filled)) == (value, type(value))


HOSTILE = ["{{ app.root }}", "{% x %}", "$(id)", "`id`", "a\nb", "--option", "'\"\\", "\u202e", "a" * 65536, "", " "]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_somebody_sets_is_data_and_nothing_else(text: str) -> None:
    declared = "inputs: {x: {type: text, about: x, required: true}}\n"
    assert taken('text: "{{ inputs.x }}"', inputs=declared, given=(f"x={text}",)).text == text
    assert taken('text: "<{{ inputs.x }}>"', inputs=declared, given=(f"x={text}",)).text == f"<{text}>"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200))
def test_any_text_survives_being_set(text: str) -> None:
    declared = {"x": Input(type="text", about="x", origin=Origin("p.yml", 1))}
    loaded = Scenario(
        name="n",
        title="n",
        severity=Severity.HIGH,
        respond_within=Duration(1),
        impact="n",
        origin=Origin("p.yml", 1),
        inputs=declared,
    )
    assert parse_inputs(loaded, [f"x={text}"]) == {"x": text}


@given(st.integers(0, 2**50))
def test_any_size_survives_being_filled_in(size: int) -> None:
    declared = {"x": Input(type="size", about="x", origin=Origin("p.yml", 1))}
    loaded = Scenario(
        name="n",
        title="n",
        severity=Severity.HIGH,
        respond_within=Duration(1),
        impact="n",
        origin=Origin("p.yml", 1),
        inputs=declared,
    )
    assert parse_inputs(loaded, [f"x={size} B"]) == {"x": ByteSize(size)}


def test_a_step_whose_only_with_is_not_given_is_left_out_with_its_reason() -> None:
    loaded = scenario(
        dedent("""\
          - note.take: {path: "{{ inputs.mount }}"}
            only_with: [mount]
          - note.take: {paths: "{{ app.logs }}"}
            only_with: [app.logs]
          - note.take: {text: "{{ app.url }}"}
            only_with: [app.url, mount]
          - note.take: {}
            always: true
        """),
        "inputs: {mount: {type: path, about: x}}\n",
    )
    Path("hosts.yml").write_text(INVENTORY)
    inventory = load_inventory("hosts.yml")
    case = bind(loaded, inventory.host("web1"), parse_inputs(loaded, []), CATALOG)
    assert [step.is_always for step in case.steps] == [False, True]
    assert case.left_out == (
        LeftOut(kind="note.take", missing=("mount",)),
        LeftOut(kind="note.take", missing=("app.url", "mount")),
    )
    without_logs = bind(loaded, inventory.host("db1"), parse_inputs(loaded, ["mount=/srv"]), CATALOG)
    assert [left.missing for left in without_logs.left_out] == [("app.logs",), ("app.url",)]


def test_evidence_whose_only_with_is_not_given_is_not_gathered() -> None:
    loaded = scenario(
        "  - note.take: {}\n",
        'evidence:\n  - log.newest: {logs: "{{ app.logs }}"}\n    only_with: [app.logs]\n',
    )
    Path("hosts.yml").write_text(INVENTORY)
    inventory = load_inventory("hosts.yml")
    assert len(bind(loaded, inventory.host("web1"), {}, CATALOG).evidence) == 1
    assert bind(loaded, inventory.host("db1"), {}, CATALOG).evidence == ()


def test_a_goal_that_needs_what_the_inventory_has_not_is_left_out() -> None:
    loaded = scenario(
        "  - note.take: {}\n",
        'goal:\n  - note.compare: {text: "{{ app.user }}"}\n  - note.compare: {text: "{{ app.url }}"}\n'
        "    only_with: [app.url]\n",
    )
    assert bind(loaded, web1(), parse_inputs(loaded, []), CATALOG).goal == (Comparison(text="www-data"),)


def test_what_is_beyond_a_host_is_looked_at_only_with_what_it_needs() -> None:
    loaded = scenario(
        "  - note.take: {}\n",
        dedent("""\
        inputs: {mount: {type: path, about: x}}
        beyond:
          - note.compare: {text: "{{ app.user }}"}
            only_with: [mount]
          - note.compare: {text: "{{ app.url }}"}
            only_with: [app.url]
        """),
    )
    case = bind(loaded, web1(), parse_inputs(loaded, ["mount=/srv"]), CATALOG)
    assert case.beyond == (Comparison(text="www-data"),)
    assert bind(loaded, web1(), parse_inputs(loaded, []), CATALOG).beyond == ()


def test_a_host_in_no_inventory_gets_what_needs_no_profile() -> None:
    case = bind(
        scenario('  - note.take: {text: "{{ app.user }}", paths: "{{ app.logs }}"}\n'), ad_hoc_host("x"), {}, CATALOG
    )
    assert case.steps[0].task == Note(text="www-data")


def test_inputs_that_nobody_parsed_are_at_their_defaults() -> None:
    loaded = scenario(
        '  - note.take: {size: "{{ inputs.x }}"}\n', "inputs: {x: {type: size, default: 7 B, about: x}}\n"
    )
    assert bind(loaded, web1(), {}, CATALOG).inputs == {"x": ByteSize(7)}


@pytest.mark.parametrize(
    "argument,message",
    [
        ("text: '{{ vars.regoin }}'", "p.yml:8:23: web1: note.take: text needs vars.regoin, which is not given in the inventory"),
        ("text: 'at {{ app.url }}'", "p.yml:8:23: web1: note.take: text needs app.url, which is not given in the inventory"),
        ("text: '{{ app.url }}'", "p.yml:8:23: web1: note.take: text (app.url) must be text, not nothing"),
        ("path: '{{ app.logs[7] }}'", "p.yml:8:23: note.take: path: app.logs[7] is not defined"),
        ("text: '{{ vars.region.x }}'", "p.yml:8:23: web1: note.take: text needs vars.region.x, which is not given in the inventory"),
        ("text: '{{ vars.list.x }}'", "p.yml:8:23: web1: note.take: text needs vars.list.x, which is not given in the inventory"),
        ("text: '{{ vars.list[1] }}'", "p.yml:8:23: web1: note.take: text needs vars.list[1], which is not given in the inventory"),
        ("text: '{{ vars.asked[0] }}'", "p.yml:8:23: web1: note.take: text needs vars.asked[0], which is not given in the inventory"),
        ("text: '{{ vars.list }} x'", "p.yml:8:23: web1: note.take: text: vars.list is a list: it cannot stand in a text"),
        ("size: '{{ vars.region }}'", "p.yml:8:23: web1: note.take: size (vars.region): 'eu' is no size: write a size such as 200 MiB"),
        ("path: '{{ vars.region }}'", "p.yml:8:23: web1: note.take: path (vars.region) must be an absolute path, not 'eu'"),
        ("text: '{{ vars.asked }}'", "p.yml:8:23: web1: note.take: text (vars.asked) must be text, not 500: put it in quotes"),
        ("text: '{{ vars.hostile }}'", "p.yml:8:23: web1: vars.hostile holds a template: write the value itself in the inventory"),
        ("number: '{{ vars.asked }}'", "p.yml:8:5: web1: note.take: number must not be 500"),
    ],
)  # fmt: skip
def test_what_a_host_does_not_give_is_told_with_the_argument_s_place(argument: str, message: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        taken(argument)
    assert str(caught.value) == message


def test_a_host_in_no_inventory_says_that_it_is_in_none() -> None:
    with pytest.raises(PlaybookError) as caught:
        taken("path: '{{ app.root }}'", host=ad_hoc_host("x"))
    assert (
        str(caught.value)
        == "p.yml:8:23: x: note.take: path needs app.root, which is not given in an inventory: this host stands in none"
    )


# ---- --set -----------------------------------------------------------------------------------------------------------

DECLARED = """\
inputs:
  limit: {type: size, default: 1 MiB, about: How large}
  time: {type: duration, about: How long}
  share: {type: percent, about: How much}
  number: {type: integer, about: How many}
  mount: {type: path, about: Where}
  ip: {type: text, required: true, about: Whose}
"""


@pytest.mark.parametrize(
    "given,message",
    [
        (["ip=x", "limt=5 MiB"], "--set: unknown input of note 'limt': did you mean 'limit'?"),
        (["ip=x", "limit"], "--set 'limit': write NAME=VALUE"),
        (["ip=x", "limit\x1b[31m"], "--set 'limit\\x1b[31m': write NAME=VALUE"),
        (["ip=x", "ip=y"], "--set ip is given twice: keep one of the two"),
        ([], "note needs --set ip=…: ip: Whose"),
        (["ip=x", "limit=5"], "--set limit: '5' is no size: write a size such as 200 MiB"),
        (["ip=x", "limit="], "--set limit: '' is no size: write a size such as 200 MiB"),
        (["ip=x", "time=-1 s"], "--set time: '-1 s' is no duration: write a time such as 30 min"),
        (["ip=x", "share=101%"], "--set share: a share is between 0% and 100%: 101.0"),
        (["ip=x", "number=1.5"], "--set number must be a whole number, not '1.5'"),
        (["ip=x", "number=\u0664"], "--set number must be a whole number, not '\\u0664'"),
        (["ip=x", f"number={'9' * 99}"], f"--set number must be a whole number, not {'9' * 80!r}"),
        (["ip=x", "number=1234567890123456789"], "--set number must be a whole number, not '1234567890123456789'"),
        (["ip=x", "mount=srv"], "--set mount must be an absolute path, not 'srv'"),
        (["ip=x", "mount=--all"], "--set mount must be an absolute path, not '--all'"),
        (["ip=x", "mount=/srv/../etc"], "--set mount must be a path without '..', not '/srv/../etc'"),
        (["ip=a\0b"], "--set ip: a NUL character cannot reach any command"),
        (["ip=\udcff"], "--set ip: the value is not UTF-8"),
        ([f"ip={'a' * (INPUT_LIMIT + 1)}"], "--set ip: the value is longer than 64 KiB"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_says_why(given: list[str], message: str) -> None:
    loaded = scenario("  - note.take: {}\n", DECLARED)
    with pytest.raises(ConfigError) as caught:
        parse_inputs(loaded, given)
    assert str(caught.value) == message
    assert isinstance(caught.value, UnknownName) == ("unknown input" in message)


@pytest.mark.parametrize(
    "argument,message",
    [
        ("number: '{{ inputs.number }}'", "--set number: web1: note.take: number must not be 500"),
        ("path: '{{ app.root }}/{{ inputs.ip }}'", "--set ip: web1: note.take: path (app.root, inputs.ip) must be a path without '..', not '/srv/soleil/current/../x'"),
        ("text: '{{ inputs.ip }}', number: '{{ inputs.number }}'", "--set ip and --set number: web1: note.take: number must not be 500"),
        ("size: '{{ inputs.limit }}', number: 500", "p.yml:15:5: web1: note.take: number must not be 500"),
    ],
)  # fmt: skip
def test_what_was_set_and_a_kind_does_not_take_is_not_called_the_playbooks_mistake(argument: str, message: str) -> None:
    inputs = DECLARED.replace("number: {type: integer,", "number: {type: integer, default: 3,")
    with pytest.raises(ConfigError) as caught:
        taken(argument, inputs=inputs, given=("number=500", "ip=../x", "limit=1 MiB"))
    assert str(caught.value) == message
    assert isinstance(caught.value, PlaybookError) == message.startswith("p.yml")


def test_every_declared_input_is_there_given_or_not() -> None:
    loaded = scenario("  - note.take: {}\n", DECLARED)
    values = parse_inputs(loaded, ["ip=a=b", "limit=2 MiB"])
    assert values == {"limit": MiB(2), "time": None, "share": None, "number": None, "mount": None, "ip": "a=b"}
    with pytest.raises(TypeError):
        values["ip"] = "x"  # type: ignore[index]


def test_a_path_of_a_host_is_never_taken_for_a_local_one() -> None:
    host = replace(web1(), app={"logs": (PurePosixPath("relative"),)})
    with pytest.raises(PlaybookError, match=r"paths \(app\.logs\) must be an absolute path, not 'relative'$"):
        taken('paths: "{{ app.logs }}"', host=host)


# --- what is for people ------------------------------------------------------------------------------------------------


def for_people(text: str, *given: str, host: Host | None = None) -> str:
    """Return a step by hand as it reads for a host."""
    declared = "inputs: {customer: {type: text, about: x}, log: {type: path, default: /var/log/a.log, about: x}}\n"
    loaded = replace(scenario("  - note.take: {}\n", declared), by_hand=(text,), questions=(text,))
    case = bind(loaded, host or web1(), parse_inputs(loaded, given), CATALOG)
    assert case.questions == case.by_hand
    return case.by_hand[0]


@pytest.mark.parametrize(
    "written, read",
    [
        ("sudo -u {{ app.user }} ls {{ app.root }}/..", "sudo -u www-data ls /srv/soleil/current/.."),
        ("on {{ host.name }}, {{ host.address }}: {{ vars.region }}", "on web1, 10.0.0.1: eu"),
        ("tail {{ inputs.log }}; look at {{ app.logs[0] }}", "tail /var/log/a.log; look at /srv/soleil/current/storage/logs/laravel.log"),
        ("awk '{print $1}'; nft { {{ inputs.customer }} }", "awk '{print $1}'; nft { CUSTOMER }"),
        ("curl {{ app.url }}", "curl APP_URL"),
        ("x {{ host.options }}", "x --host web1 --inventory hosts.yml"),
        ("{{ app.front }} {{ app.logs[7] }} {{ vars.list }} {{ vars.no_such }}", "APP_FRONT APP_LOGS_7 LIST NO_SUCH"),
        ("{{ vars.hostile }}", "'{{ app.root }}'"),
        ("no template", "no template"),
    ],
)  # fmt: skip
def test_a_step_by_hand_reads_as_the_host_needs_it(written: str, read: str) -> None:
    assert for_people(written) == read


def test_what_a_host_lacks_stands_in_a_step_by_hand_by_a_name_that_nothing_has() -> None:
    text = "sudo -u {{ app.user }} rm -r {{ app.root }}/bootstrap/cache; curl localhost{{ app.health.page }}"
    nowhere = replace(web1(), app={})
    assert (
        for_people(text, host=nowhere)
        == "sudo -u www-data rm -r APP_ROOT/bootstrap/cache; curl localhost/api/health/ready"
    )


@pytest.mark.parametrize(
    "given, read",
    [("7", "ls 7"), ("x; rm -r /", "ls 'x; rm -r /'"), ("$(id)", "ls '$(id)'"), ("a\nb", "ls CUSTOMER"), ("", "ls CUSTOMER")],
)  # fmt: skip
def test_what_is_copied_from_a_step_by_hand_is_one_word_to_the_shell(given: str, read: str) -> None:
    assert for_people("ls {{ inputs.customer }}", f"customer={given}") == read


def test_a_page_about_no_host_names_what_only_a_host_has() -> None:
    declared = "inputs: {log: {type: path, default: /var/log/a.log, about: x}}\n"
    text = ("On {{ host.name }}: tail {{ inputs.log }} {{ app.root }}/x",)
    page = unbound(replace(scenario("  - note.take: {}\n", declared), by_hand=text, questions=text))
    assert page.by_hand == page.questions == ("On HOST_NAME: tail /var/log/a.log APP_ROOT/x",)


def test_what_ships_tells_people_nothing_that_is_right_on_one_host_only() -> None:
    for one in load_scenarios([shipped_playbooks()], load_catalog()).values():
        for text in (*one.by_hand, *one.questions):
            for constant in ("/srv/", "soleil.example", "www-data", "web1", "php8", "fpm8", "203.0.113", "-d soleil"):
                assert constant not in text, f"{one.name}: {text}"
