# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from textwrap import dedent, indent
from typing import ClassVar

import pytest

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.command import Reader
from soleil_remediate.errors import ConfigError, PlaybookError, UnknownName
from soleil_remediate.host import Origin
from soleil_remediate.loading import lint, load_scenarios, shipped_playbooks
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.scenario import Escalation, Input, Severity
from soleil_remediate.task import Check, Look, Task, Text, Verdict
from soleil_remediate.units import ByteSize, Duration, MiB, Percent


class Shade(Enum):
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, kw_only=True)
class DiskUsed(Check[int]):
    """See how full a disk is.

    Args:
        below: The share that is too much.
        mount: Only this one.
    """

    kind = "disk.used"

    below: Percent
    mount: PurePosixPath | None = None

    async def read(self, host: Reader) -> int:
        return 0

    def judge(self, seen: int) -> Verdict:
        return Verdict.healthy("empty")


@dataclass(frozen=True, kw_only=True)
class Largest(Look[int]):
    """See what is large."""

    kind = "disk.largest"
    title = "Largest"

    top: int = 20
    within: Duration = Duration(10)

    async def read(self, host: Reader) -> int:
        return 0

    def show(self, seen: int) -> Text:
        return Text(lines=())


@dataclass(frozen=True, kw_only=True)
class VacuumJournal(Task[int]):
    """Shrink the journal."""

    kind = "journal.vacuum"
    risk: ClassVar[Risk] = Risk.GENTLE

    to: ByteSize = MiB(200)

    async def read(self, host: Reader) -> int:
        return 0

    def plan(self, seen: int) -> Plan:
        return Plan.nothing("small")


@dataclass(frozen=True, kw_only=True)
class TruncateLog(Task[int]):
    """Cut logs.

    Args:
        paths: The logs.
        keep: What stays.
    """

    kind = "log.truncate"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    paths: tuple[PurePosixPath, ...]
    larger_than: ByteSize = MiB(100)
    keep: ByteSize = MiB(1)
    shade: Shade = Shade.DARK
    is_quiet: bool = False

    def __post_init__(self) -> None:
        if self.keep >= self.larger_than:
            raise ValueError(f"keep ({self.keep}) must be less than larger_than ({self.larger_than})")

    async def read(self, host: Reader) -> int:
        return 0

    def plan(self, seen: int) -> Plan:
        return Plan.nothing("short")


CATALOG = Catalog.of(DiskUsed, Largest, VacuumJournal, TruncateLog)

HEAD = """\
scenario: disk-full
title: Disk Space Full
severity: high
respond_within: 30 min
impact: Nothing can be written
"""
HEALTHY = "healthy_when:\n  - disk.used: {below: 80%}\n"
INPUTS = """\
inputs:
  limit: {type: size, default: 100 MiB, about: How large}
  mount: {type: path, about: Where}
  ip: {type: text, required: true, about: Whose}
  share: {type: percent, default: 80%, about: How much}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> None:
    Path("p.yml").write_text(text)
    load_scenarios(["p.yml"], CATALOG)


@pytest.mark.parametrize("name", ["password", "db_password", "api_token", "client_secret", "apikey"])
def test_an_input_that_looks_like_a_secret_is_refused_where_it_is_declared(name: str) -> None:
    """It would be in the shell's history, in the list of processes and in the record."""
    with pytest.raises(PlaybookError) as caught:
        load(f"{HEAD}inputs:\n  {name}: {{type: text, about: Whose}}\n{HEALTHY}")
    assert str(caught.value) == f"p.yml:7:3: inputs.{name} looks like a secret: given by --set, everybody could read it"


def test_an_input_that_names_where_a_secret_stands_is_none() -> None:
    load(f"{HEAD}inputs:\n  token_file: {{type: path, about: Where}}\n{HEALTHY}")


