"""What every PHP text of ours that speaks to an application's database does."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import soleil_remediate.facts
import soleil_remediate.tasks

#: What stands in each of them and calls nothing.
_DEFINED = re.compile(r"^function (connect_within|time_limits|within_limits)\(.*?^}$", re.MULTILINE | re.DOTALL)


def _texts() -> dict[str, str]:
    """Every whole PHP text of the product that connects to a database, by its module and name."""
    found = {}
    for package in (soleil_remediate.facts, soleil_remediate.tasks):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, str) and value.startswith("<?php\n") and '["db"]' in value:
                    found[f"{module.name.removeprefix('soleil_remediate.')}.{name}"] = value
    return {name: text for name, text in found.items() if not any(_begins(text, one) for one in found.values())}


def _begins(text: str, other: str) -> bool:
    return text != other and other.startswith(text)


TEXTS = _texts()


def test_the_texts_that_connect_are_found() -> None:
    assert {"facts.failed_jobs._FAILED", "facts.queues._COUNT", "tasks.failed_jobs.RETRY"} <= set(TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_a_database_knows_us_by_name_and_neither_keeps_us_waiting_nor_others_because_of_us(name: str) -> None:
    text = TEXTS[name]
    for bound in ("PGAPPNAME=soleil-remediate", "PDO::ATTR_TIMEOUT", "statement_timeout", "lock_timeout"):
        assert bound in text
    called = _DEFINED.sub("", text)
    assert "connect_within(" in called
    assert re.search(r"\b(time|within)_limits\(", called)
