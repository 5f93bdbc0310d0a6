from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import RedisUsed
from soleil_remediate.facts.redis import RedisConfiguration, ServerReply
from soleil_remediate.facts.redis_use import RedisUse, kept_by, read_redis
from soleil_remediate.facts.services import Configuration
from tests.unit.facts.answers import said, see
from tests.unit.facts.from_here import OWN
from tests.unit.facts.redis import ANSWERS, CONF, DESCRIBED, FULL, HANGING, SHOP, described
from tests.unit.facts.services import RESOURCES, unit_shown, units_shown
from tests.unit.redis import SILENT, application, server, use, used, with_redis

HOST = (*ANSWERS, ("/proc/net/fib_trie", said(OWN)), ("/proc/loadavg", said(RESOURCES)))


def seen(*first: tuple[str, Output]) -> RedisUse:
    found: RedisUse = see(read_redis(Reader(), SHOP, "www-data", "redis*.service"), *first, *HOST)
    return found


def test_what_an_application_keeps_where_and_how_it_is_answered_there() -> None:
    found = seen()
    assert found.uses == {"cache": ("cache", "limits"), "default": ("sessions",), "jobs": ("queue",)}
    assert {name: getattr(reply, "is_answered", None) for name, reply in found.replies.items()} == {
        "cache": True,
        "default": True,
        "jobs": False,
    }
    first, second = found.servers
    assert [one and one.name for one in map(found.server_of, found.uses)] == [FULL, FULL, HANGING]
    assert isinstance(first.reply, ServerReply)
    assert first.reply.is_answered
    assert (second.reply, second.state, second.test) == (SILENT, "T", Configuration(is_good=True))
    assert [str(file.path) for file in second.files] == ["/var/lib/redis/jobs/dump.rdb"]
    assert found.its_servers == found.servers


def test_what_is_none_of_these_is_not_asked_for() -> None:
    found = seen(
        ("php -- application", described(session={"driver": "file", "connection": None, "store": None})),
    )
    assert set(found.replies) == {"cache", "jobs"}


@pytest.mark.parametrize(
    "more, kept",
    [
        ({}, {"cache": ("cache", "limits"), "default": ("sessions", "queue")}),
        (
            {
                "cache": {"store": "file", "driver": "file", "connection": None, "prefix": ""},
                "session": {"driver": "redis", "connection": None, "store": None},
            },
            {"default": ("sessions", "queue")},
        ),
        (
            {
                "cache": {"store": "x", "driver": "redis", "connection": None, "prefix": ""},
                "session": {"driver": "database", "connection": "pgsql", "store": None},
                "queue": {**DESCRIBED["queue"], "driver": "sync"},  # type: ignore[dict-item]
            },
            {"default": ("cache", "limits")},
        ),
        (
            {"limits": {"store": "limits", "driver": "redis", "connection": "default", "prefix": ""}},
            {"cache": ("cache",), "default": ("limits", "sessions", "queue")},
        ),
    ],
)
def test_where_no_connection_is_named_laravels_default_counts(more: dict[str, object], kept: object) -> None:
    assert kept_by(application(**more)) == kept


def test_an_application_that_cannot_be_asked_keeps_what_nobody_knows() -> None:
    found = seen(("php -- application", said(status=255, stderr="PHP Fatal error\n")))
    assert isinstance(found.application, FactError)
    assert (found.uses, found.replies) == ({}, {})
    assert [one.name for one in found.its_servers] == [FULL, HANGING]


def test_a_login_that_may_not_read_configurations_sees_units_and_no_more() -> None:
    found = seen(("/etc/valkey", said(status=2, stderr="grep: /etc/redis: Permission denied\n")))
    assert all(isinstance(one.configuration, FactError) and one.reply is None for one in found.servers)
    assert found.server_of("cache") is None


