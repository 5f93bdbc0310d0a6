"""On a GitHub runner what a host says is never a command, ours are escaped as the toolkit does, a summary is HTML."""

from __future__ import annotations

import base64
import io
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TextIO, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import RunEnded, RunStarted
from soleil_remediate.host_outcomes import Fixed, HostOutcome, MaybeChanged, NotFixed, NotReached, Refusal
from soleil_remediate.report import RunReport
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.github import (
    ActionsLog,
    GitHubReporter,
    annotate,
    annotate_error,
    command,
    settled,
    summary,
    write_summary,
)
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.visible import inert
from soleil_remediate.scenario import ForPeople
from soleil_remediate.secrecy import HIDDEN, learn
from tests.unit.reporters import samples
from tests.unit.reporters.actions_runner import Command, obeyed
from tests.unit.reporters.samples import (
    AGAIN,
    RUN,
    SCENARIO,
    StillClock,
    case,
    fixed_report,
    preview,
    report,
    warned_report,
)
from tests.unit.reporters.test_junit import SECRET, outcome_of

FORGED = (
    "::error::the site is fine",
    "  ::stop-commands::x",
    "\t::add-mask::e",
    "\u3000::warning file=a,line=1::b",
    "\u034f::error::x",
    ":\u034f:error::x",
    "::\u034ferror::x",
    "text ##[error]x",
    "##[stop-commands]x",
    "#\u034f#[add-mask]x",
    "a\n::error::b",
    "a\r::error::b",
    "::::error::x",
    ":::error::x",
    "Illuminate\\Foo::error::bar",
)


class Log(io.StringIO):
    """What a runner is given on standard output, which is made safe as the command line makes it."""

    @contextmanager
    def heard(self) -> Iterator[TextIO]:
        with redirect_stdout(ActionsLog(self)):
            yield sys.stdout


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message, title, line",
    [
        ("plain", "web1: FIXED", "::error title=web1%3A FIXED::plain\n"),
        ("50 %\r\nof a::b, c", "a,b:c%\r\n", "::error title=a%2Cb%3Ac%25%0D%0A::50 %25%0D%0Aof a::b, c\n"),
        ("%0A%25", "%3A", "::error title=%253A::%250A%2525\n"),
    ],
)
def test_a_command_is_escaped_as_the_toolkit_does_and_read_back_as_it_was(message: str, title: str, line: str) -> None:
    log = Log()
    with log.heard():
        command("error", message, title=title)
    assert log.getvalue() == line
    assert obeyed(line) == [Command("error", message, {"title": title})]


def test_a_command_without_properties_has_no_blank() -> None:
    log = Log()
    with log.heard():
        command("endgroup")
    assert log.getvalue() == "::endgroup::\n"


@settings(deadline=None)  # a loaded machine is no mistake
@given(text=st.sampled_from(FORGED) | st.text(st.characters(codec=None)))
def test_no_text_is_a_command_whoever_wrote_it(text: str) -> None:
    beneath = io.StringIO()
    written = ActionsLog(beneath)
    for character in f"{text}\n{text}":  # however it comes in pieces
        written.write(character)
    written.finish()
    assert obeyed(beneath.getvalue()) == []


@pytest.mark.parametrize("text", FORGED)
def test_without_that_it_would_have_been_one(text: str) -> None:
    assert obeyed(text) or text.startswith(("::::", ":::e", "Illuminate"))


@pytest.mark.parametrize("text", ["listen [::]:80", "Foo::bar()", "a: b", "# title", "##", "[1]", "", "é : x"])
def test_text_that_is_no_command_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_what_would_be_a_command_can_still_be_read() -> None:
    assert inert("  ::error::x ##[debug]y") == "  \\x3a:error::x \\x23#[debug]y"


def test_lines_pass_on_when_they_are_whole() -> None:
    beneath = io.StringIO()
    log = ActionsLog(beneath)
    log.write("one\n:")
    assert beneath.getvalue() == "one\n"
    log.write(":error::x")
    log.finish()
    assert beneath.getvalue() == "one\n\\x3a:error::x"


# --- a run ------------------------------------------------------------------------------------------------------------


def told(report: RunReport) -> list[Command]:
    log = Log()
    with log.heard():
        annotate(report)
    return obeyed(log.getvalue())


