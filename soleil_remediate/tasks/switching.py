"""How a host is made to serve another release, in a folder of its own or in place."""

from __future__ import annotations

from soleil_remediate.plan import Script
from soleil_remediate.rights import ROOT

#: Whom a command runs as, and what it said last. What goes wrong with that is handed to ``stop``.
AS_SOMEBODY = (
    ROOT
    + r"""as() {
    entry=$(getent passwd "$1") || stop "there is no user $1"
    shift
    name=${entry%%:*} entry=${entry#*:*:} uid=${entry%%:*} entry=${entry#*:} gid=${entry%%:*} entry=${entry#*:*:}
    set -- env -i HOME="${entry%%:*}" PATH="$PATH" LC_CTYPE=C.UTF-8 TZ=UTC timeout -k 5 "${limit:-60}" "$@"
    case $(id -u) in
        "$uid") ;;
        0) set -- setpriv --reuid="$uid" --regid="$gid" --init-groups "$@" ;;
        *) set -- sudo -n -u "$name" -- "$@" ;;
    esac
    "$@"
}
last() { printf '%s\n' "$1" | sed -n '/[^[:blank:]]/h; ${ g; s/[[:blank:]]*$//; /./p; }'; }
"""
)

#: ``stop`` unless checkout $1 still is $owner's, and that is not root: git runs what its hooks and its configuration
#: name. A link, and what has no .git, is another matter.
STILL_OWNERS = r"""still_owners() {
    [ ! -L "$1" ] && of=$(stat -c %U -- "$1/.git" 2>/dev/null) || return 0
    [ "$of" = "$owner" ] && [ "$(id -u -- "$of")" != 0 ] || stop "$1/.git belongs to $of by now"
}
"""

#: Let supervisor start what gave up of its programs $programs, and note what does not run.
PROGRAMS = r"""note() { printf '%s\n' "$1" >&2; wrong=yes; }
in_group() { # NAME: with its group's name, which for a single one is the same, and is never "all"
    case $1 in *:*) printf '%s\n' "$1" ;; *) printf '%s:%s\n' "$1" "$1" ;; esac
}
run_programs() {
    for program in $programs; do # what gave up on the bad release does not come back by itself
        root supervisorctl status "$program:*" 2>/dev/null | while read -r name state _; do
            case $state in
                FATAL | EXITED | BACKOFF) root supervisorctl start "$(in_group "$name")" </dev/null || : ;;
            esac
        done
        turns=50 # what was seen last is what is judged: a worker that is started anew may end between two looks
        while said=$(root supervisorctl status "$program:*" 2>&1 | grep -vE ' (RUNNING|STOPPED) ' || :)
            [ "$turns" -gt 0 ] && printf '%s' "$said" | grep -qE ' (STARTING|BACKOFF|EXITED) '; do
            turns=$((turns - 1))
            sleep 0.2
        done
        if [ -z "$said" ]; then echo "$program runs"; else note "$program does not run: $(last "$said")"; fi
    done
}
"""

#: What artisan says of migrations, in either of its forms.
STATUS = r"""bare() { tr -d '\r' | sed 's/^[[:blank:]]*//; s/[[:blank:]]*$//' | grep . || :; }
newest() { # COUNT: of what migrate:status says, the names of those that ran last
    sed -nE 's/^\| Yes +\| ([^ ]+) +\| ([0-9]+) +\|$/\2 \1/p; s/^([^ ]+) \.* ?\[([0-9]+)\] Ran$/\2 \1/p' |
        LC_ALL=C sort -k 1,1nr -k 2,2r | head -n "$1" | cut -d ' ' -f 2
}
waiting() { # likewise, of those that have not run
    sed -nE 's/^\| No +\| ([^ ]+) +\| *\|$/\1/p; s/^([^ ]+) \.* ?Pending$/\1/p'
}
"""

