"""The text of the ssh configuration that counts: the user's and the system's, or one that was named.

Never one from the current folder. ``Include`` is resolved here, since paramiko ignores it.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any

from soleil_remediate.errors import ConfigError
from soleil_remediate.local_files import expanded, read_file, shown_path, status_of

USER_FILE = Path("~/.ssh/config")
SYSTEM_FILE = Path("/etc/ssh/ssh_config")

_INCLUDE = re.compile(r"\s*include[\s=]+(.+)", re.IGNORECASE)
_BLOCK = re.compile(r"\s*(host|match)[\s=]", re.IGNORECASE)
#: As deep as OpenSSH goes.
_DEPTH = 16
#: Nobody writes a longer one, in bytes.
_LIMIT = 4 * 1024 * 1024


def read_config(named: Path | None) -> str:
    """Return the ssh configuration's text.

    Args:
        named: The one to use instead of the user's and the system's.

    Raises:
        ConfigError: The named one is missing, one cannot be read, or one could have been written by others.
    """
    user = expanded(USER_FILE)
    if named is not None:
        return _text(expanded(named), user.parent, _DEPTH, by_name=True)
    texts = [_text(user, user.parent, _DEPTH), _text(SYSTEM_FILE, SYSTEM_FILE.parent, _DEPTH)]
    return "\nHost *\n".join(texts)  # what follows a file does not belong to its last block


def jumps(options: Mapping[str, Any]) -> list[str]:
    """Return the hosts to go through, nearest first."""
    named = options.get("proxyjump", "none")
    return [] if named == "none" else [jump.strip() for jump in named.split(",")]


def known_hosts_files(options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the files with accepted host keys: those that *options* name, else the usual ones."""
    user = options.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    system = options.get("globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2")
    return tuple(Path(name) for names in (user, system) for name in shlex.split(names) if name != "none")


def usual_keys() -> tuple[Path, ...]:
    """Return where private keys usually are, whether they are there or not."""
    return tuple(expanded("~/.ssh") / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))


def configured_keys(key_file: Path | None, options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the only keys to offer, or nothing where that is left to the agent and the usual files.

    Args:
        key_file: The one that the inventory names; then no other counts.
        options: What the ssh configuration says about the host.

    Raises:
        ConfigError: None of those that are named is there.
    """
    named = [str(key_file)] if key_file is not None else options.get("identityfile", [])
    paths = [expanded(name) for name in named if name != "none"]
    found = tuple(path for path in paths if is_there(path))
    if paths and not found:
        whose = "" if key_file is not None else "; the ssh configuration names it as IdentityFile"
        raise ConfigError(f"the private key {shown_path(paths[0])} does not exist{whose}")
    if not found and options.get("identitiesonly") == "yes":
        return usual_keys()
    return found


def is_there(path: Path) -> bool:
    """Whether anything stands there that reading would say more about."""
    try:
        return status_of(path) is not None
    except OSError as error:
        return not isinstance(error, FileNotFoundError)


def _text(path: Path, folder: Path, depth: int, *, by_name: bool = False) -> str:
    try:
        file = read_file(path, _LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        if by_name:
            raise ConfigError(f"{path}: no such ssh configuration") from None
        return ""
    except OSError as error:
        raise ConfigError(f"{shown_path(path)}: cannot be read: {error.strerror}") from error
    _check_owner(path, file.status, by_name=by_name)
    lines = file.content.decode("utf-8", "surrogateescape").splitlines()
    block, result = "Host *", []
    for line in lines:
        include = _INCLUDE.fullmatch(line)
        if include is not None and depth:
            for pattern in include[1].split():
                result += [_text(found, folder, depth - 1, by_name=by_name) for found in _found(pattern, folder)]
            result.append(block)  # the block goes on after what was included in it
            continue
        if _BLOCK.match(line):
            block = line
        result.append(line)
    return "\n".join(result)


def _found(pattern: str, folder: Path) -> list[Path]:
    path = folder / expanded(pattern.strip('"'))
    try:
        found = glob(str(path))  # noqa: PTH207  # a Path raises for patterns that it does not know
    except ValueError:  # with a NUL
        return []
    return sorted(Path(name) for name in found if os.path.isfile(name))  # noqa: PTH113  # a Path may raise


def _check_owner(path: Path, found: os.stat_result, *, by_name: bool) -> None:
    """Refuse what others could have written: it can name commands that run here.

    A named one may come from a checkout that belongs to whoever made it, or to a group.
    """
    if found.st_mode & stat.S_IWOTH or (not by_name and found.st_mode & stat.S_IWGRP):
        raise ConfigError(f"{path}: others may write it, so it is not used: chmod go-w {path}")
    if not by_name and found.st_uid not in {0, os.getuid()}:
        raise ConfigError(f"{path}: belongs to somebody else (uid {found.st_uid}), so it is not used")
