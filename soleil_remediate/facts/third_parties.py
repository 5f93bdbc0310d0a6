"""Whether what belongs to somebody else can be reached from a host."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.http import Response
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: What curl's exit status says where there was no answer: https://curl.se/docs/manpage.html#EXIT
_WHY = {
    5: "no name",
    6: "no name",
    7: "refused",
    28: "too late",
    35: "no tls",
    52: "broken off",
    56: "broken off",
    60: "not trusted",
    97: "broken off",
}
_LONGEST = 200

_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")


def refuse_unless_third_party(address: str) -> None:
    """Raise ValueError where an address is none of somebody else's, or could hold a secret."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError(
            f"{address[:80]!r} must be an address such as https://api.example/, without a query or a password"
        )


@dataclass(frozen=True, slots=True)
class AskThirdParty(Query[Response]):
    """What an address of somebody else's answers this host, whose own name servers and routes lead there.

    Only the head of it is asked for, without any credentials: any answer at all means that it is reached. A certificate
    that is not trusted is no answer, as it is none for the application. No proxy is used.

    Args:
        address: Where.
        within: Later is no answer.
    """

    address: str
    within: Duration
    expects = frozenset({0, *_WHY})

    @property
    def command(self) -> Command:
        return Command(
            (
                "curl",
                "--disable",  # root's own .curlrc has no say; must be the first
                "--silent",
                "--show-error",
                "--globoff",
                "--head",
                "--noproxy",
                "*",
                "--max-time",
                f"{self.within:.3f}",
                "--write-out",
                r"\n%{http_code}",
                "--url",
                self.address,
            ),
            deadline=Duration(self.within + 2),
            is_slow=True,
        )

    def parse(self, output: Output) -> Response:
        code = output.stdout.rpartition(b"\n")[2].decode("ascii")
        if not re.fullmatch(r"[0-9]{3}", code):
            raise ValueError("not curl's last words")
        if output.exit_status == 0:
            if code == "000":
                raise ValueError("no status")
            return Response(status=int(code))
        says = output.error_text.strip().partition(") ")[2] or output.error_text.strip()
        return Response(status=None, why=_WHY[output.exit_status], says=redacted(says)[:_LONGEST])
