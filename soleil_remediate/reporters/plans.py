"""A plan for people: what would be changed, at which risk, what is lost, and how it is undone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from enum import IntEnum

from soleil_remediate.gates import downtime
from soleil_remediate.host import Host
from soleil_remediate.plan import Change, Risk
from soleil_remediate.reporters.page import HEADING, PURPLE, RED, Page, counted, joined, wrapped
from soleil_remediate.reporters.visible import shown_word, typed, visible
from soleil_remediate.seen import Preview, plan_of
from soleil_remediate.step_outcomes import StepDeclined, StepHealthy, StepPending, StepSeen, StepSkipped, StepUndecided
from soleil_remediate.units import ByteSize

#: Colour says "look here" and nothing else.
STYLES = {Risk.GENTLE: "", Risk.DISRUPTIVE: PURPLE, Risk.DESTRUCTIVE: RED}


class Detail(IntEnum):
    """How much is said: everything, what a person needs, that on few lines, only what decides, or that without why."""

    ALL = 0
    FULL = 1
    BRIEF = 2
    LEAST = 3
    BARE = 4


_INDENT = 7


def numbers(preview: Preview) -> dict[int, int]:
    """Return what each pending step is called, from 1, by its place among all steps."""
    return {place: number for number, (place, _) in enumerate(preview.pending, start=1)}


def put_plan(page: Page, preview: Preview, detail: Detail = Detail.FULL) -> None:
    """Put every step on *page*: those that would change something with a number, the others with why not."""
    page.line(("PLAN", HEADING), "   gentlest first, stops when the goal is met")
    called, before = numbers(preview), ""
    _put_idle(page, (*preview.steps, *preview.left_out), detail)
    for place, step in enumerate(preview.steps):
        if isinstance(step.outcome, StepPending):
            put_step(page, called[place], step.kind, step.outcome, after=before, detail=detail)
            before = before or str(called[place])


def _idle(steps: Sequence[StepSeen]) -> Iterator[tuple[str, list[str]]]:
    """Give the steps that would change nothing, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for step in steps:
        match step.outcome:
            case StepHealthy(why=why) | StepSkipped(why=why) | StepDeclined(why=why):
                reasons.setdefault(f"skip: {why}", []).append(step.kind)
            case StepUndecided(why=why):
                reasons.setdefault(f"cannot: {why}", []).append(step.kind)
            case _:
                pass
    yield from reasons.items()


def _put_idle(page: Page, steps: Sequence[StepSeen], detail: Detail) -> None:
    reasons = list(_idle(steps))
    if detail >= Detail.BRIEF:
        count = sum(len(members) for _, members in reasons)
        kinds = dict.fromkeys(kind for _, members in reasons for kind in members)
        if count and detail is Detail.BRIEF:
            page.beside("  -", f"not needed or no help: {', '.join(kinds)}", 5, at_most=2)
        elif count:
            page.beside("  -", f"{counted(count, 'other step')} not needed or no help (d = why)", 5)
        return
    for reason, members in reasons:
        page.beside("  -", f"{', '.join(dict.fromkeys(members))}  {reason}", 5)


def put_step(
    page: Page, number: int | str, kind: str, pending: StepPending, *, after: str = "", detail: Detail = Detail.FULL
) -> None:
    """Put one step and its changes on *page*.

    Args:
        number: What a person types to choose it.
        kind: Its task's.
        pending: What it would do.
        after: The number of the first step, where this one may turn out not to be needed.
        detail: How much is said.
    """
    risk = pending.plan.risk
    tail = f"only if still needed after step {after}" if pending.is_tentative and after else ""
    is_wide = page.width >= 2 + 3 + 11 + 2 + len(kind) + 3 + len(tail)
    page.line(f"  {number!s:<3}", (risk.name.ljust(11), STYLES[risk]), f"  {kind}   {tail if is_wide else ''}")
    if tail and not is_wide:
        page.prose(tail, _INDENT)
    changes = pending.plan.changes
    shown = changes[: (len(changes), 6, 3, 1, 1)[detail]]
    for change in shown:
        put_change(page, change, detail)
    if len(shown) < len(changes):
        page.prose(f"and {counted(len(changes) - len(shown), 'more change')} like it", _INDENT)


def put_change(page: Page, change: Change, detail: Detail = Detail.FULL) -> None:
    """Put on *page* what a change does, what is lost by it, and how it is undone."""
    at_most = (0, 0, 2, 2, 2)[detail]
    page.prose(change.summary, _INDENT, at_most=at_most)
    gains = joined((f"frees {relief.amount} ({relief.subject})" for relief in change.relieves), ", ")
    notice = "" if change.downtime == "none" else f"users notice: {change.downtime}"
    said = joined([f"{change.before} -> {change.after}", gains, notice], "    ")
    page.prose(said, _INDENT, at_most=at_most)
    undo = change.undo.says
    if change.undo.command is None and not undo.startswith("none"):
        undo = f"none: {undo}"
    loses = "" if change.loses == "nothing" else change.loses
    if detail >= Detail.LEAST:
        saves = "saved first" if change.preserve is not None or change.gathers else ""
        page.prose(joined([saves, loses and f"loses {loses}", f"undo {undo}"]), _INDENT, at_most=3)
        return
    saves = "" if change.preserve is None else f"{change.preserve.size} off the host first, gzip, checksum compared"
    if change.gathers:
        about = ByteSize(sum(one.size for one in change.gathers))
        saves = f"about {about} off the host first, gzip, checksums compared: {', '.join(map(str, change.gathers))}"
    for label, text in (("keep", change.keeps), ("save", saves), ("loses", loses), ("undo", undo)):
        if text:
            _put_labelled(page, label, text, at_most)


