"""One host as it was seen, and what would be done: what a person reads before saying yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from soleil_remediate.host_outcomes import NotNeeded, WrongInput
from soleil_remediate.reporters.evidence import put_evidence
from soleil_remediate.reporters.page import HEADING, RED, Page, joined
from soleil_remediate.reporters.plans import Detail, put_plan, sums
from soleil_remediate.scenario import Case, Scenario
from soleil_remediate.seen import CheckSeen, Preview, Standing
from soleil_remediate.stages import number_of
from soleil_remediate.task import Health, Measure, Verdict

FAULT = RED


def put_header(page: Page, scenario: Scenario, preview: Preview, run: str) -> None:
    """Put on *page* which scenario, which host, how urgent, and that nothing was changed yet."""
    urgent = f"{scenario.severity.value.upper()}, respond within {scenario.respond_within}"
    page.beside((scenario.name, HEADING), f"· {preview.host.name} ({_about(preview)}) · {urgent}", 0)
    stage = preview.host.stage and f"stage {number_of(preview.host.stage, scenario)} of {len(scenario.stages)}"
    seen = f"connected {preview.connected_in}, looked {preview.looked_in}"
    page.prose(joined([f"run {run}" if run else "dry run", stage, seen, "nothing changed yet"]))
    if preview.limits:
        page.beside("seen as", f"{preview.login}, not as root: {preview.limits}", 8)
    put_found(page, preview.host.found)


def put_found(page: Page, found: Sequence[tuple[str, str]]) -> None:
    """Put on *page* what was found on a host of its application, as nobody gave it."""
    if found:
        page.prose(f"found there, not given: {', '.join(f'{name} {value}' for name, value in found)}")


def _about(preview: Preview) -> str:
    host = preview.host
    return joined([host.policy.environment, host.app_name and f"app {host.app_name}"], ", ")


def put_fault(page: Page, standing: Standing, detail: Detail = Detail.FULL) -> None:
    """Put on *page* what is wrong, what cannot be known, and where there is room what is fine."""
    wrong = [seen for seen in standing.symptom if seen.verdict.health is Health.FAULTY]
    unsure = [seen for seen in standing.symptom if seen.verdict.health is Health.UNKNOWN]
    beyond = [seen for seen in standing.goal_in_scope if seen.verdict.health is not Health.HEALTHY]
    said: list[str] = []
    for label, style, checks in (("FAULT", FAULT, wrong), ("UNSURE", HEADING, unsure)):
        for number, why in enumerate(_distinct(checks)):
            page.beside((label if number == 0 else "", style), why)
            said.append(why)
    if not wrong and not unsure:
        for number, why in enumerate(_distinct(beyond)):
            page.beside(("GOAL" if number == 0 else "", HEADING), f"missed: {why}")
    put_beyond(page, standing)
    fine = fine_measures(standing)
    if fine and detail is not Detail.BARE:
        label = "" if wrong or unsure or beyond else "SEEN"
        page.beside((label, HEADING), f"fine: {joined(fine, '  ')}", at_most=2)


def put_beyond(page: Page, standing: Standing) -> None:
    """Put on *page* what stands between the host and its users and is not as it should be, or not for long."""
    checks = [seen for seen in standing.beyond if _is_worth_telling(seen.verdict)]
    for number, why in enumerate(_distinct(checks)):
        page.beside(("BEYOND" if number == 0 else "", HEADING), why)


def _is_worth_telling(verdict: Verdict) -> bool:
    return verdict.health is not Health.HEALTHY or any(measure.is_faulty for measure in verdict.measures)


def _distinct(checks: Sequence[CheckSeen]) -> list[str]:
    return list(dict.fromkeys(part for seen in checks for part in seen.verdict.why.split("; ")))


def fine_measures(standing: Standing) -> list[str]:
    """Return what was measured of the symptom and beyond and is not at fault, shares before words: ``/var 63 %``."""
    seen_at_all = (*standing.symptom, *standing.beyond)
    measures = [measure for seen in seen_at_all for measure in seen.verdict.measures if not measure.is_faulty]
    numbers = [measure for measure in measures if any(character.isdigit() for character in measure.value)]
    return list(dict.fromkeys(f"{_subject(measure)} {measure.value}" for measure in numbers or measures))


def _subject(measure: Measure) -> str:
    return measure.label.removesuffix(" used")


def put_goal(page: Page, case: Case, *, at_most: int = 0) -> None:
    """Put on *page* what must hold afterwards."""
    wanted = list(dict.fromkeys(check.aim() for check in (*case.goal, *case.healthy_when)))
    if wanted:
        page.beside(("GOAL", HEADING), joined(wanted), at_most=at_most)


def preview_page(
    case: Case,
    preview: Preview,
    run: str,
    *,
    width: int,
    detail: Detail = Detail.FULL,
    plan: str = "",
    part_of: int = 0,
) -> Page:
    """Return one host's page: what is wrong, why, the goal, the plan, and all of it in one line.

    Args:
        case: What is looked at.
        preview: What was seen.
        run: The run's name; empty for a dry run.
        width: In columns.
        detail: How much is said.
        plan: The digest that ``--approve`` takes.
        part_of: So many hosts stand in a table above it, which says the rest.
    """
    page = Page(width)
    if part_of:
        worst = f", the worst of {part_of}" if part_of > 1 else ""
        page.beside((preview.host.name, HEADING), f"({_about(preview)}){worst}", 0)
    else:
        put_header(page, case.scenario, preview, run)
        if isinstance(preview.outcome, WrongInput):
            return page  # what was looked at is not what was meant
        page.gap()
    put_fault(page, preview.standing, detail)
    is_needed = not isinstance(preview.outcome, NotNeeded)
    put_evidence(page, preview.evidence, preview.standing.faults, detail, label="WHY" if is_needed else "")
    if preview.pending:
        put_goal(page, case, at_most=1 if detail >= Detail.LEAST else 0)
    if preview.steps and (is_needed or detail is Detail.ALL):
        if detail < Detail.LEAST:
            page.gap()
        put_plan(page, preview, detail)
    if preview.pending and not part_of:
        page.gap()
        page.prose(joined([sums([preview]), plan and f"plan {plan}"]))
    return page


def other_plans(pending: Sequence[Preview], shown: Preview) -> list[list[Preview]]:
    """Return the hosts whose plan is not the one that was shown, those with the same plan together."""
    alike: dict[tuple[tuple[str, str], ...], list[Preview]] = {}
    for preview in pending:
        alike.setdefault(_plan_in_words(preview), []).append(preview)
    return [hosts for plan, hosts in alike.items() if plan != _plan_in_words(shown)]


def put_other_plan(page: Page, alike: Sequence[Preview], detail: Detail) -> None:
    """Put a plan that is not the worst host's, and whose it is: nobody says yes to what was not shown."""
    page.beside((", ".join(preview.host.name for preview in alike), HEADING), "another plan", 0)
    put_plan(page, alike[0], detail)


def _plan_in_words(preview: Preview) -> tuple[tuple[str, str], ...]:
    return tuple(
        (preview.steps[place].kind, change.summary) for place, step in preview.pending for change in step.plan.changes
    )


def fitted(make: Callable[[Detail], Page], height: int) -> tuple[Page, bool]:
    """Return the page that says most within *height* lines, and whether it leaves something out."""
    for detail in (Detail.FULL, Detail.BRIEF, Detail.LEAST, Detail.BARE):
        page = make(detail)
        if len(page) <= height:
            return page, detail is not Detail.FULL
    return make(Detail.BARE), True
