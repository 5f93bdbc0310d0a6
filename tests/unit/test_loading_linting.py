# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from soleil_remediate.catalog import load_catalog
from soleil_remediate.loading import lint, load_inventory, misfits, shipped_playbooks
from tests.rights import modes_count

CATALOG = load_catalog()
REPOSITORY = Path(__file__).parents[2]
HOSTS = "all:\n  children:\n    web:\n      hosts: {web1: }\n    db:\n      hosts: {db1: }\n"
PLAYBOOK = """\
scenario: disk-sample
title: A Disk
severity: medium
respond_within: 1 h
impact: Nothing can be written
healthy_when: [{disk.writable: {user: www-data}}]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(dedent(text).lstrip("\n"))


def told(*paths: str) -> list[str]:
    return [str(problem) for problem in lint(paths, CATALOG)]


def write_inventory() -> None:
    write("inv/hosts.yml", HOSTS)
    write("inv/group_vars/all.yml", "policy: {environment: staging}\n")
    write("inv/group_vars/web/app.yml", "app: {root: /srv/soleil/current}\n")
    write("inv/group_vars/web/.app.yml.swp", "not: [YAML\n")
    write("inv/host_vars/db1", "ansible_port: 2222\n")
    write("inv/known_hosts", "web1 ssh-ed25519 AAAA\n")
    write("inv/README.md", "# [web]\n")


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_an_inventory_s_folder_is_no_broken_playbook() -> None:
    write_inventory()
    for path in ("inv", "inv/", "inv/hosts.yml", "inv/group_vars", "inv/group_vars/web", "inv/group_vars/web/app.yml", "inv/host_vars/db1"):  # fmt: skip
        assert told(path) == []


def test_a_folder_may_hold_playbooks_and_inventories_and_variables() -> None:
    write_inventory()
    write("inv/disk.yml", PLAYBOOK)
    write("inv/staging.yaml", "web: {hosts: {web9: }}\n")
    write("inv/host_vars/web9.yml", "ansible_user: deploy\n")
    assert told("inv") == []
    write("inv/disk.yml", PLAYBOOK.replace("title", "titel"))
    write("inv/staging.yaml", "web: {hots: {web9: }}\n")
    write("inv/group_vars/all.yml", "policy: {mode: dry}\n")
    write("inv/group_vars/db.yaml", "- a\n")
    assert told("inv") == [
        "inv/disk.yml:1:1: the top level needs 'title'",
        "inv/disk.yml:2:1: unknown key in the top level 'titel': did you mean 'title'?",
        "inv/group_vars/all.yml:1:16: policy.mode must be 'act' or 'observe', not 'dry'",
        "inv/group_vars/db.yaml:1:1: variables are a mapping of names to values, not a list",
        "inv/staging.yaml:1:7: unknown key in group web 'hots': did you mean 'hosts'?",
    ]


def test_what_is_shipped_has_no_mistake() -> None:
    assert lint([shipped_playbooks(), REPOSITORY / "inventory"], CATALOG) == ()


def test_a_folder_with_neither_says_so() -> None:
    write("empty/README.md", "nothing\n")
    write("inventory/hosts", "[web]\nweb1\n")
    write("inventory/group_vars/web.yml", "a: 1\n")
    assert told("empty", "inventory") == [
        "empty:1:1: there is no playbook and no inventory in this folder: they end in .yml",
        "inventory/hosts:1:1: this is an INI inventory, which is not read; `ansible-inventory -i inventory/hosts --list --yaml` converts it",
    ]


def test_a_folder_that_nobody_may_read_says_so() -> None:
    write_inventory()
    Path("closed").mkdir(mode=0)
    Path("inv/group_vars/web").chmod(0)
    Path("inv/host_vars").chmod(0)
    with modes_count():
        found = told("closed", "inv")
    for folder in ("inv/group_vars/web", "inv/host_vars"):
        Path(folder).chmod(0o700)
    assert found == [
        "closed:1:1: this folder cannot be read: Permission denied",
        "inv/group_vars/web:1:1: cannot be read: Permission denied",
        "inv/host_vars:1:1: cannot be read: Permission denied",
    ]


@pytest.mark.parametrize(
    "text,message",
    [
        ("senario: disk-full\ntitle: x\nhosts: web\n", "unknown key in the top level 'senario'"),
        ("scenario: x\ninputs: {hosts: {type: text, about: x}}\n", "the top level needs 'title'"),
        ("al: {hosts: {web1: {ansible_hots: x}}}\n", "unknown Ansible variable"),
        ("web: {hots: {web1: }}\n", "unknown key in group web 'hots'"),
        ("title: {a: b}\n", "the top level needs 'scenario'"),
        ("{}\n", "the top level needs 'scenario'"),
        ("all: {host: }\n", "unknown key in group all 'host'"),
        ("a: 1\n", "the top level needs 'scenario'"),
        ("- hosts: web\n  roles: [nginx]\n", "this is a playbook of Ansible's"),
        ("plugin: aws_ec2\n", "this configures an inventory plugin"),
        ("a: [\n", "expected"),
        ("", "the file is empty"),
    ],
)
def test_a_file_is_judged_by_what_stands_in_it(text: str, message: str) -> None:
    Path("x.yml").write_text(text)
    Path("folder").mkdir()
    Path("folder/x.yml").write_text(text)
    assert any(message in one for one in told("x.yml"))
    assert [one.replace("folder/", "") for one in told("folder")] == told("x.yml")


# ---- variables -------------------------------------------------------------------------------------------------------


def test_variables_of_nobody_are_told_with_the_nearest_name() -> None:
    write_inventory()
    write("inv/group_vars/wbe.yml", "policy: {mode: observe}\n")
    write("inv/group_vars/dbs/a.yml", "policy: {mode: observe}\n")
    write("inv/host_vars/web01.yml", "b: *x\n")
    write("inv/host_vars/web1.yml.bak", "b: *x\n")
    expected = [
        "inv/group_vars/dbs:1:1: unknown group 'dbs': did you mean 'db'?",
        "inv/group_vars/wbe.yml:1:1: unknown group 'wbe': did you mean 'web'?",
        "inv/host_vars/web01.yml:1:1: unknown host 'web01': did you mean 'web1'?",
        "inv/host_vars/web01.yml:1:4: the alias *x is not allowed: write the value itself",
    ]
    assert told("inv") == told("inv/hosts.yml") == expected
    assert told("inv/group_vars") == expected[:2]
    assert told("inv/group_vars/wbe.yml") == expected[1:2]
    assert told("inv/host_vars/web01.yml") == expected[2:]
    assert load_inventory("inv/hosts.yml").hosts  # a run goes on: another inventory may use the same folder


@pytest.mark.parametrize(
    "file,text",
    [
        ("staging.yml", "web: {hosts: {web01: }}\nwbe: {hosts: {web01: }}\n"),
        ("broken.yml", "all: [\n"),
        ("aws_ec2.yml", "plugin: aws_ec2\n"),
        ("hosts", "[wbe]\nweb01\n"),
        ("refused.yml", "all: {hots: {web01: }}\n"),
        ("cloud.py", "#!/usr/bin/python3\n"),
    ],
)
def test_variables_may_be_those_of_any_inventory_beside_them_readable_or_not(file: str, text: str) -> None:
    write_inventory()
    write("inv/group_vars/wbe.yml", "a: 1\n")
    write("inv/host_vars/web01.yml", "a: 1\n")
    assert len(told("inv/hosts.yml")) == 2
    write(f"inv/{file}", text)
    Path(f"inv/{file}").chmod(0o700 if file == "cloud.py" else 0o600)
    assert told("inv/hosts.yml") == []


def test_variables_without_an_inventory_beside_them_are_read_all_the_same() -> None:
    write("site.yml", "- hosts: web\n  roles: [a]\n")
    write("group_vars/web.yml", "a: 1\n")
    write("group_vars/db/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3061\n")
    assert told(".") == [
        "group_vars/db/vault.yml:1:1: encrypted by ansible-vault, which is not read here: write secrets as env:NAME or file:PATH",
        "site.yml:1:1: this is a playbook of Ansible's, which is not read: one of ours is a mapping, `scenario:` first",
    ]
    assert told("group_vars/db/vault.yml") == told(".")[:1]
    assert told("host_vars/none.yml") == ["host_vars/none.yml:1:1: cannot be read: No such file or directory"]
    assert told("host_vars") == ["host_vars:1:1: cannot be read: No such file or directory"]


def test_every_broken_file_of_variables_is_told_and_nothing_that_follows_from_it() -> None:
    write_inventory()
    write("inv/group_vars/web/app.yml", "app: {root: [\n")
    write("inv/host_vars/web1.yml", "app: {user: deploy}\nb: *x\n")
    assert (
        told("inv")
        == told("inv/hosts.yml")
        == [
            "inv/group_vars/web/app.yml:2:1: while parsing a flow node, expected the node content, but found '<stream end>'",
            "inv/host_vars/web1.yml:2:4: the alias *x is not allowed: write the value itself",
        ]
    )
    assert told("inv/group_vars") == told("inv")[:1]


# --- playbooks against an inventory -----------------------------------------------------------------------------------

TWO_GROUPS = """\
all:
  children:
    web: {vars: {app: {name: soleil, root: /srv/soleil}, share: 90%}, hosts: {"web[1:5]": {}}}
    db: {vars: {share: a lot}, hosts: {db1: {}, db2: {}}}
