"""What only people can answer or do, after a run: told as open, and never as done."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from soleil_remediate.reporters.page import HEADING, Page, advised, counted, joined
from soleil_remediate.scenario import Advice, ForPeople

_INDENT = 10


def put_steps(page: Page, steps: Sequence[Advice], indent: int, hosts: Collection[str] = ()) -> None:
    """Put on *page* what is to be done by hand, a command on a line of its own where it does not fit.

    Args:
        page: Where to.
        steps: What is to be done.
        indent: The column where they begin.
        hosts: All that they are about: a step that is not for each of them says for which it is.
    """
    label = "  by hand"
    for step in steps:
        names = _names(step, hosts)
        for line in ([f"on {names}:"] if names else []) + advised(step.text, page.width - indent):
            page.line(label.ljust(indent), line)
            label = ""


def put_questions(page: Page, questions: Sequence[Advice], indent: int, hosts: Collection[str] = ()) -> None:
    """Put on *page* what is to be answered, as :func:`put_steps` does."""
    for number, question in enumerate(questions):
        names = _names(question, hosts)
        about = f"on {names}: {question.text}" if names else question.text
        page.beside("  answer" if number == 0 else "", about, indent)


def put_left_to_people(page: Page, left: ForPeople) -> None:
    """Put on *page* all of it, with a heading; nothing where nothing is left."""
    hosts = {host for one in (*left.questions, *left.by_hand) for host in one.hosts}
    if not hosts:
        return
    page.gap()
    page.beside(("OPEN", HEADING), "for people: whether anybody answered or did it is not known here", _INDENT)
    put_questions(page, left.questions, _INDENT, hosts)
    put_steps(page, left.by_hand, _INDENT, hosts)


def left_in_words(left: ForPeople) -> str:
    """Return how much of it there is; empty where nothing is left."""
    questions, steps = len(left.questions), len(left.by_hand)
    return joined(
        [
            counted(questions, "question") if questions else "",
            f"{counted(steps, 'step')} by hand" if steps else "",
        ],
        ", ",
    )


def _names(one: Advice, hosts: Collection[str]) -> str:
    return "" if set(one.hosts) >= set(hosts) else ", ".join(one.hosts)
