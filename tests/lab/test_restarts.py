"""A host that restarts in the middle of a change: what it forgot is unknown, never "nothing was sent"."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import ChangeIntended, Event
from soleil_remediate.host_outcomes import MaybeChanged
from soleil_remediate.lab import LabError
from tests.lab.conftest import LabHost
from tests.lab.rehearsals import Rehearsal

pytestmark = pytest.mark.lab

#: The real one, then a long wait: the log is cut, and nobody has heard of it yet.
_SLOW_FALLOCATE = r"""printf '#!/bin/sh\n/usr/bin/fallocate "$@"; echo cut >/srv/was-cut; sync; sleep 60\n' \
    >/usr/local/sbin/fallocate && chmod 755 /usr/local/sbin/fallocate"""


def test_a_host_that_restarts_during_a_change_may_have_been_changed(web1: LabHost, tmp_path: Path) -> None:
    web1.break_with("laravel-log", writer="no")
    web1.shell(_SLOW_FALLOCATE)
    restarted: list[threading.Thread] = []

    def restart() -> None:
        web1.shell("for i in $(seq 100); do [ ! -e /srv/was-cut ] || exit 0; sleep 0.1; done; exit 1")
        # Cut off, and waited for, before it is shut down: nobody may hear from it that the change was killed.
        with pytest.raises(LabError):
            web1.shell("systemd-run --quiet --collect --wait sh -c 'systemctl stop ssh.service; pkill -9 -x sshd'")
        web1.lab.stop(web1.name)
        web1.lab.start(web1.name)

    def listen(event: Event) -> None:
        if isinstance(event, ChangeIntended) and not restarted:
            restarted.append(threading.Thread(target=restart))
            restarted[0].start()

    report = Rehearsal(web1, tmp_path / "state").remediate(listener=listen)
    restarted[0].join()

    assert web1.shell("cat /srv/was-cut") == "cut"
    assert isinstance(report.outcome, MaybeChanged), report.outcome
    assert report.outcome.exit_status is ExitStatus.UNKNOWN
    assert "restarted" in report.outcome.why
