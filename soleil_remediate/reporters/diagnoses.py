"""What is wrong with a host, the cause first, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from soleil_remediate.findings import Diagnosis, Finding
from soleil_remediate.invocation import Invocation
from soleil_remediate.reporters.endings import BAD, GOOD
from soleil_remediate.reporters.page import HEADING, MARGIN, Page, counted, joined
from soleil_remediate.reporters.plans import STYLES
from soleil_remediate.reporters.previews import fine_measures, put_fault, put_found
from soleil_remediate.step_outcomes import StepUndecided
from soleil_remediate.task import Health

#: Beside a symptom that nothing explains.
_DOUBT = {
    Health.FAULTY: "",
    Health.UNKNOWN: "  may be the cause: it cannot be known",
    Health.HEALTHY: "  and nothing says that it is the cause",
}


def diagnoses_page(diagnoses: Sequence[Diagnosis], again: Invocation, width: int) -> Page:
    """Return one page about all hosts: of those where nothing is wrong a line each."""
    page = Page(width)
    for diagnosis in diagnoses:
        if len(diagnoses) > 1 and not diagnosis.exit_status:
            page.headline((diagnosis.host.name, HEADING), _verdict(diagnosis), 2)
        else:
            page.gap()
            _put_host(page, diagnosis, again)
    return page


def _put_host(page: Page, diagnosis: Diagnosis, again: Invocation) -> None:
    host = diagnosis.host
    about = joined([host.policy.environment, host.app_name and f"app {host.app_name}"], ", ")
    page.beside((host.name, HEADING), f"({about})" if about else "", 0)
    if diagnosis.end is not None:
        page.headline((diagnosis.end.word, BAD), diagnosis.end.why, 2)
        return
    if diagnosis.findings:
        seen = diagnosis.findings[0].preview
        page.prose(
            f"looked for {counted(len(diagnosis.findings), 'scenario')} in {seen.looked_in}, "
            f"{counted(seen.round_trips, 'round trip')}, connected in {seen.connected_in}; read only"
        )
        if seen.limits:
            page.prose(f"seen as {seen.login}, not as root: {seen.limits}")
    put_found(page, diagnosis.found)
    if diagnosis.not_found:
        page.prose(diagnosis.not_found)
    numbers = {one.scenario: number for number, one in enumerate(diagnosis.faulty, 1)}
    about_it = again.about(host.name) if host.is_listed else again.listed(host)
    for one in diagnosis.faulty:
        _put_fault(page, one, numbers, about_it)
    _put_unknown(page, diagnosis)
    _put_unbound(page, diagnosis)
    _put_healthy(page, diagnosis)
    for name, why in diagnosis.left_out:
        page.headline((f"-- {name}", HEADING), f"not looked for: {why}", 3)
    if not host.is_listed and any(one.would_help for one in diagnosis.faulty):
        page.prose(
            f"It stands in no inventory, so it may only be looked at: list it in one, {about_it.inventory} above."
        )
    page.line((_verdict(diagnosis), BAD if diagnosis.exit_status else GOOD), f" · exit {int(diagnosis.exit_status)}")


def _put_unknown(page: Page, diagnosis: Diagnosis) -> None:
    """Say what cannot be known, and each reason once, whatever number of scenarios it is one of."""
    names: dict[str, list[str]] = {}
    for one in diagnosis.unknown:
        for why in one.preview.standing.reasons(Health.UNKNOWN):
            names.setdefault(why, []).append(one.scenario)
    for why, its in names.items():
        page.beside(("?  ", HEADING), f"{', '.join(its)} cannot be known: {why}", 3)


def _put_unbound(page: Page, diagnosis: Diagnosis) -> None:
    """Say what could not be looked for: together where the same value would let it be."""
    for one in diagnosis.unbound:
        if not one.missing:
            page.headline((f"?  {one.scenario}", HEADING), f"could not be looked for: {one.why}", 3)
    remedy = (
        "give it in the inventory" if diagnosis.host.is_listed else "name an inventory that has it with --inventory"
    )
    for missing in dict.fromkeys(one.missing for one in diagnosis.unbound if one.missing):
        names = ", ".join(one.scenario for one in diagnosis.unbound if one.missing == missing)
        page.beside(("?  ", HEADING), f"{names}: could not be looked for without {missing}: {remedy}", 3)


def _put_healthy(page: Page, diagnosis: Diagnosis) -> None:
    """Say what is well: by name alone where something else is not, which is then what there is to read."""
    healthy = [one for one in diagnosis.findings if one.health is Health.HEALTHY]
    brief = [one for one in healthy if diagnosis.faulty and one.preview.standing.goal_health is Health.HEALTHY]
    for one in healthy:
        if one not in brief:
            page.beside((f"ok {one.scenario} ", HEADING), _well(one), 3)
    if brief:
        page.beside(("ok ", HEADING), ", ".join(one.scenario for one in brief), 3)


def _put_fault(page: Page, found: Finding, numbers: dict[str, int], again: Invocation) -> None:
    explained = ", ".join(str(numbers[name]) for name in found.explained_by)
    about = f"  explained by {explained}" if explained else _DOUBT[found.likelihood]
    page.line((f"{numbers[found.scenario]:<3}{found.scenario}", HEADING), "  ", ("RED", BAD), about)
    if explained:
        return
    put_fault(page, found.preview.standing)
    said = [sign.verdict.why for sign in found.signs if sign.verdict.health is found.likelihood]
    if found.likelihood is not Health.FAULTY:
        for why in dict.fromkeys(said):
            page.beside("signs", why)
    for _, step in found.preview.pending:
        for change in step.plan.changes:
            page.beside(("fix", STYLES[change.risk]), f"{change.risk.name}: {change.summary}")
    if not found.would_help:
        reasons = [one.outcome.why for one in found.preview.steps if isinstance(one.outcome, StepUndecided)]
        for why in dict.fromkeys(reasons):
            if why not in said:
                page.beside("cannot", why)
    about_it = again.for_scenario(found.scenario)
    page.command("next", about_it.remediate() if found.would_help else about_it.explain(found.scenario), MARGIN)


def _well(found: Finding) -> str:
    """Return what was measured; or what is not yet as it should be, though nobody suffers by it."""
    standing = found.preview.standing
    if standing.goal_health is not Health.HEALTHY:
        return f"but the goal is missed: {standing.why(standing.goal_health)}"
    return joined(fine_measures(standing), "  ")


def _verdict(diagnosis: Diagnosis) -> str:
    if not diagnosis.findings:
        return "nothing was looked for"
    explained = [one for one in diagnosis.faulty if one.explained_by]
    causes = [one for one in diagnosis.faulty if one.likelihood is Health.FAULTY and not one.explained_by]
    unknown = len(diagnosis.unknown) + len(diagnosis.unbound)
    others = len(diagnosis.faulty) - len(causes) - len(explained)
    said = [
        counted(len(causes), "cause") if causes else "",
        f"{others} that may be" if others else "",
        f"{len(explained)} explained" if explained else "",
        f"{unknown} unknown" if unknown else "",
    ]
    found = f"found {joined(said, ', ')}" if any(said) else "nothing is wrong that was looked for"
    return f"{found}, {len(diagnosis.left_out)} not looked for" if diagnosis.left_out else found
