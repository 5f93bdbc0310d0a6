"""Security-incident on a real host: evidence off the host first, then what a person names; nothing is cleared away."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.copies import copies_of
from soleil_remediate.facts.incidents import MARK
from soleil_remediate.facts.tokens import Account
from soleil_remediate.host_outcomes import Eased, NotFixed, NotNeeded, WouldFix, WrongInput
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Change, Risk
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepUndecided
from soleil_remediate.task import Health, Verdict
from soleil_remediate.tasks.tokens import RevokeTokens
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "security-incident"

_TRACES = """
find /etc /home /root /srv /usr/local -xdev -path /srv/soleil/shared/storage/logs -prune -o \
    -printf '%p %i %s %m %u %T@ %C@\\n' | sort | sha256sum
ls -l /var/lib/soleil-remediate-incident 2>&1 || :
cd / && setpriv --reuid postgres --regid postgres --init-groups psql -X -q -A -t -d soleil -c \
    'select id, token, last_used_at from personal_access_tokens order by id' | sha256sum
systemctl show --property=Id,MainPID,ActiveState -- nginx php8.2-fpm postgresql@15-main redis-server supervisor
"""

#: Tokens are another model's, with another table, and Sanctum is told so; of the table before, some rows are left.
_SANCTUM = r"""
cd /srv/soleil/current
mkdir -p vendor/laravel/sanctum/src
cat >vendor/laravel/sanctum/src/Sanctum.php <<'PHP'
<?php // In place of Laravel Sanctum: it is told of another model for tokens, says which it is, and nothing else of it.
namespace Laravel\Sanctum;
class Sanctum {
    public static $personalAccessTokenModel = 'Laravel\\Sanctum\\PersonalAccessToken';
    public static function usePersonalAccessTokenModel($model) { static::$personalAccessTokenModel = $model; }
    public static function personalAccessTokenModel() { return static::$personalAccessTokenModel; }
}
PHP
echo "require_once __DIR__.'/laravel/sanctum/src/Sanctum.php';" >>vendor/autoload.php
model=app/Models/PersonalAccessToken.php provider=app/Providers/AppServiceProvider.php
sed -i "s/protected \$guarded/protected \$table = 'api_tokens'; &/" $model
tell='\\Laravel\\Sanctum\\Sanctum::usePersonalAccessTokenModel(\\App\\Models\\PersonalAccessToken::class);'
sed -i "s/function boot() *{/& $tell/" $provider
grep -q api_tokens $model
grep -q usePersonalAccessTokenModel $provider
psql -X -q -v ON_ERROR_STOP=1 postgresql://soleil:soleil-secret@127.0.0.1/soleil -c "
    alter table personal_access_tokens rename to api_tokens;
    create table personal_access_tokens as select * from api_tokens where name = 't1'"
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def answers(rehearsal: Rehearsal, token: str) -> str:
    """What the API answers to a token, by the second pair of eyes."""
    ask = "curl -s -o /dev/null -m 5 -w '%{http_code}' -H 'Authorization: Bearer " + token + "' localhost/api/me"
    return str(rehearsal.eyes().check_output(ask))


