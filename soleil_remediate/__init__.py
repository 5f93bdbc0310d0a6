"""Remediation for Laravel hosts over SSH: find, show, ask, repair, prove.

The public names. Each is imported when it is first used (PEP 562), because the command line imports this package before
it knows whether it needs paramiko or pydantic at all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soleil_remediate.catalog import Catalog, load_catalog
    from soleil_remediate.command import Command, Output, Query, Reader, Secret
    from soleil_remediate.diagnosing import diagnose
    from soleil_remediate.errors import ConfigError, ExitStatus, FactError, Refused, RemediateError, Unplannable
    from soleil_remediate.findings import Diagnosis, Finding, Unbound
    from soleil_remediate.gates import Approval, Gate, PlanGate, PolicyGate
    from soleil_remediate.loading import load_inventory, load_scenarios
    from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
    from soleil_remediate.record import Runs
    from soleil_remediate.remediation import Remediation, open_remediation
    from soleil_remediate.report import HostReport, RunReport
    from soleil_remediate.rollout import Rollout
    from soleil_remediate.seen import Preview
    from soleil_remediate.task import Check, Forecast, Look, Measure, Table, Task, Text, Verdict
    from soleil_remediate.units import ByteSize, Duration, KiB, MiB, Percent

__all__ = [
    "Approval",
    "ByteSize",
    "Catalog",
    "Change",
    "Check",
    "Command",
    "ConfigError",
    "Diagnosis",
    "Duration",
    "ExitStatus",
    "FactError",
    "Finding",
    "Forecast",
    "Gate",
    "HostReport",
    "KiB",
    "Look",
    "Measure",
    "MiB",
    "Output",
    "Percent",
    "Plan",
    "PlanGate",
    "PolicyGate",
    "Preview",
    "Query",
    "Reader",
    "Refused",
    "Relief",
    "RemediateError",
    "Remediation",
    "Risk",
    "Rollout",
    "RunReport",
    "Runs",
    "Script",
    "Secret",
    "Table",
    "Task",
    "Text",
    "Unbound",
    "Undo",
    "Unplannable",
    "Verdict",
    "diagnose",
    "load_catalog",
    "load_inventory",
    "load_scenarios",
    "open_remediation",
]

_HOMES = {
    "catalog": ("Catalog", "load_catalog"),
    "command": ("Command", "Output", "Query", "Reader", "Secret"),
    "diagnosing": ("diagnose",),
    "errors": ("ConfigError", "ExitStatus", "FactError", "Refused", "RemediateError", "Unplannable"),
    "findings": ("Diagnosis", "Finding", "Unbound"),
    "gates": ("Approval", "Gate", "PlanGate", "PolicyGate"),
    "loading": ("load_inventory", "load_scenarios"),
    "plan": ("Change", "Plan", "Relief", "Risk", "Script", "Undo"),
    "record": ("Runs",),
    "remediation": ("Remediation", "open_remediation"),
    "report": ("HostReport", "RunReport"),
    "rollout": ("Rollout",),
    "seen": ("Preview",),
    "task": ("Check", "Forecast", "Look", "Measure", "Table", "Task", "Text", "Verdict"),
    "units": ("ByteSize", "Duration", "KiB", "MiB", "Percent"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
