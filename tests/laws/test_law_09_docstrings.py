"""Law 9: the Args of a docstring are the fields, its first line says what the kind does, and the reference is fresh."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from scripts.reference import PAGE, reference
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog
from soleil_remediate.task import Reading
from tests.laws.samples import KINDS

CATALOG = Catalog.of(*KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_argument_is_explained_and_nothing_else(kind: type[Reading[Any]]) -> None:
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # every kind is one
    assert list(CATALOG.kind(kind.kind)._about) == fields
    assert all(argument.about.endswith(".") for argument in CATALOG.kind(kind.kind).arguments.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_first_line_says_what_it_does_in_one_sentence(kind: type[Reading[Any]]) -> None:
    summary = CATALOG.kind(kind.kind).summary
    assert summary.endswith(".")
    assert summary[0].isupper()
    assert summary.split()[0].isalpha()


def test_the_generated_reference_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(Catalog(PLACES)), "run scripts/generate"
