from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.logged_errors import ErrorsRead, LoggedError, ReadErrors
from tests.unit.facts.answers import ask_here, run_here, said

#: What Laravel 8 logged of an exception in a controller, shortened.
RAISED = r"""[2026-11-29 17:36:51] production.ERROR: no rate for guest4711@example.test {"exception":"[object] (RuntimeException(code: 0): no rate for guest4711@example.test at /srv/soleil/releases/20260102000000/app/Http/Controllers/BookingController.php:12)
[stacktrace]
#0 /srv/x/app/Listeners/Rates.php(21): App\\Listeners\\Rates->of()
#0 /usr/share/php/Illuminate/Routing/ControllerDispatcher.php(48): App\\Http\\Controllers\\BookingController->index()
#1 /usr/share/php/Illuminate/Routing/Route.php(261): Illuminate\\Routing\\ControllerDispatcher->dispatch()
#2 /srv/x/app/Http/Middleware/Tenant.php(21): App\\Http\\Middleware\\Tenant->handle()
#24 /srv/soleil/releases/20260102000000/public/index.php(7): Illuminate\\Foundation\\Http\\Kernel->handle()
#25 {main}
"} 
"""  # noqa: E501, W291  # as it stands there
IN_A_JOB = r"""[2026-11-29T17:36:52.123456+00:00] local.CRITICAL: gone {"job":1,"exception":"[object] (App\\Exceptions\\Gone(code: 7): gone at /srv/x/app/Jobs/Export.php:9)
[stacktrace]
#0 /srv/x/app/Http/Middleware/Tenant.php(21): App\\Http\\Middleware\\Tenant->handle()
#1 /usr/share/php/x.php(1): App\\Jobs\\Export::run()
"} 
"""  # noqa: E501, W291  # likewise
PLAIN = '[2026-11-29 17:36:53] production.ERROR: the rates of jan@example.test are old {"room":3} \n'
MINOR = '[2026-11-29 17:36:54] production.INFO: booking created {"id":7} \n'


def read(folder: Here, text: str | bytes) -> tuple[LoggedError, ...]:
    """What the real tools make of a log."""
    (folder / "laravel.log").write_bytes(text.encode() if isinstance(text, str) else text)
    found: ErrorsRead | None = ask_here(ReadErrors(Path(folder / "laravel.log")))
    assert found is not None
    assert found.file == Path(folder / "laravel.log")
    return found.errors


def test_an_error_is_told_by_its_class_its_place_and_what_led_there(tmp_path: Here) -> None:
    assert read(tmp_path, RAISED + MINOR + IN_A_JOB + PLAIN) == (
        LoggedError(
            at="2026-11-29 17:36:51",
            raised="RuntimeException",
            place="Controllers/BookingController.php:12",
            action=r"App\Http\Controllers\BookingController->index",
        ),
        LoggedError(
            at="2026-11-29 17:36:52",
            raised=r"App\Exceptions\Gone",
            place="Jobs/Export.php:9",
            action=r"App\Jobs\Export::run",
        ),
        LoggedError(at="2026-11-29 17:36:53"),
    )


def test_what_an_error_says_does_not_leave_the_host(tmp_path: Here) -> None:
    (tmp_path / "laravel.log").write_text(RAISED + PLAIN)
    said = run_here(ReadErrors(Path(tmp_path / "laravel.log")).command).stdout
    assert b"RuntimeException" in said
    assert b"@example.test" not in said
    assert b"rate" not in said


def test_hostile_text_is_no_error_and_no_class(tmp_path: Here) -> None:
    hostile = (
        b'[2026-11-29 17:36:53] production.ERROR: \x1b[31m \xff [2026-01-01 00:00:00] x.ERROR: a {"exception":"[object]'
        b" (\x1b[0m(code: 0): at /etc/../\xe2\x80\xae.php:1)\n"
    )
    assert read(tmp_path, hostile + PLAIN.encode()) == (
        LoggedError(at="2026-11-29 17:36:53"),
        LoggedError(at="2026-11-29 17:36:53"),
    )


def test_of_a_long_log_only_the_end_is_read_and_what_was_cut_off_is_no_error(tmp_path: Here) -> None:
    found = read(tmp_path, RAISED * 8000)
    assert 100 < len(found) < 8000
    assert len(set(found)) == 1


def test_a_log_without_an_error_and_one_that_is_not_there(tmp_path: Here) -> None:
    assert read(tmp_path, MINOR) == ()
    assert read(tmp_path, "") == ()
    assert ask_here(ReadErrors(Path(tmp_path / "other.log"))) is None
    assert ask_here(ReadErrors(Path(tmp_path / "none/other.log"))) is None


def test_of_a_log_that_is_begun_anew_every_day_the_newest_is_read(tmp_path: Here) -> None:
    (tmp_path / "laravel-2026-11-29.log").write_text(PLAIN)
    assert ask_here(ReadErrors(Path(tmp_path / "laravel.log"))) == ErrorsRead(
        file=Path(tmp_path / "laravel-2026-11-29.log"), errors=(LoggedError(at="2026-11-29 17:36:53"),)
    )


def test_a_log_that_may_not_be_read_and_an_answer_that_is_not_whole_tell_nothing() -> None:
    query = ReadErrors(Path("/srv/laravel.log"))
    with pytest.raises(FactError, match="needs root"):
        query.answer(
            said(
                "/srv/laravel.log\nend\n",
                stderr="tail: cannot open '/srv/laravel.log' for reading: Permission denied\n",
            )
        )
    with pytest.raises(FactError, match="not all was read"):
        query.answer(said("[2026-11-29 17:36:53] production.ERROR: \n"))
