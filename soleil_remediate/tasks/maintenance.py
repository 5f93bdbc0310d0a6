"""Laravel's maintenance page around a change: put up before it, taken down once what users need answers behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command
from soleil_remediate.facts.http import page_of
from soleil_remediate.facts.maintenance import OUR_WORD
from soleil_remediate.plan import Change, Risk, Script, Undo
from soleil_remediate.tasks.switching import AS_SOMEBODY, PROGRAMS
from soleil_remediate.units import Duration

#: Nobody who went away leaves the page up for longer; long enough for all that is done behind it.
ENDS_WITHIN = Duration(1200)
#: So long an application may take to answer after php-fpm was reloaded.
_WARMING_UP = Duration(60)
#: What artisan may take in all, and whatever else a script does.
_ARTISAN = Duration(240)

#: ``root``, ``user`` and ``php`` are known to all of them; ``timer`` is to those that disarm it.
IN_MAINTENANCE = (
    r"""set -eu
stop() { printf '%s: nothing was changed\n' "$1" >&2; exit 75; }
"""
    + AS_SOMEBODY
    + r"""file=$root/storage/framework/down
command -v "$php" >/dev/null || php=php
disarm() { systemctl stop -- "$timer.timer" "$timer.service" >/dev/null 2>&1 || :; }
ours() { [ -f "$file" ] && grep -qsE '"secret": *"__OUR_WORD__"' "$file"; }
end() { # a release that cannot even start has no artisan; these two files are all that it is
    said=$(cd -- "$root" && as "$user" "$php" artisan up --no-interaction 2>&1) || :
    [ ! -e "$file" ] || as "$user" rm -f -- "$file" "$root/storage/framework/maintenance.php" || :
    [ ! -e "$file" ]
}

""".replace("__OUR_WORD__", OUR_WORD)
)

#: Whether $served, a link or a checkout of $owner's, is as $was says. In a checkout git is never asked as root.
IS_UNCHANGED = r"""is_unchanged() {
    [ -n "$was" ] || return
    if [ -L "$served" ]; then
        [ "$(readlink -- "$served")" = "$was" ]
    else
        [ "$(id -u -- "$owner" 2>/dev/null)" != 0 ] &&
            [ "$(as "$owner" git -C "$served" rev-parse --verify HEAD)" = "$was" ] &&
            said=$(as "$owner" git -C "$served" status --porcelain --untracked-files=no) && [ -z "$said" ]
    fi
}
"""

#: What the host's own timer does: end the maintenance mode of application $1, whose artisan runs as $2 by the PHP
#: called $3, if it was begun here.
_END = (
    "root=$1 user=$2 php=$3\n"
    + IN_MAINTENANCE
    + r"""ours || { echo "no maintenance mode of ours"; exit 0; }
end || { printf 'maintenance mode cannot be ended: %s\n' "$(last "$said")" >&2; exit 1; }
echo "maintenance mode ended"
"""
)

#: Put the application in $1 into maintenance mode, as $2, by the PHP called $3, and let timer $4 end it after $5
#: seconds, by text $6. $7 is another release, whose artisan is more likely to work; empty where there is none. $8 is
#: not empty where that one is served then. Where it is in maintenance mode since an earlier run, only the time begins
#: anew.
_BEGIN = Script(
    "begin-maintenance",
    "root=$1 user=$2 php=$3 timer=$4 seconds=$5 ending=$6 older=$7 is_to_serve=$8\n"
    + IN_MAINTENANCE
    + r"""without=
[ -z "$is_to_serve" ] || without=". Where no migration is taken back it can be done without the page: maintenance=no"
[ ! -e "$file" ] || ours || stop "somebody else put the application into maintenance mode"
if [ -n "$older" ] && ! [ "$older/storage" -ef "$root/storage" ]; then
    [ -z "$is_to_serve" ] ||
        stop "$older has a storage of its own, so maintenance mode would end with the switch$without"
    older=
fi
if grep -qsE "^APP_MAINTENANCE_DRIVER=[\"']?cache" "$root/.env" ||
    grep -sA 3 "'maintenance' *=>" "$root/config/app.php" | grep -qE "'driver' *=> *'cache'"; then
    stop "this application keeps its maintenance mode in a cache$without"
