"""The task's test: what was seen goes in, changes come out; no host is needed."""

from dataclasses import replace
from pathlib import PurePosixPath

from deploy_lock import RemoveDeployLock

from soleil_remediate import ByteSize
from soleil_remediate.facts.files import FileStat

TASK = RemoveDeployLock(path=PurePosixPath("/srv/soleil/deploy.lock"))
LOCK = FileStat(
    path=TASK.path, is_named_plainly=True, device=1, inode=2, links=1, owner_id=1000, owner="deploy", group="deploy",
    mode=0o644, type="f", size=ByteSize(0), allocated=ByteSize(0), modified=10_000,
)  # fmt: skip


def test_an_old_lock_is_removed_and_can_be_made_again() -> None:
    (change,) = TASK.plan((LOCK, LOCK.modified + 3601)).changes
    assert change.command.words == ("rm", "-f", "--", "/srv/soleil/deploy.lock")
    assert change.undo.command is not None


def test_the_lock_of_a_running_deploy_stays() -> None:
    assert TASK.plan((LOCK, LOCK.modified + 3600)).changes == ()


def test_a_lock_from_the_future_is_young() -> None:
    assert TASK.plan((replace(LOCK, modified=99_999), 10_000)).changes == ()


def test_no_lock_is_healthy() -> None:
    assert TASK.plan((None, 10_000)).changes == ()