def test_a_playbook_becomes_a_scenario_that_remembers_every_place() -> None:
    Path("p.yml").write_text(
        HEAD
        + dedent("""\
        aliases: [disk, no-space-left]
        detection: [An alert]
        hosts: web:db
        inputs:
          log_limit: {type: size, default: 100 MiB, about: Logs larger than this are cut}
          ip: {type: text, about: Whose}
        healthy_when:
          - disk.used: {below: 80%, mount: /srv}
        goal:
          - journal.vacuum:
        evidence:
          - disk.largest: {top: 5, within: 20 s}
        steps:
          - journal.vacuum: {to: 200 MiB}
            always: true
          - log.truncate:
              paths: ["{{ app.root }}/a.log", /var/log/b.log]
              larger_than: "{{ inputs.log_limit }}"
            only_with: [ip, app.backups]
        questions:
          - Which log grew?
        by_hand:
          - |
            Look:
              du -xh /
        escalate: {after: 30 min, to: devops}
        """)
    )
    scenario = load_scenarios(["p.yml"], CATALOG)["disk-full"]
    assert (scenario.title, scenario.severity, scenario.respond_within) == (
        "Disk Space Full",
        Severity.HIGH,
        Duration(1800),
    )
    assert (scenario.aliases, scenario.detection, scenario.hosts) == (
        ("disk", "no-space-left"),
        ("An alert",),
        "web:db",
    )
    assert scenario.inputs == {
        "log_limit": Input(
            type="size", about="Logs larger than this are cut", default=MiB(100), origin=Origin("p.yml", 10, 3)
        ),
        "ip": Input(type="text", about="Whose", origin=Origin("p.yml", 11, 3)),
    }
    assert isinstance(scenario.inputs["log_limit"].default, ByteSize)
    assert [use.kind for use in scenario.healthy_when + scenario.goal + scenario.evidence] == [
        "disk.used",
        "journal.vacuum",
        "disk.largest",
    ]
    vacuum, truncate = scenario.steps
    assert (vacuum.arguments, vacuum.is_always, vacuum.only_with) == ({"to": "200 MiB"}, True, ())
    assert truncate.arguments == {
        "paths": ("{{ app.root }}/a.log", "/var/log/b.log"),
        "larger_than": "{{ inputs.log_limit }}",
    }
    assert (truncate.is_always, truncate.only_with, truncate.origin) == (
        False,
        ("ip", "app.backups"),
        Origin("p.yml", 21, 5),
    )
    assert truncate.argument_origins == {"paths": Origin("p.yml", 22, 14), "larger_than": Origin("p.yml", 23, 20)}
    assert (scenario.questions, scenario.by_hand) == (("Which log grew?",), ("Look:\n  du -xh /",))
    assert scenario.escalate == Escalation(after=Duration(1800), to="devops")