#: Stop unless none of the migrations $unrun has run, by what every artisan says that says anything.
_STILL_WAIT = (
    STATUS
    + r"""still_wait() {
    [ -n "$unrun" ] || return 0
    [ -z "$(grep -lazxsE '[m]igrate(:(fresh|install|refresh|reset|rollback))?' /proc/[0-9]*/cmdline || :)" ] ||
        stop "somebody runs migrations just now"
    told=
    for code in "$bad" "$to"; do
        [ -d "$code" ] || continue # in place, there is only one
        set --
        [ "$code" = "$bad" ] || [ ! -d "$bad" ] || set -- "--path=$bad/database/migrations" --realpath
        said=$(cd -- "$code" && limit=20 &&
            as "$user" "$php" artisan migrate:status "$@" --no-interaction --no-ansi 2>/dev/null | bare) || said=
        [ -n "$(printf '%s\n' "$said" | newest 1)" ] || continue
        told=yes said=$(printf '%s\n' "$said" | waiting)
        said=$(printf '%s\n' "$unrun" | tr ' ' '\n' | grep -vxF -e "$said") || said=
        [ -z "$said" ] || stop "migration $(last "$said") has run by now"
    done
    [ -n "$told" ] || stop "which migrations have run cannot be told any more"
}
"""
)