def _put_labelled(page: Page, label: str, text: str, at_most: int) -> None:
    page.beside(f"{' ' * _INDENT}{label:<5}", text, _INDENT + 6, at_most=at_most)


def sums(previews: Sequence[Preview]) -> str:
    """Return what a person must know about everything at once: how many hosts, downtime, undo."""
    pending = [step for preview in previews for _, step in preview.pending]
    changes = [change for step in pending for change in step.plan.changes]
    noticed = list(dict.fromkeys(text for step in pending if (text := downtime(step)) != "none"))
    for_good = sum(change.undo.command is None for change in changes)
    if not for_good:
        undo = "can be undone"
    elif for_good == len(changes):
        undo = "cannot be undone"
    else:
        undo = f"{for_good} of {len(changes)} changes cannot be undone"
    return joined([counted(machines(previews), "host"), "; ".join(noticed) or "no downtime", undo])


def machines(previews: Sequence[Preview]) -> int:
    """Return how many hosts that are, counting one once that is in several stages."""
    return len({preview.host.listed_name for preview in previews})


def put_commands(page: Page, previews: Sequence[Preview]) -> None:
    """Put every pending change's commands on *page*, as a person would type them in a root shell on the host."""
    for preview in previews:
        page.gap()
        stage = f", stage {preview.host.stage}" if preview.host.stage else ""
        page.line((f"by hand on {preview.host.listed_name}{stage}, in a root shell there:", HEADING))
        page.command("", login(preview.host, "sudo -i"), 0)
        called = numbers(preview)
        for place, step in preview.pending:
            for change in step.plan.changes:
                page.gap()
                put_by_hand(page, preview.host, change, f"{called[place]} {preview.steps[place].kind}")


def put_by_hand(page: Page, host: Host, change: Change, name: str) -> None:
    """Put one change's commands on *page*, what must be saved first included.

    What destroys something goes on only with the number of bytes that were saved, and nobody but the person at the
    keyboard can fill that in: copied by mistake, it does nothing.
    """
    _comment(page, f"{name}: {change.summary}" if name else change.summary)
    if change.preserve is not None:
        copy = shlex.quote(f"{host.listed_name.replace('/', '-')}-{change.preserve.path.name}.gz")
        save = login(host, f"sudo gzip -c {shown_word(str(change.preserve.path))}")
        _comment(page, "first save it, on your own machine; the number that this prints is BYTES_SAVED:")
        page.command("", f"{save} > {copy} && gzip -dc {copy} | wc -c", 0)
        _comment(page, f"then, in the root shell on {host.listed_name}, complete this with that number:")
        page.line("BYTES_SAVED=")
        _comment(page, "and go on there; without the number nothing happens:")
        page.line('[ "${BYTES_SAVED:?save it first}" -ge 0 ] && echo "$BYTES_SAVED" | \\')
    if change.gathers:
        _comment(page, "first save, off the host, what each of these prints:")
        for one in change.gathers:
            _comment(page, f"{one.name}: {one}")
            for line in typed(one.command):
                page.line(line)
        _comment(page, "then this; it reads a line of each on its standard input: SHA256 BYTES NAME")
    for line in typed(change.command):
        page.line(line)


def put_essentials(page: Page, previews: Sequence[Preview]) -> None:
    """Put on *page* what is being asked about, on as few lines as it takes: for where the plan has scrolled away."""
    if len(previews) == 1:
        _put_steps_in_short(page, previews[0])
    else:
        _put_hosts_in_short(page, previews)
    page.prose(joined([sums(previews), f"plan {plan_of(tuple(previews))}"]))


def _put_steps_in_short(page: Page, preview: Preview) -> None:
    called = numbers(preview)
    for place, step in preview.pending:
        first, *others = step.plan.changes
        effect = f"{first.before} -> {first.after}{f' and {len(others)} more' if others else ''}"
        risk = (step.plan.risk.name.ljust(11), STYLES[step.plan.risk])
        page.line(f"  {called[place]!s:<3}", risk, f"  {preview.steps[place].kind}   {effect}")


def _put_hosts_in_short(page: Page, previews: Sequence[Preview]) -> None:
    alike: dict[tuple[Risk, str], list[str]] = {}
    for preview in previews:
        if preview.risk is not None:
            kinds = ", ".join(preview.steps[place].kind for place, _ in preview.pending)
            alike.setdefault((preview.risk, kinds), []).append(preview.host.name)
    for (risk, kinds), names in alike.items():
        who = " ".join(names) if len(names) <= 3 else counted(len(names), "host")
        page.line("  ", (risk.name.ljust(11), STYLES[risk]), f"  {who}   {kinds}")


def _comment(page: Page, text: str) -> None:
    for line in wrapped(visible(text), page.width - 2):
        page.line(f"# {line}")


def login(host: Host, command: str) -> str:
    """Return what runs *command* on *host* by hand, as this program would reach it: by ssh, unless it is here."""
    connection = host.connection
    if connection.transport == "local":
        return command
    words = ["ssh", *(["-t"] if command == "sudo -i" else [])]
    if connection.key_file is not None:
        words += ["-i", str(connection.key_file)]
    for file in connection.known_hosts[:1]:
        words += ["-o", f"UserKnownHostsFile={file}"]
    if connection.ssh_config is not None:
        words += ["-F", str(connection.ssh_config)]
    if connection.port not in {None, 22}:
        words += ["-p", str(connection.port)]
    words.append(f"{connection.user + '@' if connection.user else ''}{connection.address}")
    return f"{' '.join(map(shown_word, words))} {shown_word(command)}"
