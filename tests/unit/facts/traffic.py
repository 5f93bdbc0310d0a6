"""What a real host said of its traffic, its limits and its packet filter, and what may be said of it besides."""

from __future__ import annotations

import json
from typing import Any

from soleil_remediate.facts.clocks import seconds_at
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

#: 10 o'clock, as on the host of the laws' samples.
NOW = seconds_at(2026, 11, 23, 10)
#: An address of AS112, which the lab lets hammer too.
ATTACKER, OTHER = "192.31.196.7", "192.31.196.8"


def line(
    address: str,
    *,
    ago: int = 5,
    page: str = "GET /api/bookings HTTP/1.1",
    status: int = 200,
    agent: str = "Firefox",
    user: str = "-",
) -> str:
    """Return one line of nginx's usual format, of so many seconds before :data:`NOW` (less than an hour)."""
    minutes, seconds = divmod(3600 - ago, 60) if ago else (0, 0)
    hour = 9 if ago else 10
    time = f"23/Nov/2026:{hour:02}:{minutes:02}:{seconds:02} +0000"
    return f'{address} - {user} [{time}] "{page}" {status} 42 "-" "{agent}"\n'


def log(*lines: str) -> str:
    """Return a log as tail says it, without one before it."""
    return "==> /var/log/nginx/access.log <==\n" + "".join(lines)


NO_OLDER = "tail: cannot open '/var/log/nginx/access.log.1' for reading: No such file or directory\n"
HAMMERING = (line(OTHER, ago=50), line(OTHER, ago=40), *(line(ATTACKER, agent="ab") for _ in range(400)))

_SET = {"family": "inet", "table": "soleil_remediate", "handle": 2, "flags": ["interval", "timeout"]}
_RULE = {"family": "inet", "table": "soleil_remediate", "chain": "incoming"}


def blocked(*elements: dict[str, Any], rules: bool = True) -> str:
    """Return this program's table, as nft 1.0.6 lists it, with these *elements*."""
    matches = [
        {"match": {"op": "==", "left": {"payload": {"protocol": name, "field": "saddr"}}, "right": f"@{own}"}}
        for name, own in (("ip", "blocked4"), ("ip6", "blocked6"))
    ]
    four = [{"elem": one} for one in elements if ":" not in str(one["val"]).replace("': ", "")]
    six = [{"elem": one} for one in elements if {"elem": one} not in four]
    parts: list[dict[str, Any]] = [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "soleil_remediate", "handle": 1}},
        {"set": _SET | {"name": "blocked4", "type": "ipv4_addr"} | ({"elem": four} if four else {})},
        {"set": _SET | {"name": "blocked6", "type": "ipv6_addr"} | ({"elem": six} if six else {})},
        {"chain": {"family": "inet", "name": "incoming", "hook": "prerouting", "prio": -310, "policy": "accept"}},
        *(
            {"rule": _RULE | {"expr": [match, {"counter": {"packets": 7}}, {"drop": None}]}}
            for match in matches
            if rules
        ),
    ]
    return json.dumps({"nftables": parts})


def element(address: str, *, lasts: int = 3600, left: int = 3599) -> dict[str, Any]:
    """Return one that is blocked, as nft lists it."""
    value, _, length = address.partition("/")
    return {
        "val": {"prefix": {"addr": value, "len": int(length)}} if length else value,
        "timeout": lasts,
        "expires": left,
    }


NO_TABLE = said(
    status=1,
    stderr="Error: No such file or directory\nlist table inet soleil_remediate\n                ^^^^^^^^^^^^^^^^\n",
)
CONNECTED = "10.88.12.1 58942 10.88.12.11 22\n"
#: A gateway, a route without one; the same for IPv6; a resolver; a proxy.
_NONE = "0" * 32
WAYS = f"""\
eth0\t00000000\t010C580A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000C580A\t00000000\t0001\t0\t0\t0\t00FCFFFF\t0\t0\t0
fe80{_NONE[4:]} 40 {_NONE} 00 {_NONE} 00000100 00000001 00000000 00000001     eth0
{_NONE} 00 {_NONE} 00 2620004f800000000000000000000001 00000100 00000001 00000000 00000003     eth0
nameserver 192.31.196.53
  set_real_ip_from 192.31.196.128/26;
    set_real_ip_from unix:;
"""
#: Somebody at the web server, one at sshd, two connections to a database elsewhere, and what listens.
PARTNERS = """\
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   2: 0B0C580A:0050 07C41FC0:C001 01 00000000:00000000 00:00000000 00000000    33        0 1 1 0 100 0 0 10 0
   3: 0B0C580A:0016 010C580A:E63E 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   4: 0B0C580A:C164 05C41FC0:1538 01 00000000:00000000 00:00000000 00000000    33        0 1 1 0 100 0 0 10 0
   5: 0000000000000000FFFF00000B0C580A:C165 0000000000000000FFFF000006C41FC0:18EB 01 00000000:00000000 00:0 0 33 0
"""
PEER = """\
   2: 0B0C580A:0050 07C41FC0:C001 06 00000000:00000000 03:00000F6C 00000000     0        0 0 3 0
end
"""
NO_PEER = "end\n"


def counter(*, count: int = 60, most: int = 60, left: int = 40, key: str = "k1", own: bool = True) -> dict[str, Any]:
    """Return a counter, as the application tells it."""
    return {"key": key, "most": most, "count": count, "left": left, "own": own}


def throttle(
    *counters: dict[str, Any], kind: str = "Illuminate\\Routing\\Middleware\\ThrottleRequests"
) -> dict[str, Any]:
    """Return a use of the framework's throttle, likewise."""
    return {
        "throttle": "api",
        "class": kind,
        "pages": ["/api/bookings", "/api/rooms", "/api/me"],
        "counters": [*counters],
    }


def limits(*throttles: dict[str, Any], **other: str) -> str:
    """Return everything that an application tells of its limits."""
    told = {"limits": [*throttles], "driver": "redis", "nobody": "", "class": "", "why": ""} | other
    return f"{STARTED}{json.dumps(told)}\n"


#: What answers all questions of the kinds that are about traffic, where an address hammers and a user is limited.
ANSWERS = (
    ("nft -j list", NO_TABLE),
    ("printenv SSH_CONNECTION", said(CONNECTED)),
    ("/etc/resolv.conf", said(WAYS)),
    ("0[1A]", said(PARTNERS)),
    ("watch-peers", said(PEER)),
    ("--bytes=1048576 -- /var/log/nginx/access.log.1", said(log(*HAMMERING), status=1, stderr=NO_OLDER)),
    ("php -- limits", said(limits(throttle(counter())))),
    ("getent ahosts", said("192.31.196.77   STREAM web2.example\n192.31.196.77   DGRAM\n")),
)
