"""A login to which sudo allows the printed commands and nothing else repairs by them, and cannot do more."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import HostReport, PolicyGate, Runs, cli, open_remediation
from soleil_remediate.checking import check
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, Refusal
from soleil_remediate.step_outcomes import StepUndecided
from soleil_remediate.task import Health
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

BASE = "/srv/soleil"
OLD = f"{BASE}/releases/20260101000000"
#: A worker of somebody else's, whose working folder nobody but root and that user may see.
HIDDEN = (
    f"systemd-run --quiet --collect --uid=postgres --working-directory={BASE}/current "
    "sh -c 'sleep 100; true' artisan queue:work"
)


@dataclass(frozen=True)
class Narrow:
    """A host whose login has what ``sudoers`` printed for a scenario, installed as it says, and nothing else."""

    host: LabHost
    folder: Path

    @property
    def inventory(self) -> Path:
        file = self.folder / "narrow.yml"
        text = self.host.lab.inventory.read_text()
        file.write_text(text.replace("    ansible_user: deploy\n", "    ansible_user: deploy\n    sudo: narrow\n"))
        return file

    def install(self, scenario: str, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        assert cli.main(("sudoers", scenario, "--host", "web1", "--inventory", str(self.inventory), *words)) == 0
        self.host.run("tee", "/root/FILE", stdin=capsys.readouterr().out.encode()).checked()
        self.host.shell("rm -rf /etc/sudoers.d/deploy /run/soleil-remediate; gpasswd -d deploy www-data || true")
        for _ in range(2):  # once more does no harm
            self.host.shell("sh /root/FILE")

    def remediate(self, scenario: str, **inputs: str) -> HostReport:
        run = open_remediation(scenario=scenario, hosts="web1", inventory=self.inventory, inputs=inputs)
        return run.remediate(gate=PolicyGate(says_yes=True), runs=Runs(self.folder / "runs")).hosts[0]


@pytest.fixture
def narrow(web1: LabHost, tmp_path: Path) -> Narrow:
    return Narrow(web1, tmp_path)


def _sent(report: HostReport) -> list[str]:
    return [step.kind for step in report.steps if getattr(step.outcome, "sent", ())]


@pytest.mark.parametrize(
    "fault, sent",
    [
        ("php-fpm-killed", "service.start"),
        ("nginx-stale-configuration", "nginx.reload"),
        pytest.param("octane-workers-hang", "octane.reload", marks=pytest.mark.long),
        pytest.param("php-fpm-workers-hang", "service.reload", marks=pytest.mark.long),
        pytest.param("nginx-hangs", "service.restart", marks=pytest.mark.long),
    ],
)
def test_services_are_started_reloaded_and_restarted_by_the_printed_rules_and_a_second_run_sends_nothing(
    narrow: Narrow, capsys: pytest.CaptureFixture[str], fault: str, sent: str
) -> None:
    narrow.install("application-down", capsys)
    narrow.host.break_with(fault)

    report = narrow.remediate("application-down")

    assert isinstance(report.outcome, Fixed), report
    assert report.preview is not None
    assert (report.preview.login, report.preview.limits) == ("deploy", "sudo: narrow, single commands alone")
    assert _sent(report) == [sent]
    assert narrow.host.shell("curl -s -o /dev/null -m 5 -w '%{http_code}' localhost/api/health/ready") == "200"
    assert isinstance(narrow.remediate("application-down").outcome, NotNeeded)


def test_a_cluster_is_started_by_the_printed_rules(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    narrow.install("database-connection-failure", capsys)
    narrow.host.break_with("postgresql-stopped")

    report = narrow.remediate("database-connection-failure")

    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == ["postgresql.start"]
    assert isinstance(narrow.remediate("database-connection-failure").outcome, NotNeeded)


def test_a_routine_is_checked_by_the_printed_rules(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    narrow.host.shell("rm -f /etc/sudoers.d/deploy")
    (before,) = check(routine="daily", hosts="web1", inventory=narrow.inventory)
    unknown = {one.kind for one in before.of(Health.UNKNOWN)}
    assert {"debug.off", "database.answers", "redis.answering", "queue.drained"} <= unknown

    narrow.install("daily", capsys)

    (after,) = check(routine="daily", hosts="web1", inventory=narrow.inventory)
    assert {one.kind for one in after.of(Health.UNKNOWN)} == {"backup.recent"}, "its folder is root's alone"
    assert after.of(Health.FAULTY) == ()


def test_a_redis_is_started_by_the_printed_rules_and_one_that_could_not_start_is_not(
    narrow: Narrow, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow.install("redis-down", capsys)
    narrow.host.break_with("redis-killed")

    report = narrow.remediate("redis-down")

    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == ["service.start"]
    assert narrow.host.shell("redis-cli PING") == "PONG"
    assert isinstance(narrow.remediate("redis-down").outcome, NotNeeded)

    narrow.host.break_with("redis-broken-configuration")
    report = narrow.remediate("redis-down")
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "/etc/redis/redis.conf line" in report.outcome.why
    assert "requirpass: Bad directive" in report.outcome.why


def test_a_bad_release_is_gone_back_from_by_the_printed_rules(
    narrow: Narrow, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow.install("failed-deployment-rollback", capsys)
    narrow.host.break_with("bad-release", what="exception")
    workers = narrow.host.shell("pgrep -f '^php .*artisan queue:work'").split()

    report = narrow.remediate("failed-deployment-rollback")

    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == ["release.rollback"]
    assert narrow.host.shell(f"readlink -f {BASE}/current") == OLD
    assert narrow.host.shell(f"stat -c %U {BASE}/releases/20260102000000/BAD_RELEASE") == "deploy"
    config = f"{OLD}/bootstrap/cache/config.php"
    assert narrow.host.shell(f"stat -c %U {config}") == "www-data"
    assert not set(workers) & set(narrow.host.shell("pgrep -f '^php .*artisan queue:work'").split())
    assert narrow.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"
    assert isinstance(narrow.remediate("failed-deployment-rollback").outcome, NotNeeded)


def test_a_bad_commit_is_gone_back_from_by_the_printed_rules(
    narrow: Narrow, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow.host.break_with("bad-checkout")  # as whoever deployed it did, who was of the application's group then
    narrow.install("failed-deployment-rollback", capsys)
    git, ran = f"git -C {BASE}/current", "pgrep -f '^php .*artisan queue:work|^php-fpm: pool'"
    good, bad = narrow.host.shell(f"{git} log --reverse --format=%H main", user="deploy").splitlines()
    before = narrow.host.shell(ran).split()

    report = narrow.remediate("failed-deployment-rollback")

    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == ["checkout.rollback"]
    assert narrow.host.shell(f"{git} rev-parse HEAD main", user="deploy").split() == [good, bad]
    assert narrow.host.shell(f"{git} status --porcelain --untracked-files=no", user="deploy") == ""
    assert narrow.host.shell(f"stat -c %U {BASE}/current/bootstrap/cache/config.php") == "www-data"
    assert not set(before) & set(narrow.host.shell(ran).split())
    assert narrow.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"
    assert isinstance(narrow.remediate("failed-deployment-rollback").outcome, NotNeeded)


def test_releases_of_a_third_user_need_a_rule_of_their_own_and_the_refusal_says_how_it_is_printed(
    narrow: Narrow, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow.install("failed-deployment-rollback", capsys)
    narrow.host.break_with("bad-release", what="exception")
    narrow.host.shell(f"useradd -G www-data releaser && chown -Rh --from=deploy releaser {BASE}")
    seen = f"readlink {BASE}/current; ls -l {BASE}/releases/*"
    was = narrow.host.shell(seen)

    refused = narrow.remediate("failed-deployment-rollback")

    assert isinstance(refused.outcome, NotFixed), refused
    assert (
        "sudo does not allow what runs as releaser: `soleil-remediate sudoers failed-deployment-rollback --host web1 "
        f"--inventory {narrow.inventory} --set owner=releaser` prints what it has to allow"
    ) in refused.outcome.why
    assert (refused.sent, narrow.host.shell(seen)) == ((), was)

    narrow.install("failed-deployment-rollback", capsys, "--set", "owner=releaser")
    other = narrow.remediate("failed-deployment-rollback", owner="www-data")
    assert "what is served belongs to releaser, not to www-data: say owner=releaser" in str(other.outcome)
    assert (other.sent, narrow.host.shell(seen)) == ((), was)

    for inputs in ({}, {"owner": "releaser"}):  # it is for sudoers; a run that is told as well does not mind
        report = narrow.remediate("failed-deployment-rollback", **inputs)
        assert isinstance(report.outcome, NotNeeded if inputs else Fixed), report
    assert narrow.host.shell(f"readlink -f {BASE}/current") == OLD
    assert narrow.host.shell(f"stat -c %U {BASE}/current {BASE}/releases/20260102000000/BAD_RELEASE").split() == [
        "releaser",
        "releaser",
    ]


@pytest.mark.long
def test_workers_are_started_by_the_printed_rules(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    narrow.install("queue-backlog", capsys)
    narrow.host.break_with("workers-stopped")

    report = narrow.remediate("queue-backlog")

    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == ["workers.start"]
    assert narrow.host.shell("supervisorctl status 'soleil-worker:*' | grep -c RUNNING") == "2"
    assert isinstance(narrow.remediate("queue-backlog").outcome, NotNeeded)
    for words in ("supervisorctl start all", "supervisorctl restart soleil-worker:soleil-worker_00", "systemd-run id"):
        done = narrow.host.run("sudo", "-n", *words.split(), user="deploy")
        assert (done.returncode, "a password is required" in done.stderr) == (1, True), (words, done)


@pytest.mark.long
@pytest.mark.parametrize(
    "fault, sent",
    [
        ("workers-paused", "workers.restart"),
        ("horizon-paused", "horizon.continue"),
        ("horizon-workers-paused", "workers.restart"),
    ],
)
def test_workers_are_restarted_by_the_printed_rules(
    narrow: Narrow, capsys: pytest.CaptureFixture[str], fault: str, sent: str
) -> None:
    narrow.install("queue-backlog", capsys)
    narrow.host.break_with(fault)
    report = narrow.remediate("queue-backlog")
    assert isinstance(report.outcome, Fixed), report
    assert _sent(report) == [sent]


def test_nothing_else_is_allowed(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    narrow.install("application-down", capsys)
    refused = """\
        id
        sh -c id
        systemctl restart -- ssh.service
        systemctl restart -- php8.2-fpm.service ssh.service
        systemctl restart -- nginx.service --no-block
        systemctl stop -- postgresql@15-main.service
        systemctl edit -- nginx.service
        nginx -t -c /tmp/evil.conf
        php-fpm8.2 -t --fpm-config /tmp/php-fpm.conf
        php-fpm8.2 -t --fpm-config /etc/php/8.2/fpm/php-fpm.conf -c /tmp
        supervisorctl status soleil-worker:* nothing
        supervisorctl stop soleil-worker:soleil-worker_00
        supervisorctl start all
        supervisorctl -c /tmp/evil.conf status
        /usr/local/lib/soleil-remediate/without-a-trace alone id
        /usr/local/lib/soleil-remediate/without-a-trace id
        /usr/local/lib/soleil-remediate/without-a-trace /usr/sbin/nginx -t -c /tmp/evil.conf
        -u postgres id
    """
    for words in textwrap.dedent(refused).splitlines():
        done = narrow.host.run("sudo", "-n", *words.split(), user="deploy")
        assert done.returncode == 1, (words, done)
        assert "a password is required" in done.stderr, (words, done)
    # Programs that take settings or other programs from where they are started, or from the environment.
    plugin = "[supervisorctl]\nserverurl=unix:///x\n[ctlplugin:x]\nsupervisor.ctl_factory = os:abort\n"
    narrow.host.run("tee", "/home/deploy/supervisord.conf", stdin=plugin.encode()).checked()
    narrow.host.shell(
        "install -D -m 755 -o deploy /bin/false /home/deploy/bin/unshare\n"
        "for name in supervisorctl systemctl mount find; do cp /home/deploy/bin/unshare /home/deploy/bin/$name; done"
    )
    done = narrow.host.run("sudo", "-n", "supervisorctl", "status", "soleil-worker:*", user="deploy")
    assert done.stdout.count("RUNNING") == 2, done
    narrow.host.shell("sed -i 's/^Defaults.*secure_path.*//' /etc/sudoers")
    script = (
        "cd; PATH=/home/deploy/bin:$PATH sudo -n /usr/local/lib/soleil-remediate/without-a-trace /usr/sbin/nginx -t"
    )
    assert "syntax is ok" in narrow.host.run("sh", "-c", script, user="deploy").stderr
    for words in ("/usr/sbin/nginx -t", "/usr/local/lib/soleil-remediate/without-a-trace /usr/sbin/nginx -t"):
        assert "syntax is ok" in narrow.host.run("sudo", "-n", *words.split(), user="deploy").stderr, words


@pytest.mark.parametrize(
    "before, why",
    [
        ("sed -i /supervisorctl/d /etc/sudoers.d/soleil-*", "supervisorctl status soleil-worker:*"),
        ("sed -i /reload/d /etc/sudoers.d/soleil-*", "systemctl reload -- php8.2-fpm.service"),
        ("sed -i /www-data/d /etc/sudoers.d/soleil-*", "what runs as www-data"),
        ("echo 'deploy ALL=(ALL) ALL' >/etc/sudoers.d/aa", "/usr/sbin/php-fpm8.2 -t"),
    ],
    ids=["no-supervisorctl", "no-reload", "not-the-applications-user", "password-rule"],
)
def test_what_sudo_does_not_allow_is_seen_in_the_preview_and_not_asked_about(
    narrow: Narrow, capsys: pytest.CaptureFixture[str], before: str, why: str
) -> None:
    narrow.install("failed-deployment-rollback", capsys)
    narrow.host.break_with("bad-release", what="exception")
    narrow.host.shell(before)

    report = narrow.remediate("failed-deployment-rollback")

    assert isinstance(report.outcome, NotFixed)
    assert report.preview is not None
    (undecided,) = [step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided)]
    assert undecided.startswith("sudo does not allow ")
    assert why in undecided
    assert undecided.endswith(
        f"`soleil-remediate sudoers failed-deployment-rollback --host web1 --inventory {narrow.inventory}` prints what "
        "it has to allow"
    )
    assert report.sent == ()


@pytest.mark.parametrize(
    "before, why",
    [
        (
            "sed -i 's/ start NAME/ begin NAME/; s/|start /|begin /' /etc/sudoers.d/soleil-*",
            "sudo does not allow supervisorctl start soleil-worker:soleil-worker_01",
        ),
        (f"chown root {OLD}", f"sudo does not allow what runs as the owner of {OLD}"),
        (
            HIDDEN,
            "whose code these workers run cannot be seen by this login: ",
        ),
    ],
    ids=["no-start", "release-of-roots", "hidden-worker"],
)
def test_what_sudo_would_refuse_later_stops_a_change_before_anything_is_done(
    narrow: Narrow, capsys: pytest.CaptureFixture[str], before: str, why: str
) -> None:
    narrow.install("failed-deployment-rollback", capsys)
    narrow.host.break_with("bad-release", what="exception")
    narrow.host.shell(before)
    seen = f"readlink {BASE}/current; ls -l {BASE}/releases/*"
    was = narrow.host.shell(seen)

    report = narrow.remediate("failed-deployment-rollback")

    assert not isinstance(report.outcome, Fixed)
    assert why in str(report)
    assert "nothing was switched" in str(report)
    assert narrow.host.shell(seen) == was


def test_what_needs_all_of_roots_rights_is_seen_and_not_sent(
    narrow: Narrow, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow.install("application-down", capsys)
    narrow.host.break_with("laravel-log", writer="no")

    report = narrow.remediate("disk-full")

    assert not isinstance(report.outcome, Fixed)
    assert report.sent == ()
    assert report.preview is not None
    undecided = [step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided)]
    assert any("processes have open cannot be seen: needs root" in why for why in undecided)


def test_it_is_one_lock_whoever_takes_it(narrow: Narrow, capsys: pytest.CaptureFixture[str]) -> None:
    narrow.install("application-down", capsys)
    narrow.host.break_with("php-fpm-killed")
    (case,) = open_remediation(scenario="application-down", hosts="web1", inventory=narrow.host.lab.inventory).cases
    root = replace(case.host, connection=replace(case.host.connection, user="root"))
    session = SshTransport().open(root, within=Duration(20))
    session.claim("jan@laptop (run 12345678)")

    report = narrow.remediate("application-down")

    assert isinstance(report.outcome, Refusal), report
    assert "jan@laptop (run 12345678)" in report.outcome.why
    session.close()
    assert isinstance(narrow.remediate("application-down").outcome, Fixed)
