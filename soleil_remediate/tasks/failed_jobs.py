"""Retry jobs that failed: those of some classes, one first, then the others one by one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, NotOnHost, Unplannable
from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs, FindClasses, ReadFailedJobs
from soleil_remediate.facts.mail import AskMail, Mailing, is_of_mail
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING
from soleil_remediate.facts.queue_workers import ReadWorkers
from soleil_remediate.facts.queues import Backlog, counting
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: So long the list may take to take a job out, and so long of it for others to let go of that one; in seconds.
_CHANGE, _LOCK = 10, 2
#: Retry the failed jobs whose UUIDs stand from $argv[5] on: the first, and once it is seen to have gone well within
#: $argv[4] seconds the others, $argv[3] seconds apart. Whatever fails again ends it. queue:retry itself ends with 0
#: whatever becomes of it, also where it knows no such job: so each must be gone from the list afterwards. Each is
#: locked in the list meanwhile, so that nobody else retries it too, and that it can fail again only after it has gone.
RETRY = (
    (
        START.replace("exit(0)", "exit(75)").replace('tell(["started" => true]);\n', "")
        + DATABASES
        + r"""
function say($text) { fwrite($GLOBALS["answer"], $text . "\n"); }
function fail($text, $status = 1) { fwrite(fopen("php://stderr", "w"), $text . "\n"); exit($status); }
[$pause, $patience] = [(float) $argv[3], (float) $argv[4]];
$failer = $app["queue.failer"];
$artisan = $app->make("Illuminate\Contracts\Console\Kernel");
$raised = fn ($job) => preg_match('/^[A-Za-z_][\w\\\\]*/', (string) $job->exception, $found) ? $found[0] : "an error";
$left = $queues = $retried = [];
$settings = (array) $config["queue.failed"];
try {
    connect_within(SERVER);
    $list = $app["db"]->connection($settings["database"] ?? null);
    $found = within_limits($list, SERVER, fn () => array_map(fn ($id) => $failer->find($id), array_slice($argv, 5)));
    foreach (array_slice($argv, 5) as $at => $id) {
        if ($job = $found[$at]) $left[$id] = [$job->connection, $job->queue];
    }
} catch (Throwable $error) {
    fail("jobs that failed cannot be read (" . get_class($error) . "): nothing was done", 75);
}
if (! $left) fail("none of them is in the list any more: nothing was done", 75);
function again($retried) { // the first of them that stands in the list again
    global $list, $settings, $raised;
    $them = $list->table($settings["table"] ?? "failed_jobs")->whereIn("uuid", $retried);
    $job = within_limits($list, SERVER, fn () => $them->first(["uuid", "exception"]));
    return $job ? "$job->uuid failed again: " . $raised($job) : "";
}
function left_in_queue($connection, $queue) {
    global $app;
    $jobs = $app["queue"]->connection($connection);
    $count = fn () => $jobs->size($queue);
    $is_in_database = $jobs instanceof Illuminate\Queue\DatabaseQueue;
    return $is_in_database ? within_limits($jobs->getDatabase(), SERVER, $count) : $count();
}
function ended($queues, $retried, $patience) { // whether all of them were done in time; one that failed again ends it
    for ($until = microtime(true) + $patience; microtime(true) < $until; usleep(500000)) {
        if (again($retried)) return true;
        $size = 0;
        foreach ($queues as [$connection, $queue]) $size += left_in_queue($connection, $queue);
        if ($size) continue;
        usleep(1000000); // a job is taken from its queue a moment before it is put into the list
        return true;
    }
    return false;
}
$take = fn ($id) => $list->transaction(function () use ($artisan, $id, $list, $settings) {
    if ($list->getDriverName() === "pgsql") $list->unprepared(time_limits(CHANGE, LOCK));
    $rows = $list->table($settings["table"] ?? "failed_jobs")->where("uuid", $id)->lockForUpdate();
    return $rows->first(["uuid"]) !== null && $artisan->call("queue:retry", ["id" => [$id]]) === 0;
});
$before = count($left);
try {
    foreach ($left as $id => $from) {
        if ($retried) usleep((int) (1000000 * $pause));
        if (! $take($id)) continue; // somebody else has retried it
        $retried[] = $id;
        $queues[implode("=", $from)] = $from;
        if (count($retried) === 1) {
            $is_done = ended($queues, $retried, $patience);
            $why = "whether it went well was not seen in $patience s, so the others were left";
            if (! $is_done) fail("1 of $before retried; $why");
        }
        if ($why = again($retried)) fail(count($retried) . " of $before retried; $why; the others were left");
    }
    if (! $retried) fail("somebody else has retried them: nothing was done", 75);
    $is_done = ended($queues, $retried, $patience);
    if ($why = again($retried)) fail(count($retried) . " of $before retried; $why");
} catch (Throwable $error) {
    $why = $error->getCode() === "55P03" ? "somebody else has one of them locked" : get_class($error);
    fail(count($retried) . " of $before retried; then it ended ($why), and the others were left");
}
$so_far = "and not all of them are done yet; none has failed again so far";
say(count($retried) . " retried, " . ($is_done ? "none of them failed again" : $so_far));
"""
    )
    .replace("SERVER", str(int(PATIENCE)))
    .replace("CHANGE", str(_CHANGE))
    .replace("LOCK", str(_LOCK))
)

#: So long the first may take, and all of them to the last; in seconds.
_PATIENCE = 60
#: So long all that lies between them may take.
_PAUSES = Duration(7200)
#: So long a mail server may take to let the application in.
_MAIL_SERVER = Duration(5)
#: With more that wait, a job that is retried waits behind them: what becomes of it would not be seen.
_FEW = 100
_CLASSES = re.compile(r"[A-Za-z_]\w*(\\[A-Za-z_]\w*)*(,[A-Za-z_]\w*(\\[A-Za-z_]\w*)*)*")


#: What failed, what waits in the queues, and for jobs that send mail, whether that would go out.
Seen: TypeAlias = tuple[FailedJobs | FactError, Backlog | FactError, Mailing | FactError | None]


@dataclass(frozen=True, kw_only=True)
class RetryFailedJobs(OfApplication[Seen], Task[Seen]):
    """Retry jobs that failed, of the classes that somebody names, once what they failed of is over.

    A retry does everything that the job does: a mail is sent, money moves. So there is no retry of all: only what was
    in the list when the plan was made, by its UUID, of these classes, no older than *younger_than*, at most *most* of
    them, the oldest first. One is retried alone and has to go well; then the others, one by one. The first that fails
    again ends it. Afterwards none of them may be in the list any more.

    A name of which no job failed, and that is no class of the application's either, is refused with those of which some
    did. Where none failed at all there is nothing to retry, whatever is named.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        classes: Whole names of classes, separated by commas, such as ``App\\Jobs\\SendBookingMail``. Without any, none.
        most: So many at most; from 1 to 500.
        younger_than: What failed exactly so long ago, or longer, is left alone: what it is about may be over.
        pause: What lies between one and the next: the rate. At most a minute, and for *most* of them two hours.
        sends: ``mail``: only what failed because its mail could not be handed over, and only while the mail server lets
            the application in. A mail that went out all the same goes out twice.

    Raises:
        NotOnHost: A class that was named neither failed nor is there.
        Unplannable: They have no UUIDs, the queue does not move, it has too much to do to see what becomes of them, or
            the mail that they send would not go out.
    """

    kind = "queue.retry"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    classes: str | None = None
    most: int = 25
    younger_than: Duration = Duration(86400)
    pause: Duration = Duration(1)
    sends: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes is not None and not _CLASSES.fullmatch(self.classes):
            raise ValueError(
                f"classes must be whole names of classes, separated by commas, not {self.classes[:80]!r}: there is no "
                f"retry of all"
            )
        if not 1 <= self.most <= 500:
            raise ValueError("most must be from 1 to 500")
        if self.pause > 60:
            raise ValueError("pause must be at most 1 min")
        if self.most * self.pause > _PAUSES:
            raise ValueError(f"{self.most} with {self.pause} between them take longer than {_PAUSES}: fewer, or faster")
        if self.sends not in {None, "mail"}:
            raise ValueError(f"sends must be mail, or not be given, not {self.sends[:40]!r}")

    def aim(self) -> str:
        return f"no failed job of {self.classes or 'the classes that are named'}"

    async def read(self, host: Reader) -> Seen:
        about_mail = (AskMail(self.root, self.user),) if self.sends and self.classes else ()
        programs, (failed, *mail) = await together(
            host.ask(ReadWorkers(self.root)), host.ask_each((ReadFailedJobs(self.root, self.user), *about_mail))
        )
        strange = self._not_among(failed)
        about_classes = (FindClasses(self.root, self.user, strange),) if strange else ()
        backlog, *known = await host.ask_each((counting(self.root, self.user, programs), *about_classes))
        if known and not isinstance(failed, FactError):
            _refuse_unless_known(strange, known[0], failed)
        return failed, backlog, mail[0] if mail else None

    def _not_among(self, failed: FailedJobs | FactError) -> tuple[str, ...]:
        """Return the classes that were named and of which no job failed, where others did."""
        if self.classes is None or isinstance(failed, FactError):
            return ()
        those = {one.job_class for one in failed.newest}
        return tuple(name for name in self.classes.split(",") if those and name not in those)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: Seen) -> Plan:
        failed, backlog, mail = seen
        if self.classes is None:
            return Plan.nothing("no class was named whose failed jobs may be retried")
        if isinstance(failed, FactError):
            raise Unplannable(f"it cannot be known what failed: {failed}")
        if failed.total is None or (failed.newest and not failed.has_uuids):
            raise Unplannable(
                f"jobs that failed are kept by the driver {failed.driver}, without a name that stays theirs. By hand, "
                f"as {self.user} in {self.root}: php artisan queue:failed, then queue:retry with the number of one"
            )
        names = self.classes.split(",")
        found = [one for one in failed.of(names) if one.age < self.younger_than and self._is_meant(one)]
        if not found:
            of = " of its mail" if self.sends else ""
            return Plan.nothing(f"no job of {' or '.join(names)} has failed{of} within {self.younger_than}")
        chosen = found[: self.most]
        if self.sends:
            _refuse_unless_mail_goes(mail)
        self._refuse_unless_seen(backlog, chosen)
        return Plan.of(self._retry(chosen, len(found)), because=_in_words(found))

    def _is_meant(self, job: FailedJob) -> bool:
        return self.sends is None or is_of_mail(job.exception)

    def _refuse_unless_seen(self, backlog: Backlog | FactError, chosen: list[FailedJob]) -> None:
        """Refuse where nobody would see what becomes of the first.

        Raises:
            Unplannable: That is so.
        """
        if isinstance(backlog, FactError) or backlog.error:
            why = backlog if isinstance(backlog, FactError) else backlog.error
            raise Unplannable(f"it cannot be known what waits before them: {why}")
        if backlog.is_down:
            raise Unplannable("the application is in maintenance mode, in which workers take nothing; end that first")
        used = {(one.connection, one.queue) for one in chosen}
        for queue in backlog.queues:
            if (queue.connection, queue.name) not in used or not queue.after.ready:
                continue
            if not queue.has_moved and queue.rate <= 0:
                raise Unplannable(
                    f"{queue.after.ready} wait in queue {queue.name}, {queue.in_words}: repair that first"
                )
            if queue.after.ready > _FEW:
                raise Unplannable(
                    f"{queue.after.ready} wait in queue {queue.name}, before which a retried job would come last: "
                    f"again once there are no more than {_FEW}"
                )

    def _retry(self, chosen: list[FailedJob], found: int) -> Change:
        words = ("php", "--", "retry", str(self.root), f"{float(self.pause):g}", str(_PATIENCE))
        count = len(chosen)
        rate = f", then one every {self.pause}" if self.sends and count > 1 else ""
        return Change(
            summary=f"retry {count} failed job{'s' if count > 1 else ''} of {found}, one first{rate}: "
            f"{_in_words(chosen)}",
            command=Command(
                (*words, *(one.name for one in chosen)),
                user=self.user,
                stdin=RETRY,
                deadline=Duration(STARTING + 2 * _PATIENCE + count * (self.pause + 2) + 30),
            ),
            risk=self.risk,
            undo=Undo.none("what a job did is not taken back"),
            before=f"{count} in the list of failed jobs",
            after="none of them there; each done once more, the first alone",
            loses="what the list says they failed of; and whatever they do is done once more, mails and money included"
            + ("; a mail that went out before its job failed goes out twice" if self.sends else ""),
            keeps="every other failed job",
            uses=(Use(user=self.user),),
        )


def _refuse_unless_known(strange: tuple[str, ...], known: frozenset[str] | FactError, failed: FailedJobs) -> None:
    """Refuse a class that neither failed nor is the application's.

    Raises:
        NotOnHost: One is such.
        FactError: Whether they are the application's cannot be known.
    """
    if isinstance(known, FactError):
        raise known
    there = [name for name, _ in Counter(one.job_class for one in failed.newest).most_common()]
    there = [name for name in there if _CLASSES.fullmatch(name)]
    for name in strange:
        if name not in known:
            alike = [one for one in there if one.rpartition("\\")[2].lower() == name.rpartition("\\")[2].lower()]
            meant = alike[0] if len(alike) == 1 else ""
            raise NotOnHost.among("class of a failed job", name, there, meant=meant)


def _refuse_unless_mail_goes(mail: Mailing | FactError | None) -> None:
    """Refuse to do again what would fail again.

    Raises:
        Unplannable: The mail would not go out, or that cannot be known.
    """
    if mail is None or isinstance(mail, FactError):
        raise Unplannable(f"it cannot be known whether mail would go out: {mail}")
    if why := mail.why_refused(_MAIL_SERVER):
        raise Unplannable(f"they would fail again: {why}; repair that first")
    if mail.why_unknown:
        raise Unplannable(
            f"{mail.why_unknown}. Once a mail is seen to go out: queue-backlog --set classes=… retries without asking"
        )


def _in_words(jobs: list[FailedJob]) -> str:
    """Return how many of which class failed of what, and how long ago."""
    groups = Counter((one.job_class, one.exception) for one in jobs)
    said = [f"{count} {job_class} ({exception})" for (job_class, exception), count in groups.most_common(5)]
    rest = "" if len(groups) <= 5 else f" and {len(groups) - 5} others"
    return f"{', '.join(said)}{rest}, {Duration(jobs[-1].age)} to {Duration(jobs[0].age)} ago"
