"""Which scenarios a host has, the cause before what it explains."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.checks.from_here import PageReached
from soleil_remediate.cli import diagnosing as verb
from soleil_remediate.cli.verbs import BY_NAME
from soleil_remediate.command import Command, Output
from soleil_remediate.diagnosing import diagnose, look_for
from soleil_remediate.discovering import discover
from soleil_remediate.errors import ConfigError, ConnectionLost, ExitStatus, FactError, PlaybookError, UnknownName
from soleil_remediate.findings import Diagnosis
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import Scenarios, ad_hoc_host, lint, load_scenarios, shipped_playbooks
from soleil_remediate.reporters.diagnoses import diagnoses_page
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import Duration
from tests import tiny
from tests.unit.facts.sites import POOL_USERS, serve
from tests.unit.reporters.approved import approve

CATALOG = Catalog.of(tiny.FileSays, tiny.PutFile, tiny.ShowFile)
DISK, SITE, RELEASE, SLOW = "/srv/disk", "/srv/site", "/srv/release", "/srv/slow"


def playbook(name: str, path: str, more: str = "", *, severity: str = "medium", step: str = "") -> str:
    """Return a scenario about the file *path*, put right by a step about *step*, which is the same unless given."""
    return f"""\
scenario: {name}
title: {name}
severity: {severity}
respond_within: 1 h
impact: none
{more}
healthy_when:
  - file.says: {{path: {path}}}
steps:
  - file.put: {{path: {step or path}}}