def test_a_run_is_a_group_that_folds_with_its_end_below_it() -> None:
    log = Log()
    with log.heard() as stdout:
        screen = Screen(stdout, is_terminal=False)
        reporter = GitHubReporter(ConsoleReporter(screen, cases=[case()], again=AGAIN, clock=StillClock()))
        reporter(RunStarted(run=RUN, scenario="disk-full", hosts=("web1",), operator="ci@runner", inputs={}))
        reporter(RunEnded(report=RunReport(run=RUN, scenario="disk-full", hosts=(fixed_report(),))))
    assert obeyed(log.getvalue()) == [Command("group", "disk-full on web1"), Command("endgroup", "")]
    folded, shown = log.getvalue().split("::endgroup::\n")
    assert folded == "::group::disk-full on web1\n"
    assert "FIXED  web1" in shown


@pytest.mark.parametrize("kind", get_args(HostOutcome))
def test_every_end_is_an_annotation_as_grave_as_its_exit_status(kind: type) -> None:
    outcome = outcome_of(kind, "why::not, 50 %")
    (one,) = told(RunReport(run=RUN, scenario="disk-full", hosts=(report(outcome),)))
    levels = {ExitStatus.OK: "notice", ExitStatus.EASED: "warning", ExitStatus.WORK_FOUND: "warning"}
    assert one == Command(
        levels.get(outcome.exit_status, "error"),
        "why::not, 50 %",
        {"title": f"web1: {outcome.word} (disk-full)"},
    )


def test_what_a_change_warns_of_makes_a_good_end_a_warning() -> None:
    warned = RunReport(run=RUN, scenario="disk-full", hosts=(warned_report("without a config cache"),))
    (one,) = told(warned)
    assert (one.name, one.properties) == ("warning", {"title": "web1: FIXED (disk-full)"})
    assert one.message.endswith("; without a config cache")
    assert "WARNING   without a config cache" in summary(warned, SCENARIO, AGAIN, is_dry=False)


def test_no_more_annotations_than_github_shows_and_none_of_the_hosts_unnamed() -> None:
    gone = [report(NotReached(why="no answer", is_retryable=True), name=f"web{n}") for n in range(1, 31)]
    unknown = report(MaybeChanged(why="web99 MAY have been changed", operation="o"), name="web99")
    found = told(RunReport(run=RUN, scenario="disk-full", hosts=(*gone, unknown, fixed_report())))
    errors = [one for one in found if one.name == "error"]
    assert len(errors) == 10
    assert errors[0].properties == {"title": "web99: UNKNOWN (disk-full)"}
    assert errors[-1].properties == {"title": "22 hosts more: UNREACHABLE"}
    assert errors[-1].message.split() == [f"web{n}" for n in range(9, 31)]
    assert [one.properties["title"] for one in found if one.name == "notice"] == ["web1: FIXED (disk-full)"]


def test_an_error_ends_the_group_and_is_an_annotation() -> None:
    log = Log()
    with log.heard():
        annotate_error("UnknownName", "unknown host 'wbe1'\n::error::x\x1b")
    assert obeyed(log.getvalue()) == [
        Command("endgroup", ""),
        Command("error", "unknown host 'wbe1'\n::error::x\\x1b", {"title": "UnknownName"}),
    ]


@pytest.mark.parametrize("text", FORGED)
def test_what_a_host_says_forges_nothing_in_a_whole_run(text: str) -> None:
    forging = replace(samples.host(), name=text)
    ended = report(NotFixed(why=f"{'x ' * 35}{text}"), seen=preview())  # wrapped so that it begins a line
    ended = replace(ended, host=forging)
    run = RunReport(run=RUN, scenario="disk-full", hosts=(ended,))
    log = Log()
    with log.heard() as stdout:
        screen = Screen(stdout, is_terminal=False)
        ConsoleReporter(screen, cases=[case()], again=AGAIN, clock=StillClock())(RunEnded(report=run))
    assert obeyed(log.getvalue()) == []
    assert [one.name for one in told(run)] == ["error"]


# --- the summary ------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Which elements a browser would see, and the text in them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert all(name == "colspan" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    tags.close()
    return tags


def test_the_summary_of_what_is_settled_says_what_is_left_to_people() -> None:
    left = ForPeople.of([case()])
    run = RunReport(run=RUN, scenario="disk-full", hosts=(fixed_report(),), for_people=left)
    shown = read(settled(run, ExitStatus.OK)).text
    assert "OPEN      for people" in shown
    assert "  answer  Which log grew, and why?\n  by hand See what fills it: du" in shown
    assert "OPEN" not in settled(replace(run, for_people=ForPeople()), ExitStatus.OK)


