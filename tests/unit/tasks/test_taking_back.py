"""What the script that takes migrations back compares and believes, with an artisan that says what a test wants."""

from __future__ import annotations

import os
import pwd
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.facts.rollbacks import Artisan, ReadBatches, newest
from soleil_remediate.tasks import maintenance
from soleil_remediate.tasks.taking_back import TAKE_BACK
from tests.unit.facts.answers import captured

A, B, OLD = "2026_01_02_000001_a", "2026_01_02_000002_b", "2026_01_01_000001_old"
LINES = (f"Rolling back: {B}", f"B: drop table b; {B}", f"Rolling back: {A}", "A: alter  table a")


@dataclass
class Site:
    """An application in a folder, of which artisan, systemctl and PHP are only what this test says."""

    folder: Here
    ran: dict[str, int] = field(default_factory=lambda: {OLD: 1, A: 2, B: 2})
    form: str = "table"
    pretends: str = "\n".join(f"  {line}\t" for line in LINES) + "\r\n\n"
    #: Of a shell: how a rollback ends, with the names in ``$names``.
    rollback: str = f"take {B}; take {A}; exit 0"
    also: str = ""

    def write(self) -> None:
        (self.folder / "storage/framework").mkdir(parents=True, exist_ok=True)
        (self.folder / "code").mkdir(exist_ok=True)
        (self.folder / "bin").mkdir(exist_ok=True)
        (self.folder / "pretends").write_text(self.pretends)
        (self.folder / "ran").write_text("".join(f"{name} {batch}\n" for name, batch in self.ran.items()))
        self._program(
            "php",
            f"""\
            cd {self.folder}
            echo "$*" >>asked
            echo "$PGAPPNAME" >>known
            take() {{ sed -i "s/^$1 .*/$1 -/" ran; }}
            case $2 in
                migrate:status) {self.also or ":"}
                    {self._status()} ;;
                migrate:rollback)
                    case $* in
                        *--pretend*) cat pretends; echo "PHP Warning: odd" >&2 ;;
                        *) {self.rollback} ;;
                    esac ;;
            esac
            """,
        )
        self._program("systemctl", f'echo "$*" >>{self.folder}/asked')

    def _status(self) -> str:
        if self.form == "table":
            row = r'printf "| %-4s | %-40s | %-5s |\n", $2 == "-" ? "No" : "Yes", $1, $2 == "-" ? "" : $2'
            return f'echo "+------+---+---+"; echo "| Ran? | Migration | Batch |"; awk \'{{ {row} }}\' ran'
        rows = """awk '{ printf "  %s ...... %s  \\n", $1, $2 == "-" ? "Pending" : "[" $2 "] Ran" }' ran"""
        return f'echo; echo "  Migration name .... Batch / Status  "; {rows}'

    def _program(self, name: str, text: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{textwrap.dedent(text)}\n")
        file.chmod(0o755)

    @property
    def asked(self) -> str:
        return (self.folder / "asked").read_text() if (self.folder / "asked").exists() else ""

    def take_back(
        self, *lines: str, was: str = "releases/2", names: str = f"{B} {A}", migrations: str = ""
    ) -> tuple[int, str]:
        me = pwd.getpwuid(os.getuid()).pw_name
        words = TAKE_BACK.bind(
            self.folder / "current", me, "php", "end-page", self.folder / "current", was, me, self.folder / "code",
            migrations, names, *(lines or LINES),
        )  # fmt: skip
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={"PATH": path}, timeout=60
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def site(tmp_path: Here) -> Site:
    site = Site(tmp_path)
    site.write()
    (tmp_path / "releases/2/storage/framework").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/2")
    (tmp_path / "current/storage/framework/down").write_text("{}")
    return site


@pytest.mark.parametrize("version", ["8", "10"])
def test_the_host_reads_what_laravel_says_as_the_plan_does(version: str) -> None:
    answer = captured(f"migrate-status-laravel-{version}")
    batches = ReadBatches(Artisan(code=Path("/srv/app"), user="www-data")).answer(answer)
    text = TAKE_BACK.text
    functions = text[text.index("bare() {") : text.index("count=0")]

    def run(words: str) -> list[str]:
        words_of = ["sh", "-euc", f"{functions}\nbare | {words}"]
        done = subprocess.run(words_of, input=answer.stdout, capture_output=True, check=True)
        return done.stdout.decode().split()

    assert run("newest 99") == list(newest(batches))
    assert run("newest 2") == list(newest(batches))[:2]
    assert run("waiting") == ["2026_01_02_000004_not_yet"]


def was_begun(site: Site) -> bool:
    return any("migrate:rollback --force" in line for line in site.asked.splitlines())


@pytest.mark.parametrize("form", ["table", "dots"])
def test_they_are_taken_back_once_and_artisan_is_asked_whether_they_were(site: Site, form: str) -> None:
    site.form = form
    site.write()
    assert site.take_back() == (0, f"taken back: {B} {A}\n")
    asked = site.asked.splitlines()
    at = asked.index("artisan migrate:rollback --force --step=2 --no-interaction --no-ansi")
    assert asked[at - 1] == "stop -- end-page.timer end-page.service", "from now on nothing but an answer ends the page"
    assert asked[at + 1] == "artisan migrate:status --no-interaction --no-ansi"
    assert set((site.folder / "known").read_text().splitlines()) == {"soleil-remediate"}, (
        "that is what its database sees"
    )
    (site.folder / "asked").unlink()

    status, told = site.take_back()
    assert (status, told) == (75, f"other migrations than {B} {A} ran last by now: nothing was changed\n")
    assert not was_begun(site), "a second one would take back what was there before"


def test_the_older_code_is_told_where_the_migrations_are(site: Site) -> None:
    site.take_back(migrations="/srv/bad/database/migrations")
    told = [line for line in site.asked.splitlines() if line.startswith("artisan")]
    assert all("--path=/srv/bad/database/migrations --realpath --no-interaction" in line for line in told), told


@pytest.mark.parametrize("form", ["table", "dots"])
@pytest.mark.parametrize(
    "ran, why",
    [
        ({OLD: 1, A: 2, B: 2, "2026_01_03_000001_z": 3}, "other migrations than"),
        ({OLD: 1, A: 2, B: 2, "2026_01_03_000001_z": 2}, "other migrations than"),
        ({OLD: 10, A: 9, B: 9}, "other migrations than"),
        ({OLD: 1, A: 2}, "other migrations than"),
    ],
)
def test_whatever_ran_or_was_taken_back_meanwhile_ends_it(site: Site, form: str, ran: dict[str, int], why: str) -> None:
    site.ran, site.form = ran, form
    site.write()
    status, told = site.take_back()
    assert (status, why in told, was_begun(site)) == (75, True, False)


def test_whatever_else_would_be_run_by_now_ends_it(site: Site) -> None:
    status, told = site.take_back(*LINES[:3], "A: drop table a")
    assert (status, told) == (75, "something else would be done by now: nothing was changed\n")
    assert not was_begun(site)
    assert "stop" not in site.asked, "the timer goes on: nothing was begun"


@pytest.mark.parametrize(
    "before, why",
    [
        ("rm current/storage/framework/down", "users do not see the maintenance page"),
        ("ln -sfT releases/1 current; mkdir -p releases/1/storage/framework; touch current/storage/framework/down",
         "other code is served by now"),
        ("mkdir .dep; touch .dep/deploy.lock", "somebody deploys"),
    ],
)  # fmt: skip
def test_whatever_is_not_as_planned_ends_it_before_artisan_is_asked(site: Site, before: str, why: str) -> None:
    subprocess.run(["sh", "-euc", before], cwd=site.folder, check=True)
    status, told = site.take_back()
    assert (status, why in told, site.asked) == (75, True, "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a checkout of root's")
def test_a_checkout_that_became_roots_meanwhile_ends_it_before_git_or_artisan_is_asked(site: Site) -> None:
    site._program("git", f'echo "git $*" >>{site.folder}/asked; echo {"c" * 40}')
    subprocess.run(["sh", "-euc", "rm current; mv releases/2 current; mkdir current/.git"], cwd=site.folder, check=True)
    current = site.folder / "current"
    assert site.take_back(was="c" * 40) == (75, f"{current}/.git belongs to root by now: nothing was changed\n")
    assert site.asked == ""


def test_an_artisan_that_cannot_be_asked_ends_it(site: Site) -> None:
    site.also = "echo no route >&2; exit 255"
    site.write()
    assert site.take_back() == (75, "which migrations have run cannot be told (no route): nothing was changed\n")


def test_a_page_that_its_timer_has_ended_meanwhile_ends_it(site: Site) -> None:
    down = site.folder / "current/storage/framework/down"
    site._program("systemctl", f"rm {down}")
    status, told = site.take_back()
    assert (status, "do not see the maintenance page any more" in told, was_begun(site)) == (75, True, False)


@pytest.mark.parametrize("form", ["table", "dots"])
@pytest.mark.parametrize(
    "rollback, left, back",
    [
        (f"take {B}; echo SQLSTATE; exit 1", A, B),
        (f"take {B}; echo SQLSTATE; exit 0", A, B),
        ("echo SQLSTATE; exit 0", f"{B} {A}", "none"),
    ],
)
def test_what_artisan_says_of_itself_is_not_believed_and_what_is_left_is_said(
    site: Site, form: str, rollback: str, left: str, back: str
) -> None:
    site.rollback, site.form = rollback, form
    site.write()
    status, told = site.take_back()
    assert status == 1
    assert told == (
        f"SQLSTATE\nNOT taken back, or half: {left}; taken back: {back}: NOTHING IS SWITCHED, THE MAINTENANCE PAGE "
        "STAYS\n"
    )


def test_where_nobody_says_afterwards_which_have_run_they_were_not_taken_back_for_certain(site: Site) -> None:
    site.rollback = f"take {B}; take {A}; touch broken; exit 0"
    site.also = "[ ! -e broken ] || exit 1"
    site.write()
    status, told = site.take_back()
    assert (status, "which migrations were taken back cannot be told" in told) == (1, True)


@pytest.mark.parametrize("is_armed, ends", [(True, True), (False, False)])
def test_what_was_begun_behind_the_page_keeps_it_up_where_its_change_is_taken_back(
    site: Site, is_armed: bool, ends: bool
) -> None:
    down = site.folder / "current/storage/framework/down"
    down.write_text(f'{{"secret": "soleil-remediate-{"0a" * 16}"}}')
    site._program(
        "systemctl", f'case $* in *is-active*) exit {0 if is_armed else 3} ;; esac; echo "$*" >>{site.folder}/asked'
    )
    me = pwd.getpwuid(os.getuid()).pw_name
    current = site.folder / "current"
    words = maintenance._LEAVE.bind(
        current, me, "php", "end-page", current, "releases/2", me, 5, 1, "", "http://x/", "x"
    )
    path = f"{site.folder}/bin:{os.environ['PATH']}"
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": path}, timeout=60)
    assert (done.returncode, down.exists()) == (0 if ends else 1, not ends), done
    assert ends or "USERS GO ON SEEING THE MAINTENANCE PAGE" in done.stderr