#: What both ways share: how they end, and who still runs code of before.
_FUNCTIONS = (
    r"""wrong='' behind='' queue='queue:(work|listen)|horizon(:[a-z]+)?|schedule:work'
stop() { printf '%s: nothing was switched\n' "$1" >&2; exit 75; }
"""
    + AS_SOMEBODY
    + PROGRAMS
    + r"""left_behind() { note "$1"; behind=yes; } # what may go on with the old code for good
by_artisan() { # $files: of what runs one of these commands; one of our own words may be called horizon
    files=$(grep -lazxsE "$queue" /proc/[0-9]*/cmdline | {
        while read -r file; do
            if grep -qazxsE '(.*/)?artisan' "$file"; then printf '%s\n' "$file"; fi
        done
        echo end # for want of processes a shell ends before: that is not none
    })
    case $files in *end) files=${files%end} ;; *) return 1 ;; esac
}
hidden_workers() { # those of which this login cannot see whose code they run; root sees everybody's
    [ "$(id -u)" != 0 ] || return 0
    by_artisan || return
    for file in $files; do
        pid=${file#/proc/} pid=${pid%/cmdline}
        if readlink "/proc/$pid/cwd" >/dev/null || as "$user" readlink "/proc/$pid/cwd" >/dev/null; then continue; fi
        [ ! -e "/proc/$pid" ] || printf '%s ' "$pid"
    done
    return 0
}
may_all() { # WORD… that test php-fpm's configuration: nothing is begun that sudo does not let come to its end
    [ "$(id -u)" != 0 ] || return 0
    [ -r /proc/1/stat ] || stop "processes of others are hidden from this login (hidepid)"
    [ "$#" = 0 ] || may "$@" || stop "sudo does not allow $*"
    [ -z "$unit" ] || may systemctl reload -- "$unit" || stop "sudo does not allow systemctl reload -- $unit"
    for program in $programs; do
        may supervisorctl status "$program:*" || stop "sudo does not allow supervisorctl status $program:*"
        left=$(root supervisorctl status "$program:*" 2>/dev/null | while read -r name _; do
            may supervisorctl start "$(in_group "$name")" </dev/null || printf '%s\n' "$name"
        done)
        [ -z "$left" ] || stop "sudo does not allow supervisorctl start $(last "$left")"
    done
    for somebody in "$user" "$owner"; do
        as "$somebody" true || stop "sudo does not allow what runs as $somebody"
    done
    for folder in "$to" "$bad"; do
        [ ! -d "$folder" ] || as "$(stat -c %u -- "$folder")" true ||
            stop "sudo does not allow what runs as the owner of $folder"
    done
    left=$(hidden_workers) || stop "which workers run cannot be seen"
    [ -z "$left" ] || stop "whose code these workers run cannot be seen by this login: $left"
}
is_folder() { [ "$(stat -c '%F %d:%i' -- "$1" 2>/dev/null)" = "directory $2" ]; }
started() { # PID…: each with when it was started, so that no other process of that number is taken for it
    for pid do
        { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
        # shellcheck disable=SC2086  # words of numbers; behind the name, which may hold anything
        set -- ${stat##*) }
        [ "$1" = Z ] || printf '%s:%s\n' "$pid" "${20}"
    done
}
children() { # PID; 0 where it has ended
    [ "$1" != 0 ] || return 0
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # shellcheck disable=SC2086  # likewise
        set -- "$1" ${line##*) }
        [ "$3" != "$1" ] || { pid=${stat#/proc/} && started "${pid%/stat}"; }
    done
    return 0
}
serve_since() { # MARK, if any; $since: what begins after it, in the kernel's ticks, runs what $says is served
    # What another process began with is compared with what one of our own did: no clock can be set in between.
    # shellcheck disable=SC2016  # the inner shell expands its own
    since=$(sh -c 'read -r stat <"/proc/$$/stat" && set -- ${stat##*) } && echo "${20}"') || since=
    here=$(cat /proc/sys/kernel/random/boot_id && stat -c '%d:%i %.9Z' -- "$says") || return 0
    [ -f "$1" ] || return 0
    whose=$(stat -c %u -- "${1%/*}") || return 0
    if [ "$now" = "$then" ]; then # whoever went there before has noted it; any other way there since is another $here
        noted=$(as "$whose" head -c 200 -- "$1" 2>/dev/null) || noted=
        case ${noted%% *} in '' | *[!0-9]*) ;; *) [ "${noted#* }" != "$here" ] || since=${noted%% *} ;; esac
    fi
    # shellcheck disable=SC2016  # likewise; without a free block it stays empty, which is a mark as well
    (as "$whose" sh -c 'printf "%s\n" "$2" >"$1"' since "$1" "$since $here") 2>/dev/null || :
}
where() { # PID; the kernel says where without any link
    readlink "/proc/$1/cwd" || { [ "$(id -u)" != 0 ] && as "$user" readlink "/proc/$1/cwd"; }
}
is_new() ( # PID: it began since, nothing says that it did elsewhere, and it is no child of one with the old code
    [ -n "$since" ] && one=$(started "$1") && [ -n "$one" ] && [ "${one#*:}" -gt "$since" ] || exit 1
    words=$(where "$1" && tr '\0' '\n' <"/proc/$1/cmdline" && echo end) || exit 1
    set -f
    IFS='
'
    for word in $words; do
        case $word/ in
            "$served"/* | "$to"/* | "$really"/*) ;;
            *"$base"/* | *"$real"/*) exit 1 ;;
        esac
    done
    unset IFS
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || exit 1
    # shellcheck disable=SC2086  # words of numbers
    set -- ${stat##*) }
    case $files in *"/proc/$2/cmdline"*) is_new "$2" ;; esac
)
workers() { # of this application, by what they were started with or where, unless they run what is served now
    real=$(cd -- "$base" && pwd -P) || real=$base
    really=$(cd -- "$to" && pwd -P) || really=$to
    by_artisan || return
    for file in $files; do
        pid=${file#/proc/} pid=${pid%/cmdline}
        at=$(where "$pid" || :)
        case $at/ in
            "$base"/* | "$real"/*) ;;
            *) { tr '\0' '\n' <"$file"; } 2>/dev/null | grep -qF -e "$base/" -e "$real/" || continue ;;
        esac
        is_new "$pid" || started "$pid"
    done
    return 0
}
runs() { # PID:STARTED, seen without starting any process: where none can be started it has not ended for that
    { read -r stat <"/proc/${1%:*}/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086  # words of numbers; behind the name, which may hold anything
    set -- "${1#*:}" ${stat##*) }
    [ "$2" != Z ] && [ "${21}" = "$1" ]
}
still() { # PID:STARTED…; $left: those that still run
    left=
    for one do
        if runs "$one"; then left="$left${one%:*} "; fi
    done
}
terminate() { # PID; kill(1), for who may not end it by the shell's own
    kill -s TERM "$1" 2>/dev/null || as "$user" env kill -s TERM "$1"
}
ask_to_end() { # PID:STARTED…: a worker that hears SIGTERM ends after its job; one that does not would lose it
    for one do
        pid=${one%:*}
        case $(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) in
            *[4567cdef]???) ! runs "$one" || terminate "$pid" || note "$pid cannot be asked to end" ;;
        esac
    done
}
await_end() { # SECONDS PID:STARTED…
    turns=$(($1 * 5))
    shift
    while still "$@"; [ -n "$left" ] && [ "$turns" -gt 0 ]; do
        turns=$((turns - 1))
        sleep 0.2
    done
    [ -z "$left" ]
}
"""
    + _STILL_WAIT
    + "\n"
)

