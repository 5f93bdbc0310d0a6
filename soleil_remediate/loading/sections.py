"""Which variables of an inventory are sections of ours, and which were meant to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.policies import PolicySection
from soleil_remediate.loading.profiles import NamedProfile, Profile
from soleil_remediate.loading.validation import Section, shown

#: Keys of ours beside Ansible's variables.
SECTIONS = ("app", "apps", "policy", "contacts", "known_hosts", "ssh_config", "transport", "sudo", "machine_id")


def refuse_misspelt_sections(variables: Mapping[str, Node], problems: Problems) -> None:
    """Note every variable that is called nearly as a section of ours and holds only what that one may hold.

    Left alone it would be a variable of somebody else's, and a host of ``polcy: {mode: observe}`` would be changed.
    """
    for name, node in variables.items():
        if name in SECTIONS or not node.entries:
            continue
        may_be = [section for section, holds in _HOLDS.items() if section[0] == name[:1].lower() and holds(node)]
        if near := get_close_matches(name.lower()[:80], may_be, n=1, cutoff=0.7):
            problems.add(node.origin, f"unknown section {shown(name)}: did you mean {near[0]!r}?")


def _is_like(node: Node, model: type[Section]) -> bool:
    return bool(node.entries) and node.entries.keys() <= model.model_fields.keys()


#: Of what a variable consists that was to be a section; contacts may consist of anything.
_HOLDS: Mapping[str, Callable[[Node], bool]] = {
    "policy": lambda node: _is_like(node, PolicySection),
    "app": lambda node: _is_like(node, NamedProfile),
    "apps": lambda node: all(_is_like(app, Profile) for app in node.entries.values()),
}
