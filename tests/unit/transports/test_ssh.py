from __future__ import annotations

import fabric
import pytest

from soleil_remediate.transports.ssh import _Connection


def test_connections_leave_the_configuration_that_they_share_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    config = fabric.Config(lazy=True)

    def merge(self: fabric.Config) -> None:
        raise AssertionError("put together anew while others read it")

    monkeypatch.setattr(fabric.Config, "merge", merge)
    connections = [_Connection(name, config=config, gateway=False) for name in ("web1", "web2")]
    assert [connection.host for connection in connections] == ["web1", "web2"]
