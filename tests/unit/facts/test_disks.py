from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.disks import FileSystems, ListMounts, ReadUsage, join, read_file_systems
from soleil_remediate.units import ByteSize
from tests.unit.facts.answers import NOT_THERE, ask_here, captured, said, see

DF_HEAD = "1B-blocks Used Avail Inodes IUsed IFree Mounted on\n"
ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
ROOT_DF = "1000 400 500 100 40 60 /\n"


def file_systems(mounts: str | bytes | Output, df: str | bytes | Output) -> FileSystems:
    seen: Any = see(
        read_file_systems(Reader()),
        ("mountinfo", mounts if isinstance(mounts, Output) else said(mounts)),
        ("df", df if isinstance(df, Output) else said(df)),
        most_rounds=1,
    )
    assert isinstance(seen, FileSystems)
    return seen


def test_a_real_host_shows_its_disks_once_each_and_no_pseudo_file_system() -> None:
    seen = file_systems(captured("mountinfo"), captured("df"))
    assert [str(one.mount) for one in seen] == ["/", "/srv", "/var/backups", "/var/cache", "/var/log"]
    assert seen.unread == ()
    srv = seen.mounted_at(Path("/srv"))
    assert (srv.type, srv.device, srv.is_read_only) == ("ext4", 7 << 8 | 4, False)
    assert (srv.size, srv.used, srv.available, srv.free) == (309313536, 303022080, 0, 6291456)
    assert (srv.inodes, srv.inodes_used, srv.inodes_free) == (19200, 92, 19108)
    assert (str(srv.share_used), str(srv.share_of_inodes_used)) == ("100 %", "1 %")
    assert seen.mounted_at(Path("/")).type == "overlay"


def test_this_very_machine_can_be_asked() -> None:
    mounts, usage = ask_here(ListMounts()), ask_here(ReadUsage())
    assert any(mount.name == b"/" for mount in mounts)
    assert usage[b"/"].size > 0


def test_used_is_counted_as_df_does_rounded_up_of_what_users_may_use() -> None:
    seen = file_systems(ROOT, DF_HEAD + "1000 401 500 100 1 99 /\n")
    assert str(seen.mounted_at(Path("/")).share_used) == "45 %"  # 401 of 901


def test_nothing_to_use_is_no_share_at_all() -> None:
    assert file_systems(ROOT, DF_HEAD + "0 0 0 0 0 0 /\n").mounted_at(Path("/")).share_used == 0


def test_more_used_than_there_is_leaves_nothing_free() -> None:
    # what zfs and quotas print at times
    root = file_systems(ROOT, DF_HEAD + "1000 1200 -200 100 1 99 /\n").mounted_at(Path("/"))
    assert (root.free, root.available, str(root.share_used)) == (0, 0, "100 %")


def test_a_file_system_without_a_limit_of_inodes_says_so() -> None:
    mounts = ROOT + "30 27 0:40 /@data /data rw - btrfs /dev/vdb rw,subvol=/@data\n"
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "1000 100 900 0 0 0 /data\n31 1 30 - - - /boot/efi\n")
    data = seen.mounted_at(Path("/data"))
    assert (data.inodes, data.inodes_free, data.share_of_inodes_used) == (None, None, None)


def test_several_views_of_one_device_are_one_file_system_under_the_place_that_shows_its_root() -> None:
    mounts = (
        ROOT
        + "40 27 8:16 /app /a rw - ext4 /dev/sdb rw\n"
        + "41 27 8:16 / /srv/data rw - ext4 /dev/sdb rw\n"
        + "42 27 8:16 / /mnt/elsewhere rw - ext4 /dev/sdb rw\n"
    )
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "1000 100 900 50 5 45 /a\n")
    assert [str(one.mount) for one in seen] == ["/", "/srv/data"]
    assert seen.mounted_at(Path("/a")) == seen.mounted_at(Path("/mnt/elsewhere")) == seen.mounted_at(Path("/srv/data"))
    assert [str(one.mount) for one in seen.only(Path("/a"))] == ["/srv/data"]


def test_what_is_mounted_over_another_hides_it() -> None:
    mounts = (
        ROOT
        + "40 27 8:16 / /srv rw - ext4 /dev/sdb rw\n"
        + "41 40 8:32 / /srv rw shared:1 master:2 - xfs /dev/sdc rw\n"
    )
    assert file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 5 1 4 /srv\n").mounted_at(Path("/srv")).type == "xfs"


