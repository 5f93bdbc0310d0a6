from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.requests import Logged, ReadRequests, Request, Traffic, read_traffic
from soleil_remediate.units import Duration
from tests.unit.facts.answers import complaint, record, run_here, said, see
from tests.unit.facts.services import SOCKETS

_NINE = seconds_at(2026, 11, 25, 9)
_LINK = "/srv/web/current"


def logged(
    status: int,
    asked: str = "GET /api/rooms HTTP/1.1",
    *,
    second: int = 0,
    by: str = "203.0.113.7 - -",
    rest: str = '18 "-" "x"',
) -> str:
    """What nginx logs of a request that many seconds after nine."""
    return f'{by} [25/Nov/2026:09:00:{second:02} +0000] "{asked}" {status} {rest}\n'


def read(folder: Here, lines: Iterable[str], before: Iterable[str] | None = None, page: str = "/") -> Logged:
    """What the real tools make of a log, and of the one before it."""
    (folder / "access.log").write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    if before is not None:
        (folder / "access.log.1").write_text("".join(before))
    query = ReadRequests(Path(folder / "access.log"), page)
    return query.answer(run_here(query.command))


def test_requests_of_the_log_and_of_the_one_before_it_are_read_the_oldest_first(tmp_path: Here) -> None:
    found = read(tmp_path, [logged(500, second=2), logged(200, second=3)], [logged(200, second=1)])
    assert found.newest == _NINE + 3
    assert [(one.at - _NINE, one.status, one.is_failed) for one in found.requests] == [
        (1, 200, False),
        (2, 500, True),
        (3, 200, False),
    ]


@pytest.mark.parametrize(
    "asked, endpoint",
    [
        ("GET /api/rooms HTTP/1.1", "GET /api/rooms"),
        ("POST /api/v2/rooms/4711/book?guest=jan@example.test HTTP/2.0", "POST /api/v2/rooms/{}/book"),
        ("GET /reset-password/9f86d081884c HTTP/1.1", "GET /reset-password/{}"),
        ("GET /guests/jan@example.test/%41 HTTP/1.1", "GET /guests/{}/{}"),
        ("GET / HTTP/1.1", "GET /"),
        ("GET /a/b/c/d/e/f/g HTTP/1.1", "GET /a/b/c/d/e/f/…"),
        ("GET /\\x1B[31m HTTP/1.1", "GET /{}"),
        ("\\x16\\x03\\x01", "?"),
        ("", "?"),
    ],
)
def test_an_endpoint_tells_plain_words_only(tmp_path: Here, asked: str, endpoint: str) -> None:
    assert [one.endpoint for one in read(tmp_path, [logged(502, asked)]).requests] == [endpoint]


@pytest.mark.parametrize(
    "line",
    [
        logged(302),
        logged(404),
        logged(499),
        logged(200, "GET /logo.png HTTP/1.1"),
        logged(200, "GET /api/health/ready HTTP/1.1"),
        logged(200, "OPTIONS /api/rooms HTTP/1.1"),
        logged(503, "GET /api/health/ready HTTP/1.1", by="127.0.0.1 - -"),
        logged(503, "GET /start HTTP/1.1", by="::1 - -"),
        logged(200, "GET /start HTTP/1.1", by="::1 - -"),
    ],
)
def test_what_says_nothing_of_the_application_is_no_request_of_a_user(tmp_path: Here, line: str) -> None:
    found = read(tmp_path, [line], page="/start")
    assert (found.requests, found.newest) == ((), _NINE)


@pytest.mark.parametrize(
    "line",
    [
        logged(500, "GET /orders/status HTTP/1.1"),
        logged(503, "GET /api/health/ready HTTP/1.1"),
        logged(200, by="127.0.0.1 - -"),
        logged(500, by="127.0.0.1 - -"),
        logged(502, "GET /logo.png HTTP/1.1"),
    ],
)
def test_what_failed_counts_and_so_does_what_a_proxy_on_the_host_hands_on(tmp_path: Here, line: str) -> None:
    assert len(read(tmp_path, [line]).requests) == 1


