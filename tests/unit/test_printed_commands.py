"""Every command that is printed for copying names whatever was given: the inventory, the playbooks, the way in, inputs.

Each place is made to print its command in a call where all of that was given, with blanks and quotes in every name. The
command is read as a shell reads it, parsed as the program parses it, and held against that call.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import pytest
from invoke.parser.context import ParserContext

from soleil_remediate import cli
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.cli import arguments, checking, choosing, diagnosing, reading, remediating, resuming, standing
from soleil_remediate.cli.call import Program
from soleil_remediate.cli.verbs import BY_NAME
from soleil_remediate.command import Output
from soleil_remediate.errors import ConnectTimedOut
from soleil_remediate.host import Given
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import (
    bind,
    load_inventory,
    load_scenarios,
    parse_inputs,
    shipped_playbooks,
    with_playbooks,
)
from soleil_remediate.record import Runs
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedTransport
from tests import tiny
from tests.unit.facts.sites import serve

ROOT = Path(__file__).parents[2]
#: Names in which a shell, and whoever breaks a command over several lines, would find something else.
FOLDER, FILE = """my "ops" of it's --all > x""", """hosts of 'web' && --set a=b's.yml"""
MORE = """more --play "books" it's"""
INVENTORY = """\
all: {vars: {app: {name: soleil, root: /srv/x}}, children: {web: {hosts: {web1: {}, web2: {}}}, db: {hosts: {db1: {}}}}}
"""
HEAD = "severity: medium\nrespond_within: 1 h\nimpact: none\ntitle: x\n"
TINY = f"""\
scenario: tiny
{HEAD}hosts: web
inputs:
  word: {{type: text, default: good, about: x}}
  other: {{type: text, about: x}}
healthy_when:
  - file.says: {{text: "{{{{ inputs.word }}}}"}}
steps:
  - file.put: {{words: ["{{{{ inputs.word }}}}"]}}
by_hand:
  - "Look:    soleil-remediate diagnose {{{{ host.options }}}}"
  - "Again:   soleil-remediate remediate {{{{ scenario.options }}}} --watch 15m"
  - "With:    soleil-remediate remediate {{{{ scenario.with.other }}}}"
"""
HOPELESS = f"""\
scenario: hopeless
{HEAD}
healthy_when: [file.says: {{text: better}}]
steps: [file.put: {{only_from: [x]}}]
"""
ROUTINE = """\
routine: nightly
title: x
hosts: web
checks: [file.says: {}]
duties: [{duty: read-logs, what: Read the logs, every: 7 d}]
"""
WORD = 'it\'s "41" --x > y'
CATALOG = Catalog(PLACES).with_classes(tiny.FileSays, tiny.PutFile, tiny.ShowFile)


