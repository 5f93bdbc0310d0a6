from __future__ import annotations

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.packages import FindPackageCache
from tests.unit.facts.answers import NOT_THERE, captured, complaint, record, said

NO_INDEX = complaint("/var/cache/apt/pkgcache.bin") + complaint("/var/cache/apt/srcpkgcache.bin")


def test_a_real_hosts_downloads_are_found() -> None:
    found = FindPackageCache().answer(captured("package-cache", status=1, stderr=NO_INDEX))
    assert len(found) == 7
    assert all(file.path.suffix == ".deb" for file in found)


def test_only_what_apt_removes_counts() -> None:
    text = b"".join(
        record(f"/var/cache/apt/{name}")
        for name in ("pkgcache.bin", "archives/a.deb", "archives/partial/b.deb", "archives/mine/c.deb")
    )
    names = [file.path.name for file in FindPackageCache().answer(said(text))]
    assert sorted(names) == ["a.deb", "b.deb", "pkgcache.bin"]


def test_a_host_without_apt_has_none_and_a_forbidden_folder_is_an_error() -> None:
    gone = complaint("/var/cache/apt/archives") + NO_INDEX
    assert FindPackageCache().answer(said(status=1, stderr=gone)) == ()
    for answer in (NOT_THERE, said("garbage"), said(status=1, stderr=complaint("/var", "Permission denied"))):
        with pytest.raises(FactError):
            FindPackageCache().answer(answer)