"""


@dataclass(frozen=True)
class Bench:
    """Playbooks, and a host whose files say what they are told."""

    folder: Path
    host: ScriptedHost

    def write(self, *texts: str) -> Scenarios:
        for number, text in enumerate(texts):
            (self.folder / f"{number}.yml").write_text(text)
        return load_scenarios([self.folder], CATALOG)

    def let(self, **words: str | FactError | Callable[[Command], str]) -> None:
        for name, word in words.items():
            self.host.on_read(partial(_is_about, f"/srv/{name}"), f"{word}\n" if isinstance(word, str) else word)

    def diagnosed(self, scenarios: Scenarios, host: Host | None = None) -> Diagnosis:
        (found,) = look_for(scenarios, (host or tiny.host(),), catalog=CATALOG, transport=ScriptedTransport(self.host))
        return found


def _is_about(path: str, command: Command) -> bool:
    return command.words[4:] == (path,)


def _names(word: str, command: Command) -> bool:
    return word in command.words


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, tiny.scripted(says="good"))


def outline(diagnosis: Diagnosis) -> list[str]:
    """Return the findings in their order, as people would note them down."""
    return [
        " ".join([one.scenario, one.health.value, *(f"<{cause}" for cause in one.explained_by)])
        for one in diagnosis.findings
    ]


THREE = (
    playbook("disk", DISK, "explains: [site, release]"),
    playbook("site", SITE, "explains: [release]", severity="critical"),
    playbook(
        "release", SITE, f"explains: [site]\nsigns:\n  - file.says: {{path: {RELEASE}}}", severity="high", step=RELEASE
    ),
)


@pytest.mark.parametrize(
    "says, expected, status",
    [
        ({}, ["site healthy", "release healthy", "disk healthy"], 0),
        ({"disk": "bad"}, ["disk faulty", "site healthy", "release healthy"], 5),
        ({"site": "bad"}, ["site faulty", "release faulty <site", "disk healthy"], 5),
        ({"site": "bad", "release": "bad"}, ["release faulty", "site faulty <release", "disk healthy"], 5),
        (
            {"site": "bad", "disk": "bad"},
            ["disk faulty", "site faulty <disk", "release faulty <disk <site"],
            5,
        ),
        (
            {"site": "bad", "release": FactError("no answer")},  # neither is called explained: nobody can tell
            ["site faulty", "release faulty", "disk healthy"],
            5,
        ),
        ({"disk": FactError("no answer")}, ["disk unknown", "site healthy", "release healthy"], 5),
    ],
)
def test_a_cause_is_told_before_what_it_explains(
    bench: Bench, says: dict[str, str | FactError], expected: list[str], status: int
) -> None:
    bench.let(**({"disk": "good", "site": "good", "release": "good"} | says))
    found = bench.diagnosed(bench.write(*THREE))
    assert outline(found) == expected
    assert found.exit_status == status
    assert bench.host.sent == []


def test_what_a_run_would_help_comes_before_what_may_as_well_be_the_cause(bench: Bench) -> None:
    """Where nobody can tell which of two it is, the one with something to do is looked at first."""
    texts = [text.replace(f"file.put: {{path: {SITE}}}", "file.put: {path: /srv/other}") for text in THREE]
    bench.let(disk="good", site="bad", release=FactError("no answer"), other="good")
    assert outline(bench.diagnosed(bench.write(*texts)))[:2] == ["site faulty", "release faulty"]
    texts[2] = texts[2].replace(f"file.put: {{path: {RELEASE}}}", f"file.put: {{path: {SITE}}}")
    assert outline(bench.diagnosed(bench.write(*texts)))[:2] == ["release faulty", "site faulty"]


def test_two_that_explain_each_other_and_have_no_signs_both_stand(bench: Bench) -> None:
    bench.let(disk="bad", site="bad")
    scenarios = bench.write(playbook("disk", DISK, "explains: [site]"), playbook("site", SITE, "explains: [disk]"))
    assert outline(bench.diagnosed(scenarios)) == ["disk faulty", "site faulty"]


def test_every_question_is_asked_once_in_one_session(bench: Bench) -> None:
    asked: list[Command] = []

    def good(command: Command) -> str:
        asked.append(command)
        return "good\n"

    bench.let(disk=good, site=good, release=good)
    found = bench.diagnosed(bench.write(*THREE))
    assert {one.preview.round_trips for one in found.findings} == {1}
    assert len(asked) == len(set(asked)) == 3


def test_what_is_not_for_a_host_or_needs_more_is_left_out_and_says_why(bench: Bench) -> None:
    needs = 'inputs:\n  name: {type: text, about: "whose", required: true}'
    stages = playbook("staged", DISK).replace("healthy_when", "stages:\n- stage: one\n  healthy_when")
    stages = stages.replace("\n  - file", "\n    - file").replace("\nsteps", "\n  steps")
    app = playbook("app", "'{{ app.root }}'")
    bench.let(disk="good")
    scenarios = bench.write(playbook("needs", DISK, needs), stages, app, playbook("web", SITE, "hosts: web"))
    (found,) = look_for(
        scenarios,
        (tiny.host(),),
        catalog=CATALOG,
        transport=ScriptedTransport(bench.host),
        select=lambda pattern: [tiny.host("web2" if pattern == "web" else "web1")],
    )
    assert found.findings == ()
    left_out = dict(found.left_out)
    assert left_out["needs"] == "needs needs --set name=…: name: whose"
    assert left_out["staged"] == "it has stages, and is for a person who knows what is to follow what"
    assert left_out["web"] == "it is for web"
    assert [(one.scenario, one.missing) for one in found.unbound] == [("app", "app.root")]
    assert found.exit_status is ExitStatus.USAGE, "nothing at all was looked for"


@pytest.mark.parametrize(
    "text, unbound, status",
    [
        (playbook("app", "'{{ app.root }}'"), [("app", "app.root")], ExitStatus.WORK_FOUND),
        (playbook("odd", "'{{ vars.odd }}'"), [("odd", "")], ExitStatus.WORK_FOUND),  # given, and no path
        (playbook("web", SITE, "hosts: web"), [], ExitStatus.OK),
    ],
)
def test_a_host_is_not_well_while_what_is_meant_for_it_could_not_be_looked_for(
    bench: Bench, text: str, unbound: list[tuple[str, str]], status: ExitStatus
) -> None:
    bench.let(disk="good")
    (found,) = look_for(
        bench.write(playbook("disk", DISK), text),
        (replace(tiny.host(), variables={"odd": "no path"}),),
        catalog=CATALOG,
        transport=ScriptedTransport(bench.host),
        select=lambda pattern: [tiny.host("web2" if pattern == "web" else "web1")],
    )
    assert outline(found) == ["disk healthy"]
    assert found.exit_status is status
    assert [(one.scenario, one.missing) for one in found.unbound] == unbound


def test_a_host_that_cannot_be_reached_and_one_that_breaks_keep_no_other_from_being_told(bench: Bench) -> None:
    gone, odd = ScriptedHost("web2"), ScriptedHost("web3")
    gone.unreachable = ConnectionLost("web2: it is gone")
    odd.on_read(lambda _: True, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]  # a bug
    bench.let(disk="bad")
    found = look_for(
        bench.write(playbook("disk", DISK)),
        [tiny.host(name) for name in ("web1", "web2", "web3")],
        catalog=CATALOG,
        transport=ScriptedTransport(bench.host, gone, odd),
    )
    assert outline(found[0]) == ["disk faulty"]
    assert found[1].end == NotReached(why="web2: it is gone", is_retryable=True)
    assert isinstance(found[2].end, Crashed)
    assert [one.exit_status for one in found] == [5, 3, 70]


def test_a_script_names_hosts_as_the_command_does(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    inventory = tmp_path / "hosts/inventory.yml"
    inventory.write_text("all: {children: {web: {hosts: {web1: {}}}}}")
    bench.write(playbook("own", DISK))
    bench.host.on_read(lambda _: True, FactError("nobody knows"))  # what the shipped scenarios ask
    bench.let(disk="bad")
    catalog = Catalog(PLACES).with_classes(tiny.FileSays, tiny.PutFile, tiny.ShowFile)
    transport = ScriptedTransport(bench.host)
    playbooks = [tmp_path / "0.yml"]

    def found(hosts: str, inventory: Path | None = None) -> Diagnosis:
        (one,) = diagnose(hosts=hosts, inventory=inventory, playbooks=playbooks, catalog=catalog, transport=transport)
        return one

    for one in (found("web1", inventory), found("web1")):
        assert "own faulty" in outline(one)

    def unbound(hosts: str, inventory: Path | None = None) -> str:
        return {one.scenario: one.why for one in found(hosts, inventory).unbound}["failed-deployment-rollback"]

    assert "needs app.root, which is not given in the inventory" in unbound("web1", inventory)
    assert "this host stands in none" in unbound("web1")
    with pytest.raises(ConfigError, match="web9"):
        found("web9", inventory)
    inventory.write_text("all: {hosts: {web1: {}}}")
    left_out = dict(found("web1", inventory).left_out)
    assert left_out["application-down"] == "it is for web, which the inventory has not"


# --- a host that stands in no inventory -------------------------------------------------------------------------------

ALONE = ad_hoc_host("deploy@web1")


def test_the_one_application_that_a_host_serves_is_found_and_looked_at(bench: Bench) -> None:
    scenarios = bench.write(playbook("app", "'{{ app.root }}'"), playbook("log", "'{{ app.logs }}'"))
    bench.host.on_read(partial(_is_about, "/srv/app"), "bad\n")
    bench.host.on_read(partial(_is_about, "/srv/app/storage/logs/laravel.log"), "good\n")
    serve(bench.host, "/srv/app", says="server_name soleil.example;")
    found = bench.diagnosed(scenarios, ALONE)
    assert outline(found) == ["app faulty", "log healthy"]
    assert (found.unbound, found.not_found, found.exit_status) == ((), "", ExitStatus.WORK_FOUND)
    assert found.found == (
        ("app.root", "/srv/app"),
        ("app.user", "www-data"),
        ("app.logs", "/srv/app/storage/logs/laravel.log"),
        ("app.url", "http://soleil.example/"),
    )
    assert bench.host.sent == []


@pytest.mark.parametrize(
    "roots, why",
    [
        ([], "no application was found: nginx serves no folder public with artisan beside it"),
        (["/srv/a", "/srv/b"], "several applications were found, and none was chosen: /srv/a, /srv/b"),
    ],
)
def test_an_application_is_never_guessed(bench: Bench, roots: list[str], why: str) -> None:
    serve(bench.host, *roots)
    bench.let(disk="good")
    found = bench.diagnosed(bench.write(playbook("disk", DISK), playbook("app", "'{{ app.root }}'")), ALONE)
    assert outline(found) == ["disk healthy"]
    assert (found.found, found.not_found, found.exit_status) == ((), why, ExitStatus.WORK_FOUND)
    assert [(one.scenario, one.missing) for one in found.unbound] == [("app", "app.root")]


def test_where_no_application_can_be_looked_for_the_rest_is(bench: Bench) -> None:
    bench.host.on_read(partial(_names, "/etc/php"), "")
    bench.host.on_read(partial(_names, "/etc/nginx/sites-enabled"), FactError("grep is gone"))
    bench.let(disk="bad")
    found = bench.diagnosed(bench.write(playbook("disk", DISK)), ALONE)
    assert outline(found) == ["disk faulty"]
    assert found.not_found == "no application could be looked for: grep is gone"


def test_what_no_inventory_might_say_is_no_application(bench: Bench) -> None:
    serve(bench.host, "/srv/app")
    bench.host.on_read(partial(_names, "/etc/php"), POOL_USERS.replace("www-data", "-x").replace("$pool", "-x"))
    found = bench.diagnosed(bench.write(playbook("app", "'{{ app.root }}'")), ALONE)
    assert (found.findings, found.found, found.exit_status) == ((), (), ExitStatus.USAGE)
    assert "must be the name of a user" in found.not_found


def test_where_nobody_knows_whom_php_runs_an_application_as_none_is_taken(bench: Bench) -> None:
    serve(bench.host, "/srv/app")
    bench.host.on_read(partial(_names, "/etc/php"), FactError("grep is gone"))
    found = bench.diagnosed(bench.write(playbook("app", "'{{ app.root }}'")), ALONE)
    assert (found.findings, found.found, found.exit_status) == ((), (), ExitStatus.USAGE)
    assert found.not_found == "/srv/app was found, and not whom PHP runs it as"


def test_a_host_of_an_inventory_is_not_searched_for_applications(bench: Bench) -> None:
    bench.let(disk="good")
    found = bench.diagnosed(bench.write(playbook("disk", DISK), playbook("app", "'{{ app.root }}'")))
    assert [len(batch) for batch in bench.host.asked] == [1]
    assert (found.found, found.not_found) == ((), "")


@pytest.mark.parametrize("section", ["beyond", "healthy_when"])
def test_what_a_host_says_of_itself_is_asked_nowhere_else(bench: Bench, section: str) -> None:
    """Else a host could name an address that only this machine reaches, and have it asked."""
    catalog = Catalog.of(tiny.FileSays, tiny.PutFile, PageReached)
    reached = "  - page.reached: {page: /, url: '{{ app.url }}'}"
    text = playbook("app", DISK)
    text = text + f"beyond:\n{reached}\n" if section == "beyond" else text.replace("steps:", f"{reached}\nsteps:")
    (bench.folder / "app.yml").write_text(text)
    serve(bench.host, "/srv/app", says="server_name metadata.internal;")
    bench.let(disk="good")
    bench.host.on_read(lambda command: command.words[0] in {"date", "cat"}, FactError("no matter"))
    (found,) = look_for(
        load_scenarios([bench.folder], catalog), (ALONE,), catalog=catalog, transport=ScriptedTransport(bench.host)
    )
    assert ("app.url", "http://metadata.internal/") in found.found
    assert outline(found) == ["app healthy" if section == "beyond" else "app unknown"]
    assert not any(command.is_from_here for batch in bench.host.asked for command in batch)


def test_what_a_found_application_keeps_secret_is_hidden_as_any_other(bench: Bench) -> None:
    """Its log may hold the database's password; the session was opened without knowing that there is a .env."""
    serve(bench.host, "/srv/app", env="DB_PASSWORD=found-out-there\n")
    bench.let(app="it logs in with found-out-there")
    found = bench.diagnosed(bench.write(playbook("app", "'{{ app.root }}'")), ALONE)
    page = diagnoses_page([found], Invocation(hosts="deploy@web1"), 80).text
    assert "it logs in with" in page
    assert "found-out-there" not in page


