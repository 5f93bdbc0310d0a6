"""How to get into the lab's hosts: keys, known hosts, the ssh command, the inventory."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.processes import call

#: Who may log in by key: sudo without a password, sudo with one ("ops-secret"), no sudo at all, and root.
USERS = ("deploy", "ops", "guest", "root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command on a host ended with."""

    returncode: int
    stdout: str
    stderr: str

    def checked(self) -> Answer:
        """Return this answer.

        Raises:
            LabError: The command did not end with status 0.
        """
        if self.returncode:
            tail = "\n".join((self.stdout + self.stderr).strip().splitlines()[-10:])
            raise LabError(f"the command on the host ended with status {self.returncode}:\n{tail}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The files of one lab that let its hosts be reached, all below *folder*."""

    folder: Path

    @property
    def private_key(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def public_key(self) -> str:
        return self.private_key.with_suffix(".pub").read_text()

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    def ensure_key(self) -> None:
        """Make the lab's key pair, for whoever called the lab through sudo."""
        make_key(self.private_key, "soleil-lab")
        if owner := os.environ.get("SUDO_UID"):
            os.chown(self.private_key, int(owner), -1)

    def ssh_command(self, address: str, user: str) -> list[str]:
        """Return an OpenSSH command that knows exactly this lab's keys and none of the user's own settings."""
        options = {
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
            # OpenSSH's first choice withstands quantum computers, and takes 0.1 s of CPU for each command here.
            "KexAlgorithms": "curve25519-sha256",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.private_key), *words, f"{user}@{address}"]

    def run(self, address: str, words: Sequence[str], *, user: str, stdin: bytes, timeout: float) -> Answer:
        """Run a command on a host.

        Raises:
            LabError: The host could not be reached, or the command took longer than *timeout* seconds.
        """
        # With the lab killed, its question to a host ends too.
        command = ["setpriv", "--pdeathsig", "KILL", *self.ssh_command(address, user), shlex.join(words)]
        try:
            done = subprocess.run(command, check=False, input=stdin, capture_output=True, timeout=timeout)
        except subprocess.TimeoutExpired as e:
            raise LabError(f"{shlex.join(words)[:100]} on {address} did not end within {timeout:g} s") from e
        stdout, stderr = (text.decode(errors="backslashreplace") for text in (done.stdout, done.stderr))
        if done.returncode == 255 and not stdout:
            raise LabError(f"ssh to {address} failed, or the host ended the connection: {stderr.strip()}")
        return Answer(returncode=done.returncode, stdout=stdout, stderr=stderr)

    def write_known_hosts(self, hosts: Mapping[str, tuple[str, Path]]) -> None:
        """Write the keys of all hosts, each by name: its address and the folder with its key."""
        lines = []
        for name, (address, keys) in hosts.items():
            kind, key = (keys / "ssh_host_ed25519_key.pub").read_text().split()[:2]
            lines.append(f"{address},{name} {kind} {key}\n")
        replace(self.known_hosts, "".join(lines))

    def write_inventory(self, groups: Mapping[str, Iterable[tuple[str, str]]]) -> None:
        """Write the lab's inventory: by group, each host's name and address."""
        replace(self.inventory, inventory_text(groups, self.private_key, self.known_hosts))


def inventory_text(groups: Mapping[str, Iterable[tuple[str, str]]], private_key: Path, known_hosts: Path) -> str:
    """Return the inventory of a lab, as the shipped inventory/lab.yml has it for the default one."""
    lines = [
        "# Hosts of the rehearsal lab: start them with `soleil-remediate lab up`, see docs/lab.md.",
        "all:",
        "  vars:",
        "    ansible_user: deploy",
        f"    ansible_ssh_private_key_file: {private_key}",
        f"    known_hosts: {known_hosts}",
        "    app:",
        "      name: soleil",
        "      root: /srv/soleil/current",
        "      user: www-data",
        "      logs: [/srv/soleil/shared/storage/logs/laravel.log]",
        "      backups: /var/backups/soleil",
        "    policy:",
        "      environment: lab",
        "      unattended:",
        "        disk-full: destructive",
        "        double-booking: destructive",
        "        application-down: disruptive",
        "        database-connection-failure: destructive",
        "        failed-deployment-rollback: disruptive",
        "        high-error-rate: disruptive",
        "        queue-backlog: destructive",
        "        rate-limit-breach: destructive",
        "        redis-down: destructive",
        "        memory-exhaustion: disruptive",
        "        email-delivery-failure: destructive",
        "        security-incident: destructive",
        "        slow-response: disruptive",
        "  children:",
    ]
    for group, hosts in groups.items():
        lines += [f"    {group}:", "      hosts:"]
        lines += [f"        {name}: {{ansible_host: {address}}}" for name, address in hosts]
    return "\n".join(lines) + "\n"


def make_key(file: Path, comment: str) -> None:
    """Make a key pair once; a half-made one of an interrupted run is made anew."""
    if file.with_suffix(".pub").exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(partial)])
    partial.rename(file)
    Path(f"{partial}.pub").rename(file.with_suffix(".pub"))


def replace(file: Path, text: str) -> None:
    """Write a file so that a reader, and a later run, sees the old or the new text and nothing between."""
    partial = file.with_name(file.name + ".partial")
    partial.write_text(text)
    partial.rename(file)
