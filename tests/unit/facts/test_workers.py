from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.workers import Program, ReadPrograms
from tests.unit.facts.answers import said

CONF = "/etc/supervisor/conf.d/"


def lines(*files: tuple[str, str]) -> str:
    return "".join(f"{CONF}{name}\0{line}\n" for name, text in files for line in text.splitlines())


def test_programs_are_those_of_an_application_by_their_command_or_their_folder() -> None:
    text = lines(
        ("a.conf", "[program:soleil-worker]\ncommand=php /srv/soleil/current/artisan queue:work"),
        ("b.conf", "[program:horizon]\n  command = php artisan horizon\ndirectory=/srv/soleil/current"),
        ("c.conf", "[program:other]\ncommand=php /srv/soleil2/current/artisan queue:work"),
        ("cc.conf", "command=/srv/soleil/current/x"),  # of no program
        ("d.conf", "[group:all]\ncommand=/srv/soleil/x"),
        ("f.conf", "[program:$(touch x)]\ncommand=/srv/soleil/x"),
    )
    found = ReadPrograms().answer(said(text))
    assert [one.name for one in found] == ["soleil-worker", "horizon", "other"]
    assert [one.name for one in found if one.is_of(Path("/srv/soleil"))] == ["soleil-worker", "horizon"]
    assert found[1] == Program(name="horizon", runs=("php artisan horizon", "/srv/soleil/current"))


def test_without_supervisor_there_are_none() -> None:
    gone = "grep: /etc/supervisor/conf.d: No such file or directory\n"
    assert ReadPrograms().answer(said(status=2, stderr=gone)) == ()
    assert ReadPrograms().answer(said(status=1)) == ()


@pytest.mark.parametrize(
    "text, status, stderr",
    [
        ("no line of it\n", 0, ""),
        (f"{CONF}a.conf\0user=root\n", 0, ""),
        ("", 2, ""),
        ("", 0, "grep: x: Input/output error\n"),
        ("", 2, "grep: /etc/supervisor/conf.d/a.conf: Permission denied\n"),
    ],
)
def test_what_cannot_be_read_is_no_answer(text: str, status: int, stderr: str) -> None:
    with pytest.raises(FactError):
        ReadPrograms().answer(said(text, status=status, stderr=stderr))
