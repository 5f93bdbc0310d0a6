from __future__ import annotations

import pytest

from soleil_remediate.checks.health import PageServed, ServiceConfigured
from soleil_remediate.errors import FactError
from soleil_remediate.facts.http import Response
from soleil_remediate.facts.services import Configuration, Services, Unit
from soleil_remediate.task import Health
from soleil_remediate.units import Duration

READY = PageServed(page="/ready")


@pytest.mark.parametrize(
    "seen, health, why",
    [
        (Response(status=200), Health.HEALTHY, "/ready answers 200"),
        (Response(status=503, excerpt='{"database":"down"}'), Health.FAULTY, '/ready answers 503: {"database":"down"}'),
        (Response(status=502, excerpt="<h1>"), Health.FAULTY, "/ready answers 502"),
        (Response(status=None, why="refused"), Health.FAULTY, "/ready is not answered: nothing listens there"),
        (Response(status=None, why="too late"), Health.FAULTY, "/ready is not answered in time"),
        (
            Response(status=200, distrust="it has expired"),
            Health.HEALTHY,
            "/ready answers 200 with a certificate that the host itself does not trust: it has expired",
        ),
        (Response(status=502, distrust="it has expired"), Health.FAULTY, "/ready answers 502"),
        (Response(status=None, why="no tls", says="wrong version"), Health.UNKNOWN, "another server in front"),
        (Response(status=301, location="https://x/"), Health.UNKNOWN, "a redirect to https://x/: name the address"),
        (Response(status=401), Health.UNKNOWN, "it wants a login"),
        (Response(status=404), Health.UNKNOWN, "there is no such page"),
        (Response(status=429), Health.UNKNOWN, "says nothing about the application"),
    ],
)
def test_a_page_is_served_or_not_or_proves_nothing(seen: Response, health: Health, why: str) -> None:
    verdict = READY.judge(seen)
    assert verdict.health is health
    assert why in verdict.why
    (measure,) = verdict.measures
    assert measure.label == "/ready"
    assert measure.is_faulty is (health is not Health.HEALTHY)


def test_a_page_that_cannot_be_waited_for_or_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        PageServed(page="/ready", within=Duration(0))
    with pytest.raises(ValueError, match="must be a page"):
        PageServed(page="ready")


GOOD, BROKEN = Configuration(is_good=True), Configuration(is_good=False, says='unknown directive "x"')


@pytest.mark.parametrize(
    "tests, health, why",
    [
        ({"a.service": GOOD, "b.service": GOOD}, Health.HEALTHY, "a.service and b.service could start"),
        (
            {"a.service": GOOD, "b.service": BROKEN},
            Health.FAULTY,
            "b.service could not start with its configuration: unknown",
        ),
        ({"a.service": FactError("x"), "b.service": BROKEN}, Health.FAULTY, "b.service could not start"),
        ({"a.service": FactError("needs root")}, Health.UNKNOWN, "a.service: needs root"),
        ({}, Health.UNKNOWN, "no unit called a.service or b.service can test"),
    ],
)
def test_a_broken_configuration_on_disk_is_at_fault_though_all_goes_well(
    tests: dict[str, Configuration | FactError], health: Health, why: str
) -> None:
    units = tuple(Unit(name=name) for name in ("a.service", "b.service"))
    verdict = ServiceConfigured(units=("a.service", "b.service")).judge(Services(units=units, tests=tests))
    assert verdict.health is health
    assert why in verdict.why
