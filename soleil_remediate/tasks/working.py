"""How queue workers are started, ended and watched on a host."""

from __future__ import annotations

from soleil_remediate.plan import Script
from soleil_remediate.rights import ROOT
from soleil_remediate.tasks.switching import AS_SOMEBODY

#: What supervisor says of a process, and its full name. ``all`` is what it said last.
_SUPERVISED = r"""stop() { printf '%s: nothing was done\n' "$1" >&2; exit 75; }
full() { # NAME: with its group's, which for a single one is the same, and is never "all"
    case $1 in *:*) printf '%s\n' "$1" ;; *) printf '%s:%s\n' "$1" "$1" ;; esac
}
ask() { all=$(root supervisorctl status 2>&1 </dev/null) || :; }
is() { # NAME: its state, and its process's number where it runs
    printf '%s\n' "$all" | while read -r name state _ pid _; do
        [ "$name" = "$1" ] || continue
        if [ "$state" = RUNNING ]; then printf '%s %s\n' "$state" "${pid%,}"; else printf '%s\n' "$state"; fi
    done
}
says() { # NAME: all that supervisor says of it
    printf '%s\n' "$all" | while read -r name rest; do
        [ "$name" != "$1" ] || printf '%s\n' "$rest"
    done
}
"""

#: Start processes of supervisor's, each a name and the state in which it was seen, from $3 on. They must run for $1
#: seconds, each as the same process; else the end of file $2 is shown (empty: none is).
START = Script(
    "start-workers",
    ROOT
    + "set -eu\nseconds=$1 log=$2\nshift 2\n"
    + _SUPERVISED
    + r"""ask
names='' now=''
while [ "$#" -gt 0 ]; do
    now=$(is "$1")
    [ "$now" = "$2" ] || stop "$1 is ${now:-unknown to supervisor} by now"
    may supervisorctl start "$(full "$1")" || stop "sudo does not allow supervisorctl start $(full "$1")"
    names="$names $1"
    shift 2
done
may supervisorctl status || stop "sudo does not allow supervisorctl status"
# shellcheck disable=SC2086  # names without blanks: that is how they were told apart
set -- $names
for name do
    root supervisorctl start "$(full "$name")" </dev/null || :
done
began=''
while :; do
    ask
    pids=''
    for name do
        now=$(is "$name")
        case $now in
            RUNNING*) pids="$pids $now" ;;
            *)
                printf '%s is %s\n' "$name" "$(says "$name")" >&2
                [ -z "$log" ] || tail -n 4 -- "$log" >&2 || :
                exit 1
                ;;
        esac
    done
    if [ -n "$began" ] && [ "$pids" != "$began" ]; then
        printf 'it died and was started again\n' >&2
        [ -z "$log" ] || tail -n 4 -- "$log" >&2 || :
        exit 1
    fi
    began=$pids
    [ "$seconds" -gt 0 ] || break
    sleep 1
    seconds=$((seconds - 1))
done
echo "$# run"
""",
)

#: Stop processes of supervisor's, each by its full name.
STOP = Script(
    "stop-workers",
    ROOT
    + r"""for name do
    root supervisorctl stop "$name" </dev/null
done
""",
)

#: Let the application in $1, as $2, ask its workers to end after their jobs. Each, by its name, the number of its
#: process and the command of artisan's that asks it from $5 on, must be another one in $3 seconds, and then stay the
#: same for $4. Where that is Horizon, what it had started must be gone as well, and others must do the work.
RESTART = Script(
    "restart-workers",
    "set -eu\nfolder=$1 user=$2 patience=$3 seconds=$4\nshift 4\n"
    + _SUPERVISED
    + AS_SOMEBODY
    + r"""ask
may supervisorctl status || stop "sudo does not allow supervisorctl status"
as "$user" true || stop "sudo does not allow what runs as $user"
below() { # PATTERN PID...: those of Horizon's processes there, each with when it was started
    pattern=$1
    shift
    masters=" $* "
    for file in $(grep -lazxsE "$pattern" /proc/[0-9]*/cmdline || :); do
        child=${file#/proc/} child=${child%/cmdline} began=''
        at=$child
        while [ "$at" -gt 1 ] && { read -r stat <"/proc/$at/stat"; } 2>/dev/null; do
            # shellcheck disable=SC2086  # words of numbers; behind the name, which may hold anything
            set -- ${stat##*) }
            [ "$1" != Z ] || break
            began=${began:-${20}} at=$2
            case $masters in *" $at "*) printf '%s:%s ' "$child" "$began"; break ;; esac
        done
    done
}
started() { # PID: when it was; nothing where it is gone
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    # shellcheck disable=SC2086  # likewise
    set -- ${stat##*) }
    [ "$1" = Z ] || printf '%s\n' "${20}"
}
before='' masters='' asks=''
while [ "$#" -gt 0 ]; do
    [ "$(is "$1")" = "RUNNING $2" ] || stop "$1 was started anew meanwhile"
    before="$before $1=$2"
    [ "$3" != horizon:terminate ] || masters="$masters $2"
    case " $asks " in *" $3 "*) ;; *) asks="$asks $3" ;; esac
    shift 3
done
children=''
if [ -n "$masters" ]; then
    [ -r /proc/1/stat ] || stop "processes of others are hidden from this login (hidepid)"
    # shellcheck disable=SC2086  # numbers
    children=$(below 'horizon:(supervisor|work)' $masters)
fi
cd -- "$folder" || stop "$folder is not there"
for command in $asks; do
    said=$(as "$user" php artisan "$command" --no-interaction 2>&1) || :
    case $said in
        *"queue restart signal"* | *"ending TERM "*) ;;
        *) printf '%s failed: %s\n' "$command" "$(last "$said")" >&2; exit 1 ;;
    esac
done
while :; do
    ask
    left='' down='' idle='' orphans=''
    for one in $before; do
        now=$(is "${one%=*}")
        case $now in
            "RUNNING ${one##*=}") left="$left ${one%=*}" ;;
            RUNNING*)
                case " $masters " in
                    *" ${one##*=} "*) [ -n "$(below horizon:work "${now#* }")" ] || idle="$idle ${one%=*}" ;;
                esac
                ;;
            *) down="$down ${one%=*}" ;;
        esac
    done
    for one in $children; do
        [ "$(started "${one%:*}")" != "${one#*:}" ] || orphans="$orphans ${one%:*}"
    done
    [ -n "$left$down$idle$orphans" ] || break
    [ "$patience" -gt 0 ] || break
    sleep 1
    patience=$((patience - 1))
done
[ -z "$left" ] || {
    printf 'still at work from before:%s. To cut off what it does, which is then done once more: ' "$left" >&2
    printf 'supervisorctl restart%s\n' "$left" >&2
    exit 1
}
[ -z "$orphans" ] || { printf 'still at work from before, without their Horizon:%s\n' "$orphans" >&2; exit 1; }
[ -z "$down" ] || { printf 'supervisor did not start%s anew\n' "$down" >&2; exit 1; }
[ -z "$idle" ] || { printf 'no worker was started by%s\n' "$idle" >&2; exit 1; }
began=''
while :; do
    ask
    now=''
    for one in $before; do now="$now $(is "${one%=*}")"; done
    [ -z "$began" ] || [ "$began" = "$now" ] || { printf 'they died again:%s\n' "$now" >&2; exit 1; }
    began=$now
    [ "$seconds" -gt 0 ] || break
    sleep 1
    seconds=$((seconds - 1))
done
# shellcheck disable=SC2086  # words
set -- $before
echo "$# workers ended and were started anew"
""",
)

