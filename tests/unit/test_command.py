"""What may be said to a host, and the three outcomes of a question: a value, an explicit absence, or a FactError."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from soleil_remediate.command import Command, Output, Query, Reader, Secret
from soleil_remediate.errors import FactError
from soleil_remediate.events import as_data
from soleil_remediate.look import look
from soleil_remediate.plan import Change, Risk, Undo
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True)
class CountLines(Query[int]):
    path: str = "/x"

    @property
    def command(self) -> Command:
        return Command(("wc", "-l", self.path))

    def parse(self, output: Output) -> int:
        return int(output.text.split()[0])


@dataclass(frozen=True, slots=True)
class FindLine(Query[str | None]):
    """grep's 1 is an answer: the line is not there."""

    expects: ClassVar[frozenset[int]] = frozenset({0, 1})
    empty_is: ClassVar[str | None] = "no such line; grep's exit status says that it ran"

    @property
    def command(self) -> Command:
        return Command(("grep", "x", "/y"))

    def parse(self, output: Output) -> str | None:
        return output.text.strip() if output.exit_status == 0 else None


@dataclass(frozen=True, slots=True)
class Share(Query[float]):
    """Divides by what the host said."""

    @property
    def command(self) -> Command:
        return Command(("df",))

    def parse(self, output: Output) -> float:
        used, total = output.text.split()
        return int(used) / int(total)


# --- what a command may be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("",), ("", "x")])
def test_a_command_names_a_program(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names a program"):
        Command(words)


@pytest.mark.parametrize("words", [("a\0b",), ("ls", "x\0"), ("ls", "\0" * 65536)])
def test_no_word_holds_a_nul(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="NUL") as caught:
        Command(words)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("user", ["", "-x", "a\0b", "a b", "a\nb", "a:b"])
def test_a_user_that_is_none_is_refused_and_never_means_root(user: str) -> None:
    with pytest.raises(ValueError, match="user"):
        Command(("id",), user=user)


@pytest.mark.parametrize("user", ["www-data", "root", "_apt", "jan.de-vries", "user$"])
def test_a_users_name_is_taken_as_it_is(user: str) -> None:
    assert Command(("id",), user=user).user == user


def test_every_command_has_a_deadline() -> None:
    with pytest.raises(ValueError, match="deadline"):
        Command(("id",), deadline=Duration(0))
    assert Command(("id",)).deadline == 2


@pytest.mark.parametrize(
    "words, user, typed",
    [
        (("df", "-P", "/srv"), None, "df -P /srv"),
        (("cat", "a b", "$(id)", "'"), None, """cat 'a b' '$(id)' ''"'"''"""),
        (("php", "artisan"), "www-data", "sudo -u www-data php artisan"),
    ],
)
def test_a_command_is_shown_as_a_person_would_type_it(words: tuple[str, ...], user: str | None, typed: str) -> None:
    assert str(Command(words, user=user)) == typed


# --- secrets ----------------------------------------------------------------------------------------------------------

CANARY = "s3cr3t-canary"


def test_a_secret_stands_nowhere_a_person_or_a_file_could_show_it() -> None:
    secret = Secret(CANARY)
    command = Command(("psql",), stdin=secret)
    change = Change(summary="s", command=command, risk=Risk.GENTLE, undo=Undo.by(command, "so"), before="b", after="a")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        "%s" % secret,  # noqa: UP031  # each way of formatting is another way out
        repr(command),
        str(command),
        repr(change),
        repr(replace(command, deadline=Duration(9))),
        str(as_data(change)),
        str(as_data({"secret": secret})),
        repr(copy.copy(command)),
        str(vars(type(secret))),
    ]
    assert not [text for text in shown if CANARY in text]
    assert secret.reveal() == CANARY


def test_two_secrets_of_the_same_text_are_not_the_same_question() -> None:
    assert Command(("psql",), stdin=Secret("x")) != Command(("psql",), stdin=Secret("x"))


# --- the three outcomes of a question ---------------------------------------------------------------------------------


def test_an_answer_is_a_value() -> None:
    assert CountLines().answer(Output(exit_status=0, stdout=b"3 /x\n")) == 3


def test_an_expected_status_without_output_is_an_explicit_absence() -> None:
    assert FindLine().answer(Output(exit_status=1)) is None
    assert FindLine().answer(Output(exit_status=0, stdout=b"x 1\n")) == "x 1"


