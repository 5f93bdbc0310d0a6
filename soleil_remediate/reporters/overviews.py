"""All hosts of a run as they were seen so far, and what would be done: what is read before saying yes to several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soleil_remediate.events import Event, HostEnded, HostSeen, RolloutPlanned, RunStarted
from soleil_remediate.host_outcomes import HostOutcome
from soleil_remediate.reporters.batches import compact, put_order, put_stages
from soleil_remediate.reporters.fleets import put_hosts, worst_of
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.reporters.plans import Detail, numbers, sums
from soleil_remediate.reporters.previews import other_plans, preview_page, put_other_plan
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview, plan_of
from soleil_remediate.stages import in_order, is_spared, number_of


class Overview:
    """Remembers how a run has seen its hosts, and returns pages of it.

    Args:
        cases: What the run is about.
        is_dry: Nothing is to be sent, and no record is kept.

    Attributes:
        run: The run's name; empty for a dry run, and before it has begun.
        order: In which order hosts are changed, once that is planned.
    """

    def __init__(self, cases: Sequence[Case], *, is_dry: bool) -> None:
        self.run = ""
        self.order: RolloutPlanned | None = None
        self._cases: Mapping[str, Case] = {case.host.name: case for case in cases}
        self._scenario = cases[0].scenario
        self._is_dry = is_dry
        self._seen: dict[str, Preview] = {}
        self._spared: dict[str, HostOutcome] = {}

    def note(self, event: Event) -> None:
        """Remember what *event* tells of the hosts before they are changed; most events tell nothing of that."""
        if isinstance(event, RunStarted):
            self.run = "" if self._is_dry else event.run
        elif isinstance(event, RolloutPlanned):
            self.order = event
        elif isinstance(event, HostSeen):
            seen = {**self._seen, event.preview.host.name: event.preview}
            self._seen = {name: seen[name] for name in self._cases if name in seen}  # as the inventory has them
        elif isinstance(event, HostEnded) and is_spared(event.report):
            self._spared[event.report.host.name] = event.report.outcome
            self._seen.pop(event.report.host.name, None)

    @property
    def has_several(self) -> bool:
        """Whether the run is about more than one host."""
        return len(self._cases) > 1

    @property
    def previews(self) -> list[Preview]:
        """What was seen of every host that is not spared, in the inventory's order."""
        return list(self._seen.values())

    def step(self, host: str, place: int) -> str:
        """Return what the plan calls the step at *place*: its number, and ``+`` where the plan did not have it."""
        preview = self._seen.get(host)
        number = numbers(preview).get(place) if preview is not None else None
        return "+" if number is None else str(number)

    def page(self, previews: Sequence[Preview], *, width: int, detail: Detail) -> Page:
        """Return what would be done: the one host's page, or a table of all hosts above every plan that there is."""
        plan = plan_of(tuple(previews)) if any(preview.pending for preview in previews) else ""
        if self.has_several:
            return self._table(previews, width, plan, detail)
        (preview,) = previews
        case = self._cases[preview.host.name]
        return preview_page(case, preview, self.run, width=width, detail=detail, plan=plan)

    def details(self, previews: Sequence[Preview], width: int) -> Page:
        """Return everything there is to say about *previews*."""
        page, plan = Page(width), plan_of(tuple(previews)) if len(previews) == 1 else ""
        for number, preview in enumerate(previews):
            if number:
                page.gap()
            case = self._cases[preview.host.name]
            page.add(preview_page(case, preview, self.run, width=width, detail=Detail.ALL, plan=plan))
        return page

    def _table(self, previews: Sequence[Preview], width: int, plan: str, detail: Detail) -> Page:
        page = Page(width)
        scenario, hosts = self._scenario, {case.host.listed_name for case in self._cases.values()}
        urgent = f"{scenario.severity.value.upper()}, respond within {scenario.respond_within}"
        page.beside((scenario.name, HEADING), f"· {counted(len(hosts), 'host')} · {urgent}", 0)
        page.line(joined([f"run {self.run}" if self.run else "dry run", "nothing changed yet"]))
        put_stages(page, list(self._cases.values()), self._spared)
        page.gap()
        seen = self._seen or {preview.host.name: preview for preview in previews}
        rows = [(name, preview.outcome, preview) for name, preview in seen.items()]
        put_hosts(page, [*rows, *((name, outcome, None) for name, outcome in self._spared.items())])
        if missing := [name for name in self._cases if name not in seen and name not in self._spared]:
            page.names("  not reached", compact(missing), 15)
        if pending := [preview for preview in previews if preview.pending]:
            for stage in in_order(preview.host for preview in pending):
                page.gap()
                if stage:
                    number = f"{number_of(stage, scenario)} of {len(scenario.stages)}"
                    page.line((f"STAGE {number} {stage}", HEADING))
                self._put_plans(page, [preview for preview in pending if preview.host.stage == stage], detail)
            page.gap()
            if self.order is not None:
                put_order(page, self.order)
            page.prose(joined([sums(pending), f"plan {plan}"]))
        return page

    def _put_plans(self, page: Page, pending: Sequence[Preview], detail: Detail) -> None:
        """Put on *page* what is wrong on the worst host, and every plan that there is."""
        worst = worst_of(pending)
        case = self._cases[worst.host.name]
        page.add(preview_page(case, worst, self.run, width=page.width, detail=detail, part_of=len(pending)))
        for alike in other_plans(pending, worst):
            page.gap()
            put_other_plan(page, alike, detail)
