"""Files of Ansible's that people have beside those that are read here, told by what stands in them.

Who brings such a file did nothing wrong: it is named as what it is, with the command that makes something of it that
can be read.
"""

from __future__ import annotations

import re
import shlex

from soleil_remediate.host import Origin
from soleil_remediate.loading.documents import Node

#: ``[web]``, ``[web:vars]``; https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html
_SECTION = re.compile(r"\[[A-Za-z0-9_.:-]+\]\s*(?:[#;].*)?")
#: ``web1``, ``web[01:03]``, ``web1:2222 ansible_user=deploy``: no line that a mapping of YAML can begin with.
_HOST = re.compile(r"[A-Za-z0-9_.:\[\]-]*[A-Za-z0-9_\]](?P<variables>\s+[A-Za-z_]\w*=.*)?")


def ini_inventory(text: str, file: str) -> tuple[Origin, str] | None:
    """Return where an INI inventory begins and what to do with it; ``None`` where the text is none."""
    lines = [
        (number, line.rstrip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and line.lstrip()[0] not in "#;"
    ]
    if not lines:
        return None
    number, first = lines[0]
    host = _HOST.fullmatch(first)
    has_section = any(_SECTION.fullmatch(line) for _, line in lines)
    if not (_SECTION.fullmatch(first) or (host and (host["variables"] or has_section))):
        return None
    return Origin(file, number), f"this is an INI inventory, which is not read; {_converted(file)} converts it"


def foreign_inventory(root: Node) -> tuple[Origin, str] | None:
    """Return what an inventory is that is YAML and not one of groups; ``None`` where it is one."""
    file = root.origin.file
    plugin = root.entries.get("plugin")
    if plugin is not None and isinstance(plugin.value, str):
        return root.keys["plugin"], (
            f"this configures an inventory plugin, and none is run here; {_converted(file)} writes what it finds"
        )
    if "_meta" in root.entries:
        return root.keys["_meta"], f"this is JSON as programs give it to Ansible; {_converted(file)} converts it"
    return None


def ansible_playbook(root: Node) -> tuple[Origin, str] | None:
    """Return what a list of plays is; ``None`` where the document is none."""
    plays = root.value if isinstance(root.value, list) else []
    if not plays or not all({"hosts", "import_playbook"} & play.entries.keys() for play in plays):
        return None
    return (
        root.origin,
        "this is a playbook of Ansible's, which is not read: one of ours is a mapping, `scenario:` first",
    )


def _converted(file: str) -> str:
    return f"`ansible-inventory -i {shlex.quote(file)} --list --yaml`"
