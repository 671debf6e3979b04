"""Provisioning on real guests: run again, interrupted, over what is there, and what is refused."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.localcloud.catalog.images import SUITES, USUAL
from ecsmachine.localcloud.host import packages
from ecsmachine.localcloud.host.guests.base import GuestSpec
from ecsmachine.localcloud.host.mirror import Mirror
from ecsmachine.localcloud.host.paths import default_cache
from ecsmachine.machine import certificates, engine_api
from ecsmachine.machine.model import AuthOptions, auth_options
from ecsmachine.provision.base import (
    DataDisk,
    EngineOptions,
    HostCertificates,
    ProvisionRequest,
)
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.provision import ProvisionResult, provision
from ecsmachine.provision.reconfigure import reconfigure
from ecsmachine.provision.steps import STEPS, installation
from ecsmachine.provision.upgrade import upgrade_engine
from ecsmachine.ssh.connection import Connection
from ecsmachine.ssh.target import SSHTarget
from ecsmachine.ssh.wait import wait_for_ssh
from tests.guest.conftest import PASSWORD, BaseImages, GuestGround, disk, wait_for

pytestmark = pytest.mark.guest

EXT4 = DataDisk(20, "ext4")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ecsmachine test"
MOUNTED = "awk '$2 == \"/var/lib/docker\" { print $1, $3 }' /proc/self/mounts | tail -n 1"
PID = "systemctl show docker.service -p MainPID --value"


@dataclass
class Host:
    """A guest, as provisioning is given it."""

    spec: GuestSpec
    auth: AuthOptions
    install_url: str
    pins: Path
    lines: list[str] = field(default_factory=list)
    kept: Connection | None = None

    @contextmanager
    def keeping_a_connection(self) -> Iterator[None]:
        """Log in once for all that is done in the block."""
        with self.connected() as self.kept:
            yield
        self.kept = None

    @contextmanager
    def connected(self, user: str = "root") -> Iterator[Connection]:
        if self.kept is not None:
            yield self.kept
            return
        target = SSHTarget(self.spec.private_ip, user=user, password=PASSWORD)
        with wait_for_ssh(target, self.pins) as connection:
            yield connection

    def request(self, **values: Any) -> ProvisionRequest:
        options = values.pop("engine", None) or EngineOptions()
        options.install_url = values.pop("install_url", self.install_url)
        return ProvisionRequest(
            hostname="dev1",
            provider="test",
            engine=options,
            certificates=lambda: HostCertificates(
                self.auth.machine_ca_path.read_bytes(),
                self.auth.server_cert_path.read_bytes(),
                self.auth.server_key_path.read_bytes(),
            ),
            **values,
        )

    def provision(
        self,
        user: str = "root",
        observe: Callable[[str, Literal["before", "after"]], None] | None = None,
        **values: Any,
    ) -> ProvisionResult:
        self.lines.clear()
        with self.connected(user) as connection:
            return provision(connection, self.request(**values), self.lines.append, observe=observe)

    def run(self, command: str, user: str = "root", *, status: int = 0) -> str:
        """Run a command that has to end with a status, and return what it printed."""
        with self.connected(user) as connection:
            result = connection.run(command, timeout_s=120)
        assert result.exit_status == status, (command, result)
        return result.stdout.strip()

    def engine_version(self) -> str:
        url = f"tcp://{self.spec.private_ip}:2376"
        return engine_api.ask_version(url, self.auth, timeout_s=10)

    def labels(self) -> list[str]:
        return sorted(json.loads(self.run("docker info --format '{{json .Labels}}'")))


@pytest.fixture
def boot(ground: GuestGround, mirror: Mirror, tmp_path: Path) -> Callable[..., Host]:
    """Return what boots a guest that can be provisioned."""
    return booting(ground, mirror, tmp_path)


def booting(ground: GuestGround, mirror: Mirror, tmp_path: Path) -> Callable[..., Host]:
    def boot(**values: object) -> Host:
        spec = ground.boot(**values)
        store = tmp_path / spec.hostname
        auth = auth_options(store, "dev1")
        auth.server_cert_path.parent.mkdir(parents=True)
        certificates.ensure_client_certificates(auth, lambda line: None)
        certificates.copy_client_certificates(auth)
        certificates.make_server_certificate(auth, "dev1", [spec.private_ip])
        return Host(spec, auth, f"{mirror.url}/install.sh", store / "known_hosts")

    return boot


def test_a_second_time_changes_nothing(boot: Callable[..., Host]) -> None:
    host = boot(disks=(disk(1),))
    first = host.provision(data_disk=EXT4, authorized_key=KEY)
    assert first.changed == [
        *("host name", "authorized key", "data disk", "certificates"),
        *("engine configuration", "engine installation"),
    ]
    assert "Installing Docker..." in host.lines
    assert host.engine_version()
    assert host.run(MOUNTED) == "/dev/vdb ext4"
    assert host.run("hostname") == "dev1"
    assert host.run("systemctl is-enabled docker.service") == "enabled"
    before = host.run(f"{PID}; cat /etc/fstab ~/.ssh/authorized_keys /etc/hosts")
    assert before.count(KEY) == 1
    assert host.provision(data_disk=EXT4, authorized_key=KEY).changed == []
    assert host.run(f"{PID}; cat /etc/fstab ~/.ssh/authorized_keys /etc/hosts") == before

    # what is put out of order is put right, and only that
    host.run("rm /etc/docker/server.pem; chmod 644 /etc/docker/server-key.pem")
    assert host.provision(data_disk=EXT4).changed == ["certificates"]
    host.run("systemctl stop docker.socket docker.service; systemctl disable docker.service")
    assert host.provision(data_disk=EXT4).changed == ["engine start"]
    assert host.provision(data_disk=EXT4).changed == []
    assert host.engine_version()


@pytest.mark.parametrize("release", [release for release in SUITES if release != USUAL])
def test_other_releases_of_debian(release: str, ground: GuestGround, tmp_path: Path) -> None:
    base = BaseImages()[release]
    files = packages.fetch_packages(default_cache(), base, print, packages.engine_of(release))
    mirror = Mirror(
        {release: files},
        address=str(ground.plan.gateway),
        namespace=ground.paths.router,
    )
    mirror.start()
    try:
        host = booting(ground, mirror, tmp_path)(release=release, disks=(disk(1),))
        other = booting(ground, mirror, tmp_path)()
        result = host.provision(data_disk=EXT4)
        with host.connected() as connection:
            old, new = upgrade_engine(connection, host.lines.append)
        with pytest.raises(ProvisionError, match="engine installation") as raised:
            other.provision()
    finally:
        mirror.stop()
    assert "there are no packages here for Debian GNU/Linux 12" in (raised.value.details or "")
    assert result.system.version == release.removeprefix("debian_")
    assert old == new == host.engine_version()
    assert host.run(MOUNTED) == "/dev/vdb ext4"
    assert host.provision(data_disk=EXT4).changed == []
    with host.connected() as connection:
        labelled = EngineOptions(labels=["a=b"])
        assert reconfigure(connection, host.request(engine=labelled), lambda line: None)
        with pytest.raises(ProvisionError) as raised:
            reconfigure(
                connection,
                host.request(engine=EngineOptions(arbitrary_flags=["no-such-flag=1"])),
                lambda line: None,
            )
    # the engine of Debian 13 can validate its options, and is not even stopped
    refused = (
        "refuses these options" if release == "debian_13" else "old configuration was restored"
    )
    assert refused in str(raised.value)
    assert host.labels() == ["a=b", "provider=test"]


def test_an_engine_that_was_there_before_is_configured_our_way(
    boot: Callable[..., Host], engine_root: str
) -> None:
    host = boot(root_snapshot_id=engine_root)
    host.run("systemctl enable --now containerd docker")
    old = host.run(PID)
    host.run("docker network create theirs")
    result = host.provision()
    assert "engine installation" not in result.changed
    assert {"engine configuration", "engine start"} <= set(result.changed)
    assert host.run(PID) != old
    assert host.engine_version()
    assert "theirs" in host.run("docker network ls")  # what it held is still there
    assert host.provision().changed == []

    # another drop-in that has the last word is named
    host.run(
        "printf '[Service]\\nExecStart=\\nExecStart=dockerd -H fd://\\n' "
        "> /etc/systemd/system/docker.service.d/99-theirs.conf"
    )
    with pytest.raises(ProvisionError, match="the machine's command line") as raised:
        host.provision()
    assert "99-theirs.conf" in (raised.value.hint or "")
    host.run("rm /etc/systemd/system/docker.service.d/99-theirs.conf")

    # and so is a daemon.json that the engine would not start with; it goes on as it runs
    host.provision()
    running = host.run(PID)
    host.run("""echo '{"tlsverify": true, "hosts": ["fd://"]}' > /etc/docker/daemon.json""")
    with pytest.raises(ProvisionError, match="sets hosts, tlsverify, and so does the machine"):
        host.provision()
    assert host.run(PID) == running


def test_a_user_with_sudo(boot: Callable[..., Host]) -> None:
    host = boot()
    host.run(
        "useradd -m -s /bin/bash admin && echo 'admin:" + PASSWORD + "' | chpasswd && "
        "echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin"
    )
    result = host.provision("admin", authorized_key=KEY)
    assert "docker group" in result.changed
    assert host.engine_version()
    assert host.run("docker info --format '{{.Driver}}'", "admin") == "overlay2"
    assert KEY in host.run("cat ~admin/.ssh/authorized_keys")
    assert host.run("stat -c '%a %U' /etc/docker/server-key.pem ~admin/.ssh").splitlines() == [
        "600 root",
        "700 admin",
    ]
    assert host.provision("admin", authorized_key=KEY).changed == []

    host.run("rm /etc/sudoers.d/admin")
    with pytest.raises(ProvisionError) as raised:
        host.provision("admin")
    assert raised.value.hint == '"admin" needs sudo without a password on the host.'


def test_a_data_disk_with_other_data_is_left_alone(boot: Callable[..., Host]) -> None:
    host = boot(disks=(disk(1),))
    hashed = "head -c 8388608 /dev/vdb | sha256sum"
    kinds = {
        "mkfs.xfs -q -f /dev/vdb": "xfs",
        "wipefs -q -a /dev/vdb; mkswap /dev/vdb": "swap",
        "wipefs -q -a /dev/vdb; echo 'label: gpt' | sfdisk -q --force --no-reread /dev/vdb": "gpt",
        "wipefs -q -a /dev/vdb; echo precious | dd of=/dev/vdb bs=1k seek=500 conv=notrunc": (
            "of an unknown kind"
        ),
    }
    for command, kind in kinds.items():
        host.run(command)
        before = host.run(hashed)
        with pytest.raises(ProvisionError, match=f"already holds data.*{kind}") as raised:
            host.provision(data_disk=EXT4)
        assert raised.value.step == "data disk"
        assert host.run(hashed) == before
    host.run("command -v dockerd", status=1)  # nothing was installed either
    with (
        host.connected() as connection,
        pytest.raises(ProvisionError, match="no engine is installed"),
    ):
        upgrade_engine(connection, host.lines.append)

    # a disk of another size is not the one that was ordered
    host.run("dd if=/dev/zero of=/dev/vdb bs=1M count=2 conv=notrunc")
    with pytest.raises(ProvisionError, match="/dev/vdb has 20 GiB"):
        host.provision(data_disk=DataDisk(40, "ext4"))

    # and one that is in use elsewhere is not ours, even with the right file system
    host.run("mkfs.ext4 -q /dev/vdb && mount /dev/vdb /srv && echo precious > /srv/file")
    with pytest.raises(ProvisionError, match="in use already, mounted on /srv"):
        host.provision(data_disk=EXT4)
    assert host.run("cat /srv/file") == "precious"


def test_an_xfs_data_disk_is_there_after_a_boot(
    boot: Callable[..., Host], engine_root: str
) -> None:
    host = boot(root_snapshot_id=engine_root, disks=(disk(1),))
    xfs = DataDisk(20, "xfs")
    assert "data disk" in host.provision(data_disk=xfs).changed
    assert host.run(MOUNTED) == "/dev/vdb xfs"
    assert host.run("docker info --format '{{.Driver}}'") == "overlay2"
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    before = host.run(boot_id)
    with host.connected() as connection, pytest.raises(MachineError):
        connection.run("systemctl reboot; sleep 60", timeout_s=60)
    wait_for(lambda: host.run(boot_id) != before, "it boots again")
    wait_for(lambda: _answers(host), "the engine starts at boot")
    assert host.run(MOUNTED) == "/dev/vdb xfs"
    assert host.provision(data_disk=xfs).changed == []


def test_interrupted_after_each_step_and_run_again(boot: Callable[..., Host]) -> None:
    host = boot(disks=(disk(1),))

    def interrupt_after(name: str) -> Callable[[str, Literal["before", "after"]], None]:
        def observe(step: str, moment: Literal["before", "after"]) -> None:
            if (step, moment) == (name, "after"):
                raise KeyboardInterrupt

        return observe

    for name in (step.name for step in STEPS):
        with pytest.raises(KeyboardInterrupt):
            host.provision(data_disk=EXT4, observe=interrupt_after(name))
    installed = host.run(f"{PID}; stat -c %Y /usr/sbin/dockerd")
    assert host.provision(data_disk=EXT4).changed == []
    assert host.run(f"{PID}; stat -c %Y /usr/sbin/dockerd") == installed
    assert host.engine_version()


def test_an_install_that_is_cut_short_is_done_again(boot: Callable[..., Host]) -> None:
    host = boot()
    failures: list[BaseException] = []

    def run_provision() -> None:
        try:
            host.provision()
        except MachineError as error:
            failures.append(error)

    running = threading.Thread(target=run_provision)
    running.start()
    # dpkg is killed when the engine is unpacked and what it needs is not, and the script with it
    host.run(
        "for n in $(seq 3000); do [ -e /usr/sbin/dockerd ] && break; sleep 0.01; done; "
        "pkill -9 -f [/]install.sh; pkill -9 dpkg; pkill -9 dpkg-deb; :"
    )
    running.join(60)
    (failure,) = failures
    assert "engine installation" in str(failure)
    assert "docker.io" in host.run("dpkg --audit")
    assert "engine installation" in host.provision().changed
    assert host.engine_version()
    assert host.run("dpkg --audit") == ""
    assert host.provision().changed == []


def test_a_connection_that_is_cut_while_it_installs(boot: Callable[..., Host]) -> None:
    host = boot()
    failures: list[MachineError] = []
    with host.connected() as connection:

        def run_provision() -> None:
            try:
                provision(connection, host.request(), lambda line: None)
            except MachineError as error:
                failures.append(error)

        running = threading.Thread(target=run_provision)
        running.start()
        host.run("for n in $(seq 600); do pgrep -x dpkg-deb && break; sleep 0.02; done")
        connection.close()
        running.join(60)
    assert "engine installation: The SSH connection" in str(failures[0])
    # the install goes on by itself: it is waited for, and not done a second time
    assert host.provision().changed in (["engine installation"], [])
    assert host.engine_version()
    assert host.provision().changed == []


# Answers with a script whose second half never comes, or that fetches what never comes.
HANGING_SERVER = r"""
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8000, Listen => 20,
    ReuseAddr => 1) or die;
