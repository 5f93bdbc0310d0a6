# ruff: noqa: INP001  # a program of the lab's hosts, of no package
"""A stand-in for a mail server: takes mails from whoever logs in, and keeps each as a file. It delivers nothing.

Its settings are read anew for each connection, so that a fault can change them: ``greeting``, ``delay`` (seconds before
each reply), ``user`` and ``password``.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import os
import socketserver
import sys
import time
from pathlib import Path

SETTINGS, MAILS = Path("/etc/mail-sink.conf"), Path("/var/mail/sink")
ANYBODY_WAITS = 60

_numbers = itertools.count(1)


class Session(socketserver.StreamRequestHandler):
    """One client, from the greeting to QUIT."""

    timeout = ANYBODY_WAITS

    def handle(self) -> None:
        try:
            self._talk()
        except OSError:
            return  # it went away

    def _talk(self) -> None:
        self.settings = dict(line.split("=", 1) for line in SETTINGS.read_text().splitlines())
        self.is_known, self.recipients = False, list[str]()
        if not self._say(self.settings["greeting"]).startswith("2"):
            return
        while line := self._hear():
            word = line.partition(" ")[0].upper()
            if word == "QUIT":
                self._say("221 2.0.0 bye")
                return
            self._say(self._answer(word, line))

    def _answer(self, word: str, line: str) -> str:
        match word:
            case "EHLO" | "HELO":
                return "250-mail.lab\r\n250 AUTH PLAIN LOGIN"
            case "AUTH":
                self.is_known = self._log_in(line.split())
                return "235 2.7.0 welcome" if self.is_known else "535 5.7.8 authentication failed"
            case "RSET" | "NOOP":
                self.recipients.clear()
                return "250 2.0.0 ok"
            case "MAIL" | "RCPT" | "DATA" if not self.is_known:
                return "530 5.7.0 authentication required"
            case "MAIL":
                self.recipients.clear()
                return "250 2.1.0 ok"
            case "RCPT":
                self.recipients.append(line.partition("<")[2].partition(">")[0])
                return "250 2.1.5 ok"
            case "DATA" if self.recipients:
                self._say("354 go on")
                return self._keep()
            case _:
                return "502 5.5.1 no"

    def _log_in(self, words: list[str]) -> bool:
        method, first = words[1].upper(), words[2:]
        if method == "LOGIN":
            asked = [*(first or [self._ask("VXNlcm5hbWU6")]), self._ask("UGFzc3dvcmQ6")]
        else:
            asked = first or [self._ask("")]
        try:
            told = b"\0".join(base64.b64decode(word) for word in asked).decode().split("\0")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return told[-2:] == [self.settings["user"], self.settings["password"]]

    def _keep(self) -> str:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b"."))
        if not line:
            raise ConnectionError("it went away in the middle of its mail")
        number = next(_numbers)
        partial = MAILS / f".{number}"
        to = "".join(f"X-Recipient: {one}\r\n" for one in self.recipients)
        partial.write_bytes(to.encode() + b"".join(lines))
        partial.rename(MAILS / f"{os.getpid()}-{number:05}.eml")
        return "250 2.0.0 kept"

    def _ask(self, for_what: str) -> str:
        self._say(f"334 {for_what}")
        return self._hear()

    def _hear(self) -> str:
        return self.rfile.readline(1000).decode(errors="replace").strip()

    def _say(self, text: str) -> str:
        time.sleep(float(self.settings["delay"]))
        self.wfile.write(f"{text}\r\n".encode())
        return text


class Server(socketserver.ThreadingTCPServer):
    """Takes as many clients as come."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 50


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Session) as server:
        server.serve_forever()
