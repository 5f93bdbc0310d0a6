"""The example with stages on two real hosts of one application: in order, and once, by what their services logged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from soleil_remediate import Catalog, PolicyGate, Remediation, RunReport, Runs, open_remediation
from soleil_remediate.built_in import PLACES
from soleil_remediate.errors import ExitStatus
from soleil_remediate.lab import Lab
from tests.lab.conftest import LabHost
from tests.waiting import eventually

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "staged"

#: Let the workers of this host look for jobs and signals where those of web1 do.
SHARE = r"""sed -i "s/^REDIS_HOST=.*/REDIS_HOST=$1/" /srv/soleil/shared/.env
supervisorctl restart 'soleil-worker:*'
"""
#: A deployment that was cut off as soon as its release was live; the release's workers say in their log that they are.
DEPLOY = r"""sleep 2
cd /srv/soleil
sudo -u deploy cp -a releases/20260101000000 releases/20260102000000
sed -i '2a if (in_array("queue:work", $argv)) echo "release 20260102000000 at work\\n";' releases/20260102000000/artisan
sudo -u deploy sh -c 'ln -s releases/20260102000000 current.new && mv -T current.new current'
"""
#: What services say themselves of what was done to them: how often php-fpm was started, when it was the last time, how
#: many workers ended as they were told, how many run the new release.
LOGGED = r"""
journalctl --quiet --unit=php8.2-fpm --output=cat | grep -c '^Started '
systemctl show --property=ActiveEnterTimestamp --value --timestamp=unix php8.2-fpm | tr -d @
grep -c 'exited: soleil-worker.*(exit status 0; expected)' /var/log/supervisor/supervisord.log || :
grep -c '^release 20260102000000 at work$' /srv/soleil/shared/storage/logs/worker.log || :
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What the services of one host have logged so far."""

    php_starts: int
    php_started: int
    workers_ended: int
    workers_of_new_release: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A word to the workers of all hosts, as Redis logged it: from which address, and when."""

    sent_from: str
    at: int


@dataclass(frozen=True, slots=True)
class Site:
    """Two hosts that share Redis, the release on them newer than their workers."""

    hosts: tuple[LabHost, LabHost]
    runs: Runs

    def prepare(self) -> None:
        first, second = self.hosts
        first.shell(
            f"redis-cli config set protected-mode no; redis-cli config set bind '127.0.0.1 {first.address}'; "
            "redis-cli config set slowlog-max-len 100000; redis-cli config set slowlog-log-slower-than 0"
        )
        second.run("bash", "-euc", SHARE, "share", first.address).checked()
        for host in self.hosts:
            host.shell(DEPLOY)

    def open(self) -> Remediation:
        own = import_module("queue_workers").RestartQueueWorkers
        return open_remediation(
            scenario="deploy-cut-off",
            hosts="web",
            inventory=self.hosts[0].lab.inventory,
            playbooks=[EXAMPLE],
            catalog=Catalog(PLACES).with_classes(own),
        )

    def remediate(self) -> RunReport:
        return self.open().remediate(gate=PolicyGate(says_yes=True), runs=self.runs)

    def answers(self) -> list[str]:
        ask = "curl -s -o /dev/null -m 5 -w '%{http_code}' localhost/api/health/live"
        return [host.shell(ask) for host in self.hosts]

    def logged(self) -> list[Logged]:
        return [
            Logged(php_starts=starts, php_started=started, workers_ended=ended, workers_of_new_release=new)
            for starts, started, ended, new in (map(int, host.shell(LOGGED).split()) for host in self.hosts)
        ]

    def have_new_workers(self, *each: int) -> bool:
        """Whether so many workers of the new release come to run on each: what ends them waits for one only."""
        return eventually(lambda: [one.workers_of_new_release for one in self.logged()] == [*each])

    def signals(self) -> list[Signal]:
        """Every word to the workers, from whichever host, since Redis was told to log all commands."""
        return [
            Signal(sent_from=address.rpartition(":")[0], at=at)
            for _, at, _, words, address, _ in json.loads(self.hosts[0].shell("redis-cli --json slowlog get -1"))
            if words[0].lower() == "set" and words[1].endswith("illuminate:queue:restart")
        ]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(EXAMPLE)
    lab = Lab(f"test-{os.getpid()}-stages")
    try:
        lab.up(["web1", "web2"])
        one = Site((LabHost(lab=lab, name="web1"), LabHost(lab=lab, name="web2")), Runs(tmp_path))
        one.prepare()
        yield one
    finally:
        lab.down()


