"""Whom a Laravel application limits, by its own routes, limiters and counters; its own code says so."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, refuse_unless_user
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, ask_php, told
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: PHP that knows whom the application would limit by which counters: $limits lists them for the user $argv[3] (empty:
#: nobody who is logged in) at the address $argv[4] (empty: any). The framework's own middleware makes the keys, as it
#: does for a request, and is stopped before it counts one. It stands after
#: :data:`~soleil_remediate.facts.php.DATABASES`.
OWN_LIMITS = r"""
foreach ((array) $config["database.redis"] as $name => $found) {
    if (! is_array($found) || in_array($name, ["options", "clusters"], true)) continue;
    foreach (["timeout", "read_timeout", "read_write_timeout"] as $setting) {
        $given = (float) ($found[$setting] ?? 0);
        $config->set("database.redis.$name.$setting", $given > 0 ? min($given, 3.0) : 3.0);
    }
}
$app->make("Illuminate\Contracts\Http\Kernel"); // it knows what routes call their middleware
$limiter = $app->make("Illuminate\Cache\RateLimiter");
$router = $app["router"];
$user = null;
$nobody = "";
if ($argv[3] !== "") {
    $guard = $config["auth.defaults.guard"];
    $provider = $app["auth"]->createUserProvider($config["auth.guards.$guard.provider"]);
    if (! $provider) throw new RuntimeException("its guard $guard has no users");
    connect_within(3);
    $pdo = $app["db"]->connection()->getPdo();
    $is_postgresql = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME) === "pgsql";
    if ($is_postgresql) $pdo->exec("begin; " . time_limits(3));
    try {
        $user = $provider->retrieveById($argv[3]);
    } catch (Illuminate\Database\QueryException $error) {
        if (! in_array($error->getCode(), ["22P02", "22003"], true)) throw $error; // it can be no id of theirs
    } finally {
        if ($is_postgresql) $pdo->exec("rollback");
    }
    if ($user === null) $nobody = "the application has no user $argv[3]";
}
$probe = new class($limiter) extends Illuminate\Routing\Middleware\ThrottleRequests {
    public $found = [];
    protected function handleRequest($request, Closure $next, array $limits) { $this->found = $limits; }
};
$limits = [];
foreach ($nobody === "" ? $router->getRoutes() : [] as $route) {
    foreach ($router->gatherRouteMiddleware($route) as $middleware) {
        if (! is_string($middleware)) continue;
        [$class, $given] = explode(":", "$middleware:", 3);
        if (! is_a($class, "Illuminate\Routing\Middleware\ThrottleRequests", true)) continue;
        $page = "/" . ltrim($route->uri(), "/");
        if (isset($limits[$middleware])) { $limits[$middleware]["pages"][] = $page; continue; }
        $limits[$middleware] = ["throttle" => $given, "class" => $class, "pages" => [$page], "counters" => []];
        if ($class !== "Illuminate\Routing\Middleware\ThrottleRequests") continue;
        $made = function ($user) use ($app, $argv, $given, $page, $probe, $route) {
            $request = Illuminate\Http\Request::create($page, "GET", [], [], [],
                ["REMOTE_ADDR" => $argv[4] === "" ? "127.0.0.1" : $argv[4]]);
            $app->instance("request", $request); // first: the framework gives it a resolver of its own then
            $request->setUserResolver(fn () => $user);
            $request->setRouteResolver(fn () => $route);
            $probe->found = [];
            $probe->handle($request, fn () => null, ...($given === "" ? [] : explode(",", $given)));
            return $probe->found;
        };
        // What is counted alike of somebody who is not logged in, at an address that nobody knows, is not the user's.
        $strangers = $argv[4] === "" ? array_map(fn ($limit) => (string) $limit->key, $made(null)) : [];
        foreach ($made($user) as $limit) {
            $limits[$middleware]["counters"][] = ["key" => (string) $limit->key, "most" => (int) $limit->maxAttempts,
                "count" => (int) $limiter->attempts($limit->key), "left" => (int) $limiter->availableIn($limit->key),
                "own" => ! in_array((string) $limit->key, $strangers, true)];
        }
    }
}
$limits = array_values($limits);
$store = $config["cache.limiter"] ?? $config["cache.default"];
$driver = $config["cache.stores.$store.driver"] ?? "";
"""

_READ = (
    START
    + DATABASES
    + "try {"
    + OWN_LIMITS
    + r"""
    foreach ($limits as &$one) $one["pages"] = array_values(array_unique($one["pages"]));
    tell(["limits" => $limits, "driver" => (string) $driver, "nobody" => $nobody, "class" => "", "why" => ""]);
} catch (Throwable $error) {
    tell(["limits" => [], "driver" => "", "nobody" => ""] + why($error));
}
"""
)


_CUSTOMER = re.compile(r"[A-Za-z0-9_-]{1,64}")


def refuse_unless_customer(root: PurePosixPath, user: str, customer: str | None, address: str | None) -> None:
    """Raise ValueError where an application's folder, its user, or one of its customers, is none."""
    refuse_unless_user(user)
    refuse_unless_absolute(root)
    if customer is not None and not _CUSTOMER.fullmatch(customer):
        raise ValueError(f"customer must be the id of a user, such as 123 or a UUID, not {customer[:40]!r}")
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(
                f"customer_address must be one address such as 203.0.113.7, not {address[:40]!r}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What the framework counts of somebody's requests.

    Args:
        key: As the framework calls it; a digest, and no name of anybody.
        most: As many are allowed.
        count: So many were made.
        left: So long until it counts anew.
        is_own: It is counted of whoever was asked about, not of everybody or of an address that was not named.
    """

    key: str
    most: int
    count: int
    left: Duration
    is_own: bool = True

    @property
    def is_at_its_limit(self) -> bool:
        """Whether the next request is refused with 429."""
        return self.is_own and self.count >= self.most and self.left > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """One use of the framework's throttle among the routes.

    Args:
        given: What the routes give it: a limiter's name, or ``60,1``.
        kind: The class that counts.
        pages: The routes that have it.
        counters: What it counts for whoever was asked about; none where a class of the application's own counts.
    """

    given: str
    kind: str
    pages: tuple[str, ...]
    counters: tuple[Counter, ...]

    @property
    def is_frameworks(self) -> bool:
        """Whether the framework's own class counts, by its cache."""
        return self.kind.endswith("\\ThrottleRequests") and self.kind.startswith("Illuminate\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whom an application limits.

    Args:
        throttles: Each use of the framework's throttle.
        driver: Of the cache in which is counted.
    """

    throttles: tuple[Throttle, ...]
    driver: str

    @property
    def at_their_limit(self) -> tuple[Counter, ...]:
        """The counters by which whoever was asked about is refused now, each once."""
        counters = (one for throttle in self.throttles for one in throttle.counters if one.is_at_its_limit)
        return tuple({one.key: one for one in counters}.values())


@dataclass(frozen=True, slots=True)
class ReadLimits(Query[Limits]):
    """Whom an application limits, and how near somebody is to that; its own code says so, as *user*.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        customer: The id of a user of the application's; empty for somebody who is not logged in.
        address: From where that one comes; empty where that is not known.
    """

    root: PurePosixPath
    user: str
    customer: str
    address: str

    @property
    def command(self) -> Command:
        deadline = Duration(2 * PATIENCE + STARTING)
        return ask_php(self.user, deadline, _READ, "limits", self.root, self.customer, self.address)

    def parse(self, output: Output) -> Limits:
        (found,) = told(output, 1)
        if why := found["why"]:
            raise FactError(f"whom the application limits cannot be known: {redacted(' '.join(why.split()))[:200]}")
        if found["nobody"]:
            raise NotOnHost(f"the application has no user {self.customer}", given=self.customer)
        return Limits(throttles=tuple(map(_throttle, found["limits"])), driver=_text(found["driver"]))


def _throttle(found: dict[str, Any]) -> Throttle:
    return Throttle(
        given=_text(found["throttle"]),
        kind=_text(found["class"]),
        pages=tuple(map(_text, found["pages"])),
        counters=tuple(
            Counter(
                key=_text(one["key"]),
                most=int(one["most"]),
                count=int(one["count"]),
                left=Duration(int(one["left"])),
                is_own=one["own"] is True,
            )
            for one in found["counters"]
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("no text")
    return " ".join(value.split())[:200]