# as Linux 6.18 shows them, and the first of the last three as it did before 6.15
@pytest.mark.parametrize(
    "view, options, is_read_only, is_stopped",
    [
        ("rw,relatime", "rw,errors=remount-ro", False, False),
        ("ro,relatime", "ro,errors=remount-ro", True, False),
        ("ro,relatime", "rw,errors=remount-ro", False, False),
        ("rw,relatime", "ro,errors=remount-ro", False, True),
        ("rw,relatime", "rw,errors=remount-ro,emergency_ro", False, True),
        ("rw,relatime", "rw,shutdown", False, True),
    ],
)
def test_read_only_on_purpose_stopped_after_an_error_and_one_view_that_is_read_only_are_three_things(
    view: str, options: str, is_read_only: bool, is_stopped: bool
) -> None:
    mounts = ROOT + f"28 27 8:1 / /data {view} - ext4 /dev/sda1 {options}\n"
    data = file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 5 1 4 /data\n").mounted_at(Path("/data"))
    assert (data.is_read_only, data.is_stopped) == (is_read_only, is_stopped)
    assert data.is_writable is not (is_read_only or is_stopped)


def test_a_file_system_that_one_of_its_mounts_may_write_was_stopped_if_it_is_read_only_itself() -> None:
    mounts = ROOT + "28 27 8:1 / /a ro - ext4 /dev/sda1 ro\n29 27 8:1 / /longer rw - ext4 /dev/sda1 ro\n"
    assert file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 5 1 4 /a\n").mounted_at(Path("/a")).is_stopped


@pytest.mark.parametrize(
    "options, has_quotas",
    [
        ("rw,usrquota,grpquota", True),
        ("rw,jqfmt=vfsv0,usrjquota=aquota.user", True),
        ("rw,prjquota", True),
        ("rw,inode64,noquota", False),
        ("rw,uqnoenforce", False),
    ],
)
def test_quotas_show_in_the_options_of_the_file_system(options: str, has_quotas: bool) -> None:
    seen = file_systems(f"27 1 254:0 / / rw - xfs /dev/vda {options}\n", DF_HEAD + ROOT_DF)
    assert seen.mounted_at(Path("/")).has_quotas is has_quotas


@pytest.mark.parametrize(
    "kind, df, inodes",
    [
        # what df said about an xfs of 300 MiB, full and empty; then with as many inodes as it may have
        ("xfs", "247463936 247443456 20480 104 4 100 /\n", None),
        ("xfs", "268435456 18919424 249516032 163840 3 163837 /\n", None),
        ("xfs", "268435456 118919424 149516032 163840 163837 3 /\n", 163840),
        ("ext4", "247463936 247443456 20480 104 4 100 /\n", 104),
    ],
)
def test_on_xfs_a_lack_of_inodes_that_is_only_a_lack_of_space_is_none(kind: str, df: str, inodes: int | None) -> None:
    seen = file_systems(f"27 1 254:0 / / rw - {kind} /dev/vda rw\n", DF_HEAD + df)
    assert seen.mounted_at(Path("/")).inodes == inodes


@pytest.mark.parametrize("kind, free", [("ext4", 78350336), ("xfs", 78350336), ("btrfs", 0)])
def test_what_btrfs_sets_aside_is_for_nobody_and_what_ext4_reserves_for_root(kind: str, free: int) -> None:
    seen = file_systems(f"27 1 254:0 / / rw - {kind} /dev/vda rw\n", DF_HEAD + "314572800 236222464 0 9 1 8 /\n")
    assert seen.mounted_at(Path("/")).free == free


def test_images_and_files_lent_to_a_container_are_no_disks() -> None:
    mounts = (
        ROOT
        + "40 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro\n"
        + "41 27 254:9 /etc/hosts /run/host/hosts rw - ext4 /dev/vdz rw\n"
        + "42 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n"
        + "43 27 0:51 / /mnt/weird rw - tmpfs /dev/shm rw\n"
        + "44 27 253:1 / /mnt/new rw - newfs /dev/mapper/new rw\n"
    )
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 5 1 4 /mnt/new\n")
    assert [str(one.mount) for one in seen] == ["/", "/mnt/new"]
    assert seen.unread == ()


def test_remote_and_unreadable_ones_are_named_and_not_measured() -> None:
    mounts = ROOT + "40 27 0:60 / /mnt/nfs rw - nfs4 server:/x rw\n41 27 8:1 / /secret rw - ext4 /dev/sda1 rw\n"
    df = DF_HEAD + ROOT_DF + "- - - - - - /secret\n"
    seen = file_systems(mounts, said(df, status=1, stderr="df: /secret: Permission denied\n"))
    assert [(str(one.mount), one.why, one.is_remote) for one in seen.unread] == [
        ("/mnt/nfs", "remote (nfs4)", True),
        ("/secret", "df could not measure it", False),
    ]
    with pytest.raises(FactError, match="/secret was not measured: df could not"):
        seen.mounted_at(Path("/secret"))