def test_what_could_not_be_read_of_its_secrets_is_asked_for_with_the_next_batch(bench: Bench) -> None:
    serve(bench.host, "/srv/app")
    is_about_secrets = partial(_names, "/srv/app/.env")
    bench.host.on_read(is_about_secrets, FactError("no answer within 2 s"))
    bench.host.on_read(["true"], "yes")
    there = discover(ALONE, ScriptedTransport(bench.host).open(ALONE, within=Duration(1)))
    there.ask([Command(("true",))])
    bench.host.on_read(is_about_secrets, "DB_PASSWORD=read-at-last\n")
    for _ in range(2):
        assert there.ask([Command(("true",))]) == [Output(exit_status=0, stdout=b"yes")]
    asked = [any(map(is_about_secrets, batch)) for batch in bench.host.asked]
    assert asked == [False, True, True, False]
    assert redacted("read-at-last") != "read-at-last"


def test_a_host_without_inventory_is_shown_with_what_was_found_and_how_to_go_on(bench: Bench) -> None:
    serve(bench.host, "/srv/app", says="server_name soleil.example;")
    bench.let(app="bad")
    found = bench.diagnosed(bench.write(playbook("app", "'{{ app.root }}'")), ALONE)
    approve("diagnose-without-inventory", diagnoses_page([found], Invocation(hosts="deploy@web1"), 80).text)


