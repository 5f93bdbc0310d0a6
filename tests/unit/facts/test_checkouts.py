from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.checkouts import (
    BAD_COMMITS,
    CheckedOut,
    Checkout,
    ReadBadCommits,
    ReadCheckedOut,
    ReadDifference,
    ReadDirt,
    ReadLogged,
    ReadTracked,
    changed_migrations,
    new_migrations,
    read_checkout,
    read_migrations,
)
from soleil_remediate.look import look
from tests.unit.facts.answers import complaint, record, run_here, said, see

HOUR = 3600
START = 1_790_000_000
ME = "root"


def as_user(user: int) -> tuple[str, ...]:
    """What lets words run as a user, as a session would; nothing where only our own can."""
    if os.getuid() != 0:
        return ()
    entry = pwd.getpwuid(user)
    return ("setpriv", f"--reuid={user}", f"--regid={entry.pw_gid}", "--clear-groups", "env", f"HOME={entry.pw_dir}")


def git(folder: Here, *words: str, at: int = START) -> str:
    """Let git do something as the one whom the folder belongs to."""
    environment = {
        **os.environ,
        "GIT_COMMITTER_DATE": f"@{at} +0000",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    done = subprocess.run(
        [*as_user(folder.stat().st_uid), "git", "-C", str(folder), *who, *words],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def commit(folder: Here, name: str, text: str, at: int) -> str:
    """Commit a file, checked out since then."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", name, at=at)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository() -> Iterator[Here]:
    """One that is not root's, in a folder that others may reach: what pytest makes is its user's alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # a TMPDIR may be one user's alone as well
        Here(name).chmod(0o755)
        folder = Here(name, "a folder")
        folder.mkdir()
        if os.getuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        git(folder, "init", "-q", "-b", "main")
        yield folder


async def read_all(root: Path, to: str | None) -> Checkout:
    found = await read_checkout(Reader(), root, to)
    return replace(found, migrations=await read_migrations(Reader(), found))


def look_at(folder: Here, to: str | None = None, *, most_rounds: int = 3) -> Checkout:
    """What is seen of a checkout, by the real tools."""
    host = _Here()
    (seen,) = look([read_all(Path(folder), to)], host.ask)
    assert host.rounds <= most_rounds
    assert len({*host.asked}) == len(host.asked)
    if isinstance(seen, FactError):
        raise seen
    assert isinstance(seen, Checkout)
    return seen


class _Here:
    def __init__(self) -> None:
        self.rounds = 0
        self.asked: list[Command] = []

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        self.rounds += 1
        self.asked += commands
        return [run_here(self._as_told(command)) for command in commands]

    def _as_told(self, command: Command) -> Command:
        if command.user is None:
            return command
        return replace(command, words=(*as_user(pwd.getpwnam(command.user).pw_uid), *command.words))


def test_what_was_there_before_is_told_by_gits_own_log(repository: Here) -> None:
    first = commit(repository, "a", "1", START)
    second = commit(repository, "database/migrations/2_new.php", "<?php\nnew;", START + HOUR)
    seen = look_at(repository)
    assert seen.history == (CheckedOut(second, START + HOUR), CheckedOut(first, START))
    assert seen.current == CheckedOut(second, START + HOUR)
    assert seen.before == (CheckedOut(first, START),)
    assert seen.chosen(None) == CheckedOut(first, START)
    assert (seen.dirt, seen.bad, seen.tracked, seen.lock) == ((), frozenset(), frozenset(), None)
    assert seen.difference == {"database/migrations/2_new.php": "A"}
    assert seen.migrations == {"2_new.php": "<?php\nnew;"}
    assert seen.git is not None


def test_what_was_passed_through_in_a_minute_was_not_served_and_what_is_there_again_counts_from_the_first(
    repository: Here,
) -> None:
    first = commit(repository, "a", "1", START)
    passed = commit(repository, "a", "2", START + HOUR)
    last = commit(repository, "a", "3", START + HOUR + 59)
    git(repository, "reset", "-q", "--hard", "HEAD", at=START + 2 * HOUR)
    seen = look_at(repository)
    assert seen.current == CheckedOut(last, START + HOUR + 59)
    assert [one.commit for one in seen.before] == [first]
    assert seen.chosen(passed[:12]) == CheckedOut(passed, START + HOUR)
    git(repository, "checkout", "-q", "--detach", first, at=START + 3 * HOUR)
    assert [one.commit for one in look_at(repository).before] == [last]


def test_a_marked_commit_is_not_chosen_and_what_tells_no_commit_from_others_chooses_none(repository: Here) -> None:
    first = commit(repository, "a", "1", START)
    second = commit(repository, "a", "2", START + HOUR)
    commit(repository, "a", "3", START + 2 * HOUR)
    git(repository, "update-ref", f"{BAD_COMMITS}/{second}", second)
    seen = look_at(repository)
    assert seen.bad == {second}
    assert seen.chosen(None) == CheckedOut(first, START)
    assert seen.chosen("zz") is None
    assert look_at(repository, to="zz").difference is None
    both = replace(seen, history=(CheckedOut("ab" * 20, 2), CheckedOut("ac" * 20, 1)))
    assert both.chosen("a") is None


def test_changed_files_what_git_keeps_and_its_lock_are_seen_and_nothing_is_written(repository: Here) -> None:
    commit(repository, "vendor/autoload.php", "<?php", START)
    commit(repository, "b", "1", START + HOUR)
    (repository / "b").write_text("by hand")
    (repository / "untracked").touch()
    (repository / ".git/index.lock").touch()
    before = (repository / ".git/index").stat().st_mtime_ns
    seen = look_at(repository)
    assert seen.dirt == ("b",)
    assert seen.tracked == {"vendor/autoload.php"}
    assert seen.lock is not None
    assert (repository / ".git/index").stat().st_mtime_ns == before


@pytest.mark.parametrize("is_packed", [False, True])
def test_which_commits_to_compare_is_guessed_from_gits_files_so_that_no_round_trip_is_spent_on_it(
    repository: Here, is_packed: bool
) -> None:
    first = commit(repository, "a", "1", START)
    second = commit(repository, "a", "2", START + HOUR)
    commit(repository, "database/migrations/2_new.php", "new", START + 2 * HOUR)
    git(repository, "update-ref", f"{BAD_COMMITS}/{second}", second)
    if is_packed:
        git(repository, "pack-refs", "--all")
        assert not (repository / ".git" / BAD_COMMITS / second).exists()
    (logged,) = look([Reader().ask(ReadLogged(Path(repository)))], _Here().ask)
    seen = look_at(repository)
    assert (logged.history, logged.bad) == (seen.history, seen.bad)
    assert (seen.bad, seen.chosen(None)) == ({second}, CheckedOut(first, START))
    assert (seen.difference, seen.migrations) == (
        {"a": "M", "database/migrations/2_new.php": "A"},
        {"2_new.php": "new"},
    )
    assert look_at(repository, to=second[:9]).difference == {"database/migrations/2_new.php": "A"}


def test_why_a_commit_was_checked_out_is_not_read_there_since_it_may_name_an_address_with_its_password(
    repository: Here,
) -> None:
    first = commit(repository, "a", "1", START)
    git(repository, "update-ref", "--create-reflog", "-m", "pull https://me:verysecret@localhost/a", "HEAD", "HEAD")
    git(repository, "reset", "-q", "--hard", "HEAD")
    log = repository / ".git/logs/HEAD"
    log.write_text(log.read_text().replace("\treset: ", "\tpull https://me:verysecret@localhost/a: "))
    assert "verysecret" in log.read_text()
    told = run_here(ReadLogged(Path(repository)).command)
    assert (told.exit_status, b"secret" in told.stdout, first.encode() in told.stdout) == (0, False, True)


def test_git_itself_says_what_was_there_before_whatever_its_files_say_and_one_round_trip_more_is_spent(
    repository: Here,
) -> None:
    first = commit(repository, "a", "1", START)
    commit(repository, "database/migrations/2_new.php", "new", START + HOUR)
    worktree = repository.parent / "worktree"
    worktree.mkdir()
    os.chown(worktree, repository.stat().st_uid, -1)
    git(repository, "worktree", "add", "-q", "--detach", str(worktree), first, at=START + 2 * HOUR)
    git(worktree, "reset", "-q", "--hard", "main", at=START + 3 * HOUR)
    seen = look_at(worktree, most_rounds=4)
    assert seen.chosen(None) == CheckedOut(first, START + 2 * HOUR)
    assert seen.migrations == {"2_new.php": "new"}

    log = repository / ".git/logs/HEAD"
    log.write_text(log.read_text().replace(f" {first} ", f" {'0' * 40} "))
    seen = look_at(repository, most_rounds=4)
    assert isinstance(seen, Checkout), "a commit that is not there is no reason to believe nothing"


def test_the_first_commit_has_none_before_it(repository: Here) -> None:
    commit(repository, "a", "1", START)
    seen = look_at(repository)
    assert (seen.before, seen.chosen(None), seen.difference) == ((), None, None)


def test_a_way_back_that_did_not_come_to_its_end_is_seen_while_its_commit_is_there(repository: Here) -> None:
    first = commit(repository, "a", "1", START)
    second = commit(repository, "a", "2", START + HOUR)
    mark = repository / f".git/ROLLBACK_UNFINISHED-{first}"
    mark.touch()
    assert look_at(repository).unfinished is None
    git(repository, "update-ref", f"refs/soleil-remediate/bad/{second}", second)
    git(repository, "checkout", "-q", "--detach", first, at=START + 2 * HOUR)
    seen = look_at(repository)
    assert seen.unfinished is not None
    assert seen.unfinished.path == Path(mark)
    assert seen.left == CheckedOut(second, START + HOUR)
    mark.unlink()
    assert look_at(repository).left is None


def test_a_link_and_a_folder_without_git_are_no_checkouts_and_a_missing_one_is_not_there(tmp_path: Here) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "link").symlink_to("plain")
    assert look_at(tmp_path / "plain").git is None
    assert look_at(tmp_path / "link").link.target == "plain"
    with pytest.raises(NotOnHost):
        see(read_checkout(Reader(), Path("/srv/x"), None), ("", said(status=1, stderr=complaint("/srv/x"))))


def test_migrations_that_cannot_be_read_and_a_difference_that_cannot_be_told_are_said(repository: Here) -> None:
    commit(repository, "a", "1", START)
    commit(repository, "database/migrations/2_new.php", "x", START + HOUR)
    (repository / "database/migrations/2_new.php").unlink()
    assert isinstance(look_at(repository).migrations, FactError)
    _break(repository)
    assert isinstance(look_at(repository).difference, FactError)


def _break(repository: Here) -> None:
    """Take the tree of the first commit away."""
    tree = git(repository, "rev-parse", "HEAD~1^{tree}")
    (repository / ".git/objects" / tree[:2] / tree[2:]).unlink()


@pytest.mark.parametrize(
    "query, text",
    [
        (ReadCheckedOut(Path("/x"), ME), "abc\tHEAD@{1}\n"),
        (ReadCheckedOut(Path("/x"), ME), f"{'a' * 40}\tHEAD@{{0 minutes ago}}\n"),
        (ReadBadCommits(Path("/x"), ME), "abc\n"),
        (ReadLogged(Path("/x")), f"{'a' * 40}\n"),
        (ReadLogged(Path("/x")), "abc\nchecked out\n"),
        (ReadLogged(Path("/x")), f"checked out\n{'a' * 40} {'b' * 40} a <a@b> then\n"),
        (ReadDirt(Path("/x"), ME), "b\0"),
        (ReadTracked(Path("/x"), ME), "other\0"),
        (ReadDifference(Path("/x"), ME, "a" * 40, "b" * 40), "A\0"),
        (ReadDifference(Path("/x"), ME, "a" * 40, "b" * 40), "R100\0a\0"),
    ],
)
def test_what_git_does_not_say_is_no_answer(query: Query[object], text: str) -> None:
    with pytest.raises(FactError):
        query.answer(said(text))


def test_git_is_asked_as_the_one_whom_the_checkout_belongs_to() -> None:
    assert ReadDirt(Path("/x"), "deploy").command.user == "deploy"


@pytest.mark.parametrize("name", ["root", "toor"])
def test_of_a_checkout_of_roots_git_is_not_asked_at_all(name: str) -> None:
    seen = see(
        read_checkout(Reader(), Path("/srv/x"), None),
        ("find /srv/x -maxdepth", said("d\tdeploy\t1.5\t\0")),
        ("index.lock", said(status=1, stderr=complaint("/srv/x/.git/index.lock"))),
        ("logged-commits", said(f"checked out\n{'0' * 40} {'a' * 40} a <a@b> 1790000000 +0000\n")),
        ("ROLLBACK_UNFINISHED", said(status=1, stderr=complaint("/srv/x/.git"))),
        ("/srv/x/.git/HEAD", said("/srv/x/.git/HEAD\0ref: refs/heads/main\n")),
        ("/srv/x/.git", said(record("/srv/x/.git", kind="d", owner=name, owner_id=0))),
        most_rounds=1,
    )
    assert (seen.is_roots, seen.history, seen.difference) == (True, (), None)


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a checkout of root's")
def test_nothing_that_a_checkout_of_roots_names_is_run_by_looking_at_it(repository: Here) -> None:
    ran = repository.parent / "ran"
    commit(repository, "a", "1", START)
    commit(repository, "a", "2", START + HOUR)
    hook = repository.parent / "monitor"
    hook.write_text(f"#!/bin/sh\nid -u >{ran}\n")
    hook.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(hook))
    repository.parent.chmod(0o777)
    assert not look_at(repository).is_roots
    assert ran.read_text() == f"{repository.stat().st_uid}\n", "git runs it, as whom it is asked as"
    ran.unlink()
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 0, 0)
    assert look_at(repository).is_roots
    assert not ran.exists()


def test_a_migration_that_both_commits_have_is_new_and_changed() -> None:
    difference = {
        "database/migrations/1_a.php": "M",
        "database/migrations/2_b.php": "A",
        "database/migrations/3_c.php": "D",
        "app/a.php": "M",
    }
    assert new_migrations(difference) == ("1_a.php", "2_b.php")
    assert changed_migrations(difference) == ("1_a.php",)