@dataclass
class Desk:
    """Two scripted hosts that have a fault, and what a call prints about them.

    Attributes:
        given: What the newest call gave, as the program understands it.
    """

    capsys: pytest.CaptureFixture[str]
    given: dict[str, Any] = field(default_factory=dict)
    hosts: list[ScriptedHost] = field(default_factory=lambda: [tiny.scripted("web1"), tiny.scripted("web2")])

    @property
    def inventory(self) -> str:
        return f"{FOLDER}/{FILE}"

    @property
    def playbooks(self) -> str:
        return f"{FOLDER}/{MORE}"

    def call(self, *words: str) -> tuple[int, str]:
        """Return how a call ends that is given all of it that its command takes, and what it prints."""
        verb, _ = cli._split([*words])
        assert verb is not None
        options = {
            "inventory": self.inventory,
            "transport": "openssh",
            "playbooks": self.playbooks,
            "set": f"word={WORD}",
        }
        self.given = {
            name: [value] if name in ("playbooks", "set") else value
            for name, value in options.items()
            if name in {one.name for one in verb.options} and (verb.name, name) != ("check", "set")
        }  # a routine has no such input
        more = [word for name in self.given for word in (f"--{name}", options[name])]
        return self.called_alone(*words, *more)

    def called_alone(self, *words: str) -> tuple[int, str]:
        """Return the same of a call that is given nothing else."""
        status = cli.main(words)
        said = self.capsys.readouterr()
        return status, said.out + said.err

    def unreachable(self) -> None:
        for host in self.hosts:
            host.unreachable = ConnectTimedOut(f"{host.name} does not answer")

    @property
    def run(self) -> str:
        return Runs(Path("state/soleil-remediate")).list()[0].run

    def cut(self, last: str) -> None:
        """Leave of the newest record what stands up to the first line of that type."""
        path = Path(f"state/soleil-remediate/runs/{self.run}.jsonl")
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: next(n for n, one in enumerate(lines) if last in one) + 1]))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    one = Desk(capsys)
    monkeypatch.chdir(tmp_path)
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.setattr(Terminal, "open", lambda *_: None)  # nobody is asked, wherever this runs
    Path(one.playbooks, "routines").mkdir(parents=True)
    Path(one.inventory).write_text(INVENTORY)
    Path(one.playbooks, "tiny.yml").write_text(TINY)
    Path(one.playbooks, "hopeless.yml").write_text(HOPELESS)
    Path(one.playbooks, "routines", "nightly.yml").write_text(ROUTINE)
    Path("shipped").mkdir()
    Path("shipped/other.yml").write_text(HOPELESS.replace("hopeless", "other").replace("better", "bad"))
    monkeypatch.setattr(choosing, "shipped_playbooks", lambda: Path("shipped"))
    for module in (choosing, checking):
        monkeypatch.setattr(module, "load_catalog", lambda: CATALOG)
    for module in (checking, diagnosing, reading, remediating, resuming, standing):
        monkeypatch.setattr(module, "EachItsWay", lambda: ScriptedTransport(*one.hosts))
    return one


def printed(text: str) -> list[str]:
    """Return the commands of this program in *text*, as somebody would copy them, each on all of its lines."""
    return re.findall(r"soleil-remediate (?:.* \\\n)*.*", text)


def read_by_a_shell(line: str) -> list[str]:
    """Return the words of a command that is copied into a shell."""
    script = f'words() {{ printf "%s\\0" "$@"; }}; words {line}'
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode().split("\0")[:-1]


def understood(line: str) -> tuple[str, dict[str, Any]]:
    """Return which command the program takes *line* for, and what it was given; what was not given is left out."""
    program, *words = read_by_a_shell(line)
    verb, rest = cli._split(words)
    assert verb is not None, line
    task = cli.collection(Program(name=program))[verb.dotted]
    values = arguments.given(verb, ParserContext(args=task.get_arguments()), rest, program)
    return verb.name, {name: value for name, value in values.items() if value}


def assert_complete(line: str, desk: Desk, *more: str) -> tuple[str, dict[str, Any]]:
    """Hold a printed command against what the newest call gave, as far as it takes that, and against *more* inputs."""
    verb, values = understood(line)
    takes = {option.parameter for option in BY_NAME[verb].options}
    given = {name: value for name, value in desk.given.items() if name in takes}
    inputs = given.pop("set", [])
    assert {name: values.get(name) for name in given} == given, line
    if values.get("scenario") == "tiny" and verb in ("remediate", "preview", "sudoers"):
        assert {*inputs, *more} <= set(values.get("set", [])), line
    return verb, values


def first_run(desk: Desk) -> None:
    """Leave a run that changed one host, and a change of which nobody knows what became."""
    desk.call("remediate", "--scenario", "tiny", "--host", "web1:web2", "--yes")
    desk.cut("ChangeIntended")
    for host in desk.hosts:
        tiny.say(host, "bad")


def make_them_fail(desk: Desk) -> None:
    for host in desk.hosts:
        host.on_change(lambda _: True, Output(exit_status=1))


#: The tiny scenario's steps by hand.
BY_HAND = ["diagnose", "remediate", "remediate"]
ONE = ("--scenario", "tiny", "--host", "web1")
BOTH = ("--scenario", "tiny", "--host", "web1:web2")