def test_what_a_user_sends_cannot_look_like_another_request(tmp_path: Here) -> None:
    fake = '[25/Nov/2026:09:00:00 +0000] "GET / HTTP/1.1" 500 1'
    lines = [
        logged(200, rest='18 "[25/Nov/2026:09:00:00 +0000] " " 500 x"'),
        logged(200, "GET /?\\x22 500 1 HTTP/1.1"),
        logged(200, by="203.0.113.7 - " + fake.replace('"', "\\x22")),
    ]
    assert [one.status for one in read(tmp_path, lines).requests] == [200] * 3


def test_of_a_long_log_the_newest_part_is_read_and_a_line_that_was_cut_is_none(tmp_path: Here) -> None:
    found = read(tmp_path, [logged(200, f"GET /{'x' * 30} HTTP/1.1", second=one % 60) for one in range(20_000)])
    assert 2_000 < len(found.requests) < 20_000
    assert {one.endpoint for one in found.requests} == {f"GET /{'x' * 30}"}


def test_how_far_back_it_was_read_is_known_also_by_lines_that_say_nothing_of_the_application(tmp_path: Here) -> None:
    lines = [logged(404, f"GET /{'x' * 50} HTTP/1.1", second=one // 250) for one in range(10_000)]
    found = read(tmp_path, [*lines, logged(200, second=41)])
    assert len(found.requests) == 1
    assert found.oldest is not None
    assert _NINE + 10 < found.oldest < _NINE + 30
    assert read(tmp_path, [logged(302, second=2), logged(200, second=3)], []).oldest == _NINE + 2


def test_a_time_that_cannot_be_is_no_request(tmp_path: Here) -> None:
    assert read(tmp_path, [logged(500, second=99)]) == Logged(requests=(), oldest=None, newest=None)


def test_an_empty_log_and_one_in_another_format_tell_nothing(tmp_path: Here) -> None:
    for lines in ([], ['{"status":500}\n']):
        assert read(tmp_path, lines) == Logged(requests=(), oldest=None, newest=None)


def test_a_log_that_is_not_there_is_named(tmp_path: Here) -> None:
    log = Path(tmp_path / "access.log")
    query = ReadRequests(log, "/")
    with pytest.raises(FactError, match=f"^there is no {log}, where nginx was to log the requests"):
        query.answer(run_here(query.command))
    with pytest.raises(FactError, match="needs root"):
        query.answer(said("end\n", stderr=f"tail: cannot open '{log}' for reading: Permission denied\n"))


@pytest.mark.parametrize("text", ["", "x\n", "end\nx", "xend\n", f"{logged(200)}x\nend\n"])
def test_an_answer_that_is_not_whole_is_none(text: str) -> None:
    with pytest.raises(FactError):
        ReadRequests(Path("/l"), "/").answer(said(text))


RULES = (
    ("/proc/net/tcp", said(SOCKETS)),
    ("date +%s", said(f"{_NINE}\n")),
    ("curl", said("ok\n200\t\t0")),
)
GIT = f"{_LINK}/.git/logs/HEAD"


@pytest.mark.parametrize(
    "link, commits, switched",
    [
        (said(b"l\tdeploy\t1795600000.5\treleases/42\0"), said(status=1, stderr=complaint(GIT)), 1795600000),
        (said(b"d\tdeploy\t1795600000.5\t\0"), said(record(GIT, modified=1795611111)), 1795611111),
        (said(b"d\tdeploy\t1795600000.5\t\0"), said(status=1, stderr=complaint(GIT)), 0),
        (said(status=1, stderr=complaint(_LINK)), said(status=1, stderr=complaint(GIT)), 0),
    ],
)
def test_a_page_is_asked_for_and_then_the_log_is_read(link: object, commits: object, switched: int) -> None:
    line = '203.0.113.7 - - [25/Nov/2026:09:00:00 +0000] "GET /api/rooms HTTP/1.1" 500 '
    rules = ((".git/logs/HEAD", commits), (f"find {_LINK} ", link), *RULES, ("read-requests", said(f"{line}\nend\n")))
    read = read_traffic(Reader(), log=Path("/l"), root=Path(_LINK), page="/", url=None, origin=None, within=Duration(5))
    seen = see(read, *rules, most_rounds=3)  # type: ignore[arg-type]
    assert seen == Traffic(
        logged=Logged(requests=(Request(at=_NINE, endpoint="GET /api/rooms", status=500),), oldest=_NINE, newest=_NINE),
        page=seen.page,
        now=_NINE,
        switched=switched,
    )
    assert (seen.page.status, seen.is_logged) == (200, True)