def test_a_unit_that_only_watches_is_no_server_and_one_without_a_file_of_its_own_is_not_asked() -> None:
    found = seen(
        (
            "StateChangeTimestamp",
            said(
                units_shown(
                    unit_shown("redis-server.service", program="/usr/bin/redis-server --port 1"),
                    unit_shown("redis-x.service", program="/usr/bin/redis-server /opt/redis.conf"),
                    unit_shown("redis-sentinel.service", program="/usr/bin/redis-sentinel /etc/redis/sentinel.conf"),
                )
            ),
        )
    )
    (only,) = found.servers
    assert only.name == "redis-x.service"
    assert "/opt/redis.conf, which configures redis-x.service, is not read" in str(only.configuration)


@pytest.mark.parametrize(
    "host, port, is_found",
    [
        ("127.0.0.1", 6379, True),
        ("localhost", None, True),
        ("127.0.0.1", 6380, False),
        ("10.0.0.9", 6379, False),
        ("redis.internal", 6379, False),
        ("/run/redis.sock", None, False),
    ],
)
def test_a_connection_leads_to_the_server_that_listens_there(host: str, port: int | None, is_found: bool) -> None:
    found = use(application=with_redis(default=used(host=host, port=port)))
    assert (found.server_of("default") is not None) is is_found


def test_a_socket_leads_to_the_server_that_has_it() -> None:
    one = server(configuration=RedisConfiguration(file=Path(CONF), port=0, socket="/run/redis.sock"))
    found = use(one, application=with_redis(default=used(host="/run/redis.sock", port=None)))
    assert found.server_of("default") == one


def test_an_address_of_the_hosts_own_is_here() -> None:
    own = next(iter(seen().own))
    here = RedisUsed(host=str(own), port=6379, database=0, prefix="", has_password=False)
    assert seen().is_here(here)
    assert use(own=frozenset({own}), application=with_redis(default=here)).server_of("default") == server()


def test_one_server_alone_is_taken_for_the_one_where_its_configuration_cannot_be_read() -> None:
    one = server(configuration=FactError("needs root"), reply=None)
    assert use(one).server_of("default") == one
    assert use(one, application=with_redis(default=used(host="10.0.0.9"))).server_of("default") is None


def test_what_a_server_says_to_root_counts_before_what_it_says_to_the_application() -> None:
    found = seen()
    assert found.info("cache")["maxmemory"] == str(8 * 2**20)
    elsewhere = seen(("/etc/valkey", said(status=1)))
    assert elsewhere.info("cache") == {"maxmemory": "0"}
    assert elsewhere.info("jobs") == {}


def test_no_connection_of_that_name_leads_nowhere() -> None:
    found = use(application=application(cache={"store": "x", "driver": "redis", "connection": "gone", "prefix": ""}))
    assert (found.used("gone"), found.server_of("gone")) == (None, None)


def test_a_unit_that_systemd_has_not_read_is_a_server_of_which_nothing_is_known() -> None:
    """As one is that nothing wants, and that was never started."""
    found = seen(
        ("StateChangeTimestamp", said(units_shown())),
        ("list-unit-files", said("basic.target static -\nredis-server.service disabled enabled\n")),
        ("--property=Id,MainPID", said("Id=basic.target\n")),
    )
    (only,) = found.servers
    assert (only.file, only.process, only.reply, only.test, only.files) == (None, None, None, None, ())
    assert "which file configures redis-server.service is not known" in str(only.configuration)


def test_of_a_redis_that_is_down_its_files_and_its_configuration_are_seen_all_the_same() -> None:
    down = unit_shown(FULL, active="inactive", sub="dead", program=f"/usr/bin/redis-server {CONF}")
    found = seen(
        ("StateChangeTimestamp", said(units_shown(down))),
        ("--property=Id,MainPID", said(f"Id=basic.target\n\nId={FULL}\nMainPID=0\n")),
        ("/etc/valkey", said(f"{CONF}\0port 6379\n")),
    )
    (only,) = found.servers
    assert (only.reply, only.state, only.files) == (None, "", ())
    assert only.test == Configuration(is_good=True)
