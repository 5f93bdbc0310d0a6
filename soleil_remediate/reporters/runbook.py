"""Scenarios for people: the list, and one as a page of the runbook."""

from __future__ import annotations

import re
from collections.abc import Sequence

from soleil_remediate.catalog import Catalog
from soleil_remediate.invocation import Invocation
from soleil_remediate.reporters.page import HEADING, Page, advised
from soleil_remediate.reporters.plans import STYLES
from soleil_remediate.reporters.visible import visible
from soleil_remediate.scenario import Input, Scenario, Stage, Use

_INDENT = 12
_TEMPLATE = re.compile(r"\{\{ *(?:inputs\.)?(.*?) *\}\}")


def scenarios_page(scenarios: Sequence[Scenario], again: Invocation, width: int) -> Page:
    """Return one line a scenario."""
    page = Page(width)
    rows = [(one.name, one.severity.value.upper(), str(one.respond_within), one.title) for one in scenarios]
    page.table([("scenario", "severity", "respond", "title"), *rows])
    page.gap()
    page.command("", again.explain(scenarios[0].name) if scenarios else "no scenario is known", 0)
    return page


def explain_page(scenario: Scenario, catalog: Catalog, again: Invocation, width: int) -> Page:
    """Return a scenario as the runbook has it: how one knows, what it does to users, what would be done, by hand."""
    page = Page(width)
    page.line((scenario.name, HEADING), f" · {scenario.title}")
    page.line(f"{scenario.severity.value.upper()}, respond within {scenario.respond_within}")
    if scenario.aliases:
        page.line(f"also called {', '.join(scenario.aliases)}")
    page.gap()
    page.beside(("IMPACT", HEADING), scenario.impact, _INDENT)
    _put_list(page, "DETECTION", scenario.detection)
    if scenario.inputs:
        page.gap()
        page.line(("INPUTS", HEADING), "      --set NAME=VALUE")
        width = max(map(len, scenario.inputs)) + 2
        for name, declared in scenario.inputs.items():
            page.beside(f"  {name:<{width}}", f"{declared.about} ({_default(declared)})", width + 2)
    page.gap()
    for number, stage in enumerate(scenario.stages, start=1):
        page.line((f"STAGE {number}".ljust(_INDENT), HEADING), (stage.name, HEADING), f" · {_reach(stage)}")
        if number > 1:
            page.prose("begins when the stages before it have ended well on all their hosts", _INDENT)
        _put_parts(page, stage, catalog)
    if not scenario.stages:
        _put_parts(page, scenario, catalog)
        _put_uses(page, "SIGNS", "for diagnose: the cause, where one of these is at fault too", scenario.signs, catalog)
    if scenario.explains:
        page.beside(("EXPLAINS".ljust(_INDENT), HEADING), ", ".join(scenario.explains), _INDENT)
    _put_list(page, "BY HAND", scenario.by_hand)
    _put_list(page, "ANSWER", scenario.questions)
    if scenario.escalate is not None:
        page.gap()
        page.beside(("ESCALATE", HEADING), f"after {scenario.escalate.after} to {scenario.escalate.to}", _INDENT)
    page.gap()
    page.command("", again.about("web1").preview(), 0)
    page.line(f"from {scenario.origin.file}")
    return page


def _reach(stage: Stage) -> str:
    """Return on which hosts a stage is done."""
    return f"once, on the first of {stage.hosts} that can be looked at" if stage.is_once else f"on {stage.hosts}"


def _put_parts(page: Page, part: Scenario | Stage, catalog: Catalog) -> None:
    _put_uses(page, "HEALTHY", "when all of this holds; else there is something to do", part.healthy_when, catalog)
    _put_uses(page, "GOAL", "what is aimed at; missed, a run ends EASED", part.goal, catalog)
    _put_uses(page, "BEYOND", "what no step mends: judged and told", part.beyond, catalog)
    _put_uses(page, "EVIDENCE", "gathered whatever happens", part.evidence, catalog)
    _put_steps(page, part, catalog)


def _put_list(page: Page, heading: str, items: Sequence[str]) -> None:
    if items:
        page.gap()
    for number, item in enumerate(items):
        first, *rest = advised(item, page.width - _INDENT)
        name = heading if number == 0 else ""
        page.line((f"{name:<{_INDENT - 2}}- ", HEADING), first)
        for line in rest:
            page.line(" " * _INDENT, line)


def _default(declared: Input) -> str:
    if declared.is_required:
        return f"{declared.type}, required"
    return declared.type if declared.default is None else f"{declared.type}, {declared.default}"


def _put_uses(page: Page, heading: str, about: str, uses: Sequence[Use], catalog: Catalog) -> None:
    if not uses:
        return
    page.line((heading.ljust(_INDENT), HEADING), about)
    for use in uses:
        page.beside(f"  {use.kind}", _arguments(use), len(use.kind) + 4)
        page.prose(catalog.kind(use.kind).summary, 4)
    page.gap()


def _put_steps(page: Page, part: Scenario | Stage, catalog: Catalog) -> None:
    if not part.steps:
        return
    page.line(("STEPS".ljust(_INDENT), HEADING), "gentlest first, each only while the goal is not met")
    for number, use in enumerate(part.steps, start=1):
        risk = catalog.kind(use.kind).risk
        word = (risk.name.ljust(11), STYLES[risk]) if risk is not None else "as planned "
        page.line(f"  {number:<3}", word, f"  {use.kind}{'  always' if use.is_always else ''}")
        page.prose(catalog.kind(use.kind).summary, 7)
        if use.arguments:
            page.prose(_arguments(use), 7)
        if use.only_with:
            page.prose(f"only with {', '.join(use.only_with)}", 7)
    page.line()


def _arguments(use: Use) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in use.arguments.items())


def _value(value: object) -> str:
    """Return a value as written, and for a template which value is filled in: ``<target>``."""
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return _TEMPLATE.sub(r"<\1>", visible(text, 200))
