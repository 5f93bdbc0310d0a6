# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

from soleil_remediate.errors import ConfigError, InventoryError, UnknownName
from soleil_remediate.host import Connection, Given, Host, Mode, Policy, SecretReference
from soleil_remediate.loading.groups import HOSTS_LIMIT
from soleil_remediate.loading.inventory import Inventory, ad_hoc_host, load_inventory
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.backups import PruneBackups
from soleil_remediate.units import Duration, MiB, Percent
from tests.rights import modes_count

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(dedent(text).lstrip("\n"))


def load(text: str) -> Inventory:
    write("hosts.yml", text)
    return load_inventory("hosts.yml")


def variables(text: str) -> Host:
    """Return the host of an inventory whose only host has these variables, from line 5 and column 9 on."""
    body = "\n".join(f"        {line}" for line in dedent(text).strip("\n").splitlines())
    return load(f"all:\n  children:\n    web: {{}}\n  hosts:\n      web1:\n{body}\n").host("web1")


APP = "app: {root: /srv/soleil/current}"


# ---- groups and precedence ------------------------------------------------------------------------------------------


def test_later_levels_win_as_they_do_in_ansible() -> None:
    # expected values: ansible-inventory --list of ansible-core 2.19 over the same files
    write("group_vars/all.yml", "a1: gv_all\na2: gv_all\n")
    write("group_vars/zeta/a.yml", "v: gv_zeta_a\n")
    write("group_vars/zeta/b.yaml", "v: gv_zeta_b\n")
    write("group_vars/inner", "deep: gv_inner\n")
    write("host_vars/h01.yml", "own: hv\n")
    inventory = load(
        """
        all:
          vars: {v: all, a1: all, dict: {x: 1, y: 2}}
          hosts:
            lone:
          children:
            alpha:
              vars: {v: alpha, a2: alpha, pr: alpha, ansible_group_priority: 10}
              hosts: {"h[01:03]": {}, "x-[a:c]": }
            zeta:
              vars: {v: zeta, a2: zeta, pr: zeta, dict: {y: 3}}
              children:
                inner:
                  hosts: {h01: {own: inline}, h02: }
                  vars: {v: inner, deep: inner}
              hosts: {x-a: {own: inline}}
            mid:
              children: {alpha: }
        other:
          hosts: {h03: {k: 1}, "r[0:10:5]": }
          vars: {a2: other, v: other}
        """
    )
    assert {host.name: host.variables for host in inventory.hosts} == {
        "lone": {"v": "all", "a1": "gv_all", "a2": "gv_all", "dict": {"x": 1, "y": 2}},
        "h01": {"v": "gv_zeta_b", "a1": "gv_all", "a2": "gv_all", "pr": "alpha", "dict": {"y": 3}, "deep": "gv_inner", "own": "hv"},
        "h02": {"v": "gv_zeta_b", "a1": "gv_all", "a2": "gv_all", "pr": "alpha", "dict": {"y": 3}, "deep": "gv_inner"},
        "h03": {"v": "alpha", "a1": "gv_all", "a2": "gv_all", "pr": "alpha", "dict": {"x": 1, "y": 2}, "k": 1},
        "x-a": {"v": "gv_zeta_b", "a1": "gv_all", "a2": "gv_all", "pr": "alpha", "dict": {"y": 3}, "own": "inline"},
        **{name: {"v": "alpha", "a1": "gv_all", "a2": "gv_all", "pr": "alpha", "dict": {"x": 1, "y": 2}} for name in ("x-b", "x-c")},
        **{name: {"v": "other", "a1": "gv_all", "a2": "gv_all", "dict": {"x": 1, "y": 2}} for name in ("r0", "r5", "r10")},
    }  # fmt: skip
    assert inventory.host("h01").groups == ("all", "mid", "zeta", "inner", "alpha")
    assert inventory.groups["mid"] == {"h01", "h02", "h03", "x-a", "x-b", "x-c"}


def test_a_group_beside_all_is_as_deep_as_what_holds_it() -> None:
    inventory = load(
        """
        outer: {children: {zone: }, vars: {v: outer, w: outer}}
        zone: {hosts: {web1: }, vars: {v: zone}}
        aside: {hosts: {web1: }, vars: {v: aside, w: aside}}
        """
    )
    assert inventory.host("web1").groups == ("all", "aside", "outer", "zone")
    assert inventory.host("web1").variables == {"v": "zone", "w": "outer"}


def test_folders_of_variables_hold_yaml_files_and_nothing_else() -> None:
    write("group_vars/all/b.yml", "v: b\n")
    write("group_vars/all/a.yml", "v: a\n")
    for ignored in ("c.bak", ".c.yml", "~c.yml"):
        write(f"group_vars/all/{ignored}", "v: ignored\n")
    write("group_vars/all/deeper/c.yml", "v: deeper\n")
    write("host_vars/web1.yml", "# nothing yet\n~\n")
    assert load("all: {hosts: {web1: }}").host("web1").variables == {"v": "b"}


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "---\n# nothing yet\n...\n", "\ufeff"])
def test_a_file_of_variables_may_be_empty_as_it_may_for_ansible(text: str) -> None:
    write("host_vars/web1.yml", text)
    assert load("all: {hosts: {web1: {v: 1}}}").host("web1").variables == {"v": 1}


def test_a_section_that_is_no_mapping_replaces_and_is_then_refused() -> None:
    write("host_vars/web1.yml", "policy: none of yours\n")
    with pytest.raises(
        InventoryError, match=r"^host_vars/web1\.yml:1:9: policy must be a mapping, not 'none of yours'$"
    ):
        load("all: {hosts: {web1: }, vars: {policy: {mode: act}}}")
    write("host_vars/web1.yml", "policy: {mode: observe}\n")
    assert load("all: {hosts: {web1: }, vars: {policy: broken}}").host("web1").policy.mode is Mode.OBSERVE