# --- playbooks --------------------------------------------------------------------------------------------------------


def test_what_explains_a_scenario_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(playbook("disk", DISK, "explains: [sit]"))
    (tmp_path / "b.yml").write_text(playbook("site", SITE))
    with pytest.raises(UnknownName, match=r"a\.yml:6:12: unknown scenario 'sit': did you mean 'site'"):
        load_scenarios([tmp_path], CATALOG)
    problems = [str(one) for one in lint([file], CATALOG, playbooks=[tmp_path])]
    assert len(problems) == 1
    assert "unknown scenario 'sit'" in problems[0]
    assert lint([file], CATALOG) == (), "without the others nobody can tell"


@pytest.mark.parametrize("key", ["explains: [disk]", f"signs: [{{file.says: {{path: {DISK}}}}}]"])
def test_what_has_stages_is_not_diagnosed(tmp_path: Path, key: str) -> None:
    text = f"""\
scenario: disk
title: x
severity: medium
respond_within: 1 h
impact: none
{key}
stages:
  - stage: one
    healthy_when: [file.says: {{}}]
    steps: [file.put: {{}}]
"""
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(PlaybookError, match=f"what has stages is not diagnosed: leave {key.partition(':')[0]} out"):
        load_scenarios([tmp_path], CATALOG)


