"""The command line: what it takes, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.cli.call import Call, Program
from soleil_remediate.cli.endings import ended
from soleil_remediate.cli.usage import GROUPS, PAGE, verb_page
from soleil_remediate.cli.verbs import BY_NAME, MISLEADING, VERBS, Verb
from soleil_remediate.errors import ExitStatus
from soleil_remediate.loading import shipped_playbooks
from soleil_remediate.secrecy import learn
from tests.unit.reporters import junit_schema
from tests.unit.reporters.actions_runner import obeyed
from tests.unit.reporters.approved import approve

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).parent / "soleil-remediate"
INVENTORY = """\
all:
  vars:
    app: {name: soleil, root: /srv/soleil/current, user: www-data, logs: [/srv/laravel.log]}
  hosts:
    web1: {ansible_host: 127.0.0.1, ansible_port: 9}
    web2: {ansible_host: 127.0.0.1, ansible_port: 9}
"""


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, with nothing in it."""
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    file = tmp_path / "inventory.yml"
    file.write_text(INVENTORY)
    return str(file)


@pytest.fixture
def soleil(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Soleil:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    return Soleil(capsys)


class Soleil:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        status = cli.main(words)
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)


# --- help -------------------------------------------------------------------------------------------------------------


def test_the_first_help_is_one_screen_and_names_every_command(soleil: Soleil) -> None:
    said = soleil("--help")
    approve("help", said.out)
    assert said == Said(0, PAGE, "")
    lines = PAGE.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    missing = [verb.name for verb in VERBS if verb.name not in PAGE]
    assert missing == []


@pytest.mark.parametrize("words", [(), ("-h",), ("help",)])
def test_help_comes_by_every_habit(soleil: Soleil, words: tuple[str, ...]) -> None:
    assert soleil(*words) == Said(0, PAGE, "")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_command_explains_itself_within_80_columns(soleil: Soleil, verb: Verb) -> None:
    said = soleil(*verb.name.split(), "--help")
    assert said == Said(0, verb_page(verb, "soleil-remediate"), "")
    assert soleil("help", *verb.name.split()) == said
    assert max(map(len, said.out.splitlines())) <= 80
    assert all(f"--{option.name}" in said.out for option in verb.options)


def test_the_help_of_remediate(soleil: Soleil) -> None:
    approve("help-remediate", soleil("remediate", "-h").out)


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(soleil: Soleil, group: str) -> None:
    said = soleil(group)
    approve(f"help-{group}", said.out)
    assert said.status == 0


