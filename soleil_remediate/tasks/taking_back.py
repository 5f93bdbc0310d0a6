"""Migrations that came with newer code, taken back by Laravel itself before older code is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.migrations import Effect, lost_by
from soleil_remediate.facts.rollbacks import Pretended, Rollback, have_run, newest
from soleil_remediate.plan import Change, Risk, Script, Undo
from soleil_remediate.tasks.maintenance import IN_MAINTENANCE, IS_UNCHANGED, MaintenancePage, Served
from soleil_remediate.tasks.switching import STATUS, STILL_OWNERS
from soleil_remediate.units import Duration

#: So long a database may take for all of it: what waits for a lock, or writes a large table anew, takes its time.
_PATIENCE = Duration(1500)
#: So long PostgreSQL lets it wait for one table; everybody who comes after waits for it as well.
_LOCK_TIMEOUT = Duration(10)
#: So much is said of what would be done; the commands have all of it.
_MOST_CHARACTERS = 300

#: Take the newest migrations of application $1 back, as $2, by the PHP called $3 and artisan in folder $8, of the
#: migrations in folder $9 (empty: its own). They have to be those that $10 names, and what --pretend says has to be,
#: line by line, what stands from $11 on. Users have to see the maintenance page, and what is served, $5, has to be as
#: $6 says; $7 is whose it is. $4 is the timer that would end the page: it is stopped first, since what is served
#: cannot work any more then. What artisan says of itself is not believed: one that fails may end with 0. It is asked
#: again which have run. pgbouncer hands on no limit for locks, and refuses a connection with one: then there is none.
TAKE_BACK = Script(
    "take-back-migrations",
    "root=$1 user=$2 php=$3 timer=$4 served=$5 was=$6 owner=$7 code=$8 migrations=$9\nshift 9\nnames=$1\nshift\n"
    + IN_MAINTENANCE
    + IS_UNCHANGED
    + STILL_OWNERS
    + f"wait='-c lock_timeout={int(_LOCK_TIMEOUT)}s'\n"
    + r"""set -f # a name of a file may hold anything
artisan() {
    [ -z "$migrations" ] || set -- "$@" "--path=$migrations" --realpath
    set -- "$php" artisan "$@" --no-interaction --no-ansi
    set -- env PGAPPNAME=soleil-remediate ${wait:+"PGOPTIONS=$wait"} ${width:+"COLUMNS=$width"} "$@"
    cd -- "$code" && as "$user" "$@"
}
"""
    + STATUS
    + r"""sorted() { LC_ALL=C sort; }
count=0
for one in $names; do count=$((count + 1)); done

[ -e "$file" ] || stop "users do not see the maintenance page"
still_owners "$served"
is_unchanged || stop "other code is served by now"
[ ! -L "$root" ] || [ ! -e "${root%/*}/.dep/deploy.lock" ] || stop "somebody deploys (${root%/*}/.dep/deploy.lock)"
status() { said=$(artisan migrate:status 2>&1); }
takes_no_limit() {
    case $(printf '%s' "$said" | tr -s '\n ' '  ') in *"unsupported startup parameter"*) ;; *) return 1 ;; esac
}
status || { takes_no_limit && wait='' && status; } ||
    stop "which migrations have run cannot be told ($(last "$said"))"
# shellcheck disable=SC2086  # words without a space in them
[ "$(printf '%s\n' "$said" | bare | newest "$count" | sorted)" = "$(printf '%s\n' $names | sorted)" ] ||
    stop "other migrations than $names ran last by now"
said=$(artisan migrate:rollback --pretend --force --step="$count" 2>/dev/null) ||
    stop "what would be done cannot be told ($(last "$said"))"
[ "$(printf '%s\n' "$said" | bare)" = "$(printf '%s\n' "$@")" ] || stop "something else would be done by now"
disarm
[ -e "$file" ] || stop "users do not see the maintenance page any more"

# In a wide terminal what the database says is not cut to pieces.
told=$(limit=__PATIENCE__ width=500; artisan migrate:rollback --force --step="$count" 2>&1 | bare) || :
said=$(artisan migrate:status 2>&1) || said=
said=$(printf '%s\n' "$said" | bare)
[ -n "$(printf '%s\n' "$said" | waiting)$(printf '%s\n' "$said" | newest 1)" ] || {
    printf '%s\nwhich migrations were taken back cannot be told: NOTHING IS SWITCHED, THE MAINTENANCE PAGE STAYS\n' \
        "$told" >&2
    exit 1
}
back='' left=''
for one in $names; do
    if printf '%s\n' "$said" | waiting | grep -qxF -e "$one"; then back="$back $one"; else left="$left $one"; fi