def test_what_is_found_is_enough_for_every_shipped_scenario(bench: Bench) -> None:
    catalog = load_catalog()
    scenarios = load_scenarios([shipped_playbooks()], catalog)
    bench.host.on_read(lambda _: True, FactError("nobody knows"))
    serve(bench.host, "/srv/app")
    (found,) = look_for(scenarios, (ALONE,), catalog=catalog, transport=ScriptedTransport(bench.host))
    assert (found.unbound, found.left_out, len(found.findings)) == ((), (), len(scenarios))


def test_every_shipped_scenario_can_be_diagnosed() -> None:
    scenarios = load_scenarios([shipped_playbooks()], load_catalog())
    assert not any(one.stages or any(given.is_required for given in one.inputs.values()) for one in scenarios.values())


# --- what a person sees -----------------------------------------------------------------------------------------------


def test_what_a_person_sees_is_what_was_approved(bench: Bench) -> None:
    scenarios = bench.write(*THREE, playbook("slow", SLOW), playbook("app", "'{{ app.root }}'"))
    bench.let(disk="good", site="bad", release=FactError("the log cannot be read"), slow=FactError("no answer"))
    one = bench.diagnosed(scenarios)
    bench.let(disk="bad", release="good", slow="good")
    two = bench.diagnosed(scenarios)
    gone = Diagnosis(host=tiny.host("web2"), end=NotReached(why="web2: it is gone", is_retryable=True))
    bench.let(disk="good", site="good")
    well = replace(bench.diagnosed(scenarios), unbound=(), left_out=(("staged", "it has stages"),))
    page = diagnoses_page([one, two, gone, well], Invocation(hosts="web", inventory="lab.yml"), 80)
    approve("diagnose", page.text)


