"""What is shipped, what is locked, and the commands people and CI run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
COMMANDS = (
    *sorted(f"scripts/{file.name}" for file in (ROOT / "scripts").iterdir() if not file.suffix and file.is_file()),
    ".ci/run",
)


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel as it would be published, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (built,) = folder.glob("*.whl")
    with ZipFile(built) as opened:
        yield opened


def locked(name: str) -> list[Requirement]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [Requirement(line.removesuffix("\\").strip()) for line in text.splitlines() if re.match(r"[a-z]", line)]


# ---- the version ---------------------------------------------------------------------------------------------------


def test_the_changelog_starts_with_the_version_that_is_installed(pyproject: dict[str, Any]) -> None:
    version = pyproject["project"]["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert metadata.version("soleil-remediate") == version
    assert newest is not None
    assert newest[1] == version


# ---- the wheel -----------------------------------------------------------------------------------------------------


def test_the_wheel_says_that_it_is_typed(wheel: ZipFile) -> None:
    assert "soleil_remediate/py.typed" in wheel.namelist()


def test_every_file_of_the_package_is_in_the_wheel(wheel: ZipFile) -> None:
    package = ROOT / "soleil_remediate"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }

    assert files - set(wheel.namelist()) == set()


def test_every_playbook_and_the_sample_inventory_are_in_the_wheel(wheel: ZipFile) -> None:
    playbooks = {f"soleil_remediate/{path.relative_to(ROOT)}" for path in (ROOT / "playbooks").rglob("*.yml")}

    assert playbooks
    assert playbooks <= set(wheel.namelist())
    assert "soleil_remediate/inventory/production.example.yml" in wheel.namelist()


def test_the_wheel_holds_the_package_and_nothing_else(wheel: ZipFile) -> None:
    assert {name.partition("/")[0] for name in wheel.namelist()} == {
        "soleil_remediate",
        f"soleil_remediate-{metadata.version('soleil-remediate')}.dist-info",
    }


def test_the_lab_of_this_checkout_stays_out_of_the_wheels_inventory(wheel: ZipFile) -> None:
    assert "soleil_remediate/inventory/lab.yml" not in wheel.namelist()


def test_the_wheel_installs_both_commands(wheel: ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    commands = wheel.read(name).decode()

    assert "soleil-remediate = soleil_remediate.cli:main" in commands
    assert "soleil = soleil_remediate.cli:main" in commands


# ---- the locks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_version_and_hash(name: str) -> None:
    entries = re.split(r"^(?=[a-z])", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[^\s;]+", entry), entry.splitlines()[0]
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}", entry, re.MULTILINE), entry.splitlines()[0]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_to_download_from(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.findall(
        r"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b", text, re.MULTILINE
    )
    assert not re.findall(r"^\S+ @ ", text, re.MULTILINE)


def test_the_locks_meet_what_the_project_asks_for(pyproject: dict[str, Any]) -> None:
    groups = pyproject["dependency-groups"]
    asked = {
        "requirements.lock": pyproject["project"]["dependencies"],
        "requirements-dev.lock": [
            *pyproject["project"]["dependencies"],
            *groups["test"],
            *(entry for entry in groups["dev"] if isinstance(entry, str)),
        ],
    }
    for lock, requirements in asked.items():
        pinned = {requirement.name: requirement for requirement in locked(lock)}
        for requirement in map(Requirement, requirements):
            (pin,) = pinned[requirement.name].specifier
            assert Version(pin.version) in requirement.specifier, f"{lock}: {pinned[requirement.name]}"


def test_the_product_is_tested_with_the_versions_its_own_lock_pins() -> None:
    assert set(map(str, locked("requirements.lock"))) <= set(map(str, locked("requirements-dev.lock")))


def test_every_dependency_has_a_lower_and_an_upper_bound(pyproject: dict[str, Any]) -> None:
    for text in pyproject["project"]["dependencies"]:
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        assert operators == {">=", "<"}, text


# ---- the commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_executable_and_stops_at_the_first_mistake(command: str) -> None:
    path = ROOT / command
    text = path.read_text(encoding="utf-8")

    assert os.access(path, os.X_OK)
    assert re.match(r"#!(/bin/sh|/usr/bin/env bash)\n", text)
    assert re.search(r"^set -(eu|uo pipefail)$", text, re.MULTILINE)


def test_ci_runs_the_checks_and_every_test_and_bounds_both() -> None:
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    last = re.search(r'^part "\$\(\((\d+) \* 60 - SECONDS\)\)s" scripts/test all(.*)$', text, re.MULTILINE)
    measured = re.search(r"pytest .*-m 'not lab' (.*) -p no:cacheprovider", (ROOT / "scripts/check").read_text())
    folders = {f"--ignore=tests/{file.relative_to(ROOT).parts[1]}" for file in ROOT.glob("tests/*/**/test_*.py")}

    assert re.search(r"^part \d+m scripts/check$", text, re.MULTILINE)
    assert measured
    assert last
    assert int(last[1]) + 1 < 90  # a minute more until what hears no signal is killed
    # What the check measures is run by it, and by it alone.
    assert {*last[2].split()} == folders - {measured[1], "--ignore=tests/lab"}


# ---- setting up ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A checkout that was never set up, and beside it a ``bin`` with the few programs every machine has."""
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("scripts/setup", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, checkout / name)
    (tmp_path / "bin").mkdir()
    for program in ("cat", "cksum", "dirname", "id", "rm"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / "bin" / program).symlink_to(found)
    return checkout