def test_the_short_name_is_used_in_help_where_it_was_called_so(soleil: Soleil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil"])
    assert "usage    soleil ping [OPTIONS]" in soleil("ping", "--help").out


def test_help_behind_the_double_dash_is_a_word_for_the_host(soleil: Soleil) -> None:
    verb, rest = cli._split(["lab", "ssh", "web1", "--", "ls", "--help"])
    assert verb is BY_NAME["lab ssh"]
    assert rest == ["web1", "--", "ls", "--help"]
    assert cli._page(["lab", "ssh", "web1", "--", "ls", "--help"], "soleil") == ""


def test_the_version_is_said(soleil: Soleil) -> None:
    assert soleil("--version").out.startswith("soleil-remediate 0.")


# --- what cannot be meant ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, says",
    [
        ("remedate", "unknown command 'remedate': did you mean 'remediate'?"),
        ("lab brake web1", "unknown command of lab 'brake': did you mean 'break'?"),
        ("remediate --hots web1", "unknown option of remediate '--hots': did you mean '--host'?"),
        ("remediate --yess", "unknown option of remediate '--yess': did you mean '--yes'?"),
        ("remediate --host", "--host needs a value"),
        ("remediate --host web1 --inventory=", "--inventory is empty: give it a value, or leave it out"),
        ("remediate --host --yes", "--host needs a value"),
        ("remediate --host web1 --host web2", "--host is given twice: keep one of the two"),
        ("remediate --yes=no", "--yes takes no value"),
        (
            "remediate disk-full",
            "'disk-full' is one word too many for remediate; scenarios are named with --scenario:\n  ",
        ),
        ("preview disk-full web1", "'web1' is one word too many for preview; hosts are named with --host:\n  "),
        ("scenarios disk-full", "'disk-full' is one word too many for scenarios"),
        ("preview", "preview needs SCENARIO: soleil-remediate preview disk-full --host web1"),
        ("explain", "explain needs SCENARIO: soleil-remediate explain disk-full"),
        ("--host web1 ping", "the command comes first, its options after it: soleil-remediate COMMAND --host"),
        ("scenarios --output xml", "--output 'xml': there are console and json"),
        ("scenarios --output junit", "--output 'junit': there are console and json"),
        ("preview disk-full --host h -o xml", "--output 'xml': there are console, json, junit and github"),
        ("remediate --yes --approve 12 --scenario disk-full", "--yes and --approve both answer the gate"),
        (
            "remediate --scenario disk-full --host h --watch 15",
            "--watch: '15' is no duration: write a time such as 30 min",
        ),
        ("remediate --scenario disk-full --host h --watch 2d", "--watch: hosts are watched for 1 s to 1 d, not 2 d"),
        (
            "remediate --scenario disk-full --host h --watch 15m --dry-run",
            "--watch looks again after a run, and --dry-run",
        ),
        ("remediate --scenario disk-full --host h --serial 1,x", "--serial: 'x' is no size of a batch: write a number"),
        ("remediate --scenario disk-full --host h --max-fail=-1", "--max-fail: '-1' is no number of hosts"),
        ("remediate --scenario disk-full --host h --dry-run --forks 0", "--forks: 1 to 1000 hosts at once, not 0"),
        ("resume 1a2b --serial 0", "--serial: a batch has 1 to 10000 hosts, or more than 0 %, not 0"),
        ("preview disk-full --host h --forks many", "--forks: 'many' is no number of hosts"),
        (
            "remediate",
            "which scenario? Add --scenario; there is: application-down, database-connection-failure, disk-full, ",
        ),
        ("preview disk-fall --host web1", "unknown scenario 'disk-fall': did you mean 'disk-full'?"),
        ("explain disk-fll", "unknown scenario 'disk-fll': did you mean 'disk-full'?"),
        ("runs show ffff", "unknown run 'ffff': none is known here"),
        ("lab up nonsense", "nonsense"),
        ("lab up --light many", "--light 'many': a number of hosts from 1 to 200"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_sentence(soleil: Soleil, line: str, says: str) -> None:
    said = soleil(*shlex.split(line))
    assert said.out == ""
    assert says in said.err
    assert said.status == ExitStatus.USAGE


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("remediate disk-full", "remediate --scenario disk-full --host HOST"),
        ("remediate no-space-left --host web1 --yes", "remediate --scenario no-space-left --host web1 --yes"),
        ("remediate web1", "remediate --scenario SCENARIO --host web1"),
        ("remediate web1 --scenario disk-full", "remediate --host web1 --scenario disk-full"),
        ("remediate disk-full web1 web2", "remediate --scenario disk-full --host web1:web2"),
        ("remediate web1 disk-full --set a=b", "remediate --scenario disk-full --host web1 --set a=b"),
        ("remediate disk-full -v --set 'a=b c'", "remediate --scenario disk-full --host HOST -v --set 'a=b c'"),
        ("preview disk-full web1", "preview disk-full --host web1"),
        ("preview web1 disk-full", "preview disk-full --host web1"),
        ("preview disk-full web1 -o json", "preview disk-full --host web1 -o json"),
        ("ping web1", "ping --host web1"),
        ("ping deploy@web1.example:2222", "ping --host deploy@web1.example:2222"),
    ],
)  # fmt: skip
def test_words_in_the_wrong_place_are_answered_with_the_whole_command(soleil: Soleil, typed: str, meant: str) -> None:
    said = soleil(*shlex.split(typed))
    text = said.err or json.loads(said.out)["error"]["message"]
    assert text.rstrip().endswith(f":\n  soleil-remediate {meant}")
    assert said.status == ExitStatus.USAGE


@pytest.mark.parametrize(
    "typed", ["ping web1 --host web2", "ping '$(id)'", "remediate 'a b'", "preview disk-full disk", f"ping {'x' * 100}"]
)
def test_what_nobody_can_have_meant_gets_no_command_to_copy(soleil: Soleil, typed: str) -> None:
    said = soleil(*shlex.split(typed))
    assert "one word too many" in said.err
    assert "soleil-remediate" not in said.err


@pytest.mark.parametrize("option", MISLEADING)
def test_invokes_own_options_are_refused_with_what_to_use_instead(soleil: Soleil, option: str) -> None:
    for words in ((option,), ("scenarios", option), (option, "remediate")):
        said = soleil(*words)
        assert said.status == ExitStatus.USAGE
        assert f"{option} is not an option here: {MISLEADING[option]}" in said.err


def test_dry_points_to_dry_run(soleil: Soleil) -> None:
    assert "--dry-run" in soleil("remediate", "--dry", "--host", "web1").err


@pytest.mark.parametrize(
    "value",
    [
        "$(touch /tmp/pwned)",
        "`id`",
        "'; rm -rf / #",
        'a"b',
        "a\nb",
        "-rf",
        "--yes=1",
        "web1\x1b]0;owned\x07",
        "w\u0435b1",
        "\u202ebew",
        "../../etc",
        "x" * 65_536,
        "\udcff",
    ],
)
@pytest.mark.parametrize("place", ["--host", "--scenario", "--set", "--inventory", "--playbooks", "--approve"])
def test_hostile_values_are_only_text(soleil: Soleil, inventory: str, place: str, value: str) -> None:
    words = ["remediate", "--inventory", inventory, "--scenario", "disk-full", "--host", "nobody", f"{place}={value}"]
    if place in words:
        index = words.index(place)
        del words[index : index + 2]
    said = soleil(*words)
    assert said.status == ExitStatus.USAGE
    assert said.out == ""
    assert 0 < len(said.err) < 5000
    assert not [one for one in said.err if one < " " and one != "\n"]
    assert "\u202e" not in said.err
    assert "Traceback" not in said.err


def test_an_error_is_json_where_json_was_asked_for(soleil: Soleil) -> None:
    for line in ("preview disk-fall --host web1 -o json", "preview --output=json --hots web1", "remedate -o json"):
        said = soleil(*shlex.split(line))
        assert said.err == ""
        document = json.loads(said.out)
        assert document["format"] == 1
        assert document["exit_status"] == said.status == 2
        assert document["error"]["type"] == "UnknownName"


def test_an_error_is_a_red_suite_where_junit_was_asked_for(soleil: Soleil) -> None:
    for line in ("preview disk-fall --host web1 -o junit", "preview --output=junit --hots web1", "remedate -ojunit"):
        said = soleil(*shlex.split(line))
        assert (said.err, said.status) == ("", ExitStatus.USAGE)
        (suite,) = junit_schema.parsed(said.out)
        assert suite.get("errors") == "1"


def test_an_error_is_an_annotation_where_github_was_asked_for(soleil: Soleil) -> None:
    said = soleil("preview", "::error::x", "--host", "web1", "-o", "github")
    assert said.status == ExitStatus.USAGE
    assert [one.name for one in obeyed(said.out)] == ["endgroup", "error"]
    assert said.err.startswith("unknown scenario '::error::x'")


def test_hosts_that_are_not_reached_are_told_in_every_form(
    soleil: Soleil, inventory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    def run(*more: str) -> Said:
        return soleil("remediate", "--scenario", "disk-full", "--host", "web*", "--inventory", inventory, *more)

    junit = run("-o", "junit")
    assert (junit.status, junit.err) == (ExitStatus.UNREACHABLE, "")
    assert [suite.get("errors") for suite in junit_schema.parsed(junit.out)] == ["1", "1"]
    assert "UNREACHABLE" in run("-o", "junit", "--verbose").err
    assert not summary.exists()

    github = run("-o", "github")
    assert (github.status, github.err) == (ExitStatus.UNREACHABLE, "")
    found = [one for one in obeyed(github.out) if one.name != "endgroup"]
    assert [one.name for one in found] == ["group", "error", "error"]
    assert [one.properties.get("title") for one in found[1:]] == [f"web{n}: UNREACHABLE (disk-full)" for n in (1, 2)]
    assert "2 UNREACHABLE" in github.out
    assert "<td>UNREACHABLE</td>" in summary.read_text()


def test_on_a_github_runner_no_text_is_a_command_in_whatever_form(
    soleil: Soleil, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("preview", "::error::x ##[error]y", "--host", "web1")
    assert obeyed(soleil(*words).err.partition("unknown scenario '")[2]) != []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for form in ("console", "json", "junit"):
        said = soleil(*words, "-o", form)
        assert obeyed(said.out) == obeyed(said.err) == []
    assert json.loads(soleil(*words, "-o", "json").out)["error"]["message"].startswith(
        "unknown scenario '::error::x ##[error]y'"
    )


# --- which inventory, which hosts -------------------------------------------------------------------------------------


def test_nothing_is_picked_up_from_the_current_folder(
    soleil: Soleil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inventory", "playbooks"):
        (tmp_path / name).mkdir()
    (tmp_path / "inventory" / "lab.yml").write_text(INVENTORY)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "playbooks" / "broken.yml").write_text("scenario: [")
    monkeypatch.chdir(tmp_path)
    said = soleil("inventory")
    assert said.status == ExitStatus.USAGE
    assert "there is no inventory: name one with --inventory FILE or $SOLEIL_INVENTORY" in said.err
    assert soleil("scenarios").status == 0


def test_the_inventory_is_the_named_one_then_the_variables_then_ones_own(
    soleil: Soleil, home: Path, inventory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only(name: str) -> str:
        return f"all: {{hosts: {{{name}: {{ansible_host: 127.0.0.1}}}}}}\n"

    own = home / ".config" / "soleil-remediate" / "inventory.yml"
    own.parent.mkdir(parents=True)
    own.write_text(only("mine"))
    assert "mine" in soleil("inventory").out
    (tmp_path / "variable.yml").write_text(only("variable"))
    monkeypatch.setenv("SOLEIL_INVENTORY", str(tmp_path / "variable.yml"))
    assert "variable" in soleil("inventory").out
    assert "web1" in soleil("inventory", "--inventory", inventory).out


def test_a_folder_stands_for_the_one_inventory_in_it(soleil: Soleil, tmp_path: Path) -> None:
    folder = tmp_path / "hosts"
    folder.mkdir()
    assert "holds none" in soleil("inventory", "--inventory", str(folder)).err
    (folder / "lab.yml").write_text(INVENTORY)
    (folder / "production.example.yml").write_text("broken: [")
    assert soleil("inventory", "--inventory", str(folder)).status == 0
    (folder / "production.yml").write_text(INVENTORY)
    (folder / ".#lab.yml").symlink_to("eva@laptop.4711")
    said = soleil("inventory", "--inventory", str(folder))
    assert said.status == ExitStatus.USAGE
    assert "holds lab.yml, production.yml: name one with --inventory" in said.err


@pytest.mark.parametrize(
    "words, says",
    [
        ((), "which host? Add --host; "),
        (("--host", "wbe1"), "unknown host or group 'wbe1': did you mean 'web1'?"),
        (("--host", "all"), "--all-hosts"),
        (("--host", "db*"), "matches no host"),
    ],
)
def test_hosts_are_named_and_never_all_by_accident(
    soleil: Soleil, inventory: str, words: tuple[str, ...], says: str
) -> None:
    said = soleil("preview", "disk-full", "--inventory", inventory, *words)
    assert said.status == ExitStatus.USAGE
    assert says in said.err


def test_the_inventory_is_listed_drawn_and_explained(soleil: Soleil, inventory: str) -> None:
    assert "2 hosts in " in soleil("inventory", "--inventory", inventory).out
    assert "web1 web2" in soleil("inventory", "--inventory", inventory, "--graph").out
    said = soleil("inventory", "--inventory", inventory, "--explain", "web1")
    assert f"{inventory}:5:" in said.out
    listed = json.loads(soleil("inventory", "--inventory", inventory, "-o", "json").out)
    assert [host["host"] for host in listed["hosts"]] == ["web1", "web2"]


# --- what only reads --------------------------------------------------------------------------------------------------


def test_scenarios_are_listed_and_explained(soleil: Soleil) -> None:
    assert "\ndisk-full                     HIGH" in soleil("scenarios").out
    page = soleil("explain", "no-space-left").out
    for heading in ("IMPACT", "DETECTION", "INPUTS", "HEALTHY", "GOAL", "STEPS", "BY HAND", "ESCALATE"):
        assert heading in page
    assert max(len(line) for line in page.splitlines() if not line.startswith("from ")) <= 80


def test_a_page_of_the_runbook_goes_on_with_the_same_playbooks(
    soleil: Soleil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "disk-sample.yml").write_text(
        "scenario: disk-sample\n"
        "title: A Disk\n"
        "severity: medium\n"
        "respond_within: 1 h\n"
        "impact: Nothing can be written any more, and everybody who tries to is told so at some length.\n"
        "detection: [An alert says so]\n"
        "inputs:\n"
        "  target: {type: percent, default: 80%, about: What is aimed at}\n"
        "healthy_when: [{disk.writable: {user: '{{ app.user }}'}}]\n"
        "goal: [{disk.used: {below: '{{ inputs.target }}'}}]\n"
        "steps: [{log.truncate: {path: /var/log/app.log, larger_than: 1 GiB}}]\n"
        "questions: ['Why is it so?']\n"
        'by_hand: ["See what it is:\\n  du -xh {{ app.root }}"]\n'
        "escalate: {after: 30 min, to: devops}\n"
    )
    said = soleil("explain", "disk-sample", "--playbooks", "mine")
    assert said.err == ""
    approve("explain", said.out)
    said = soleil("scenarios", "--playbooks", "mine")
    approve("scenarios", said.out)


def test_lint_says_where_and_what(soleil: Soleil, tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("scenario: bad\ntitel: x\n")
    said = soleil("lint", str(file))
    assert said.status == ExitStatus.USAGE
    assert f"{file}:2:1: unknown key" in said.out
    assert "did you mean 'title'?" in said.out
    assert soleil("lint").status == 0
    problems = json.loads(soleil("lint", str(file), "-o", "json").out)["problems"]
    assert problems[0]["origin"]["line"] in {1, 2}


def test_ping_tells_who_cannot_be_reached_and_ends_with_3(soleil: Soleil, inventory: str) -> None:
    said = soleil("ping", "--host", "web1:web2", "--inventory", inventory)
    assert said.status == ExitStatus.UNREACHABLE
    assert said.out.count("UNREACHABLE") == 2
    document = json.loads(soleil("ping", "--host", "web1", "--inventory", inventory, "-o", "json").out)
    assert document["hosts"][0]["is_reached"] is False


def test_lint_checks_everything_that_is_named_however(soleil: Soleil, inventory: str, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.yml").write_text("scenario: bad\ntitel: x\n")
    (tmp_path / "hosts.yml").write_text("all: {hots: {web1: }}\n")
    said = soleil("lint", inventory, "--playbooks", str(tmp_path / "bad"), "--inventory", str(tmp_path / "hosts.yml"))
    assert "bad.yml:2:1: unknown key in the top level 'titel'" in said.out
    assert "hosts.yml:1:7: unknown key in group all 'hots'" in said.out
    assert said.out.endswith(f" mistakes in {inventory}, {tmp_path}/bad, {tmp_path}/hosts.yml\n")
    assert said.status == ExitStatus.USAGE


def test_lint_holds_the_playbooks_that_are_named_against_the_inventory_that_is(
    soleil: Soleil, inventory: str, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yml"
    text = (ROOT / "playbooks" / "disk-full.yml").read_text()
    text = re.sub("^(scenario|aliases): .*$", r"\1: mine", text, flags=re.MULTILINE)
    mine.write_text(text.replace("aliases: mine", "aliases: [my-own]").replace("hosts: all", "hosts: frontends"))
    assert soleil("lint", str(mine)).status == 0
    assert soleil("lint", str(mine), inventory).status == 0
    unknown = f"{mine}:13:8: {inventory}: unknown host or group 'frontends': known: all, web1, web2"
    told = f"{unknown}\n1 mistake in {mine}, {inventory}\n"
    assert soleil("lint", str(mine), "--inventory", inventory) == Said(ExitStatus.USAGE, told, "")
    said = soleil("lint", "--playbooks", str(mine), "--inventory", inventory)
    assert (said.status, said.out.count("unknown host")) == (ExitStatus.USAGE, 1)
    assert soleil("lint", "--inventory", inventory).status == 0, "nobody named the playbooks that are shipped"


def test_a_scenario_that_a_policy_misspells_is_told_by_lint_and_refused_by_its_own_run(
    soleil: Soleil, tmp_path: Path
) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(
        "all:\n  vars:\n    policy: {unattended: {disk-fu: destructive, mine: gentle}}\n  hosts: {web1: }\n"
    )
    misspelt = f"{file}:3:27: unknown scenario in policy.unattended 'disk-fu': did you mean 'disk-full'?\n"
    said = soleil("lint", str(file))
    assert said.status == ExitStatus.USAGE
    assert said.out.startswith(
        f"{misspelt}{file}:3:49: unknown scenario in policy.unattended 'mine': is its playbook among --playbooks?\n"
    )
    mine = tmp_path / "mine"
    mine.mkdir()
    text = (ROOT / "playbooks" / "disk-full.yml").read_text()
    text = re.sub("^(scenario|aliases): .*$", r"\1: mine", text, flags=re.MULTILINE)
    (mine / "mine.yml").write_text(text.replace("aliases: mine", "aliases: [my-own]"))
    said = soleil("lint", str(file), "--playbooks", str(mine))
    assert said.out == f"{misspelt}1 mistake in {file}, {mine}\n"
    for words in (("preview", "disk-full"), ("remediate", "--scenario", "disk", "--yes")):
        said = soleil(*words, "--host", "web1", "--inventory", str(file))
        assert (said.status, said.out, said.err) == (ExitStatus.USAGE, "", misspelt)


@pytest.fixture
def greeted(tmp_path: Path) -> Iterator[list[str]]:
    """Who connected to web1 and web2 of the inventory ``keys.yml``, where web2's key is missing."""
    connected: list[str] = []
    with ExitStack() as stack:
        hosts = []
        for name, key in (("web1", "there"), ("web2", "nope")):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            port = listener.getsockname()[1]
            hosts.append(f"    {name}: {{ansible_port: {port}, ansible_ssh_private_key_file: {key}}}\n")

            def hang_up(listener: socket.socket = listener, name: str = name) -> None:
                with suppress(OSError):
                    while True:
                        listener.accept()[0].close()
                        connected.append(name)

            threading.Thread(target=hang_up, daemon=True).start()
        (tmp_path / "there").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        text = "all:\n  vars: {ansible_host: 127.0.0.1}\n  hosts:\n" + "".join(hosts)
        (tmp_path / "keys.yml").write_text(text)
        yield connected


@pytest.mark.parametrize(
    "words",
    [
        ("remediate", "--scenario", "disk-full", "--host", "web1,web2"),
        ("remediate", "--scenario", "disk-full", "--host", "web2", "--yes"),
        ("preview", "disk-full", "--host", "web1,web2"),
    ],
)
def test_a_missing_key_is_told_before_any_host_is_contacted(
    soleil: Soleil, tmp_path: Path, greeted: list[str], words: tuple[str, ...]
) -> None:
    said = soleil(*words, "--inventory", str(tmp_path / "keys.yml"))
    assert said.status == ExitStatus.USAGE
    assert said.out == ""
    key = tmp_path / "nope"
    assert re.fullmatch(rf"{tmp_path}/keys\.yml:5:\d+: web2: the private key {key} does not exist\n", said.err)
    assert greeted == []
    assert "no run yet" in soleil("runs", "list").out


def test_ping_tells_of_a_missing_key_and_goes_on_to_the_other_hosts(
    soleil: Soleil, tmp_path: Path, greeted: list[str]
) -> None:
    words = ("ping", "--inventory", str(tmp_path / "keys.yml"))
    said = soleil(*words, "--host", "web1,web2")
    assert re.search(r"^web1  UNREACHABLE  .*\n    .* hung up", said.out, re.MULTILINE)
    assert re.search(r"^web2  WRONG INPUT  ", said.out, re.MULTILINE)
    assert "web2: the private key" in said.out
    assert said.err == ""
    assert set(greeted) == {"web1"}
    assert soleil(*words, "--host", "web2").status == ExitStatus.USAGE
    (web2,) = json.loads(soleil(*words, "--host", "web2", "-o", "json").out)["hosts"]
    assert (web2["is_reached"], web2["exit_status"]) == (False, ExitStatus.USAGE)


def test_a_key_that_only_the_ssh_configuration_names_ends_as_it_is_printed(
    soleil: Soleil, home: Path, inventory: str
) -> None:
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh" / "config").write_text("Host *\n  IdentityFile ~/.ssh/nope\n")
    said = soleil("remediate", "--scenario", "disk-full", "--host", "web1", "--inventory", inventory)
    assert said.status == ExitStatus.UNREACHABLE
    assert "UNREACHABLE  web1" in said.out
    assert "· exit 3\n" in said.out
    why = f"the private key {home}/.ssh/nope does not exist; the ssh configuration names it as IdentityFile"
    assert "".join(why.split()) in "".join(said.out.split())  # broken into lines of 80 columns
    assert said.err == ""
    said = soleil("ping", "--host", "web1", "--inventory", inventory)
    assert "web1  UNREACHABLE" in said.out
    assert said.status == ExitStatus.UNREACHABLE


def test_a_host_is_reached_in_the_way_that_is_named(soleil: Soleil, inventory: str) -> None:
    words = ("--host", "web1", "--inventory", inventory)
    said = soleil("ping", "--host", "deploy@192.0.2.1", "--transport", "local")
    assert said.status == ExitStatus.UNREACHABLE
    shown = " ".join(said.out.split())
    assert "192.0.2.1 is to be reached without SSH, and 192.0.2.1 is no address of this machine" in shown
    said = soleil("preview", "disk-full", *words, "--transport", "opnssh")
    assert said.status == ExitStatus.USAGE
    assert "unknown transport 'opnssh': did you mean 'openssh'?" in said.err


def test_this_machine_is_reached_without_ssh_and_without_an_inventory(soleil: Soleil) -> None:
    said = soleil("ping", "--host", "localhost", "--transport", "local")
    assert said.status == ExitStatus.OK
    assert said.out.startswith("localhost  OK")
    assert "host key" not in said.out


def test_an_unreachable_host_ends_with_3_and_nothing_on_standard_output_but_the_document(
    soleil: Soleil, inventory: str
) -> None:
    words = ("--scenario", "disk-full", "--host", "web1", "--inventory", inventory)
    said = soleil("remediate", *words, "--dry-run", "--output", "json")
    assert said.status == ExitStatus.UNREACHABLE
    assert said.err == ""
    document = json.loads(said.out)
    assert (document["command"], document["run"]) == ("remediate", None)
    assert document["hosts"][0]["verdict"] == "UNREACHABLE"
    said = soleil("preview", "disk-full", *words[2:], "-ojson", "--verbose")
    assert json.loads(said.out)["exit_status"] == 3
    assert "UNREACHABLE  web1" in said.err
    said = soleil("remediate", *words)
    assert said.status == ExitStatus.UNREACHABLE
    assert f"next    soleil-remediate ping --host web1 --inventory {inventory}" in said.out.replace(
        " \\\n" + " " * 12, " "
    )


def test_where_no_host_was_reached_they_are_pinged_next(soleil: Soleil, inventory: str) -> None:
    said = soleil("preview", "disk-full", "--host", "web1,web2", "--inventory", inventory)
    assert said.status == ExitStatus.UNREACHABLE
    assert "next   soleil-remediate ping --host web1,web2" in said.out
    said = soleil("preview", "disk-full", "--all-hosts", "--inventory", inventory)
    assert "next   soleil-remediate ping --host all --all-hosts" in said.out


def test_runs_are_listed_and_shown(soleil: Soleil, inventory: str) -> None:
    assert "no run yet" in soleil("runs", "list").out
    soleil("remediate", "--scenario", "disk-full", "--host", "web1", "--inventory", inventory)
    said = soleil("runs", "list")
    assert "disk-full  web1   UNREACHABLE" in said.out
    (run,) = json.loads(soleil("runs", "list", "-o", "json").out)["runs"]
    shown = soleil("runs", "show", run["run"][:5])
    assert "web1  UNREACHABLE:" in shown.out
    document = json.loads(soleil("runs", "show", run["run"], "-o", "json").out)
    assert document["lines"][0]["type"] == "RunStarted"
    assert (document["ending"], document["unanswered"], document["cut_copies"]) == ("ended", [], [])
    questions = document["for_people"]["questions"]
    assert questions[0] == {"type": "Advice", "text": "Which file grew, how fast, and why?", "hosts": ["web1"]}
    assert "  answer  Which file grew, how fast, and why?" in shown.out


def test_a_hosts_name_in_a_scenarios_place_is_noticed(soleil: Soleil, inventory: str) -> None:
    said = soleil("preview", "web1", "--inventory", inventory)
    assert said.status == ExitStatus.USAGE
    names = ", ".join(sorted(file.stem for file in shipped_playbooks().glob("*.yml")))
    assert said.err == (
        f"web1 is a host and no scenario; there is: {names}. Write\n"
        "  soleil-remediate preview --scenario SCENARIO "
        f"--host web1 --inventory {inventory}\n"
    )


def test_the_next_command_for_a_host_without_an_inventory_keeps_its_user_and_port(soleil: Soleil) -> None:
    said = soleil("preview", "disk-full", "--host", "nobody@127.0.0.1:9")
    assert "next    soleil-remediate ping --host nobody@127.0.0.1:9\n" in said.out


@pytest.mark.parametrize(
    "words, again",
    [
        (("preview", "disk-full"), "preview --scenario disk-full --host web9.invalid --inventory FILE"),
        (("ping",), "ping --host web9.invalid --inventory FILE"),
    ],
)
def test_a_name_that_nobody_looked_up_says_that_no_inventory_is_in_use(
    soleil: Soleil, words: tuple[str, ...], again: str
) -> None:
    said = soleil(*words, "--host", "web9.invalid")
    assert said.status == ExitStatus.UNREACHABLE
    text = " ".join(said.out.replace(" \\\n", "\n").split())
    assert "No inventory is in use: web9.invalid was taken for the address itself" in text
    assert text.endswith(f"next soleil-remediate {again}")
    assert "Errno" not in said.out


@pytest.mark.parametrize("pattern", ["web1:web2", "web*", "web:!web3"])
def test_a_pattern_without_an_inventory_says_so_too(soleil: Soleil, pattern: str) -> None:
    said = soleil("preview", "disk-full", "--host", pattern)
    assert said.status == ExitStatus.USAGE
    assert "No inventory is in use; name one with --inventory FILE or $SOLEIL_INVENTORY" in said.err


def test_a_host_without_an_inventory_is_looked_at_by_its_own_name(soleil: Soleil) -> None:
    said = soleil("ping", "--host", "nobody@127.0.0.1:9")
    assert said.status == ExitStatus.UNREACHABLE
    assert "127.0.0.1:9" in said.out


# --- endings ----------------------------------------------------------------------------------------------------------


def test_a_bug_is_one_sentence_and_a_file_that_only_its_owner_reads(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Verb("ping", "", "reading:nothing_of_this_name")
    assert ended(broken, Call(verb="ping")) is ExitStatus.BUG
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "this is a bug in soleil-remediate, not in your input: AttributeError" in said.err
    (file,) = (home / ".local/state/soleil-remediate/bugs").iterdir()
    assert str(file) in said.err
    assert "Traceback" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ended(broken, Call(verb="ping", given={"verbose": True}))
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_secret_is_in_a_bugs_message_nor_in_its_traceback(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def broken(_: Call) -> ExitStatus:
        raise ValueError("connect('pgsql://soleil:canary%2Fvalue@db', 'canary/value')")

    learn("canary/value")
    monkeypatch.setattr("soleil_remediate.cli.reading.ping", broken)
    assert ended(BY_NAME["ping"], Call(verb="ping", given={"verbose": True, "output": form})) is ExitStatus.BUG
    said = capsys.readouterr()
    (file,) = (home / ".local/state/soleil-remediate/bugs").iterdir()
    for text in (said.out + said.err, said.err, file.read_text()):
        assert "ValueError: connect('pgsql://soleil:{hidden}@db', '{hidden}')" in text
        assert "canary" not in text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")
def test_no_core_of_the_program_is_ever_written_and_nobody_else_reads_its_memory(home: Path) -> None:
    asking = (
        "import ctypes, resource, sys\n"
        "from soleil_remediate.cli import main\n"
        "main(['scenarios', '-o', 'json'])\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3), file=sys.stderr)\n"
    )
    said = subprocess.run([sys.executable, "-c", asking], capture_output=True, text=True, check=True, timeout=60)
    assert said.stderr == "(0, 0) 0\n"


def test_what_breaks_beside_the_command_shows_no_secret_either(home: Path) -> None:
    breaking = (
        "import threading\n"
        "from soleil_remediate.cli import main\n"
        "from soleil_remediate.secrecy import learn\n"
        "main(['scenarios', '-o', 'json'])\n"
        "learn('canary/value')\n"
        "thread = threading.Thread(target=lambda: open('/canary/value'))\n"
        "thread.start()\n"
        "thread.join()\n"
        "open('/srv/canary%2Fvalue')\n"
    )
    said = subprocess.run([sys.executable, "-c", breaking], capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 1
    assert said.stderr.count("FileNotFoundError: [Errno 2] No such file or directory: '/") == 2
    assert "in <module>" in said.stderr
    assert "canary" not in said.stderr.replace("learn('canary/value')", "")


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    line = f"{PROGRAM} explain disk-full | head -n 1"
    said = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("disk-full")
    assert said.stderr == ""


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_happened_on_the_hosts_is_the_exit_status_whoever_still_listens(
    home: Path, inventory: str, form: str
) -> None:
    words = ["remediate", "--scenario", "disk-full", "--host", "web1", "--inventory", inventory, "-o", form]
    reads, writes = os.pipe()
    os.close(reads)
    try:
        said = subprocess.run([PROGRAM, *words], stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writes)
    assert (said.returncode, said.stderr) == (ExitStatus.UNREACHABLE, "")


def test_output_that_cannot_be_written_is_no_success(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        said = subprocess.run([PROGRAM, "scenarios"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert said.returncode == ExitStatus.BUG
    assert "No space left on device" in said.stderr


def test_a_terminal_without_utf_8_gets_escapes_instead_of_an_error(home: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    said = subprocess.run([PROGRAM, "explain", "disk-full"], env=environment, capture_output=True, check=False)
    assert said.returncode == 0
    assert said.stderr == b""


def test_ctrl_c_ends_with_130(home: Path, inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Stops(Call):
        def many(self, parameter: str) -> tuple[str, ...]:
            raise KeyboardInterrupt

    assert ended(BY_NAME["explain"], Stops(verb="explain")) is ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "stopped by Ctrl-C\n"


# --- stock invoke -----------------------------------------------------------------------------------------------------


def invoke(*words: str, home: Path, cwd: Path = ROOT) -> Said:
    program = Path(sys.executable).parent / "invoke"
    environment = {**os.environ, "HOME": str(home)}
    said = subprocess.run([program, *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return Said(said.returncode, said.stdout, said.stderr)


def test_stock_invoke_has_the_same_commands(home: Path) -> None:
    listed = set(re.findall(r"^  (\S+)", invoke("--list", home=home).out, re.MULTILINE))
    assert listed == {verb.dotted for verb in VERBS}


def test_stock_invokes_dry_is_refused(home: Path) -> None:
    for words in (("--dry", "scenarios"), ("-R", "remediate", "--scenario", "disk-full", "--host", "web1")):
        said = invoke(*words, home=home)
        assert said.status == ExitStatus.USAGE
        assert "--dry is invoke's own, and it would not stop anything here" in said.err
        assert said.out == ""


def test_stock_invoke_ends_with_our_exit_status_and_speaks_its_own_names(home: Path) -> None:
    said = invoke("preview", "disk-fall", "--host", "web1", home=home)
    assert said.status == ExitStatus.USAGE
    assert "did you mean 'disk-full'?" in said.err
    assert invoke("runs.show", "ffff", home=home).status == ExitStatus.USAGE
    assert "invoke explain application-down" in invoke("scenarios", home=home).out
    assert invoke("inventory", home=home).status == 0


def test_both_programs_take_the_same_options() -> None:
    tasks = cli.collection(Program(name="invoke"))
    for verb in VERBS:
        (context,) = [one for one in tasks.to_contexts() if one.name == verb.dotted]
        spelt = {f"--{option.name}" for option in verb.options} | {
            f"-{option.letter}" for option in verb.options if option.letter
        }
        assert set(context.flags) | set(context.flags.aliases) == spelt | {f"--{word.name}" for word in verb.words}