@pytest.mark.parametrize(
    "query, output, why",
    [
        (CountLines(), Output(exit_status=127, stderr=b"sh: wc: not found"), "wc is not there: sh: wc: not found"),
        (CountLines(), Output(exit_status=126, stderr=b"Permission denied"), "exit status 126: Permission denied"),
        (CountLines(), Output(exit_status=124), "no answer within 2 s"),
        (CountLines(), Output(exit_status=1, stderr=b"wc: /x: No such file"), "exit status 1: wc: /x: No such file"),
        (CountLines(), Output(exit_status=255), "exit status 255"),
        (CountLines(), Output(exit_status=137), "exit status 137"),
        (CountLines(), Output(exit_status=0), "no output"),
        (CountLines(), Output(exit_status=0, stderr=b"sh: fork: retry"), "no output: sh: fork: retry"),
        (CountLines(), Output(exit_status=0, stdout=b"\n"), "cannot be read"),
        (CountLines(), Output(exit_status=0, stdout=b"garbage"), "cannot be read"),
        (CountLines(), Output(exit_status=0, stdout=b"\xff\xfe"), "cannot be read"),
        (CountLines(), Output(exit_status=0, stdout=b"3 /x\n", cut=1), "more than 1 MiB of output"),
        (CountLines(), Output(exit_status=0, stdout=b"9" * 5000 + b" /x"), "cannot be read"),
        (Share(), Output(exit_status=0, stdout=b"0 0"), "cannot be read"),  # ZeroDivisionError
        (Share(), Output(exit_status=0, stdout=b"1" + b"0" * 4000 + b" 3"), "cannot be read"),  # OverflowError
        (FindLine(), Output(exit_status=2, stderr=b"grep: /y: Is a directory"), "exit status 2"),
        (FindLine(), Output(exit_status=127), "grep is not there"),
        (
            CountLines(),
            Output(exit_status=127, stderr=b"wc: error while loading shared libraries: libc.so.6: failed to map"),
            "wc cannot be started: wc: error while loading shared libraries",
        ),
        (FindLine(), Output(exit_status=124), "no answer within"),
    ],
)
def test_what_says_nothing_reliable_is_a_fact_error_and_never_a_default(
    query: Query[Any], output: Output, why: str
) -> None:
    with pytest.raises(FactError) as caught:
        query.answer(output)
    assert why in str(caught.value)
    assert caught.value.command == str(query.command)


def test_a_bug_in_a_parser_is_not_blamed_on_the_host() -> None:
    @dataclass(frozen=True)
    class Broken(CountLines):
        def parse(self, output: Output) -> int:
            raise TypeError("a bug")

    with pytest.raises(TypeError):
        Broken().answer(Output(exit_status=0, stdout=b"x"))


def test_the_message_of_a_fact_error_is_bounded_whatever_the_host_said() -> None:
    with pytest.raises(FactError) as caught:
        CountLines("/" + "a" * 65536).answer(Output(exit_status=3, stdout=b"x" * 10**6, stderr=b"e" * 10**6))
    assert len(str(caught.value)) < 1000
    assert len(caught.value.output) <= 400


def test_bytes_that_are_not_utf_8_are_kept_readable_and_none_is_lost() -> None:
    output = Output(exit_status=0, stdout=b"a\xff\xc3\xa4", stderr=b"\xfe")
    assert (output.text, output.error_text) == ("a\\xffä", "\\xfe")


# --- asking -----------------------------------------------------------------------------------------------------------


class Host:
    """Answers ``wc -l /N`` with N, and counts the batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        self.batches.append([str(command) for command in commands])
        return [self._answer(command) for command in commands]

    @staticmethod
    def _answer(command: Command) -> Output | FactError:
        number = command.words[-1].strip("/")
        if number == "gone":
            return FactError("the connection was cut")
        return Output(exit_status=0, stdout=number.encode())


async def _one(host: Reader, path: str) -> int:
    return await host.ask(CountLines(path))


async def _all(host: Reader, *paths: str) -> tuple[int, ...]:
    a, b = paths
    return await host.ask_all(CountLines(a), CountLines(b))


async def _each(host: Reader, *paths: str) -> tuple[int | FactError, ...]:
    return await host.ask_each([CountLines(path) for path in paths])


def test_one_question_gets_one_answer() -> None:
    assert look([_one(Reader(), "/7")], Host().ask) == [7]


def test_independent_questions_of_all_reads_travel_in_one_batch_and_the_same_is_asked_once() -> None:
    host = Host()
    results = look([_all(Reader(), "/1", "/2"), _each(Reader(), "/2", "/3"), _one(Reader(), "/1")], host.ask)
    assert results == [(1, 2), (2, 3), 1]
    assert host.batches == [["wc -l /1", "wc -l /2", "wc -l /3"]]


def test_the_first_failure_of_questions_asked_together_is_raised() -> None:
    (result,) = look([_all(Reader(), "/1", "/nonsense")], Host().ask)
    assert isinstance(result, FactError)
    assert "cannot be read" in str(result)


def test_each_question_asked_for_itself_fails_for_itself() -> None:
    (result,) = look([_each(Reader(), "/1", "/nonsense", "/gone", "/4")], Host().ask)
    assert [type(one) for one in result] == [int, FactError, FactError, int]
    assert str(result[2]) == "the connection was cut"


def test_asking_nothing_is_answered_with_nothing() -> None:
    assert look([_each(Reader())], Host().ask) == [()]


def test_a_read_may_catch_what_could_not_be_known_and_say_so_itself() -> None:
    async def careful(host: Reader) -> str:
        try:
            return str(await host.ask(CountLines("/gone")))
        except FactError as error:
            return f"unknown: {error}"

    assert look([careful(Reader())], Host().ask) == ["unknown: the connection was cut"]


def test_a_reader_can_be_asked_and_nothing_else() -> None:
    assert {name for name in dir(Reader) if not name.startswith("_")} == {"ask", "ask_all", "ask_each"}