#: Build the caches $caches, and the views where $bad says that something was bad, in the folder $to.
_CACHES = r"""cd -- "$to"
remove() { as "$user" rm -f -- "$@" 2>/dev/null || as "$(stat -c %u -- "$to")" rm -f -- "$@"; }
for cache in $caches; do
    case $cache in
        config) set -- bootstrap/cache/config.php ;;
        route) set -- bootstrap/cache/routes.php bootstrap/cache/routes-v7.php ;;
        event) set -- bootstrap/cache/events.php ;;
    esac
    remove "$@" || stop "its $cache cache can be neither built anew nor removed"
    # Its exit status says little: with a log that cannot be written a command that fails ends with 0.
    said=$(as "$user" "$php" artisan "$cache:cache" --no-interaction 2>&1) || :
    built=
    for file do
        [ -e "$file" ] || continue
        if [ -s "$file" ] && as "$user" "$php" -l "$file" >/dev/null 2>&1; then
            built=yes
        else
            remove "$file" || stop "its $cache cache is broken and cannot be removed"
        fi
    done
    if [ -n "$built" ]; then echo "$cache cache built"; else echo "warning: without a $cache cache: $(last "$said")"; fi
done
if [ -n "$bad" ]; then
    said=$(as "$user" "$php" artisan view:cache --no-interaction 2>&1) || :
    case $said in
        *successfully*) echo "view cache built" ;;
        *) # one that is half written would be taken for whole
            as "$user" "$php" artisan view:clear --no-interaction >/dev/null 2>&1 || :
            echo "warning: views are compiled only when they are needed: $(last "$said")"
            ;;
    esac
fi

"""

#: Let php-fpm, workers and supervisor follow, and wait for them.
_FOLLOW = r"""if [ -n "$unit" ]; then
    main=$(systemctl show --property=MainPID --value -- "$unit") || main=
    set --
    case $main in
        '' | *[!0-9]*) left_behind "which processes $unit has cannot be seen" ;;
        *)
            found=$(children "$main") || left_behind "which processes $unit has cannot be seen"
            # shellcheck disable=SC2086  # words of numbers
            set -- $found
            ;;
    esac
    root systemctl reload -- "$unit" || left_behind "$unit could not be reloaded"
    await_end 60 "$@" || left_behind "processes of $unit still have the old code: $left"
    seconds=5 # a reload that fails ends well, and kills php-fpm a moment later
    while state=$(systemctl show --property=ActiveState --value -- "$unit"); [ "$seconds" -gt 0 ]; do
        case $state in active | reloading | refreshing) ;; *) break ;; esac
        seconds=$((seconds - 1))
        sleep 1
    done
    if [ "$state" = active ]; then echo "$unit reloaded"; else note "$unit is $state"; fi
fi

left=$(hidden_workers) || left_behind "which workers run cannot be seen"
[ -z "$left" ] || left_behind "whose code these workers run cannot be seen by this login: $left"
found=$(workers) || left_behind "which workers run cannot be seen"
# shellcheck disable=SC2086  # words of numbers
set -- $found
if [ "$#" -gt 0 ]; then
    masters=$(for one do if grep -qazxs horizon "/proc/${one%:*}/cmdline"; then echo "$one"; fi; done)
    if [ -n "$masters" ]; then # first, so that they start no worker anew
        said=$(as "$user" "$php" artisan horizon:terminate --no-interaction 2>&1) || :
        case $said in
            *"ending TERM "*) ;;
            *)
                echo "warning: horizon:terminate failed: $(last "$said")"
                # shellcheck disable=SC2086  # words of numbers
                ask_to_end $masters
                ;;
        esac
    fi
    for one do # these hear nothing of artisan's, and do no job themselves: what they have started comes to its end
        if grep -qazxsE 'queue:listen|schedule:work' "/proc/${one%:*}/cmdline"; then
            ! runs "$one" || terminate "${one%:*}" || note "${one%:*} cannot be asked to end"
        fi
    done
    said=$(as "$user" "$php" artisan queue:restart --no-interaction 2>&1) || :
    case $said in
        *"queue restart signal"*) ;;
        *)
            echo "warning: queue:restart failed: $(last "$said")"
            ask_to_end "$@"
            ;;
    esac
    if await_end "$patience" "$@"; then
        echo "$# workers ended after their job"
    else
        left_behind "workers still have the old code: $left"
    fi
fi
if [ -e "$to/storage/framework/down" ]; then # workers with a --max-time end again and again then, whatever they run
    echo "whether workers run is seen once the maintenance page is gone"
else
    run_programs
fi
"""


