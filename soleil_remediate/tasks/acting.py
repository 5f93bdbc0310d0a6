"""Act on units of systemd: which one is meant, its configuration tested first, and whether it stays up."""

from __future__ import annotations

from soleil_remediate.command import Command
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.services import Configuration, Services, Unit, configuration_test
from soleil_remediate.plan import Script
from soleil_remediate.rights import ROOT, Use
from soleil_remediate.units import Duration

#: Tell systemd to $1 the unit $2, if it is still the run $3 of it (stopped, where that is empty); the words from $5 on
#: test its configuration first. "Active" is not enough: it must be the same run, without another start, for $4 seconds.
#: A reload of php-fpm with a broken pool ends well and kills it a moment later.
ACT = Script(
    "act-on-service",
    ROOT
    + r"""set -eu
verb=$1 unit=$2 run=$3 seconds=$4
shift 4
show() { systemctl show --property="$1" --value -- "$unit"; }
stop() { printf '%s\n' "$1" >&2; exit 75; }
settled() { # how it is once systemd has done with ending it, which may take some seconds
    tries=0 ended=$(show ActiveState)
    while [ "$ended" = deactivating ] && [ "$tries" -lt 20 ]; do
        sleep 0.5
        tries=$((tries + 1)) ended=$(show ActiveState)
    done
    echo "$ended"
}
fail() {
    printf '%s\n' "$1" >&2
    journalctl --quiet --no-pager --unit="$unit" --lines=5 --output=cat |
        sed "s/^\(>>> '[[:space:]]*[^[:space:]]*\)[[:space:]].*/\1 …'/" >&2 || : # of redis.conf; it may hold a password
    exit 1
}
# Of one that is stopped systemd may have forgotten which run it was.
now=$(show InvocationID)
[ "$(show ActiveState)" != inactive ] || now=
[ "$now" = "$run" ] || stop "$unit was started anew meanwhile: nothing was done"
may systemctl "$verb" -- "$unit" || stop "sudo does not allow systemctl $verb -- $unit: nothing was done"
has_failed=
[ "$(show ActiveState)" != failed ] || has_failed=yes
[ -z "$has_failed" ] || may systemctl reset-failed -- "$unit" ||
    stop "sudo does not allow systemctl reset-failed -- $unit: nothing was done"
if [ $# -gt 0 ]; then
    may "$@" || stop "sudo does not allow $*: nothing was done"
    said=$(root "$@" 2>&1) || stop "its configuration is not right, nothing was done: $said"
fi
# systemd refuses to start what failed too often, and its Result may go on naming what ended it last.
[ -z "$has_failed" ] || root systemctl reset-failed -- "$unit"
root systemctl "$verb" -- "$unit" || fail "systemctl $verb $unit failed"
run=$(show InvocationID) restarts=$(show NRestarts)
while :; do
    state=$(show ActiveState)
    case $state in active | reloading | refreshing) ;; *) fail "$unit is $(settled)" ;; esac
    [ "$(show InvocationID) $(show NRestarts)" = "$run $restarts" ] || fail "$unit died and was started again"
    [ "$seconds" -gt 0 ] || break
    sleep 1
    seconds=$((seconds - 1))
done
[ "$state" = active ] || fail "$unit is still $state"
echo "$unit is $(show SubState)"
""",
)

#: Stop the unit $1.
STOP = Script("stop-service", ROOT + 'root systemctl stop -- "$1"\n')

#: So long it must stay up to count as up, and so long systemd may take to stop and to start it (its own limit is 90 s).
WATCHED = 5
DEADLINE = Duration(240)


def the_running(services: Services, pattern: str) -> Unit | None:
    """Return the one unit that runs; ``None`` where none does.

    Raises:
        Unplannable: Several do, or it starts again and again.
    """
    units = services.matching(pattern)
    for unit in units:
        if not unit.is_down and not unit.is_running:
            raise Unplannable(f"a restart would not help: {again_and_again(unit)}")
    running = [unit for unit in units if unit.is_running]
    if len(running) > 1:
        raise Unplannable(f"{' and '.join(unit.name for unit in running)} run: name the one that is meant")
    return running[0] if running else None


def test_of(unit: Unit, services: Services) -> tuple[str, ...]:
    """Return the words that test a unit's configuration; none where there is no test.

    Where it could not be tested without a trace, that is no reason to leave a service down: the change itself tests it
    first, and does nothing where it is broken.

    Raises:
        Unplannable: It is known to be broken.
    """
    test, result = configuration_test(unit), services.tests.get(unit.name)
    if isinstance(result, Configuration) and not result.is_good:
        verb = "start" if unit.is_down else "reload" if test else "restart"
        then = " && ".join(filter(None, (" ".join(test), f"systemctl {verb} {unit.name}")))
        raise Unplannable(
            f"{unit.name} could not start with its configuration: {result.says}. By hand: correct that, then {then}"
        )
    return test


def since(unit: Unit) -> str:
    """Return how a unit is, since when, and whether that looks like a person's doing."""
    since = f" since {as_text(unit.since)} UTC" if unit.since is not None else ""
    is_deliberate = unit.active == "inactive" and unit.result == "success"
    return f"{unit.in_words}{since}{', without an error: perhaps by somebody' if is_deliberate else ''}"


def act(verb: str, unit: Unit, test: tuple[str, ...]) -> Command:
    run = "" if unit.active == "inactive" else unit.invocation
    return Command(ACT.bind(verb, unit.name, run, WATCHED, *test), deadline=DEADLINE)


def uses_of(verb: str, unit: Unit, test: tuple[str, ...]) -> tuple[Use, ...]:
    """Return what :func:`act` does as root."""
    words = [("systemctl", verb, "--", unit.name), test]
    if unit.active == "failed":
        words.append(("systemctl", "reset-failed", "--", unit.name))
    return tuple(Use(each) for each in words if each)


def again_and_again(unit: Unit) -> str:
    return f"{unit.name} is {unit.in_words}, started again {unit.restarts} times by systemd itself"