@pytest.mark.parametrize(
    "words, before, verbs",
    [
        pytest.param(("preview", *ONE), None, ["remediate"], id="what would be done"),
        pytest.param(("preview", *BOTH), None, ["remediate"], id="what would be done on several"),
        pytest.param(("preview", *ONE), lambda desk: tiny.say(desk.hosts[0], "best"), ["scenarios"], id="not needed"),
        pytest.param(("preview", *ONE), Desk.unreachable, ["ping"], id="not reached"),
        pytest.param(("preview", *BOTH), Desk.unreachable, ["ping"], id="none reached"),
        pytest.param(("preview", "web1"), None, ["preview"], id="a host is no scenario"),
        pytest.param(("preview", "tiny", "web1"), None, ["preview"], id="a word too many"),
        pytest.param(("remediate", *ONE, "--approve", "0" * 12), None, ["remediate"], id="refused"),
        pytest.param(("remediate", *BOTH, "--approve", "0" * 12), None, ["remediate"], id="refused on several"),
        pytest.param(("remediate", *ONE), make_them_fail, ["preview", *BY_HAND, "runs show"], id="not fixed"),
        pytest.param(("remediate", *BOTH), make_them_fail, ["runs show", "preview"], id="not fixed on several"),
        pytest.param(("diagnose", "--host", "web1"), None, ["remediate", "explain"], id="what is wrong"),
        pytest.param(("check", "nightly", "--host", "web1"), None, ["diagnose", "check"], id="a routine's fault"),
        pytest.param(("scenarios",), None, ["explain"], id="the list"),
    ],
)  # fmt: skip
def test_a_printed_command_names_whatever_was_given(
    desk: Desk, words: tuple[str, ...], before: Callable[[Desk], None] | None, verbs: list[str]
) -> None:
    if before is not None:
        before(desk)
    _, text = desk.call(*words)
    assert [assert_complete(line, desk)[0] for line in printed(text)] == verbs, text


def test_the_page_of_a_scenario_prints_what_the_program_takes(desk: Desk) -> None:
    _, text = desk.call("explain", "tiny")
    about_nobody, again, with_other, preview = printed(text)
    assert about_nobody == "soleil-remediate diagnose HOST_OPTIONS"
    assert understood(again) == ("remediate", {"scenario": "tiny", "host": "HOST", "watch": "15m"})
    assert understood(with_other) == ("remediate", {"scenario": "tiny", "host": "HOST", "set": ["other=OTHER"]})
    assert understood(preview) == ("preview", {"scenario": "tiny", "host": "web1", "playbooks": [desk.playbooks]})


def test_steps_by_hand_name_the_input_that_they_are_about_once(desk: Desk) -> None:
    make_them_fail(desk)
    _, text = desk.call("remediate", *ONE)
    assert assert_complete(printed(text)[3], desk, "other=OTHER")[1]["host"] == "web1"
    _, text = desk.call("remediate", *ONE, "--set", "other=it's")
    assert assert_complete(printed(text)[3], desk, "other=it's")[1]["host"] == "web1"


def lose_the_answer(desk: Desk) -> None:
    for host in desk.hosts:
        host.on_change(lambda _: True, fate=Fate.LOST)


def test_a_run_whose_change_nobody_knows_of_is_resumed_by_its_record_alone_which_has_all_of_it(desk: Desk) -> None:
    lose_the_answer(desk)
    _, text = desk.call("remediate", *ONE)
    line = next(line for line in printed(text) if " resume " in line)
    assert understood(line) == ("resume", {"run": desk.run})
    status, told = desk.called_alone(*read_by_a_shell(line)[1:], "--dry-run")
    assert "WRONG" not in told
    assert status in (0, 1, 7)
    called = Runs(Path("state/soleil-remediate")).history(desk.run).started["called"]
    assert called["transport"] == "openssh"
    assert [Path(called["inventory"]), *map(Path, called["playbooks"])] == [
        Path(desk.inventory).absolute(),
        Path(desk.playbooks).absolute(),
    ]