def test_a_host_of_the_longest_name_has_no_file_of_variables_that_could_exist() -> None:
    write("host_vars/web1.yml", "v: 1\n")
    assert load(f"all: {{hosts: {{{'w' * 253}: }}}}").hosts[0].variables == {}


@pytest.mark.parametrize(
    "make,message",
    [
        ("dangling link", "group_vars/all.yml:1:1: cannot be read: No such file or directory"),
        ("loop", "group_vars/all.yml:1:1: cannot be read: Too many levels of symbolic links"),
        ("pipe", "group_vars/all.yml:1:1: this is not a plain file: name a YAML file"),
        ("plain file", "group_vars:1:1: cannot be read: Not a directory"),
        ("closed", "group_vars:1:1: cannot be read: Permission denied"),
        ("closed inside", "group_vars/all:1:1: cannot be read: Permission denied"),
    ],
)
def test_variables_that_cannot_be_read_are_not_passed_over(make: str, message: str) -> None:
    folder = Path("group_vars")
    if make != "plain file":
        folder.mkdir()
    match make:
        case "dangling link":
            (folder / "all.yml").symlink_to("elsewhere.yml")
        case "loop":
            (folder / "all.yml").symlink_to("all.yml")
        case "pipe":
            os.mkfifo(folder / "all.yml")
        case "plain file":
            folder.write_text("policy: {mode: observe}\n")
        case "closed":
            folder.chmod(0)
        case _:
            (folder / "all").mkdir(mode=0)
    with modes_count(), pytest.raises(InventoryError) as caught:
        load("all: {hosts: {web1: }}")
    assert str(caught.value) == message


def test_variables_that_are_no_mapping_are_refused() -> None:
    write("host_vars/web1.yml", "- a\n")
    with pytest.raises(
        InventoryError, match=r"^host_vars/web1\.yml:1:1: variables are a mapping of names to values, not a list$"
    ):
        load("all: {hosts: {web1: }}")


def test_sections_of_ours_are_merged_key_by_key() -> None:
    write("group_vars/all.yml", "policy: {environment: staging, evidence_limit: 1 GiB}\ncontacts: {devops: a@b}\n")
    write("host_vars/web1.yml", "policy: {mode: observe}\napp: {backups: {keep: 9}}\n")
    host = load(
        """
        all:
          hosts: {web1: }
          vars:
            app: {name: soleil, root: /srv/soleil/current, backups: {path: /var/backups/soleil}}
            policy: {environment: production, unattended: {disk-full: disruptive}}
        """
    ).host("web1")
    assert host.policy == Policy(
        environment="staging", mode=Mode.OBSERVE, unattended={"disk-full": Risk.DISRUPTIVE}, evidence_limit=MiB(1024)
    )
    assert host.policy.ceiling("disk-full") is Risk.DISRUPTIVE
    assert host.policy.ceiling("redis-down") is Risk.GENTLE
    assert host.contacts == {"devops": "a@b"}
    assert host.app["backups"]["keep"] == 9
    assert host.app["backups"]["path"] == PurePosixPath("/var/backups/soleil")


def a_fleet() -> Inventory:
    """Return an inventory in which the web servers of production have limits, and others have not."""
    return load(
        """
        all:
          children:
            web:
              hosts: {web1: , web2: , web3: }
              vars:
                policy: {change_limit: 34%, unhealthy_limit: 40%}
            blue:
              hosts: {web3: , db1: }
            db:
              hosts: {db1: , db2: }
        """
    )


def test_limits_of_shares_are_read_and_know_their_groups_and_where_they_were_written() -> None:
    inventory = a_fleet()
    host = inventory.host("web3")
    assert (host.policy.change_limit, host.policy.unhealthy_limit) == (Percent(34), Percent(40))
    assert {group: host.group_sizes[group] for group in host.groups} == {"all": 5, "web": 3, "blue": 2}
    assert host.neighbours == ("web1", "web2", "web3", "db1", "db2")
    assert host.given == Given(inventory="hosts.yml")
    assert str(host.origins["policy.change_limit"]) == "hosts.yml:6:32"
    told = {row.variable: (row.value, str(row.origin)) for row in inventory.explain("web3")}
    assert told["policy.unhealthy_limit"] == ("40 %", "hosts.yml:6:54")
    assert inventory.host("db2").policy == Policy()


@pytest.mark.parametrize(
    "hosts, pattern, peers",
    [
        (["web1"], "all", ["web2", "web3"]),
        (["web1", "web2"], "all", ["web3"]),
        (["web1", "web2", "web3"], "all", ["db1"]),
        (["web3"], "all", ["web1", "web2", "db1"]),
        (["web3"], "web", ["web1", "web2"]),
        (["db1"], "all", []),
        (["db1", "web1"], "all", ["web2", "web3"]),
    ],
)
def test_peers_are_the_others_of_a_hosts_groups_that_the_scenario_is_for(
    hosts: list[str], pattern: str, peers: list[str]
) -> None:
    inventory = a_fleet()
    assert [one.name for one in inventory.peers([inventory.host(name) for name in hosts], pattern)] == peers


def test_peers_of_an_application_have_the_same_application() -> None:
    inventory = load(
        """
        all:
          vars:
            policy: {unhealthy_limit: 40%}
            apps: {soleil: {root: /srv/soleil/current}, blog: {root: /srv/blog/current}}
          hosts: {web1: , web2: }
        """
    )
    assert [one.name for one in inventory.peers([inventory.host("web1/blog")], "all")] == ["web2/blog"]


