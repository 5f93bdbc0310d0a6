from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.http import Response, Site
from soleil_remediate.facts.services import Configuration, Services, Unit
from soleil_remediate.plan import Change, Risk
from soleil_remediate.tasks.acting import ACT, STOP
from soleil_remediate.tasks.services import ReloadNginx, StartService
from soleil_remediate.tasks.unwell import ReloadService, RestartService, Situation
from soleil_remediate.units import MiB
from tests.unit.facts.answers import captured, record, run_here, said, see
from tests.unit.facts.services import NGINX, PHP_FPM, SOCKETS, unit_shown, units_shown
from tests.unit.tasks.values import file, file_system, file_systems

RUN = "1a5776e8db1a42d2b302fb76e26038cd"
GOOD, BROKEN = Configuration(is_good=True), Configuration(is_good=False, says="unknown directive")
START = StartService(unit="php*-fpm.service")
RELOAD = ReloadService(unit="php*-fpm.service", needs=("postgresql@*.service",), live="/live", page="/ready")
RESTART = RestartService(
    unit="php*-fpm.service", needs=("postgresql@*.service",), root=Path("/srv/app"), live="/live", page="/ready"
)
RESTART_NGINX = RestartService(unit="nginx.service", live="/live", page="/ready")


def php(active: str = "active", sub: str = "running", *, name: str = "php8.2-fpm.service", **more: object) -> Unit:
    return Unit(name=name, active=active, sub=sub, invocation=RUN, program=tuple(PHP_FPM.split()), **more)  # type: ignore[arg-type]


def nginx(**more: object) -> Unit:
    words = tuple(NGINX.split())
    return Unit(name="nginx.service", active="active", sub="running", program=words, since=1000, **more)  # type: ignore[arg-type]


POSTGRESQL = Unit(name="postgresql@15-main.service", active="active", sub="running")


def services(*units: Unit, tests: Mapping[str, Configuration | FactError] | None = None) -> Services:
    return Services(units=units, tests=tests or {unit.name: GOOD for unit in units if unit.program})


def the_change(task: StartService | ReloadNginx | ReloadService | RestartService, seen: object) -> Change:
    (change,) = task.plan(seen).changes  # type: ignore[arg-type]
    assert change.risk is task.risk
    return change


# ---- start -----------------------------------------------------------------------------------------------------------


def test_what_is_down_and_enabled_is_started_gently_if_it_is_still_the_same_run_and_its_configuration_good() -> None:
    change = the_change(START, services(php("failed", result="signal", since=0)))
    assert change.risk is Risk.GENTLE
    assert change.command.words[3:] == (
        "act-on-service", "start", "php8.2-fpm.service", RUN, "5",
        "/usr/sbin/php-fpm8.2", "-t", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf",
    )  # fmt: skip
    assert change.undo.command is not None
    assert change.undo.command.words == STOP.bind("php8.2-fpm.service")


def test_of_one_that_is_stopped_it_does_not_count_which_run_it_was_for_systemd_may_forget_that() -> None:
    change = the_change(START, services(php("inactive", "dead")))
    assert change.command.words[4:8] == ("start", "php8.2-fpm.service", "", "5")


def test_a_service_that_was_started_stays_so_where_another_cannot_be() -> None:
    down = [php("inactive", "dead"), php("inactive", "dead", name="php8.1-fpm.service")]
    plan = START.plan(services(*down))
    assert len(plan.changes) == 2
    assert not plan.is_one_repair


def test_a_plan_says_since_when_and_whether_somebody_may_have_stopped_it() -> None:
    assert (
        "failed (signal) since 1970-01-01 00:00 UTC"
        in START.plan(services(php("failed", result="signal", since=0))).because
    )
    assert START.plan(services(php("inactive", "dead"))).because.endswith("perhaps by somebody")


@pytest.mark.parametrize(
    "units, because",
    [
        ((), "there is no php*-fpm.service"),
        ((php(),), "php8.2-fpm.service running"),
        (
            (php(), php("inactive", "dead", name="php8.1-fpm.service", enablement="disabled")),
            "php8.2-fpm.service running",
        ),
        ((php(), php("inactive", "dead", name="php8.1-fpm.service", load="masked")), "php8.2-fpm.service running"),
    ],
)
def test_there_is_nothing_to_start(units: tuple[Unit, ...], because: str) -> None:
    plan = START.plan(services(*units))
    assert (plan.changes, plan.because) == ((), because)


