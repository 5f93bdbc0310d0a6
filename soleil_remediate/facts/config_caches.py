"""Whether an application's configuration is cached, what each request pays where it is not, and what forbids it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import only_missing, readable, records
from soleil_remediate.facts.php import START, ask_php, told
from soleil_remediate.facts.together import together
from soleil_remediate.units import Duration

_BOOTING = '    $app->make("Illuminate'
_READ = (
    START.replace(
        _BOOTING,
        r"""    $spent = $from = 0.0;
    $loading = "Illuminate\Foundation\Bootstrap\LoadConfiguration";
    $app->beforeBootstrapping($loading, function () use (&$from) { $from = microtime(true); });
    $app->afterBootstrapping($loading, function () use (&$from, &$spent) { $spent = microtime(true) - $from; });
"""
        + _BOOTING,
    )
    + r"""
tell(["is_cached" => $app->configurationIsCached(), "file" => $app->getCachedConfigPath(),
    "milliseconds" => 1000 * $spent, "environment" => (string) $config["app.env"],
    "debug" => (bool) $config["app.debug"]]);
"""
)
#: Where an application's own code is; what stands in its folder config is what the cache is made of.
_CODE = ("app", "routes", "database", "resources/views")
#: What reads .env itself: with a cached configuration that is not loaded, and each of these finds nothing.
_READS_ENV = r"(^|[^A-Za-z0-9_>:$\])(get)?env\(|\bEnv::get\(|\$_ENV\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCache:
    """An application's configuration, as it is loaded for each request.

    Args:
        is_cached: From one file.
        file: Where that is, or would be.
        took: So long it took to load it.
        environment: ``production``, …
        is_debugging: Users see what is inside where something fails.
    """

    is_cached: bool
    file: PurePosixPath
    took: Duration
    environment: str
    is_debugging: bool


@dataclass(frozen=True, slots=True)
class ReadConfigCache(Query[ConfigCache]):
    """How an application loads its configuration; its own code does it, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(15), _READ, "config-cache", self.root)

    def parse(self, output: Output) -> ConfigCache:
        (found,) = told(output, 1)
        match found:
            case {
                "is_cached": bool(is_cached),
                "file": str(file),
                "milliseconds": int() | float() as milliseconds,
                "environment": str(environment),
                "debug": bool(debug),
            } if file.startswith("/") and milliseconds >= 0:
                return ConfigCache(
                    is_cached=is_cached,
                    file=PurePosixPath(file),
                    took=Duration(milliseconds / 1000),
                    environment=environment,
                    is_debugging=debug,
                )
            case _:
                raise ValueError("not what was asked for")


@dataclass(frozen=True, slots=True)
class FindEnvReaders(Query[tuple[PurePosixPath, ...]]):
    """The files of an application's own code that seem to read ``.env`` themselves, beside its configuration."""

    root: PurePosixPath
    # 1: none does; 2: one of the folders is not there
    expects = frozenset({0, 1, 2})
    empty_is = "none does, where grep said so"

    @property
    def command(self) -> Command:
        folders = [str(self.root / name) for name in _CODE]
        words = ("grep", "-r", "-l", "-I", "-Z", "--include=*.php", "-E", "-e", _READS_ENV, "--", *folders)
        return Command(words, deadline=Duration(5), is_slow=True)

    def parse(self, output: Output) -> tuple[PurePosixPath, ...]:
        if output.exit_status == 2:
            only_missing(output)
        elif output.stderr:
            raise ValueError(output.error_text)
        found = [readable(name)[0] for name in records(output.stdout)]
        if not all(name.startswith("/") for name in found):
            raise ValueError("no list of files")
        return tuple(map(PurePosixPath, found))


async def read_config_cache(
    host: Reader, root: PurePosixPath, user: str
) -> tuple[ConfigCache, tuple[PurePosixPath, ...] | FactError]:
    """Ask how the configuration is loaded, and which code reads ``.env`` itself; one round trip.

    Raises:
        FactError: The application cannot be asked.
    """
    cache, (readers,) = await together(host.ask(ReadConfigCache(root, user)), host.ask_each([FindEnvReaders(root)]))
    return cache, readers
