"""The person at the gate: asked on the terminal itself, never on standard input.

A pipe full of ``yes`` answers nothing, and neither does what was typed before the question was shown. Answers are plain
ASCII: letters that only look like the host's name are not its name. End of input and an empty line are no.
"""

from __future__ import annotations

import io
import os
import re
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from soleil_remediate.host import Host
from soleil_remediate.plan import Change, Risk
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.page import SEPARATOR, Page, counted, joined
from soleil_remediate.reporters.plans import (
    STYLES,
    machines,
    put_by_hand,
    put_change,
    put_commands,
    put_essentials,
)
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.visible import visible
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepPending

TERMINAL = "/dev/tty"

#: Answers that mean nothing here are asked about so many times before they are a no.
TRIES = 3
_LONGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Something a person may say yes to.

    Args:
        steps: The numbers of the steps; empty is all of them.
        digests: What a yes approves.
        risk: The highest among them.
        of_hosts: How many hosts they change.
    """

    steps: tuple[int, ...] = ()
    digests: frozenset[str]
    risk: Risk
    of_hosts: int = 1


class Terminal:
    """Asks the person at this process's terminal.

    Args:
        descriptor: The terminal, open for reading and writing.
        reporter: Shows the plan where it was not shown yet.
        operator: Who that is.
    """

    def __init__(self, descriptor: int, *, reporter: ConsoleReporter, operator: str) -> None:
        self._descriptor = descriptor
        self._reporter = reporter
        self._operator = operator
        self._screen = reporter.screen
        if not reporter.screen.is_terminal:  # the output goes elsewhere: the person sees the plan here
            out = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), "utf-8", "backslashreplace")
            self._screen = Screen.of(out)
        self._typed = ""

    @classmethod
    def open(cls, reporter: ConsoleReporter, operator: str, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Return this process's terminal; ``None`` where nobody can be asked.

        Nobody can without a controlling terminal, in the background of one, or where ``CI`` is set: a build server
        may hand out a terminal that nobody looks at.
        """
        if environment.get("CI", "").lower() not in {"", "0", "false"}:
            return None
        try:
            descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            is_in_front = os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            is_in_front = False
        if not is_in_front:
            os.close(descriptor)
            return None
        return cls(descriptor, reporter=reporter, operator=operator)

    @property
    def name(self) -> str:
        """Who answered, and what was typed, for the record."""
        return f"{self._operator} typed {self._typed}" if self._typed else self._operator

    def ask(self, scenario: str, previews: Sequence[Preview], risk: Risk) -> frozenset[str] | None:
        """Ask about everything *previews* would send; return the digests approved, or ``None`` for no."""
        del scenario  # the plan on the screen says it
        choice = _Choice(
            digests=frozenset(digest for preview in previews for digest in preview.digests),
            risk=risk,
            of_hosts=machines(previews),
        )
        longest = self._wrapped(_prompt(previews, choice, _offered(previews), is_short=True))
        is_short = self._reporter.present(previews, self._screen, reserve=len(longest) + 1)
        return self._gate(previews, choice, is_short=is_short)

    def ask_again(self, host: Host, kind: str, change: Change) -> bool:
        """Ask about one change that was not in what the person approved."""
        page = Page(self._screen.width)
        page.gap()
        page.line(f"{host.name} has changed since it was looked at. This was not in the plan:")
        risk = (change.risk.name, STYLES[change.risk])
        page.line("  +  ", risk, f"  {kind}")
        put_change(page, change)
        page.line()
        self._screen.show(page)
        word = host.listed_name if change.risk is Risk.DESTRUCTIVE else "yes"
        for _ in range(TRIES):
            answer = self._answer(f"Type {word} to run it too · c = commands · Enter = no")
            if answer in {None, ""}:
                return False
            if answer == "c":
                page = Page(self._screen.width)
                put_by_hand(page, host, change, kind)
                page.gap()
                page.line("  +  ", risk, f"  {kind}   {change.before} -> {change.after}")
                self._screen.show(page)
            elif answer == word:
                return True
            else:
                self._screen.say(f"{_quoted(answer)} is not {word}. Nothing more was sent.")
        return False

    # --- the gate -----------------------------------------------------------------------------------------------------

    def _gate(self, previews: Sequence[Preview], everything: _Choice, *, is_short: bool) -> frozenset[str] | None:
        choice, tries = everything, TRIES
        offered = _offered(previews)
        while tries:
            word = _word(previews, choice)
            answer = self._answer(_prompt(previews, choice, offered, is_short=is_short))
            if answer is None or answer in {"", "n", "no", "N", "NO", "No"}:
                self._screen.say("No: nothing was sent.")
                return None
            if answer == word or (answer in {"y", "Y", "Yes", "YES"} and word == "yes"):
                self._typed = visible(answer, 100)
                return choice.digests
            if answer == "c":
                page = Page(self._screen.width)
                put_commands(page, previews)
                page.gap()
                put_essentials(page, previews)
                self._screen.show(page)
            elif answer == "d":
                page = self._reporter.details(previews, self._screen.width)
                if len(previews) > 1:  # one host's plan ends with what it comes to
                    page.gap()
                    put_essentials(page, previews)
                self._screen.show(page)
            elif chosen := _chosen(answer, offered):
                choice = chosen
                if choice.risk is Risk.GENTLE:
                    self._typed = visible(answer, 100)
                    return choice.digests
            else:
                tries -= 1
                self._screen.say(f"{_quoted(answer)} is not {word}. Nothing was sent yet.")
        self._screen.say("No: nothing was sent.")
        return None

    def _wrapped(self, prompt: str) -> Page:
        """Return the question on as many lines as it takes, broken between two answers."""
        page, line = Page(self._screen.width), ""
        for part in prompt.split(SEPARATOR):
            longer = joined([line, part], SEPARATOR)
            if line and len(longer) > page.width:
                page.prose(line)
                line = part
            else:
                line = longer
        page.prose(line)
        return page

    def _answer(self, prompt: str) -> str | None:
        """Show *prompt* and return one line, ``None`` at the end of input; what cannot be ASCII comes as ``?``."""
        self._screen.show(self._wrapped(prompt))
        try:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)  # typed before the question was there
            os.write(self._descriptor, b"> ")
            line = os.read(self._descriptor, _LONGEST)
        except OSError:  # the terminal is gone
            return None
        except BaseException:  # a signal: what is said about it begins on a line of its own
            self._screen.say("")
            raise
        if not line.endswith(b"\n"):
            self._screen.say("")
            return None
        return line.decode("utf-8", "backslashreplace").strip(" \t\r\n")


