"""What an application's ``.env`` keeps secret, and what of it must stay readable."""

from __future__ import annotations

import time
from pathlib import PurePosixPath

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.host import Connection, Host
from soleil_remediate.secrecy import HIDDEN, redacted
from soleil_remediate.transports import Access
from soleil_remediate.transports.dotenv import asking_for_secrets, learn_secrets, secrets_in


def host(**app: object) -> Host:
    return Host(name="web1", connection=Connection(address="192.0.2.1", user="deploy"), app=app)


@pytest.mark.parametrize(
    "text, secrets",
    [
        ("DB_PASSWORD=canary-value", {"canary-value"}),
        ("DB_PASSWORD=canary-value # rotated", {"canary-value"}),
        ("DB_PASSWORD=canary#value", {"canary#value"}),
        ("export DB_PASSWORD = canary-value \r\n", {"canary-value"}),
        ('DB_PASSWORD="canary \\"value\\" # 1"', {'canary "value" # 1'}),
        ("DB_PASSWORD='canary \"value\\'", {'canary "value\\'}),
        ('PASSPORT_PRIVATE_KEY="BEGIN\ncanary-value\nEND"\nA=b', {"BEGIN\ncanary-value\nEND"}),
        ("APP_KEY=base64:Y2FuYXJ5LXZhbHVl", {"base64:Y2FuYXJ5LXZhbHVl", "Y2FuYXJ5LXZhbHVl"}),
        ("AWS_SECRET_ACCESS_KEY=canary-value\nSENTRY_DSN=https://canary@o1.example/2", {
            "canary-value", "https://canary@o1.example/2",
        }),
        ("DATABASE_URL=pgsql://soleil:canary%2Fvalue@db/soleil", {"canary%2Fvalue", "canary/value"}),
        ("SLACK_WEBHOOK=https://hooks.example/T0/B0/canary", {"https://hooks.example/T0/B0/canary"}),
        ("# DB_PASSWORD=old-canary-value", set()),
        ("DB_PASSWORD=\nREDIS_PASSWORD=null\nMAIL_PASSWORD=(null)", set()),
        ("DB_PASSWORD=secret1", set()),
        ("DB_USERNAME=postgres\nDB_PASSWORD=postgres", set()),
        ("DB_HOST=canary-value\nCACHE_PREFIX=canary-value", set()),
        ('A_PASSWORD=canary-value\nB_PASSWORD="${A_PASSWORD}"', {"canary-value"}),
        ("APP_PREVIOUS_KEYS=canary-one,canary-two", {"canary-one,canary-two", "canary-one", "canary-two"}),
        ("STRIPE_APIKEY=canary-one\nMYSQL_PWD=canary-two\nFTP_CREDS=canary-three", {
            "canary-one", "canary-two", "canary-three",
        }),
        ("DATABASE_URL=pgsql://soleil:canary@value@db/soleil", {"canary@value"}),
        ("DB_PASSWORD=canary-value # the old one\nB_TOKEN=canary#value", {"canary-value", "canary#value"}),
        ("A_TOKEN=" + "'a" * 9 + "-canary", set()),
        ("KEYBOARD_LAYOUT=qwertzuiop\nMONKEY=canary-value", set()),
        ("\0\xff=\n====\nPASSWORD", set()),
    ],
)  # fmt: skip
def test_what_a_dotenv_keeps_secret_is_found_and_what_it_says_openly_is_not(text: str, secrets: set[str]) -> None:
    assert secrets_in(text) == secrets


def test_what_is_learnt_from_a_host_is_hidden_and_what_the_inventory_says_is_not() -> None:
    web1 = host(root=PurePosixPath("/srv/soleil-shop/current"), logs=(PurePosixPath("/var/log/shop-worker.log"),))
    text = "A_PASSWORD=soleil-shop\nB_PASSWORD=shop-worker\nC_PASSWORD=192.0.2.1\nD_PASSWORD=canary-value\n"
    learn_secrets(web1, Output(exit_status=0, stdout=text.encode()))
    assert redacted("soleil-shop shop-worker 192.0.2.1 canary-value") == f"soleil-shop shop-worker 192.0.2.1 {HIDDEN}"


def test_a_host_that_will_not_say_leaves_everything_as_it_was() -> None:
    learn_secrets(host(), FactError("no answer within 2 s"))
    assert redacted("canary-value") == "canary-value"


def test_only_a_host_that_serves_an_application_is_asked() -> None:
    root = Access(login="root", is_root=True)
    assert asking_for_secrets(host(), root) is None
    asking = asking_for_secrets(host(root=PurePosixPath("/srv/soleil/current")), root)
    assert asking is not None
    assert asking.user is None
    assert asking.words[-3:] == (
        "/srv/soleil/current/.env",
        "/srv/soleil/current/.env.production",
        "/srv/soleil/shared/.env",
    )


def test_where_there_is_no_shell_of_roots_the_applications_user_reads_what_is_its_own() -> None:
    narrow = Access(login="deploy", is_root=False, is_narrow=True)
    asking = asking_for_secrets(host(root=PurePosixPath("/srv/soleil/current"), user="soleil"), narrow)
    assert asking is not None
    assert asking.user == "soleil"


@pytest.mark.parametrize(
    "line", ["A_KEY=x" + " " * 300_000 + "x", 'A_KEY="\\' * 40_000, "A_KEY='" * 40_000, "A_KEY=a://b:c" * 20_000]
)
def test_a_hostile_dotenv_is_read_in_no_time(line: str) -> None:
    began = time.thread_time()  # however many others have this machine's processors
    secrets_in(line)
    assert time.thread_time() - began < 10


def test_no_host_teaches_more_secrets_than_an_application_has() -> None:
    assert len(secrets_in("".join(f"KEY_{number}=canary-{number}\n" for number in range(1000)))) == 200
