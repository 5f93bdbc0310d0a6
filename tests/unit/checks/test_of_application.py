from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.mail import MailAnswering
from soleil_remediate.checks.redis import RedisWritable
from soleil_remediate.rights import Right

ROOT = Path("/srv/soleil/current")


@pytest.mark.parametrize(
    "root, user, why",
    [
        (Path("srv"), "x", "must be absolute"),
        (Path("/srv/../etc"), "x", "must be absolute"),
        (ROOT, "-x", "no user's name"),
        (ROOT, "", "no user's name"),
    ],
)
def test_an_application_that_can_be_none_is_refused(root: Path, user: str, why: str) -> None:
    for kind in (MailAnswering, RedisWritable):
        with pytest.raises(ValueError, match=why):
            kind(root=root, user=user)


def test_a_unit_of_redis_that_can_be_none_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a service"):
        RedisWritable(root=ROOT, unit="redis; id")


def test_who_asks_must_be_allowed_to_be_the_applications_user() -> None:
    assert MailAnswering(root=ROOT, user="app").reads_with() == (Right("app"),)
