"""Guests by themselves: boot, logins, disks, network, engine."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from ecsmachine.localcloud.host.guests.base import GuestError, GuestSpec
from ecsmachine.localcloud.host.mirror import Mirror
from tests.guest.conftest import PASSWORD, GuestGround, disk, shell, wait_for

pytestmark = pytest.mark.guest

USER_DATA = b"#!/bin/sh\ntouch /root/booted\n"


def test_a_guest_is_a_system_of_its_own(ground: GuestGround) -> None:
    spec = ground.boot(disks=(disk(1),))
    assert ground.guests.running() == {spec.instance_id}
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /proc/1/comm").strip() == "systemd"
        assert guest.check("hostname").strip() == spec.hostname
        assert guest.check("hostname -f").strip() == spec.hostname
        assert guest.check(f"getent ahostsv4 {spec.hostname}").split()[0] == spec.private_ip
        assert guest.check("systemctl is-system-running --wait").strip() == "running"
        assert guest.check("sudo -n true") == ""
        # not started at each boot, but there for whoever asks
        assert "no sessions" in guest.check("loginctl list-sessions").lower()
        assert f"hostname: {spec.hostname}" in guest.check("hostnamectl")
        # what has only an init script can be started, as packages of Debian still do
        guest.check("printf '#!/bin/sh\\nexit 0\\n' >/etc/init.d/old && chmod +x /etc/init.d/old")
        guest.check("systemctl daemon-reload && systemctl start old")
        assert "sntrup" not in guest.check("sshd -T")
        assert guest.check("blockdev --getsize64 /dev/vdb").strip() == str(20 * 2**30)
        assert guest.check("stat -c %F /dev/vdb").strip() == "block special file"
        assert guest.check("ls /sys/class/net").split() == ["eth0", "lo"]


def test_logins_with_a_key_only(ground: GuestGround) -> None:
    key = paramiko.RSAKey.generate(2048)
    spec = ground.boot(public_keys=(f"ssh-rsa {key.get_base64()} someone",))
    with shell(spec.private_ip, key=key) as guest:
        assert guest.check("id -u").strip() == "0"
    with pytest.raises(paramiko.SSHException), shell(spec.private_ip, password=PASSWORD):
        pass


def test_no_two_guests_share_host_keys_or_machine_id(ground: GuestGround) -> None:
    seen = set()
    for spec in (ground.boot(), ground.boot()):
        with shell(spec.private_ip, password=PASSWORD) as guest:
            seen |= set(guest.check("cat /etc/machine-id").split())
            keys = guest.check("cut -d' ' -f2 /etc/ssh/ssh_host_*_key.pub").split()
            assert len(keys) == 2
            seen |= set(keys)
    assert len(seen) == 6


def test_guests_reach_each_other_and_nothing_else(ground: GuestGround) -> None:
    public = [str(ground.plan.public[number]) for number in (20, 21)]
    one = ground.boot(public_ip=public[0])
    two = ground.boot(public_ip=public[1])
    with socket.create_server(("0.0.0.0", 0)) as service:
        port = service.getsockname()[1]
        own = [
            str(ground.plan.host),
            *subprocess.check_output(["hostname", "-I"], text=True).split(),
        ]
        with (
            shell(two.private_ip, password=PASSWORD),
            shell(public[1], password=PASSWORD),
            shell(public[0], password=PASSWORD) as guest,
        ):
            reach = "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/{}'"
            for address in (two.private_ip, public[1], public[0], one.private_ip):
                guest.check(reach.format(address, 22))
            for address in (*own, "1.1.1.1", "8.8.8.8", "169.254.169.254"):
                if ":" not in address:
                    assert guest.run(reach.format(address, port)).status not in (0, 124), address
            # Of the router itself only the mirror's port is open, and nothing listens there now.
            assert guest.run(reach.format(ground.plan.gateway, 22)).status != 0
            # A lookup fails at once: else every sudo and every image pull would wait for it.
            assert guest.run("timeout 20 getent hosts registry-1.docker.io").status == 2


def test_a_guest_cannot_take_another_ones_address(ground: GuestGround) -> None:
    one, two = ground.boot(), ground.boot()
    with shell(one.private_ip, password=PASSWORD) as guest:
        stranger = str(ground.plan.vswitch[200])
        guest.check(f"ip address add {stranger}/32 dev eth0")
        greeting = f"curl -sN --max-time 2 telnet://{two.private_ip}:22 --interface "
        assert guest.run(f"{greeting} {stranger} < /dev/null").output == ""
        assert guest.run(f"{greeting} {one.private_ip} < /dev/null").output.startswith("SSH-2.0")


def test_a_public_address_comes_and_goes(ground: GuestGround) -> None:
    spec = ground.boot()
    public = str(ground.plan.public[30])
    with shell(spec.private_ip, password=PASSWORD):
        pass
    ground.guests.set_public_ip(spec.instance_id, public)
    ground.guests.set_public_ip(spec.instance_id, public)
    with shell(public, password=PASSWORD) as guest:
        # As in ECS the guest itself knows its private address only.
        assert public not in guest.check("ip address")
    ground.guests.set_public_ip(spec.instance_id, None)
    with pytest.raises(OSError):
        socket.create_connection((public, 22), timeout=2).close()


def test_a_reboot_from_inside_keeps_disks_and_starts_anew(ground: GuestGround) -> None:
    spec = ground.boot(disks=(disk(2),))
    with shell(spec.private_ip, password=PASSWORD) as guest:
        first = guest.check("cat /proc/sys/kernel/random/boot_id")
        guest.check("mkfs.ext4 -q /dev/vdb && mkdir /data")
        uuid = guest.check("blkid -p -s UUID -o value /dev/vdb").strip()
        guest.check(f"echo 'UUID={uuid} /data ext4 defaults 0 2' >> /etc/fstab; mount -a")
        guest.check("echo kept > /data/file; echo kept > /root/file; ip link add old type bridge")
        guest.run("reboot")

    def rebooted() -> bool:
        assert ground.guests.running() == {spec.instance_id}
        # It may still be on its way down, and cut the connection at any moment.
        with (
            suppress(OSError, EOFError, paramiko.SSHException),
            shell(spec.private_ip, password=PASSWORD) as guest,
        ):
            return guest.run("cat /proc/sys/kernel/random/boot_id").output not in ("", first)
        return False

    wait_for(rebooted, "another boot")
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /data/file /root/file").split() == ["kept", "kept"]
        assert guest.check("findmnt -no SOURCE /data").strip().startswith("/dev/")
        assert guest.check("ls /sys/class/net").split() == ["eth0", "lo"]


def test_disks_come_and_go_while_a_guest_runs(ground: GuestGround) -> None:
    spec, other = ground.boot(disks=(disk(20),)), ground.boot()
    guests, added = ground.guests, replace(disk(21), device="vdc")
    guests.create_disk(added)
    for _ in range(2):
        guests.plug_disk(spec.instance_id, added)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("mkfs.ext4 -q /dev/vdc && mkdir '/my data' && mount /dev/vdc '/my data'")
        guest.check("echo kept > '/my data/file'; sync; touch /run/before; reboot")

    def rebooted() -> bool:
        with (
            suppress(OSError, EOFError, paramiko.SSHException),
            shell(spec.private_ip, password=PASSWORD) as guest,
        ):
            return guest.run("test -e /run/before").status == 1
        return False

    wait_for(rebooted, "another boot")
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("mount /dev/vdc '/my data' && cat '/my data/file'")
        for number in (20, 21, 21):  # one that was there at the boot, and the one that came
            guests.unplug_disk(spec.instance_id, f"d-test{number}")
        assert guest.run("ls /dev/vd* /dev/loop*; mountpoint '/my data'").status != 0
        assert guest.run("ls -d /dev/vd? /dev/loop?").output.count("cannot access") == 2
    guests.plug_disk(other.instance_id, replace(added, device="vdb"))
    with shell(other.private_ip, password=PASSWORD) as guest:
        assert guest.check("mount /dev/vdb /mnt && cat /mnt/file").strip() == "kept"
    guests.stop(other.instance_id, force=True)
    guests.unplug_disk(other.instance_id, "d-test21")  # it is off: nothing is to be done
    guests.delete_disk("d-test21")


def test_off_from_inside_is_off_and_starts_again(ground: GuestGround) -> None:
    spec = ground.boot()
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.run("echo kept > /root/file; poweroff")
    wait_for(lambda: not ground.guests.running(), "the guest to be off")
    ground.guests.start(spec)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /root/file").strip() == "kept"


def test_stop_ends_the_guest_in_order_and_force_pulls_the_plug(ground: GuestGround) -> None:
    spec = ground.boot()
    unit = (
        "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\n"
        "ExecStop=/bin/sh -c 'echo ended >> /root/file'\\n"
    )
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check(f'printf "{unit}" > /run/systemd/system/at-end.service')
        guest.check("systemctl start at-end && echo started > /root/file")
    ground.guests.stop(spec.instance_id, force=False)
    ground.guests.stop(spec.instance_id, force=False)
    assert ground.guests.running() == set()
    ground.guests.start(spec)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /root/file").split() == ["started", "ended"]
        guest.check(f'printf "{unit}" > /run/systemd/system/at-end.service')
        guest.check("systemctl start at-end && echo started > /root/file; sync")
    ground.guests.stop(spec.instance_id, force=True)
    ground.guests.start(spec)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /root/file").split() == ["started"]


def test_calls_may_be_repeated(ground: GuestGround) -> None:
    spec = ground.boot(disks=(disk(3),))
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("echo kept > /root/file")
        ground.guests.create(spec)
        ground.guests.start(spec)
        ground.guests.create_disk(disk(3))
        assert guest.check("cat /root/file").strip() == "kept"
    for _ in range(2):
        ground.guests.delete(spec.instance_id)
        ground.guests.delete_disk("d-test3")
    with pytest.raises(GuestError, match="no guest"):
        ground.guests.start(spec)


def test_new_credentials_hold_at_the_next_start(ground: GuestGround) -> None:
    spec = ground.boot()
    with pytest.raises(GuestError, match="runs"):
        ground.guests.set_credentials(spec.instance_id, password="Other-Secret-2", public_keys=())
    ground.guests.stop(spec.instance_id, force=False)
    ground.guests.set_credentials(spec.instance_id, password="Other-Secret-2", public_keys=())
    ground.guests.start(spec)
    with shell(spec.private_ip, password="Other-Secret-2") as guest:
        guest.check("true")
    with pytest.raises(paramiko.AuthenticationException), shell(spec.private_ip, password=PASSWORD):
        pass


def test_a_script_in_the_user_data_runs_at_the_first_boot_only(ground: GuestGround) -> None:
    script = b"#!/bin/bash\necho once >> /root/ran; echo seen\n"
    spec = ground.boot(user_data=script)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("systemctl is-system-running --wait")
        assert guest.check("cat /root/ran /var/log/cloud-init-output.log").split() == [
            "once",
            "seen",
        ]
        assert guest.check("cat /var/lib/cloud/instance/user-data.txt").encode() == script
    ground.guests.stop(spec.instance_id, force=False)
    ground.guests.start(spec)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("systemctl is-system-running --wait")
        assert guest.check("cat /root/ran").split() == ["once"]


def test_the_host_is_out_of_reach_of_a_guests_root(ground: GuestGround) -> None:
    spec = ground.boot()
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.run("date -s 2001-01-01").status != 0
        assert guest.run("echo 1 > /proc/sys/kernel/panic").status != 0
        assert guest.run("echo o > /proc/sysrq-trigger").status != 0


def test_a_disk_whose_file_is_gone_is_not_replaced_by_an_empty_one(ground: GuestGround) -> None:
    spec = ground.spec(disks=(disk(4),))
    ground.guests.create(spec)
    ground.guests.delete_disk("d-test4")
    with pytest.raises(GuestError, match="d-test4"):
        ground.guests.start(spec)
    assert ground.guests.running() == set()


def test_disks_are_again_as_they_were_kept(ground: GuestGround) -> None:
    spec = ground.boot(disks=(disk(7),), user_data=USER_DATA)
    guests = ground.guests
    snapshots = {*ground.paths.snapshots.glob("*")}  # another test's image may be there
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/file")
        guest.check("umount /mnt")
        wait_for(lambda: guest.run("test -e /root/booted").status == 0, "user data has run")
        guest.check("rm /root/booted")
        guest.check("echo kept > /root/file && chown 12345:54321 /root/file && rm /etc/issue")
        guests.snapshot_root("s-root", spec.instance_id)
        guests.snapshot_disk("s-data", "d-test7")
        guest.check("rm /root/file && echo later > /root/later && touch /etc/issue")
        guest.check("wipefs -aq /dev/vdb")
    assert b"systemd" in guests.console_output(spec.instance_id).lower()
    with pytest.raises(GuestError, match="runs"):
        guests.restore_root(spec.instance_id, "s-root")
    guests.stop(spec.instance_id, force=False)
    guests.restore_root(spec.instance_id, "s-root")
    guests.delete_disk("d-test7")
    guests.create_disk(replace(disk(7, size_gib=21), snapshot_id="s-data"))
    guests.start(spec)
    with shell(spec.private_ip, password=PASSWORD) as guest:
        guest.check("mount -o ro /dev/vdb /mnt")
        assert guest.check("cat /root/file /mnt/file").split() == ["kept", "kept"]
        assert guest.check("stat -c %u:%g /root/file").strip() == "12345:54321"
        assert "later" not in guest.check("ls /root").split()
        # What was removed from the base image stays removed.
        assert guest.run("test -e /etc/issue").status != 0
        assert guest.check("blockdev --getsize64 /dev/vdb").strip() == str(21 * 2**30)
        guest.check("umount /mnt")
    # An image of it: its files, but another host, with logins of its own.
    other = ground.boot(root_snapshot_id="s-root", password="Other-12345", user_data=USER_DATA)
    with shell(other.private_ip, password="Other-12345") as guest:
        assert guest.check("cat /root/file").strip() == "kept"
        assert guest.check("hostname").strip() == other.hostname
        wait_for(lambda: guest.run("test -e /root/booted").status == 0, "user data has run")
        machine_id = guest.check("cat /etc/machine-id")
    with shell(spec.private_ip, password=PASSWORD) as guest:
        assert guest.check("cat /etc/machine-id") != machine_id
    # And an image of that one. What a disk was made from outlives its snapshot.
    with shell(other.private_ip, password="Other-12345") as guest:
        guest.check("rm /root/file && echo more > /root/more && sync")
        guests.snapshot_root("s-other", other.instance_id)
    for snapshot_id in ("s-root", "s-data", "s-data"):
        guests.delete_snapshot(snapshot_id)
    guests.stop(other.instance_id, force=False)
    guests.start(other)
    third = ground.boot(root_snapshot_id="s-other", password="Third-12345")
    for each, password in ((other, "Other-12345"), (third, "Third-12345")):
        with shell(each.private_ip, password=password) as guest:
            assert guest.check("hostname; cat /root/more").split() == [each.hostname, "more"]
            assert guest.run("test -e /root/file || test -e /etc/issue").status != 0
    guests.delete_snapshot("s-other")
    for each in (spec, other, third):
        guests.delete(each.instance_id)
    assert {*ground.paths.snapshots.iterdir()} == snapshots
    with pytest.raises(GuestError, match="s-data is gone"):
        guests.create_disk(replace(disk(8), snapshot_id="s-data"))


def test_what_is_kept_of_a_guest_may_be_of_another_version_or_damaged(ground: GuestGround) -> None:
    spec = ground.spec()
    ground.guests.create(spec)
    record = ground.paths.instances / spec.instance_id / "guest.json"
    kept = record.read_text()
    record.write_text(kept.replace('"base": "', '"of_a_newer_version": 1, "base": "'))
    ground.guests.start(spec)
    ground.guests.stop(spec.instance_id, force=True)
    record.write_text(kept.replace('"base": "', '"base": "/nowhere'))
    with pytest.raises(GuestError, match=r"/nowhere.* is gone"):
        ground.guests.start(spec)
    record.write_text("{")
    with pytest.raises(GuestError, match=r"guest\.json cannot be read: it is not JSON"):
        ground.guests.start(spec)


def test_ten_guests_at_once(ground: GuestGround) -> None:
    with ThreadPoolExecutor(10) as pool:
        specs: list[GuestSpec] = list(pool.map(lambda _: ground.boot(), range(10)))

        def name(spec: GuestSpec) -> str:
            with shell(spec.private_ip, password=PASSWORD) as guest:
                return guest.check("hostname").strip()

        assert sorted(pool.map(name, specs)) == sorted(spec.hostname for spec in specs)
        assert len(ground.guests.running()) == 10


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """A container image as a tarball: Debian's static busybox and nothing else."""
    program = shutil.which("busybox")
    if program is None:
        subprocess.run(["apt-get", "download", "-qq", "busybox-static"], cwd=tmp_path, check=True)
        package = next(tmp_path.glob("*.deb"))
        subprocess.run(["dpkg", "-x", str(package), str(tmp_path / "x")], check=True)
        program = str(next((tmp_path / "x").glob("**/bin/busybox")))
    (tmp_path / "image/bin").mkdir(parents=True)
    shutil.copy(program, tmp_path / "image/bin/busybox")
    for name in ("sh", "echo", "cat"):
        (tmp_path / "image/bin" / name).symlink_to("busybox")
    subprocess.run(["tar", "-C", "image", "-cf", "busybox.tar", "."], cwd=tmp_path, check=True)
    return tmp_path / "busybox.tar"


