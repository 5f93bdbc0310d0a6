"""Cache an application's configuration, where each request pays for loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.config_caches import ConfigCache, read_config_cache
from soleil_remediate.facts.php import START
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Cache the configuration of the application in $argv[2] in the file $argv[3], if there is none yet. Written beside it,
#: read back and compared before it counts: artisan config:cache removes the old one first, and what it writes counts
#: while it is being written. It is as private as .env, whose secrets are in it.
_BUILD = (
    START.replace("exit(0)", "exit(75)")  # an application that cannot be started has cached nothing
    + r"""
function stop($why) { fwrite(fopen("php://stderr", "w"), "$why: nothing was changed\n"); exit(75); }
if ($app->configurationIsCached()) stop("the configuration is cached by now");
$file = $app->getCachedConfigPath();
if ($file !== $argv[3]) stop("the cache's file is another one by now");
$beside = $file . "." . bin2hex(random_bytes(6));
umask(0077);
try {
    $text = "<?php return " . var_export($config->all(), true) . ";\n";
    if (@file_put_contents($beside, $text) !== strlen($text)) throw new RuntimeException("it cannot be written");
    if ((require $beside) !== $config->all()) throw new RuntimeException("it would be another one when it is read");
    $mode = @fileperms($app->environmentFilePath());
    if (! chmod($beside, (($mode === false ? 0640 : $mode) & 0666) | 0440) || ! rename($beside, $file)) {
        throw new RuntimeException("it cannot be put in place");
    }
} catch (Throwable $error) {
    @unlink($beside);
    $why = $error instanceof RuntimeException ? $error->getMessage() : get_class($error) . ", as of a closure in it";
    stop("the configuration cannot be cached: $why");
}
fwrite($answer, "cached\n");
"""
)


#: The cached configuration, and what of the application's would be lost in it.
Built = tuple[ConfigCache, tuple[PurePosixPath, ...] | FactError]


@dataclass(frozen=True, kw_only=True)
class BuildConfigCache(OfApplication[Built], Task[Built]):
    """Cache the application's configuration, where it is not cached and each request pays for that.

    As ``artisan config:cache`` does it, by the application's own code and as its own user, but written beside its place
    and read back first: no request meets half of it. Only in production, only where loading takes long, and never where
    code beside the configuration reads ``.env`` itself, which with a cached one would find nothing, or where the
    configuration holds what cannot be cached, such as a closure. The application's own data in its cache is left alone.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        worth: Only where loading the configuration takes at least so long, by PHP as it runs for artisan: for pages
            it may have more of it compiled already.

    Raises:
        Unplannable: Code reads ``.env`` itself, or that cannot be known; it is no production; debug mode is on.
    """

    kind = "config-cache.build"
    risk: ClassVar[Risk] = Risk.GENTLE

    worth: Duration = Duration(0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.worth <= 0:
            raise ValueError("worth must be longer than nothing")

    async def read(self, host: Reader) -> Built:
        return await read_config_cache(host, self.root, self.user)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: Built) -> Plan:
        cache, readers = seen
        if cache.is_cached:
            return Plan.nothing("the configuration is cached")
        took = f"{cache.took * 1000:.0f} ms"
        if cache.took < self.worth:
            return Plan.nothing(f"the configuration is not cached, and loading it takes {took}: that is not it")
        if cache.environment != "production" or cache.is_debugging:
            how = "debug mode is on" if cache.is_debugging else f"the environment is {cache.environment or 'not named'}"
            raise Unplannable(
                f"each request loads the configuration, {took}, and {how}: there it is not cached. By hand: cd "
                f"{self.root} && sudo -u {self.user} php artisan config:cache"
            )
        if isinstance(readers, FactError):
            raise Unplannable(f"whether code reads .env itself, which a cached configuration hides: {readers}")
        if readers:
            more = f" and {len(readers) - 1} more" if len(readers) > 1 else ""
            raise Unplannable(
                f"each request loads the configuration, {took}, and {readers[0]}{more} reads .env itself: with a "
                "cached configuration it would find nothing there. By hand: let it ask config(), then cache it"
            )
        return Plan.of(
            Change(
                summary=f"cache the configuration in {cache.file}",
                command=Command(
                    ("php", "--", "build-config-cache", str(self.root), str(cache.file)),
                    user=self.user,
                    stdin=_BUILD,
                    deadline=Duration(30),
                ),
                risk=self.risk,
                undo=Undo.by(
                    Command(("rm", "-f", "--", str(cache.file)), user=self.user),
                    says="each request loads it again from the folder config and .env",
                ),
                before=f"each request loads it, {took}",
                after="cached",
                keeps="every value of it; what is changed in .env counts once it is cached anew, as after a deployment",
                uses=(Use(user=self.user),),
            ),
            because=f"the configuration is not cached, and each request takes {took} to load it",
        )
