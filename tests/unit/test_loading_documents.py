# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soleil_remediate.errors import ConfigError, PlaybookError
from soleil_remediate.host import Origin
from soleil_remediate.loading.documents import DEPTH_LIMIT, MISTAKES_LIMIT, SIZE_LIMIT, Problems, read_document


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(content: str | bytes) -> Any:
    Path("f.yml").write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems(PlaybookError)
    node = read_document("f.yml", problems)
    problems.raise_any()
    return node.plain


SURPRISE = (
    'means different things to YAML readers: write "{}" in quotes if it is text, else the number in plain decimal'
)


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "f.yml:1:1: the file is empty"),
        (b"# nothing\n", "f.yml:1:1: the file is empty"),
        ("a: 1\na: 2\n", "f.yml:2:1: 'a' is already given at line 1: keep one of the two"),
        ("a:\n  b: 1\n  b: 2\n", "f.yml:3:3: 'b' is already given at line 2: keep one of the two"),
        ("a: &x 1\nb: *x\n", "f.yml:2:4: the alias *x is not allowed: write the value itself"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yml:3:3: merge keys (<<) are not allowed: write the values out"),
        ("a: {{ app.root }}/x\n", 'f.yml:1:5: a key is text: a value that begins with {{ or [ needs quotes, like "{{ app.root }}"'),
        ("? [a]\n: b", 'f.yml:1:3: a key is text: a value that begins with {{ or [ needs quotes, like "{{ app.root }}"'),
        ("22: x", 'f.yml:1:1: a key is text, and 22 is not: write "22" in quotes'),
        ("true: x", 'f.yml:1:1: a key is text, and true is not: write "true" in quotes'),
        ("a: 0755", f"f.yml:1:4: 0755 (an octal number, or one with a leading zero) {SURPRISE.format('0755')}"),
        ("a: 22:22", f"f.yml:1:4: 22:22 (digits with colons) {SURPRISE.format('22:22')}"),
        ("a: 190:20:30.15", f"f.yml:1:4: 190:20:30.15 (digits with colons) {SURPRISE.format('190:20:30.15')}"),
        ("a: 1_000", f"f.yml:1:4: 1_000 (digits with underscores) {SURPRISE.format('1_000')}"),
        ("a: 0b11", f"f.yml:1:4: 0b11 (a binary or hexadecimal number) {SURPRISE.format('0b11')}"),
        ("a: 0o17", f"f.yml:1:4: 0o17 (an octal number, or one with a leading zero) {SURPRISE.format('0o17')}"),
        ("a: 1e3", f"f.yml:1:4: 1e3 (a number with an exponent, or without digits before the dot) {SURPRISE.format('1e3')}"),
        ("a: .inf", "f.yml:1:4: .inf is no number anybody can use: put it in quotes if it is text"),
        ("a: .NaN", "f.yml:1:4: .NaN is no number anybody can use: put it in quotes if it is text"),
        ("a: " + "9" * 5000, f"f.yml:1:4: {'9' * 20}… is too long for a number: put it in quotes if it is text"),
        ("a: !!python/object/apply:os.system [id]", "f.yml:1:4: the tag !!python/object/apply:os.system is not allowed: write a plain value"),
        ("a: !!str 1", "f.yml:1:4: the tag !!str is not allowed: write a plain value"),
        ("a: !vault |\n  3061", "f.yml:1:4: !vault is not read here: write the secret as env:NAME or file:PATH"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3061", "f.yml:1:1: encrypted by ansible-vault, which is not read here: write secrets as env:NAME or file:PATH"),
        ("a: 1\n---\nb: 2", "f.yml:2:1: a second document begins here: one file holds one document"),
        (b"a: b\nc: \xff\n", "f.yml:2:4: the byte 0xff is not UTF-8: save the file as UTF-8"),
        ("a: ä\nb: c".encode("utf-16"), "f.yml:1:1: the byte 0xff is not UTF-8: save the file as UTF-8"),
        (b"a: b\x07\n", "f.yml:1:5: the character U+0007 cannot stand in YAML: leave it out"),
        ("a: |\n  x\nb: \x1b[31m\n", "f.yml:3:4: the character U+001B cannot stand in YAML: leave it out"),
        ('a: "\\0"', "f.yml:1:4: a NUL character cannot reach any command: leave it out"),
        ('a: "\\ud800"', "f.yml:1:4: half a character (\\uD800 to \\uDFFF) is no text: write the character itself"),
        ('a: "x\\U00110000"', "f.yml:1:8: there is no character of that number: write the character itself"),
        ("a:\n\t- b", "f.yml:2:1: a tab cannot indent: use spaces"),
        ("a: b: c", 'f.yml:1:5: a second ": " in one line: put text that holds one in quotes, or indent what belongs below'),
        ("a:\n  - 1\n b: 2", "f.yml:3:2: this does not line up with what stands above it: indent it like its neighbours"),
        ('a: "abc\nb: 2', "f.yml:2:5: a quote is opened here or above and never closed: close it"),
        ("a: [1, 2\n", "f.yml:2:1: a ',' or the closing ']' is expected here: put text that holds brackets, commas or '?' in quotes"),
        ("a: {b: c", "f.yml:1:9: a ',' or the closing '}' is expected here: put text that holds brackets, commas or '?' in quotes"),
        ("a: @x", 'f.yml:1:4: text cannot begin with @: put it in quotes, like "@…"'),
        ("a: *", "f.yml:1:5: while scanning an alias, expected alphabetic or numeric character, but found '\\x00'"),
        ("x: " + "[" * 25, f"f.yml:1:{4 + DEPTH_LIMIT - 1}: more than {DEPTH_LIMIT} levels deep: nobody could read it"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where_and_what_to_write(here: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        read(content)
    assert str(caught.value) == message


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(here: Path) -> None:
    with pytest.raises(PlaybookError) as caught:
        read("a: 0755\nb: 1\nb: 22:22\n")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["f.yml:1:4", "f.yml:3:1", "f.yml:3:4"]


def test_of_many_mistakes_the_first_hundred_are_told_and_where_the_others_begin(here: Path) -> None:
    def lines(count: int) -> list[str]:
        with pytest.raises(PlaybookError) as caught:
            read("".join(f"v{number}: 0755\n" for number in range(count)))
        return str(caught.value).splitlines()

    assert len(lines(MISTAKES_LIMIT)) == MISTAKES_LIMIT
    told = lines(MISTAKES_LIMIT + 50)
    assert len(told) == MISTAKES_LIMIT + 1
    assert told[-2].startswith("f.yml:100:6: 0755 (an octal number")
    assert told[-1] == "f.yml:101:7: more mistakes begin here, beyond these 100"


def test_mistakes_beyond_those_that_are_told_count_all_the_same() -> None:
    problems = Problems(PlaybookError)
    for number in range(1, MISTAKES_LIMIT + 1):
        problems.add(Origin("f.yml", number), "wrong")
    problems.add(Origin("f.yml", 1), "wrong")  # said already
    assert len(problems) == MISTAKES_LIMIT
    problems.add(Origin("f.yml", 200), "wrong")
    problems.unknown("name", "a", ["b"], Origin("f.yml", 300))
    assert len(problems) == MISTAKES_LIMIT + 2
    assert list(problems)[-1].origin == Origin("f.yml", 200)


def test_a_file_of_many_values_is_read_up_to_the_limit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soleil_remediate.loading.documents.VALUES_LIMIT", 1000)
    assert len(read("[" + "1," * 999 + "]")) == 999  # and the list itself
    with pytest.raises(PlaybookError, match=r"^f\.yml:1:2000: more than 1000 values in one file: split it$"):
        read("[" + "1," * 1000 + "]")


@pytest.mark.parametrize(
    "content",
    ["a: 1" + ":1" * 50_000, "? " + "1" * 50_000 + "\n: 1\n", "a: *" + "x" * 50_000, "!" + "x" * 50_000 + " a", "? " + "x" * 50_000 + "\n: 1\n? " + "x" * 50_000 + "\n: 2\n"],
    ids=["number", "key", "alias", "tag", "duplicate"],
)  # fmt: skip
def test_a_message_is_short_however_long_the_text_is_that_it_is_about(here: Path, content: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        read(content)
    assert all(len(line) < 300 for line in str(caught.value).splitlines())


def test_an_alias_bomb_is_refused_at_its_first_alias(here: Path) -> None:
    bomb = 'a: &a ["lol"]\n' + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(PlaybookError, match=r"^f\.yml:2:8: the alias \*a is not allowed"):
        read(bomb)


def test_a_file_at_the_size_limit_is_read_and_a_byte_more_is_not(here: Path) -> None:
    start = b'a: "'
    assert len(read(start + b"x" * (SIZE_LIMIT - len(start) - 1) + b'"')["a"]) == SIZE_LIMIT - 5
    with pytest.raises(PlaybookError, match=r"^f\.yml:1:1: larger than 1048576 bytes: split it$"):
        read(start + b"x" * (SIZE_LIMIT - len(start)) + b'"')


def test_values_at_the_depth_limit_are_read(here: Path) -> None:
    value: Any = read("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT)
    for _ in range(DEPTH_LIMIT - 1):
        (value,) = value
    assert value == []


@pytest.mark.parametrize("reason", ["folder", "missing", "pipe", "name"])
def test_what_is_no_plain_file_is_refused_without_waiting(here: Path, reason: str) -> None:
    match reason:
        case "folder":
            Path("f.yml").mkdir()
            expected = "f.yml:1:1: cannot be read: Is a directory"
        case "missing":
            expected = "f.yml:1:1: cannot be read: No such file or directory"
        case "pipe":
            os.mkfifo("f.yml")
            expected = "f.yml:1:1: this is not a plain file: name a YAML file"
        case _:
            Path("f.yml").symlink_to("f.yml")
            expected = "f.yml:1:1: cannot be read: Too many levels of symbolic links"
    with pytest.raises(PlaybookError) as caught:
        read_document("f.yml", Problems(PlaybookError))
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "written,value",
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("n", "n"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("0", 0), ("-12", -12), ("0x1F", 31), ("1.0e+3", 1000.0), ("1.5", 1.5), (".5", 0.5),
        ("'0755'", "0755"), ('"22:22"', "22:22"), ("'no'", "no"), ('"1"', "1"), ("'null'", "null"),
        ("2024-01-01", "2024-01-01"), ("10.0.0.1", "10.0.0.1"), ("1.2.3", "1.2.3"), ("0o_7", "0o_7"), ("08:30", "08:30"),
        ("100 MiB", "100 MiB"), ("80%", "80%"), ("a:b", "a:b"), ("/srv/x", "/srv/x"), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_values_have_the_types_of_yaml_1_2(here: Path, written: str, value: object) -> None:
    read_value = read(f"a: {written}\n")["a"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_blocks_are_text_and_a_byte_order_mark_is_not(here: Path) -> None:
    assert read("\ufeffa: |\n  0755\n  no\nb: >-\n  x\n  y\n") == {"a": "0755\nno\n", "b": "x y"}
    assert read('"<<": {a: b}\n') == {"<<": {"a": "b"}}


def test_every_value_and_key_knows_its_place(here: Path) -> None:
    Path("f.yml").write_text("a: 1\nb:\n  - x\n  - c: {d: y}\n")
    node = read_document("f.yml", Problems(PlaybookError))
    assert node.keys["b"] == Origin("f.yml", 2, 1)
    assert node.at(("b", 0)).origin == Origin("f.yml", 3, 5)
    assert node.at(("b", 1, "c", "d")).origin == Origin("f.yml", 4, 12)
    assert node.at(("b", 7, "nowhere")).origin == node.at(("b",)).origin
    assert node.at(("a", "nowhere")).origin == node.at(("a",)).origin
    assert node.at(("nowhere",)).origin == node.origin


def test_paths_are_shown_as_they_were_given(here: Path) -> None:
    Path("sub").mkdir()
    with pytest.raises(ConfigError, match=r"^\./sub/\.\./f\.yml:1:1: cannot be read"):
        read_document("./sub/../f.yml", Problems(ConfigError))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


class Unaliased(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


Unaliased.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(value=st.dictionaries(TEXT, VALUES, min_size=1, max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_a_yaml_1_1_writer_wrote_in_quotes_is_read_back_alike(here: Path, value: dict[str, Any]) -> None:
    written = yaml.dump(value, Dumper=Unaliased, allow_unicode=True, sort_keys=False)
    assert read(written) == value


@given(text=st.text("0123456789_:.xobeE+-afnIN", min_size=1, max_size=7))
@settings(max_examples=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_looks_like_a_number_is_what_ansible_reads_in_it_or_refused(here: Path, text: str) -> None:
    try:
        mine = read(f"a: {text}")["a"]
        theirs = yaml.safe_load(f"a: {text}")["a"]
    except (PlaybookError, yaml.YAMLError, ValueError):
        return
    if not isinstance(theirs, dt.date | bool):  # texts here: 2024-01-01, no
        assert (mine, type(mine)) == (theirs, type(theirs))


@given(content=st.binary(max_size=200) | st.text("ab:-[]{}&*!<>|?%@'\"#, \n\t01.", max_size=60).map(str.encode))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_file_holds_it_is_read_or_refused_with_its_place(here: Path, content: bytes) -> None:
    told = ""
    try:
        read(content)
    except PlaybookError as error:
        told = str(error)
    assert all(line.startswith("f.yml:") for line in told.splitlines())
