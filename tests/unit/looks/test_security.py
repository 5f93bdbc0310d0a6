from __future__ import annotations

from pathlib import PurePosixPath

from soleil_remediate.facts.tokens import Apart, From, Uses
from soleil_remediate.looks.security import AddressRefused, TokensUses
from soleil_remediate.task import Table, Text
from tests.unit.facts.refusals import NOW, asked, refusals

USES = TokensUses(root=PurePosixPath("/srv/app"))


def test_who_was_refused_is_shown_with_what_was_answered_well() -> None:
    shown = AddressRefused().show(refusals(asked(status=401), asked(status=401), asked(status=200)))
    assert isinstance(shown, Table)
    assert shown.rows == (("203.0.113.7", "2", "1", "2023-11-14 22:13", "2023-11-14 22:13", "GET /api/me"),)
    assert AddressRefused().show(refusals()) == Text(
        lines=("nobody was refused within 1 d, as far as the log is read",)
    )


def test_from_where_tokens_were_used_is_shown() -> None:
    one = Apart(user="1", addresses=2, uses=(From(address="192.31.196.7", uses=5, latest=NOW),))
    shown = USES.show(Uses(table="audit_logs", users=(one,)))
    assert isinstance(shown, Table)
    assert shown.rows == (("1", "192.31.196.7", "5", "2023-11-14 22:13"),)


def test_where_there_is_nothing_to_show_it_is_said_why() -> None:
    said = [USES.show(Uses(table=None)), USES.show(Uses(table="a", lacks=("ip_address",))), USES.show(Uses(table="a"))]
    assert said == [
        Text(lines=("the application writes nowhere from where tokens are used",)),
        Text(lines=("table a has no column ip_address",)),
        Text(lines=("of nobody within 1 d, by table a",)),
    ]
