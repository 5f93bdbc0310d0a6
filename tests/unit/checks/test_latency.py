from __future__ import annotations

import re

import pytest

from soleil_remediate.checks.latency import PageQuick, in_words
from soleil_remediate.facts.latency import Timing, Timings
from soleil_remediate.task import Health
from soleil_remediate.units import Duration

READY = PageQuick(page="/ready")


def timings(first: float, *others: float, late: bool = False, status: int = 200, says: str = "") -> Timings:
    """What became of some requests; the last came too late, or was not answered for another reason."""
    every = [Timing(status=status, took=Duration(took)) for took in (first, *others)]
    if late or says:
        every[-1] = Timing(status=None, took=every[-1].took)
    return Timings(first=every[0], others=tuple(every[1:]), says=says)


@pytest.mark.parametrize(
    "seen, health, why",
    [
        (timings(0.1, 0.02, 1, 1), Health.HEALTHY, "/ready takes 1 s (p50), 1 s (p95), by 3 requests"),
        (timings(0.1, 0.02, 0.3, 3), Health.HEALTHY, "/ready takes 300 ms (p50), 3 s (p95), by 3 requests"),
        (timings(0.1, 1.01, 1.01, 0.02), Health.FAULTY, "half of them take longer than 1 s"),
        (
            timings(0.1, 0.02, 0.02, 3.1),
            Health.FAULTY,
            "3100 ms (p95), by 3 requests: the slowest take longer than 3 s",
        ),
        (
            timings(3.5, 0.02, 0.02),
            Health.HEALTHY,
            "the one before them took 3500 ms: its caches were cold, and are not",
        ),
        (timings(5, late=True), Health.FAULTY, "/ready is not answered within 5 s"),
        (timings(0.1, 5, late=True), Health.FAULTY, "is not answered within 5 s, after 1 request that were"),
        (timings(0.1, 0.1, 5, late=True), Health.FAULTY, "is not answered within 5 s, after 2 requests that were"),
        (timings(0.1, 0.1, status=503), Health.UNKNOWN, "/ready answers 503, so how long it takes was not measured"),
        (timings(0.1, 0.1, status=302), Health.UNKNOWN, "see application-down first"),
        (timings(0.1, says="Connection refused"), Health.UNKNOWN, "/ready is not answered: Connection refused, so how"),
        (timings(0.1, 5, late=True, status=500), Health.UNKNOWN, "/ready answers 500"),
    ],
)
def test_a_page_is_quick_or_slow_or_was_not_measured(seen: Timings, health: Health, why: str) -> None:
    verdict = READY.judge(seen)
    assert verdict.health is health
    assert why in verdict.why
    assert any(measure.is_faulty for measure in verdict.measures) is (health is not Health.HEALTHY)


def test_both_percentiles_are_the_proof() -> None:
    measures = READY.judge(timings(0.1, 0.02, 0.02, 5, late=True)).measures
    assert [(one.label, one.value) for one in measures] == [("/ready p50", "20 ms"), ("/ready p95", "over 5 s")]


@pytest.mark.parametrize(
    "took, words", [(0.0204, "20 ms"), (9.9996, "10000 ms"), (1, "1 s"), (61, "1 min 1 s"), (12.3, "12 s")]
)
def test_times_are_told_in_words(took: float, words: str) -> None:
    assert in_words(Duration(took)) == words


@pytest.mark.parametrize(
    "given, why",
    [
        ({"requests": 2}, "requests must be from 3 to 9"),
        ({"requests": 10}, "requests must be from 3 to 9"),
        ({"within": Duration(31)}, "within must be longer than nothing, and 30 s at most"),
        ({"within": Duration(0)}, "within must be longer than nothing"),
        ({"typical": Duration(4)}, "typical must not be longer than slowest"),
        ({"slowest": Duration(6)}, "nor that than within"),
        ({"typical": Duration(0)}, "typical must not be longer"),
        ({"instead": "rooms"}, "must be a page"),
        ({"page": "ready"}, "must be a page"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anybody_is_asked(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        PageQuick(**{"page": "/ready", **given})  # type: ignore[arg-type]


def test_another_page_may_be_measured_in_its_place() -> None:
    other = PageQuick(page="/ready", instead="/rooms")
    assert other.aim() == "/rooms takes 1 s at most, 95 % of the time 3 s"
    assert other.judge(timings(0.1, 0.1)).why.startswith("/rooms takes")