@pytest.mark.parametrize(
    "unit, test, why",
    [
        (
            php("inactive", "dead", load="masked", enablement="masked"),
            GOOD,
            r"is masked: somebody forbade it to start\. If that is over: systemctl unmask",
        ),
        (php("inactive", "dead", enablement="disabled"), GOOD, "is stopped and disabled: somebody wants it so"),
        (
            php("activating", "auto-restart", restarts=7),
            GOOD,
            r"is activating \(auto-restart\), started again 7 times by systemd itself$",
        ),
        (php("activating", "auto-restart", restarts=7), BROKEN, "7 times by systemd itself; .*unknown directive"),
        (
            php("failed"),
            BROKEN,
            r"unknown directive\. By hand: .*, then /usr/sbin/php-fpm8\.2 -t .* && systemctl start",
        ),
    ],
)
def test_what_must_not_be_started_is_said_with_the_reason(unit: Unit, test: Configuration, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        START.plan(services(unit, tests={unit.name: test}))


def test_a_program_that_cannot_test_its_configuration_is_started_without() -> None:
    redis = Unit(name="redis-server.service", active="failed", program=("/usr/bin/redis-server",))
    assert the_change(StartService(unit="redis*.service"), services(redis, tests={})).command.words[-1] == "5"


def test_a_configuration_that_cannot_be_tested_without_a_trace_is_tested_by_the_change_itself() -> None:
    change = the_change(START, services(php("failed"), tests={"php8.2-fpm.service": FactError("needs root")}))
    assert change.command.words[8:10] == ("/usr/sbin/php-fpm8.2", "-t")


def test_one_broken_does_not_keep_the_other_down() -> None:
    old = php("failed", name="php8.1-fpm.service")
    seen = services(old, php("failed"), tests={old.name: BROKEN, "php8.2-fpm.service": GOOD})
    assert "php8.2-fpm.service" in the_change(START, seen).summary


# ---- nginx.reload ----------------------------------------------------------------------------------------------------

SITE = Path("/etc/nginx/sites-enabled/default")
GONE, LATE, REFUSED = Response(status=502), Response(status=None, why="too late"), Response(status=None, why="refused")
OK, DOWN, BAD_REQUEST = Response(status=200), Response(status=503), Response(status=400)
NGINX_RELOAD = ReloadNginx(live="/live")


def test_what_stands_on_disk_is_loaded_where_it_is_newer_than_what_runs() -> None:
    change = the_change(NGINX_RELOAD, (services(nginx()), GONE, (1001, SITE)))
    assert change.command.words[3:6] == ("act-on-service", "reload", "nginx.service")
    assert str(SITE) in change.after


@pytest.mark.parametrize(
    "units, live, changed, because",
    [
        ((nginx(),), OK, 1001, "/live answers 200"),
        ((nginx(),), GONE, 1000, "runs with what stands on disk"),
        ((), GONE, 1001, "no nginx.service is running"),
    ],
)
def test_there_is_nothing_to_load(units: tuple[Unit, ...], live: Response, changed: int, because: str) -> None:
    plan = NGINX_RELOAD.plan((services(*units), live, (changed, SITE)))
    assert plan.changes == ()
    assert because in plan.because


def test_a_broken_configuration_is_not_loaded() -> None:
    with pytest.raises(Unplannable, match=r"unknown directive\. By hand: .* && systemctl reload nginx"):
        NGINX_RELOAD.plan((services(nginx(), tests={"nginx.service": BROKEN}), GONE, (1001, SITE)))


# ---- reload and restart ----------------------------------------------------------------------------------------------


def situation(
    *units: Unit, live: Response, page: Response = DOWN, server: Response = BAD_REQUEST, full: str = ""
) -> Situation:
    disks = file_systems(
        *(
            file_system(mount, device=number, size=MiB(100), used=MiB(10), available=MiB(0 if mount == full else 90))
            for number, mount in enumerate(("/", "/srv", "/var/backups"))
        )
    )
    return Situation(
        services=services(*units, POSTGRESQL),
        site=Site(live=live, page=page, server=server),
        file_systems=disks,
    )


@pytest.mark.parametrize("live", [LATE, Response(status=504)])
def test_workers_that_hang_are_started_anew(live: Response) -> None:
    change = the_change(RELOAD, situation(php(), live=live))
    assert change.risk is Risk.DISRUPTIVE
    assert change.command.words[3:6] == ("act-on-service", "reload", "php8.2-fpm.service")


@pytest.mark.parametrize(
    "units, live, server, because",
    [
        ((php(),), OK, OK, "/live answers 200: no worker hangs"),
        ((php(),), GONE, OK, "/live answers 502: no worker hangs"),
        ((php(),), LATE, LATE, "no worker hangs"),
        ((php("failed"),), GONE, OK, "no php*-fpm.service is running"),
    ],
)
def test_no_worker_hangs(units: tuple[Unit, ...], live: Response, server: Response, because: str) -> None:
    plan = RELOAD.plan(situation(*units, live=live, server=server))
    assert plan.changes == ()
    assert because in plan.because


def test_only_php_fpm_has_workers_that_hang() -> None:
    task = ReloadService(unit="nginx.service", live="/live", page="/ready")
    assert task.plan(situation(nginx(), live=LATE)).because == "nginx.service is not php-fpm"


@pytest.mark.parametrize("live", [LATE, GONE, Response(status=504)])
def test_php_fpm_that_is_not_reached_or_hangs_is_restarted(live: Response) -> None:
    change = the_change(RESTART, situation(php(), live=live))
    assert change.command.words[3:6] == ("act-on-service", "restart", "php8.2-fpm.service")


@pytest.mark.parametrize("live", [LATE, REFUSED, Response(status=None, why="broken off")])
def test_nginx_is_restarted_where_it_does_not_answer_by_itself_either_and_php_fpm_is_not(live: Response) -> None:
    seen = situation(nginx(), php(), live=live, page=live, server=live)
    assert the_change(RESTART_NGINX, seen).command.words[5] == "nginx.service"
    assert RESTART.plan(seen).changes == ()


@pytest.mark.parametrize(
    "task, units, live, page, because",
    [
        (RESTART, (php(),), OK, OK, "/live and /ready are served"),
        (RESTART, (php("failed"),), GONE, GONE, "no php*-fpm.service is running"),
        (RESTART_NGINX, (nginx(),), GONE, GONE, "nginx.service itself answers: it is what is behind it that does not"),
    ],
)
def test_there_is_nothing_to_restart(
    task: RestartService, units: tuple[Unit, ...], live: Response, page: Response, because: str
) -> None:
    plan = task.plan(situation(*units, live=live, page=page))
    assert (plan.changes, plan.because) == ((), because)


@pytest.mark.parametrize(
    "live, full, why",
    [
        (OK, "", "would not help: PHP serves /live while /ready answers 503"),
        (Response(status=500), "", "would not help: PHP runs, and itself answers 500 to /live"),
        (
            Response(status=500),
            "/srv",
            "would not help: /srv .*, 0 B free for www-data.*; PHP runs, and itself answers 500",
        ),
        (LATE, "/", "would not help: / .*, 0 B free"),
    ],
)
def test_a_restart_that_would_not_help_is_refused_with_what_is_known(live: Response, full: str, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        RESTART.plan(situation(php(), live=live, full=full))


def test_a_full_disk_of_backups_keeps_nobody_from_restarting_what_hangs() -> None:
    assert RESTART.plan(situation(php(), live=LATE, full="/var/backups")).changes


@pytest.mark.parametrize("task", [RELOAD, RESTART])
def test_a_database_that_is_down_is_the_cause_whatever_php_fpm_does(task: ReloadService | RestartService) -> None:
    database = Unit(name="postgresql@14-main.service", active="failed", result="exit-code")
    with pytest.raises(Unplannable, match=r"would not help: postgresql@14-main\.service is failed \(exit-code\)"):
        task.plan(situation(php(), database, live=LATE))


def test_a_database_that_nobody_wants_here_is_no_cause() -> None:
    database = Unit(name="postgresql@14-main.service", enablement="disabled")
    assert RESTART.plan(situation(php(), database, live=LATE)).changes


def test_maintenance_mode_is_the_cause() -> None:
    seen = situation(php(), live=DOWN)
    marked = Situation(
        services=seen.services,
        site=seen.site,
        file_systems=seen.file_systems,
        maintenance=(file("/srv/app/storage/framework/down"),),
    )
    with pytest.raises(Unplannable, match=r"in maintenance mode, by /srv/app/storage/framework/down"):
        RESTART.plan(marked)


def test_a_restart_loop_and_two_versions_at_once_are_for_a_person() -> None:
    with pytest.raises(Unplannable, match=r"would not help: .* started again 3 times"):
        RESTART.plan(situation(php("activating", "auto-restart", restarts=3), live=GONE))
    with pytest.raises(Unplannable, match=r"php8\.1-fpm\.service and php8\.2-fpm\.service run: name the one"):
        RESTART.plan(situation(php(name="php8.1-fpm.service"), php(), live=GONE))


def test_nothing_is_restarted_whose_configuration_nobody_can_test_first() -> None:
    task = RestartService(unit="apache2.service", live="/live", page="/ready")
    apache = Unit(name="apache2.service", active="active", sub="running", program=("/usr/sbin/apachectl", "start"))
    with pytest.raises(Unplannable, match="how its configuration is tested first is not known"):
        task.plan(situation(apache, live=REFUSED, server=REFUSED))


def test_a_broken_configuration_is_not_restarted_with() -> None:
    seen = situation(php(), live=LATE)
    broken = Services(units=seen.services.units, tests={"php8.2-fpm.service": BROKEN})
    with pytest.raises(Unplannable, match="unknown directive"):
        RESTART.plan(Situation(services=broken, site=seen.site, file_systems=seen.file_systems))


def test_everything_that_decides_is_read_in_two_round_trips() -> None:
    seen: Situation = see(
        RESTART.read(Reader()),
        ("systemctl show", said(units_shown(unit_shown("php8.2-fpm.service", program=PHP_FPM)))),
        ("list-unit-files", said("basic.target static -\n")),
        ("unshare", said(stderr="[25-Nov-2026 14:35:04] NOTICE: configuration file x test is successful\n")),
        ("/proc/net/tcp", said(SOCKETS)),
        ("--header Host:", said("\n400\t\t0")),
        ("curl", said("\n502\t\t0")),
        ("/proc/self/mountinfo", captured("mountinfo")),
        ("df -l", captured("df")),
        ("storage/framework/down", said(record("/srv/app/storage/framework/down"))),
    )
    assert [unit.name for unit in seen.services] == ["php8.2-fpm.service"]
    assert (seen.site.live.status, seen.site.server.status) == (502, 400)
    assert [str(one.path) for one in seen.maintenance] == ["/srv/app/storage/framework/down"]


def test_without_the_applications_folder_maintenance_mode_is_not_looked_for() -> None:
    seen: Situation = see(
        RELOAD.read(Reader()),
        ("systemctl show", said(units_shown())),
        ("list-unit-files", said("basic.target static -\n")),
        ("/proc/net/tcp", said(SOCKETS)),
        ("curl", said("\n502\t\t0")),
        ("/proc/self/mountinfo", captured("mountinfo")),
        ("df -l", captured("df")),
    )
    assert seen.maintenance == ()


@pytest.mark.parametrize("text", ["nginx", "x;y.service"])
def test_a_unit_that_is_none_is_refused(text: str) -> None:
    for kind in (StartService, RestartService, ReloadService, ReloadNginx):
        pages = {"live": "/x", "page": "/y"} if kind in {RestartService, ReloadService} else {"live": "/x"}
        with pytest.raises(ValueError, match="must be a service"):
            kind(unit=text, **({} if kind is StartService else pages))  # type: ignore[arg-type]


def test_a_folder_that_is_relative_or_leads_upwards_is_refused() -> None:
    for folder in ("nginx", "/etc/../root"):
        with pytest.raises(ValueError, match="absolute"):
            ReloadNginx(live="/x", folder=Path(folder))


def test_a_redis_whose_configuration_is_broken_is_not_started_and_what_is_wrong_is_said() -> None:
    down = Unit(
        name="redis-server.service", active="inactive", program=("/usr/bin/redis-server", "/etc/redis/redis.conf")
    )
    broken = Configuration(is_good=False, says="/etc/redis/redis.conf line 3, requirpass: Bad directive")
    why = r"configuration: /etc/redis/redis\.conf line 3, .*\. By hand: correct that, then systemctl start redis-server"
    with pytest.raises(Unplannable, match=why):
        StartService(unit="redis*.service").plan(services(down, tests={down.name: broken}))


def test_what_the_journal_has_of_a_line_of_redis_configuration_is_cut_where_a_start_fails() -> None:
    line = ">>> 'requirpass hunter22'"
    (sed,) = re.findall(r"sed \"(.*)\" >&2", ACT.text)
    done = run_here(Command(("sed", sed.replace("\\\\", "\\")), stdin=f"{line}\nBad directive\n"))
    assert done.text == ">>> 'requirpass …'\nBad directive\n"
