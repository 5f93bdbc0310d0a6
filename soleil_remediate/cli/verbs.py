"""Every command there is, once: what it takes, what it is for, and where it is done.

Both programs, their help, the nearest name for a typo and the tests come from this table. Imports nothing heavy, since
``--help`` needs it.
"""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One ``--name``.

    Args:
        name: Without dashes in front.
        value: What stands for its value in the help; empty where it takes none.
        about: One line.
        letter: A short form, installed program only.
        is_repeated: It may be given several times.
        choices: Every value that it may have, the one that stands where it is not given first; empty for any.
    """

    name: str
    value: str
    about: str
    letter: str = ""
    is_repeated: bool = False
    choices: tuple[str, ...] = ()

    @property
    def parameter(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")


class Word(NamedTuple):
    """One word that stands without an option's name.

    Args:
        name: Its parameter's, and its option's where it is given by one: ``preview --scenario disk-full``.
        about: One line.
        is_required: A command without it is refused.
        is_many: All remaining words are meant.
    """

    name: str
    about: str
    is_required: bool = True
    is_many: bool = False


class Verb(NamedTuple):
    """One command.

    Args:
        name: Its words, such as ``lab up``.
        about: One line.
        body: ``module:function`` of this package that does it.
        words: What it takes by place, in order.
        options: What it takes by name.
        example: The words of a call that makes sense.
        more: What the one line does not say.
    """

    name: str
    about: str
    body: str
    words: tuple[Word, ...] = ()
    options: tuple[Option, ...] = ()
    example: str = ""
    more: str = ""

    @property
    def dotted(self) -> str:
        """Its name under invoke."""
        return self.name.replace(" ", ".")


SCENARIO = Option("scenario", "NAME", "which scenario")
HOST = Option("host", "PATTERN", "which hosts: web1, web, web*:!web3, or user@name to look only")
INVENTORY = Option("inventory", "FILE", "the hosts; else $SOLEIL_INVENTORY, ~/.config/soleil-remediate/inventory.yml")
SET = Option("set", "NAME=VALUE", "an input of the scenario; may be repeated", is_repeated=True)
PLAYBOOKS = Option("playbooks", "DIR", "more playbooks; may be repeated", is_repeated=True)
ALL_HOSTS = Option("all-hosts", "", "really every host of the inventory")
TRANSPORT = Option("transport", "WAY", "ssh, openssh or local, whatever the inventory says")
FORKS = Option("forks", "COUNT", "so many hosts at once, at most; 50 where it is not given")
OUTPUT = Option("output", "FORM", "console (for people) or json (one document)", "o", choices=("console", "json"))
RUN_OUTPUT = Option(
    "output",
    "FORM",
    "console (for people), json or junit (one document), or github (for GitHub Actions)",
    "o",
    choices=("console", "json", "junit", "github"),
)
CHECK_OUTPUT = Option(
    "output", "FORM", "console (for people), json or junit (one document)", "o", choices=("console", "json", "junit")
)
VERBOSE = Option("verbose", "", "everything, however long; tracebacks too", "v")
COMMANDS = Option("commands", "", "print what would be sent, to do it by hand")
LAB = Option("lab", "NAME", "which lab, where there are several")

_MANY = (
    Option(
        "serial",
        "SIZES",
        "hosts at once, batch after batch, such as 1,5,25%: the last size repeats, a share is of the hosts to be "
        "changed, rounded down. The first host is always changed alone; else one after another",
    ),
    Option(
        "max-fail",
        "COUNT",
        "go on though so many hosts failed, or were not reached, or are unknown; 0 where it is not given",
    ),
    FORKS,
)
_LOOKING = (HOST, ALL_HOSTS, INVENTORY, TRANSPORT, PLAYBOOKS, SET, FORKS, RUN_OUTPUT, COMMANDS, VERBOSE)
_LAB_HOST = Word("host", "a host of the lab")

VERBS: tuple[Verb, ...] = (
    Verb(
        "remediate",
        "Look, show the plan, ask, repair, and prove it.",
        "remediating:remediate",
        options=(
            SCENARIO,
            HOST,
            ALL_HOSTS,
            INVENTORY,
            TRANSPORT,
            PLAYBOOKS,
            SET,
            Option("dry-run", "", "look and show the plan only; the same as preview"),
            Option("yes", "", "say yes, up to what the inventory's policy allows"),
            Option("approve", "PLAN", "say yes to exactly the plan that a preview printed"),
            Option("watch", "TIME", "look again for so long afterwards, such as 15m; red again ends with 1"),
            *_MANY,
            RUN_OUTPUT,
            COMMANDS,
            VERBOSE,
        ),
        example="--scenario disk-full --host web1",
        more="Nothing is sent before the plan was shown and approved, and nothing beyond it without asking again.",
    ),
    Verb(
        "preview",
        "Look and show the plan; the opening of remediate, with nothing sent.",
        "remediating:preview",
        words=(Word("scenario", "which scenario; --scenario NAME means the same"),),
        options=_LOOKING,
        example="disk-full --host web1",
        more="Ends with 5 where there is something to do.",
    ),
    Verb(
        "diagnose",
        "Look for every scenario at once, and say what is wrong, the cause first.",
        "diagnosing:diagnose",
        options=(HOST, ALL_HOSTS, INVENTORY, TRANSPORT, PLAYBOOKS, OUTPUT),
        example="--host web1",
        more=(
            "Changes nothing and takes no lock. Ends with 5 where anything is at fault or cannot be known, and with 3 "
            "where a host cannot be reached."
        ),
    ),
    Verb(
        "check",
        "Look before anything is wrong, and say what is left to people.",
        "checking:check",
        words=(Word("routine", "daily, weekly, monthly, or one of your own"),),
        options=(
            HOST,
            ALL_HOSTS,
            INVENTORY,
            TRANSPORT,
            PLAYBOOKS,
            SET,
            Option("confirm", "DUTY", "note that you did what only a person can do; asks no host", is_repeated=True),
            CHECK_OUTPUT,
        ),
        example="daily --host web",
        more=(
            "For cron and CI; changes nothing and takes no lock. Ends with 5 where anything is at fault, cannot be "
            "known, or is due by hand, and with 3 where a host cannot be reached."
        ),
    ),
    Verb(
        "scenarios",
        "List what can be repaired.",
        "reading:scenarios",
        options=(PLAYBOOKS, OUTPUT),
    ),
    Verb(
        "explain",
        "Show a scenario's runbook page, risks included.",
        "reading:explain",
        words=(Word("scenario", "which scenario"),),
        options=(PLAYBOOKS,),
        example="disk-full",
    ),
    Verb(
        "ping",
        "Connect, and say as whom, with which rights, and by which host key.",
        "reading:ping",
        options=(HOST, ALL_HOSTS, INVENTORY, TRANSPORT, OUTPUT),
        example="--host web1",
        more="Ends with 3 where any host cannot be reached.",
    ),
    Verb(
        "inventory",
        "List the hosts, or where each value of one was written.",
        "reading:inventory",
        options=(
            INVENTORY,
            Option("graph", "", "groups and their hosts"),
            Option("explain", "HOST", "every value that holds for a host, with file:line:column"),
            OUTPUT,
        ),
        example="--explain web1",
    ),
    Verb(
        "sudoers",
        "Print the rules by which sudo lets a login repair, for a file in /etc/sudoers.d.",
        "granting:sudoers",
        words=(Word("scenario", "which scenario, or which routine"),),
        options=(HOST, ALL_HOSTS, INVENTORY, PLAYBOOKS, SET),
        example="disk-full --host web1",
        more="All of root's rights, or single commands where the inventory has sudo: narrow. Installs nothing.",
    ),
    Verb(
        "lint",
        "Check playbooks and inventories, mistakes as file:line:column.",
        "reading:lint",
        words=(Word("paths", "files and folders; else what is shipped", is_required=False, is_many=True),),
        options=(INVENTORY, PLAYBOOKS, OUTPUT),
        example="playbooks inventory/lab.yml",
        more=(
            "Inventories may name scenarios of these playbooks and of those that are shipped. With --inventory, the "
            "playbooks that are named are also held against the hosts in it that they are for."
        ),
    ),
    Verb(
        "resume",
        "Ask what became of a run that ended without its last word, and go on.",
        "resuming:resume_run",
        words=(Word("run", "its name, or how it begins"),),
        options=(
            Option("dry-run", "", "ask and look only; go on with nothing"),
            Option("yes", "", "say yes, up to what the inventory's policy allows"),
            Option("approve", "PLAN", "say yes to exactly the plan that a preview printed"),
            Option("inventory", "FILE", "the hosts, where they no longer stand where the record says"),
            PLAYBOOKS,
            TRANSPORT,
            *_MANY,
            RUN_OUTPUT,
            COMMANDS,
            VERBOSE,
        ),
        example="1a2b",
        more=(
            "Asks the hosts what became of every change that has no answer, looks at them again, and writes both into "
            "the record. No change is ever sent again: what is left to do is planned afresh, shown, and asked about."
        ),
    ),
    Verb(
        "freeze",
        "Stop every run of an inventory before its next change, or lift that.",
        "freezing:freeze",
        words=(Word("state", "on or off"),),
        options=(Option("because", "TEXT", "why, for whoever is stopped by it"), INVENTORY, OUTPUT),
        example='on --because "42 is being rolled back by hand"',
        more=(
            "Asks no host. A change that is under way is finished, no other is sent, and new runs are refused with 4; "
            "looking goes on. It holds on this machine, for whoever uses the same file as inventory. It does not "
            "hold back other machines, nor copies of the inventory."
        ),
    ),
    Verb(
        "status",
        "Say what is frozen, locked, still running or left open.",
        "standing:status",
        options=(HOST, ALL_HOSTS, INVENTORY, TRANSPORT, OUTPUT),
        more=(
            "Without --host it asks every host of the inventory; it takes no lock and changes nothing. Ends with 5 "
            "where somebody should look: frozen, locked by a run that is not alive here, running with nobody "
            "listening, killed half-way, or left open by a run on this machine. Ends with 3 where a host cannot be "
            "reached, and with 1 where its locks cannot be seen: they are root's to see."
        ),
    ),
    Verb("runs list", "List the runs of this user, newest first.", "reading:runs_list", options=(OUTPUT,)),
    Verb(
        "runs show",
        "Show a run's record.",
        "reading:runs_show",
        words=(Word("run", "its name, or how it begins"),),
        options=(PLAYBOOKS, OUTPUT, VERBOSE),
        example="1a2b",
    ),
    Verb(
        "rehearse",
        "Break a host of the lab, diagnose, repair, prove it, and run again.",
        "rehearsing:rehearse",
        words=(Word("scenario", "each fault that it is about", is_required=False),),
        options=(
            Option("fault", "NAME", "this fault alone"),
            Option("all", "", "every fault that a scenario is about"),
            SET,
            PLAYBOOKS,
            LAB,
            OUTPUT,
        ),
        example="disk-full --fault laravel-log",
        more=(
            "On web1 of the lab, made pristine before each fault; a lab in which no host was up is removed "
            "afterwards. Without --set, a fault whose repair needs something named, such as the address to block, is "
            "rehearsed twice: as it is found, which is left to a person, and with what a person would name. Whoever "
            "names something is taken to say yes to what would be done. Needs root and Linux. Ends with 1 where "
            "anything is not found, not told first, not repaired, or done twice."
        ),
    ),
    Verb(
        "lab up",
        "Start hosts to rehearse on: real Debian, on this machine.",
        "laboratory:up",
        words=(Word("hosts", "which; web1 where none is named", is_required=False, is_many=True),),
        options=(Option("light", "COUNT", "that many light hosts instead, sshd only"), LAB),
        example="web1",
        more="Needs root and Linux. The first time an image is built, which takes some minutes.",
    ),
    Verb("lab down", "Remove the lab and everything it started.", "laboratory:down", options=(LAB,)),
    Verb("lab status", "Say which hosts of the lab are up.", "laboratory:status", options=(LAB, OUTPUT)),
    Verb(
        "lab break",
        "Break a host of the lab; without a fault, list the faults.",
        "laboratory:break_host",
        words=(Word("host", "a host of the lab", is_required=False), Word("fault", "how", is_required=False)),
        options=(Option("set", "NAME=VALUE", "an option of the fault", is_repeated=True), LAB),
        example="web1 laravel-log",
    ),
    Verb(
        "lab reset",
        "Make a host pristine again.",
        "laboratory:reset",
        words=(_LAB_HOST,),
        options=(LAB,),
        example="web1",
    ),
    Verb(
        "lab ssh",
        "Log in to a host of the lab, or run words there.",
        "laboratory:ssh",
        words=(_LAB_HOST, Word("command", "after --: what to run", is_required=False, is_many=True)),
        options=(Option("user", "NAME", "as whom; deploy where none is named"), LAB),
        example="web1 -- df -h /srv",
    ),
)

BY_NAME = {verb.name: verb for verb in VERBS}

#: Options of invoke itself that would mislead here, and why.
MISLEADING = {
    "--dry": "it would not stop anything here; to look only, add --dry-run or use preview",
    "-R": "it would not stop anything here; to look only, add --dry-run or use preview",
    "--no-dedupe": "there is nothing to repeat here: one command a call",
    "--search-root": "no tasks are loaded from folders here",
    "-r": "no tasks are loaded from folders here",
    "--collection": "no tasks are loaded from folders here",
    "-c": "no tasks are loaded from folders here",
    "--config": "no configuration of invoke is read here; hosts and policy stand in the inventory",
    "-f": "no configuration of invoke is read here; hosts and policy stand in the inventory",
    "--pty": "hosts are never given a terminal",
    "-p": "hosts are never given a terminal",
    "--echo": "to see what would be sent, add --commands",
    "-e": "to see what would be sent, add --commands",
    "--hide": "nothing can be hidden; for programs there is --output json",
    "--warn-only": "what fails is not passed over",
    "-w": "what fails is not passed over",
    "--prompt-for-sudo-password": "the inventory says where it stands, where sudo wants one: ansible_become_password",
    "--command-timeout": "every command has its own deadline",
    "-T": "every command has its own deadline",
}
