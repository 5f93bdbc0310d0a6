from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Origin
from soleil_remediate.loading.documents import Problems, compose
from soleil_remediate.loading.foreign import ini_inventory
from soleil_remediate.loading.inventory import load_inventory

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "text,line",
    [
        ("[web]\nweb1\n", 1),
        ("\ufeff# ours\n; theirs\n\n  \n[web:vars]  # all\nansible_user=deploy\n".removeprefix("\ufeff"), 5),
        ("web1 ansible_host=10.0.0.1\n", 1),
        ("web1:2222 ansible_user=deploy  # by hand\n", 1),
        ("web[01:03]\n\n[db:children]\nold\n", 1),
        ("10.0.0.1\n[web]\n10.0.0.1\n", 1),
        ("web1.example.com\r\n[web]\r\nweb1.example.com\r\n", 1),
        ("[web]", 1),
    ],
)
def test_an_ini_inventory_is_known_by_its_lines(text: str, line: int) -> None:
    found = ini_inventory(text, "my hosts")
    assert found == (
        Origin("my hosts", line),
        "this is an INI inventory, which is not read; `ansible-inventory -i 'my hosts' --list --yaml` converts it",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "all:\n  hosts:\n",
        "---\nall: {hosts: {web1: }}\n",
        "web:\n  hosts: {web1: {a: b=c}}\n",
        '"web":\n  hosts:\n',
        "{all: {hosts:\n{web1: }}}\n",
        "? all\n: {hosts: {web1: }}\n",
        "[web1, web2]\n",
        "- web1\n",
        "web1\nweb2\n",
        "just text = text\n",
        "scenario: x\nsteps: |\n  web1 a=b\n[web]\n",
    ],
)
def test_nothing_else_is_taken_for_one(text: str) -> None:
    assert ini_inventory(text, "hosts") is None


@pytest.mark.parametrize("file", [*REPOSITORY.glob("inventory/*.yml"), *REPOSITORY.glob("playbooks/*.yml")])
def test_no_file_that_is_shipped_is_taken_for_one(file: Path) -> None:
    assert ini_inventory(file.read_text(), str(file)) is None


@given(st.text("all:hostsweb1 \n{}[]-?\"'=#", max_size=60))
def test_whatever_is_a_mapping_of_yaml_is_no_ini_inventory(text: str) -> None:
    try:
        root = compose(text, "f", Problems(ConfigError))
    except ConfigError:
        return
    assert not isinstance(root.value, dict) or ini_inventory(text, "f") is None


def test_what_ansible_converts_an_ini_inventory_to_is_read(tmp_path: Path) -> None:
    # the output of ansible-inventory of ansible-core 2.19 for groups, children, variables and a host with a port
    (tmp_path / "hosts.yml").write_text(
        "all:\n"
        "  children:\n"
        "    prod:\n"
        "      children:\n"
        "        web:\n"
        "          hosts:\n"
        "            web1:\n"
        "              ansible_host: 10.0.0.1\n"
        "              ansible_user: deploy\n"
        "              flag: 'yes'\n"
        "              nums: '0755'\n"
        "            web2:\n"
        "              ansible_user: deploy\n"
        "    ungrouped:\n"
        "      hosts:\n"
        "        lone:\n"
        "          ansible_port: 2222\n"
    )
    inventory = load_inventory(tmp_path / "hosts.yml")
    assert [host.name for host in inventory.select("prod")] == ["web1", "web2"]
    assert inventory.host("lone").connection.port == 2222
