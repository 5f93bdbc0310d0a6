"""``resume`` as it is typed: what counts from the run before, what is told, and how it ends."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import cli, fleet
from soleil_remediate.cli import choosing, remediating, resuming
from soleil_remediate.cli.call import Call
from soleil_remediate.errors import ConnectionLost, ConnectionRefused, ExitStatus
from soleil_remediate.events import Called, HostEnded, RunStarted
from soleil_remediate.freezing import Switch
from soleil_remediate.gates import PolicyGate
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import HostOutcome, NotNeeded, Refusal
from soleil_remediate.loading import ad_hoc_host, shipped_playbooks
from soleil_remediate.record import Runs
from soleil_remediate.remediation import open_remediation
from soleil_remediate.report import HostReport
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.scenario import Case, Input, Stage
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import MiB, Percent
from tests import tiny
from tests.unit.reporters import junit_schema
from tests.unit.reporters.actions_runner import obeyed

DECLARED = {
    "release": Input(type="text", about="which", origin=tiny.ORIGIN),
    "keep": Input(type="size", about="how much", default=MiB(1), origin=tiny.ORIGIN),
    "limit": Input(type="percent", about="how much", default=Percent(80), origin=tiny.ORIGIN),
}
INVENTORY = "all: {hosts: {web1: {}, web2: {}}}\n"


@dataclass
class Night:
    """Two scripted hosts, and a run on them that was killed when it had sent its first change, which the first got."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    hosts: list[ScriptedHost] = field(default_factory=lambda: [tiny.scripted("web1"), tiny.scripted("web2")])
    inputs: dict[str, Any] = field(default_factory=lambda: {"release": "r 41", "keep": MiB(64), "limit": Percent(80)})
    run: str = ""
    pattern: str = "all"
    stages: tuple[Stage, ...] = ()

    @property
    def inventory(self) -> Path:
        return self.folder / "production.yml"

    @property
    def runs(self) -> Runs:
        return Runs(self.folder / "state" / "soleil-remediate")

    def transport(self) -> ScriptedTransport:
        return ScriptedTransport(*self.hosts)

    def cases(self, _: object, hosts: Sequence[Host], __: object) -> tuple[Case, ...]:
        cases = (tiny.case(on=tiny.host(host.name), inputs=self.inputs) for host in hosts)
        more: dict[str, Any] = {"inputs": DECLARED, "hosts": self.pattern, "stages": self.stages}
        return tuple(
            replace(one, scenario=replace(one.scenario, **more), questions=("Why was it so?",)) for one in cases
        )

    def kill(self, *names: str) -> None:
        self.run = fleet.remediate(
            self.cases(None, [tiny.host(name) for name in names or ("web1", "web2")], None),
            transport=self.transport(),
            gate=PolicyGate(says_yes=True),
            runs=self.runs,
            called=Called(inventory=str(self.inventory)),
        ).run
        self.cut("ChangeIntended")
        tiny.say(self.hosts[1], "bad")

    def cut(self, last: str) -> None:
        """Leave of the record what stands up to the first line of that type."""
        path = self.runs.folder / "runs" / f"{self.run}.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: next(n for n, one in enumerate(lines) if last in one) + 1]))

    def resume(self, *words: str) -> tuple[int, str, str]:
        status = cli.main(["resume", self.run, "--yes", *words])
        said = self.capsys.readouterr()
        return status, " ".join(said.out.split()), " ".join(said.err.split())

    def document(self, *words: str) -> tuple[int, dict[str, Any]]:
        status = cli.main(["resume", self.run, "--yes", "-o", "json", *words])
        return status, json.loads(self.capsys.readouterr().out)

    @property
    def sent(self) -> list[int]:
        return [len(host.sent) for host in self.hosts]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Night:
    one = Night(tmp_path, capsys)
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    one.inventory.write_text(INVENTORY)
    monkeypatch.setattr(resuming, "EachItsWay", one.transport)
    monkeypatch.setattr(remediating, "EachItsWay", one.transport)
    monkeypatch.setattr(resuming, "bound_cases", one.cases)  # the tiny scenario stands in no playbook
    monkeypatch.setattr(Terminal, "open", lambda *_: None)  # nobody is asked, wherever this runs
    one.kill()
    return one


