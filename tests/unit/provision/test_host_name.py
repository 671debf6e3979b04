from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ecsmachine.provision.steps.host_name import commands

HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"


def run_on(tmp_path: Path, hosts: str, wanted: list[str]) -> tuple[str, str]:
    """Run the commands on files of our own in place of the host's."""
    (tmp_path / "hosts").write_text(hosts)
    script = "set -e\nhostname() { :; }\n" + "\n".join(wanted).replace("/etc/", f"{tmp_path}/")
    subprocess.run(["sh", "-c", script], check=True)
    name = tmp_path / "hostname"
    return (tmp_path / "hosts").read_text(), name.read_text() if name.exists() else ""


def test_a_host_that_has_its_name_is_left_alone() -> None:
    assert commands("dev1", current="dev1\n", etc_hostname="dev1\n", hosts="127.0.1.1 dev1\n") == []


def test_the_name_is_set_everywhere(tmp_path: Path) -> None:
    wanted = commands("dev1", current="bare", etc_hostname="bare\n", hosts=HOSTS)
    assert run_on(tmp_path, HOSTS, wanted) == (f"{HOSTS}127.0.1.1 dev1\n", "dev1\n")
    assert wanted[-1] == "hostname dev1"


def test_the_line_of_the_old_name_is_replaced(tmp_path: Path) -> None:
    hosts = f"{HOSTS}127.0.1.1\tbare.example bare\n198.18.0.1 other\n"
    wanted = commands("dev1", current="dev1", etc_hostname="dev1", hosts=hosts)
    assert run_on(tmp_path, hosts, wanted)[0] == (f"{HOSTS}127.0.1.1 dev1\n198.18.0.1 other\n")


@pytest.mark.parametrize("hosts", ["127.0.1.1 dev10\n", "# dev1\n", "dev1\n"])
def test_a_name_that_only_looks_alike_does_not_resolve(hosts: str) -> None:
    assert commands("dev1", current="dev1", etc_hostname="dev1", hosts=hosts)


def test_a_name_that_stands_among_others_resolves() -> None:
    hosts = "172.16.0.10 dev1.example dev1 # ours\n"
    assert commands("dev1", current="dev1", etc_hostname="dev1", hosts=hosts) == []
