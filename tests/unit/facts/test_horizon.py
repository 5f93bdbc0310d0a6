from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.horizon import AskHorizon, HorizonWorker, ListHorizonWorkers, Status
from tests.unit.facts.answers import said

STATUS = AskHorizon(Path("/srv/soleil/current"), "www-data")


@pytest.mark.parametrize(
    "text, exit_status, status",
    [
        ("Horizon is running.\n", 0, Status.RUNNING),
        ("\n   WARN  Horizon is paused.  \n\n", 1, Status.PAUSED),
        ("Horizon is paused.\n", 0, Status.PAUSED),
        ("\n   ERROR  Horizon is inactive.  \n\n", 2, Status.INACTIVE),
        ("Horizon is inactive.\n", 1, Status.INACTIVE),
    ],
)
def test_its_words_count_and_its_exit_status_does_not(text: str, exit_status: int, status: Status) -> None:
    assert STATUS.answer(said(text, status=exit_status)) is status


@pytest.mark.parametrize(
    "answer, why",
    [
        (
            said(status=1, stderr='\n  There are no commands defined in the "horizon" namespace.\n'),
            'There are no commands defined in the "horizon" namespace',
        ),
        (said("\n"), "no word of how it is"),
    ],
)
def test_where_it_says_nothing_of_itself_that_is_not_known(answer: object, why: str) -> None:
    with pytest.raises(FactError, match=why):
        STATUS.answer(answer)  # type: ignore[arg-type]


def test_its_workers_are_told_by_their_words_and_by_who_started_them() -> None:
    listed = said(
        "      1       0 /sbin/init\n"
        "    126      41 php /srv/soleil/current/artisan horizon\n"
        "     41       1 supervisord\n"
        "    139     126 php artisan horizon:supervisor web1-126:one redis --queue=high,default\n"
        "    145     139 php artisan horizon:work redis --name=default --queue=high,default --supervisor=web1-126:one\n"
        "    146     146 php artisan horizon:work\n"
        "      7       2\n"
    )
    assert ListHorizonWorkers().answer(listed) == (
        HorizonWorker(above=(139, 126, 41, 1), connection="redis", queues=("high", "default")),
        HorizonWorker(above=(146,)),
    )


def test_what_is_no_list_of_processes_is_no_answer() -> None:
    with pytest.raises(FactError):
        ListHorizonWorkers().answer(said("php artisan horizon:work\n"))