@pytest.mark.parametrize("words", [("runs", "show"), ("resume", "--dry-run", "--max-fail", "1", "--forks", "3")])
def test_how_to_go_on_with_a_run_names_what_this_call_named_itself(desk: Desk, words: tuple[str, ...]) -> None:
    first_run(desk)
    call = (*words[:2], desk.run) if words[0] == "runs" else (words[0], desk.run, *words[1:])
    _, text = desk.call(*call)
    line = next(line for line in printed(text) if " resume " in line)
    if words[0] == "runs":  # takes playbooks alone
        assert understood(line) == ("resume", {"run": desk.run, "playbooks": [desk.playbooks]})
    else:
        verb, values = assert_complete(line, desk)
        assert (verb, values["max_fail"], values["forks"]) == ("resume", "1", "3")


def test_status_resumes_a_run_by_its_own_inventory_and_reaches_a_host_that_it_left_locked_as_this_call_did(
    desk: Desk,
) -> None:
    first_run(desk)
    for host in desk.hosts:
        host.on_read(lambda command: "holding" in command.words, f"held root@vm (run {desk.run}) since then\nend\n")
    _, text = desk.call("status", "--host", "web1:web2")
    run, *hosts = [understood(line) for line in printed(text) if " resume " in line]
    assert run == ("resume", {"run": desk.run})
    assert hosts == [("resume", {"run": desk.run, "transport": "openssh"})] * 2


def test_a_freeze_is_lifted_by_a_command_that_names_the_inventory(desk: Desk) -> None:
    _, text = desk.call("freeze", "on")
    (line,) = printed(text)
    verb, values = understood(line)
    assert (verb, Path(values["inventory"])) == ("freeze", Path(desk.inventory).resolve())
    _, refused = desk.call("remediate", *ONE, "--yes")
    assert "frozen by" in refused
    assert desk.called_alone(*read_by_a_shell(line)[1:])[0] == 0


@pytest.mark.parametrize("words", [("preview", "--scenario", "tiny"), ("diagnose",)])
def test_for_a_host_in_no_inventory_the_command_names_the_one_that_was_given_for_it_to_be_listed_in(
    desk: Desk, words: tuple[str, ...]
) -> None:
    serve(desk.hosts[0])
    _, text = desk.call(*words, "--host", "root@web1")
    assert_complete(printed(text)[0], desk)


def test_an_input_is_put_in_place_of_another_that_was_given() -> None:
    again = Invocation.on(tiny.host(), "tiny", ["word=it's", "words=x", "other=y"])
    assert again.without_input("word").inputs == ("words=x", "other=y")
    assert again.without_input("word").with_input("word", "z").inputs == ("words=x", "other=y", "word=z")
    assert again.without_input("nothing") == again


def test_what_tells_of_rules_that_sudo_lacks_names_the_scenario_the_host_and_what_was_given() -> None:
    given = Given(inventory=FILE, transport="openssh", playbooks=(MORE,))
    again = Invocation.on(replace(tiny.host(), given=given), "tiny", [f"word={WORD}"])
    meant = {"scenario": "tiny", "host": "web1", "inventory": FILE, "playbooks": [MORE], "set": [f"word={WORD}"]}
    assert understood(again.sudoers()) == ("sudoers", meant)


# --- what is shipped --------------------------------------------------------------------------------------------------


def texts(value: object) -> Iterator[str]:
    """Yield every text in the arguments of a kind."""
    match value:
        case str():
            yield value
        case tuple() | list():
            for item in value:
                yield from texts(item)


