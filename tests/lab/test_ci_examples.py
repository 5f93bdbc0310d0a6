"""The jobs of ``examples/ci`` as an unprivileged runner runs them, with a bad release that they really deploy."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.lab.faulting import fault_named
from tests.ci_jobs import INVENTORY, Runner, run_github, run_gitlab
from tests.lab.rehearsals import Rehearsal
from tests.unit.reporters import junit_schema
from tests.unit.reporters.actions_runner import obeyed

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
OLD, BAD = "20260101000000", "20260102000000"
GO_BACK = "Go back to the release before"

#: The application's own way to deploy: over the key that the job has laid out, to hosts with the keys that it pinned.
DEPLOY = """\
#!/bin/sh
exec ssh -F none -i ops/ssh/id -o UserKnownHostsFile=ops/ssh/known_hosts -o GlobalKnownHostsFile=none \\
  -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \\
  deploy@{address} sudo bash -s <release.sh
"""


#: In a view of the file system of its own, where a folder that others may not enter ($2) holds what everybody may read.
OPENED = """
set -e
hold=$1 closed=$2
shift 2
count=0
for folder in $OPENED; do
  count=$((count + 1))
  mkdir -p "$hold/$count"
  mount --bind "$folder" "$hold/$count"
done
mount -t tmpfs -o mode=755 none "$closed"
count=0
for folder in $OPENED; do
  count=$((count + 1))
  mkdir -p "$folder"
  mount --move "$hold/$count" "$folder"
