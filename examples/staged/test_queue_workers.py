"""The task's test: what was seen goes in, changes come out; no host is needed."""

from pathlib import PurePosixPath

import pytest
from queue_workers import ReadAges, RestartQueueWorkers

from soleil_remediate import ByteSize, Output, Unplannable
from soleil_remediate.facts.files import FileStat

TASK = RestartQueueWorkers(root=PurePosixPath("/srv/soleil/current"))
LINK = FileStat(
    path=TASK.root, is_named_plainly=True, device=1, inode=2, links=1, owner_id=1000, owner="deploy", group="deploy",
    mode=0o777, type="l", size=ByteSize(23), allocated=ByteSize(0), modified=10_000,
)  # fmt: skip


def test_workers_from_before_the_release_are_told_as_whom_artisan_belongs_to() -> None:
    (change,) = TASK.plan((LINK, (61, 7), LINK.modified + 60)).changes
    assert change.before == "1 of 2 workers here run code from before this release"
    assert change.command.user == "www-data"


def test_workers_that_were_started_after_it_are_left_alone() -> None:
    assert TASK.plan((LINK, (60, 7), LINK.modified + 60)).changes == ()


@pytest.mark.parametrize("link, ages", [(None, (61,)), (LINK, ())])
def test_where_no_release_or_no_worker_is_seen_nothing_is_known(link: FileStat | None, ages: tuple[int, ...]) -> None:
    with pytest.raises(Unplannable):
        TASK.plan((link, ages, LINK.modified + 60))


def test_only_workers_of_this_application_count() -> None:
    processes = (
        b"  900 php /srv/soleil/current/artisan queue:work redis --tries=1\n"
        b"   12 php /srv/blog/current/artisan queue:work redis\n"
        b"    3 [kworker/0:1]\n"
        b"   99 php /srv/soleil/current/artisan schedule:work\n"
    )
    assert ReadAges(root=TASK.root).parse(Output(exit_status=0, stdout=processes)) == (900,)
