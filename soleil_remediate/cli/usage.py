"""Help: what a person reads before anything is loaded."""

from __future__ import annotations

from soleil_remediate.cli.verbs import BY_NAME, Option, Verb

PAGE = """\
soleil-remediate: find, show, ask, repair, prove. Laravel hosts over SSH.

An alert   diagnose --host web1            what is wrong, the cause first
           preview disk-full --host web1   what would be done about it
           scenarios · explain disk-full   what can be repaired · its page
Repair     remediate --scenario disk-full --host web1
           resume RUN                      after it was killed or cut off
Stop       freeze on|off · status          stop all runs · locks and orphans
Look back  runs list · runs show RUN
Set up     ping --host web1 · inventory · lint · sudoers disk-full
Routine    check daily|weekly|monthly      before anything is wrong, for cron
Rehearse   rehearse disk-full · lab up · lab break web1 laravel-log
           lab reset web1 · lab ssh web1 · lab status · lab down

Common     --host PATTERN --inventory FILE --set NAME=VALUE --playbooks DIR
           --yes (up to the policy) --approve PLAN -v
           -o json, and for remediate, resume, preview junit or github
Many       --serial 1,5,25% --max-fail COUNT --forks COUNT
Exit       0 fine or fixed  1 not fixed  2 your input  3 unreachable  4 declined
           5 work found  6 eased (works, goal missed)  7 UNKNOWN: look first
           70 a bug here  130 stopped

More       COMMAND --help · --version. `soleil` is short for it; in a checkout
           the same commands run as `invoke remediate`, `invoke lab.up`.
"""

#: Groups of commands, and what they have in common.
GROUPS = {
    "runs": "What was done: every run leaves a record under ~/.local/state.",
    "lab": "Hosts to rehearse on, on this machine, and ways to break them.",
}


def verb_page(verb: Verb, program: str) -> str:
    """Return the help of one command."""
    words = [_placeholder(word.name, is_required=word.is_required, is_many=word.is_many) for word in verb.words]
    lines = [verb.about]
    if verb.more:
        lines += _filled(verb.more, 0)
    lines += ["", f"usage    {' '.join([program, verb.name, *words])}{' [OPTIONS]' if verb.options else ''}"]
    if verb.example:
        lines.append(f"such as  {program} {verb.name} {verb.example}")
    rows = [(_placeholder(word.name, is_required=True, is_many=False), word.about) for word in verb.words]
    rows += [(_spelt(option), option.about) for option in verb.options]
    if rows:
        lines.append("")
        width = max(len(name) for name, _ in rows) + 3
        for name, about in rows:
            first, *rest = _filled(about, width + 2)
            lines += [f"  {name:<{width}}{first.lstrip()}", *rest]
    return "\n".join(lines) + "\n"


def group_page(group: str, program: str) -> str:
    """Return the help of a group of commands."""
    members = [verb for verb in BY_NAME.values() if verb.name.startswith(f"{group} ")]
    width = max(len(verb.name) for verb in members) + 3
    lines = [GROUPS[group], ""]
    lines += [f"  {verb.name:<{width}}{verb.about}" for verb in members]
    return "\n".join([*lines, "", f"{program} {members[0].name} --help says more."]) + "\n"


def _placeholder(name: str, *, is_required: bool, is_many: bool) -> str:
    text = name.upper().removesuffix("S") if is_many else name.upper()
    text = f"{text} …" if is_many else text
    return text if is_required else f"[{text}]"


def _spelt(option: Option) -> str:
    letter = f"-{option.letter}, " if option.letter else ""
    return f"{letter}--{option.name}{' ' + option.value if option.value else ''}"


def _filled(text: str, indent: int) -> list[str]:
    lines, line = [], " " * indent
    for word in text.split():
        if len(line) + len(word) + 1 > 80 and line.strip():
            lines.append(line)
            line = " " * indent
        line += word if not line.strip() else f" {word}"
    return [*lines, line]
