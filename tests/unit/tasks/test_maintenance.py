"""What the scripts around the maintenance page compare, on a real checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path as Here

import pytest

from soleil_remediate.tasks import maintenance


@pytest.fixture
def checkout(tmp_path: Here) -> Here:
    for words in (
        ("init", "-q"),
        ("config", "user.email", "ann@example.org"),
        ("config", "user.name", "ann"),
        ("add", "index.php"),
        ("commit", "-qm", "one"),
    ):
        (tmp_path / "index.php").touch()
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)
    return tmp_path


def is_unchanged(checkout: Here, owner: str = "ann") -> bool:
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    text = maintenance._LEAVE.text
    function = text[text.index("is_unchanged() {") : text.index("cookie() {")]
    script = f'as() {{ shift; "$@"; }}\nserved=$1 was=$2 owner=$3\n{function}\nis_unchanged'
    words = ["sh", "-euc", script, "sh", str(checkout), head.stdout.strip(), owner]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def test_a_checkout_as_it_was_is_unchanged(checkout: Here) -> None:
    assert is_unchanged(checkout)


def test_a_file_of_another_commit_is_a_change(checkout: Here) -> None:
    (checkout / "index.php").write_text("<?php")
    assert not is_unchanged(checkout)


def test_a_checkout_that_git_cannot_tell_about_is_not_called_unchanged(checkout: Here) -> None:
    (checkout / "index.php").write_text("<?php // half of")
    (checkout / ".git/index").write_bytes(b"DIRC")
    assert not is_unchanged(checkout)


def test_git_is_never_asked_as_root(checkout: Here) -> None:
    assert not is_unchanged(checkout, owner="root")