done
[ -z "$left" ] || {
    printf '%s\n' "$told" >&2
    printf 'NOT taken back, or half:%s; taken back:%s: NOTHING IS SWITCHED, THE MAINTENANCE PAGE STAYS\n' \
        "$left" "${back:- none}" >&2
    exit 1
}
echo "taken back:$back"
""".replace("__PATIENCE__", str(int(_PATIENCE))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsBack:
    """What came with newer code, and is to be taken back.

    Args:
        rollback: How it would be.
        effects: How each migration is judged, by its name.
        bad: What brought them, such as ``release 42``.
        folder: The folder of backups; ``None`` where nobody knows of one.
        otherwise: What a person may do instead.
    """

    rollback: Rollback
    effects: Mapping[str, Effect]
    bad: str
    folder: PurePosixPath | None
    otherwise: str

    @property
    def stay(self) -> Mapping[str, Effect]:
        """Those that have run and are not taken back, all of which only add; none where some are.

        Raises:
            Unplannable: As :meth:`change`.
        """
        return {} if self._sql else {name: effect for name, effect in self.effects.items() if name not in self._waiting}

    @property
    def besides(self) -> str:
        """What else a person has to know, as sentences after another one; empty where there is nothing.

        Raises:
            Unplannable: As :meth:`change`.
        """
        said = f". Not taken back, since it has not run: {', '.join(self._waiting)}" if self._waiting else ""
        if self._sql and self.rollback.artisan.migrations is not None:
            said += f". artisan of {self.bad} cannot be asked: that of the older code takes back what came with it"
        return said

    @property
    def _waiting(self) -> tuple[str, ...]:
        """Those that have not run: there is nothing to take back of them."""
        batches = self._batches
        return tuple(name for name in self.effects if batches[name] is None)

    @property
    def _batches(self) -> Mapping[str, int | None]:
        """The batches of all that artisan knows.

        Raises:
            Unplannable: They cannot be told, or artisan knows one of these not.
        """
        batches = self.rollback.batches
        if isinstance(batches, FactError):
            raise Unplannable(f"which migrations have run cannot be told ({batches}). {self.otherwise}")
        if unknown := [name for name in self.effects if name not in batches]:
            raise Unplannable(f"artisan knows nothing of {', '.join(unknown)}. {self.otherwise}")
        return batches

    @property
    def _sql(self) -> Mapping[str, tuple[str, ...]]:
        """What each would run, in the order in which they would be taken back; nothing at all where none is.

        Raises:
            Unplannable: Others would be taken back, it cannot be told what would be done, or nothing would be.
        """
        batches = self._batches
        ran = have_run(tuple(self.effects), batches)
        if not ran:
            return {}
        if others := [name for name in newest(batches)[: len(ran)] if name not in ran]:
            raise Unplannable(
                f"{', '.join(others)} ran after what came with {self.bad}, and did not come with it: Laravel takes the "
                f"newest back first, {', '.join(ran)} only after that. {self.otherwise}"
            )
        pretended = self.rollback.pretended
        if pretended is None or isinstance(pretended, FactError):
            raise Unplannable(
                f"what taking back {', '.join(ran)} would do cannot be told ({pretended}). {self.otherwise}"
            )
        empty = [name for name, said in pretended.sql.items() if not said]
        if odd := [name for name in empty if self.effects[name] is not Effect.ADDITIVE]:
            raise Unplannable(
                f"its down() does nothing: {', '.join(odd)} would be noted as taken back, and what it did would stay. "
                f"{self.otherwise}"
            )
        return {} if len(empty) == len(pretended.sql) else pretended.sql

    def change(self, page: MaintenancePage, served: Served) -> Change | None:
        """Return the change that takes them back behind *page*, while *served* is; ``None`` where nothing is to be.

        Raises:
            Unplannable: Which have run cannot be told, others would be taken back, it cannot be told what would be
                done, or nothing would be.
        """
        sql, pretended, artisan = self._sql, self.rollback.pretended, self.rollback.artisan
        if not sql or not isinstance(pretended, Pretended):
            return None
        statements = [statement for said in sql.values() for statement in said]
        lost = [what for statement in statements for what in lost_by(statement)]
        empty = [name for name, said in sql.items() if not said]
        return Change(
            is_roots=True,  # the host's timer that ends the page is
            summary=f"take back {_cut(', '.join(sql))}, which came with {self.bad}",
            command=Command(
                TAKE_BACK.bind(
                    page.root,
                    page.user,
                    page.php,
                    page.timer,
                    served.at,
                    served.now,
                    served.owner,
                    artisan.code,
                    artisan.migrations or "",
                    " ".join(sql),
                    *pretended.lines,
                ),
                deadline=Duration(_PATIENCE + 300),
            ),
            risk=Risk.DESTRUCTIVE,
            undo=Undo.none(
                "php artisan migrate would make tables and columns again, empty; what stood in them would not"
            ),
            before=f"the database as {self.bad} has it",
            after=f"taken back by {_cut('; '.join(statements))}",
            loses=f"{_cut(', '.join(lost)) or 'nothing that this SQL shows'}; {self._backup}",
            downtime="whatever else uses this database, also on other hosts, meets it so at once, behind no page",
            keeps="all else in the database"
            + (f", and what {_cut(', '.join(empty))} added: its down() does nothing" if empty else ""),
        )

    @property
    def _backup(self) -> str:
        backups = self.rollback.backups
        if self.folder is None or backups is None:
            return "whether there is a backup is not known (app.backups in the inventory)"
        if isinstance(backups, FactError):
            return f"whether there is a backup cannot be seen ({backups})"
        files = [file for file in backups if file.is_regular and file.size > 0]
        if not files:
            return f"there is no backup in {self.folder}"
        last = max(files, key=lambda file: file.modified)
        age = Duration(max(0, self.rollback.now - last.modified))
        return f"the newest file in {self.folder} is {last.path.name} of {as_text(last.modified)} UTC, {age} old"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}… (the commands have all of it)"