def saved(rehearsal: Rehearsal, report: HostReport) -> dict[str, bytes]:
    """What was saved by a run, by its name; each is what the manifest of its change says."""
    assert report.copies
    (folder,) = {Path(copy.path).parent for copy in report.copies}
    assert folder.parent == copies_of(rehearsal.state, "x").parent
    found = {path.name.removeprefix("web1-"): gzip.decompress(path.read_bytes()) for path in folder.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    listed = set()
    for name in [name for name in found if name.endswith("manifest.gz")]:
        step = name.removesuffix("manifest.gz")
        for line in found[name].decode().splitlines():
            digest, size, part = line.split(" ")
            content = found[f"{step}{part}.gz"]
            assert (digest, int(size)) == (hashlib.sha256(content).hexdigest(), len(content))
            listed.add(f"{step}{part}.gz")
        listed.add(name)
    assert listed == found.keys()
    return found


def is_evidence(found: Mapping[str, bytes]) -> None:
    """Everything that has to be there is, and no digest of a token."""
    assert [json.loads(line)["name"] for line in found["1-0-token-rows.jsonl.gz"].splitlines()[1:]] == [
        "t1",
        "t2",
        "t3",
    ]
    digests = [hashlib.sha256(f"1-{number}".encode()).hexdigest() for number in (1, 2, 3)]
    assert not [digest for digest in digests for content in found.values() if digest.encode() in content]
    assert b"192.31.196.8" in found["0-0-audit.jsonl.gz"]
    assert b"nginx" in found["0-0-processes.gz"]
    assert b"== /proc/net/tcp\n" in found["0-0-sockets.gz"]
    assert b"== nft list ruleset\n" in found["0-0-state.gz"]
    assert b"SYSLOG_IDENTIFIER=" in found["0-0-journal.export.gz"]
    with tarfile.open(fileobj=io.BytesIO(found["0-0-logs.tar.gz"])) as logs:
        log = logs.extractfile("/var/log/nginx/access.log")
        assert log is not None
        assert b"192.31.196.8 - " in log.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault, what a person names, and the kinds that are sent then, in order."""

    fault: str
    sent: tuple[str, ...]
    inputs: Mapping[str, str]


REPAIRED = [
    Rehearsed(
        fault="tokens-shared",
        sent=("evidence.collect", "tokens.revoke"),
        inputs={"incident": "INC-42", "user": "User1@Example.test"},
    ),
    Rehearsed(
        fault="address-attacking",
        sent=("evidence.collect", "address.block"),
        inputs={"incident": "INC-42", "address": "192.31.196.9"},
    ),
]


def test_tokens_used_from_two_addresses_are_seen_their_evidence_is_saved_and_only_then_they_are_revoked(
    rehearsal: Rehearsal,
) -> None:
    case = REPAIRED[0]
    rehearsal.host.break_with(case.fault)
    checks = set(fault_named(case.fault).kinds) - {kind.kind for kind in TASKS}
    assert rehearsal.red_checks() == checks
    alone = rehearsal.remediate()
    assert isinstance(alone.outcome, NotFixed)
    assert alone.sent == ()
    assert "--set incident=INC-42 --set user=1" in alone.outcome.why
    assert rehearsal.remediate(inputs={"user": "1"}).sent == ()
    assert isinstance(rehearsal.preview(incident="INC-42", user="nobody@example.test").outcome, WrongInput)
    before = traces(rehearsal)
    seen = rehearsal.preview(**case.inputs)
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert seen.preview.risk is Risk.DESTRUCTIVE
    assert traces(rehearsal) == before
    read = "stat -c %X /var/log/nginx/error.log"
    rehearsal.host.shell("mount -o remount,atime,relatime /var/log; echo x >>/var/log/nginx/error.log")
    rehearsal.host.shell("touch -a -d 2026-01-01 /var/log/nginx/error.log")
    was_read = rehearsal.host.shell(read)

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Eased), report.outcome
    assert "incident INC-42 is open" in report.outcome.why
    assert report.kinds_sent == case.sent
    assert rehearsal.host.shell(read) == was_read
    assert [answers(rehearsal, token) for token in ("1-1", "1-2", "1-3", "2-1")] == ["401", "401", "401", "200"]

    is_evidence(saved(rehearsal, report))
    after = traces(rehearsal)
    again = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == again.copies == ()
    assert traces(rehearsal) == after
    assert rehearsal.remediate(inputs={"incident": "INC-43", "user": "2"}).sent == ()
    assert answers(rehearsal, "2-1") == "200"


def test_where_sanctum_keeps_tokens_in_another_table_they_are_seen_saved_and_revoked_there_and_nowhere_else(
    rehearsal: Rehearsal,
) -> None:
    def told(select: str) -> list[str]:
        psql = f"cd / && setpriv --reuid postgres --clear-groups psql -qAt -d soleil -c '{select}'"
        return rehearsal.host.shell(psql).splitlines()

    case = REPAIRED[0]
    rehearsal.host.shell(_SANCTUM, user="deploy")
    rehearsal.host.break_with(case.fault)
    old = "select tokenable_id, name, token from personal_access_tokens order by id"
    new = "select tokenable_id, name, token from api_tokens order by id"
    old_rows, new_rows = told(old), told(new)
    assert (len(old_rows), len(new_rows)) == (5, 15)

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Eased), report.outcome
    assert report.kinds_sent == case.sent
    is_evidence(saved(rehearsal, report))
    assert [answers(rehearsal, token) for token in ("1-1", "1-2", "1-3", "2-1")] == ["401", "401", "401", "200"]
    assert told(new) == [row for row in new_rows if not row.startswith("1|")]
    assert told(old) == old_rows


def test_an_attacking_address_is_blocked_and_what_fills_a_disk_meanwhile_is_kept_until_the_incident_is_over(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    case = REPAIRED[1]
    rehearsal.host.break_with(case.fault)
    assert rehearsal.red_checks() == {"address.harmless"}
    rehearsal.host.break_with("old-backups")
    assert rehearsal.remediate(inputs={"address": "192.31.196.9"}).sent == ()
    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Eased), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    answer = "ip netns exec strangers curl -s -o /dev/null -m 2 --interface 192.31.196.9 http://192.31.196.1/api/me"
    assert rehearsal.eyes().run(answer).rc == 28
    assert b"192.31.196.9 - " in saved(rehearsal, report)["0-0-logs.tar.gz"]

    disk = Rehearsal(rehearsal.host, tmp_path / "disk", "disk-full")
    dumps = "find /var/backups -printf '%p %i %s %T@\\n' | sort"
    before = rehearsal.host.shell(dumps)
    kept = disk.remediate()
    assert kept.sent == ()
    assert kept.preview is not None
    why = {step.outcome.why for step in kept.preview.steps if isinstance(step.outcome, StepUndecided)}
    assert [one for one in why if one.startswith("incident INC-42 is open since ") and f"sudo rm {MARK}" in one]
    assert rehearsal.host.shell(dumps) == before
    rehearsal.host.run("rm", str(MARK)).checked()
    assert disk.remediate().kinds_sent == ("backup.prune",)


def test_where_no_table_says_from_where_tokens_are_used_that_is_unknown_and_what_a_person_names_is_done(
    rehearsal: Rehearsal,
) -> None:
    def of_tokens(**inputs: str) -> Verdict:
        seen = rehearsal.preview(**inputs).preview
        assert seen is not None
        return next(one.verdict for one in seen.standing.symptom if one.kind == "tokens.unshared")

    def psql(statement: str) -> None:
        somebody = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
        rehearsal.host.run(*somebody, "psql", "-X", "-q", "-d", "soleil", "-c", statement).checked()

    rehearsal.host.break_with("address-attacking")
    psql("alter table audit_logs rename to elsewhere")
    unknown = of_tokens()
    assert unknown.health is Health.UNKNOWN
    assert unknown.why.startswith("no table audit_logs or admin_audit_logs says from where tokens are used")
    assert of_tokens(audit_table="elsewhere").health is Health.HEALTHY

    report = rehearsal.remediate(inputs=REPAIRED[1].inputs)
    assert isinstance(report.outcome, Eased), report.outcome
    assert f"unknown before, and still: {unknown.why}; the goal is not met: incident INC-42" in report.outcome.why
    assert tuple(dict.fromkeys(report.kinds_sent)) == REPAIRED[1].sent

    auth = "/srv/soleil/current/config/auth.php"
    psql("delete from personal_access_tokens")
    assert (of_tokens().health, of_tokens().why) == (Health.HEALTHY, "nobody has a token")
    rehearsal.host.run("sed", "-i", "s/'guards' => \\[/&'api' => ['driver' => 'passport'], /", auth).checked()
    assert of_tokens().health is Health.UNKNOWN


def test_an_incident_that_nobody_has_ended_is_told_by_its_check_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("incident-left-open")
    assert rehearsal.red_checks() == {"incident.over"}
    again = rehearsal.remediate(inputs={"incident": "INC-42"})
    assert again.sent == ()
    assert isinstance(again.outcome, NotNeeded | NotFixed)
    assert "INC-41" in again.outcome.why


def test_no_token_is_revoked_that_nobody_saved_and_none_while_its_incident_is_not_open(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("incident-left-open")
    seen = Account(id="3", tokens=3, used=None, sessions="file")

    def change(incident: str) -> Change:
        return (
            RevokeTokens(root=PurePosixPath("/srv/soleil/current"), account="3", incident=incident)
            .plan(seen)
            .changes[0]
        )

    def sent(receipt: str, incident: str = "INC-41") -> tuple[int, str]:
        done = rehearsal.host.run(*change(incident).command.words, user="root", stdin=receipt.encode())
        return done.returncode, (done.stdout + done.stderr).strip()

    def count() -> str:
        select = "select count(*) from personal_access_tokens where tokenable_id = 3"
        return rehearsal.host.shell(
            f"cd / && setpriv --reuid postgres --clear-groups psql -qAt -d soleil -c '{select}'"
        )

    def receipt() -> str:
        rows = change("INC-41").gathers[0].command
        assert isinstance(rows.stdin, str)
        said = rehearsal.host.run(*rows.words, stdin=rows.stdin.encode()).checked().stdout
        return f"{hashlib.sha256(said.encode()).hexdigest()} {len(said)} token-rows.jsonl\n"

    saved_before = receipt()
    assert sent("") == (75, "nobody has saved them: nothing was changed")
    status, why = sent(saved_before, "INC-42")
    assert (status, why.startswith("incident INC-42 is not open here")) == (75, True)
    new = "insert into personal_access_tokens (tokenable_type, tokenable_id, name, token, created_at) values"
    new += " ($$App\\Models\\User$$, 3, $$new$$, $$x$$, now())"
    rehearsal.host.shell(f"cd / && setpriv --reuid postgres --clear-groups psql -q -d soleil -c {shlex.quote(new)}")
    assert sent(saved_before) == (75, "a token came or went since they were saved: nothing was changed; run it again")
    assert count() == "4"
    assert sent(receipt()) == (0, "4 revoked")
    assert count() == "0"
    assert sent(receipt()) == (0, "0 revoked")