@pytest.mark.parametrize("says", ["bad", "good"])
def test_what_is_left_to_people_is_told_of_a_run_that_is_resumed(night: Night, says: str) -> None:
    tiny.say(night.hosts[1], says)
    _, document = night.document()
    whole = document["resumed"] if says == "bad" else document  # where nothing is left to do it is the whole document
    (asked,) = whole["for_people"]["questions"]
    assert asked["text"] == "Why was it so?"
    assert asked["hosts"] == (["web1", "web2"] if says == "bad" else ["web1"])
    if says == "bad":
        (again,) = document["for_people"]["questions"]
        assert again["hosts"] == document["resumed"]["left"]


def test_what_is_left_is_done_where_all_the_rest_ended_well(night: Night) -> None:
    status, out, err = night.resume()
    assert (status, err) == (ExitStatus.OK, "")
    assert "FIXED web1" in out
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


def test_a_host_that_did_not_end_well_keeps_the_rest_from_being_begun(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    status, out, _ = night.resume()
    assert "not tried: web1 ended UNREACHABLE. Nothing was sent to any host" in out
    assert "add --max-fail 1" in out
    assert status == ExitStatus.UNREACHABLE
    assert night.sent == [1, 1]
    status, out, _ = night.resume("--max-fail", "1")
    assert status == ExitStatus.UNREACHABLE
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


def test_the_address_at_which_a_host_was_not_reached_stands_behind_its_name(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionRefused("web1 (jan@10.0.0.1:22): Connection refused")
    _, out, _ = night.resume("--dry-run")
    assert "UNREACHABLE web1 · exit 3 web1 (jan@10.0.0.1:22): Connection refused" in out


def test_a_frozen_inventory_does_not_hide_how_the_other_hosts_ended(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    Switch(inventory=night.inventory).freeze("eva", tiny.Clock().now(), "a deploy")
    status, out, err = night.resume()
    assert "UNREACHABLE web1" in out
    assert err.startswith("frozen by eva since ")
    assert status == ExitStatus.UNREACHABLE
    assert night.sent == [1, 1]


def test_the_commands_that_it_prints_have_what_the_run_was_given(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    _, out, _ = night.resume()
    command = out[out.index("next soleil-remediate remediate") :].replace(" \\ ", " ")  # however long its lines are
    assert "--scenario tiny --host web2" in command
    assert "--set 'release=r 41' --set 'keep=67108864 B'" in command
    assert "limit" not in command, "it is what the playbook has anyway"


# --- hosts that have left the inventory -------------------------------------------------------------------------------


def test_a_host_that_left_the_inventory_is_not_resumed_and_the_others_are(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    status, out, err = night.resume("--max-fail", "1")
    assert (status, err) == (ExitStatus.UNKNOWN, "")
    assert "NOT RESUMED web1 · UNKNOWN · exit 7" in out
    assert "Of web1 there is only what the record says: not in the inventory" in out
    assert "any more" not in out, "whether it ever was in this one stands nowhere"
    assert f"exit 7 MAY have been changed: operation {night.run}-00-00 has no answer" in out
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


def test_the_command_that_goes_on_has_what_this_call_gave_itself(night: Night) -> None:
    """The record knows another inventory, and the host would not be back in that one."""
    other = night.folder / "other.yml"
    other.write_text("all: {hosts: {web2: {}}}\n")
    _, out, _ = night.resume("--inventory", str(other), "--max-fail", "1")
    assert f"next soleil-remediate resume {night.run} --inventory {other} --max-fail 1" in out.replace("\\ ", "")


def test_the_last_word_is_what_the_process_ends_with(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    status, out, _ = night.resume("--max-fail", "1")
    assert "exit 0" in out, "that of the hosts which were gone on with"
    assert out.endswith(f"with what became of the others in run {night.run}: exit {int(status)}")


def test_a_host_that_left_the_inventory_with_a_change_unknown_counts_as_failed(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    status, out, _ = night.resume()
    assert status == ExitStatus.UNKNOWN
    assert "not tried: web1 ended UNKNOWN. Nothing was sent to any host" in out
    assert "add --max-fail 1" in out
    assert night.sent == [1, 1]


def test_a_host_that_is_back_in_the_inventory_is_asked_again(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    night.resume("--max-fail", "1")
    history = night.runs.history(night.run)
    assert history.is_to_be_resumed
    assert [change.host for change in history.open_changes] == ["web1"]
    night.inventory.write_text(INVENTORY)
    status, out, _ = night.resume()
    assert status == ExitStatus.OK
    assert "FIXED web1" in out


def test_a_host_that_left_the_inventory_untouched_keeps_nobody_from_going_on(night: Night) -> None:
    night.cut("GateAnswered")
    tiny.say(night.hosts[0], "bad")
    night.inventory.write_text("all: {hosts: {web1: {}}}\n")
    status, out, _ = night.resume()
    assert "NOT RESUMED web2 · NOT FIXED · exit 1" in out
    assert "nothing was sent to it" in out
    assert "FIXED web1" in out
    assert status == ExitStatus.NOT_FIXED, "how it stands is not known"
    assert night.sent == [2, 1]


def test_what_the_record_says_of_a_host_that_left_the_inventory_is_told_as_it_stands(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    night.resume("--dry-run")
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    status, out, _ = night.resume()
    assert "NOT RESUMED web1 · UNREACHABLE · exit 3 is silent" in out
    assert "FIXED web2" in out
    assert status == ExitStatus.UNREACHABLE


def test_where_every_host_left_the_inventory_nothing_is_written_and_the_record_speaks(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web3: {}}}\n")
    before = night.runs.read(night.run)
    status, out, _ = night.resume()
    assert status == ExitStatus.UNKNOWN
    assert "NOT RESUMED web1 · UNKNOWN · exit 7" in out
    assert "NOT RESUMED web2 · NOT FIXED · exit 1" in out
    assert night.runs.read(night.run) == before
    assert night.sent == [1, 1]


def test_a_program_reads_which_hosts_left_the_inventory(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    _, document = night.document("--dry-run")
    assert [(one["host"], one["verdict"], one["exit_status"]) for one in document["gone"]] == [("web1", "UNKNOWN", 7)]
    assert [one["host"] for one in document["hosts"]] == ["web2"]
    assert [(one["host"], one["found"]) for one in document["changes"]] == [("web1", None)]
    assert (document["left"], document["exit_status"]) == (["web2"], 7)


def test_a_playbooks_scenario_is_bound_to_the_hosts_that_are_still_there(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "bound_cases", choosing.bound_cases)
    app = "{name: soleil, root: /srv/soleil/current, user: www-data, logs: [/srv/laravel.log]}"
    night.inventory.write_text(f"all: {{vars: {{app: {app}}}, hosts: {{web2: {{}}}}}}\n")
    night.hosts[1].unreachable = ConnectionLost("web2 is silent")
    with night.runs.begin("0123abcd", tiny.Clock()) as record:
        record.write(
            RunStarted(
                run="0123abcd",
                scenario="disk-full",
                hosts=("web1", "web2"),
                operator="eva@laptop",
                inputs={},
                called=Called(inventory=str(night.inventory)),
            )
        )
    night.run = "0123abcd"
    status, out, err = night.resume()
    assert (status, err) == (ExitStatus.NOT_FIXED, "")
    assert "UNREACHABLE web2 · exit 3" in out
    assert "NOT RESUMED web1 · NOT FIXED · exit 1 nothing was sent to it" in out


# --- a host that stood in no inventory --------------------------------------------------------------------------------


def looked_at(night: Night, *, ended: HostOutcome | None = None) -> None:
    """Let the run be one that only looked at a host outside of every inventory."""
    called = choosing.called(Call(verb="remediate", given={"host": "jan@web1:2222"}))
    night.run = "0123abcd"
    with night.runs.begin(night.run, tiny.Clock()) as record:
        record.write(
            RunStarted(
                run=night.run,
                scenario="disk-full",
                hosts=("web1:2222",),
                operator="eva@laptop",
                inputs={"mount": "/srv", "target": 80.0},
                called=called,
            )
        )
        if ended is not None:
            record.write(HostEnded(report=HostReport(host=ad_hoc_host("jan@web1:2222"), outcome=ended)))


@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize("ended", [None, Refusal(why="it stands in no inventory")])
def test_a_run_that_could_only_look_says_that_nothing_is_left_to_ask_about(
    night: Night, ended: HostOutcome | None, is_listed: bool
) -> None:
    looked_at(night, ended=ended)
    words = ("--inventory", str(night.inventory)) if is_listed else ()
    status, out, err = night.resume(*words)
    assert (status, out) == (ExitStatus.USAGE, "")
    assert err == (
        "there is nothing to resume: jan@web1:2222 stood in no inventory, so run 0123abcd only looked at it and sent "
        "nothing. To repair it, list it in an inventory, then: soleil-remediate remediate --scenario disk-full --host "
        f"web1 --inventory {night.inventory if is_listed else 'FILE'} --set mount=/srv"
    )
    assert night.sent == [1, 1]


def test_a_run_that_could_only_look_and_found_nothing_wrong_is_over(night: Night) -> None:
    looked_at(night, ended=NotNeeded(why="/srv 27 %"))
    assert night.resume() == (0, "nothing is left of run 0123abcd: every host of it ended NOT NEEDED", "")


def opened(night: Night, host: str, inventory: Path | None) -> None:
    """Let the run be one that was begun from Python, on a host that is silent, with a playbook that is not shipped."""
    text = (shipped_playbooks() / "disk-full.yml").read_text()
    text = re.sub(r"^aliases: .*$", "", text, flags=re.MULTILINE).replace(
        "scenario: disk-full", "scenario: disk-fuller"
    )
    (night.folder / "more.yml").write_text(text)
    silent = tiny.scripted(host)
    silent.unreachable = ConnectionLost("nobody answers")
    one = open_remediation(
        scenario="disk-fuller",
        hosts=host if inventory else f"jan@{host}",
        inventory=inventory,
        playbooks=iter([night.folder / "more.yml"]),
        transport=ScriptedTransport(silent),
    )
    night.run = one.remediate(gate=PolicyGate(says_yes=True), runs=night.runs).run


def test_a_run_from_python_that_could_only_look_is_not_told_as_of_a_host_that_left_the_inventory(night: Night) -> None:
    opened(night, "web1:2222", None)
    status, out, err = night.resume("--inventory", str(night.inventory))
    assert (status, out) == (ExitStatus.USAGE, "")
    assert err.startswith("there is nothing to resume: jan@web1:2222 stood in no inventory")


def test_a_run_from_python_is_resumed_with_its_own_inventory_and_playbooks(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "bound_cases", choosing.bound_cases)
    app = "{name: soleil, root: /srv/soleil/current, user: www-data, logs: [/srv/laravel.log]}"
    night.inventory.write_text(f"all: {{vars: {{app: {app}}}, hosts: {{web1: {{}}}}}}\n")
    monkeypatch.chdir(night.folder)
    opened(night, "web1", Path(night.inventory.name))
    monkeypatch.chdir("/")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    status, out, err = night.resume()
    assert (status, err) == (ExitStatus.UNREACHABLE, "")
    assert "UNREACHABLE web1 · exit 3" in out
    assert night.runs.history(night.run).started["called"]["playbooks"] == [str(night.folder / "more.yml")]


def test_hosts_of_an_inventory_are_not_noted_as_being_in_none(night: Night) -> None:
    given = {"inventory": str(night.inventory), "host": "web1"}
    assert choosing.called(Call(verb="remediate", given=given)) == Called(inventory=str(night.inventory))


# --- hosts that the playbook is not for any more ----------------------------------------------------------------------


def test_a_host_that_the_playbook_is_not_for_any_more_is_looked_at_and_left_alone(night: Night) -> None:
    night.pattern = "web1"
    status, out, err = night.resume()
    assert (status, err) == (ExitStatus.NOT_FIXED, "")
    assert "FIXED web1" in out
    assert (
        "NOT FIXED web2 · exit 1 /srv/one says bad; left alone: tiny is for web1, and web2 is not among them, unlike "
        "when that run began. To go on there, name the playbook or the inventory as it was then"
    ) in out
    assert night.sent == [1, 1]


def test_it_is_asked_all_the_same_what_became_of_its_change(night: Night) -> None:
    night.pattern = "web2"
    status, document = night.document()
    assert status == ExitStatus.OK
    assert [(one["host"], one["found"]) for one in document["resumed"]["changes"]] == [("web1", "done")]
    assert ends(document["resumed"]["hosts"])["web1"] == ("FIXED", 0)
    assert night.sent == [1, 2]


def test_changed_and_still_at_fault_it_counts_as_failed(night: Night) -> None:
    night.pattern = "web2"
    tiny.say(night.hosts[0], "bad")
    _, out, _ = night.resume()
    assert "left alone: tiny is for web2, and web1 is not among them" in out
    assert "not tried: web1 ended NOT FIXED" in out
    assert night.sent == [1, 1]
    _, out, _ = night.resume("--max-fail", "1")
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


def test_left_alone_untouched_it_keeps_nobody_from_going_on(night: Night) -> None:
    night.cut("GateAnswered")
    night.pattern = "web2"
    tiny.say(night.hosts[0], "bad")
    status, out, _ = night.resume()
    assert status == ExitStatus.NOT_FIXED
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


# --- where the scenario cannot be bound as things are -----------------------------------------------------------------


def test_where_a_group_has_another_name_now_the_hosts_are_asked_all_the_same_and_then_it_is_refused(
    night: Night,
) -> None:
    night.pattern = "webservers"
    status, out, err = night.resume()
    assert f"web1 {night.run}-00-00 let /srv/one say good it was made, once, and succeeded" in out
    assert "UNPROVEN web1 · exit 1 it was changed, and whether that helped is not known: it was not looked at" in out
    assert f"Once that is mended: next soleil-remediate resume {night.run}" in out
    assert "unknown host or group 'webservers'" in err
    assert status == ExitStatus.NOT_FIXED
    assert night.sent == [1, 1]


def test_once_that_is_mended_the_run_is_resumed_and_nothing_is_asked_again(night: Night) -> None:
    night.pattern = "webservers"
    night.resume()
    history = night.runs.history(night.run)
    assert (history.open_changes, history.open_hosts, history.is_to_be_resumed) == ((), ("web1", "web2"), True)
    night.pattern = "all"
    status, out, err = night.resume()
    assert (status, err) == (ExitStatus.OK, "")
    assert "FIXED web1" in out
    assert "FIXED web2" in out
    assert night.sent == [1, 2]


def test_a_change_that_was_never_begun_was_not_sent_and_a_lost_one_may_have_been_made(night: Night) -> None:
    night.pattern = "webservers"
    night.hosts[0]._operations.clear()
    _, document = night.document()
    (host,) = document["resumed"]["hosts"]
    assert host["verdict"] == "NOT FIXED"
    assert host["why"] == "nothing was sent to it, and how it stands is not known: it was not looked at again"
    night.cut("ChangeIntended")
    night.hosts[0].restart()
    _, document = night.document()
    (host,) = document["resumed"]["hosts"]
    assert host["verdict"] == "UNPROVEN"
    assert host["why"] == "it may have been changed, and whether that helped is not known: it was not looked at again"


def test_a_host_that_cannot_be_asked_either_is_unknown(night: Night) -> None:
    night.pattern = "webservers"
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    status, document = night.document()
    assert status == document["exit_status"] == ExitStatus.UNKNOWN
    assert document["error"]["type"] == "UnknownName"
    assert ends(document["resumed"]["hosts"]) == {"web1": ("UNKNOWN", 7)}


def test_whatever_keeps_it_from_being_bound_the_hosts_are_asked_first(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "bound_cases", choosing.bound_cases)  # no playbook has the tiny scenario
    status, out, err = night.resume("--dry-run")
    assert f"web1 {night.run}-00-00 let /srv/one say good it was made, once, and succeeded" in out
    assert err.startswith("unknown scenario 'tiny'")
    assert status == ExitStatus.NOT_FIXED


def test_where_no_change_is_open_it_is_refused_with_no_host_asked_and_nothing_written(night: Night) -> None:
    night.cut("GateAnswered")
    night.pattern = "wbe*"
    before = night.runs.read(night.run)
    status, out, err = night.resume()
    assert (status, out) == (ExitStatus.USAGE, "")
    assert "'wbe*' matches no host or group" in err
    assert night.runs.read(night.run) == before


def test_hosts_that_are_not_in_the_inventory_are_told_beside_it(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web1: {}}}\n")
    night.pattern = "webservers"
    _, document = night.document()
    assert ends(document["resumed"]["gone"]) == {"web2": ("NOT FIXED", 1)}
    assert ends(document["resumed"]["hosts"]) == {"web1": ("UNPROVEN", 1)}


# --- what a program reads ---------------------------------------------------------------------------------------------


def ends(hosts: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    return {one["host"]: (one["verdict"], one["exit_status"]) for one in hosts}


def test_a_program_reads_how_the_hosts_ended_that_the_new_run_is_not_about(night: Night) -> None:
    status, document = night.document()
    assert status == document["exit_status"] == ExitStatus.OK
    assert ends(document["hosts"]) == {"web2": ("FIXED", 0)}
    resumed = document["resumed"]
    assert resumed["run"] == night.run != document["run"]
    assert ends(resumed["hosts"]) == {"web1": ("FIXED", 0), "web2": ("NOT FIXED", 1)}
    assert [(one["host"], one["found"]) for one in resumed["changes"]] == [("web1", "done")]
    assert resumed["left"] == ["web2"]


def test_the_document_ends_with_what_the_process_ends_with(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    status, document = night.document("--max-fail", "1")
    assert status == document["exit_status"] == ExitStatus.UNREACHABLE
    assert ends(document["hosts"]) == {"web2": ("FIXED", 0)}
    assert ends(document["resumed"]["hosts"])["web1"] == ("UNREACHABLE", 3)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_program_reads_how_the_hosts_ended_that_were_settled_before(night: Night, words: tuple[str, ...]) -> None:
    night.resume("--dry-run")  # web1 is settled by this one, and web2 is left
    _, document = night.document(*words)
    resumed = document if words else document["resumed"]
    assert ends(resumed["settled"]) == {"web1": ("FIXED", 0)}
    assert ends(resumed["hosts"]) == {"web2": ("NOT FIXED", 1)}


def test_where_every_host_ended_well_a_program_reads_how(night: Night) -> None:
    tiny.say(night.hosts[1], "good")
    night.resume()
    status, document = night.document()
    assert (status, document["hosts"]) == (ExitStatus.OK, [])
    assert ends(document["settled"]) == {"web1": ("FIXED", 0), "web2": ("NOT NEEDED", 0)}


def test_a_host_whose_goal_was_missed_counts_also_where_nothing_is_left(night: Night) -> None:
    tiny.say(night.hosts[1], "good")
    night.resume()
    record = night.runs.folder / "runs" / f"{night.run}.jsonl"
    record.write_text(record.read_text().replace('"verdict":"FIXED"', '"verdict":"EASED"'))
    status, out, _ = night.resume()
    assert (status, out) == (
        ExitStatus.EASED,
        f"nothing is left of run {night.run}: every host of it ended EASED or NOT NEEDED",
    )


def test_a_program_reads_how_the_hosts_ended_where_the_new_run_is_refused(night: Night) -> None:
    Switch(inventory=night.inventory).freeze("eva", tiny.Clock().now(), "a deploy")
    status, document = night.document()
    assert status == document["exit_status"] == ExitStatus.DECLINED
    assert document["error"]["type"] == "Frozen"
    assert ends(document["resumed"]["hosts"])["web1"] == ("FIXED", 0)


# --- what a build server reads ----------------------------------------------------------------------------------------


def suites(night: Night, *words: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Return of each host its verdict, the run that it is told of, and whether its suite is red."""
    status = cli.main(["resume", night.run, "--yes", "-o", "junit", *words])
    found = {}
    for suite in junit_schema.parsed(night.capsys.readouterr().out):
        told = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
        red = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
        of_run = "this" if told.get("run") == night.run else "another" if "run" in told else "none"
        found[suite.attrib["name"]] = (told.get("verdict", "none"), of_run, "red" if red else "green")
    return status, found


def test_every_host_has_a_suite_whichever_of_the_two_runs_it_is_told_of(night: Night) -> None:
    assert suites(night) == (
        ExitStatus.OK,
        {"web1": ("FIXED", "this", "green"), "web2": ("FIXED", "another", "green")},
    )


def test_where_nothing_is_gone_on_with_every_suite_is_of_the_run_that_was(night: Night) -> None:
    once = {"web1": ("FIXED", "this", "green"), "web2": ("NOT FIXED", "this", "red")}
    assert suites(night, "--dry-run") == (ExitStatus.NOT_FIXED, once)
    tiny.say(night.hosts[1], "good")
    over = {"web1": ("FIXED", "this", "green"), "web2": ("NOT NEEDED", "this", "green")}
    assert suites(night) == (ExitStatus.OK, over)
    assert suites(night) == (ExitStatus.OK, over)


def test_a_host_that_did_not_end_well_is_a_red_suite_though_the_new_run_is_not_about_it(night: Night) -> None:
    night.cut("GateAnswered")
    night.hosts[0].unreachable = ConnectionLost("web1 is silent")
    assert suites(night, "--max-fail", "1") == (
        ExitStatus.UNREACHABLE,
        {"web1": ("UNREACHABLE", "this", "red"), "web2": ("FIXED", "another", "green")},
    )


def test_hosts_that_left_the_inventory_and_a_run_that_is_refused_have_suites_too(night: Night) -> None:
    night.inventory.write_text("all: {hosts: {web2: {}}}\n")
    Switch(inventory=night.inventory).freeze("eva", tiny.Clock().now(), "a deploy")
    assert suites(night) == (
        ExitStatus.UNKNOWN,
        {
            "web1": ("UNKNOWN", "this", "red"),
            "web2": ("NOT FIXED", "this", "red"),
            "soleil-remediate": ("none", "none", "red"),
        },
    )


def test_a_runner_gets_an_annotation_for_every_host_and_a_summary_of_both_runs(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = night.folder / "summary.html"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert cli.main(["resume", night.run, "--yes", "-o", "github"]) == ExitStatus.OK
    out = night.capsys.readouterr().out
    assert [one.properties["title"] for one in obeyed(out) if one.name == "notice"] == [
        "web1: FIXED (tiny)",
        "web2: FIXED (tiny)",
    ]
    text = summary.read_text()
    first, second = (
        text.index(f"<h3>resume {night.run} (tiny): exit 0</h3>"),
        text.index("<h3>remediate tiny: exit 0</h3>"),
    )
    assert first < text.index("<td>web1</td>") < second < text.index("<td>web2</td>")
    assert "nothing was sent" not in text[:second], "its change was sent by the run before"


def test_a_runner_is_told_where_nothing_is_gone_on_with_and_where_the_new_run_is_refused(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = night.folder / "summary.html"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    cli.main(["resume", night.run, "--dry-run", "-o", "github"])
    told = [(one.name, one.properties["title"]) for one in obeyed(night.capsys.readouterr().out)]
    assert told == [("error", "web2: NOT FIXED (tiny)"), ("notice", "web1: FIXED (tiny)")]
    Switch(inventory=night.inventory).freeze("eva", tiny.Clock().now(), "a deploy")
    assert cli.main(["resume", night.run, "-o", "github"]) == ExitStatus.DECLINED
    told = [(one.name, one.properties.get("title", "")) for one in obeyed(night.capsys.readouterr().out)]
    assert told == [
        ("endgroup", ""),
        ("error", "Frozen"),
        ("error", "web2: NOT FIXED (tiny)"),
        ("notice", "web1: FIXED (tiny)"),
    ]
    assert summary.read_text().count("<h3>resume") == 2
    assert f"<h3>resume {night.run} (tiny): exit 4</h3>" in summary.read_text(), "as the process ends"


# --- stages -----------------------------------------------------------------------------------------------------------


def test_the_commands_of_a_run_with_stages_name_the_hosts_of_all_of_them(night: Night) -> None:
    """A run does all stages or none, whichever of them is left."""
    night.stages = tuple(Stage(name=name, hosts="all", origin=tiny.ORIGIN) for name in ("stop", "start"))
    tiny.say(night.hosts[0], "bad")
    night.kill("web1#stop", "web2#start")
    assert cli.main(["resume", night.run, "--approve", "0123456789ab"]) == ExitStatus.DECLINED
    out = " ".join(night.capsys.readouterr().out.split())
    assert "stage 2 of 2" in out
    assert "FIXED web1#stop" in out
    command = out[out.rindex("next soleil-remediate") :]
    assert "--scenario tiny --host web1:web2" in command


def test_a_host_in_a_stage_is_gone_where_the_inventory_knows_it_no_more(tmp_path: Path) -> None:
    inventory = tmp_path / "production.yml"
    inventory.write_text(INVENTORY)
    call = Call(verb="resume", given={"inventory": str(inventory)})
    hosts, gone = choosing.recorded_hosts(call, ("web1#restart", "web9#restart", "web2", "web8"))
    assert [(host.name, host.listed_name) for host in hosts] == [("web1#restart", "web1"), ("web2", "web2")]
    assert gone == ("web9#restart", "web8")