fi
disarm
# What systemd starts is read by it once more: texts come in by the environment, which it leaves alone.
# shellcheck disable=SC2016  # likewise
said=$(systemd-run --quiet --collect --unit="$timer" --on-active="${seconds}s" --timer-property=AccuracySec=1s \
    --setenv=ENDING="$ending" --setenv=ROOT="$root" --setenv=RUNS_AS="$user" --setenv=RUN_BY="$php" \
    -- sh -c 'set -- "$$ROOT" "$$RUNS_AS" "$$RUN_BY"; eval "$$ENDING"' 2>&1) ||
    stop "nothing would end it if this program did not ($(last "$said"))$without"
if ours; then
    echo "users see the maintenance page of an earlier run, until $((seconds / 60)) minutes from now at most"
    exit
fi
word=soleil-remediate-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
# With a page that is rendered now, users see it even where the code cannot start; the exit status says little.
for code in "$older" "$root"; do
    for page in --render=errors::503 --no-interaction; do
        [ -n "$code" ] && [ ! -s "$file" ] || continue
        said=$(cd -- "$code" &&
            as "$user" "$php" artisan down --retry=30 --secret="$word" "$page" --no-interaction 2>&1) || :
    done
done
ours || {
    disarm
    [ ! -e "$file" ] || stop "somebody else put the application into maintenance mode"
    # One that cannot be seen, kept by a driver of the application's own, would be ended by nobody.
    why=$(last "$said") after="artisan up was run after it"
    said=$(cd -- "$root" && as "$user" "$php" artisan up --no-interaction 2>&1) ||
        after="artisan up after it failed ($(last "$said")): SEE WHETHER USERS SEE THE APPLICATION"
    printf 'artisan down put it into no maintenance mode that can be seen (%s); %s%s\n' "$why" "$after" "$without" >&2
    exit 1
}
echo "users see the maintenance page, until $((seconds / 60)) minutes from now at most"
""",
)

#: End the maintenance mode of application $1, whose artisan runs as $2 by the PHP called $3; $4 is the timer that
#: would have done so later. $5 is the link or the checkout that says what is served: with what it said before in $6 it
#: is ended at once if it still says so (empty: it is not asked), and not at all where the timer was stopped meanwhile,
#: since then something was begun behind the page that what is served may not work with; $7 is whose it is. Otherwise
#: the web server is asked for pages, each an address and where on this host it listens, from $11 on, as one who may
#: look behind the maintenance page: once all are served, in $9 seconds at most, it is ended. $8 are the seconds after
#: which a page is not answered. Then supervisor's programs $10 are looked after: with --max-time, workers end again
#: and again in maintenance mode.
_LEAVE = Script(
    "leave-maintenance",
    "root=$1 user=$2 php=$3 timer=$4 served=$5 was=$6 owner=$7 within=$8 patience=$9\nshift 9\n"
    "programs=$1 wrong=\nshift\n"
    + IN_MAINTENANCE
    + PROGRAMS
    + IS_UNCHANGED
    + r"""cookie() { # as Laravel makes it for whoever knows the word, which stands in no argument
    # shellcheck disable=SC2016  # PHP's own variables
    printf '%s\n' "$word" | as "$user" "$php" -r '
        $until = time() + 3600; $mac = hash_hmac("sha256", (string) $until, trim(fgets(STDIN)));
        echo urlencode(base64_encode(json_encode(["expires_at" => $until, "mac" => $mac])));
    '
}
found() { # ADDRESS AT…: "well", or what is wrong
    pass=$(cookie) || { echo "what is behind the page cannot be seen"; return; }
    while [ "$#" -gt 0 ]; do
        status=$(printf 'header = "Cookie: laravel_maintenance=%s"\n' "$pass" |
            curl --disable --silent --globoff --insecure --noproxy '*' --max-time "$within" --output /dev/null \
                --connect-to "::$2" --write-out '%{http_code}' --config - --url "$1") || status="nothing in time"
        case $status in 2??) ;; *) printf '%s answers %s\n' "$1" "$status"; return ;; esac
        shift 2
    done
    echo well
}
stays() { # why
    disarm
    printf '%s: USERS GO ON SEEING THE MAINTENANCE PAGE\n' "$1" >&2
    exit 1
}