def test_the_summary_says_what_is_left_to_people_on_a_host() -> None:
    host = report(NotFixed(why="no step eases it"), seen=preview())
    run = RunReport(run=RUN, scenario="disk-full", hosts=(host,), for_people=ForPeople.of([case()]))
    assert "  answer  Which log grew, and why?" in read(summary(run, SCENARIO, AGAIN, is_dry=False)).text


def test_the_summary_is_a_table_and_what_to_type_next() -> None:
    refused = report(Refusal(why="the policy allows disk-full up to gentle"), name="web2", seen=preview("web2"))
    run = RunReport(run=RUN, scenario="disk-full", hosts=(fixed_report(), refused))
    text = summary(run, SCENARIO, AGAIN, is_dry=False)
    shown = read(text).text
    assert "remediate disk-full: exit 4" in shown
    assert shown.index("web2DECLINED0the policy allows") < shown.index("web1FIXED1")
    assert "next    invoke remediate --scenario disk-full --host web1 \\\n" in shown
    assert f"invoke runs.show {RUN}" in shown
    assert "runs.show" not in read(summary(run, SCENARIO, AGAIN, is_dry=True)).text


HOSTILE = (
    "</pre><script>x</script>",
    "</table>",
    "[a](http://b)",
    "\n\n# title",
    "|",
    "`",
    "<img src=x>",
    "&lt;",
    "\x1b",
)


@settings(deadline=None)  # a loaded machine is no mistake
@given(text=st.sampled_from(HOSTILE) | st.text(st.characters(codec=None)))
def test_what_a_host_says_is_only_text_in_the_summary(text: str) -> None:
    hosts = (
        replace(report(NotFixed(why=text), seen=preview()), host=replace(samples.host(), name=text)),
        report(Fixed(why=text), name="web2", seen=preview("web2")),
    )
    written = summary(RunReport(run=RUN, scenario="disk-full", hosts=hosts), SCENARIO, AGAIN, is_dry=False)
    assert set(read(written).tags) == {"h3", "table", "tr", "th", "td", "pre"}
    blocks = list(html_blocks(written))
    assert [block.split(">")[0] for block in blocks] == ["<h3", "<table", "<pre", "<pre"]
    written.encode()


def html_blocks(text: str) -> Iterator[str]:
    """Return the blocks of HTML, in which Markdown means nothing (CommonMark 0.31, 4.6); nothing else may be there.

    ``<pre`` begins one that ends with ``</pre>``; the others end at an empty line.
    """
    lines = text.split("\n")
    while lines:
        first = lines.pop(0)
        if not first:
            continue
        assert first.startswith(("<pre>", "<h3>", "<table>")), first
        block = [first]
        while ("</pre>" not in block[-1]) if first.startswith("<pre>") else (lines and lines[0]):
            block.append(lines.pop(0))
        yield "\n".join(block)


def test_a_summary_never_grows_beyond_what_github_takes() -> None:
    hosts = tuple(report(NotFixed(why="é" * 1000), name=f"web{n}") for n in range(1000))
    written = summary(RunReport(run=RUN, scenario="disk-full", hosts=hosts), SCENARIO, AGAIN, is_dry=False)
    assert len(written.encode()) < 2**20
    assert "hosts more" in written


def test_the_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    file, log = tmp_path / "summary.md", Log()
    file.write_text("before\n")
    with log.heard():
        write_summary("after é\n", {"GITHUB_STEP_SUMMARY": str(file)})
        write_summary("nowhere", {})
    assert file.read_text() == "before\nafter é\n"
    assert log.getvalue() == ""


def test_a_summary_that_cannot_be_written_is_a_warning_and_no_more(tmp_path: Path) -> None:
    log = Log()
    with log.heard():
        write_summary("x", {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    (warning,) = obeyed(log.getvalue())
    assert warning.name == "warning"
    assert warning.message == "the job's summary could not be written: Is a directory"


def test_no_secret_is_told_in_annotations_nor_in_the_summary() -> None:
    learn(SECRET)
    for said in (SECRET, "\n".join(textwrap.wrap(base64.b64encode(f"u:{SECRET}".encode()).decode(), 11))):
        host = replace(report(NotFixed(why=said), seen=preview()), host=replace(samples.host(), name=said))
        run, log = RunReport(run=RUN, scenario="disk-full", hosts=(host,)), Log()
        with log.heard():
            annotate(run)
            annotate_error("Bug", said)
        for written in (log.getvalue(), summary(run, SCENARIO, AGAIN, is_dry=False)):
            assert HIDDEN in written
            assert not [part for part in [SECRET, *said.split("\n")[1:-1]] if part in written]
