"""What systemd, the kernel and web servers say, put together for tests as a real host of Debian 12 says it."""

from __future__ import annotations

NGINX = "/usr/sbin/nginx -g daemon on; master_process on;"
PHP_FPM = "/usr/sbin/php-fpm8.2 --nodaemonize --fpm-config /etc/php/8.2/fpm/php-fpm.conf"
REDIS = "/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no"

#: nginx on 80, sshd on 22, a connection that is no listener; then the same for IPv6.
SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 32 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
   2: 0B20580A:0016 0120580A:E202 01 00000000:00000000 02:000AF9A7 00000000     0        0 34 3 0 20 4 15 39 -1
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""

RESOURCES = """\
6.47 7.40 7.89 12/501 9319
MemTotal:       24689708 kB
MemFree:        15321140 kB
MemAvailable:   22544384 kB
SwapTotal:             0 kB
SwapFree:              0 kB
Active(anon):    1234567 kB
HugePages_Total:       0
"""


def unit_shown(
    name: str,
    *,
    load: str = "loaded",
    active: str = "active",
    sub: str = "running",
    enablement: str = "enabled",
    result: str = "success",
    restarts: int = 0,
    run: str = "1a5776e8db1a42d2b302fb76e26038cd",
    program: str = "",
    since: str = "Wed 2026-11-25 10:00:00 UTC",
) -> str:
    """Return one unit as ``systemctl show`` prints it: not in the order in which its properties were asked for."""
    path = program.partition(" ")[0]
    starts = f"ExecStart={{ path={path} ; argv[]={program} ; ignore_errors=no ; pid=36 ; code=(null) }}\n"
    return (
        f"Result={result}\nNRestarts={restarts}\n{starts if program else ''}Id={name}\nLoadState={load}\n"
        f"ActiveState={active}\nSubState={sub}\nUnitFileState={enablement}\nStateChangeTimestamp={since}\n"
        f"InvocationID={run}\n"
    )


#: What is always asked for as well: a target, which has no result and starts nothing.
_BASIC = (
    "Id=basic.target\nLoadState=loaded\nActiveState=active\nSubState=active\nUnitFileState=static\n"
    "StateChangeTimestamp=Wed 2026-11-25 09:00:00 UTC\nInvocationID=\n"
)


def units_shown(*units: str) -> str:
    """Return the whole answer."""
    return "\n".join((_BASIC, *units))
