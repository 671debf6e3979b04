"""What ``up`` fetches before it starts the daemon, and what it can do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.localcloud.host import docker_ce, image, packages
from ecsmachine.localcloud.host.packages import PackageSet
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry import server
from ecsmachine.localcloud.service import daemon


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The sets of packages that cannot be fetched, by their purpose; the test fills it."""
    names: set[str] = set()

    def fetch(cache: Path, image: Path, report: image.Report, wanted: PackageSet) -> Path:
        if wanted.purpose in names:
            raise LocalCloudError("no network")
        return cache / wanted.purpose

    monkeypatch.setattr(image, "build_image", lambda cache, report, release: cache / release)
    monkeypatch.setattr(packages, "fetch_packages", fetch)

    def newer(cache: Path, image: Path, older: Path, report: image.Report) -> Path:
        return fetch(cache, image, report, docker_ce.NEWER)

    monkeypatch.setattr(docker_ce, "docker_ce_packages", newer)
    monkeypatch.setattr(server, "fetch_programs", lambda *_: Path("/registry"))
    return names


def others(cache: Path, said: list[str]) -> list[tuple[str, str]]:
    downloads = daemon._fetch_downloads(cache, ["debian_12", "debian_13"], said.append)
    return [(base.release, folder) for base in downloads.bases for folder in base.others]


def test_each_release_has_its_tools_beside_the_engine(
    tmp_path: Path, unreachable: set[str]
) -> None:
    said: list[str] = []
    assert others(tmp_path, said) == [
        ("debian_12", f"{tmp_path}/base system"),
        ("debian_13", f"{tmp_path}/base system"),
    ]
    assert said == []


def test_a_cloud_is_up_without_the_tools(tmp_path: Path, unreachable: set[str]) -> None:
    unreachable.add("base system")
    said: list[str] = []
    assert others(tmp_path, said) == []
    assert said == [
        "Tools: the mirror does not have them: no network",
        "Tools of debian_13: the mirror does not have them: no network",
    ]


def test_a_cloud_is_up_without_the_newer_engine(tmp_path: Path, unreachable: set[str]) -> None:
    said: list[str] = []
    downloads = daemon._fetch_downloads(tmp_path, ["debian_12", "debian_13"], said.append)
    assert downloads.docker_ce == f"{tmp_path}/newer engine"
    assert said == []
    unreachable.add("newer engine")
    assert daemon._fetch_downloads(tmp_path, ["debian_12"], said.append).docker_ce is None
    assert said == ["Newer engine: the mirror does not have it: no network"]


def test_but_not_without_the_engine(tmp_path: Path, unreachable: set[str]) -> None:
    unreachable.add("engine")
    with pytest.raises(LocalCloudError, match="no network"):
        others(tmp_path, [])
