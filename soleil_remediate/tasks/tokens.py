"""Revoke the tokens by which one user's programs get into an application's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.facts.incidents import MARK, refuse_unless_incident
from soleil_remediate.facts.php import START, STARTING, ask_php
from soleil_remediate.facts.tokens import EXPORT_TOKENS, TOKENS, Account, read_account, refuse_unless_account
from soleil_remediate.plan import Change, Gather, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration, KiB

#: What was saved of them first, and what their deletion compares with.
_ROWS = "token-rows.jsonl"

#: Delete every token of the user $argv[3], as far as they are those of which standard input says that they were saved,
#: while the incident $argv[4] is open by the mark $argv[5]. All in one transaction, with the rows locked: none that
#: nobody saved is deleted, and none that was saved stays.
REVOKE = (
    START.replace("exit(0)", "exit(75)").replace('tell(["started" => true]);\n', "")
    + TOKENS
    + r"""
function fail($text, $status = 1) { fwrite(fopen("php://stderr", "w"), $text . "\n"); exit($status); }
if (! preg_match("/^([0-9a-f]{64}) \\d+ ROWS$/m", (string) stream_get_contents(STDIN), $saved)) {
    fail("nobody has saved them: nothing was changed", 75);
}
if (strpos((string) @readlink($argv[5]), "$argv[4]@") !== 0) {
    fail("incident $argv[4] is not open here, so its evidence may not be saved: nothing was changed", 75);
}
$of = null;
try {
    [$of, $table, $user] = tokens($config, $app);
    $of->beginTransaction();
    if ($of->getDriverName() === "pgsql") {
        $of->unprepared(time_limits(10, 3));
    }
    $own = fn () => own($of, $table, $user, $argv[3]);
    $text = json_encode(["started" => true]) . "\n" . rows($own()->lockForUpdate(), lasting($of, $table));
    $is_saved = hash("sha256", $text) === $saved[1];
    $count = $is_saved ? $own()->delete() : 0;
    if ($is_saved) $of->commit(); else $of->rollBack();
} catch (Throwable $error) {
    try { if ($of) $of->rollBack(); } catch (Throwable $again) {}
    fail("the database did not do it (" . get_class($error) . "): look how many he has before you send it again");
}
if (! $is_saved) fail("a token came or went since they were saved: nothing was changed; run it again", 75);
fwrite($GLOBALS["answer"], "$count revoked\n");
"""
).replace("ROWS", _ROWS.replace(".", r"\\."))


@dataclass(frozen=True, kw_only=True)
class RevokeTokens(OfApplication[Account | None], Task[Account | None]):
    """Revoke every token of one user whom a person names, once the incident's evidence is saved.

    All that he has at that moment, also those that were made after the preview: his rows are saved off the host first,
    but for the digests by which they are known, and deleted in one transaction only if they still are what was saved.
    Whoever uses one of them is answered 401 from then on. He, or whoever knows his password, can make new ones: change
    that as well. Sessions of browsers are another thing, and go on.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        account: The user's id, or his mail address. Without it nobody's are revoked; there is no revoking of all.
        incident: The incident that has to be open on the host. Without it nobody's are revoked.
    """

    kind = "tokens.revoke"
    rounds = 1
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    account: str | None = None
    incident: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.account is not None:
            refuse_unless_account(self.account)
        if self.incident is not None:
            refuse_unless_incident(self.incident)

    def aim(self) -> str:
        return f"user {self.account or 'that is named'} has no token"

    async def read(self, host: Reader) -> Account | None:
        return await read_account(host, self.root, self.user, self.account)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: Account | None) -> Plan:
        if seen is None or self.incident is None:
            return Plan.nothing("no user and no incident were named (--set user=123 --set incident=INC-42)")
        if not seen.tokens:
            return Plan.nothing(f"user {seen.id} has no token")
        return Plan.of(self._revoke(seen, self.incident), because=f"user {seen.id} has {seen.in_words}")

    def _revoke(self, seen: Account, incident: str) -> Change:
        name = str(seen.id)
        words = ("php", "-r", REVOKE.removeprefix("<?php\n"), "--", "revoke", str(self.root), name, incident, str(MARK))
        deadline = Duration(STARTING + 30)
        export = (self.user, deadline, EXPORT_TOKENS, "export", self.root, name)
        return Change(
            summary=f"revoke all tokens of user {seen.id}",
            command=Command(words, user=self.user, deadline=deadline),
            risk=self.risk,
            undo=Undo.none("tokens are known by their digests alone, which are saved nowhere: he makes new ones"),
            before=seen.in_words,
            after="none; whoever uses one is answered 401",
            loses=f"every token of user {seen.id}, those of his own programs included; the rows are saved first",
            keeps=f"his account and password, and his sessions in browsers (kept by: {seen.sessions})",
            downtime=f"programs of user {seen.id} have to log in again",
            gathers=(
                Gather(name=_ROWS, about="its rows", command=ask_php(*export, "rows"), size=KiB(seen.tokens)),
                Gather(
                    name="token-uses.jsonl",
                    about="when each was used last",
                    command=ask_php(*export, "uses"),
                    size=KiB(seen.tokens),
                ),
            ),
            uses=(Use(user=self.user),),
        )
