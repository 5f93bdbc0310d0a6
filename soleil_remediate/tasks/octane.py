"""Let Laravel Octane start its workers anew, where they hang."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.http import Site, read_site, refuse_unless_askable
from soleil_remediate.facts.octane import Octane, read_octane
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Let artisan in $1 reload the Octane whose first process is $2, started at $3 ticks, and wait $4 seconds until none of
#: the processes that did the work is left. What artisan says of itself is not believed: one that fails may end with 0.
RELOAD = Script(
    "reload-octane",
    r"""set -eu
root=$1 master=$2 began=$3 seconds=$4
stop() { printf '%s: nothing was done\n' "$1" >&2; exit 75; }
started() { # PID: nothing where it is gone
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # shellcheck disable=SC2086  # words of numbers; behind the name, which may hold anything
    set -- ${stat##*) }
    [ "$1" = Z ] || printf '%s\n' "${20}"
}
working() { # PID: those below it that have nobody below themselves, each with when it was started
    below=$(for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # shellcheck disable=SC2086  # likewise
        set -- "$1" ${line##*) }
        [ "$3" != "$1" ] || { pid=${stat#/proc/} && printf '%s\n' "${pid%/stat}"; }
    done)
    if [ -z "$below" ]; then
        [ "$1" = "$master" ] || printf ' %s:%s ' "$1" "$(started "$1")"
        return 0
    fi
    for pid in $below; do
        (working "$pid")
    done
}
[ "$(started "$master")" = "$began" ] || stop "Octane was started anew meanwhile"
cd "$root"
php artisan list --raw --no-interaction | grep -Eq '^octane:reload( |$)' || stop "artisan has no octane:reload"
before=$(working "$master")
said=$(timeout -k 5 30 php artisan octane:reload --no-interaction 2>&1) || {
    [ "$?" -lt 124 ] || said="it did not end in 30 s. $said"
    printf 'octane:reload failed: %s\n' "$said" >&2
    exit 1
}
while :; do
    left=
    now=$(working "$master")
    for one in $before; do
        case $now in *" $one "*) left="$left ${one%:*}" ;; esac
    done
    [ "$(started "$master")" = "$began" ] || { printf 'Octane is gone: %s\n' "$said" >&2; exit 1; }
    [ -n "$left" ] || break
    [ "$seconds" -gt 0 ] || { printf 'still at work from before:%s. artisan said: %s\n' "$left" "$said" >&2; exit 1; }
    sleep 1
    seconds=$((seconds - 1))
done
[ -z "$before" ] || [ -n "$now" ] || { printf 'no worker was started: %s\n' "$said" >&2; exit 1; }
echo "${said:-reloaded}"
""",
)

#: So long a worker may take to end what it does before Octane ends it.
PATIENCE = 30


@dataclass(frozen=True, kw_only=True)
class ReloadOctane(Task[tuple[Octane | None, Site]]):
    """Let Laravel Octane start its workers anew, where they hang.

    Only where Octane serves the application, artisan has ``octane:reload``, and nothing comes back in time while the
    web server itself answers. artisan runs as the application's user. That it says so is no proof: the workers from
    before must be gone and others there, and the page must be served again.

    Args:
        root: The folder that holds artisan.
        live: A page for which the application alone is enough.
        page: One that needs what users need.
        user: Whom Octane runs as.
        url: The application's public address; the web server is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.

    Raises:
        Unplannable: artisan has no such command, it cannot be known whether it has, or Octane runs as somebody else.
    """

    kind = "octane.reload"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    root: PurePosixPath
    live: str
    page: str
    user: str = "www-data"
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.live, self.url, self.origin)
        refuse_unless_askable(self.page)

    async def read(self, host: Reader) -> tuple[Octane | None, Site]:
        return await together(
            read_octane(host, self.root, self.user),
            read_site(host, self.live, self.page, url=self.url, origin=self.origin, within=self.within),
        )

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: tuple[Octane | None, Site]) -> Plan:
        octane, site = seen
        if octane is None:
            return Plan.nothing("no Octane serves it")
        is_late = site.live.why == "too late" or site.live.status == 504
        if not (is_late and site.server.status):
            return Plan.nothing(f"{self.live} {site.live.in_words}: no worker of Octane hangs")
        if octane.user != self.user:
            raise Unplannable(
                f"Octane runs as {octane.user}, and artisan would be run as {self.user}: name it as app.user"
            )
        if isinstance(octane.commands, FactError):
            raise Unplannable(f"it cannot be known whether artisan has octane:reload: {octane.commands}")
        if "octane:reload" not in octane.commands:
            raise Unplannable("Octane runs, and artisan has no octane:reload")
        command = RELOAD.bind(self.root, octane.pid, octane.started, PATIENCE)
        return Plan.of(
            Change(
                summary="let Octane start its workers anew",
                command=Command(command, user=self.user, deadline=Duration(PATIENCE + 60)),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{self.live} {site.live.in_words}",
                after="other workers than before, all of them",
                keeps="Octane itself, and requests that wait for a worker",
                downtime="requests under way may be cut off",
                uses=(Use(user=self.user),),
            ),
            because=f"Octane runs, and {self.live} {site.live.in_words}",
        )
