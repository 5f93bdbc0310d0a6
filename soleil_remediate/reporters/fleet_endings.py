"""How a run of several hosts ended: the proof, how each host ended, the last word on all, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from soleil_remediate.errors import ExitStatus
from soleil_remediate.host_outcomes import MaybeChanged, NotReached, Refusal, WrongInput
from soleil_remediate.invocation import Invocation
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.batches import CALM, put_affected
from soleil_remediate.reporters.endings import has_questions_left, put_caveats, put_proof, put_saved, was_touched
from soleil_remediate.reporters.fleets import put_hosts, put_total, telling
from soleil_remediate.reporters.left_to_people import left_in_words
from soleil_remediate.reporters.page import Page, counted
from soleil_remediate.stages import is_spared


def put_fleet_ending(
    page: Page, report: RunReport, again: Invocation, run: str, *, is_dry: bool, is_everything: bool
) -> None:
    """Put on *page* how several hosts ended, and what to type next.

    Args:
        run: The run's name; empty for a dry run, which keeps no record.
        is_dry: Nothing was to be sent.
        is_everything: The proof of every host is shown, and all of it.
    """
    changed = [host for host in report.hosts if was_touched(host)]
    _put_proofs(page, changed, is_everything=is_everything)
    told = report.hosts if changed else [host for host in report.hosts if _is_news(host)]
    put_hosts(page, [(host.host.name, host.outcome, host.preview) for host in told])
    page.gap()
    if changed:
        put_affected(page, report.touched, report.untouched, report.unknown)
    put_total(page, report)
    if run and changed:
        _put_record(page, report, again, run)
    elif report.exit_status and (command := _command(report, again, is_dry=is_dry)):
        page.command("  next", command, 9)
    _put_left(page, report, again, run, has_record=bool(run and changed))


def _put_left(page: Page, report: RunReport, again: Invocation, run: str, *, has_record: bool) -> None:
    """Put on *page* how much is left to people, and by which command it is read: for several hosts it is too long."""
    hosts = {one.host.listed_name for one in report.hosts if has_questions_left(one)}
    if run and (words := left_in_words(report.for_people.on(hosts))):
        if not has_record:
            page.command("  record", again.show(run), 9)
        page.prose(f"the record has what is left to people: {words}", 9)


def _put_proofs(page: Page, changed: Sequence[HostReport], *, is_everything: bool) -> None:
    proven = changed if is_everything or len(changed) <= CALM else telling(changed)[:CALM]
    for host in proven:
        if host.preview is not None and host.after is not None:
            page.line(host.host.name)
            put_proof(page, host.preview.standing, host.after, is_everything=is_everything)
            put_saved(page, host.copies)
            put_caveats(page, host)
            page.gap()
    if len(proven) < len(changed):
        page.prose(f"and the proof of {counted(len(changed) - len(proven), 'host')} more, in the record")
        page.gap()


def _is_news(host: HostReport) -> bool:
    """Whether an untouched host ended in another way than the table of what was seen has said."""
    return host.outcome != host.preview.outcome if host.preview is not None else not is_spared(host)


def _put_record(page: Page, report: RunReport, again: Invocation, run: str) -> None:
    """Put on *page* where the record of a run that changed hosts is, and how to go on after it."""
    page.command("  record", again.show(run), 9)
    if any(isinstance(host.outcome, MaybeChanged) for host in report.hosts):
        page.command("  next", again.resume(run), 9)
    elif report.exit_status:
        page.command("  next", again.preview(), 9)
        if report.exit_status in (ExitStatus.NOT_FIXED, ExitStatus.UNREACHABLE):
            page.line("         once that is mended: what is done already is not done again")


def _command(report: RunReport, again: Invocation, *, is_dry: bool) -> str:
    """Return the command that goes on with several hosts; empty where only the person can know it."""
    wrong = {host.host.name: host.outcome for host in report.hosts if isinstance(host.outcome, WrongInput)}
    if len(wrong) == len(report.hosts):
        meant = {(one.given, one.nearest) for one in wrong.values()}
        given, nearest = meant.pop()
        return again.corrected(given, nearest).preview() if nearest and not meant else ""
    if wrong:
        return again.without(list(wrong)).preview()
    if all(isinstance(host.outcome, NotReached) for host in report.hosts):
        return again.ping_all()
    silent = [host.host.name for host in report.hosts if host.preview is None and not is_spared(host)]
    if not is_dry and silent and any(isinstance(host.outcome, Refusal) for host in report.hosts):
        left = {host.host.stage for host in report.hosts if host.host.name not in silent}
        is_whole = left == {host.host.stage for host in report.hosts}  # a run does all stages or none
        return again.without(silent).remediate() if is_whole else again.ping_all()
    is_to_go_on = is_dry or report.exit_status is ExitStatus.DECLINED
    return again.remediate() if is_to_go_on else again.preview()
