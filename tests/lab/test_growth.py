"""How fast logs grow on a real host: what they said at a steady rate is a forecast, a burst is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.lab.faulting import FUNCTIONS
from soleil_remediate.task import Text
from soleil_remediate.units import ByteSize, MiB
from tests.lab.rehearsals import Rehearsal

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

LOG = "/srv/soleil/shared/storage/logs/laravel.log"
PER_MINUTE = MiB(100) / 60  # what the lab's faults write lines as of
BURST = f"""line="[$(date '+%F %T')] production.ERROR: SQLSTATE[08006] connection refused"
{{ yes "$line" || true; }} | head -c 30M >{LOG}; chown www-data:www-data {LOG}"""
STEADY = f"{FUNCTIONS.read_text()}\n: >{LOG}; append 100 {LOG} laravel_lines 100"


def _forecasts(rehearsal: Rehearsal) -> list[str]:
    preview = rehearsal.preview().preview
    assert preview is not None
    (shown,) = (seen.shown for seen in preview.evidence if seen.kind == "disk.forecast")
    assert isinstance(shown, Text)
    return [line for line in shown.lines if "/srv" in line]


def _rate(line: str) -> float:
    """Bytes a minute, as a line says it."""
    match = re.search(r" by ([0-9.]+ MiB)/min\b", line)
    assert match, line
    return float(ByteSize.parse(match[1]))


def _time(line: str, word: str) -> int:
    """The time after a word of a line, in seconds since 1970."""
    match = re.search(rf"\b{word} (\d+)-(\d+)-(\d+) (\d+):(\d+)", line)
    assert match, line
    return seconds_at(*map(int, match.groups()))


def test_a_steady_log_has_a_forecast_a_burst_has_none_and_a_full_disk_says_how_it_came(
    web1: LabHost, tmp_path: Path
) -> None:
    rehearsal = Rehearsal(web1, tmp_path)
    web1.shell(BURST)
    (line,) = _forecasts(rehearsal)
    assert line == f"no forecast for /srv: {LOG} grew by 30.0 MiB within 1 s, which is no rate"

    web1.shell(STEADY)
    (line,) = _forecasts(rehearsal)
    now = int(web1.shell("date +%s"))
    assert line.startswith("/srv full in about ")
    assert _rate(line) == pytest.approx(PER_MINUTE, rel=0.2)
    assert _time(line, "since") == pytest.approx(now - 3600, abs=180)
    left = int(web1.shell("stat -f -c %a /srv")) * 4096
    hours, minutes = re.findall(r"(\d+) (?:h|min)\b", line)[:2]
    assert int(hours) * 60 + int(minutes) == pytest.approx(left / PER_MINUTE, rel=0.2)

    web1.shell(f": >{LOG}")
    web1.break_with("laravel-log")
    (line,) = _forecasts(rehearsal)
    now = int(web1.shell("date +%s"))
    assert line.startswith(f"no forecast while /srv is full; until then {LOG} grew by ")
    assert _rate(line) == pytest.approx(PER_MINUTE, rel=0.2)
    assert _time(line, "to") == pytest.approx(now, abs=180)
    size = int(web1.shell(f"stat -c %s {LOG}"))
    assert _time(line, "min,") == pytest.approx(now - size / PER_MINUTE * 60, abs=180)