@pytest.mark.parametrize(
    "text,message",
    [
        ("- a\n", "p.yml:1:1: the file must be a mapping, not a list"),
        ("- hosts: web\n  tasks: []\n- import_playbook: other.yml\n", "p.yml:1:1: this is a playbook of Ansible's, which is not read: one of ours is a mapping, `scenario:` first"),
        ("- hosts: web\n- a\n", "p.yml:1:1: the file must be a mapping, not a list"),
        (HEAD, "p.yml:1:1: healthy_when needs at least one check: without it no repair can be proved"),
        (HEAD + "healthy_when: []\n", "p.yml:6:15: healthy_when needs at least one check: without it no repair can be proved"),
        (HEAD.replace("title", "titel") + HEALTHY, "p.yml:1:1: the top level needs 'title'\np.yml:2:1: unknown key in the top level 'titel': did you mean 'title'?"),
        (HEAD.replace("high", "hihg") + HEALTHY, "p.yml:3:11: severity must be 'critical', 'high' or 'medium', not 'hihg'"),
        (HEAD.replace("30 min", "30") + HEALTHY, "p.yml:4:17: respond_within: 30 has no unit: write a time such as 30 min"),
        (HEAD.replace("30 min", "0:30") + HEALTHY, "p.yml:4:17: respond_within: '0:30' is no duration: write a time such as 30 min"),
        (HEAD.replace("disk-full", "Disk Full") + HEALTHY, "p.yml:1:11: scenario must be a name such as disk-full, not 'Disk Full'"),
        (HEAD.replace("Disk Space Full", "") + HEALTHY, "p.yml:2:7: title must be text, not nothing"),
        (HEAD.replace("Disk Space Full", "no") + "aliases: disk\n" + HEALTHY, "p.yml:6:10: aliases must be a list, not 'disk'"),
        (HEAD + "hosts: 'web:'\n" + HEALTHY, "p.yml:6:8: hosts: 'web:': a name is missing in this pattern"),
        (HEAD + "questions: [80]\n" + HEALTHY, "p.yml:6:13: questions[1] must be text, not 80: put it in quotes"),
        (HEAD + "by_hand: ['ls {{ app.rot }}']\n" + HEALTHY, "p.yml:6:11: unknown name in app 'rot': did you mean 'root'?"),
        (HEAD + "questions: ['Why {{ inputs.x }}?']\n" + HEALTHY, "p.yml:6:13: unknown input 'x': none is known here"),
        (HEAD + "by_hand: [a, 'ls {{ app.logs }}']\n" + HEALTHY, "p.yml:6:14: by_hand: app.logs is a list: it cannot stand in a text"),
        (HEAD + "by_hand: ['ls {{ app.health }}']\n" + HEALTHY, "p.yml:6:11: by_hand: app.health is a mapping: it cannot stand in a text"),
        (HEAD + "by_hand: ['ls {{ app.root | upper }}']\n" + HEALTHY, "p.yml:6:11: by_hand: a template only names values, like {{ app.root }}: a filter is not read here"),
        (HEAD + "by_hand: ['ls {{ vars.password }}']\n" + HEALTHY, "p.yml:6:11: vars.password looks like a secret: templates cannot hold secrets"),
        (HEAD + "escalate: {after: 30 min}\n" + HEALTHY, "p.yml:6:11: escalate needs 'to'"),
        (HEAD + "inputs: {Limit: {type: size, about: x}}\n" + HEALTHY, "p.yml:6:10: inputs.Limit must be a name such as log_limit, not 'Limit'"),
        (HEAD + "inputs: {a: {type: bytes, about: x}}\n" + HEALTHY, "p.yml:6:20: inputs.a.type must be 'size', 'duration', 'percent', 'integer', 'text' or 'path', not 'bytes'"),
        (HEAD + "inputs: {a: {type: size}}\n" + HEALTHY, "p.yml:6:13: inputs.a needs 'about'"),
        (HEAD + "inputs: {a: {type: size, abuot: x}}\n" + HEALTHY, "p.yml:6:13: inputs.a needs 'about'\np.yml:6:26: unknown key in inputs.a 'abuot': did you mean 'about'?"),
        (HEAD + "inputs: {a: {type: size, about: x, default: 5}}\n" + HEALTHY, "p.yml:6:45: inputs.a.default: 5 has no unit: write a size such as 200 MiB"),
        (HEAD + "inputs: {a: {type: integer, about: x, default: no}}\n" + HEALTHY, "p.yml:6:48: inputs.a.default must be a whole number, not 'no'"),
        (HEAD + "inputs: {a: {type: path, about: x, default: srv}}\n" + HEALTHY, "p.yml:6:45: inputs.a.default must be an absolute path, not 'srv'"),
        (HEAD + "inputs: {a: {type: text, about: x, default: x, required: true}}\n" + HEALTHY, "p.yml:6:45: inputs.a.default must be left out, or required must"),
        (HEAD + "inputs: {a: {type: text, about: x, default: '{{ app.root }}'}}\n" + HEALTHY, "p.yml:6:45: inputs.a.default must be a value, not a template: name the value where it is used"),
        (HEAD + "inputs: {a: {type: text, about: x, required: yes}}\n" + HEALTHY, "p.yml:6:46: inputs.a.required must be true or false, not 'yes': write true"),
    ],
)  # fmt: skip
def test_mistakes_at_the_top_of_a_playbook(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["Disk", "disk-", "-disk", "disk_full", "d\u00efsk", "disk full"])
def test_what_is_no_name_of_a_scenario_is_refused(name: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        load(HEAD.replace("disk-full", f'"{name}"') + HEALTHY)
    assert str(caught.value) == f"p.yml:1:11: scenario must be a name such as disk-full, not {name!a}"


@pytest.mark.parametrize("name", ["Limit", "log-limit", "l\u00efmit", "2nd", "a b", "class.x"])
def test_what_is_no_name_of_an_input_is_refused(name: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        load(HEAD + f'inputs: {{"{name}": {{type: size, about: x}}}}\n' + HEALTHY)
    assert str(caught.value) == f"p.yml:6:10: inputs.{name} must be a name such as log_limit, not {name!a}"


@pytest.mark.parametrize(
    "step,message",
    [
        ("log.trunkate: {}", "1:3: unknown kind 'log.trunkate': did you mean 'log.truncate'?"),
        ("journal.vacuum", "1:3: each of steps is a kind with its arguments: write 'journal.vacuum: {}'"),
        ("5", "1:3: each of steps is a kind with its arguments: write 'disk.used: {below: 80%}'"),
        ("{}", "1:3: each of steps names one kind, not 0: begin each with its own '-'"),
        ("journal.vacuum: {}\n  log.truncate: {}", "1:3: each of steps names one kind, not 2: begin each with its own '-'"),
        ("journal.vacuum: {}\n  alway: true", "1:3: each of steps names one kind, not 2: begin each with its own '-'"),
        ("journal.vacuum: {}\n  always: yes", "2:11: always must be true or false, not 'yes'"),
        ("journal.vacuum: {}\n  only_with: []", "2:14: only_with must be a list of inputs, or of values such as app.backups"),
        ("journal.vacuum: {}\n  only_with: mount", "2:14: only_with must be a list of inputs, or of values such as app.backups"),
        ("journal.vacuum: {}\n  only_with: [5]", "2:15: only_with holds names, not 5"),
        ("journal.vacuum: {}\n  only_with: [limit]", "2:15: the input limit always has a value: leave it out of only_with"),
        ("journal.vacuum: {}\n  only_with: [ip]", "2:15: the input ip always has a value: leave it out of only_with"),
        ("journal.vacuum: {}\n  only_with: [app.backup]", "2:15: unknown name in only_with 'app.backup': did you mean 'app.backups'?"),
        ("disk.used: {below: 80%}", "1:3: disk.used is a check: steps takes a task"),
        ("journal.vacuum: 200 MiB", "1:19: the arguments of journal.vacuum must be a mapping, not '200 MiB'"),
        ("journal.vacuum: {too: 1 MiB}", "1:20: unknown argument of journal.vacuum 'too': did you mean 'to'?"),
        ("journal.vacuum: {to: 200}", "1:24: journal.vacuum: to: 200 has no unit: write a size such as 200 MiB"),
        ("journal.vacuum: {to: 200 megs}", "1:24: journal.vacuum: to: '200 megs' is no size: write a size such as 200 MiB"),
        ("log.truncate: {}", "1:3: log.truncate needs 'paths': The logs."),
        ("log.truncate: {paths: /a}", "1:25: log.truncate: paths must be a list, not '/a'"),
        ("log.truncate: {paths: [a]}", "1:25: log.truncate: paths must be an absolute path, not 'a'"),
        ("log.truncate: {paths: [/a, 5]}", "1:25: log.truncate: paths item 2 must be text, not 5: put it in quotes"),
        ("log.truncate: {paths: [/a/../b]}", "1:25: log.truncate: paths must be a path without '..', not '/a/../b'"),
        ("log.truncate: {paths: [/a], shade: drak}", "1:38: log.truncate: shade must be 'light' or 'dark', not 'drak'"),
        ("log.truncate: {paths: [/a], is_quiet: on}", "1:41: log.truncate: is_quiet must be true or false, not 'on': write true"),
        ("log.truncate: {paths: [/a], is_quiet: 1}", "1:41: log.truncate: is_quiet must be true or false, not 1"),
        ("log.truncate: {paths: [/a], keep: 200 MiB}", "1:3: log.truncate: keep (200 MiB) must be less than larger_than (100 MiB)"),
        # templates
        ('journal.vacuum: {to: "{{ inputs.limt }}"}', "1:24: unknown input 'limt': did you mean 'limit'?"),
        ('journal.vacuum: {to: "{{ ap.limit }}"}', "1:24: unknown variable 'ap': did you mean 'app'?"),
        ('journal.vacuum: {to: "{{ app.rot }}"}', "1:24: unknown name in app 'rot': did you mean 'root'?"),
        ('journal.vacuum: {to: "{{ app.backups.kep }}"}', "1:24: unknown name in app 'backups.kep': did you mean 'backups.keep'?"),
        ('journal.vacuum: {to: "{{ host.nam }}"}', "1:24: unknown name in host 'nam': did you mean 'name'?"),
        ('journal.vacuum: {to: "{{ inputs }}"}', "1:24: inputs alone is no value: name one of its parts, such as inputs.name"),
        ('journal.vacuum: {to: "{{ inputs.limit"}', "1:24: journal.vacuum: to: this template cannot be read: unexpected end of template, expected 'end of print statement'."),
        ('journal.vacuum: {to: "{{ inputs.limit|default(5) }}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: a filter is not read here"),
        ('journal.vacuum: {to: "{{ lipsum() }}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: a call is not read here"),
        ('journal.vacuum: {to: "{{ app.root.__class__ }}"}', "1:24: unknown name in app 'root.__class__': known: backups, backups.keep, backups.older_than, backups.path, backups.patterns, backups.protect, ca, front, health, health.live, health.origin, health.page …"),
        ('journal.vacuum: {to: "{{ 5 }}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: a constant is not read here"),
        ('journal.vacuum: {to: "{{ inputs.limit * 2 }}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: a calculation is not read here"),
        ('journal.vacuum: {to: "{{ 1 if app.root else 2 }}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: a condition is not read here"),
        ('journal.vacuum: {to: "{% if 1 %}1 MiB{% endif %}"}', "1:24: journal.vacuum: to: a template only names values, like {{ app.root }}: {% … %} is not read here"),
        ('journal.vacuum: {to: "' + "{{" * 3000 + '"}', "1:24: journal.vacuum: to: this template cannot be read: it is nested too deep"),
        ('journal.vacuum: {to: "{{ a' + "[0]" * 3000 + '}}"}', "1:24: journal.vacuum: to: this template cannot be read: it is nested too deep"),
        ('journal.vacuum: {to: "{{ vars.db_password }}"}', "1:24: vars.db_password looks like a secret: templates cannot hold secrets"),
        ('journal.vacuum: {to: "{{ inputs.share }}"}', "1:24: journal.vacuum: to: '80%' is no size: write a size such as 200 MiB"),
        ('journal.vacuum: {to: "{{ inputs.mount }}"}', "1:24: journal.vacuum: to: '/path' is no size: write a size such as 200 MiB"),
        ('log.truncate: {paths: ["{{ inputs.mount }}/x"]}', "1:25: log.truncate: paths: inputs.mount is not defined (when mount is not given)"),
        ('log.truncate: {paths: ["{{ inputs.mount }}"]}', "1:25: log.truncate: paths item 1 must be text, not nothing (when mount is not given)"),
        ('log.truncate: {paths: ["{{ inputs.ip }}/x"]}', "1:25: log.truncate: paths must be an absolute path, not 'text/x'"),
        ('log.truncate: {paths: ["{{ app.logs }}/x"]}', "1:25: log.truncate: paths: app.logs is a list: it cannot stand in a text"),
    ],
)  # fmt: skip
def test_mistakes_in_a_step(step: str, message: str) -> None:
    line, column, told = message.split(":", 2)
    start = HEAD + INPUTS + HEALTHY + "steps:\n"
    with pytest.raises(ConfigError) as caught:
        load(start + indent(f"- {step}\n", "  "))
    place = f"p.yml:{start.count(chr(10)) + int(line)}:{int(column) + 2}"
    assert str(caught.value) == f"{place}:{told}"


@pytest.mark.parametrize(
    "section,message",
    [
        ("goal:\n  - disk.largest: {}\n", "p.yml:8:5: disk.largest is a look: goal takes a check or a task"),
        ("evidence:\n  - disk.used: {below: 80%}\n", "p.yml:8:5: disk.used is a check: evidence takes a look"),
        ("goal:\n  - disk.used: {below: 80%}\n    always: true\n", "p.yml:9:5: always belongs to steps, not to goal"),
        ("beyond:\n  - disk.used: {below: 80%}\n    always: true\n", "p.yml:9:5: always belongs to steps, not to beyond"),
        ("beyond:\n  - journal.vacuum: {}\n", "p.yml:8:5: journal.vacuum is a task: beyond takes a check"),
        ("goal: {disk.used: {below: 80%}}\n", "p.yml:7:7: goal must be a list, not a mapping"),
        ("goal:\n  - disk.used: {below: 80}\n", "p.yml:8:24: disk.used: below: 80 has no unit: write a share such as 80%"),
        ("evidence:\n  - disk.largest: {top: 20.5}\n", "p.yml:8:25: disk.largest: top must be a whole number, not 20.5"),
        (
            "steps:\n  - log.truncate: {paths: [/a]}\n  - journal.vacuum: {}\n",
            "p.yml:9:5: journal.vacuum is gentle and stands behind log.truncate, which is destructive: put the gentler step first",
        ),
    ],
)  # fmt: skip
def test_mistakes_in_what_stands_where(section: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(HEAD + "healthy_when: [disk.used: {below: 80%}]\n" + section)
    assert str(caught.value) == message


def test_a_symptom_is_never_left_out() -> None:
    with pytest.raises(ConfigError) as caught:
        load(HEAD + "healthy_when:\n  - disk.used: {below: 80%}\n    only_with: [app.url]\n")
    assert str(caught.value) == (
        "p.yml:8:5: only_with belongs to steps, goal, beyond, evidence, signs and a routine's checks, not to "
        "healthy_when"
    )


@pytest.mark.parametrize(
    "step",
    [
        'journal.vacuum: {to: "{{ inputs.limit }}"}',
        'journal.vacuum: {to: "{{ vars.journal.limit }}"}',
        'log.truncate: {paths: "{{ app.logs }}"}',
        'log.truncate: {paths: ["{{ app.logs[0] }}", "{{ app.root }}/{{ host.name }}.log"]}',
        'log.truncate: {paths: ["{{ inputs.mount }}/x"]}\n  only_with: [mount]',
        "log.truncate: {paths: [/a], shade: light, is_quiet: true}",
        "journal.vacuum: {}\n  only_with: [app.backups]",
    ],
)
def test_what_a_step_may_say(step: str) -> None:
    load(HEAD + INPUTS + HEALTHY + "steps:\n" + indent(f"- {step}\n", "  "))


def test_one_misspelt_name_is_an_unknown_name_and_several_mistakes_are_told_together() -> None:
    with pytest.raises(UnknownName) as caught:
        load(HEAD + HEALTHY + "steps: [{log.trunkate: {}}]\n")
    assert (caught.value.name, caught.value.nearest, caught.value.where) == (
        "log.trunkate",
        "log.truncate",
        "p.yml:8:10",
    )
    with pytest.raises(PlaybookError) as all_of_them:
        load(HEAD + HEALTHY + "steps: [{log.trunkate: {}}]\ngoal: [{disk.used: {below: 5}}]\n")
    assert [line.split(": ")[0] for line in str(all_of_them.value).splitlines()] == ["p.yml:8:10", "p.yml:9:28"]


# ---- several files ---------------------------------------------------------------------------------------------------


def test_scenarios_are_found_by_name_and_alias() -> None:
    Path("a.yml").write_text(HEAD + "aliases: [disk]\n" + HEALTHY)
    Path("b.yaml").write_text(HEAD.replace("disk-full", "redis-down") + HEALTHY)
    Path("notes.txt").write_text("no playbook")
    Path(".#a.yml").write_text("an editor's")
    scenarios = load_scenarios(["."], CATALOG)
    assert list(scenarios) == ["disk-full", "redis-down"]
    assert scenarios.find("disk") is scenarios.find("disk-full")
    with pytest.raises(UnknownName, match=r"^unknown scenario 'disk-ful': did you mean 'disk-full'\?$"):
        scenarios.find("disk-ful")


@pytest.mark.parametrize(
    "change,message",
    [
        ("", "b.yml:1:1: the scenario 'disk-full' is already in a.yml:1:1: rename one of them"),
        ("aliases: [disk]\n", "b.yml:1:1: the scenario 'disk' is already in a.yml:1:1: rename one of them"),
    ],
)
def test_two_scenarios_of_one_name_are_refused(change: str, message: str) -> None:
    Path("a.yml").write_text(HEAD + "aliases: [disk]\n" + HEALTHY)
    Path("b.yml").write_text((HEAD.replace("disk-full", "other") if change else HEAD) + change + HEALTHY)
    with pytest.raises(PlaybookError) as caught:
        load_scenarios(["a.yml", "b.yml"], CATALOG)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "twice", ["named", "./named", "named/../named", "{here}/named", "link", "named/a.yml", "link/a.yml"]
)
def test_what_is_named_twice_counts_once_however_it_is_spelt(twice: str) -> None:
    Path("named").mkdir()
    Path("link").symlink_to("named")
    Path("named/a.yml").write_text(HEAD + HEALTHY)
    scenarios = load_scenarios(["named", twice.format(here=Path.cwd()), "named"], CATALOG)
    assert [str(one.origin) for one in scenarios.values()] == ["named/a.yml:1:1"]


def test_the_shipped_playbooks_may_be_named_as_well() -> None:
    Path("playbooks").symlink_to(shipped_playbooks())
    assert [*load_scenarios([shipped_playbooks(), "playbooks"], load_catalog())] == [
        *load_scenarios([shipped_playbooks()], load_catalog())
    ]


def test_what_nothing_can_be_called_is_refused_and_not_compared() -> None:
    with pytest.raises(PlaybookError, match="nothing can have such a name"):
        load_scenarios(["a\0b"], CATALOG)


def test_a_folder_without_playbooks_is_refused() -> None:
    Path("empty").mkdir()
    with pytest.raises(PlaybookError, match=r"^empty:1:1: there is no playbook in this folder: they end in \.yml$"):
        load_scenarios(["empty"], CATALOG)
    Path("empty/routines").mkdir()
    assert list(load_scenarios(["empty"], CATALOG)) == []


def test_lint_tells_everything_in_every_file_and_raises_nothing() -> None:
    Path("a.yml").write_text(HEAD + "steps: [{log.trunkate: {}}]\n")
    Path("b.yml").write_text("a: *b\n")
    Path("hosts.yml").write_text("web:\n  hosts:\n    web1: {ansible_hots: x}\n")
    Path("group.yml").write_text("all: {hsots: {}}\n")
    assert [str(problem) for problem in lint(["a.yml", "b.yml", "hosts.yml", "group.yml", "none.yml"], CATALOG)] == [
        "a.yml:1:1: healthy_when needs at least one check: without it no repair can be proved",
        "a.yml:6:10: unknown kind 'log.trunkate': did you mean 'log.truncate'?",
        "b.yml:1:4: the alias *b is not allowed: write the value itself",
        "group.yml:1:7: unknown key in group all 'hsots': did you mean 'hosts'?",
        "hosts.yml:3:26: unknown Ansible variable 'ansible_hots': did you mean 'ansible_host'?",
        "none.yml:1:1: cannot be read: No such file or directory",
    ]


def test_a_step_may_be_of_any_risk_where_the_one_before_declares_none() -> None:
    load(
        HEAD
        + HEALTHY
        + "steps:\n  - journal.vacuum: {}\n  - log.truncate: {paths: [/a]}\n  - log.truncate: {paths: [/b]}\n"
    )


# ---- what is shipped -------------------------------------------------------------------------------------------------


def test_every_shipped_playbook_loads() -> None:
    catalog = load_catalog()
    assert lint([shipped_playbooks()], catalog) == ()
    disk_full = load_scenarios([shipped_playbooks()], catalog).find("no-space-left")
    assert (disk_full.name, disk_full.severity, disk_full.respond_within) == (
        "disk-full",
        Severity.HIGH,
        Duration(1800),
    )
    assert disk_full.healthy_when
    assert disk_full.steps
    assert disk_full.questions


def test_an_installation_without_playbooks_says_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "soleil_remediate.loading.playbooks.__file__", str(here / "soleil_remediate/loading/playbooks.py")
    )
    with pytest.raises(ConfigError, match=r"^the playbooks are missing from .*: install soleil-remediate again$"):
        shipped_playbooks()
    (here / "soleil_remediate/playbooks").mkdir(parents=True)
    assert shipped_playbooks() == here / "soleil_remediate/playbooks"
