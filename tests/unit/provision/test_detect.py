from __future__ import annotations

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.provisioner import OperatingSystem

DEBIAN_12 = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""

UBUNTU_2404 = """\
PRETTY_NAME="Ubuntu 24.04.1 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
ID=ubuntu
ID_LIKE=debian
"""


def test_debian() -> None:
    system = parse_os_release(DEBIAN_12)
    assert system == OperatingSystem(
        "debian", (), "12", "Debian GNU/Linux 12 (bookworm)", "bookworm"
    )
    assert provisioner_for(system).name == "debian"


def test_ubuntu_is_not_taken_for_the_debian_that_it_is_like() -> None:
    assert provisioner_for(parse_os_release(UBUNTU_2404)).name == "ubuntu(systemd)"


def test_a_relative_of_debian_is_provisioned_as_debian() -> None:
    assert provisioner_for(OperatingSystem("linuxmint", ("debian",))).name == "debian"


def test_a_system_that_is_not_supported_is_named() -> None:
    with pytest.raises(MachineError, match=r"OS type not recognized: .Arch Linux"):
        provisioner_for(parse_os_release('ID=arch\nPRETTY_NAME="Arch Linux"\n'))


@pytest.mark.parametrize("text", ["", "# a comment\n\nID\n", "ID='unfinished\nX=1\n", "NAME=a=b\n"])
def test_what_is_no_assignment_is_passed_over(text: str) -> None:
    assert parse_os_release(text).id == "linux"


def test_quotes_of_both_kinds_and_escapes() -> None:
    system = parse_os_release('ID=\'debian\'\nPRETTY_NAME="A \\"B\\""\n')
    assert (system.id, system.pretty_name) == ("debian", 'A "B"')