"""
MINE = """\
scenario: mine
title: Mine
severity: high
respond_within: 30 min
impact: none
"""


def against(text: str, hosts: str = TWO_GROUPS) -> list[str]:
    write("hosts.yml", hosts)
    write("mine.yml", MINE + text)
    assert told("mine.yml", "hosts.yml") == []
    return [str(problem) for problem in misfits(["mine.yml", "hosts.yml"], "hosts.yml", CATALOG)]


CHECKED = "healthy_when: [disk.used: {below: 80%}], steps: [journal.vacuum: {to: 1 GiB}]"
SHEAR = '"{{ vars.shear }}"'
NEEDS_SHEAR = "disk.used: below needs vars.shear, which is not given in the inventory"
ROOT = 'healthy_when: [disk.used: {below: 80%, mount: "{{ app.root }}"}]\n'


@pytest.mark.parametrize(
    "text, messages",
    [
        pytest.param(f"hosts: web\n{ROOT}", [], id="nothing is wrong"),
        pytest.param(
            f"hosts: wbe\n{ROOT}",
            ["mine.yml:6:8: hosts.yml: unknown host or group 'wbe': did you mean 'web'?"],
            id="a group that there is not",
        ),
        pytest.param(
            f"hosts: web:&db\n{ROOT}",
            ["mine.yml:6:8: hosts.yml: 'web:&db' matches no host"],
            id="a pattern that nothing matches",
        ),
        pytest.param(
            ROOT,
            [
                "mine.yml:6:47: db1, db2: disk.used: mount needs app.root, which is not given in the inventory",
            ],
            id="a value that some hosts lack",
        ),
        pytest.param(
            'hosts: all\nhealthy_when: [disk.used: {below: "{{ vars.shear }}"}]\n',
            [
                f"mine.yml:7:35: web1, web2, web3 and 4 more: {NEEDS_SHEAR}",
            ],
            id="a value that no host has",
        ),
        pytest.param(
            'healthy_when: [disk.used: {below: "{{ vars.share }}"}]\ngoal: [disk.used: {below: "{{ vars.shear }}"}]\n'
            "hosts: db\n",
            [
                "mine.yml:6:35: db1, db2: disk.used: below (vars.share): 'a lot' is no share: write a share such as 80%",
                f"mine.yml:7:27: db1, db2: {NEEDS_SHEAR}",
            ],
            id="every mistake and not only the first",
        ),
        pytest.param(
            "inputs:\n  mount: {type: path, about: Where}\n  share: {type: percent, required: true, about: How much}\n"
            'healthy_when: [disk.used: {below: "{{ inputs.share }}", mount: "{{ inputs.mount }}"}]\n',
            [],
            id="what somebody has to give",
        ),
        pytest.param(
            f"hosts: web\nstages:\n  - {{stage: one, hosts: db, {CHECKED}}}\n  - {{stage: two, hosts: wbe, {CHECKED}}}\n"
            f"  - {{stage: three, {CHECKED.replace('80%', SHEAR)}}}\n",
            [
                "mine.yml:8:25: stage one is for db, and none of web is among them",
                "mine.yml:9:25: hosts.yml: unknown host or group 'wbe': did you mean 'web'?",
                f"mine.yml:10:54: web1, web2, web3 and 2 more: {NEEDS_SHEAR}",
            ],
            id="stages",
        ),
        pytest.param(
            f"hosts: all\nstages:\n  - {{stage: one, hosts: web, {CHECKED}}}\n",
            ["mine.yml:6:8: no stage of mine is for db1, db2, and mine is for all"],
            id="hosts in no stage",
        ),
    ],
)
def test_a_playbook_is_held_against_the_hosts_that_it_is_for(text: str, messages: list[str]) -> None:
    assert against(text) == messages


def test_what_is_wrong_with_a_file_by_itself_is_not_said_again() -> None:
    write("mine.yml", f"{MINE}hots: web\n")
    write("hosts.yml", "all: {hots: {}}\n")
    assert misfits(["mine.yml"], "hosts.yml", CATALOG) == ()
