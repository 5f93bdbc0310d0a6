from __future__ import annotations

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.incidents import Incident, ReadIncident, refuse_unless_incident
from tests.unit.facts.answers import said


def test_an_incident_is_open_where_the_mark_says_so_and_nowhere_else() -> None:
    assert ReadIncident().answer(said("d\t\n")) is None
    found = ReadIncident().answer(said("d\t\nl\tINC-42@1795974223\n"))
    assert found == Incident(name="INC-42", since=0)
    assert found is not None
    assert found.since == 1795974223


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d\t\nf\t\n",
        "d\t\nl\t/etc/passwd\n",
        "d\t\nl\tINC-42\n",
        "d\t\nl\tINC-42@x\n",
        "d\t\nl\ta b@1\n",
        "l\tA@1\n",
    ],
)
def test_a_mark_that_says_something_else_is_not_taken_for_none(text: str) -> None:
    with pytest.raises(FactError):
        ReadIncident().answer(said(text))


def test_a_folder_that_cannot_be_searched_is_no_answer() -> None:
    with pytest.raises(FactError, match="Permission denied"):
        ReadIncident().answer(said("d\t\n", stderr="find: /var/lib: Permission denied\n"))


@pytest.mark.parametrize("name", ["INC-42", "a", "2026.01_x", "x" * 32])
def test_names_of_incidents(name: str) -> None:
    refuse_unless_incident(name)


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a@1", "a/b", "x" * 33, "ä", "a\n", "$(id)"])
def test_what_is_no_name_of_an_incident(name: str) -> None:
    with pytest.raises(ValueError, match="no incident's name"):
        refuse_unless_incident(name)
