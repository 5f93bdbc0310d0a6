"""Secrets are hidden by value, in whatever form they come, and hiding them breaks nothing that is read by programs."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soleil_remediate.clock import SystemClock
from soleil_remediate.command import Command, Output, Query, Secret
from soleil_remediate.copies import NewCopy
from soleil_remediate.errors import ExitStatus, FactError
from soleil_remediate.events import ChangeAnswered, ChangeUnanswered, RunStarted, as_data
from soleil_remediate.record import Runs
from soleil_remediate.reporters.json import error_document, list_document
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.visible import typed, visible
from soleil_remediate.secrecy import HIDDEN, REDACTOR, Redactor, keep_open, learn, redacted
from soleil_remediate.units import Duration
from tests.canaries import CANARY, FORMS, IN_LINES, found_in, fragments

#: What an import would need is gone, as for a controller who became somebody else, or whose disk fails.
WITHOUT_IMPORTS = r"""
import sys
from soleil_remediate.secrecy import learn, redacted
sys.meta_path.clear()
learn("correct-horse-\U0001f40e-battery")
print(redacted("it is correct-horse-\\ud83d\\udc0e-battery"))
"""


def test_a_secret_is_hidden_where_nothing_more_can_be_imported() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_IMPORTS], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"it is {HIDDEN}\n", "")


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_hidden_in_each_of_its_forms(form: str) -> None:
    learn(CANARY)
    written = FORMS[form](CANARY)
    told = redacted(f"before {written} behind")
    assert HIDDEN in told
    assert told.startswith("before ")
    assert told.endswith(" behind")
    assert not [part for part in fragments(written) if part in told]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed: apt-get install bash")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_secret_is_hidden_as_bash_itself_quotes_it(locale: str) -> None:
    words = ["bash", "-c", 'printf "%q" "$1"', "bash", CANARY]
    written = subprocess.run(words, capture_output=True, check=True, env={"LC_ALL": locale}, timeout=10).stdout
    learn(CANARY)
    told = redacted(written.decode())
    assert HIDDEN in told
    assert "ry/" not in told
    assert "y&z" not in told.replace("\\", "")


QUOTING: dict[str, Callable[[str], str]] = {
    "Python": repr,
    "JSON": json.dumps,
    "Python twice": lambda text: repr(repr(text)),
    "JSON of Python": lambda text: json.dumps(repr(text)),
}


@pytest.mark.parametrize("form", [form for form in FORMS if form != IN_LINES])
@pytest.mark.parametrize("quoting", QUOTING)
def test_a_secret_is_hidden_in_each_form_of_a_form(form: str, quoting: str) -> None:
    """As where an error quotes what a host said, and that error is quoted by another one."""
    learn(CANARY)
    written = QUOTING[quoting](FORMS[form](CANARY))
    told = redacted(f"before {written} behind")
    assert HIDDEN in told
    assert not [part for part in fragments(written) if part in told]


HARD = ["a back\\\tslash before", 'some \\"quoted" words', "it's 'quoted', isn't it", "two of them at its end \\\\"]


@pytest.mark.parametrize("secret", HARD)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_of_what_others_escape_with_is_hidden(secret: str, form: str) -> None:
    learn(secret)
    told = redacted(FORMS[form](secret))
    assert HIDDEN in told
    assert not [part for part in fragments(FORMS[form](secret)) if part in told]


SECRETS = st.text(
    st.characters(exclude_characters="\n\r", exclude_categories=("Cs", "Cc", "Z")), min_size=8, max_size=30
)


@settings(deadline=None, derandomize=True)
@given(secret=SECRETS, form=st.sampled_from(sorted(FORMS)), around=st.tuples(st.text(max_size=9), st.text(max_size=9)))
def test_whatever_it_consists_of_a_secret_is_hidden(secret: str, form: str, around: tuple[str, str]) -> None:
    before, behind = around
    redactor = Redactor()
    redactor.learn(secret)
    written = FORMS[form](secret)
    told = redactor.redacted(f"{before} {written} {behind}")
    assert HIDDEN in told
    assert secret not in told.replace(HIDDEN, "\0")


@settings(deadline=None, derandomize=True)
@given(secret=st.text(max_size=40), texts=st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_a_document_stays_valid_whatever_is_hidden_in_it(secret: str, texts: list[str]) -> None:
    """Not even a secret that looks like a piece of a document takes it apart: values are hidden, never the syntax."""
    learn(secret)
    document = json.loads(list_document("runs list", "runs", [{"why": text + secret} for text in texts]))
    assert [set(one) for one in document["runs"]] == [{redacted("why")}] * len(texts)
    assert document["format"] == 1


@pytest.mark.parametrize("secret", ['":"","', "}, {", "command", 'format": 1', "runs list", "\\u0022}", "exit_status"])
def test_a_secret_that_looks_like_syntax_changes_values_only(secret: str) -> None:
    learn(secret)
    document = json.loads(error_document("ping", "ConfigError", f"it is <{secret}>", ExitStatus.USAGE))
    assert document == {
        "format": 1,
        "command": "ping",
        "error": {"type": "ConfigError", "message": f"it is <{HIDDEN}>"},
        "exit_status": 2,
    }


# --- what is short, long, or of several lines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret, text, told",
    [
        ("abc", "abc", "abc"),
        ("1234567", "1234567 bytes", "1234567 bytes"),
        ("True", "it is true: True", "it is true: True"),
        ("", "nothing", "nothing"),
        ("hunter2", "as hunter2: denied", f"as {HIDDEN}: denied"),
        ("hunter2", "as 'hunter2'", f"as '{HIDDEN}'"),
        ("hunter2", "hunter22 and 1hunter2", "hunter22 and 1hunter2"),
        ("hunter22", "xhunter22x", f"x{HIDDEN}x"),
        ("12345678", "=12345678", f"={HIDDEN}"),
    ],
)
def test_a_short_secret_is_hidden_as_a_word_of_its_own_and_a_shorter_one_not_at_all(
    secret: str, text: str, told: str
) -> None:
    learn(secret)
    assert redacted(text) == told


def test_each_line_of_a_secret_is_hidden_wherever_it_stands() -> None:
    lines = ["-----BEGIN KEY-----", "bG9uZyBhbmQgc2VjcmV0", "MTIzNDU2Nzg5MDEyMzQ1"]
    learn("\n".join(lines) + "\n")
    assert redacted(f"a {lines[1]} b {lines[2]}") == f"a {HIDDEN} b {HIDDEN}"
    assert redacted("\r\n".join(lines)) == "\r\n".join([HIDDEN] * 3)


def test_a_very_long_secret_is_hidden_from_end_to_end() -> None:
    secret = "".join(f"{number:04x}" for number in range(1000))
    learn(secret)
    told = redacted(f"<{secret}>")
    assert set(told.replace(HIDDEN, "")) <= set("<>") | set(secret[-200:])
    assert len(told.replace(HIDDEN, "")) <= 202
    assert secret[-20:] not in told


def test_of_two_secrets_the_longer_is_hidden_whole() -> None:
    learn("correct-horse")
    learn("correct-horse-battery")
    assert redacted("correct-horse-battery, correct-horse") == f"{HIDDEN}, {HIDDEN}"


def test_a_row_of_backslashes_is_searched_in_no_time() -> None:
    """A pattern that can match the same row in many ways would never come to an end."""
    learn("\\" * 12 + "\"'" * 6)
    learn("\"'" * 6 + "\\" * 12)
    hostile = ("\\" * 5000 + '"') * 2 + "'" * 10_000 + "\"'" * 10_000
    began = time.thread_time()  # however many others have this machine's processors
    redacted(hostile)
    assert time.thread_time() - began < 20


def test_a_row_of_quotes_is_searched_in_no_time() -> None:
    learn("'" * 40 + "x-canary")
    began = time.thread_time()  # however many others have this machine's processors
    redacted("'" * 5000)
    assert time.thread_time() - began < 20


def test_what_a_host_calls_its_secret_makes_no_name_of_another_host_unreadable() -> None:
    with REDACTOR.apart():
        keep_open("web2.prod.example")
        REDACTOR.learn_of_host("web2.prod.example", "prod.example", "web2.prod.example:8443")
        assert redacted("web2.prod.example") == "web2.prod.example"
        assert redacted("at web2.prod.example:8443") == f"at {HIDDEN}"
        learn("web2.prod")  # what we were given ourselves is one, wherever it stands
        assert redacted("web2.prod.example") == f"{HIDDEN}.example"


# --- many secrets -----------------------------------------------------------------------------------------------------


def test_a_pattern_is_compiled_when_something_told_may_hold_its_secret_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[str] = []
    compile_ = re.compile

    def counting(pattern: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(pattern)
        return compile_(pattern, flags)

    monkeypatch.setattr(re, "compile", counting)
    redactor = Redactor()
    for host in range(50):
        redactor.learn_of_host(f"pass{host:03}word+1", f"to/ken{host:03}of", f"key{host:03}=of")
        assert redactor.redacted("what a host without any of them tells") == "what a host without any of them tells"
    assert compiled == []
    for _ in range(3):
        assert redactor.redacted("with pass007word+1 in it") == f"with {HIDDEN} in it"
    assert len(compiled) == 1


def test_a_form_is_found_behind_somebodys_backslash_though_the_two_look_like_the_end_of_a_line() -> None:
    secret = "J\u00e9r\u00f4me-canary"
    learn(secret)
    encoded = base64.b64encode(b"\0" + secret.encode()).decode()[2:21]
    assert encoded.startswith("r")
    assert HIDDEN in redacted(f"\\{encoded}")


@pytest.mark.parametrize("quoting", QUOTING)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_base64_in_lines_is_found_where_the_ends_of_its_lines_are_escaped(quoting: str, end: str) -> None:
    learn(CANARY)
    told = redacted(QUOTING[quoting](FORMS[IN_LINES](CANARY).replace("\n", end)))
    assert HIDDEN in told
    assert len(told.replace(HIDDEN, "")) < 30


AWKWARD = st.text("abnr7+/\\\n'\" \u00e9", min_size=4, max_size=12)


@settings(deadline=None, max_examples=300)
@given(
    secrets=st.lists(AWKWARD, min_size=1, max_size=6),
    told=st.lists(
        st.one_of(
            st.text("abnr7+/\\\n'\" \u00e9", max_size=6),
            st.tuples(st.integers(0, 5), st.sampled_from(sorted(FORMS)), st.integers(0, 3), st.integers(0, 3)),
        ),
        max_size=6,
    ),
)
def test_many_secrets_are_hidden_as_by_one_pattern_of_all_of_them_longest_first(
    secrets: list[str], told: list[str | tuple[int, str, int, int]]
) -> None:
    """Also where one is a part of another, where they overlap, and where only a piece of one is told."""
    redactor = Redactor()
    redactor.learn(*secrets)
    text = ""
    for one in told:
        if isinstance(one, str):
            text += one
        else:
            which, form, first, last = one
            written = FORMS[form](secrets[which % len(secrets)])
            text += written[first : len(written) - last]
    known = sorted(redactor._known, key=lambda secret: (-len(secret), secret))
    together = "|".join(form.pattern.pattern for secret in known for form in redactor._known[secret])
    assert redactor.redacted(text) == (re.sub(together, HIDDEN, text) if together else text)


# --- the sinks --------------------------------------------------------------------------------------------------------


def test_whatever_is_made_a_secret_is_hidden_from_then_on() -> None:
    assert visible("the canary-value") == "the canary-value"
    Secret("canary-value")
    assert visible("the canary-value") == f"the {HIDDEN}"


def test_no_page_shows_a_secret_not_even_cut_wrapped_or_escaped() -> None:
    learn("sécret\u202ewith controls")
    page = Page(40)
    page.prose("x" * 30 + " sécret\u202ewith controls " + "y" * 30)
    page.beside("at", "sécret\u202ewith controls", 30)
    page.table([["sécret\u202ewith controls", "b"]])
    page.line("sécret\u202ewith controls")
    assert page.text.count(HIDDEN) == 4
    assert "controls" not in page.text
    assert visible("x" * 10 + "sécret\u202ewith controls", 16) == "x" * 10 + HIDDEN[:6] + " … (2 characters more)"


def test_no_command_that_a_person_may_copy_shows_a_secret() -> None:
    learn("it's a secret")
    (line,) = typed(Command(("mysql", "-pit's a secret")))
    assert line == "mysql '-p{hidden}'" or HIDDEN in line
    assert "secret" not in line


def test_no_record_holds_a_secret_in_a_value_nor_in_a_name(tmp_path: Path) -> None:
    learn("canary/value")
    with Runs(tmp_path).begin("00c0ffee", SystemClock()) as record:
        record.write(
            RunStarted(
                run="00c0ffee",
                scenario="s",
                hosts=("canary/value",),
                operator="o",
                inputs={"canary/value": PurePosixPath("/srv/canary/value"), "x": b"canary%2fvalue"},
            )
        )
        answered = ChangeAnswered(host="h", operation="o", exit_status=0, says='"canary\\/value"', took=Duration(1))
        record.write(answered)
    text = (tmp_path / "runs" / "00c0ffee.jsonl").read_text()
    assert "canary" not in text
    assert [json.loads(line)["type"] for line in text.splitlines()[1:]] == ["RunStarted", "ChangeAnswered"]


def test_no_copys_name_holds_a_secret(tmp_path: Path) -> None:
    learn("canary-value")
    with NewCopy(tmp_path, "00c0ffee", "web1-0-1-canary-value.log") as copy:
        assert copy.path.name == "web1-0-1-_hidden_.log.gz"


class Garbage(Query[str]):
    """A question whose answer is never understood."""

    @property
    def command(self) -> Command:
        return Command(("show", "x" * 100 + "canary-value"))

    def parse(self, output: Output) -> str:
        raise ValueError(f"not {output.text}")


@pytest.mark.parametrize("length", range(380, 402))
def test_no_message_holds_a_piece_of_a_secret_wherever_it_is_cut(length: int) -> None:
    learn("canary-value")
    said = b"canary-value" + b"." * (length - 8)
    with pytest.raises(FactError) as caught:
        Garbage().answer(Output(exit_status=0, stdout=b"x" * 190 + said, stderr=said))
    shown = f"{caught.value} {caught.value.output}"
    assert "anary" not in shown
    assert "value" not in shown


def test_events_hold_no_secret_as_data() -> None:
    learn("canary-value")
    assert as_data({"a": ("canary-value", "b")}) == {"a": [HIDDEN, "b"]}


def test_what_leads_back_to_a_change_is_told_whatever_a_host_calls_its_secret() -> None:
    learn("7f3a19c2-03-00")
    event = ChangeUnanswered(host="web1", operation="7f3a19c2-03-00", why="7f3a19c2-03-00 was cut off")
    assert as_data(event) == {
        "type": "ChangeUnanswered",
        "host": "web1",
        "operation": "7f3a19c2-03-00",
        "why": f"{HIDDEN} was cut off",
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [CANARY, "soleil-secret", "ops-secret"])
def test_what_looks_for_secrets_finds_each_in_each_form_and_none_where_there_is_none(secret: str, form: str) -> None:
    written = FORMS[form](secret)
    assert f"{secret} {form}" in found_in(f"before {written} after".encode(), [secret])
    assert found_in(b"before {hidden} after", [secret]) == set()
