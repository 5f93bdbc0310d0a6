from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.services import (
    Configuration,
    FindNewestChange,
    ListUnitFiles,
    Services,
    ShowUnits,
    TryConfiguration,
    TryRedisConfiguration,
    Unit,
    configuration_test,
    read_services,
    read_units,
    redis_configuration,
    refuse_unless_unit,
)
from tests.unit.facts.answers import said, see
from tests.unit.facts.services import NGINX, PHP_FPM, REDIS, unit_shown, units_shown

_FILES = "basic.target static -\nphp8.2-fpm.service enabled enabled\n"


def shown(*units: str) -> tuple[Unit, ...]:
    return ShowUnits(("x.service",)).answer(said(units_shown(*units)))


def test_a_unit_is_read_whatever_the_order_of_its_properties() -> None:
    (unit,) = shown(unit_shown("php8.2-fpm.service", program=PHP_FPM, restarts=2))
    assert (unit.name, unit.load, unit.active, unit.sub) == ("php8.2-fpm.service", "loaded", "active", "running")
    assert (unit.enablement, unit.result, unit.restarts) == ("enabled", "success", 2)
    assert unit.program[:2] == ("/usr/sbin/php-fpm8.2", "--nodaemonize")
    assert unit.daemon == "php-fpm8.2"
    assert unit.since == 1_795_600_800


def test_a_unit_that_never_ran_has_no_time_no_run_and_no_program() -> None:
    (unit,) = shown(unit_shown("x.service", active="inactive", sub="dead", since="", run=""))
    assert (unit.since, unit.invocation, unit.program, unit.daemon) == (None, "", (), "")


def test_what_does_not_exist_is_left_out_unless_it_still_runs() -> None:
    gone = unit_shown("gone.service", load="not-found", active="inactive", sub="dead")
    left = unit_shown("left.service", load="not-found")
    assert [unit.name for unit in shown(gone, left)] == ["left.service"]


@pytest.mark.parametrize(
    "text",
    [
        "System has not been booted with systemd as init system",
        units_shown(unit_shown("; rm -rf")),
        units_shown(unit_shown("x.service", since="yesterday")),
        units_shown(unit_shown("x.service", active="")),
        unit_shown("x.service"),  # without the one that is always there
    ],
)
def test_an_answer_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        ShowUnits(("x.service",)).answer(said(text))


@pytest.mark.parametrize(
    "unit, is_down, is_wanted, words",
    [
        (Unit(name="x", active="active", sub="running"), False, True, "running"),
        (Unit(name="x", active="reloading", sub="reload"), False, True, "reloading (reload)"),
        (Unit(name="x", active="activating", sub="auto-restart"), False, True, "activating (auto-restart)"),
        (Unit(name="x", active="failed", result="signal"), True, True, "failed (signal)"),
        (Unit(name="x"), True, True, "stopped"),
        (Unit(name="x", enablement="disabled"), True, False, "stopped and disabled"),
        (Unit(name="x", enablement="disabled", active="active", sub="running"), False, True, "running"),
        (Unit(name="x", enablement="masked", load="masked"), True, False, "masked and inactive"),
        (Unit(name="x", enablement="enabled-runtime"), True, True, "stopped"),
    ],
)
def test_how_a_unit_is(unit: Unit, is_down: bool, is_wanted: bool, words: str) -> None:
    assert (unit.is_down, unit.is_wanted, unit.in_words) == (is_down, is_wanted, words)


def test_units_that_systemd_has_not_loaded_are_known_by_their_files_and_templates_are_none() -> None:
    files = (
        "basic.target static -\nphp8.1-fpm.service disabled enabled\nphp8.0-fpm.service masked enabled\n"
        "x@.service static -\n"
    )
    seen = see(
        read_units(Reader(), ["php*-fpm.service"]),
        ("systemctl show", said(units_shown(unit_shown("php8.2-fpm.service")))),
        ("list-unit-files", said(files)),
    )
    assert [(unit.name, unit.is_running, unit.is_masked) for unit in seen] == [
        ("php8.0-fpm.service", False, True),
        ("php8.1-fpm.service", False, False),
        ("php8.2-fpm.service", True, False),
    ]


def test_a_line_that_is_no_unit_file_is_an_error() -> None:
    with pytest.raises(FactError, match="no unit"):
        ListUnitFiles(("x.service",)).answer(said("basic.target static -\n$(id) enabled\n"))


