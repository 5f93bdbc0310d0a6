"""What nginx and php-fpm say of an application in their configuration, as grep tells it."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath as Path

from soleil_remediate.command import Command
from soleil_remediate.transports.scripted import ScriptedHost
from tests.unit.facts.answers import said

SITE = """\
server {
  listen 80 default_server;
  server_name _;
  root /srv/soleil/current/public;
  # root /srv/old/public;
  location ~ \\.php$ {
    fastcgi_param DOCUMENT_ROOT $realpath_root;
    fastcgi_pass unix:/run/php/php8.2-fpm.sock;
  }
}
"""
POOL_USERS = """\
/etc/php/8.2/fpm/php-fpm.conf:[global]
/etc/php/8.2/fpm/pool.d/www.conf:[www]
/etc/php/8.2/fpm/pool.d/www.conf:user = www-data
/etc/php/8.2/fpm/pool.d/www.conf:listen = /run/php/php8.2-fpm.sock
/etc/php/8.2/fpm/pool.d/blog.conf:[blog]
/etc/php/8.2/fpm/pool.d/blog.conf:user = $pool
/etc/php/8.2/fpm/pool.d/blog.conf:listen = 9000
/etc/php/8.2/fpm/pool.d/half.conf:[half]
/etc/php/8.2/fpm/pool.d/half.conf:listen = 9001
"""
ROOT = Path("/srv/soleil/current")
LOG = Path("/srv/soleil/shared/storage/logs/laravel.log")


def lines(text: str, file: str = "/etc/nginx/sites-enabled/soleil") -> str:
    """Return what grep says of a file of which every line is told."""
    return "".join(f"{file}\0{line}\n" for line in text.splitlines())


def serve(host: ScriptedHost, *roots: str, says: str = "", env: str = "") -> None:
    """Let nginx on *host* serve applications, each of which has its artisan and its log."""
    text = "".join(f"server {{ root {root}/public; {says} }}\n" for root in roots)
    host.on_read(partial(_names, "/etc/nginx/sites-enabled"), said(lines(text), status=0 if roots else 1))
    beside = "".join(f"{root}\0f\0{root}/storage/logs/laravel.log\0" for root in roots)
    host.on_read(partial(_names, "look-beside"), beside)
    host.on_read(partial(_names, "/etc/php"), POOL_USERS.replace("$pool", "www-data"))
    for root in roots:
        host.on_read(partial(_names, f"{root}/.env"), env)


def _names(word: str, command: Command) -> bool:
    return word in command.words