#: Let the Horizon of the application in $1, as $2, go on, where it is paused; it is supervisor's process $4, of number
#: $5. For $3 seconds it is waited for that it says so. What it says is no proof: of several hosts that share its Redis
#: one that is paused is enough for it to call itself paused. Whether jobs are taken is looked at afterwards.
CONTINUE = Script(
    "continue-horizon",
    "set -eu\nfolder=$1 user=$2 patience=$3 program=$4 number=$5\n"
    + _SUPERVISED
    + AS_SOMEBODY
    + r"""horizon() { as "$user" php artisan "horizon:$1" --no-interaction --no-ansi 2>&1 || :; }
ask
may supervisorctl status || stop "sudo does not allow supervisorctl status"
as "$user" true || stop "sudo does not allow what runs as $user"
[ "$(is "$program")" = "RUNNING $number" ] || stop "$program was started anew meanwhile"
cd -- "$folder" || stop "$folder is not there"
case $(horizon status) in
    *"Horizon is paused."*) ;;
    *) stop "Horizon is not paused by now" ;;
esac
said=$(horizon continue)
case $said in
    *"ending CONT "*) ;;
    *) printf 'horizon:continue failed: %s\n' "$(last "$said")" >&2; exit 1 ;;
esac
while now=$(horizon status); do
    case $now in *"Horizon is running."*) break ;; esac
    [ "$patience" -gt 0 ] || break
    sleep 1
    patience=$((patience - 1))
done
last "$now"
""",
)

#: Start $5 services, whose names come next and then the words of each, as $1, in folder $2, for $3 seconds at most.
#: After $4 seconds each must run, or have ended well; else all of them are ended.
ADD = Script(
    "add-workers",
    r"""set -eu
user=$1 folder=$2 lasts=$3 seconds=$4 count=$5
shift 5
units=''
while [ "$count" -gt 0 ]; do
    units="$units $1" count=$((count - 1))
    shift
done
of() { systemctl show --property="$2" --value -- "$1.service"; }
[ -d "$folder" ] || { printf '%s is not there: nothing was done\n' "$folder" >&2; exit 75; }
for unit in $units; do
    case $(of "$unit" ActiveState) in
        inactive | failed) ;;
        *) printf '%s runs already: nothing was done\n' "$unit" >&2; exit 75 ;;
    esac
done
undo() {
    for unit in $units; do systemctl stop -- "$unit.service" >/dev/null 2>&1 || :; done
    exit 1
}
for unit in $units; do
    systemctl reset-failed -- "$unit.service" >/dev/null 2>&1 || :
    # Past its own time it is asked to end after its job, and killed a minute and a half later. 12: it grew too large.
    systemd-run --quiet --unit="$unit" --uid="$user" --working-directory="$folder" --nice=5 \
        --property=RuntimeMaxSec="$((lasts + 60))" --property=TimeoutStopSec=90 --property=SuccessExitStatus=12 \
        -- "$@" >&2 || undo
done
sleep "$seconds"
for unit in $units; do
    case $(of "$unit" ActiveState) in
        active | activating) echo "$unit runs" ;;
        inactive) echo "$unit has ended: its queue is empty" ;;
        *)
            printf '%s did not run\n' "$unit" >&2
            journalctl --quiet --no-pager --unit="$unit.service" --lines=5 --output=cat >&2 || :
            undo
            ;;
    esac
done
""",
)

#: End services, each by its name without its ending.
END = Script(
    "end-workers",
    r"""for unit do
    systemctl stop -- "$unit.service" ||
        [ "$(systemctl show --property=ActiveState --value -- "$unit.service")" != active ]
done
""",
)