#: Of each scenario: what it has of its own to be given here.
SHIPPED = load_scenarios([shipped_playbooks()], load_catalog())
#: And what its own printed command gives as well, in place of what was given for it: no input may be given twice.
INSTEAD = {"failed-deployment-rollback": ["maintenance=only"]}
_SAMPLES = {"path": "/srv/my app's.log", "size": "3 MiB", "duration": "7 min", "percent": "3%", "integer": "7"}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_command_that_a_shipped_playbook_prints_names_whatever_was_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_text(INVENTORY)
    scenario, catalog = SHIPPED[name], load_catalog()
    (web1,) = with_playbooks((load_inventory(FILE).host("web1"),), (MORE,))
    web1 = replace(web1, given=replace(web1.given, transport="openssh"))
    inputs = [
        f"{one}={_SAMPLES[declared.type]}" for one, declared in scenario.inputs.items() if declared.type == "path"
    ]
    replaced = [f"{one.partition('=')[0]}=yes" for one in INSTEAD.get(name, [])]
    case = bind(scenario, web1, parse_inputs(scenario, [*replaced, *inputs]), catalog)
    # what a task calls `again` is completed by the task itself, with the inputs: test_invocation holds that
    parts: list[Any] = [*(step.task for step in case.steps), *case.healthy_when, *case.goal, *case.signs]
    said = [text for part in parts for one in fields(part) for text in texts(getattr(part, one.name))]
    found = [
        command
        for text in (*said, *case.by_hand, *case.questions)
        for command in COMMAND.findall(text.partition(", u")[0])
    ]
    own = {getattr(step.task, "again", "") for step in case.steps}
    for line in found:
        verb, values = understood(line.partition("; ")[0])
        if verb == "runs show":
            continue  # takes a run, and knows the rest
        kept = {key: values.get(key) for key in ("inventory", "transport", "playbooks", "host")}
        assert kept == {"inventory": FILE, "transport": "openssh", "playbooks": [MORE], "host": "web1"}, line
        if values.get("scenario") == name and line not in own:
            others = [one for one in values.get("set", []) if one.partition("=")[2] != one.partition("=")[0].upper()]
            assert others == [*inputs, *INSTEAD.get(name, [])], line
    assert found or name not in {"high-error-rate", "rate-limit-breach", "double-booking", "slow-response"}


COMMAND = re.compile(r"soleil-remediate (?:[a-z]+ .*)")


#: What puts a secret into an argument, or into the environment in front of a command: the shell's history keeps both.
SECRET = re.compile(
    r"(-H|--header)[ =]?[\"']?(Proxy-)?Authorization|redis-cli [^|;]*-a |--pass(word)?[= ]|[A-Z_](PASSWORD|PWD|AUTH)=",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "text",
    [
        "curl -i -H 'Authorization: Bearer …' APP_URL",
        'curl --header "Authorization: Bearer $TOKEN" APP_URL',
        "curl -HAuthorization:x APP_URL",
        "redis-cli -h 10.0.0.5 -a $REDIS_PASSWORD ping",
        "redis-cli --pass $REDIS_PASSWORD ping",
        "REDISCLI_AUTH=x redis-cli ping",
        "PGPASSWORD=x psql -c 'SELECT 1'",
        "MYSQL_PWD=x mysql",
        "mysql --password=x",
    ],
)
def test_a_secret_in_an_argument_is_recognised(text: str) -> None:
    assert SECRET.search(text)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_playbook_has_a_person_put_a_secret_into_an_argument(name: str) -> None:
    """Every user of the machine reads those, and the shell keeps them: a file, standard input or a prompt instead."""
    assert [text for text in SHIPPED[name].by_hand if SECRET.search(text)] == []


def test_no_other_module_puts_a_command_together() -> None:
    """One place builds them: elsewhere no text has a verb behind this program's name, but for defaults."""
    verbs = "|".join(sorted({verb.partition(" ")[0] for verb in BY_NAME} - {"lab", "freeze"}))
    found = []
    for path in sorted((ROOT / "soleil_remediate").rglob("*.py")):
        tree = ast.parse(path.read_text())
        docs = {id(node.body[0].value) for node in ast.walk(tree) if _begins_with_text(node)}
        found += [
            f"{path.relative_to(ROOT)}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
            if re.search(rf"(?:soleil-remediate|\bsoleil) (?:{verbs})\b", node.value)
        ]
    assert found == [
        "soleil_remediate/tasks/databases.py: soleil-remediate remediate --scenario disk-full",
        "soleil_remediate/tasks/databases.py: soleil-remediate remediate --scenario disk-full",
        "soleil_remediate/tasks/statements.py: soleil-remediate remediate --scenario database-connection-failure",
    ], "only defaults that a playbook overrules"


class _Documented(Protocol):
    body: list[ast.Expr]


def _begins_with_text(node: object) -> TypeGuard[_Documented]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node) is not None
