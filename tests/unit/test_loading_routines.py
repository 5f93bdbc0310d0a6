"""Routines as files: what they may say, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.errors import ConfigError, PlaybookError
from soleil_remediate.host import Origin
from soleil_remediate.loading import lint, load_routines, shipped_playbooks
from soleil_remediate.scenario import Duty, Use
from soleil_remediate.units import Duration
from tests import tiny

CATALOG = Catalog.of(tiny.FileSays, tiny.PutFile, tiny.ShowFile)
GOOD = """\
routine: nightly
title: Nightly checks
hosts: web
inputs:
  path: {type: path, about: Which file}
checks:
  - file.says: {path: "{{ inputs.path }}"}
    only_with: [path]
  - file.put: {path: /srv/other}
duties:
  - duty: read-the-logs
    what: Read the logs
    every: 7 d
"""


def write(folder: Path, text: str, name: str = "nightly.yml") -> Path:
    (folder / "routines").mkdir(exist_ok=True)
    file = folder / "routines" / name
    file.write_text(text)
    return file


def test_a_routine_has_checks_and_duties(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    (routine,) = load_routines([tmp_path], CATALOG).values()
    assert (routine.name, routine.title, routine.hosts) == ("nightly", "Nightly checks", "web")
    assert [use.kind for use in routine.checks] == ["file.says", "file.put"]
    assert routine.checks[0].only_with == ("path",)
    assert isinstance(routine.checks[0], Use)
    assert routine.duties == (Duty(name="read-the-logs", what="Read the logs", every=Duration(7 * 86400)),)
    assert routine.hosts_origin == Origin(str(file), 3, 8)


def test_folders_of_playbooks_without_routines_have_none(tmp_path: Path) -> None:
    assert load_routines([tmp_path], CATALOG) == {}


def test_the_shipped_ones_are_those_of_the_runbook() -> None:
    found = load_routines([shipped_playbooks()], load_catalog())
    assert sorted(found) == ["daily", "monthly", "weekly"]


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("routine: nightly", "routine: Nightly", "1:10: routine must be a name such as disk-full"),
        ("checks:", "chekcs:", "did you mean 'checks'?"),
        ("file.put:", "file.pt:", "did you mean 'file.put'?"),
        ("file.put: {path: /srv/other}", "file.show: {path: /srv/other}", "file.show is a look: checks takes"),
        ("    only_with: [path]\n", "", "when path is not given"),
        ("only_with: [path]", "only_with: [path]\n    always: true", "always belongs to steps"),
        ("every: 7 d", "every: 7", "duties[1].every: 7 has no unit"),
        (
            "    every: 7 d\n",
            "    every: 7 d\n  - {duty: read-the-logs, what: Again, every: 1 d}\n",
            "14:12: there is a duty 'read-the-logs' already",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigError) as raised:
        load_routines([tmp_path], CATALOG)
    assert told in str(raised.value)
    (problem,) = lint([file], CATALOG)
    assert told in str(problem)
    assert lint([tmp_path], CATALOG) == (problem,)


def test_a_routine_that_looks_at_nothing_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "routine: nightly\ntitle: Nothing\n")
    with pytest.raises(PlaybookError, match="looks at nothing"):
        load_routines([tmp_path], CATALOG)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "zz.yml")
    with pytest.raises(PlaybookError, match=r"'nightly' is already in .*nightly.yml:1:1"):
        load_routines([tmp_path], CATALOG)