def test_a_host_may_say_which_machine_it_is_for_each_of_its_applications() -> None:
    inventory = load(
        """
        all:
          hosts:
            web1:
              machine_id: 3d1219c7c4c5404aaa1f6d2a48adfda4
              apps: {soleil: {root: /srv/soleil/current}, blog: {root: /srv/blog/current}}
            web2: {machine_id: "12345678901234567890123456789012"}
            web3:
        """
    )
    known = [host.connection.machine_id for host in inventory.hosts]
    assert known == [*["3d1219c7c4c5404aaa1f6d2a48adfda4"] * 2, "12345678901234567890123456789012", None]
    assert "machine_id" not in inventory.host("web2").variables
    told = {row.variable: (row.value, str(row.origin)) for row in inventory.explain("web1/blog")}
    assert told["machine_id"] == ("3d1219c7c4c5404aaa1f6d2a48adfda4", "hosts.yml:4:19")


def test_no_two_hosts_are_meant_to_be_one_machine() -> None:
    with pytest.raises(InventoryError, match=r"^hosts\.yml:3:17: web1 and web2 have the same machine_id: each has its"):
        load(
            """
            all:
              vars:
                machine_id: 3d1219c7c4c5404aaa1f6d2a48adfda4
              hosts: {web1: , web2: }
            """
        )


def test_every_value_knows_where_it_was_written() -> None:
    write("group_vars/web.yml", "app:\n  user: soleil\nregion: eu\n")
    inventory = load(
        """
        all:
          vars:
            ansible_user: deploy
            app: {root: /srv/a/current}
          children:
            web:
              hosts:
                web1: {ansible_password: "env:PW", db_password: hunter2, extra: [1, 2]}
        """
    )
    told = {row.variable: (row.value, str(row.origin) if row.origin else None) for row in inventory.explain("web1")}
    assert told == {
        "ansible_host": ("web1", None),
        "ansible_user": ("deploy", "hosts.yml:3:19"),
        "ansible_become": ("true", None),
        "transport": ("ssh", None),
        "ansible_password": ("env:PW", "hosts.yml:8:34"),
        "app.name": ("app", None),
        "app.root": ("/srv/a/current", "hosts.yml:4:17"),
        "app.user": ("soleil", "group_vars/web.yml:2:9"),
        "app.logs": ("/srv/a/current/storage/logs/laravel.log", None),
        "app.health.live": ("/api/health/live", None),
        "app.health.page": ("/api/health/ready", None),
        "policy.environment": ("production", None),
        "policy.mode": ("act", None),
        "policy.evidence_limit": ("20 GiB", None),
        "region": ("eu", "group_vars/web.yml:3:9"),
        "db_password": ("(not shown: it may be a secret; write env:NAME or file:PATH)", "hosts.yml:8:57"),
        "extra": ("1, 2", "hosts.yml:8:73"),
    }
    with pytest.raises(UnknownName, match=r"^unknown host 'web2': known: web1$"):
        inventory.explain("web2")


def test_a_secret_written_inline_is_in_no_text_of_the_inventory() -> None:
    host = variables(
        "db_password: hunter2\nnested: {api_token: hunter2, fine: yes}\ntokens: [hunter2]\npassword: ~\nother_secret: env:X\nempty: {}\n"
        + APP
    )
    assert "hunter2" not in repr(host)
    assert host.variables["nested"]["fine"] == "yes"
    assert (host.variables["password"], host.variables["other_secret"]) == (None, "env:X")
    assert "empty" in host.origins


def test_a_host_with_several_applications_is_several_targets() -> None:
    inventory = load(
        """
        all:
          hosts:
            web1:
              apps:
                soleil: {root: /srv/soleil/current}
                blog: {root: /srv/blog/current, user: blog}
            web2:
              apps: {soleil: {root: /srv/soleil/current}}
        """
    )
    assert [(host.name, host.app_name, host.app["user"]) for host in inventory.hosts] == [
        ("web1/soleil", "soleil", "www-data"), ("web1/blog", "blog", "blog"), ("web2", "soleil", "www-data"),
    ]  # fmt: skip
    assert str(inventory.host("web1/blog").origins["app.user"]) == "hosts.yml:6:47"


# ---- the profile, the connection, the policy -------------------------------------------------------------------------


def test_a_profile_says_what_it_does_not_know_and_what_follows() -> None:
    assert variables("app: {name: soleil, root: /srv/soleil/current, backups: /var/backups/soleil}").app == {
        "name": "soleil",
        "root": PurePosixPath("/srv/soleil/current"),
        "user": "www-data",
        "logs": (PurePosixPath("/srv/soleil/current/storage/logs/laravel.log"),),
        "backups": {
            "path": PurePosixPath("/var/backups/soleil"),
            "keep": 3,
            "older_than": Duration(7 * 86400),
            "patterns": PruneBackups.names,
            "protect": (),
        },
        "url": None,
        "front": None,
        "ca": None,
        "third_parties": None,
        "health": {"live": "/api/health/live", "page": "/api/health/ready", "origin": None},
    }
    assert variables("ansible_host: 10.0.0.1").app == {}


def test_an_authority_of_ones_own_is_a_file_on_this_machine_that_stands_beside_the_inventory() -> None:
    def ca(path: str) -> object:
        return variables(f"app: {{root: /srv/a, ca: {path}}}").app["ca"]

    assert ca("ca.pem") == "ca.pem"
    assert ca("/etc/ca.pem") == "/etc/ca.pem"
    assert ca("~/ca.pem") == str(Path("~/ca.pem").expanduser())


def test_nobody_can_change_what_an_inventory_said() -> None:
    host = variables(APP + "\nfree: {a: [1]}")
    for mapping in (host.app, host.variables, host.variables["free"], host.origins, host.policy.unattended):
        with pytest.raises(TypeError):
            mapping["x"] = 1  # type: ignore[index]
    assert host.variables["free"]["a"] == (1,)


