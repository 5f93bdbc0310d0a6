"""The command line: one invoke collection, used by stock invoke in a checkout and by the installed program.

The installed program reads its arguments against that collection and nothing else: no ``tasks.py``, ``invoke.yaml``,
``fabric.yml`` or ``ssh_config`` of the current folder, no ``~/.invoke.yaml``, ``/etc/invoke.yaml`` or ``INVOKE_…``.
Help and version are served before invoke is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from soleil_remediate.cli.usage import GROUPS, PAGE, group_page, verb_page
from soleil_remediate.cli.verbs import BY_NAME, MISLEADING, RUN_OUTPUT, VERBS, Verb

if TYPE_CHECKING:
    from invoke.collection import Collection

    from soleil_remediate.cli.call import Program

__all__ = ["collection", "main"]

NAMES = ("soleil-remediate", "soleil")
_HELP = frozenset({"-h", "--help", "help"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the installed program and return its exit status.

    Args:
        arguments: The command line without the program's name; ``None`` is this process's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    called = PurePath(sys.argv[0]).name
    name = called if called in NAMES else NAMES[0]
    if page := _page(words, name):
        print(page, end="")  # noqa: T201  # the one thing that must need no imports
        return 0
    if words[:1] in (["--version"], ["-V"]):
        from importlib.metadata import version  # noqa: PLC0415  # slow, and needed here alone

        print(f"soleil-remediate {version('soleil-remediate')}")  # noqa: T201  # likewise
        return 0
    return _run(words, name)


def _page(words: list[str], name: str) -> str:
    """Return the help that was asked for; empty where none was."""
    if not words or words[0] in _HELP:
        asked = words[1:]
        if not asked:
            return PAGE
    elif any(word in {"-h", "--help"} for word in words[: words.index("--") if "--" in words else None]):
        asked = words
    else:
        return group_page(words[0], name) if words[0] in GROUPS and len(words) == 1 else ""
    verb, _ = _split(asked)
    if verb is not None:
        return verb_page(verb, name)
    return group_page(asked[0], name) if asked[0] in GROUPS else ""


def _split(words: list[str]) -> tuple[Verb | None, list[str]]:
    """Return the command that *words* begin with, and the others; ``lab up`` and ``lab.up`` are the same."""
    words = [*words[0].split("."), *words[1:]] if words and "." in words[0] else words
    for count in (2, 1):
        if verb := BY_NAME.get(" ".join(words[:count])):
            return verb, words[count:]
    return None, words


def collection(program: Program) -> Collection:
    """Return every command as an invoke collection: ``remediate``, ``lab.up``.

    Args:
        program: What it is called by, and what stands where nobody names it.
    """
    from invoke.collection import Collection  # noqa: PLC0415  # 0.1 s, which help must not cost

    root = Collection()
    groups = {group: Collection(group) for group in GROUPS}
    for verb in VERBS:
        group, _, member = verb.name.rpartition(" ")
        groups.get(group, root).add_task(_task(verb, program), name=member)
    for inner in groups.values():
        root.add_collection(inner)
    return root


def _task(verb: Verb, program: Program) -> Any:
    """Return *verb* as an invoke task; its signature comes from the table."""
    from inspect import Parameter, Signature  # noqa: PLC0415  # see collection

    from invoke.context import Context  # noqa: PLC0415  # see collection
    from invoke.exceptions import Exit  # noqa: PLC0415  # see collection
    from invoke.tasks import Task  # noqa: PLC0415  # see collection

    from soleil_remediate.cli.call import Call  # noqa: PLC0415  # see collection
    from soleil_remediate.cli.endings import ended, refused  # noqa: PLC0415  # see collection
    from soleil_remediate.errors import ConfigError  # noqa: PLC0415  # see collection

    class WithLetters(Task):  # type: ignore[type-arg]  # invoke's own parameter is the body's return type
        """A task whose options have the short forms of the table, and no others."""

        def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
            options: dict[str, Any] = super().arg_opts(name, default, taken_names)
            options["names"] = [*options["names"], *(one.letter for one in verb.options if one.parameter == name)]
            options["names"] = [spelling for spelling in options["names"] if spelling]
            return options

    def body(context: Context, **given: Any) -> None:
        call = Call(verb=verb.name, program=program, given=given)
        if context.config.run.dry:
            status = refused(call, ConfigError(f"--dry is invoke's own, and {MISLEADING['--dry']}"))
        else:
            status = ended(verb, call)
        if status:
            raise Exit(code=int(status))

    parameters = [Parameter("context", Parameter.POSITIONAL_OR_KEYWORD)]
    defaults: dict[str, Any] = {word.name: Parameter.empty for word in verb.words if word.is_required}
    defaults |= {word.name: [] if word.is_many else "" for word in verb.words if not word.is_required}
    defaults |= {one.parameter: [] if one.is_repeated else "" if one.value else False for one in verb.options}
    parameters += [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default in defaults.items()]
    body.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it, functions have none
    body.__name__ = verb.dotted.replace(".", "_")
    body.__doc__ = "\n\n".join(filter(None, [verb.about, verb.more]))
    about = {word.name: word.about for word in verb.words} | {one.parameter: one.about for one in verb.options}
    return WithLetters(
        body,
        positional=[word.name for word in verb.words if word.is_required],
        iterable=[name for name, default in defaults.items() if default == []],
        auto_shortflags=False,
        help=about,
    )


def _form(words: list[str]) -> str:
    """Return the form of output that *words* ask for, though they cannot be read as a whole; empty for none."""
    for form in RUN_OUTPUT.choices:
        if not {form, f"--output={form}", f"-o{form}", f"-o={form}"}.isdisjoint(words):
            return form
    return ""


def _run(words: list[str], name: str) -> int:
    """Run one command of the installed program."""
    from invoke.config import Config  # noqa: PLC0415  # see collection
    from invoke.context import Context  # noqa: PLC0415  # see collection
    from invoke.exceptions import Exit  # noqa: PLC0415  # see collection
    from invoke.parser.context import ParserContext  # noqa: PLC0415  # see collection

    from soleil_remediate.cli.arguments import given, unknown_verb  # noqa: PLC0415  # see collection
    from soleil_remediate.cli.call import Call, Program  # noqa: PLC0415  # see collection
    from soleil_remediate.cli.endings import refused  # noqa: PLC0415  # see collection
    from soleil_remediate.errors import ConfigError  # noqa: PLC0415  # see collection

    program = Program(name=name)
    verb, rest = _split(words)
    try:
        if verb is None:
            raise unknown_verb(words, name)
        task = collection(program)[verb.dotted]
        values = given(verb, ParserContext(args=task.get_arguments()), rest, name)
    except ConfigError as error:
        call = Call(verb=verb.name if verb else words[0], given={"output": _form(words)})
        return int(refused(call, error))
    try:
        task(Context(Config(lazy=True)), **values)
    except Exit as ending:
        return ending.code
    return 0
