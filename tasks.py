"""This checkout's commands for stock invoke: ``invoke remediate --scenario disk-full --host web1``, ``invoke lab.up``.

The same collection as the installed program's; what differs is that this checkout's ``inventory/`` stands where no
other is named. ``invoke --list`` lists the commands, ``invoke --help NAME`` explains one.
"""

from pathlib import Path

from soleil_remediate.cli import collection
from soleil_remediate.cli.call import Program

namespace = collection(Program(name="invoke", inventory=Path(__file__).resolve().parent / "inventory"))