@pytest.mark.parametrize(
    "given, nearest",
    [
        pytest.param("/srv/soleil/shared", "/srv", id="a folder on one"),
        pytest.param("/srv/data/x", "/srv/data", id="the deepest of several that hold it"),
        pytest.param("/svr", "/srv", id="a slip of the fingers"),
        pytest.param("/nope-nope-nope", "", id="nothing like it"),
    ],
)
def test_what_is_mounted_nowhere_is_answered_with_what_is(given: str, nearest: str) -> None:
    mounts = ROOT + "28 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n29 1 8:2 / /srv/data rw - ext4 /dev/sda2 rw\n"
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 5 1 4 /srv\n10 1 9 5 1 4 /srv/data\n")
    with pytest.raises(
        NotOnHost, match=f"{given} is no mount point of this host: .*It has /, /srv, /srv/data"
    ) as caught:
        seen.mounted_at(Path(given))
    assert caught.value.nearest == nearest


def test_names_with_spaces_newlines_and_other_bytes_are_kept_apart() -> None:
    mounts = ROOT.encode() + (
        b"40 27 8:1 / /m\\040t rw - ext4 /dev/sda1 rw\n"
        b"41 27 8:2 / /new\\012line rw - ext4 /dev/sda2 rw\n"
        b"42 27 8:3 / /bad\xff rw - ext4 /dev/sda3 rw\n"
    )
    df = (DF_HEAD + ROOT_DF).encode() + b"10 1 9 5 1 4 /m t\n20 1 19 5 1 4 /new?line\n30 1 29 5 1 4 /bad\xff\n"
    assert {str(one.mount): one.size for one in file_systems(mounts, df)} == {
        "/": 1000,
        "/m t": 10,
        "/new\nline": 20,
        "/bad\\xff": 30,
    }


def test_a_file_is_on_the_file_system_of_its_device_or_of_the_mount_above_it() -> None:
    mounts = ROOT + "40 27 0:40 / /data rw - btrfs /dev/vdb rw\n41 27 0:41 / /tmp rw - tmpfs tmpfs rw\n"
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 0 0 0 /data\n")
    root, data = seen
    assert seen.holding(Path("/x"), root.device) is root
    assert seen.holding(Path("/data/sub/volume"), 99) is data  # a subvolume's number is in no table
    assert seen.holding(Path("/tmp/x"), 98) is None
    assert seen.holding(Path("relative"), 98) is None
    assert seen.on_device(12345) is None


def test_the_number_of_a_mount_says_on_which_file_system_a_file_lies() -> None:
    mounts = (
        ROOT
        + "40 27 0:40 / /data rw - btrfs /dev/vdb rw\n"
        + "41 27 0:41 / /tmp rw - tmpfs tmpfs rw\n"
        + "42 27 0:42 / /tmp rw - tmpfs tmpfs rw\n"
    )
    seen = file_systems(mounts, DF_HEAD + ROOT_DF + "10 1 9 0 0 0 /data\n")
    root, data = seen
    assert (seen.behind(27), seen.behind(40), seen.behind(41), seen.behind(99)) == (root, data, None, None)
    assert seen.only(Path("/data")).behind(40) is data


def test_large_device_numbers_are_those_of_stat() -> None:
    (mount,) = ListMounts().answer(said("27 1 259:1048577 / / rw - ext4 /dev/nvme0n1p1 rw\n"))
    assert mount.device == 0x100010300 | 1  # os.makedev(259, 1048577)


@pytest.mark.parametrize(
    "text",
    ["", "garbage\n", "27 1 254 / / rw - ext4 /dev/vda rw\n", "27 1 254:0 / / rw ext4 /dev/vda rw\n",
     "27 1 254:0 / / rw - ext4\n", "27 1 254:0 / /srv rw - ext4 /dev/vda rw\n", "\x00\xff" * 99],
)  # fmt: skip
def test_a_mount_table_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        ListMounts().answer(said(text))


@pytest.mark.parametrize(
    "text", ["", "garbage", "garbage\n", DF_HEAD + "1 2 3\n", DF_HEAD + "a b c d e f /\n", DF_HEAD + "1 2 3 4 5 6 /"]
)
def test_a_table_of_df_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        ReadUsage().answer(said(text))


def test_a_missing_program_and_an_unmeasured_root_are_no_healthy_disk() -> None:
    with pytest.raises(FactError, match="cat is not there"):
        file_systems(NOT_THERE, DF_HEAD + ROOT_DF)
    assert [str(one.mount) for one in file_systems(ROOT, DF_HEAD).unread] == ["/"]


def test_sizes_are_sizes() -> None:
    assert isinstance(file_systems(ROOT, DF_HEAD + ROOT_DF).mounted_at(Path("/")).free, ByteSize)


def test_a_host_without_a_root_is_not_believed() -> None:
    with pytest.raises(FactError, match="no root"):
        join([], {})
