"""Every command in the README and docs/, every example and the demo do what they say, on a real host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import Catalog, Duration, PolicyGate, Runs, open_remediation
from soleil_remediate.built_in import PLACES
from soleil_remediate.host_outcomes import Fixed, NotNeeded
from soleil_remediate.lab import Lab, registered
from tests.lab.sessions import Session, differences

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

#: Run by other means: the demo below; the suite is what runs this.
ELSEWHERE = "./scripts/"
#: Looking finds work on a broken host, and that is no failure.
GOOD = (0, 5)

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _commands(page: Path) -> list[str]:
    lines = [line.split(" #")[0].strip() for block in _blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if re.match(r"(soleil|invoke|python|\./|ssh )", line)]


def _run(host: LabHost, state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "SOLEIL_INVENTORY": str(host.lab.inventory),
        "XDG_STATE_HOME": str(state),
    }
    return subprocess.run(
        [_here(host, word) for word in words],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def _here(host: LabHost, text: str) -> str:
    """Return *text* about this test's lab instead of the default one."""
    (hosts,) = {status.address for status in host.lab.status() if status.name == host.name}
    text = text.replace("inventory/lab.yml", str(host.lab.inventory)).replace("10.88.0.11", hosts)
    return text.replace("/var/lib/soleil-lab/default", str(host.lab.inventory.parent))


def test_every_command_in_the_readme_and_the_docs_works(web1: LabHost, tmp_path: Path) -> None:
    web1.break_with("laravel-log", writer="no")
    tried = [one for page in PAGES for one in _commands(page) if not one.startswith(ELSEWHERE)]
    assert len(tried) >= 9
    for command in tried:
        words = command.split()
        if words[0] == "ssh":  # a login by hand: leave again at once
            words += ["true"]
        if words[1] == "rehearse":  # the demo, which another test shows meanwhile, has the lab that it would have
            words += ["--lab", f"{web1.lab.name}-docs"]
        done = _run(web1, tmp_path, *words)
        assert done.returncode in GOOD, f"{command}\n{done.stdout}{done.stderr}"


def test_every_script_in_the_readme_and_the_docs_works(web1: LabHost, tmp_path: Path) -> None:
    pages = [page for page in PAGES if _blocks(page, "python")]
    assert [page.name for page in pages] == ["README.md", "lab.md", "write-a-task.md"]
    default = Lab(f"{web1.lab.name}-page")
    try:
        for page in pages:
            web1.lab.reset("web1")
            web1.break_with("laravel-log", writer="no")
            script = _here(web1, "\n".join(_blocks(page, "python"))).replace("Lab()", f"Lab({default.name!r})")
            done = _run(web1, tmp_path, sys.executable, "-c", script)
            assert done.returncode == 0, f"{page.name}\n{done.stdout}{done.stderr}"
    finally:
        default.down()


def test_the_tutorial_shows_what_a_person_then_sees(tmp_path: Path) -> None:
    lab = Lab(f"test-{os.getpid()}-tutorial")
    try:
        lab.up(["web1"])
        found = differences(ROOT / "docs" / "tutorial.md", Session(lab, _home(tmp_path, lab)))
        assert not found, "\n".join(found)
    finally:
        lab.down()


def _home(folder: Path, lab: Lab) -> Path:
    """Return the home of somebody whose ssh knows web1.example, and has never seen web2.example."""
    (address,) = {host.address for host in lab.status()}
    usual = f"  HostName {address}\n  IdentityFile {lab.private_key}\n"
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / ".ssh" / "config").write_text(
        f"Host web1.example\n{usual}  UserKnownHostsFile {lab.known_hosts}\nHost web2.example\n{usual}"
    )
    return folder


def test_the_example_for_one_host_repairs_it(web1: LabHost, tmp_path: Path) -> None:
    web1.break_with("laravel-log", writer="no")

    done = _run(web1, tmp_path, sys.executable, "examples/one_host.py", "inventory/lab.yml", "web1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["web1: WOULD FIX", "web1: FIXED"]
    assert web1.shell("stat -f -c %a /srv") != "0"


def test_a_task_of_ones_own_repairs_what_its_playbook_is_for(
    web1: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples" / "own_task")
    own = import_module("deploy_lock").RemoveDeployLock
    remediation = open_remediation(
        scenario="deploy-lock",
        hosts="web1",
        inventory=web1.lab.inventory,
        inputs={"older_than": str(Duration(600))},
        playbooks=[ROOT / "examples" / "own_task"],
        catalog=Catalog(PLACES).with_classes(own),
    )
    runs = Runs(tmp_path)
    assert isinstance(remediation.preview().hosts[0].outcome, NotNeeded)

    web1.shell("touch -d '11 minutes ago' /srv/soleil/deploy.lock")
    report = remediation.remediate(gate=PolicyGate(says_yes=False), runs=runs)

    assert isinstance(report.hosts[0].outcome, Fixed)
    assert web1.run("test", "-e", "/srv/soleil/deploy.lock").returncode == 1
    again = remediation.remediate(gate=PolicyGate(says_yes=False), runs=runs)
    assert isinstance(again.hosts[0].outcome, NotNeeded)


@pytest.mark.parametrize(
    "example, test, passes", [("own_task", "test_deploy_lock.py", 4), ("staged", "test_queue_workers.py", 5)]
)
def test_the_examples_own_test_passes(example: str, test: str, passes: int) -> None:
    folder = ROOT / "examples" / example
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
    done = subprocess.run([*words, test], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{passes} passed" in done.stdout


def test_the_demo_breaks_a_host_and_repairs_it(tmp_path: Path) -> None:
    was_up = any(lab.name == "default" for lab in registered())
    try:
        done = subprocess.run(
            ["./scripts/demo"], cwd=ROOT, env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
    finally:
        if not was_up:
            Lab().down()
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = done.stdout.split("== the repair")
    assert "HTTP 503" in before
    assert "FIXED  web1" in after
    assert "HTTP 200" in after
