"""What the ssh program's last words mean; the words are OpenSSH 9.2's own."""

from __future__ import annotations

import pytest

from soleil_remediate.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimedOut,
    HostKeyRejected,
    RemediateError,
    Unreachable,
)
from soleil_remediate.transports.openssh_errors import Words, last_words, meaning_of

SHOWN = "debug1: Server host key: ssh-ed25519 SHA256:abc\n"


@pytest.mark.parametrize(
    "said, error, part",
    [
        ("ssh: connect to host 127.0.0.1 port 1: Connection refused\n", ConnectionRefused, "Connection refused"),
        ("ssh: connect to host 192.0.2.1 port 22: No route to host\n", ConnectionRefused, "No route to host"),
        ("ssh: connect to host 192.0.2.1 port 22: Network is unreachable\n", ConnectionRefused, "unreachable"),
        ("ssh: Could not resolve hostname x.invalid: Name or service not known\n", ConnectionRefused, "not resolve"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out\n", ConnectTimedOut, "in time"),
        ("Connection timed out during banner exchange\r\n", ConnectTimedOut, "in time"),
        ("kex_exchange_identification: Connection closed by remote host\n", ConnectionLost, "before it greeted"),
        ("kex_exchange_identification: read: Connection reset by peer\n", ConnectionLost, "before it greeted"),
        ("Connection closed by 127.0.0.1 port 22\n", ConnectionLost, "Connection closed by"),
        ("client_loop: send disconnect: Broken pipe\n", ConnectionLost, "Broken pipe"),
        (
            (
                "debug1: Offering public key: /home/jan/.ssh/id_ed25519 ED25519 SHA256:x agent\n"
                "deploy@web1: Permission denied (publickey,password).\n"
            ),
            AuthenticationFailed,
            "(publickey,password) (offered /home/jan/.ssh/id_ed25519). It was not tried again",
        ),
        ("deploy@web1: Permission denied (publickey).\n", AuthenticationFailed, "(no key could be offered)"),
        (
            (
                "Received disconnect from 127.0.0.1 port 22:2: Too many authentication failures\n"
                "Disconnected from 127.0.0.1 port 22\n"
            ),
            AuthenticationFailed,
            "Too many authentication failures",
        ),
        (
            "Unable to negotiate with 127.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss\n",
            Unreachable,
            "no SSH that is safe enough",
        ),
        ("/x/config: line 2: Bad configuration option: nosuch\n", ConfigError, "nosuch"),
        ("Bad owner or permissions on /home/jan/.ssh/config\n", ConfigError, "Bad owner"),
        (
            (
                "debug1: Executing proxy command: exec corkscrew web1 22\n"
                "/bin/sh: 1: exec: corkscrew: not found\n"
                "kex_exchange_identification: Connection closed by remote host\n"
            ),
            ConnectionRefused,
            "the way to it by the ssh configuration ended: /bin/sh: 1: exec: corkscrew: not found",
        ),
        ("debug1: something\n", Unreachable, "it said nothing"),
        ("", Unreachable, "it said nothing"),
        ("a word that nobody knows\n", Unreachable, "a word that nobody knows"),
    ],
)
def test_every_ending_of_ssh_has_a_meaning(said: str, error: type[RemediateError], part: str) -> None:
    found = meaning_of(f"OpenSSH_9.2p1 Debian\r\n{said}", "web1")
    assert type(found) is error
    assert str(found).startswith(("web1", "the ssh configuration for web1"))
    assert part in str(found)


@pytest.mark.parametrize(
    "said, part",
    [
        (
            "No ED25519 host key is known for web1 and you have requested strict checking.\r\n",
            (
                "its host key is unknown (No ED25519 host key is known for web1 and you have requested strict "
                "checking), "
                "so nothing was tried, not even to log in: it shows ssh-ed25519 SHA256:abc. Compare on its console"
            ),
        ),
        (
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
                "Offending ECDSA key in /home/jan/.ssh/known_hosts:7\r\n"
            ),
            "its host key is not the known one (/home/jan/.ssh/known_hosts:7)",
        ),
        ("@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n", "its host key was revoked"),
    ],
)
def test_a_host_key_that_ssh_rejects_is_shown_with_what_to_do(said: str, part: str) -> None:
    found = meaning_of(f"{SHOWN}{said}Host key verification failed.\r\n", "web1")
    assert isinstance(found, HostKeyRejected)
    assert part in str(found)
    assert "ssh-ed25519 SHA256:abc" in str(found)


def test_a_host_whose_key_counts_is_not_believed_when_it_says_that_it_does_not() -> None:
    """What a host says when it hangs up stands behind ssh's own words."""
    said = "Received disconnect from 192.0.2.1 port 22:2: Host key verification failed.\n"
    assert isinstance(meaning_of(f"{SHOWN}{said}", "web1"), ConnectionLost)


@pytest.mark.parametrize("size", [997, 4096, 65535, 65536, 300_000])
def test_however_much_ssh_says_its_first_and_its_last_words_are_kept(size: int) -> None:
    words = Words()
    said = SHOWN + "debug1: noise\n" * 100_000 + "client_loop: send disconnect: Broken pipe\n"
    for start in range(0, len(said), size):
        words.write(said[start : start + size].encode())
    assert words.text.startswith(SHOWN)
    assert last_words(words.text) == "client_loop: send disconnect: Broken pipe"
    assert len(words.text) <= 2**16 + 2**12


def test_what_is_short_is_kept_whole() -> None:
    words = Words()
    for part in (b"a\n", b"", b"b\xff"):
        words.write(part)
    assert words.text == "a\nb\\xff"


def test_the_last_words_are_those_for_people() -> None:
    assert last_words("Confirm user presence for key\nAuthenticated to web1\ndebug1: x\n\n") == (
        "Confirm user presence for key"
    )
    assert last_words("") == ""