def test_what_is_unknown_for_the_same_reason_is_told_together(bench: Bench) -> None:
    scenarios = bench.write(
        playbook("disk", DISK),
        playbook("site", SITE, f"goal:\n  - file.says: {{path: {DISK}}}"),
        playbook("release", RELEASE),
        playbook("slow", SLOW),
    )
    bench.let(disk=FactError("it is mysql"), site=FactError("no answer"), release=FactError("it is mysql"), slow="good")
    page = diagnoses_page([bench.diagnosed(scenarios)], Invocation(hosts="web1"), 80)
    assert [line for line in page.text.splitlines() if line.startswith("?")] == [
        "?  disk, site, release cannot be known: it is mysql",
        "?  site cannot be known: no answer",
    ]
    assert "found 3 unknown" in page.text


def test_what_was_not_looked_for_is_told_with_what_would_let_it_be(bench: Bench) -> None:
    scenarios = bench.write(
        playbook("disk", DISK),
        playbook("app", "'{{ app.root }}'"),
        playbook("more", "'{{ app.root }}/more'"),
        playbook("own", "'{{ vars.own }}'"),
        playbook("odd", "'{{ vars.odd }}'"),
    )
    bench.let(disk="good")
    serve(bench.host, "/srv/one", "/srv/two")
    host = replace(tiny.host(), variables={"odd": "no path"})
    listed, alone = bench.diagnosed(scenarios, host), bench.diagnosed(scenarios, replace(host, is_listed=False))
    page = diagnoses_page([listed, alone], Invocation(hosts="web1"), 80)
    approve("diagnose-not-looked-for", page.text)


def test_the_command_ends_with_what_was_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "hosts").mkdir()
    inventory = tmp_path / "hosts/inventory.yml"
    inventory.write_text("all: {hosts: {web1: {}}}")
    scenarios = bench.write(*THREE, playbook("app", "'{{ app.root }}'"))
    bench.let(disk="bad", site="good", release="good")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.setattr(verb, "chosen_scenarios", lambda _: (scenarios, CATALOG))
    monkeypatch.setattr(verb, "EachItsWay", lambda: ScriptedTransport(bench.host))
    call = ("diagnose", "--host", "web1", "--inventory", str(inventory))
    assert BY_NAME["diagnose"].example == "--host web1"

    assert cli.main(call) == ExitStatus.WORK_FOUND
    said = capsys.readouterr().out
    assert "1  disk  RED" in said
    assert f"next   soleil-remediate remediate --scenario disk --host web1 \\\n         --inventory {inventory}" in said

    assert cli.main((*call, "-o", "json")) == ExitStatus.WORK_FOUND
    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 5
    assert [one["scenario"] for one in document["hosts"][0]["findings"]] == ["disk", "site", "release"]
    assert [(one["scenario"], one["missing"]) for one in document["hosts"][0]["unbound"]] == [("app", "app.root")]