@dataclass(frozen=True, slots=True)
class _Offered:
    """The steps of the one host that there is; none where there are several hosts."""

    preview: Preview | None = None
    steps: Mapping[int, StepPending] = field(default_factory=dict)


def _offered(previews: Sequence[Preview]) -> _Offered:
    """Return the steps that may be chosen by number: of one host, and not where its name is a number too."""
    if len(previews) != 1 or previews[0].host.listed_name.isdigit():
        return _Offered()
    (preview,) = previews
    return _Offered(preview, {number: step for number, (_, step) in enumerate(preview.pending, start=1)})


def _chosen(answer: str, offered: _Offered) -> _Choice | None:
    """Return what numbers such as ``1`` or ``1 3`` stand for; ``None`` where *answer* is something else."""
    if not re.fullmatch(r"[0-9]{1,3}([ ,]+[0-9]{1,3})*", answer):
        return None
    asked = tuple(sorted({int(number) for number in re.split(r"[ ,]+", answer)}))
    if not all(number in offered.steps for number in asked):
        return None
    steps = [offered.steps[number] for number in asked]
    return _Choice(
        steps=asked,
        digests=frozenset(digest for step in steps for digest in step.digests),
        risk=max(step.plan.risk for step in steps),
    )


def _word(previews: Sequence[Preview], choice: _Choice) -> str:
    """Return what has to be typed."""
    if choice.risk is not Risk.DESTRUCTIVE:
        return "yes"
    count = machines(previews)
    return previews[0].host.listed_name if count == 1 else str(count)


def _prompt(previews: Sequence[Preview], choice: _Choice, offered: _Offered, *, is_short: bool) -> str:
    word = visible(_word(previews, choice), 100)
    if choice.steps:
        what = f"run {counted(len(choice.steps), 'step')[2:]} {', '.join(map(str, choice.steps))} only"
    elif len(previews) > 1:
        count = machines(previews)
        what = f"run it on {count} hosts" if count > 1 else "run all stages on it"
    else:
        what = f"run {_in_order(offered)}" if offered.steps else "run it"
    is_choosable = len(offered.steps) > 1 and not choice.steps
    return joined(
        [
            f"Type {word} to {what}",
            "1 = step 1 only" if is_choosable else "",
            "d = details" if is_short else "",
            "c = commands",
            "Enter = no",
        ]
    )


def _in_order(offered: _Offered) -> str:
    sure = [str(number) for number, step in offered.steps.items() if not step.is_tentative]
    later = [str(number) for number, step in offered.steps.items() if step.is_tentative]
    return ", ".join(sure) + (f" ({', '.join(later)} if needed)" if later else "")


def _quoted(answer: str) -> str:
    return f"'{ascii(visible(answer, 40))[1:-1]}'"
