"""What to write into an inventory for a host that stands in none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from soleil_remediate.host import Host

#: What a pattern of hosts is where it names one group, and what an inventory takes as the name of a host.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

#: Of these there may be several, and one was found.
_LISTS = frozenset({"app.logs"})


def listing(host: Host, pattern: str) -> Iterator[str]:
    """Yield the lines of an inventory with a host and what was found of its application.

    What the host said of itself stands in them as JSON has it, which is one value in YAML, whatever it says.

    Args:
        host: Which; it stands in no inventory.
        pattern: Which hosts the scenario is for; where that is one group, the host stands in it.
    """
    connection = host.connection
    is_name = _NAME.fullmatch(connection.address) is not None
    about: dict[str, Any] = {} if is_name else {"ansible_host": connection.address}
    if connection.user is not None:
        about["ansible_user"] = connection.user
    if connection.port is not None:
        about["ansible_port"] = connection.port
    for name, value in host.found:
        *sections, last = name.split(".")
        inner = about
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = [value] if name in _LISTS else value
    hosts = {"hosts": {connection.address if is_name else "web1": about}}
    is_group = _NAME.fullmatch(pattern) is not None and pattern != "all"
    yield from _lines({"all": {"children": {pattern: hosts}} if is_group else hosts}, "")


def _lines(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield f"{indent}{name}:"
            yield from _lines(item, f"{indent}  ")
        else:
            yield f"{indent}{name}: {json.dumps(item)}"