def set_up(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", checkout / "scripts/setup"],
        env={"PATH": str(checkout.parent / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def pretend_python(checkout: Path, version: str) -> None:
    python = checkout.parent / "bin" / "python3"
    python.write_text(f"#!/bin/sh\ncase $2 in *print*) echo {version} ;; *) exit 1 ;; esac\n", encoding="utf-8")
    python.chmod(0o755)


def test_setting_up_with_an_old_python_says_so_in_one_sentence(bare_checkout: Path) -> None:
    pretend_python(bare_checkout, "3.9")

    done = set_up(bare_checkout)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "setup: Python 3.11 or newer is needed; python3 here is 3.9 (PYTHON=/path/to/python names another)."
    )
    assert not (bare_checkout / ".venv").exists()


def test_setting_up_where_python_cannot_make_environments_names_the_package(bare_checkout: Path) -> None:
    pretend_python(bare_checkout, "3.12")

    done = set_up(bare_checkout)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("install the package python3-venv.")


def test_setting_up_without_any_python_says_so_in_one_sentence(bare_checkout: Path) -> None:
    done = set_up(bare_checkout)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "setup: Python 3.11 or newer is needed, and there is no python3 here."


# ---- without root, and elsewhere than on Linux -----------------------------------------------------------------------


@pytest.fixture(params=["id:1000", "uname:Darwin"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which no lab can run."""
    program, _, answer = request.param.partition(":")
    (tmp_path / program).write_text(f"#!/bin/sh\necho {answer}\n", encoding="utf-8")
    (tmp_path / program).chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run(command: str, *words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / command, *words], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_the_demo_says_why_it_is_none_and_shows_what_a_recorded_host_gives(elsewhere: dict[str, str]) -> None:
    done = run("scripts/demo", environment=elsewhere)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "demo: the lab of real hosts needs root on Linux, so this is only a preview, of a host that was recorded."
    ]
    assert "WOULD FIX  web1 · nothing was changed" in done.stdout
    assert "preview disk-full --host user@name" in done.stdout


def test_the_tests_run_all_the_same(elsewhere: dict[str, str]) -> None:
    done = run("scripts/test", "--version", environment=elsewhere)

    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "test: the lab of real hosts needs root on Linux, so what needs it or root is skipped, and named at the end."
    ]
    assert done.stdout.startswith("pytest ")


def test_the_benchmark_says_why_it_cannot_be(elsewhere: dict[str, str]) -> None:
    done = run("scripts/bench", environment=elsewhere)

    assert done.returncode == 1
    assert done.stderr.splitlines() == ["bench: it measures against the lab of real hosts, which needs root on Linux."]