done
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site with its runner.

    Args:
        rehearsal: The scenario on the host that is deployed to.
        runner: Runs as a user without any right.
        calls: What whoever is called was told.
    """

    rehearsal: Rehearsal
    runner: Runner
    calls: list[str]
    pager: str

    @property
    def address(self) -> str:
        return self.rehearsal.host.address

    def github(self) -> dict[str, str]:
        lab = self.rehearsal.host.lab
        return {
            "secrets.DEPLOY_KEY": lab.private_key.read_text().rstrip("\n"),
            "secrets.PAGER_URL": self.pager,
            "vars.KNOWN_HOSTS": lab.known_hosts.read_text().rstrip("\n"),
            "vars.HEALTH_URL": f"http://{self.address}/api/health/ready",
        }

    def gitlab(self) -> dict[str, str]:
        """The same; those of type File are read by everybody on such a runner."""
        values, found = self.github(), {}
        for named, value in values.items():
            name = named.partition(".")[2]
            if name in {"DEPLOY_KEY", "KNOWN_HOSTS"}:
                file = self.runner.file(name)
                file.write_text(f"{value}\n")
                file.chmod(0o666)
                found[name] = str(file)
            else:
                found[name] = value
        return found

    def deploys_nothing(self) -> None:
        (self.runner.checkout / "deploy").write_text("#!/bin/sh\n")

    def is_served(self) -> str:
        """The release whose code is served, by its own word."""
        return str(json.loads(self.rehearsal.host.shell("curl -sS -m 10 http://localhost/api/health/live"))["release"])

    def marked(self) -> str:
        return self.rehearsal.host.shell("cd /srv/soleil/releases && find . -name BAD_RELEASE")


@contextmanager
def pager() -> Iterator[tuple[str, list[str]]]:
    """Whoever is called, on this machine."""
    calls: list[str] = []

    class Called(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Called) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/call", calls
        finally:
            server.shutdown()
            thread.join()


def as_nobody(hold: Path) -> list[str]:
    """Return the words that run a command as a user without any right, who can run this Python all the same."""
    needed = [Path(sys.base_prefix), Path(sys.prefix), ROOT]
    closed = {
        next((one for one in reversed((path, *path.parents)) if not one.stat().st_mode & 0o001), None)
        for path in needed
    } - {None}
    if len(closed) > 1:
        pytest.skip(f"nobody else may enter {' and '.join(map(str, closed))}, as a runner's user has to")
    hidden = [path for path in needed if any(folder in path.parents for folder in closed if folder)]
    outer = [path for path in hidden if not any(other in path.parents for other in hidden)]
    nobody = pwd.getpwnam("nobody")
    words = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--no-new-privs"]
    if not closed:
        return words
    opened = f"OPENED={shlex.quote(' '.join(map(str, outer)))}{OPENED}"
    return ["unshare", "--mount", "sh", "-c", opened, "sh", str(hold), str(closed.pop()), *words]


@pytest.fixture
def site(web1: LabHost, tmp_path: Path) -> Iterator[Site]:
    nobody = pwd.getpwnam("nobody")
    checkout = Path(tempfile.mkdtemp(prefix="soleil-ci-"))  # pytest's own folders are closed to others
    programs = Path(sys.executable).parent
    runner = Runner(
        checkout=checkout,
        environment={"PATH": f"{programs}:{os.environ['PATH']}"},
        before=as_nobody(checkout / "hold"),
        owner=(nobody.pw_uid, nobody.pw_gid),
    )
    (checkout / "ops").mkdir()
    (checkout / "ops" / "inventory.yml").write_text(
        INVENTORY.read_text()
        .replace("192.0.2.11", web1.address)
        .replace("https://soleil.example", f"http://{web1.address}")
    )
    (checkout / "release.sh").write_bytes(fault_named("bad-release").script({}))
    (checkout / "deploy").write_text(DEPLOY.format(address=web1.address))
    (checkout / "deploy").chmod(0o755)
    for path in (checkout, checkout / "ops"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    try:
        tried = runner.run("soleil-remediate --version", {})
        if tried.returncode:
            pytest.skip(f"nobody else may run {programs}/soleil-remediate, as a runner's user has to: {tried.stderr}")
        rehearsal = Rehearsal(web1, tmp_path / "state", scenario="failed-deployment-rollback")
        with pager() as (address, calls):
            yield Site(rehearsal=rehearsal, runner=runner, calls=calls, pager=address)
    finally:
        shutil.rmtree(checkout)


def test_on_github_a_bad_release_is_gone_back_from_and_the_push_is_no_success(site: Site) -> None:
    ended = run_github(site.runner, site.github())
    assert ended.outcomes["Deploy"] == "success", ended.output
    assert ended.outcomes["Ask the site how it is"] == "failure", ended.output
    assert ended.outcomes[GO_BACK] == "success", ended.output
    assert ended.outcomes["Call somebody"] == "skipped"
    assert site.is_served() == OLD
    assert site.marked() == f"./{BAD}/BAD_RELEASE"
    assert not (site.runner.checkout / "ops" / "ssh").exists()

    told = [(one.name, one.properties.get("title")) for one in obeyed(ended.output)]
    assert told == [
        ("group", None),
        ("endgroup", None),
        ("notice", "web1: FIXED (failed-deployment-rollback)"),
        ("notice", "rollback"),
    ]
    summary = site.runner.file("summary.md").read_text()
    assert "<td>FIXED</td><td>1</td>" in summary
    (record,) = (site.runner.checkout / "runner" / "state" / "soleil-remediate" / "runs").glob("*.jsonl")
    assert f"soleil-remediate runs show {record.stem}" in summary
    intents = [line for line in record.read_text().splitlines() if "ChangeIntended" in line]
    assert len(intents) == 1
    assert '"operator":"jan in GitHub run 16812345678"' in record.read_text()
    assert site.github()["secrets.DEPLOY_KEY"] not in ended.output + summary + record.read_text()

    site.deploys_nothing()
    again = run_github(site.runner, site.github())
    assert again.is_success, again.output
    assert again.outcomes[GO_BACK] == again.outcomes["Call somebody"] == "skipped", "what answers is left alone"


def test_beyond_the_policy_nothing_is_sent_and_somebody_called_and_on_gitlab_within_it_the_site_is_back(
    site: Site,
) -> None:
    inventory = site.runner.checkout / "ops" / "inventory.yml"
    allowed = inventory.read_text()
    inventory.write_text(re.sub(r"\n +unattended:.*\n.*disruptive.*", "", allowed))

    ended = run_github(site.runner, site.github())
    assert ended.outcomes[GO_BACK] == "failure", ended.output
    assert ended.outcomes["Call somebody"] == "success"
    (called,) = site.calls
    assert called.startswith("declined: the policy, a lock or a freeze says no")
    told = [(one.name, one.properties.get("title")) for one in obeyed(ended.output)]
    assert ("error", "web1: DECLINED (failed-deployment-rollback)") in told
    assert site.rehearsal.eyes().file("/srv/soleil/current").linked_to == f"/srv/soleil/releases/{BAD}"
    assert site.marked() == ""
    assert not (site.runner.checkout / "ops" / "ssh").exists()

    inventory.write_text(allowed)
    site.deploys_nothing()
    done = run_gitlab(site.runner, site.gitlab())
    assert done.returncode == 1, "what was pushed is not live"
    assert "the site answers again; which release is served" in done.stdout, done.stdout + done.stderr
    assert len(site.calls) == 1
    assert "FIXED  web1" in done.stderr, "the job's own log tells it to people"
    (suite,) = junit_schema.parsed((site.runner.checkout / "rollback.xml").read_text())
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert site.is_served() == OLD
    assert site.marked() == f"./{BAD}/BAD_RELEASE"
    assert not (site.runner.checkout / "ops" / "ssh").exists()
    (record,) = (site.runner.checkout / "state" / "soleil-remediate" / "runs").glob("*.jsonl")
    assert "eva in GitLab job 4711" in record.read_text()
