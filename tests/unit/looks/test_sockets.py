from __future__ import annotations

from soleil_remediate.command import Reader
from soleil_remediate.looks.sockets import SocketOverview
from soleil_remediate.task import Table
from tests.unit.facts.answers import said, see
from tests.unit.facts.sockets import LISTENING, SOCKET_FILES
from tests.unit.facts.statements import POOLS


def test_what_serves_a_site_is_shown_and_what_of_it_nobody_listens_on() -> None:
    look = SocketOverview()
    pools = POOLS.replace("127.0.0.1:9000", "/run/php/php8.2-blog.sock")
    assert pools != POOLS
    seen = see(
        look.read(Reader()),
        ("ss -H", said(LISTENING)),
        ("--include=*.conf", said(pools)),
        ("find -H /run/php", said(SOCKET_FILES)),
    )
    shown = look.show(seen)
    assert isinstance(shown, Table)
    assert shown.columns == ("at", "who", "waiting")
    assert shown.rows == (
        ("/run/php/php8.2-blog.sock", "NOBODY: pool blog of PHP 8.2", ""),
        ("/run/php/php8.2-www.sock", "php-fpm8.2 (2 processes); FILE GONE", "0 of 4096"),
        ("[::]:22", "not to be seen", "3 of 128"),
        ("/run/php/other pool.sock", "php-fpm8.2", "2 of 511"),
        ("0.0.0.0:80", "nginx (2 processes)", "0 of 511"),
        ("@/tmp/dbus-redis-internal", "not to be seen", "0 of 100"),
        ("/var/run/supervisor.sock.41", "supervisord", "0 of 1024"),
    )