def test_the_mirror_installs_an_engine_that_runs_containers(
    ground: GuestGround, mirror: Mirror, busybox: Path
) -> None:
    spec = ground.boot(disks=(disk(5),))
    settings = "[Service]\\nEnvironment=SEEN=yes\\n"
    with shell(spec.private_ip, password=PASSWORD) as guest:
        # What is configured before the install has to be there after it.
        guest.check("mkdir -p /etc/systemd/system/docker.service.d /etc/docker")
        guest.check(f'printf "{settings}" > /etc/systemd/system/docker.service.d/10-machine.conf')
        guest.check('echo \'{"labels": ["set=before"]}\' > /etc/docker/daemon.json')
        guest.check("mkfs.ext4 -q /dev/vdb && mount /dev/vdb /var/lib/docker")
        guest.check(f"curl -sSL {mirror.url}/install.sh | sh", timeout_s=120)
        assert "set=before" in guest.check("docker info -f '{{.Labels}}'")
        assert "SEEN=yes" in guest.check("systemctl show -p Environment docker")
        assert guest.check("docker info -f '{{.Driver}}'").strip() == "overlay2"
        guest.put(busybox, "/root/busybox.tar")
        guest.check("docker import /root/busybox.tar busybox")
        assert guest.check("docker run --rm busybox echo hello").strip() == "hello"
        limit = (
            "memory.max"
            if guest.run("test -e /sys/fs/cgroup/memory").status
            else ("memory/memory.limit_in_bytes")
        )
        limited = guest.check(f"docker run --rm -m 64m busybox cat /sys/fs/cgroup/{limit}")
        assert limited.strip() == str(64 * 2**20)
        # containerd has the host's own configuration, and seldom looks for garbage
        command = "tr '\\0' ' ' < /proc/$(pgrep -x containerd)/cmdline"
        used = guest.check(f"$({command}) config dump")
        assert "pause_threshold = 0.0002" in used
        assert 'bin_dir = "/usr/lib/cni"' in used
        again = guest.check(f"curl -sSL {mirror.url}/install.sh | sh")
        assert "installed already" in again
        assert guest.check("systemctl --failed --no-legend") == ""


def test_an_install_that_cannot_work_fails_loudly(ground: GuestGround, mirror: Mirror) -> None:
    spec = ground.boot()
    with shell(spec.private_ip, password=PASSWORD) as guest:
        script = guest.check(f"curl -fsSL {mirror.url}/install.sh")
        hashes = re.findall(r"\b[0-9a-f]{64}\b", script)
        assert hashes
        broken = script.replace(hashes[0], "0" * 64)
        for with_or_without in ("true", "mv /usr/bin/openssl /root"):
            guest.check(with_or_without)
            result = guest.run(f"sh <<'END'\n{broken}\nEND")
            assert result.status == 1
            assert "install.sh: a package is not the one that was expected" in result.output
        lost = script.replace(mirror.url, f"{mirror.url}/nowhere")
        result = guest.run(f"sh <<'END'\n{lost}\nEND")
        assert result.status == 1
        assert "install.sh: a package cannot be fetched" in result.output
        assert guest.run("command -v dockerd").status != 0