def _followed(marks: str) -> str:
    """Remove what says that something has not followed, once all has: *marks* of earlier ways back as well."""
    return rf"""[ -n "$behind" ] || for mark in {marks}; do
    [ ! -f "$mark" ] || as "$(stat -c %u -- "${{mark%/*}}")" rm -f -- "$mark" || echo "warning: $mark cannot be removed"
done
"""


#: How both end.
_ENDED = r"""[ -z "$wrong" ] || { printf 'release %s is served, but not all went well\n' "${to##*/}" >&2; exit 1; }
"""

#: Let link $1, which says $2, say $3: folder $4, which is device:inode $5. Folder $6, which is $7, is marked bad first
#: (empty: none is), and artisan builds the caches $8 anew. $9 is whose the link is, $10 whom PHP runs as, $11 PHP's
#: name, $12 the unit of php-fpm (empty: none runs), $13 the seconds a worker may take, $14 supervisor's programs, $15
#: the migrations of folder $6 that must not have run; the rest are the words that test php-fpm's configuration. What
#: is found to be otherwise before the switch ends it with 75. What goes wrong after it is said, nothing is left out
#: because of it, and it ends with 1. Until nothing runs that may have the old code, folder $6 says that something may.
SWITCH = Script(
    "switch-release",
    r"""set -eu
link=$1 now=$2 then=$3 to=$4 to_is=$5 bad=$6 bad_is=$7 caches=$8
shift 8
owner=$1 user=$2 php=$3 unit=$4 patience=$5 programs=$6 unrun=$7
shift 7
base=${link%/*} says=$link served=$link
"""
    + _FUNCTIONS
    + r"""as_planned() {
    [ "$(readlink -- "$link")" = "$now" ] || stop "$link leads elsewhere by now"
    is_folder "$to" "$to_is" || stop "$to is another folder by now"
    [ ! -e "$base/.dep/deploy.lock" ] || stop "somebody deploys ($base/.dep/deploy.lock)"
}

as_planned
may_all "$@"
if [ "$#" -gt 0 ]; then
    said=$(root "$@" 2>&1) || stop "the configuration of $unit is not right ($(last "$said"))"
fi
command -v "$php" >/dev/null || php=php
still_wait
if [ -n "$bad" ]; then
    is_folder "$bad" "$bad_is" || stop "$bad is another folder by now"
    # An empty file is a mark as well, and needs no free block.
    # shellcheck disable=SC2016  # the inner shell expands its own arguments
    as "$(stat -c %u -- "$bad")" sh -c '
        cd -- "$1" || exit
        [ -f BAD_RELEASE ] || { set -C; : >BAD_RELEASE; } || exit
        [ -s BAD_RELEASE ] || date -u +%Y-%m-%dT%H:%M:%S+0000,soleil-remediate 2>/dev/null >>BAD_RELEASE || :
        [ -f "$2" ] || { set -C; : >"$2"; }
    ' mark "$bad" "ROLLBACK_UNFINISHED-${to##*/}" || stop "$bad cannot be marked bad"
fi

"""
    + _CACHES
    + r"""still_wait
as_planned
# What leads there already stays: its age says since when it does.
# shellcheck disable=SC2016  # the inner shell expands its own arguments
[ "$now" = "$then" ] ||
    as "$owner" sh -c 'ln -sfT -- "$1" "$2.new" && mv -fT -- "$2.new" "$2"' switch "$then" "$link" ||
    stop "$link cannot be replaced"
if [ "$(readlink -- "$link")" != "$then" ]; then
    printf '%s leads elsewhere after it was replaced\n' "$link" >&2
    exit 1
fi
echo "$link leads to $then"
serve_since "${bad:+$bad/ROLLBACK_UNFINISHED-${to##*/}}"

"""
    + _FOLLOW
    + _followed('"$base"/releases/*/ROLLBACK_UNFINISHED-*')
    + _ENDED,
)

