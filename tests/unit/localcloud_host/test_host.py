from __future__ import annotations

import pytest

from ecsmachine.localcloud.host import requirements as host
from ecsmachine.localcloud.protocol.errors import LocalCloudError


def test_each_missing_package_is_named_once() -> None:
    present = {"ip", "apt-get", "dpkg", "mount"}

    def which(program: str) -> str | None:
        return f"/usr/bin/{program}" if program in present else None

    assert host.missing_packages(which) == [
        "mmdebstrap",
        "mount",
        "nftables",
        "systemd-container",
        "util-linux",
    ]


def test_all_that_is_missing_comes_with_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(
        "shutil.which", lambda name: None if name in ("nft", "mmdebstrap") else f"/usr/bin/{name}"
    )
    with pytest.raises(LocalCloudError) as caught:
        host.check_host()
    assert caught.value.message == "This host lacks mmdebstrap, nftables."
    assert caught.value.hint == "Install with: apt-get install -y mmdebstrap nftables"


def test_without_root_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LocalCloudError, match="root") as caught:
        host.check_host()
    assert "--guests none" in (caught.value.hint or "")


def test_other_systems_can_have_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(LocalCloudError, match="Linux") as caught:
        host.check_host()
    assert "--guests none" in (caught.value.hint or "")