[ -e "$file" ] || { disarm; echo "maintenance mode was ended by somebody else"; exit 0; }
ours || { disarm; echo "somebody else put it into maintenance mode meanwhile, and it stays there"; exit 0; }
if [ -n "$was" ] && ! systemctl --quiet is-active -- "$timer.timer" "$timer.service"; then
    stays "what was begun behind it is not done, and what is served may not work with that"
fi
if ! is_unchanged; then
    word=$(grep -oE '__OUR_WORD__' "$file" | head -n 1)
    until=$(($(date +%s) + patience))
    while state=$(found "$@"); [ "$state" != well ] && [ "$(date +%s)" -lt "$until" ]; do
        sleep 1
    done
    [ "$state" = well ] || stays "${state:-what is behind the page cannot be seen}"
fi
end || stays "it cannot be ended ($(last "$said"))"
disarm
echo "maintenance mode ended"
run_programs
[ -z "$wrong" ]
""".replace("__OUR_WORD__", OUR_WORD),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is served, as the host can compare it.

    Args:
        at: The link that leads to it, or the checkout.
        now: Where the link leads, or which commit is checked out.
        owner: Whose it is.
    """

    at: PurePosixPath
    now: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenancePage:
    """The maintenance page of one application, for the time of a change.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom artisan runs as.
        php: The PHP that runs it.
        pages: What has to be served before users see the application again.
        url: The application's public address.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.
        listening: The TCP ports on which something on the host listens.
        programs: What supervisor keeps running for it.
        until: What happens behind it with which the code from before cannot work: from then on neither the host ends it
            nor does whatever takes the change back. Empty where nothing does.
    """

    root: PurePosixPath
    user: str
    php: str
    pages: tuple[str, ...]
    url: str | None
    origin: str | None
    within: Duration
    listening: frozenset[int]
    programs: tuple[str, ...]
    until: str = ""

    def put_up(self, served: Served, other: PurePosixPath | None, *, is_to_serve: bool = True) -> Change:
        """Return the change that begins it.

        Args:
            served: What is served before it; where it still is when this is taken back, users see it again at once.
            other: Another release, whose artisan may work where that of what is served does not; ``None`` where there
                is none.
            is_to_serve: Whether other code will be served behind it.
        """
        return Change(
            is_roots=True,  # the host's timer that ends it is
            summary="show users the maintenance page",
            command=Command(
                _BEGIN.bind(*self._who, self.timer, ENDS_WITHIN, _END, other or "", "yes" if is_to_serve else ""),
                deadline=Duration(2 * _ARTISAN),
            ),
            risk=Risk.DISRUPTIVE,
            undo=Undo.by(
                self._leave(served.at, served.now, served.owner),
                "users see the application again" + (f", unless {self.until} by then" if self.until else ""),
            ),
            before="users see the application",
            after=f"the maintenance page; the host itself ends it in {ENDS_WITHIN}, should nobody else"
            + (f", until {self.until}" if self.until else ""),
            keeps="the application and its database",
            downtime=("until the older code is served and answers" if is_to_serve else "until a person ends it")
            + "; workers pause, scheduled tasks are left out",
        )

    def take_down(self, what: str) -> Change:
        """Return the change that ends it, once what users need is served behind it.

        Args:
            what: What serves it, such as ``release 41``.
        """
        return Change(
            is_roots=True,  # the host's timer that ends it is
            summary=f"end the maintenance page once {what} answers behind it",
            command=self._leave(self.root, "", ""),
            risk=Risk.DISRUPTIVE,
            undo=Undo.none("users saw the application"),
            before="the maintenance page",
            after=f"{what}; the maintenance page stays if it does not serve {' and '.join(self.pages)}",
            keeps="everything",
        )

    def _leave(self, served: PurePosixPath, now: str, owner: str) -> Command:
        asked = [word for page in self.pages for word in page_of(page, self.url, self.origin, self.listening)]
        return Command(
            _LEAVE.bind(
                *self._who, self.timer, served, now, owner, self.within, _WARMING_UP, " ".join(self.programs), *asked
            ),
            deadline=Duration(_WARMING_UP + (1 + len(self.pages)) * self.within + _ARTISAN),
        )

    @property
    def _who(self) -> tuple[object, ...]:
        return self.root, self.user, self.php

    @property
    def timer(self) -> str:
        """The same for one application in every run: a page that is put up anew must not be ended by an older timer."""
        return f"soleil-remediate-maintenance-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}"
