"""Records of runs, as a person reads them: also those that end before their run did."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate.copies import NewCopy
from soleil_remediate.history import Ending, History, RunSummary
from soleil_remediate.record import Runs
from soleil_remediate.reporters.records import run_page, runs_page
from tests import tiny
from tests.unit import recorded
from tests.unit.reporters.approved import approve
from tests.unit.reporters.samples import RUN


def kept(folder: Path, *, until: int | None = None, cut: int = 0) -> Runs:
    """Keep the record of that run, and cut so many bytes off its end."""
    runs = Runs(folder)
    with runs.begin(RUN, tiny.Clock()) as record:
        for event in recorded.events(until=until):
            record.write(event)
    path = runs.folder / "runs" / f"{RUN}.jsonl"
    path.write_bytes(path.read_bytes()[: -cut or None])
    return runs


def shown(runs: Runs, *, is_verbose: bool = False) -> str:
    """Return the page, without what depends on the time zone."""
    page = run_page(runs.history(RUN), {}, 80, is_verbose=is_verbose).text
    page = re.sub(r"\d\d:\d\d:\d\d", "03:14:15", page)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2031-05-06 03:14", page)


def test_a_whole_record_is_told_in_order(tmp_path: Path) -> None:
    approve("runs-show", shown(kept(tmp_path)))


def test_a_record_that_ends_in_the_middle_of_a_line_says_what_may_have_been_changed(tmp_path: Path) -> None:
    said = shown(kept(tmp_path, until=13, cut=20))
    assert "web1 MAY have been changed" in said
    approve("runs-show-cut-off", said)


def test_a_record_that_ends_before_its_run_did_says_so(tmp_path: Path) -> None:
    said = shown(kept(tmp_path, until=13))
    assert "MAY" not in said
    approve("runs-show-unfinished", said)


@pytest.mark.parametrize("until", range(1, 11))
def test_before_the_first_intent_nothing_was_sent_however_the_record_ends(tmp_path: Path, until: int) -> None:
    assert "Nothing was sent to any host." in shown(kept(tmp_path, until=until))


@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_an_intent_that_was_cut_off_was_not_sent(tmp_path: Path, cut: int) -> None:
    assert "Nothing was sent to any host." in shown(kept(tmp_path, until=11, cut=min(cut, 900)))


def test_a_run_that_goes_on_is_not_judged(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(RUN, tiny.Clock()) as record:
        for event in recorded.events(until=11):
            record.write(event)
        said = shown(runs)
    assert "RUNNING" in said
    assert "MAY" not in said
    assert "killed" not in said


@pytest.mark.parametrize("ending", [Ending.UNFINISHED, Ending.RUNNING])
def test_half_a_copy_is_no_copy_once_its_run_is_over(tmp_path: Path, ending: Ending) -> None:
    runs = kept(tmp_path, until=9)
    with NewCopy(tmp_path, RUN, "web1-3-0-laravel.log") as new:
        history = History(run=RUN, lines=runs.read(RUN), ending=ending, cut_copies=runs.history(RUN).cut_copies)
        said = " ".join(run_page(history, {}, 80, is_verbose=False).text.split())
    where = f"{new.path}.partial"
    what = "is being copied" if ending is Ending.RUNNING else "is no copy: it was cut short when the run died"
    assert f"{where} {what}" in said


@pytest.mark.parametrize(
    "damage", [{"type": "HostEnded"}, {"type": "CopySaved", "copy": 3}, {"type": "ChangeAnswered"}]
)
def test_a_line_that_somebody_else_wrote_hides_no_other(damage: dict[str, Any]) -> None:
    history = History(
        run=RUN, lines=(damage, {"type": "HostClaimed", "host": "web1", "owner": "jan"}), ending=Ending.ENDED
    )
    said = run_page(history, {}, 80, is_verbose=False).text
    assert f"cannot be read: {damage['type']}" in said
    assert "locked for jan" in said


def test_a_line_for_some_hosts_only_says_for_which() -> None:
    left = {
        "questions": [{"text": "Why?", "hosts": ["web1", "web2"]}],
        "by_hand": [{"text": "ls /srv/one", "hosts": ["web1"]}, {"text": "ls /srv/two", "hosts": ["web2"]}],
    }
    began = {"type": "RunStarted", "hosts": ["web1", "web2"], "for_people": left}
    history = History(run=RUN, lines=(began,), ending=Ending.ENDED)
    assert run_page(history, {}, 80, is_verbose=False).text.splitlines()[-6:] == [
        "OPEN      for people: whether anybody answered or did it is not known here",
        "  answer  Why?",
        "  by hand on web1:",
        "          ls /srv/one",
        "          on web2:",
        "          ls /srv/two",
    ]


@pytest.mark.parametrize("left", [{}, {"questions": 7, "by_hand": []}, {"questions": [{"text": 1}], "by_hand": []}, 7])
def test_what_somebody_else_wrote_as_left_to_people_hides_no_line(left: Any) -> None:
    began = {"type": "RunStarted", "hosts": ["web1"], "for_people": left}
    history = History(
        run=RUN, lines=(began, {"type": "HostClaimed", "host": "web1", "owner": "jan"}), ending=Ending.ENDED
    )
    assert "locked for jan" in run_page(history, {}, 80, is_verbose=False).text


def test_the_list_says_which_run_may_have_changed_something() -> None:
    about = {"scenario": "disk-full", "operator": "jan@laptop"}
    runs = [
        RunSummary(run="aaaaaaaa", started="", hosts=("web1",), verdict="UNKNOWN · cut off", **about),
        RunSummary(run="bbbbbbbb", started="", hosts=("web1", "web2", "web3", "web4"), verdict="FIXED", **about),
    ]
    assert runs_page(runs, 80).text.splitlines() == [
        "run       started  scenario   hosts            ended",
        "aaaaaaaa           disk-full  web1             UNKNOWN · cut off",
        "bbbbbbbb           disk-full  web1 and 3 more  FIXED",
    ]


def test_without_a_run_the_list_says_why() -> None:
    assert runs_page([], 80).text == "no run yet: previews keep no record\n"
