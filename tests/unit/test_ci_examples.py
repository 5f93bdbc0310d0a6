"""What the examples for CI promise: protected branches only, one at a time, pinned, an end for every exit status."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.ci_jobs import GITHUB, GITLAB, Runner, read, run_github, run_gitlab

FILES = [GITHUB, GITLAB]
VALUES = {
    "secrets.DEPLOY_KEY": "the key",
    "secrets.PAGER_URL": "http://pager.example/secret",
    "vars.KNOWN_HOSTS": "web1 ssh-ed25519 AAAA",
    "vars.HEALTH_URL": "http://web1.example/",
}
#: Ends that say something of their own; every other one asks for a look at the log.
SAYS = {
    ExitStatus.OK: "answers again; which release is served",
    ExitStatus.NOT_FIXED: "NOT FIXED",
    ExitStatus.UNREACHABLE: "not reached; which ones were changed",
    ExitStatus.DECLINED: "declined",
    ExitStatus.EASED: "answers again",
    ExitStatus.UNKNOWN: "UNKNOWN",
}


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """One whose programs only note how they are called, and nobody is really called.

    The site does not answer, with ``$BAD`` and for ever where that is set, else until it was repaired.
    """
    checkout, programs = tmp_path / "checkout", tmp_path / "bin"
    (checkout / "ops").mkdir(parents=True)
    programs.mkdir()
    (checkout / "deploy").write_text("#!/bin/sh\nstat -c %a ops/ssh ops/ssh/* | tr '\\n' ' ' >deployed\n")
    (programs / "soleil-remediate").write_text(f'#!/bin/sh\necho "$@" >{checkout}/called\nexit "$STATUS"\n')
    (programs / "curl").write_text(
        f"""#!/bin/sh
        case $* in
            *--data*) {{ cat; echo "$@"; }} >{checkout}/paged ;;
            *) if [ -e {checkout}/called ] && [ -z "$BAD" ]; then printf 200; else printf "${{BAD:-502}}"; fi ;;
        esac
        """
    )
    for program in (checkout / "deploy", programs / "soleil-remediate", programs / "curl"):
        program.chmod(0o755)
    key = checkout / "key.variable"
    key.write_text("the key\n")
    key.chmod(0o666)
    return Runner(checkout=checkout, environment={"PATH": f"{programs}:/usr/bin:/bin", "STATUS": "0"})


class _Slow(BaseHTTPRequestHandler):
    """A site that needs a moment: it answers 503 to the first request, with a body, as nginx does."""

    asked = 0

    def do_GET(self) -> None:  # its name
        type(self).asked += 1
        status = 503 if self.asked == 1 else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<html>\n%d\n</html>" % (status + 1))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_site_that_needs_a_moment_is_asked_again_before_anything_is_gone_back_from(file: Path) -> None:
    """Curl that was to throw the body away ended with 23 after the first answer that had one, and did not ask again."""
    asks = set(re.findall(r"code=\$\(curl .*?\) \|\| :", file.read_text(), re.DOTALL))
    assert asks
    for ask in asks:
        _Slow.asked = 0
        with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as site:
            threading.Thread(target=site.serve_forever, daemon=True).start()
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", f'{ask}; printf %s "$code"'],
                env={"PATH": "/usr/bin:/bin", "HEALTH_URL": f"http://127.0.0.1:{site.server_port}/"},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            site.shutdown()
        assert (done.stdout, _Slow.asked) == ("200", 2), done


def with_status(runner: Runner, status: int, **more: str) -> Runner:
    return Runner(checkout=runner.checkout, environment={**runner.environment, "STATUS": str(status), **more})


def variables(runner: Runner) -> dict[str, str]:
    key = str(runner.checkout / "key.variable")
    return {"DEPLOY_KEY": key, "KNOWN_HOSTS": key, "HEALTH_URL": "http://web1/", "PAGER_URL": "http://pager/secret"}


@pytest.mark.parametrize("status", ExitStatus)
def test_a_job_on_github_says_for_every_exit_status_what_is_to_be_done(runner: Runner, status: ExitStatus) -> None:
    ended = run_github(with_status(runner, status), VALUES)
    assert not ended.is_success, "a push that is not live is no success"
    assert ended.outcomes["Go back to the release before"] == ("success" if status is ExitStatus.OK else "failure")
    assert SAYS.get(status, f"exit status {int(status)}; see the log") in ended.output
    paged = runner.checkout / "paged"
    assert paged.exists() is (status is not ExitStatus.OK)
    if paged.exists():
        assert paged.read_text().startswith('url = "http://pager.example/secret"\n')
        assert "pager.example" not in paged.read_text().splitlines()[1], "an address is a secret, and no argument"
        assert SAYS.get(status, "exit status") in paged.read_text()


@pytest.mark.parametrize("status", ExitStatus)
def test_a_job_on_gitlab_says_for_every_exit_status_what_is_to_be_done(runner: Runner, status: ExitStatus) -> None:
    ended = run_gitlab(with_status(runner, status), variables(runner))
    assert ended.returncode == 1, "a push that is not live is no success"
    assert SAYS.get(status, f"exit status {int(status)}; see the log") in ended.stdout
    paged = runner.checkout / "paged"
    assert paged.exists() is (status is not ExitStatus.OK)
    if paged.exists():
        assert paged.read_text().startswith('url = "http://pager/secret"\n')
        assert "pager/secret" not in paged.read_text().splitlines()[1]


@pytest.mark.parametrize("bad", ["301", "502", "000"])
def test_a_site_that_does_not_answer_from_outside_though_its_hosts_are_well_is_not_called_repaired(
    runner: Runner, bad: str
) -> None:
    """Its hosts are asked on the hosts; an expired certificate is seen from outside alone."""
    broken = with_status(runner, 0, BAD=bad)
    runs: list[Callable[[], str]] = [
        lambda: run_github(broken, VALUES).output,
        lambda: run_gitlab(broken, variables(runner)).stdout,
    ]
    for run in runs:
        said = run()
        assert "the site does NOT answer from here" in said
        assert "answers again" not in said
        assert "the site does NOT answer from here" in (runner.checkout / "paged").read_text()
        (runner.checkout / "paged").unlink()


def test_somebody_is_called_where_a_job_was_cut_off_while_it_deployed(runner: Runner) -> None:
    ended = run_github(runner, VALUES, cancelled_in="deploy")
    assert ended.outcomes["Ask the site how it is"] == "skipped"
    assert "was cut off; look first" in (runner.checkout / "paged").read_text()
    (runner.checkout / "paged").unlink()
    killing = "#!/bin/sh\njob=$(cut -d ' ' -f 4 /proc/$PPID/stat)\nkill -9 $job $PPID\n"
    (runner.checkout / "deploy").write_text(killing)
    run_gitlab(runner, variables(runner))
    assert "was cut off; look first" in (runner.checkout / "paged").read_text()


def test_nobody_is_called_where_nothing_was_deployed_or_the_site_answers(runner: Runner) -> None:
    assert not run_github(runner, VALUES, is_protected=False).is_success
    assert run_gitlab(runner, variables(runner), is_protected=False).returncode == 1
    (runner.checkout / "called").touch()
    assert run_github(runner, VALUES).is_success
    assert run_gitlab(runner, variables(runner)).returncode == 0
    assert not (runner.checkout / "paged").exists()


def test_key_and_host_keys_are_nobody_elses_and_gone_at_the_end(runner: Runner) -> None:
    run_github(runner, VALUES)
    assert (runner.checkout / "deployed").read_text() == "700 600 600 "
    assert not (runner.checkout / "ops" / "ssh").exists()
    (runner.checkout / "deployed").unlink()
    run_gitlab(runner, variables(runner))
    assert (runner.checkout / "deployed").read_text() == "700 600 600 "
    assert not (runner.checkout / "ops" / "ssh").exists()


def test_both_go_back_by_the_same_command_up_to_the_policy(runner: Runner) -> None:
    usual = "remediate --scenario failed-deployment-rollback --host web --inventory ops/inventory.yml --yes --output"
    run_github(runner, VALUES)
    assert (runner.checkout / "called").read_text() == f"{usual} github\n"
    (runner.checkout / "called").unlink()
    run_gitlab(runner, variables(runner))
    assert (runner.checkout / "called").read_text() == f"{usual} junit --verbose\n"


def test_a_deployment_that_failed_half_way_is_looked_at_as_well(runner: Runner) -> None:
    (runner.checkout / "deploy").write_text("#!/bin/sh\nexit 3\n")
    ended = run_github(runner, VALUES)
    assert ended.outcomes["Go back to the release before"] == "success"
    assert not ended.is_success
    (runner.checkout / "called").unlink()
    assert run_gitlab(runner, variables(runner)).returncode == 1
    assert (runner.checkout / "called").exists()


@pytest.mark.parametrize(
    "event, is_protected", [("pull_request", True), ("pull_request_target", True), ("push", False)]
)
def test_code_that_anybody_may_have_written_is_not_run_with_the_key(
    runner: Runner, event: str, is_protected: bool
) -> None:
    ended = run_github(runner, VALUES, event=event, is_protected=is_protected)
    assert ended.outcomes.pop("Go on for a protected branch only") == "failure"
    assert ended.outcomes.pop("Take the key away") == ended.outcomes.pop("Keep the record") == "success"
    assert set(ended.outcomes.values()) == {"skipped"}
    source = "merge_request_event" if event != "push" else "push"
    assert run_gitlab(runner, variables(runner), source=source, is_protected=is_protected).returncode == 1
    assert not (runner.checkout / "deployed").exists()
    assert not (runner.checkout / "called").exists()


def test_only_one_at_a_time_and_only_for_what_is_pushed_to_a_protected_branch() -> None:
    github, gitlab = read(GITHUB), read(GITLAB)["deploy-production"]
    assert github[True] == {"push": {"branches": ["main"]}}
    assert github["concurrency"] == {"group": "production", "cancel-in-progress": False}
    assert github["permissions"] == {"contents": "read"}
    (job,) = github["jobs"].values()
    assert job["environment"] == "production"
    assert gitlab["resource_group"] == "production"
    assert gitlab["interruptible"] is False
    (rule,) = gitlab["rules"]
    assert '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_REF_PROTECTED == "true"' in rule["if"]


def test_what_others_wrote_is_pinned_and_nothing_is_filled_into_a_script() -> None:
    (job,) = read(GITHUB)["jobs"].values()
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in actions)
    assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_host_key_is_asked_of_the_network_and_none_goes_unchecked(file: Path) -> None:
    text = file.read_text()
    assert "ssh-keyscan" not in text
    assert "StrictHostKeyChecking" not in text
    assert "--require-hashes" in text
    assert "KNOWN_HOSTS" in text
