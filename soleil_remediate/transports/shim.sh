# shellcheck shell=sh
# What changes a host: functions for the session's own shell. POSIX sh, coreutils and util-linux; nothing is installed,
# and nothing is written but a few files under $base, on tmpfs.
#
#   claim OWNER NONCE                       take the host's lock for as long as this shell lives; print the memory's name
#   change ID SECONDS COMMAND STDIN whole   run a change once, detached from the connection; wait that long; tell
#   await ID SECONDS                        wait that long for its end; tell
#   tell ID MEMORY                          what became of it, if this is still that memory; changes nothing
#
# The lock is flock(2) on the folder itself, held on descriptor 9 and inherited by every change: the kernel keeps it as
# long as somebody may still be changing this host, and gives it back without our help, also on a full disk. (Opening
# the folder again would be another lock: it belongs to the open file description. sudo closes descriptors, so the lock
# is taken inside the shell that sudo started.) A change that forks into the background keeps it until that process
# ends, so daemons are started by systemd or supervisor alone. Reads run with 9<&- for the same reason.
#
# A login to which sudo allows single commands keeps its memory in a folder of its own, and takes the same lock: root's,
# which it may open and not write to.
#
# Where logind kills what a login leaves behind (KillUserProcesses=yes, nowhere the default), a change of that login
# does not outlive its connection: it is then lost, and told so.
#
# Each operation has a folder, which its processes hold locked on descriptor 7 from before it has begun until their
# end: that tells running from lost. What must be kept when not one block is free is a symbolic link: those need none.
#
# A host that restarts, or whose /run is emptied, begins another memory, which knows nothing of what was begun before:
# "never begun" is an answer only of the memory in which it would have been begun.
#
#   memory              a link: this memory's name, the nonce of whoever took the lock first; longer once it has
#                       forgotten operations because there were too many
#   ops/ID/cmd, in      what is run, and its standard input where it has any, which is gone once it has begun
#   ops/ID/begun, rc.N  links: it was begun; it ended with exit status N
#   ops/ID/out, end     the first and the last 64 KiB of what it wrote
#   ops/ID/rest         how much came after the first 64 KiB, in dd's words

base=${base:-/run/soleil-remediate}
lock=${lock:-$base}
known= # how many operations there are, once this session has counted them

claim() { # 75: somebody else may be changing this host, and standard output says who; 74: it cannot be taken
    if [ "${claimed-}" = yes ]; then
        readlink "$base/memory"
        return
    fi
    # A login that is not root's has a folder of its own there, made for it beforehand: nobody else's may be trusted.
    [ "$lock" = "$base" ] || is_own "$base" || {
        echo "$base cannot be seen to be this login's own: do what sudoers prints once more" >&2
        return 74
    }
    (umask 077 && mkdir -p "$base/ops") || return 74
    is_own "$base/ops" || { # what lies there is run
        echo "$base/ops is somebody else's" >&2
        return 74
    }
    command exec 9<"$lock" || return 74
    flock -w 1 -E 75 9 || {
        why=$?
        exec 9<&-
        [ "$why" = 75 ] || return 74
        holder
        return 75
    }
    ln -sfn "$1 since $(date -u '+%Y-%m-%d %H:%M:%S UTC')${SSH_CONNECTION:+ from ${SSH_CONNECTION%% *}} (shell $$)" \
        "$base/owner" || {
        exec 9<&-
        return 74
    }
    [ -L "$base/memory" ] || ln -s "$2" "$base/memory" || {
        exec 9<&-
        return 74
    }
    memory=$(readlink "$base/memory") && claimed=yes && echo "$memory"
}

is_own() {
    of=$(stat -c %u -- "$1" 2>/dev/null) && [ "$of" = "$(id -u)" ]
}

