"""Law 8, and what law 5 stands on: every kind has a lab fault, and a fault names exactly the kinds it proves.

What a fault proves is what the lab's tests assert of it there: which tasks were sent, in order, and which checks were
red. This test only compares, so it needs no lab.
"""

from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.lab.faulting import Fault, faults
from soleil_remediate.task import Check, Task
from tests.lab import (
    test_application_down,
    test_database_connection_failure,
    test_disk_full,
    test_double_booking,
    test_email_delivery_failure,
    test_exhausted_rollbacks,
    test_failed_deployment,
    test_failed_deployment_in_place,
    test_high_error_rate,
    test_maintenance_page,
    test_memory_exhaustion,
    test_queue_backlog,
    test_rate_limit_breach,
    test_redis_down,
    test_rotation,
    test_security_incident,
    test_slow_response,
)
from tests.laws.samples import KINDS, TASKS

#: By fault, the tasks that a lab test asserts to have been sent there, and nothing else; several rows are several ways.
SENT: dict[str, set[tuple[str, ...]]] = {}
for row in (*test_disk_full.REPAIRED, *test_rotation.REPAIRED):
    SENT.setdefault(row.fault, set()).add(row.sent)
for case in test_application_down.REPAIRED:
    SENT.setdefault(case.fault, set()).add(case.sent)
for database in test_database_connection_failure.REPAIRED:
    SENT.setdefault(database.fault, set()).add(database.sent)
for redis in test_redis_down.REPAIRED:
    SENT.setdefault(redis.fault, set()).add(redis.sent)
for memory in test_memory_exhaustion.REPAIRED:
    SENT.setdefault(memory.fault, set()).add(memory.sent)
for double in test_double_booking.REPAIRED:
    SENT.setdefault(double.fault, set()).add(double.sent)
for release in (
    *test_failed_deployment.REPAIRED,
    *test_failed_deployment.NO_FURTHER,
    *test_failed_deployment_in_place.REPAIRED,
    *test_maintenance_page.REPAIRED,
    *test_exhausted_rollbacks.REPAIRED,
):
    SENT.setdefault(release.fault, set()).add(release.sent)
for slow in test_slow_response.REPAIRED:
    SENT.setdefault(slow.fault, set()).add(slow.sent)
for backlog in test_queue_backlog.REPAIRED:
    SENT.setdefault(backlog.fault, set()).add(backlog.sent)
for breach in test_rate_limit_breach.REPAIRED:
    SENT.setdefault(breach.fault, set()).add(breach.sent)
for errors in test_high_error_rate.REPAIRED:
    SENT.setdefault(errors.fault, set()).add(errors.sent)
for mail in test_email_delivery_failure.REPAIRED:
    SENT.setdefault(mail.fault, set()).add(mail.sent)

for incident in test_security_incident.REPAIRED:
    SENT.setdefault(incident.fault, set()).add(incident.sent)

TASK_KINDS = {kind.kind for kind in TASKS}
CHECKS = tuple(kind for kind in KINDS if issubclass(kind, Check) and not issubclass(kind, Task))
FAULTS = faults()


def tasks_of(fault: Fault) -> tuple[str, ...]:
    return tuple(kind for kind in fault.kinds if kind in TASK_KINDS)


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_every_task_is_sent_on_some_broken_host_of_the_lab(kind: type[Task[Any]]) -> None:
    assert [fault.name for fault in FAULTS if kind.kind in tasks_of(fault)]


@pytest.mark.parametrize("kind", CHECKS, ids=lambda kind: kind.kind)
def test_every_check_is_red_on_some_broken_host_of_the_lab(kind: type[Check[Any]]) -> None:
    assert [fault.name for fault in FAULTS if kind.kind in fault.kinds]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_the_tasks_that_its_lab_test_sees_sent_and_no_others(fault: Fault) -> None:
    assert {tasks_of(fault)} == SENT.get(fault.name, {()})


def test_every_fault_of_an_application_that_is_down_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_application_down.REPAIRED}
    tested = repaired | {case.fault for case in test_application_down.REFUSED}
    own = {fault.name for fault in FAULTS if fault.scenario == test_application_down.SCENARIO}
    assert own == tested | {"nginx-broken-configuration", "certificate-expired"}


def test_every_fault_of_a_database_that_fails_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_database_connection_failure.REPAIRED}
    tested = repaired | {case.fault for case in test_database_connection_failure.REFUSED}
    assert {fault.name for fault in FAULTS if fault.scenario == test_database_connection_failure.SCENARIO} == tested


def test_every_fault_of_redis_has_its_lab_test() -> None:
    tested = {case.fault for case in test_redis_down.REPAIRED} | {case.fault for case in test_redis_down.REFUSED}
    assert {fault.name for fault in FAULTS if fault.scenario == test_redis_down.SCENARIO} == tested


def test_every_fault_of_a_double_booking_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_double_booking.REPAIRED}
    tested = repaired | {case.fault for case in test_double_booking.REFUSED}
    own = {fault.name for fault in FAULTS if fault.scenario == test_double_booking.SCENARIO}
    assert own == tested | {"booking-constraint-other-form"}


def test_every_fault_of_a_backlog_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_queue_backlog.REPAIRED}
    refused = {case.fault for case in test_queue_backlog.REFUSED}
    assert repaired | refused == {fault.name for fault in FAULTS if fault.scenario == test_queue_backlog.SCENARIO}


def test_every_fault_of_a_limit_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_rate_limit_breach.REPAIRED}
    refused = {case.fault for case in test_rate_limit_breach.REFUSED}
    assert repaired | refused == {fault.name for fault in FAULTS if fault.scenario == test_rate_limit_breach.SCENARIO}


def test_every_fault_of_memory_has_its_lab_test() -> None:
    tested = {case.fault for case in test_memory_exhaustion.REPAIRED}
    tested |= {case.fault for case in test_memory_exhaustion.REFUSED}
    assert {fault.name for fault in FAULTS if fault.scenario == test_memory_exhaustion.SCENARIO} == tested


def test_every_fault_of_a_high_error_rate_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_high_error_rate.REPAIRED}
    refused = {case.fault for case in test_high_error_rate.REFUSED}
    assert repaired | refused == {fault.name for fault in FAULTS if fault.scenario == test_high_error_rate.SCENARIO}


def test_every_fault_of_mail_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_email_delivery_failure.REPAIRED}
    refused = {case.fault for case in test_email_delivery_failure.REFUSED}
    own = {fault.name for fault in FAULTS if fault.scenario == test_email_delivery_failure.SCENARIO}
    assert own == repaired | refused


def test_every_fault_of_an_incident_has_its_lab_test() -> None:
    tested = {case.fault for case in test_security_incident.REPAIRED} | {"incident-left-open"}
    assert {fault.name for fault in FAULTS if fault.scenario == test_security_incident.SCENARIO} == tested


def test_every_fault_of_a_slow_site_has_its_lab_test() -> None:
    repaired = {case.fault for case in test_slow_response.REPAIRED}
    refused = {case.fault for case in test_slow_response.REFUSED}
    assert repaired | refused == {fault.name for fault in FAULTS if fault.scenario == test_slow_response.SCENARIO}


def test_every_kind_a_fault_names_and_every_fault_a_lab_test_repairs_is_there() -> None:
    assert {kind for fault in FAULTS for kind in fault.kinds} == TASK_KINDS | {kind.kind for kind in CHECKS}
    assert SENT.keys() <= {fault.name for fault in FAULTS}
