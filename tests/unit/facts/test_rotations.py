from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.rotations import ReadRules, RotationsSeen, Rule, StatRules, is_compressed, read_rotations
from tests.unit.facts.answers import NOT_THERE, captured, complaint, record, said, see

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
NGINX = Path("/var/log/nginx/access.log")
CONF = "/etc/logrotate.conf"


def rules(text: str) -> tuple[Rule, ...]:
    return ReadRules().answer(said("".join(f"{CONF}\0{line}\n" for line in text.splitlines())))


RULES, OWNERS = captured("logrotate-rules"), captured("logrotate-owners")


def rotations(files: bytes, rule: Output = RULES, owners: Output = OWNERS) -> RotationsSeen:
    answers = ("realpath", said("/var/log/nginx\0")), ("grep", rule), ("logrotate", owners), ("find", said(files))
    seen = see(read_rotations(Reader(), NGINX), *HOST, *answers, most_rounds=1)
    assert isinstance(seen, RotationsSeen)
    return seen


def test_a_real_hosts_rules_are_read_with_the_defaults_for_all() -> None:
    found = ReadRules().answer(captured("logrotate-rules"))
    (nginx,) = (rule for rule in found if rule.covers(NGINX))
    assert (nginx.source, nginx.patterns) == (Path("/etc/logrotate.d/nginx"), ("/var/log/nginx/*.log",))
    assert (nginx.count, nginx.value("compress"), nginx.value("delaycompress")) == (14, "", "")
    assert nginx.defaults == ("weekly", "rotate 4", "create")
    assert nginx.has_script
    (apt,) = (rule for rule in found if rule.covers(Path("/var/log/apt/term.log")))
    assert not apt.has_script
    assert not any(rule.covers(Path("/var/log/nginx/below/access.log")) for rule in found)


def test_a_log_is_seen_with_its_rule_and_what_was_rotated_before() -> None:
    files = b"".join(
        record(str(NGINX) + end, modified=1_700_000_000 - age)
        for end, age in (("", 0), (".1", 1), (".2.gz", 2), ("-20260101", 3), ("ish", 4))
    )
    (log,) = rotations(files).logs
    assert [file.path.name for file in log.rotated] == ["access.log.1", "access.log.2.gz", "access.log-20260101"]
    assert [is_compressed(file) for file in log.rotated] == [False, True, False]
    assert (log.path, log.is_rule_trusted) == (NGINX, True)
    assert log.rule is not None


def test_a_rule_that_others_may_change_is_not_trusted_and_none_is_none() -> None:
    owners = record("/etc/logrotate.d/nginx", mode="666") + record(CONF) + record("/usr/sbin/logrotate")
    (log,) = rotations(record(str(NGINX)), owners=said(owners)).logs
    assert not log.is_rule_trusted
    owners = record("/etc/logrotate.d/nginx", owner_id=33) + record(CONF)
    seen = rotations(record(str(NGINX)), owners=said(owners))
    assert (seen.logs[0].is_rule_trusted, seen.is_installed) == (False, False)
    none = said(status=2, stderr=complaint(CONF).replace("find", "grep"))
    assert rotations(record(str(NGINX)), rule=none).logs[0].rule is None


def test_what_is_said_last_counts_and_no_takes_it_back() -> None:
    (rule,) = rules("compress\n/a {\n rotate 3\n nocompress\n\n # comment\n rotate 7\n delaycompress\n}")
    assert (rule.count, rule.value("compress"), rule.value("delaycompress")) == (7, None, "")
    (rule,) = rules("/a {\n weekly\n}")
    assert rule.count == 0
    (rule,) = rules("/a {\n rotate lots\n}")
    assert rule.count == 0


def test_several_logs_share_a_rule_and_scripts_are_not_read_as_directives() -> None:
    (rule,) = rules(
        "# a comment\ninclude /etc/logrotate.d\n/a/*.log\n\"/b c/x.log\" '/d'\n{\n postrotate\n  }\n  rotate 1\n"
        " endscript\n rotate 5\n}"
    )
    assert rule.patterns == ("/a/*.log", "/b c/x.log", "/d")
    assert (rule.count, rule.has_script, rule.defaults) == (5, True, ())
    assert rule.covers(Path("/b c/x.log"))


def test_files_that_logrotate_leaves_out_are_left_out() -> None:
    text = "".join(
        f"/etc/logrotate.d/{name}\0/{name} {{\n/etc/logrotate.d/{name}\0}}\n" for name in ("a", "b.dpkg-old", "c~")
    )
    assert [rule.source.name for rule in ReadRules().answer(said(text))] == ["a"]


def test_no_rules_at_all_is_an_answer() -> None:
    assert ReadRules().answer(said(status=1)) == ()
    gone = "".join(f"grep: {name}: No such file or directory\n" for name in (CONF, "/etc/logrotate.d"))
    assert ReadRules().answer(said(status=2, stderr=gone)) == ()
    assert StatRules().answer(said(status=1, stderr=complaint(CONF))) == {}


@pytest.mark.parametrize(
    "text",
    ["garbage\n", f"{CONF}\0/a {{\n", f"{CONF}\0/a {{ rotate 1 }}\n", f'{CONF}\0"/a {{\n', b"/etc/\xff\0x\n"],
)
def test_garbage_is_an_error(text: str | bytes) -> None:
    with pytest.raises(FactError):
        ReadRules().answer(said(text))


def test_what_cannot_be_read_is_an_error() -> None:
    for answer in (NOT_THERE, said(status=2, stderr=f"grep: {CONF}: Permission denied\n"), said(status=2)):
        with pytest.raises(FactError):
            ReadRules().answer(answer)
