"""The jobs of ``examples/ci``, run here as a runner runs them: the very commands that stand in the files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "ci"
GITHUB, GITLAB, INVENTORY = (FOLDER / name for name in ("github-actions.yml", "gitlab-ci.yml", "inventory.yml"))

_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")


def read(file: Path) -> dict[Any, Any]:
    """Return a workflow as YAML 1.1 has it; GitHub's ``on`` is ``True`` then."""
    workflow: dict[Any, Any] = yaml.safe_load(file.read_text())
    return workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Where a job runs.

    Args:
        checkout: The job's own folder; all that it writes is below.
        environment: What is set for all of its commands.
        before: Words that run a command as somebody else.
        owner: Their numbers, as user and as group.
    """

    checkout: Path
    environment: Mapping[str, str]
    before: Sequence[str] = ()
    owner: tuple[int, int] | None = None

    def run(self, script: str, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a script in a bash of its own; it ends at its first failing command."""
        words = [*self.before, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.checkout), "LANG": "C.UTF-8", "CI": "true"}
        return subprocess.run(
            words, cwd=self.checkout, env={**clean, **self.environment, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def file(self, name: str) -> Path:
        """Return a new file of the runner's own, which the job may write."""
        folder = self.checkout / "runner"
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
        if self.owner is not None:
            for path in (folder, folder / name):
                os.chown(path, *self.owner)
        return folder / name


@dataclass(slots=True)
class Ended:
    """What became of a job.

    Args:
        outcomes: ``success``, ``failure``, ``cancelled`` or ``skipped``, by a step's name or action.
        output: All that its commands wrote.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @property
    def is_success(self) -> bool:
        return not {"failure", "cancelled"}.intersection(self.outcomes.values())


def run_github(
    runner: Runner,
    values: Mapping[str, str],
    *,
    event: str = "push",
    is_protected: bool = True,
    cancelled_in: str = "",
) -> Ended:
    """Run the workflow's job.

    Args:
        runner: Where; ``soleil-remediate`` is found there, so that step ``install`` is not run.
        values: What ``secrets.NAME`` and ``vars.NAME`` are.
        event: What happened.
        is_protected: Whether it happened to a protected branch.
        cancelled_in: The step in which it is cut off.
    """
    (job,) = read(GITHUB)["jobs"].values()
    ended = Ended()
    by_id: dict[str, str] = {}
    outputs: dict[str, str] = {}
    summary = runner.file("summary.md")
    general = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "jan",
        "GITHUB_RUN_ID": "16812345678",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REF_PROTECTED": str(is_protected).lower(),
        "GITHUB_STEP_SUMMARY": str(summary),
        "RUNNER_TEMP": str(summary.parent),
    }
    for number, step in enumerate(job["steps"]):
        name, known = step.get("name", step.get("uses")), step.get("id", "")
        outcome = "skipped"
        if known and known == cancelled_in:
            outcome = "cancelled"
        elif _holds(step.get("if", "success()"), by_id, is_well=ended.is_success):
            outcome = "success"
            if "run" in step and known != "install":
                said = runner.file(f"output-{number}")
                settings = {key: _filled(value, {**values, **outputs}) for key, value in step.get("env", {}).items()}
                done = runner.run(step["run"], {**general, **settings, "GITHUB_OUTPUT": str(said)})
                outcome = "success" if done.returncode == 0 else "failure"
                ended.output += done.stdout + done.stderr
                for line in said.read_text().splitlines():
                    key, _, value = line.partition("=")
                    outputs[f"steps.{known}.outputs.{key}"] = value
        ended.outcomes[name] = by_id[known] = outcome
    return ended


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, _, instead = match[1].partition(" || ")
        return values.get(name) or instead.strip("'") or (name if name.startswith("github.") else "")

    return _EXPRESSION.sub(value, text)


def _holds(condition: str, by_id: Mapping[str, str], *, is_well: bool) -> bool:
    match = _EXPRESSION.fullmatch(condition)
    terms = (match[1] if match else condition).split(" && ")
    goes_on = "cancelled" not in by_id.values()
    functions = {
        "always()": True,
        "!cancelled()": goes_on,
        "failure()": goes_on and not is_well,
        "success()": goes_on and is_well,
    }
    return all(functions[term] if term in functions else _compares(term, by_id) for term in terms)


def _compares(term: str, by_id: Mapping[str, str]) -> bool:
    match = re.fullmatch(r"steps\.(\w+)\.outcome (==|!=) '(\w+)'", term)
    assert match is not None, term
    return (by_id[match[1]] == match[3]) is (match[2] == "==")


def run_gitlab(
    runner: Runner, values: Mapping[str, str], *, source: str = "push", is_protected: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the pipeline's job; ``soleil-remediate`` is found there, so that ``before_script`` is not run.

    Args:
        runner: Where.
        values: The project's variables; of type File those that the runner has such files for.
        source: What happened.
        is_protected: Whether it happened to a protected branch.
    """
    job = read(GITLAB)["deploy-production"]
    settings = {
        **values,
        "GITLAB_CI": "true",
        "GITLAB_USER_LOGIN": "eva",
        "CI_JOB_ID": "4711",
        "CI_PROJECT_DIR": str(runner.checkout),
        "CI_PIPELINE_SOURCE": source,
        "CI_COMMIT_REF_PROTECTED": str(is_protected).lower(),
        "CI_JOB_URL": "CI_JOB_URL",
    }
    done = runner.run("\n".join(job["script"]), settings)
    runner.run("\n".join(job["after_script"]), settings)
    return done