$SIG{CHLD} = 'IGNORE';
while (my $client = $server->accept) {
    next if fork;
    my $line = <$client>;
    my $script = "echo half of it\ncurl -fsS http://127.0.0.1:8000/packages\n";
    if ($line =~ m{/script }) {
        print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $script, "\r\n\r\n$script";
    } else {
        print $client "HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n";
        $client->flush; sleep 60;
    }
    exit;
}
"""


def test_a_mirror_that_hangs_is_given_up_and_a_lock_is_waited_for(
    boot: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "STALLED_S", 1)
    host = boot()
    host.run(f"echo {shlex.quote(HANGING_SERVER)} > /tmp/server.pl")
    host.run("systemd-run -q perl /tmp/server.pl")
    host.run("for n in $(seq 50); do ss -tln | grep -q :8000 && exit 0; sleep 0.1; done; exit 1")
    started = time.monotonic()
    with pytest.raises(ProvisionError, match=r"the host cannot fetch http://127.0.0.1:8000/half"):
        host.provision(install_url="http://127.0.0.1:8000/half")
    with pytest.raises(ProvisionError, match=r"script of .*/script exited with 28") as raised:
        host.provision(install_url="http://127.0.0.1:8000/script")
    assert time.monotonic() - started < 60  # and not the minute for which the mirror says nothing
    assert "half of it" in (raised.value.details or "")

    # dpkg's lock is held as apt holds it, with fcntl, for three seconds: that is waited for
    hold = (
        "use Fcntl; open(my $f, '>', '/var/lib/dpkg/lock-frontend') or die; "
        "my $l = pack('s s l! l! i', F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; sleep 3"
    )
    host.run(f"systemd-run -q perl -e {shlex.quote(hold)}; sleep 0.5")
    assert "engine installation" in host.provision().changed
    assert any(
        line.startswith("Waiting for perl (") and line.endswith("to finish...")
        for line in host.lines
    )
    assert host.engine_version()


def test_options_are_changed_and_taken_back(boot: Callable[..., Host], engine_root: str) -> None:
    host = boot(root_snapshot_id=engine_root)
    host.provision()
    assert host.labels() == ["provider=test"]

    def change(**options: Any) -> bool:
        with host.connected() as connection:
            return reconfigure(
                connection, host.request(engine=EngineOptions(**options)), lambda line: None
            )

    assert change(labels=["stage=one"], env=["HTTP_PROXY=http://127.0.0.1:1"]) is True
    assert host.labels() == ["provider=test", "stage=one"]
    proxy = "docker info --format '{{.HTTPProxy}}'"
    assert host.run(proxy) == "http://127.0.0.1:1"
    assert change(labels=["stage=one"], env=["HTTP_PROXY=http://127.0.0.1:1"]) is False
    assert host.engine_version()
    files = host.run("ls /etc/systemd/system/docker.service.d; sha256sum /etc/docker/*")

    with pytest.raises(
        ProvisionError, match=r"refuses|its old configuration was restored"
    ) as raised:
        change(arbitrary_flags=["no-such-flag=1"])
    assert "no-such-flag" in (raised.value.details or "")
    with pytest.raises(
        ProvisionError, match="its old configuration was restored, and it is running"
    ):
        change(storage_driver="btrfs")  # only the start shows that it cannot be
    with pytest.raises(
        ProvisionError, match="its old configuration was restored, and it is running"
    ):
        host.provision(engine=EngineOptions(storage_driver="btrfs"))
    assert host.labels() == ["provider=test", "stage=one"]
    assert host.run(proxy) == "http://127.0.0.1:1"
    assert host.engine_version()
    assert host.run("ls /etc/systemd/system/docker.service.d; sha256sum /etc/docker/*") == files
    # and provisioning with the same options has nothing to do
    same = EngineOptions(labels=["stage=one"], env=["HTTP_PROXY=http://127.0.0.1:1"])
    assert host.provision(engine=same).changed == []
    # a variable that is no longer wanted is gone from the engine, not only from its unit
    assert host.provision(engine=EngineOptions(labels=["stage=one"])).changed == [
        "engine configuration",
        "engine start",
    ]
    assert host.run(proxy) == ""


# A repository of the guest's own with a later engine: the same with another version in its text.
NEWER_ENGINE = r"""
set -e
cd /root
old=$(dockerd --version | sed 's/^Docker version \([^, ]*\).*/\1/')
new=$(echo "$old" | sed 's/^\(.*\)[0-9]\(+\|$\)/\19\2/')
mkdir -p repository package/DEBIAN
package=$(dpkg-query -W -f '${Version}' docker.io)
cp --parents $(dpkg -L docker.io | while read f; do [ -d "$f" ] || echo "$f"; done) package
cp /var/lib/dpkg/info/docker.io.* package/DEBIAN
(cd package/DEBIAN && for f in docker.io.*; do mv "$f" "${f#docker.io.}"; done; rm -f list md5sums)
dpkg-query -s docker.io | sed -e '/^Status:/d' -e '/^Conffiles:/,/^[A-Z]/{/^Conffiles:/d;/^ /d}' \
    -e "s/^Version:.*/Version: ${package}+newer1/" > package/DEBIAN/control
