"""The lab itself: what it brings up is real, what it breaks is broken, what it takes down is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog, Family
from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.lab import Lab, LabError, registered, registry, why_not_here
from soleil_remediate.lab.access import inventory_text
from soleil_remediate.lab.faulting import fault_named, faults
from soleil_remediate.lab.image import ensure_image
from soleil_remediate.lab.network import Subnet
from soleil_remediate.lab.registry import MACHINE, Registered
from soleil_remediate.lab.roles import DISKS
from tests.lab.rehearsals import Rehearsal
from tests.waiting import ends_within, eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

CACHE = Path("/var/cache/soleil-lab")
SHIPPED_INVENTORY = Path(__file__).parents[2] / "inventory/lab.yml"
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SCENARIOS = {playbook.stem for playbook in PLAYBOOKS.glob("*.yml")}
ROUTINES = {routine.stem for routine in (PLAYBOOKS / "routines").glob("*.yml")}
BOOT = "cat /proc/sys/kernel/random/boot_id"


def left_of(lab: Lab, subnet: Subnet) -> list[str]:
    """Name everything on this machine that still belongs to the lab."""
    folder = str(lab.inventory.parent)
    names = (folder + "/", subnet.bridge)
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mounts = (process / "mountinfo").read_text().splitlines()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        left += [f"mounted for process {process.name}: {line}" for line in mounts if folder + "/" in line]
        left += [f"process {process.name}: {command}" for name in names if name in command]
    left += [f"device {device.name}" for device in Path("/sys/class/net").glob(f"{subnet.bridge}*")]
    left += [f"device {device.name}" for device in Path("/sys/class/net").glob(f"sl{subnet.index}v*")]
    for above, groups, _ in os.walk("/sys/fs/cgroup"):
        left += [f"group {above}/{group}" for group in groups if group.startswith(subnet.bridge)]
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        image = file.read_text()
        left += [f"loop device on {image}"] if folder + "/" in image else []
    left += [str(file) for file in Path("/run/systemd/nspawn").glob(f"*/*{subnet.bridge}-*")]
    left += [f"file {path}" for path in (Path(folder), Path(folder + ".lock")) if path.exists()]
    left += [f"registered: {entry}" for entry in registered() if entry.name == lab.name]
    return left


def check_clean(lab: Lab, *subnets: Subnet) -> None:
    """Nothing is left of it; what starts beside it may hold a copy of its mounts until it has a root of its own."""

    def left() -> list[str]:
        return [line for subnet in subnets for line in left_of(lab, subnet)]

    assert [line for line in left() if not line.startswith(("mounted for process ", "loop device "))] == []
    assert eventually(lambda: left() == []), left()


def subnet_of(lab: Lab) -> Subnet:
    return next(Subnet(index=entry.index) for entry in registered() if entry.name == lab.name)


@contextmanager
def kept(*subnets: Subnet) -> Iterator[None]:
    """Let no other lab have these subnets meanwhile: what is found there is what was left there."""
    name = f"kept-by-{os.getpid()}"
    with registry._changing() as labs:
        labs += [Registered(name=name, state=Path("/nonexistent"), index=one.index) for one in subnets]
    try:
        yield
    finally:
        with registry._changing() as labs:
            labs[:] = [lab for lab in labs if lab.name != name]


def processes_with(text: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [command] if text in command else []
    return found


@pytest.fixture
def other_lab(lab: Lab) -> Iterator[Lab]:
    other = Lab(f"{lab.name}-other")
    try:
        yield other
    finally:
        other.down()


# ---- one host --------------------------------------------------------------------------------------------------------


def test_a_web_host_runs_the_application_and_its_services(untouched_web1: LabHost) -> None:
    assert '"status":"ok"' in untouched_web1.shell("curl -sS http://localhost/api/health/full")
    assert untouched_web1.shell("cat /proc/1/comm") == "systemd"
    assert (
        untouched_web1.shell("systemctl is-active nginx php8.2-fpm postgresql@15-main redis-server cron").split()
        == ["active"] * 5
    )
    assert untouched_web1.shell("supervisorctl status | awk '{print $2}'").split() == ["RUNNING", "RUNNING"]
    assert untouched_web1.shell("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_a_disk_has_another_file_system_until_the_next_reset(web1: LabHost, kind: str) -> None:
    files = "cd /srv && find . ! -path '*/storage/*' ! -name lost+found -printf '%p %m %u %g %l\\n' | sort | sha256sum"
    before = web1.shell(files)
    web1.lab.reset("web1", file_systems={"/srv": kind})
    assert web1.shell("findmnt -nro FSTYPE -M /srv; findmnt -nro FSTYPE -M /var/log").split() == [kind, "ext4"]
    assert web1.shell(files) == before
    assert '"status":"ok"' in web1.shell("curl -sS http://localhost/api/health/full")
    web1.lab.stop("web1")
    web1.lab.start("web1")
    assert web1.shell("findmnt -nro FSTYPE -M /srv") == kind
    web1.lab.reset("web1")
    assert web1.shell("findmnt -nro FSTYPE -M /srv") == "ext4"


def test_a_disk_that_is_too_small_for_a_file_system_is_named_and_the_host_left_alone(untouched_web1: LabHost) -> None:
    before = untouched_web1.shell(BOOT)
    with pytest.raises(LabError, match="/var/cache has 150 MiB: xfs needs 300"):
        untouched_web1.lab.reset("web1", file_systems={"/var/cache": "xfs"})
    assert untouched_web1.shell(BOOT) == before


def test_its_disks_are_real_file_systems_of_their_own(untouched_web1: LabHost) -> None:
    for folder in ("/srv", "/var/log", "/var/backups", "/var/cache"):
        kind, source, used = untouched_web1.shell(
            f"findmnt -nro FSTYPE,SOURCE -M {folder} | tr '\\n' ' '; df --output=pcent {folder} | tail -1"
        ).split()
        assert (kind, source.startswith("/dev/loop")) == ("ext4", True)
        assert int(used.rstrip("%")) < 10
    assert "/srv/soleil/shared/storage" in untouched_web1.shell("readlink /srv/soleil/current/storage")


@pytest.mark.parametrize(
    "user, says", [("deploy", "0"), ("ops", "a password is required"), ("guest", "a password is required")]
)
def test_each_user_has_the_rights_it_is_there_for(untouched_web1: LabHost, user: str, says: str) -> None:
    answer = untouched_web1.run("sudo", "-n", "id", "-u", user=user)
    assert says in answer.stdout + answer.stderr


def test_ops_may_do_everything_with_a_password_and_guest_nothing(untouched_web1: LabHost) -> None:
    with_password = ("sudo", "-S", "-p", "", "id", "-u")
    assert untouched_web1.run(*with_password, user="ops", stdin=b"ops-secret\n").stdout == "0\n"
    assert untouched_web1.run(*with_password, user="guest", stdin=b"ops-secret\n").returncode == 1


def test_words_arrive_as_they_are(untouched_web1: LabHost) -> None:
    hostile = "$(id) `id` ' \" \\ ; * é\n"
    assert untouched_web1.run("printf", "%s", hostile, user="deploy").stdout == hostile


def test_only_the_known_host_key_is_accepted(untouched_web1: LabHost, tmp_path: Path) -> None:
    command = untouched_web1.lab.ssh_command(untouched_web1.name, user="root")
    wrong = tmp_path / "known_hosts"
    key = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True, capture_output=True
    )
    assert key.returncode == 0
    wrong.write_text(f"{untouched_web1.address} {(tmp_path / 'key.pub').read_text()}")
    strange = [word.replace(str(untouched_web1.lab.known_hosts), str(wrong)) for word in command]
    done = subprocess.run([*strange, "id"], check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "verification failed" in done.stderr) == (255, True)


def test_up_again_leaves_a_running_host_alone(untouched_web1: LabHost) -> None:
    before = untouched_web1.shell(BOOT)
    with ends_within(0, late=2):
        untouched_web1.lab.up(["web1"])
    assert untouched_web1.shell(BOOT) == before


def test_a_stopped_host_keeps_its_files(web1: LabHost) -> None:
    before = web1.shell(f"echo kept > /srv/kept; echo kept > /root/kept; {BOOT}")
    web1.lab.stop("web1")
    assert [host.state for host in web1.lab.status() if host.name == "web1"] == ["stopped"]
    web1.lab.start("web1")
    assert web1.shell("cat /srv/kept /root/kept").split() == ["kept", "kept"]
    assert web1.shell(BOOT) != before


def test_a_host_that_powered_itself_off_is_stopped_and_up_starts_it(web1: LabHost) -> None:
    with suppress(LabError):  # it ends the connection too
        web1.run("systemctl", "poweroff")
    end = time.monotonic() + 30
    while (state := web1.lab.status()[0].state) != "stopped" and time.monotonic() < end:
        time.sleep(0.05)
    assert state == "stopped"
    web1.lab.up(["web1"])
    assert web1.shell("systemctl is-system-running") == "running"


def test_reset_is_pristine_and_takes_seconds(web1: LabHost) -> None:
    web1.shell("rm -rf /etc/nginx /srv/soleil; touch /root/mine /var/log/mine; systemctl mask --now redis-server")
    web1.shell("iptables -A INPUT -p tcp --dport 80 -j DROP")
    key = web1.lab.known_hosts.read_text()
    to_ssh = float("inf")
    for _ in range(
        3
    ):  # how fast it can be is what is asked, and others may have this machine's processors for a moment
        started = time.monotonic()
        web1.lab.reset("web1", until="ssh")
        to_ssh = min(to_ssh, time.monotonic() - started)
        if to_ssh < 5:
            break
    web1.lab.up(["web1"])
    assert to_ssh < 5, f"{to_ssh:.1f} s"
    assert web1.lab.known_hosts.read_text() == key
    assert '"status":"ok"' in web1.shell("curl -sS -m 5 http://localhost/api/health/full")
    assert web1.run("ls", "/root/mine", "/var/log/mine").returncode == 2
    assert "DROP" not in web1.shell("iptables -S")


# ---- what is asked wrongly -------------------------------------------------------------------------------------------


def test_mistakes_are_named(lab: Lab, untouched_web1: LabHost) -> None:
    with pytest.raises(UnknownName, match="bare1"):
        lab.up(["bar1"])
    with pytest.raises(UnknownName, match="web1"):
        lab.reset("wbe1")
    with pytest.raises(UnknownName, match="laravel-log"):
        lab.break_host("web1", "laravel-logs")
    with pytest.raises(UnknownName, match="writer"):
        lab.break_host("web1", "laravel-log", writers="no")
    with pytest.raises(ConfigError, match="plain word"):
        lab.break_host("web1", "laravel-log", writer="$(reboot)")
    with pytest.raises(UnknownName, match="/srv"):
        lab.reset("web1", file_systems={"/srb": "xfs"})
    with pytest.raises(UnknownName, match="btrfs"):
        lab.reset("web1", file_systems={"/srv": "btrsf"})
    with pytest.raises(ConfigError, match="name"):
        Lab("../other")
    with pytest.raises(LabError, match="is down"):
        Lab(f"{lab.name}-never").reset("web1")


def test_without_root_or_linux_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not_here() is None
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        Lab("unused").up()
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(LabError, match="needs Linux"):
        Lab("unused").down()


# ---- inventory -------------------------------------------------------------------------------------------------------


def test_the_shipped_inventory_is_that_of_the_default_lab() -> None:
    default = Lab()
    hosts = {"web": [("web1", Subnet(index=0).address(11))]}
    assert default.inventory == MACHINE / "default/inventory.yml"
    assert inventory_text(hosts, default.private_key, default.known_hosts) == SHIPPED_INVENTORY.read_text()


def test_a_lab_writes_the_inventory_of_its_own_hosts(untouched_web1: LabHost) -> None:
    text = untouched_web1.lab.inventory.read_text()
    assert f"web1: {{ansible_host: {untouched_web1.address}}}" in text
    assert str(untouched_web1.lab.private_key) in text
    assert untouched_web1.lab.private_key.stat().st_mode & 0o777 == 0o600


# ---- the image -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache_without_configuration(untouched_web1: LabHost, tmp_path: Path) -> Path:
    cache = tmp_path / "cache"
    cache.mkdir()
    for packages in CACHE.glob("packages-*"):
        (cache / packages.name).symlink_to(packages)
    return cache


def test_the_image_is_built_once_also_when_two_ask_at_the_same_time(cache_without_configuration: Path) -> None:
    cache = cache_without_configuration
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_image(cache, DISKS, told.append), range(2))
    assert first == second
    assert len([line for line in told if line.startswith("configuring")]) == 1
    before, took = list(told), []
    for _ in range(5):  # likewise
        started = time.monotonic()
        assert ensure_image(cache, DISKS, told.append) == first
        took.append(time.monotonic() - started)
    assert min(took) < 0.1
    assert told == before
    assert [path.name for path in cache.glob("*.partial")] == []


@pytest.mark.parametrize("stage, after", [("packages", 4.0), ("configured", 1.5)])
def test_a_build_killed_half_way_leaves_nothing_running_or_mounted(
    cache_without_configuration: Path, stage: str, after: float
) -> None:
    cache = cache_without_configuration
    if stage == "packages":
        for link in cache.iterdir():
            link.unlink()
    build = (
        "from pathlib import Path; from soleil_remediate.lab.image import ensure_image;"
        "from soleil_remediate.lab.roles import DISKS; import sys;"
        "ensure_image(Path(sys.argv[1]), DISKS, print)"
    )
    process = subprocess.Popen([sys.executable, "-c", build, str(cache)], stdout=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    assert process.wait() == -9, "it was not in the middle of it"
    assert eventually(lambda: processes_with(str(cache)) == [])
    assert str(cache) not in Path("/proc/self/mountinfo").read_text()
    if stage == "configured":
        ensure_image(cache, DISKS, print)
        assert [path.name for path in cache.glob("*.partial")] == []


# ---- several labs, and none ------------------------------------------------------------------------------------------


def test_two_labs_do_not_meet_and_each_comes_down_clean(untouched_web1: LabHost, other_lab: Lab) -> None:
    other_lab.up(["web1", "l1"])
    subnet = subnet_of(other_lab)
    assert subnet.network != subnet_of(untouched_web1.lab).network
    their_address = next(host.address for host in other_lab.status() if host.name == "web1")
    assert untouched_web1.run("ping", "-c", "1", "-W", "1", their_address).returncode != 0
    assert other_lab.run("web1", ["ping", "-c", "1", "-W", "1", untouched_web1.address]).returncode != 0
    before = untouched_web1.shell(BOOT)
    with kept(subnet):
        other_lab.down()
        check_clean(other_lab, subnet)
    assert untouched_web1.shell(BOOT) == before
    other_lab.down()


def test_down_is_clean_after_every_fault_at_once_and_with_a_shell_open(other_lab: Lab) -> None:
    other_lab.up(["web1"])
    subnet = subnet_of(other_lab)
    for fault in ("laravel-log", "journal", "inodes", "run-full", "package-cache"):
        other_lab.break_host("web1", fault)
    shell = subprocess.Popen(
        [*other_lab.ssh_command("web1"), "cd /srv && exec sleep 600"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1)
    with kept(subnet):
        other_lab.down()
        shell.kill()
        shell.wait()
        check_clean(other_lab, subnet)


CHANGING = """
import sys
from soleil_remediate.lab import Lab
lab = Lab(sys.argv[1])
lab.up(["web1", "l1", "l2"])
print("up", flush=True)
lab.reset("web1")
lab.stop("web1")
lab.down()
"""


@pytest.mark.parametrize("after", [0.25, 0.4, 0.6, 1.0, 2.0, 4.0, 6.0, 7.5])
def test_whatever_was_killed_down_leaves_nothing(other_lab: Lab, after: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", CHANGING, other_lab.name], stdout=subprocess.DEVNULL)
    time.sleep(after)
    subnets = [Subnet(index=entry.index) for entry in registered() if entry.name == other_lab.name]
    process.kill()
    process.wait()
    with kept(*subnets):
        other_lab.down()
        check_clean(other_lab, *subnets)


@pytest.mark.parametrize("after", [0.5, 1.5, 5.5])
def test_whatever_was_killed_up_goes_on_with_it(other_lab: Lab, after: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", CHANGING, other_lab.name], stdout=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    process.wait()
    other_lab.up(["web1", "l1"])
    assert other_lab.run("web1", ["systemctl", "is-system-running"]).stdout == "running\n"
    assert other_lab.run("l1", ["hostname"]).stdout == "l1\n"


# ---- light hosts -----------------------------------------------------------------------------------------------------


def test_fifty_light_hosts_let_themselves_be_logged_in(lab: Lab, light_hosts: tuple[str, ...]) -> None:
    def log_in(name: str) -> list[str]:
        return lab.run(name, ["sh", "-c", "hostname; sudo -n id -u"], user="deploy").stdout.split()

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(log_in, light_hosts))
    assert len(light_hosts) == 50
    assert answers == [[name, "0"] for name in light_hosts]


# ---- faults ----------------------------------------------------------------------------------------------------------

FULL = {
    "backup-disk": "/var/backups",
    "deleted-open-file": "/var/log",
    "eased": "/srv",
    "journal": "/var/log",
    "laravel-log": "/srv",
    "nginx-access-log": "/var/log",
    "old-backups": "/var/backups",
    "overdue-rotation": "/var/log",
    "package-cache": "/var/cache",
    "reserved-blocks": "/var/backups",
    "run-full": "/run",
    "two-causes": "/var/log",
    "unknown-file": "/srv",
}
CHECKS = {kind.name for kind in Catalog(PLACES).kinds(Family.CHECK)}


def test_every_fault_of_a_disk_is_looked_at_here() -> None:
    assert {fault.name for fault in faults() if fault.scenario == "disk-full"} == {*FULL, "inodes"}


def test_every_fault_says_what_it_is_about() -> None:
    for fault in faults():
        assert fault.scenario in SCENARIOS if not fault.routine else fault.routine in ROUTINES
        assert fault.about


def checks_of(fault: str) -> set[str]:
    """The checks that a fault names; which tasks it names is for the tests that repair it."""
    return CHECKS.intersection(fault_named(fault).kinds)


@pytest.mark.parametrize("fault", FULL)
def test_a_fault_leaves_no_block_free_and_makes_exactly_the_checks_red_that_it_names(
    web1: LabHost, tmp_path: Path, fault: str
) -> None:
    web1.break_with(fault)
    used, available = web1.shell(f"df --output=pcent,avail {FULL[fault]} | tail -1").split()
    assert (used, available) == ("100%", "0")
    application = web1.shell("curl -s -o /dev/null -w '%{http_code}' http://localhost/api/health/full")
    assert application == ("503" if FULL[fault] == "/srv" else "200")
    assert Rehearsal(web1, tmp_path).red_checks() == checks_of(fault)


def test_inodes_run_out_while_blocks_are_free(web1: LabHost, tmp_path: Path) -> None:
    web1.break_with("inodes")
    used, inodes = web1.shell("df --output=pcent,ipcent /var/backups | tail -1").split()
    assert int(used.rstrip("%")) < 50
    assert inodes == "100%"
    assert Rehearsal(web1, tmp_path).red_checks() == checks_of("inodes")


def test_the_writer_of_a_cut_log_goes_on_in_the_same_file(web1: LabHost) -> None:
    web1.break_with("laravel-log")
    log = "/srv/soleil/shared/storage/logs/laravel.log"
    inode = web1.shell(f"stat -c %i {log}")
    web1.shell(f"truncate -s 0 {log}")
    assert eventually(lambda: "of the writer" in web1.shell(f"cat {log}"))
    assert web1.shell(f"stat -c %i {log}") == inode


def test_a_deleted_log_gives_its_space_back_when_nginx_opens_its_logs_anew(web1: LabHost) -> None:
    web1.break_with("deleted-open-file")
    assert web1.run("ls", "/var/log/nginx/access.log").returncode == 2
    web1.shell("nginx -s reopen")
    assert eventually(lambda: int(web1.shell("df --output=pcent /var/log | tail -1").rstrip("%")) < 10)


@pytest.mark.parametrize("fault", ["journal", "two-causes"])
def test_shrinking_the_journal_to_200_mebibytes_is_enough(web1: LabHost, fault: str) -> None:
    web1.break_with(fault)
    web1.shell("journalctl --rotate --vacuum-size=200M")
    assert int(web1.shell("df --output=pcent /var/log | tail -1").rstrip("% ")) < 80


def test_with_the_log_cut_an_eased_host_works_and_is_still_over_80_percent(web1: LabHost) -> None:
    web1.break_with("eased")
    web1.shell("truncate -s 0 /srv/soleil/shared/storage/logs/laravel.log")
    assert '"status":"ok"' in web1.shell("curl -s http://localhost/api/health/full")
    assert int(web1.shell("df --output=pcent /srv | tail -1").rstrip("%")) > 80


def test_root_still_writes_where_blocks_are_reserved(web1: LabHost) -> None:
    web1.break_with("reserved-blocks")
    web1.shell("dd if=/dev/zero of=/var/backups/by-root bs=1M count=4 conv=fsync status=none")


def test_a_fault_that_fails_says_so(web1: LabHost) -> None:
    web1.shell("rm -r /var/backups/soleil")
    with pytest.raises(LabError, match="not broken with old-backups"):
        web1.break_with("old-backups")
