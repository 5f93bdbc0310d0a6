from __future__ import annotations

import json
import re
from pathlib import Path as LocalPath
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.config_caches import FindEnvReaders, ReadConfigCache, read_config_cache
from tests.unit.facts.answers import NOT_THERE, run_here, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.statements import CONFIG_CACHE

ROOT = Path("/srv/soleil/current")
MISSING = "grep: /srv/soleil/current/database: No such file or directory\n"


def test_the_application_says_how_it_loads_its_configuration() -> None:
    seen, readers = see(
        read_config_cache(Reader(), ROOT, "www-data"),
        ("php -- config-cache", said(f"{STARTED}{json.dumps(CONFIG_CACHE)}\n")),
        ("Env::get", NOT_THERE),
        most_rounds=1,
    )
    assert (seen.is_cached, seen.took, seen.environment, seen.is_debugging) == (False, 0.7125, "production", False)
    assert seen.file == Path("/srv/soleil/releases/1/bootstrap/cache/config.php")
    assert isinstance(readers, FactError)
    assert ReadConfigCache(ROOT, "www-data").command.user == "www-data"
    assert "afterBootstrapping" in str(ReadConfigCache(ROOT, "www-data").command.stdin)


@pytest.mark.parametrize("more", [{"is_cached": 1}, {"file": "config.php"}, {"milliseconds": -1}, {"debug": None}])
def test_anything_else_is_no_answer(more: dict[str, object]) -> None:
    with pytest.raises(FactError):
        ReadConfigCache(ROOT, "www-data").answer(said(f"{STARTED}{json.dumps(CONFIG_CACHE | more)}\n"))


def test_who_reads_env_is_told_by_name() -> None:
    query = FindEnvReaders(ROOT)
    assert query.answer(said(b"/srv/soleil/current/app/A.php\0")) == (Path("/srv/soleil/current/app/A.php"),)
    assert query.answer(said(status=1)) == ()
    assert query.answer(said(status=2, stderr=MISSING)) == ()
    for wrong in (said(status=2, stderr="grep: x: Input/output error\n"), said(stderr="grep: warning\n"), said(b"x\0")):
        with pytest.raises(FactError):
            query.answer(wrong)


def test_grep_finds_what_reads_env_and_nothing_else(tmp_path: LocalPath) -> None:
    root = Path(tmp_path)
    texts = {
        "env.php": "<?php return env('X');",
        "getenv.php": "<?php if(getenv('X')) {}",
        "facade.php": "<?php Env::get('X');",
        "global.php": "<?php $_ENV['X'];",
        "method.php": "<?php $app->env('X'); config('x'); $env(1); myenv(1); X::env(1); My\\env(1);",
    }
    folder = tmp_path / "app"
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    found = FindEnvReaders(root).answer(run_here(FindEnvReaders(root).command))
    assert {file.name for file in found} == {"env.php", "getenv.php", "facade.php", "global.php"}
    assert re.search("database", str(FindEnvReaders(root).command.words))