holder() { # whoever took it last said so in a folder of their own; a login can say what it likes in its own
    # shellcheck disable=SC2012  # the names are logins
    newest=$(ls -1td "$lock/owner" "$lock"/logins/*/owner 2>/dev/null | head -n 1)
    says=$(readlink "${newest:-$lock/owner}" | head -n 1 | cut -c 1-300)
    case $newest in
        "$lock"/logins/*) newest=${newest#"$lock/logins/"} && echo "$says, as ${newest%/owner} says" ;;
        *) echo "$says" ;;
    esac
}

change() { # 73: nothing was begun; 71: likewise, for want of a process; 70: likewise, the lock is another by now
    is_id "$1" || return 64
    [ "${5-}" = whole ] || return 64 # a shell also runs what was cut off between two words
    if [ "${claimed-}" != yes ]; then
        echo 'this session does not hold the lock' >&2
        return 73
    fi
    # Whoever comes after a removed folder makes and locks one anew.
    [ "/proc/$$/fd/9" -ef "$lock" ] || {
        echo "$lock was removed, and the lock with it" >&2
        return 70
    }
    if [ ! -L "$base/ops/$1/begun" ]; then
        tidy "$1"
        begin "$1" "$3" "$4" || return
    fi
    await "$1" "$2"
}

is_id() {
    case $1 in '' | [!0-9A-Za-z]* | *[!0-9A-Za-z._-]*) return 1 ;; esac
}

begin() { # ID COMMAND STDIN; printf is a builtin, so that neither is ever in an argument list
    # shellcheck disable=SC2059  # the input's form of a printf format, which can hold every byte
    (
        op=$base/ops/$1
        umask 077
        mkdir -p "$op" || exit
        printf '%s\n' "$2" >"$op/cmd" || exit 1
        if [ -n "$3" ] || [ -e "$op/in" ]; then printf -- "$3" >"$op/in" || exit 1; fi
        umask 022 # as every shell of ours has it: what a change creates can be read
        command exec 7<"$op" && flock -n 7 && ln -s . "$op/begun" || exit
        # It forks by itself (util-linux 2.32): what a shell starts with & ignores SIGINT and SIGQUIT.
        # shellcheck disable=SC2016  # the inner shell expands its own arguments
        with_signals setsid --fork sh -c '
            if [ -e "$1/in" ]; then exec <"$1/in" && rm "$1/in" || exit; fi
            { sh "$1/cmd"; ln -s . "$1/rc.$?"; } 2>&1 | {
                case $(dd bs=65536 count=1 iflag=fullblock of="$1/out" 2>&1) in
                    0+*) exit ;; # no whole block: that was all
                esac
                dd bs=65536 2>"$1/rest" | tail -c 65536 >"$1/end"
                cat >/dev/null
            }' change "$op" </dev/null >/dev/null 2>&1
    )
    case $? in
        0) return 0 ;;
        1) # mkdir's own word, printf's, flock's or ln's; where it had begun already, setsid's
            if [ ! -L "$base/ops/$1/begun" ]; then
                echo "nothing can be written in $base: is it full?" >&2
                rm -rf "$base/ops/$1"
                return 73
            fi
            ;;
    esac # a shell that cannot fork ends with 2, or goes on with more than 125
    rm -rf "$base/ops/$1"
    echo "it cannot start the processes that this needs" >&2
    return 71
}

with_signals() { # a program that was started with signals ignored cannot die of them
    while read -r key ignored; do case $key in SigIgn:) break ;; esac; done </proc/self/status
    case $ignored in '' | *[!0]*) ;; *) exec "$@" ;; esac
    if env --default-signal=PIPE true 2>/dev/null; then # not before coreutils 8.31: there it stays so
        exec env --default-signal=HUP,INT,QUIT,PIPE "$@"
    fi
    exec "$@"
}

await() { # the kernel wakes us at the operation's end
    ended=
    ! has_ended "$base/ops/$1" -w "$2" || ended=yes
    tell "$1" "$memory" "$ended"
}

has_ended() {
    (command exec 8<"$1" && flock -s "$2" ${3+"$3"} 8) 2>/dev/null
}

tell() { # done STATUS MORE | running | lost | forgotten | never-begun | unclear OWNER; what a done one wrote comes on the next line
    is_id "$1" || return 64
    op=$base/ops/$1
    if [ ! -L "$op/begun" ]; then
        if [ "$(readlink "$base/memory")" != "${2-$memory}" ]; then
            echo forgotten
            return 0
        fi
        # Only a session that holds the lock can still begin it.
        if [ "${claimed-}" = yes ] || [ ! -d "$base" ] || flock -n -s "$lock" true; then
            echo never-begun
        else
            printf 'unclear %s\n' "$(holder)"
        fi
        return 0
    fi
    state=running
    if [ "${3-}" = yes ] || has_ended "$op" -n; then state=lost; fi
    # The status is written before the lock is given back, so this order cannot miss it.
    for rc in "$op"/rc.*; do
        [ -L "$rc" ] || continue
        # What it wrote last may still be on its way into the files; what it left behind may hold the lock for ever.
        [ "$state" = lost ] || has_ended "$op" -w 1
        state="done ${rc##*.}"
    done
    case $state in
        done*)
            more=0
            while read -r count unit _; do
                case $unit:$count in byte*:*[!0-9]*) ;; byte*) more=$count ;; esac
            done 2>/dev/null <"$op/rest"
            printf '%s %s\n' "$state" "$more"
            if [ -s "$op/out" ] || [ -s "$op/end" ]; then cat "$op/out" "$op/end" 2>/dev/null; fi
            return 0
            ;;
        *) echo "$state" ;;
    esac
}

tidy() { # what was written is kept for the newest four operations, how they ended for the newest two hundred or more
    # This session holds the lock: what has begun since the folder was read, it began itself.
    if [ "${known:-400}" -lt 400 ]; then
        # shellcheck disable=SC2086  # the names are ours: is_id
        set -- $recent "$1"
        known=$((known + 1))
        if [ "$#" -gt 5 ]; then
            rm -f "$base/ops/$1/cmd" "$base/ops/$1/out" "$base/ops/$1/end" "$base/ops/$1/rest"
            shift
        fi
        recent=$*
        return
    fi
    begins=$1
    # shellcheck disable=SC2012  # likewise
    all=$(ls -1t "$base/ops")
    known=0
    for old in $all; do known=$((known + 1)); done
    kept=400
    if [ "$known" -gt "$kept" ]; then
        # Of what goes away altogether nobody may say later that it was never begun: this is another memory from now on.
        ln -sfn "$memory+" "$base/memory" || return 0
        memory=$memory+
        kept=200
    fi
    known=0 recent=
    set --
    for old in $all; do
        known=$((known + 1))
        if [ "$known" -le 4 ]; then
            recent="$old $recent"
        elif [ "$known" -gt "$kept" ]; then
            set -- "$@" "$base/ops/$old"
        elif [ -e "$base/ops/$old/out" ]; then
            set -- "$@" "$base/ops/$old/cmd" "$base/ops/$old/out" "$base/ops/$old/end" "$base/ops/$old/rest"
        fi
    done
    [ "$#" = 0 ] || rm -rf "$@"
    [ "$known" -le "$kept" ] || known=$kept
    known=$((known + 1)) recent="$recent $begins"
}