def test_ansible_s_connection_variables_are_read(here: Path) -> None:
    host = variables(
        """
        ansible_host: 10.0.0.5
        ansible_port: "2222"
        ansible_user: deploy
        ansible_ssh_private_key_file: keys/id
        ansible_become: yes
        ansible_become_method: sudo
        ansible_password: env:SSH_PW
        ansible_timeout: 7
        ansible_connection: smart
        ansible_python_interpreter: /usr/bin/python3
        ansible_ruby_interpreter: /usr/bin/ruby
        ansible_pipelining: true
        known_hosts: [known_hosts, ~/.ssh/known_hosts]
        ssh_config: ssh_config
        """
    )
    assert host.connection == Connection(
        address="10.0.0.5",
        port=2222,
        user="deploy",
        key_file=Path("keys/id"),
        known_hosts=(Path("known_hosts"), Path.home() / ".ssh/known_hosts"),
        ssh_config=Path("ssh_config"),
        password=SecretReference("env", "SSH_PW"),
        become=True,
        connect_within=Duration(7),
    )
    assert host.connection.transport == "ssh"
    assert variables("ansible_become: false").connection.become is False
    assert variables("ansible_port: 65535").connection.port == 65535
    assert variables("ansible_port: 1").connection.port == 1
    assert variables("ansible_become: 'off'").connection.become is False


@pytest.mark.parametrize(
    "text, way",
    [
        ("", "ssh"),
        ("ansible_connection: local", "local"),
        ("ansible_connection: ssh", "ssh"),
        ("ansible_connection: paramiko", "ssh"),
        ("transport: openssh", "openssh"),
        ("ansible_connection: ssh\ntransport: openssh", "openssh"),
        ("transport: local", "local"),
        ("ansible_connection: local\ntransport: local", "local"),
    ],
)
def test_which_way_in_is_said_in_ansible_s_words_or_in_ours(text: str, way: str) -> None:
    assert variables(f"region: eu\n{text}").connection.transport == way


@pytest.mark.parametrize(
    "text, is_narrow",
    [("", False), ("sudo: shell", False), ("sudo: narrow", True), ("sudo: narrow\nansible_become: true", True)],
)
def test_whether_sudo_allows_a_shell_or_single_commands(text: str, is_narrow: bool) -> None:
    assert variables(f"region: eu\n{text}").connection.is_narrow is is_narrow


