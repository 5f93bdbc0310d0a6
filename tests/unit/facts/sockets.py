"""What hosts say of sockets that somebody listens on."""

from __future__ import annotations

#: As ss prints it; one name is no file.
LISTENING = """\
u_str LISTEN 0 4096 /run/php/php8.2-www.sock 33003747 * 0 users:(("php-fpm8.2",pid=1,fd=8),("php-fpm8.2",pid=2,fd=8))
u_str LISTEN 2      511 /run/php/other pool.sock 33003748       * 0 users:(("php-fpm8.2",pid=12,fd=11))
u_seq LISTEN 0      4096                       /run/udev/control 33003749       * 0 users:(("systemd-udevd",pid=3,fd=3))
u_str LISTEN 0      100                @/tmp/dbus-redis-internal 33003750       * 0
tcp   LISTEN 0      511   0.0.0.0:80  0.0.0.0:*  users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))
tcp   LISTEN 3      128                                   [::]:22          [::]:*
u_str LISTEN 0      1024 /var/run/supervisor.sock.41 33003751 * 0 users:(("supervisord",pid=41,fd=4))
u_dgr UNCONN 0      0      /run/systemd/notify 33003752 * 0 users:(("systemd",pid=1,fd=8))
"""

#: What find says of the folder of those of php-fpm, of which one is gone.
SOCKET_FILES = "/run/php/other pool.sock\0"