def words(report: RunReport) -> dict[str, str]:
    return {one.host.name: one.outcome.word for one in report.hosts}


def test_stages_follow_each_other_and_what_is_done_once_is_done_from_one_host_for_all(site: Site) -> None:
    for host in site.hosts:
        host.break_with("php-fpm-killed")
    before = site.logged()
    assert site.answers() == ["502", "502"]
    assert [one.workers_of_new_release for one in before] == [0, 0]

    assert words(site.open().preview()) == {
        "web1#serve": "WOULD FIX",
        "web2#serve": "WOULD FIX",
        "web1#workers": "WOULD FIX",
        "web2#workers": "NOT NEEDED",
    }
    assert site.logged() == before
    assert site.signals() == []

    report = site.remediate()
    assert words(report) == {
        "web1#serve": "FIXED",
        "web2#serve": "FIXED",
        "web1#workers": "FIXED",
        "web2#workers": "NOT NEEDED",
    }
    assert report.exit_status is ExitStatus.OK
    assert site.answers() == ["200", "200"]
    (signal,) = site.signals()
    assert signal.sent_from == "127.0.0.1"  # web1, where Redis is
    assert site.have_new_workers(2, 2)
    first, second = after = site.logged()
    # each is watched for five seconds before anything else is begun; both logs have whole seconds
    assert first.php_started + 4 <= second.php_started <= signal.at - 4
    for was, now in zip(before, after, strict=True):
        assert now.php_starts == was.php_starts + 1
        assert now.workers_ended == was.workers_ended + 2

    again = site.remediate()
    assert set(words(again).values()) == {"NOT NEEDED"}
    assert again.touched == ()
    assert site.logged() == after
    assert site.signals() == [signal]


def test_where_the_first_stage_fails_on_one_host_the_workers_are_told_nothing_until_that_is_mended(site: Site) -> None:
    stays_down = site.hosts[1]
    stays_down.shell(
        "mkdir -p /run/systemd/system/php8.2-fpm.service.d; "
        "printf '[Service]\\nExecStartPre=test -e /run/secrets-are-there\\n' "
        ">/run/systemd/system/php8.2-fpm.service.d/secrets.conf; systemctl daemon-reload"
    )
    for host in site.hosts:
        host.break_with("php-fpm-killed")
    before = site.logged()

    report = site.remediate()
    assert words(report) == {
        "web1#serve": "FIXED",
        "web2#serve": "NOT FIXED",
        "web1#workers": "DECLINED",
        "web2#workers": "NOT NEEDED",
    }
    assert report.exit_status is ExitStatus.NOT_FIXED
    assert report.hosts[2].outcome.why == (
        "not tried: stage serve comes first, and web2 ended NOT FIXED there. Nothing was sent"
    )
    assert site.answers() == ["200", "502"]
    assert site.signals() == []
    after = site.logged()
    assert [one.workers_ended for one in after] == [one.workers_ended for one in before]
    assert [one.workers_of_new_release for one in after] == [0, 0]

    stays_down.shell("touch /run/secrets-are-there")
    assert words(site.remediate()) == {
        "web1#serve": "NOT NEEDED",
        "web2#serve": "FIXED",
        "web1#workers": "FIXED",
        "web2#workers": "NOT NEEDED",
    }
    assert site.answers() == ["200", "200"]
    assert [one.sent_from for one in site.signals()] == ["127.0.0.1"]
    assert site.have_new_workers(2, 2)
    assert site.logged()[0].php_starts == after[0].php_starts


def test_a_host_on_which_no_worker_runs_is_passed_over_and_the_next_one_tells_all(site: Site) -> None:
    first, second = site.hosts
    first.shell("supervisorctl stop 'soleil-worker:*'")

    report = site.remediate()
    assert words(report)["web1#workers"] == "NOT NEEDED"
    assert words(report)["web2#workers"] == "FIXED"
    passed_over = next(one.outcome.why for one in report.hosts if one.host.name == "web1#workers")
    assert passed_over.startswith("stage workers is done once, on web2; web1 was passed over")
    assert "no queue worker of /srv/soleil/current runs here" in passed_over
    assert [one.sent_from for one in site.signals()] == [second.address]
    assert site.have_new_workers(0, 2)