@pytest.mark.parametrize(
    "program, words",
    [
        (NGINX, ("/usr/sbin/nginx", "-t")),
        ("/usr/sbin/nginx -c /etc/nginx/other.conf", ("/usr/sbin/nginx", "-t", "-c", "/etc/nginx/other.conf")),
        (PHP_FPM, ("/usr/sbin/php-fpm8.2", "-t", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf")),
        (REDIS, ()),
        ("", ()),
    ],
)
def test_a_configuration_is_tested_by_the_program_that_uses_it(program: str, words: tuple[str, ...]) -> None:
    assert configuration_test(Unit(name="x.service", program=tuple(program.split()))) == words


def tried(status: int, stderr: str) -> Configuration:
    return TryConfiguration(("/usr/sbin/nginx", "-t")).answer(Output(exit_status=status, stderr=stderr.encode()))


_SYNTAX = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
_FAILED = "nginx: configuration file /etc/nginx/nginx.conf test failed\n"


@pytest.mark.parametrize(
    "stderr",
    [
        _SYNTAX + "nginx: configuration file /etc/nginx/nginx.conf test is successful\n",
        "[25-Nov-2026 14:35:04] NOTICE: configuration file /etc/php/8.2/fpm/php-fpm.conf test is successful\n\n",
        _SYNTAX
        + '2026/11/25 14:35:04 [emerg] 507#507: open() "/run/nginx.pid" failed (30: Read-only file system)\n'
        + _FAILED,
    ],
)
def test_a_good_configuration(stderr: str) -> None:
    assert tried(1 if "failed" in stderr else 0, stderr) == Configuration(is_good=True)


@pytest.mark.parametrize(
    "status, stderr, says",
    [
        (
            1,
            'nginx: [emerg] unknown directive "x" in /etc/nginx/x.conf:1\n' + _FAILED,
            'unknown directive "x" in /etc/nginx/x.conf:1',
        ),
        (
            1,
            '2026/11/25 14:35:07 [emerg] 779#779: unknown directive "x" in /etc/nginx/x.conf:1\n' + _FAILED,
            'unknown directive "x" in /etc/nginx/x.conf:1',
        ),
        (
            1,
            _SYNTAX + 'nginx: [emerg] open() "/nowhere/x.log" failed (2: No such file or directory)\n' + _FAILED,
            'open() "/nowhere/x.log" failed (2: No such file or directory)',
        ),
        (
            78,
            (
                "[25-Nov-2026 14:35:08] ERROR: [pool www] cannot get uid for user 'nosuchuser'\n"
                "[25-Nov-2026 14:35:08] ERROR: FPM initialization failed\n"
            ),
            "[pool www] cannot get uid for user 'nosuchuser'",
        ),
    ],
)
def test_a_broken_configuration_is_told_in_the_programs_own_words(status: int, stderr: str, says: str) -> None:
    assert tried(status, stderr) == Configuration(is_good=False, says=says)


@pytest.mark.parametrize(
    "stderr",
    [
        "unshare: unshare failed: Operation not permitted\n",
        "",
        "[25-Nov-2026 14:35:08] ERROR: failed to open error_log (/srv/x.log): Read-only file system (30)\n",
    ],
)
def test_a_test_that_could_not_be_made_is_neither_good_nor_bad(stderr: str) -> None:
    with pytest.raises(FactError):
        tried(1, stderr)


def test_the_newest_change_below_a_folder() -> None:
    answer = said("1700000000.25\t/etc/nginx/nginx.conf\x001700000009.5\t/etc/nginx/sites-enabled/default\0")
    assert FindNewestChange(Path("/etc/nginx")).answer(answer) == (
        1_700_000_009,
        Path("/etc/nginx/sites-enabled/default"),
    )


def test_only_those_that_can_test_their_configuration_are_let_do_so() -> None:
    seen: Services = see(
        read_services(Reader(), ["php*-fpm.service", "redis*.service"], tested=["*.service"]),
        (
            "systemctl show",
            said(
                units_shown(
                    unit_shown("php8.2-fpm.service", program=PHP_FPM),
                    unit_shown("redis-server.service", program=REDIS),
                    unit_shown("redis-sentinel.service", program="/usr/bin/redis-sentinel /etc/redis/sentinel.conf"),
                )
            ),
        ),
        ("list-unit-files", said(_FILES)),
        ("unshare", said(status=1, stderr="unshare: unshare failed: Operation not permitted\n")),
    )
    assert set(seen.tests) == {"php8.2-fpm.service", "redis-server.service"}
    assert all(isinstance(test, FactError) for test in seen.tests.values())
    assert [unit.name for unit in seen.matching("redis-server*")] == ["redis-server.service"]


def test_another_name_of_a_unit_is_no_unit_that_is_down() -> None:
    seen: Services = see(
        read_units(Reader(), ["redis*.service"]),
        ("systemctl show", said(units_shown(unit_shown("redis-server.service", program=REDIS)))),
        (
            "list-unit-files",
            said("basic.target static -\nredis-server.service enabled enabled\nredis.service alias -\n"),
        ),
    )
    assert [unit.name for unit in seen] == ["redis-server.service"]


def test_a_unit_that_systemd_has_forgotten_is_asked_for_by_its_name() -> None:
    stopped = unit_shown("redis-server.service", active="inactive", sub="dead", run="", program=REDIS)
    seen: Services = see(
        read_services(Reader(), ["redis*.service"], tested=["redis*.service"]),
        (
            "list-unit-files",
            said(
                "basic.target static -\nredis-server.service enabled enabled\nredis-server@.service enabled enabled\n"
            ),
        ),
        ("-- basic.target redis*.service", said(units_shown())),
        ("-- basic.target redis-server.service", said(units_shown(stopped))),
        ("redis-server", said(status=1, stderr=f"{_FATAL}9\n>>> 'x'\nBad directive\n")),
        most_rounds=3,
    )
    (unit,) = seen
    assert (unit.active, unit.program[:1]) == ("inactive", ("/usr/bin/redis-server",))
    assert seen.tests["redis-server.service"] == Configuration(
        is_good=False, says="/etc/redis/redis.conf line 9, x: Bad directive"
    )


REDIS_TRIAL = TryRedisConfiguration("/usr/bin/redis-server", Path("/etc/redis/redis.conf"))
_FATAL = "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line "


def test_redis_reads_its_configuration_and_stops_at_a_setting_that_it_cannot_know() -> None:
    command = REDIS_TRIAL.command
    assert command.words[-3:] == ("/usr/bin/redis-server", "/etc/redis/redis.conf", "--tested-by-soleil-remediate")
    assert command.by_sudo[-3:] == command.words[-3:]
    good = f"{_FATAL}2290\n>>> 'tested-by-soleil-remediate'\nBad directive or wrong number of arguments\n"
    assert REDIS_TRIAL.answer(said(status=1, stderr=good)) == Configuration(is_good=True)


@pytest.mark.parametrize(
    "said_by_redis, says",
    [
        (
            f"{_FATAL}3\n>>> 'requirpass hunter22 x'\nBad directive or wrong number of arguments\n",
            "/etc/redis/redis.conf line 3, requirpass: Bad directive or wrong number of arguments",
        ),
        (
            f"{_FATAL}9\n>>> 'user app on >hunter22'\nError in user declaration '>hunter22': Syntax error\n",
            "/etc/redis/redis.conf line 9, user: Error in user declaration '…': Syntax error",
        ),
        (
            f"{_FATAL}2\n>>> 'dir /nowhere'\nNo such file or directory\n",
            "/etc/redis/redis.conf line 2, dir: No such file or directory",
        ),
        (
            "144:C 29 Nov 2026 12:48:47.8 # Fatal error, can't open config file '/etc/redis/redis.conf': No access\n",
            "/etc/redis/redis.conf: No access",
        ),
    ],
)
def test_of_a_line_that_redis_does_not_take_only_the_first_word_is_told(said_by_redis: str, says: str) -> None:
    assert REDIS_TRIAL.answer(said(status=1, stderr=said_by_redis)) == Configuration(is_good=False, says=says)


def test_a_redis_that_cannot_be_tried_says_nothing_of_its_configuration() -> None:
    for output in (said(status=1, stderr="unshare failed\n"), said("ok\n"), said(status=139)):
        with pytest.raises(FactError):
            REDIS_TRIAL.answer(output)


@pytest.mark.parametrize(
    "program, file",
    [
        (REDIS, Path("/etc/redis/redis.conf")),
        ("/usr/bin/valkey-server /etc/valkey/valkey.conf", Path("/etc/valkey/valkey.conf")),
        ("/usr/bin/redis-server --port 1", None),
        ("/usr/bin/redis-server", None),
        ("/usr/bin/redis-sentinel /etc/redis/sentinel.conf", None),
        ("", None),
    ],
)
def test_what_configures_a_redis_is_its_first_argument(program: str, file: Path | None) -> None:
    assert redis_configuration(Unit(name="redis.service", program=tuple(program.split()))) == file


@pytest.mark.parametrize("name", ["", "nginx", "-x.service", "a b.service", "$(id).service", "x" * 250 + ".service"])
def test_what_is_no_services_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be a service"):
        refuse_unless_unit(name)


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        refuse_unless_unit()
