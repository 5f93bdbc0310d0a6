"""What the machine that asks met on its way to a page, and what a host says of its own addresses."""

from __future__ import annotations

import json

#: A host whose addresses are 10.88.0.11 and fd00::2, by /proc/net/fib_trie and /proc/net/if_inet6 of a Debian 12.
OWN = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.88.0.0/22 2 0 2
        |-- 10.88.0.0
           /22 link UNICAST
        |-- 10.88.0.11
           /32 host LOCAL
        |-- 10.88.3.255
           /32 link BROADCAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""

NOW = 1_795_600_000


def met(**told: object) -> str:
    """Return what was met where all is well, but for what is *told*."""
    well = {
        "url": "https://soleil.example/ready",
        "status": 200,
        "why": "",
        "says": "",
        "location": "",
        "excerpt": '{"status":"ok"}',
        "addresses": ["10.88.0.11"],
        "at": "10.88.0.11",
        "expires": NOW + 60 * 86400,
        "now": NOW,
    }
    return json.dumps({**well, **told})


MET = met()
