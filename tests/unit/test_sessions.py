"""How sessions on a page are read and compared: figures may differ, nothing else may."""

from __future__ import annotations

import pytest

from tests.lab.sessions import Exchange, File, as_it_stands_now, is_as_shown, steps

PAGE = """\
Some words.

```console
$ one --option
said
> web1
done
$ two
```

```yaml
# folder/hosts.yml
all: {}
```

```yaml
steps: []
```

```sh
not-run
```
"""


def test_a_page_is_commands_answers_and_files_in_order() -> None:
    assert list(steps(PAGE)) == [
        Exchange(command="one --option", shown="said\n> web1\ndone\n", typed=("web1",)),
        Exchange(command="two", shown="", typed=()),
        File(name="folder/hosts.yml", text="# folder/hosts.yml\nall: {}\n"),
    ]


@pytest.mark.parametrize(
    "expected, actual",
    [
        ("run 64409fa9 · looked 0.4 s", "run c3e530f4 · looked 12 s"),
        ("run 64409fa9", "run edbcecae"),
        ("run 64409fa9", "run 12345678"),
        ("289 MiB, 2.2 MiB as gzip", "1.5 GiB, 900 KiB as gzip"),
        ("grew by 8.5 GiB/min", "grew by 32 MiB/h"),
        ("full in about 2 d", "full in about 8 h 57 min"),
        ("13:42:01  at 2026-11-25", "09:00:59  at 2027-01-01"),
        ("sha256 12f22787c1142b4b…", "sha256 4f1a3eb5a77db9d0…"),
        ("shows SHA256:Toi+k/E, and", "shows SHA256:Zqq7, and"),
        ("locked for root@vm (x)", "locked for root@build-7.local (x)"),
        ("a line that\nis wrapped", "a line that is\n    wrapped"),
        ("first\n…\nlast", "first\nsecond\nthird\nlast"),
        ("first\n…\nlast", "first\nlast"),
        ("…", ""),
        ("", ""),
    ],
)
def test_figures_wrapping_and_what_is_left_out_may_differ(expected: str, actual: str) -> None:
    assert is_as_shown(expected, actual)


@pytest.mark.parametrize(
    "expected, actual",
    [
        ("FIXED  web1", "NOT FIXED  web1"),
        ("nothing was sent", "something was sent"),
        ("289 MiB", "289 minutes"),
        ("deploy@web1.example", "deploy@web2.example.org"),
        ("first\n…\nlast", "first\nsecond"),
        ("first\nlast", "first\nsecond\nlast"),
        ("", "said"),
        ("said", ""),
        ("why. not?", "why, notx"),
    ],
)
def test_nothing_else_may(expected: str, actual: str) -> None:
    assert not is_as_shown(expected, actual)


@pytest.mark.parametrize(
    "old, new, stands",
    [
        ("took 1 s\n…\nbye\n", "took 2 s\nlong\nstory\nbye\nthen\n", "took 1 s\n…\nbye\nthen\n"),
        ("took 1 s\n…\nold\nbye\n", "took 2 s\nlong\nstory\nnew\nbye\n", "took 1 s\n…\nnew\nbye\n"),
        ("old\n…\nbye\n", "new\nlong\nstory\nbye\n", "new\n…\nbye\n"),
        ("took 1 s\n…\nbye\n", "took 2 s\nbye\n", "took 1 s\n…\nbye\n"),
        ("", "said\n", "said\n"),
    ],
)
def test_what_is_approved_keeps_the_old_figures_and_what_was_left_out(old: str, new: str, stands: str) -> None:
    assert as_it_stands_now(old, new) == stands
    assert is_as_shown(stands, new)


def test_what_is_approved_calls_a_run_by_one_name_throughout() -> None:
    old = "run 64409fa9 began\nshow 64409fa9\n"
    new = "run c3e530f4 began\nruns show c3e530f4\n"
    assert as_it_stands_now(old, new) == "run 64409fa9 began\nruns show 64409fa9\n"