sed -i "s/${old}/${new}/g" package/usr/sbin/dockerd
dpkg-deb -Znone -b package repository/docker.io_newer.deb
cd repository
{ cat ../package/DEBIAN/control
  echo "Filename: ./docker.io_newer.deb"
  echo "Size: $(stat -c %s docker.io_newer.deb)"
  echo "SHA256: $(sha256sum docker.io_newer.deb | cut -d ' ' -f 1)"; } > Packages
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:/root/repository ./" > /etc/apt/sources.list
echo "$old $new"
"""


def test_the_engine_is_upgraded(boot: Callable[..., Host], engine_root: str) -> None:
    host = boot(root_snapshot_id=engine_root)

    def upgrade() -> tuple[str, str]:
        host.lines.clear()
        with host.connected() as connection:
            return upgrade_engine(connection, host.lines.append)

    host.provision()
    there = host.engine_version()
    assert upgrade() == (there, there)
    host.run("echo 'deb [trusted=yes] http://127.0.0.1:9 ./' > /etc/apt/sources.list")
    with pytest.raises(ProvisionError, match="a source of packages did not answer"):
        upgrade()
    old, new = host.run(NEWER_ENGINE).splitlines()[-1].split()
    assert old != new
    assert host.engine_version() == old
    assert upgrade() == (old, new)
    assert host.lines[0] == "Upgrading docker..."
    assert host.engine_version() == new
    assert upgrade() == (new, new)
    assert host.lines == ["Upgrading docker..."]
    assert host.provision().changed == []


def _answers(host: Host) -> bool:
    try:
        return bool(host.engine_version())
    except MachineError:
        return False
