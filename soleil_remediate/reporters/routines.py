"""What a routine saw: each check on a line, host by host, and what is left to people."""

from __future__ import annotations

from collections.abc import Sequence

from soleil_remediate.checked import Checked
from soleil_remediate.duties import DutySeen
from soleil_remediate.errors import ExitStatus
from soleil_remediate.invocation import Invocation
from soleil_remediate.reporters.endings import BAD, GOOD, HALF
from soleil_remediate.reporters.page import HEADING, MARGIN, Page, counted, joined
from soleil_remediate.scenario import Routine
from soleil_remediate.task import Health

_MARKS = {Health.HEALTHY: ("ok", ""), Health.FAULTY: ("RED", BAD), Health.UNKNOWN: ("?", HALF)}
#: What is wrong stands first: nobody reads on behind a list of what is well.
_ORDER = (Health.FAULTY, Health.UNKNOWN, Health.HEALTHY)


def routine_page(
    routine: Routine,
    checked: Sequence[Checked],
    duties: Sequence[DutySeen],
    again: Invocation,
    status: ExitStatus,
    width: int,
) -> Page:
    """Return one page about all hosts, and what only a person can see to."""
    page = Page(width)
    if not routine.checks:
        page.prose(f"no host is asked: {routine.name} has duties alone")
    for one in checked:
        page.gap()
        _put_host(page, routine, one, again)
    if duties:
        page.gap()
        _put_duties(page, routine, duties, again)
    page.gap()
    page.line((_verdict(checked, duties), BAD if status else GOOD), f" · exit {int(status)}")
    return page


def _put_host(page: Page, routine: Routine, checked: Checked, again: Invocation) -> None:
    host = checked.host
    about = joined([host.policy.environment, host.app_name and f"app {host.app_name}"], ", ")
    page.beside((f"{routine.name} · {host.name}", HEADING), f"({about})" if about else "", 0)
    if checked.end is not None:
        page.headline((checked.end.word, BAD), checked.end.why, 2)
        return
    if checked.limits:
        page.prose(f"seen as {checked.login}, not as root: {checked.limits}")
    for health in _ORDER:
        mark, style = _MARKS[health]
        for one in checked.of(health):
            page.beside((mark, style), f"{one.kind}: {one.verdict.why}")
    for left in checked.left_out:
        page.beside("--", f"{left.kind}: left out, it needs {', '.join(left.missing)}")
    if checked.of(Health.FAULTY):
        page.command("next", again.about(host.name).diagnose(), MARGIN)


def _put_duties(page: Page, routine: Routine, duties: Sequence[DutySeen], again: Invocation) -> None:
    page.line(("by hand", HEADING))
    due = [one for one in duties if one.is_due]
    for one in sorted(duties, key=lambda one: not one.is_due):
        mark = ("DUE", BAD) if one.is_due else ("ok", "")
        page.beside(mark, f"{one.duty.name}: {one.duty.what} (every {one.duty.every}; {one.in_words})")
    if due:
        page.command("done?", again.confirm(routine.name, due[0].duty.name), MARGIN)


def _verdict(checked: Sequence[Checked], duties: Sequence[DutySeen]) -> str:
    faulty = sum(len(one.of(Health.FAULTY)) for one in checked)
    unknown = sum(len(one.of(Health.UNKNOWN)) for one in checked)
    missed = sum(one.end is not None for one in checked)
    unchecked = sum(one.is_unchecked for one in checked)
    due = sum(one.is_due for one in duties)
    said = [
        f"{faulty} at fault" if faulty else "",
        f"{unknown} unknown" if unknown else "",
        f"{counted(missed, 'host')} not looked at" if missed else "",
        f"nothing checked on {counted(unchecked, 'host')}" if unchecked else "",
        f"{due} due by hand" if due else "",
    ]
    return joined(said) or ("all is well that was looked at" if checked else "nothing of it is due")
