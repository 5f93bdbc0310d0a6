"""What the examples do where no host is needed for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("words", [[], ["inventory/lab.yml"], ["inventory/lab.yml", "web1", "web2"]])
def test_the_example_for_one_host_says_how_it_is_used(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "examples/one_host.py", *words],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: python examples/one_host.py INVENTORY HOST\n"