#: Check commit $2 out in folder $1, whose HEAD is $3 and whose .git is device:inode $4, as $7, whose it is. $5 is a
#: commit to mark bad first (empty: none is), $6 the caches to build anew; the rest is as above, from $8 on. Nothing is
#: fetched, no hook is run, no branch is moved. Until nothing runs that may have the old code, .git says that it may.
CHECK_OUT = Script(
    "check-out-commit",
    r"""set -eu
base=$1 then=$2 now=$3 git_is=$4 bad=$5 caches=$6
shift 6
owner=$1 user=$2 php=$3 unit=$4 patience=$5 programs=$6 unrun=$7
shift 7
to=$base says=$base/.git/HEAD served=$base
"""
    + _FUNCTIONS
    + STILL_OWNERS
    + r"""in_git() { as "$owner" git -C "$base" -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }
as_planned() {
    is_folder "$base/.git" "$git_is" || stop "$base/.git is another folder by now"
    still_owners "$base"
    [ "$(in_git rev-parse --verify HEAD)" = "$now" ] || stop "another commit is checked out by now"
    said=$(in_git status --porcelain --untracked-files=no) || stop "git does not say whether something was changed"
    [ -z "$said" ] || stop "files were changed and not committed ($(last "$said"))"
    [ ! -e "$base/.git/index.lock" ] || stop "somebody is at work ($base/.git/index.lock)"
}
unwritable() { # folders in which files would have to be replaced, and cannot be by whom the checkout belongs to
    # shellcheck disable=SC2016  # the inner shell expands its own arguments
    in_git diff-tree -r -z --name-only --no-renames "$now" "$then" | as "$owner" xargs -0 -r sh -c '
        cd -- "$0" || exit
        for name do
            folder=./$name
            while folder=${folder%/*}; [ ! -d "$folder" ]; do :; done
            [ -w "$folder" ] && [ -x "$folder" ] || printf "%s\n" "${folder#./}"
        done
    ' "$base"
}

as_planned
in_git cat-file -e "$then^{commit}" || stop "commit $then is not there"
said=$(unwritable) || stop "which files git would replace cannot be told"
[ -z "$said" ] || stop "$owner may not replace files in $base ($(last "$said"))"
may_all "$@"
if [ "$#" -gt 0 ]; then
    said=$(root "$@" 2>&1) || stop "the configuration of $unit is not right ($(last "$said"))"
fi
command -v "$php" >/dev/null || php=php
still_wait
if [ -n "$bad" ]; then
    in_git update-ref "refs/soleil-remediate/bad/$bad" "$bad" || stop "$bad cannot be marked bad"
    # shellcheck disable=SC2016  # the inner shell expands its own argument
    as "$owner" sh -c '[ -f "$1" ] || : >"$1"' mark "$base/.git/ROLLBACK_UNFINISHED-$then" ||
        stop "$base cannot be marked as not having followed yet"
fi
as_planned
# Cut short it leaves files of both: it gets most of what the whole change has.
said=$([ "$now" = "$then" ] || { limit=480; in_git checkout --quiet --detach "$then" 2>&1; }) || {
    printf '%s\n' "$said" >&2
    [ "$(in_git rev-parse --verify HEAD)" = "$now" ] || exit 1
    [ -z "$(in_git status --porcelain --untracked-files=no 2>&1)" ] && [ ! -e "$base/.git/index.lock" ] || {
        printf 'git stopped half-way: files of both commits lie in %s\n' "$base" >&2
        exit 1
    }
    stop "git did not check it out"
}
if [ "$(in_git rev-parse --verify HEAD)" != "$then" ]; then
    printf 'another commit was checked out meanwhile\n' >&2
    exit 1
fi
# Its exit status says little: where one file cannot be replaced, git goes on and ends with 0.
left=$(in_git status --porcelain --untracked-files=no) && [ -z "$left" ] || {
    printf 'git stopped half-way: files of both commits lie in %s: %s\n' "$base" "$(last "$left")" >&2
    exit 1
}
echo "$base is at $then"
stop() { left_behind "$1"; } # from here on nothing is left out

"""
    + _CACHES
    + r"""serve_since "${bad:+$base/.git/ROLLBACK_UNFINISHED-$then}"

"""
    + _FOLLOW
    + _followed('"$base"/.git/ROLLBACK_UNFINISHED-*')
    + _ENDED,
)