@pytest.mark.parametrize("name", ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"])
def test_a_sudo_password_is_named_by_where_it_stands(name: str) -> None:
    reference = SecretReference("file", str(Path("secrets/sudo")))
    assert variables(f"{name}: file:secrets/sudo").connection.become_password == reference


def test_the_home_of_nobody_is_a_place_where_nothing_is() -> None:
    connection = variables("known_hosts: ~nobody-of-this-name/known_hosts").connection
    assert connection.known_hosts == (Path("~nobody-of-this-name/known_hosts"),)


def test_relative_paths_start_at_the_inventory_s_folder() -> None:
    write("sub/hosts.yml", "all: {hosts: {web1: {known_hosts: known_hosts, ansible_ssh_private_key_file: /abs/id}}}")
    connection = load_inventory("sub/hosts.yml").host("web1").connection
    assert connection.known_hosts == (Path("sub/known_hosts"),)
    assert connection.key_file == Path("/abs/id")


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_fetched_when_it_is_needed_and_shown_by_nobody(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hunter2")
    Path("pw").write_bytes(b"hunter3\n")
    Path("dos").write_bytes(b" hunter4 \r\n")
    for name in ("pw", "dos"):
        Path(name).chmod(0o600)
    by_env, by_file = SecretReference("env", "PW"), SecretReference("file", "pw")
    assert (by_env.resolve().reveal(), by_file.resolve().reveal()) == ("hunter2", "hunter3")
    assert SecretReference("file", "dos").resolve().reveal() == " hunter4 "
    assert (str(by_env), str(by_file), str(by_env.resolve())) == ("env:PW", "file:pw", "Secret(…)")


@pytest.mark.parametrize(
    "reference,message",
    [
        (
            SecretReference("env", "NOT_SET"),
            "the environment variable NOT_SET is not set: the inventory wants a secret in it",
        ),
        (SecretReference("file", "none"), "the secret in none cannot be read: No such file or directory"),
        (SecretReference("file", "open"), "open holds a secret and others may read it: chmod 600 it"),
        (SecretReference("file", "/dev/zero"), "the secret in /dev/zero cannot be read: it is not a plain file"),
        (SecretReference("file", "long"), "the secret in long cannot be read: it is larger than 65536 bytes"),
        (SecretReference("file", "empty"), "empty is empty: the inventory wants a secret in it"),
        (SecretReference("file", "binary"), "the secret in binary cannot be read: it is not UTF-8"),
    ],
)
def test_a_secret_that_cannot_be_had_says_why(reference: SecretReference, message: str) -> None:
    for name, content, mode in (
        ("open", b"x", 0o644),
        ("empty", b"\n", 0o600),
        ("binary", b"\xff", 0o600),
        ("long", b"x" * 65_537, 0o600),
    ):
        Path(name).write_bytes(content)
        Path(name).chmod(mode)
    with pytest.raises(ConfigError) as caught:
        reference.resolve()
    assert str(caught.value) == message


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,message",
    [
        ("[web]\nweb1\n", "hosts.yml:1:1: this is an INI inventory, which is not read; `ansible-inventory -i hosts.yml --list --yaml` converts it"),
        ("plugin: amazon.aws.aws_ec2\n", "hosts.yml:1:1: this configures an inventory plugin, and none is run here; `ansible-inventory -i hosts.yml --list --yaml` writes what it finds"),
        ('{"_meta": {"hostvars": {}}, "all": {"children": ["web"]}}\n', "hosts.yml:1:2: this is JSON as programs give it to Ansible; `ansible-inventory -i hosts.yml --list --yaml` converts it"),
        ("- web1\n", "hosts.yml:1:1: an inventory is a mapping that begins with all:, not a list"),
        ("all: {}\n", "hosts.yml:1:1: there is no host in this inventory"),
        ("all:\n  hosts: [web1]\n", "hosts.yml:2:10: hosts must be a mapping, not a list: write lines like 'web1:'"),
        ("all:\n  children: web\n", "hosts.yml:2:13: children must be a mapping, not 'web': write lines like 'web:'"),
        ("all:\n  host:\n    web1:\n", "hosts.yml:2:3: unknown key in group all 'host': did you mean 'hosts'?"),
        ("all:\n  children:\n    web: web1\n", "hosts.yml:3:10: group web must be a mapping of hosts, children and vars, not 'web1'"),
        ("all: {hosts: {web1: }}\nw\u0435b: {}\n", "hosts.yml:2:1: 'w\\u0435b' holds U+0435 (CYRILLIC SMALL LETTER IE) as character 2: names are ASCII"),
        ("all:\n  hosts:\n    web1: 10.0.0.1\n", "hosts.yml:3:11: host web1 must be a mapping of its variables, not '10.0.0.1'"),
        ("all:\n  hosts:\n    w\u0435b1:\n", "hosts.yml:3:5: 'w\\u0435b1' holds U+0435 (CYRILLIC SMALL LETTER IE) as character 2: names are ASCII"),
        ("all:\n  hosts:\n    web 1:\n", "hosts.yml:3:5: 'web 1' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("all:\n  hosts:\n    -web1:\n", "hosts.yml:3:5: '-web1' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("all:\n  hosts:\n    web[1-3]:\n", "hosts.yml:3:5: 'web[1-3]' is no range: write it like web[01:03] or db-[a:c]"),
        ("all:\n  hosts:\n    web[3:1]:\n", "hosts.yml:3:5: 'web[3:1]' begins after its end"),
        ("all:\n  hosts:\n    web[01:100]:\n", "hosts.yml:3:5: 'web[01:100]': write both ends with the same number of digits"),
        ("all:\n  hosts:\n    web[1:9:0]:\n", "hosts.yml:3:5: 'web[1:9:0]' would never end: its step is 0"),
        ("all:\n  hosts:\n    web[1:99999999999]:\n", "hosts.yml:3:5: 'web[1:99999999999]' stands for more than 10000 hosts"),
        ("all:\n  hosts:\n    w[1:200]-[1:200]:\n", "hosts.yml:3:5: 'w[1:200]-[1:200]' stands for more than 10000 hosts"),
        ("all:\n  children:\n    a:\n      children:\n        b:\n          children:\n            a:\n      hosts: {h: }\n", "hosts.yml:7:13: groups cannot contain themselves: a > b > a"),
        ("a: {children: {b: }}\nb: {children: {a: }}\nc: {hosts: {h: }}\n", "hosts.yml:2:16: groups cannot contain themselves: a > b > a"),
        ("a: {children: {a: }, hosts: {h: }}\n", "hosts.yml:1:16: groups cannot contain themselves: a > a"),
        ("a: {children: {all: }, hosts: {h: }}\n", "hosts.yml:1:16: groups cannot contain themselves: all > a > all"),
        ("all:\n  hosts:\n    ? '" + "[1:1]" * 300 + "'\n    : {}\n", "hosts.yml:3:7: '[1:1][1:1][1:1][1:1][1:1][1:1][1:1][1:1][1:1][1:1][1:1][1:1]'… is longer than any name: write fewer ranges"),
        ("all:\n  children:\n    db:\n      hosts:\n        db:\n", "hosts.yml:5:9: db is both a host and a group: rename one of them"),
    ],
)  # fmt: skip
def test_mistakes_in_groups_and_hosts(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == message


def test_a_small_file_cannot_ask_for_endless_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(text: str) -> str:
        with pytest.raises(InventoryError) as caught:
            load(text)
        return str(caught.value)

    lines = "".join(f"    h{number}-[1:5000]: \n" for number in range(3))
    assert len(load(f"all:\n  hosts:\n{lines[: len(lines) * 2 // 3]}").hosts) == HOSTS_LIMIT
    assert refused(f"all:\n  hosts:\n{lines}") == "hosts.yml:5:5: more than 10000 hosts in one inventory: split it"
    variables = "".join(f"    v{number}: 1\n" for number in range(200))
    many = f"all:\n  hosts:\n    h[1:{{}}]: \n  vars:\n{variables}"
    monkeypatch.setattr("soleil_remediate.loading.groups.VALUES_LIMIT", 100 * 200 + 200)  # memberships count as well
    assert len(load(many.format(100)).hosts) == 100
    too_many = "more than 20200 values for all hosts together: split it"
    assert refused(many.format(101)) == f"hosts.yml:3:5: {too_many}"
    assert (
        refused("all:\n  hosts:\n    h[1:202]: {" + ", ".join(f"v{number}: 1" for number in range(100)) + "}\n")
        == f"hosts.yml:3:5: {too_many}"
    )
    apps = ", ".join(f"a{number}: {{root: /a}}" for number in range(150))
    assert refused(f"all: {{hosts: {{web1: {{apps: {{{apps}}}}}}}}}\n") == f"hosts.yml:1:15: {too_many}"
    groups = "".join(f"g{number}: {{children: {{g{number + 1}: }}}}\n" for number in range(300))
    assert refused(f"{groups}g300: {{hosts: {{'h[1:100]': }}}}\n") == f"hosts.yml:1:1: {too_many}"


def test_groups_may_lie_in_each_other_however_deep() -> None:
    chain = "".join(f"g{number}: {{children: {{g{number + 1}: }}}}\n" for number in range(1500))
    assert len(load(f"{chain}g1500: {{hosts: {{web1: }}}}\n").host("web1").groups) == 1502


@pytest.mark.parametrize(
    "text,message",
    [
        ("ansible_hots: 10.0.0.1", "6:23: unknown Ansible variable 'ansible_hots': did you mean 'ansible_host'?"),
        ("ansible_host: 5", "6:23: ansible_host must be text, not 5"),
        ("ansible_host: ' '", "6:23: ansible_host must be text, not ' '"),
        ("ansible_port: 0", "6:23: ansible_port must be a number from 1 to 65535, not 0"),
        ("ansible_become: 5", "6:25: ansible_become must be true or false, not 5"),
        ("ansible_password: 'vault:x'", "6:27: ansible_password holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("ansible_password: 'env:'", "6:27: ansible_password holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("ansible_password: 5", "6:27: ansible_password holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("known_hosts: ['']", "6:22: known_hosts must be a path or a list of paths, not a list"),
        ("ansible_host: -oProxyCommand=id", "6:23: ansible_host must not begin with a dash: '-oProxyCommand=id'"),
        ("ansible_user: '-l root'", "6:23: ansible_user must not begin with a dash: '-l root'"),
        ('ansible_host: "a\\nb"', "6:23: ansible_host must be text, not 'a\\nb'"),
        ('ansible_host: "{{ ip }}"', "6:23: ansible_host: templates are not filled in an inventory: write the value"),
        ("ansible_port: ssh", "6:23: ansible_port must be a number from 1 to 65535, not 'ssh'"),
        ("ansible_port: 65536", "6:23: ansible_port must be a number from 1 to 65535, not 65536"),
        ("ansible_port: true", "6:23: ansible_port must be a number from 1 to 65535, not true"),
        ("ansible_become: maybe", "6:25: ansible_become must be true or false, not 'maybe'"),
        ("ansible_become_method: doas", "6:32: ansible_become_method 'doas' is not supported: only sudo is"),
        ("ansible_become_user: www", "6:30: ansible_become_user 'www' is not supported: sudo leads to root, and tasks name their own users"),
        ("ansible_connection: docker", "6:29: ansible_connection 'docker' is not supported: only ssh and local are, and transport: openssh"),
        ("sudo: broad", "6:15: sudo 'broad' must be shell or narrow"),
        ("sudo: true", "6:15: sudo must be text, not true"),
        ("{sudo: narrow, ansible_become: false}", "6:16: sudo: narrow contradicts ansible_become: false"),
        ("{sudo: narrow, ansible_become_pass: 'env:X'}", "6:16: sudo: narrow takes no password: leave ansible_become_pass out"),
        ("{sudo: narrow, ansible_user: root}", "6:16: sudo: narrow is for another login than root"),
        ("transport: openshs", "6:20: unknown transport 'openshs': did you mean 'openssh'?"),
        ("transport: 5", "6:20: transport must be text, not 5"),
        ("machine_id: 5", "6:21: machine_id must be what /etc/machine-id holds there, 32 digits of 0-9 and a-f, not 5"),
        ("machine_id: web1", "6:21: machine_id must be what /etc/machine-id holds there, 32 digits of 0-9 and a-f, not 'web1'"),
        ("machine_id: 12345678901234567890123456789012", "6:21: 12345678901234567890… is too long for a number: put it in quotes if it is text"),
        ("machine_id: 3D1219C7C4C5404AAA1F6D2A48ADFDA4", "6:21: machine_id must be what /etc/machine-id holds there, 32 digits of 0-9 and a-f, not '3D1219C7C4C5404AAA1F6D2A48ADFDA4'"),
        ('machine_id: "{{ id }}"', "6:21: machine_id: templates are not filled in an inventory: write the value"),
        ("transport: ''", "6:20: transport must be text, not ''"),
        ("{ansible_connection: local, transport: openssh}", "6:48: transport: openssh contradicts ansible_connection: local"),
        ("ansible_ssh_common_args: -o ProxyJump=b", "6:34: ansible_ssh_common_args: options of the ssh program are not read here: put ProxyJump and the like in a file and name it as ssh_config"),
        ("ansible_host_key_checking: false", "6:36: ansible_host_key_checking: host keys are always checked: name the file with the known ones as known_hosts"),
        ("ansible_become_password: hunter2", "6:34: ansible_become_password holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("ansible_password: hunter2", "6:27: ansible_password holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("ansible_become_pass: 'env:not a name'", "6:30: ansible_become_pass holds a value: secrets are never written here, write env:NAME or file:PATH"),
        ("known_hosts: 5", "6:22: known_hosts must be a path or a list of paths, not 5"),
        ("known_hosts: []", "6:22: known_hosts must be a path or a list of paths, not a list"),
        ("app: soleil", "6:14: app must be a mapping, not 'soleil'"),
        ("app: {user: www-data}", "6:14: app needs 'root'"),
        ("app: {root: /srv/a, rot: /x}", "6:29: unknown key in app 'rot': did you mean 'root'?"),
        ("app: {root: srv/a}", "6:21: app.root must be an absolute path without '..', and not the root, not 'srv/a'"),
        ("app: {root: /srv/../etc}", "6:21: app.root must be an absolute path without '..', and not the root, not '/srv/../etc'"),
        ("app: {root: /}", "6:21: app.root must be an absolute path without '..', and not the root, not '/'"),
        ("app: {root: 5}", "6:21: app.root must be text, not 5: put it in quotes"),
        ('app: {root: "{{ base }}/x"}', "6:21: app: templates are not filled in an inventory: write the value"),
        ("app: {root: /a, user: -x}", "6:31: app.user must be the name of a user, not '-x'"),
        ("app: {root: /a, logs: /b}", "6:31: app.logs must be a list, not '/b'"),
        ("app: {root: /a, logs: [/b, c]}", "6:36: app.logs[2] must be an absolute path without '..', and not the root, not 'c'"),
        ("app: {root: /a, backups: {path: /b/c, keep: 0}}", "6:53: app.backups.keep must be greater than or equal to 1, not 0"),
        ("app: {root: /a, backups: {path: /b/c, keep: yes}}", "6:53: app.backups.keep must be a whole number, not 'yes'"),
        ("app: {root: /a, backups: {path: /b/c, kep: 2}}", "6:47: unknown key in app.backups 'kep': did you mean 'keep'?"),
        ("app: {root: /a, backups: {path: /b/c, patterns: ['*']}}", "6:58: app.backups.patterns[1] must be a pattern of file names such as *.sql.gz, not '*'"),
        ("app: {root: /a, backups: var}", "6:34: app.backups.path must be an absolute path without '..', and not the root, not 'var'"),
        ("app: {root: /a, backups: /var}", "6:34: app.backups.path must be a folder of backups and nothing else, two levels deep at least, not '/var'"),
        ("app: {root: /a, backups: {path: /b/c, patterns: []}}", "6:57: app.backups.patterns must name at least one pattern: an empty list would make every file a backup, or none"),
        ("app: {root: /a, backups: {path: /b/c, patterns: [a/b]}}", "6:58: app.backups.patterns[1] must be a pattern of file names such as *.sql.gz, not 'a/b'"),
        ("app: {root: /a, backups: {path: /b/c, patterns: [-rf*]}}", "6:58: app.backups.patterns[1] must be a pattern of file names such as *.sql.gz, not '-rf*'"),
        ("app: {root: /a, third_parties: ['https://x.example/?key=7']}", "6:41: app.third_parties[1] must be an http or https address without a password, and without a query, which may hold one"),
        ("app: {root: /a, front: [10.0.0.1/8]}", "6:33: app.front[1] must be an IP address or a network such as 203.0.113.0/24: 10.0.0.1/8 has host bits set"),
        ("app: {root: /a, ca: ''}", "6:29: app.ca must be a path on this machine, not ''"),
        ("app: {root: /a, url: 'https://u:p@x/'}", "6:30: app.url must be an http or https address without a password, not 'https://u:p@x/'"),
        ("app: {root: /a}\napps: {b: {root: /b}}", "6:14: both app and apps: write the application under apps, with the others"),
        ("apps: [a]", "6:15: apps must map each application's name to its profile, not be a list"),
        ("apps: {a: {root: /a, usr: x}}", "6:30: unknown key in apps.a 'usr': did you mean 'user'?"),
        ("apps: {a/b: {root: /a}}", "6:16: 'a/b' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("policy: {mode: dry}", "6:24: policy.mode must be 'act' or 'observe', not 'dry'"),
        ("policy: {unattended: {disk-full: high}}", "6:42: policy.unattended.disk-full must be 'gentle', 'disruptive' or 'destructive', not 'high'"),
        ("policy: {evidence_limit: 5}", "6:34: policy.evidence_limit: 5 has no unit: write a size such as 200 MiB"),
        ("policy: {evidence_limit: 5 gigs}", "6:34: policy.evidence_limit: '5 gigs' is no size: write a size such as 200 MiB"),
        ("policy: {change_limit: 50}", "6:32: policy.change_limit: 50 has no unit: write a share such as 80%"),
        ("policy: {change_limit: half}", "6:32: policy.change_limit: 'half' is no share: write a share such as 80%"),
        ("policy: {unhealthy_limit: 101%}", "6:35: policy.unhealthy_limit: a share is between 0% and 100%: 101.0"),
        ("policy: {change_limit: }", "6:31: policy.change_limit must be a share such as 50 %, not nothing: leave the line out to have no limit of its own"),
        ("policy: {change_limit: 0%}", "6:32: policy.change_limit must be more than 0 %: to allow no change at all, write mode: observe"),
        ("policy: {unhealthy_limit: 0 %}", "6:35: policy.unhealthy_limit must be more than 0 %: to allow no change at all, write mode: observe"),
        ("policy: {enviroment: x}", "6:18: unknown key in policy 'enviroment': did you mean 'environment'?"),
        ("contacts: {devops: 112}", "6:28: contacts.devops must be text, not 112: put it in quotes"),
        ("contacts: {devops: ''}", "6:28: contacts.devops must say something: it is empty"),
    ],
)  # fmt: skip
def test_mistakes_in_what_is_said_about_a_host(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        variables(text)
    assert str(caught.value) == f"hosts.yml:{message}"


@pytest.mark.parametrize(
    "text,message",
    [
        ("polcy: {mode: observe}", "6:16: unknown section 'polcy': did you mean 'policy'?"),
        ("Policy: {mode: observe, unattended: {}}", "6:17: unknown section 'Policy': did you mean 'policy'?"),
        ("policies: {environment: x}", "6:19: unknown section 'policies': did you mean 'policy'?"),
        ("ap: {root: /srv/a}", "6:13: unknown section 'ap': did you mean 'app'?"),
        ("aps: {soleil: {root: /srv/a}}", "6:14: unknown section 'aps': did you mean 'apps'?"),
        ("app: {soleil: {root: /srv/a}}", "6:14: app needs 'root'\nhosts.yml:6:15: unknown key in app 'soleil': known: backups, ca, front, health, logs, name, root, third_parties, url, user"),
    ],
)  # fmt: skip
def test_a_section_that_is_misspelt_is_no_variable_of_somebody_else(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        variables(text)
    assert str(caught.value) == f"hosts.yml:{message}"


@pytest.mark.parametrize(
    "text",
    [
        "polcy: {mode: observe, other: x}",
        "polcy: observe",
        "polcy: {}",
        "polcy: [mode]",
        "web_policy: {mode: observe}",
        "application: {root: /srv/a}",
        "apt: {update: true}",
        "aps: {soleil: /srv/a}",
        "contact: {devops: a@b}",
        "map: {a: {root: /b, colour: red}}",
    ],
)
def test_variables_that_are_only_like_a_section_are_left_to_whoever_uses_them(text: str) -> None:
    assert variables(text).variables != {}


def test_a_password_written_inline_is_not_in_the_message() -> None:
    with pytest.raises(InventoryError) as caught:
        variables("ansible_password: hunter2")
    assert "hunter2" not in str(caught.value)


def test_what_many_hosts_inherit_is_told_once_and_all_of_it() -> None:
    write("group_vars/all.yml", "policy: {mode: dry}\nansible_prot: 1\n")
    write("hosts.yml", "all:\n  hosts:\n    web[1:50]:\n")
    with pytest.raises(InventoryError) as caught:
        load_inventory("hosts.yml")
    assert str(caught.value).splitlines() == [
        "group_vars/all.yml:1:16: policy.mode must be 'act' or 'observe', not 'dry'",
        "group_vars/all.yml:2:15: unknown Ansible variable 'ansible_prot': did you mean 'ansible_port'?",
    ]


def test_variables_that_stand_in_two_files_are_refused() -> None:
    write("group_vars/all.yml", "a: 1\n")
    write("group_vars/all/more.yml", "b: 1\n")
    with pytest.raises(
        InventoryError, match=r"^group_vars/all\.yml:1:1: group_vars/all is there as well: keep one of the two$"
    ):
        load("all: {hosts: {web1: }}")


def test_a_folder_is_no_inventory() -> None:
    Path("inventory").mkdir()
    with pytest.raises(InventoryError, match=r"^inventory:1:1: this is a folder: name the inventory file in it$"):
        load_inventory("inventory")


# ---- without an inventory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,name,connection",
    [
        ("web1", "web1", Connection(address="web1")),
        ("deploy@web1", "web1", Connection(address="web1", user="deploy")),
        ("deploy@10.0.0.1:2222", "10.0.0.1:2222", Connection(address="10.0.0.1", port=2222, user="deploy")),
        ("[::1]:22", "::1:22", Connection(address="::1", port=22)),
        ("web1:65535", "web1:65535", Connection(address="web1", port=65535)),
        ("web1:1", "web1:1", Connection(address="web1", port=1)),
        ("root@[fe80::1]", "fe80::1", Connection(address="fe80::1", user="root")),
    ],
)
def test_a_host_in_no_inventory_may_only_be_read(text: str, name: str, connection: Connection) -> None:
    host = ad_hoc_host(text)
    assert (host.name, host.connection, host.is_listed) == (name, connection, False)


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "'' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("-oProxyCommand=id", "'-oProxyCommand=id' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("-x@web1", "'-x@web1' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("a@b@c", "'a@b@c' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("web1:0", "'web1:0' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("web1:65536", "'web1:65536' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("web1:000022", "'web1:000022' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("web1:99999", "'web1:99999' is no host: write NAME, USER@NAME or USER@NAME:PORT"),
        ("web1\nx", "'web1\\nx' is no name: write letters, digits, '.', '-' and '_', and put addresses under ansible_host"),
        ("w\u0435b1", "'w\\u0435b1' holds U+0435 (CYRILLIC SMALL LETTER IE) as character 2: names are ASCII"),
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ad_hoc_host(text)
    assert str(caught.value) == message


# ---- what is shipped -------------------------------------------------------------------------------------------------


def test_the_shipped_lab_loads_and_lets_disk_full_be_rehearsed_unattended() -> None:
    (web1,) = load_inventory(REPOSITORY / "inventory/lab.yml").select("web1")
    assert web1.policy.environment == "lab"
    assert web1.policy.ceiling("disk-full") is Risk.DESTRUCTIVE
    assert web1.app["backups"]["path"] == PurePosixPath("/var/backups/soleil")


def test_the_shipped_example_loads_and_uses_every_key() -> None:
    inventory = load_inventory(REPOSITORY / "inventory/production.example.yml")
    assert {"web", "db"} <= inventory.groups.keys()
    (web1, *_) = inventory.select("web")
    assert web1.app_name == "soleil"
    assert web1.policy.environment == "production"
    assert web1.connection.known_hosts
    assert web1.contacts["devops"]
    assert web1.app["backups"]["keep"] >= 3


def test_a_policy_that_is_written_in_two_places_is_one(here: Path) -> None:
    (here / "hosts.yml").write_text(
        """\
all:
  children:
    looked_at: {hosts: {web1: {policy: {mode: observe, change_limit: 50%}}}}
    web: {hosts: {web1: {policy: {unattended: {disk-full: destructive}}}}, vars: {policy: {environment: staging}}}
    front: {children: {web: {vars: {policy: {unhealthy_limit: 40%}}}}}
"""
    )
    policy = load_inventory("hosts.yml").host("web1").policy
    assert (policy.mode, policy.change_limit, policy.unhealthy_limit) == (Mode.OBSERVE, Percent(50), Percent(40))
    assert (policy.environment, dict(policy.unattended)) == ("staging", {"disk-full": Risk.DESTRUCTIVE})
