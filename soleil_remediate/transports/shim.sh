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
#   ops/ID/cmd, in      what is run, and its standard input, which is gone once it has begun
#   ops/ID/begun, rc    links: it was begun; the exit status it ended with
#   ops/ID/out, end     the first and the last 64 KiB of what it wrote
#   ops/ID/rest         how much came after the first 64 KiB, in dd's words

base=${base:-/run/soleil-remediate}
lock=${lock:-$base}

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
    tidy
    if [ ! -L "$base/ops/$1/begun" ]; then
        stage "$1" "$3" "$4" || return
        begin "$1" || {
            why=$?
            rm -rf "$base/ops/$1"
            [ "$why" != 1 ] || return 73 # flock's own no, or ln's
            echo "it cannot start the processes that this needs" >&2
            return 71
        }
    fi
    await "$1" "$2"
}

is_id() {
    case $1 in '' | [!0-9A-Za-z]* | *[!0-9A-Za-z._-]*) return 1 ;; esac
}

stage() { # ID COMMAND STDIN; printf is a builtin, so that neither is ever in an argument list
    # shellcheck disable=SC2059  # the input's form of a printf format, which can hold every byte
    (
        umask 077
        mkdir -p "$base/ops/$1" || exit "$?"
        if printf '%s\n' "$2" >"$base/ops/$1/cmd" && printf -- "$3" >"$base/ops/$1/in"; then exit 0; fi
        rm -rf "$base/ops/$1"
        exit 1
    )
    case $? in
        0) return 0 ;;
        1) # mkdir's own word, or ours
            echo "nothing can be written in $base: is it full?" >&2
            return 73
            ;;
        *) # a shell that cannot fork ends with 2, or goes on with more than 125
            echo "it cannot start the processes that this needs" >&2
            return 71
            ;;
    esac
}

begin() { # ID
    (
        command exec 7<"$base/ops/$1" && flock -n 7 && ln -s . "$base/ops/$1/begun" || exit
        # shellcheck disable=SC2016  # the inner shell expands its own arguments
        with_signals setsid sh -c '
            exec <"$1/in" && rm "$1/in" || exit
            { sh "$1/cmd"; ln -s "$?" "$1/rc"; } 2>&1 | {
                head -c 65536 >"$1/out"
                dd bs=65536 2>"$1/rest" | tail -c 65536 >"$1/end"
                cat >/dev/null
            }' change "$base/ops/$1" </dev/null >/dev/null 2>&1 &
    )
}

with_signals() { # a program that was started with signals ignored cannot die of them; before coreutils 8.31 it stays so
    if env --default-signal=PIPE true 2>/dev/null; then
        exec env --default-signal=HUP,INT,QUIT,PIPE "$@"
    fi
    exec "$@"
}

await() { # the kernel wakes us at the operation's end
    (command exec 8<"$base/ops/$1" && flock -s -w "$2" 8) 2>/dev/null
    tell "$1"
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
    (command exec 8<"$op" && flock -n -s 8) 2>/dev/null && state=lost
    # The status is written before the lock is given back, so this order cannot miss it.
    [ ! -L "$op/rc" ] || state="done $(readlink "$op/rc")"
    case $state in
        done*)
            more=$(sed -n 's/^\([0-9][0-9]*\) byte.*/\1/p' "$op/rest" 2>/dev/null)
            printf '%s %s\n' "$state" "${more:-0}"
            cat "$op/out" "$op/end" 2>/dev/null
            return 0
            ;;
        *) echo "$state" ;;
    esac
}

tidy() { # what was written is kept for the newest four operations, how they ended for the newest two hundred or more
    # shellcheck disable=SC2012  # the names are ours: is_id
    all=$(ls -1t "$base/ops")
    newest=0
    for old in $all; do newest=$((newest + 1)); done
    kept=400
    if [ "$newest" -gt "$kept" ]; then
        # Of what goes away altogether nobody may say later that it was never begun: this is another memory from now on.
        ln -sfn "$memory+" "$base/memory" || return 0
        memory=$memory+
        kept=200
    fi
    newest=0
    set --
    for old in $all; do
        newest=$((newest + 1))
        if [ "$newest" -gt "$kept" ]; then
            set -- "$@" "$base/ops/$old"
        elif [ "$newest" -gt 4 ] && [ -e "$base/ops/$old/out" ]; then
            set -- "$@" "$base/ops/$old/cmd" "$base/ops/$old/out" "$base/ops/$old/end" "$base/ops/$old/rest"
        fi
    done
    [ "$#" = 0 ] || rm -rf "$@"
}
