"""A local cloud with real guests, and a look at what the host holds besides."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import paramiko
import pytest

from ecsmachine.aliyun.errors import ApiError
from ecsmachine.localcloud.catalog.images import SUITES, USUAL
from ecsmachine.localcloud.host import image, packages
from ecsmachine.localcloud.host.address_plan import (
    AddressPlan,
    alone_in_choosing,
    choose,
    host_networks,
)
from ecsmachine.localcloud.host.cleanup import marked_processes, remove_from_kernel
from ecsmachine.localcloud.host.control_groups import guest_groups
from ecsmachine.localcloud.host.guests.base import GuestDisk, GuestSpec
from ecsmachine.localcloud.host.guests.nspawn import NspawnGuests
from ecsmachine.localcloud.host.mirror import Mirror
from ecsmachine.localcloud.host.network import Network
from ecsmachine.localcloud.host.paths import CloudPaths, default_cache
from ecsmachine.localcloud.host.requirements import check_host
from ecsmachine.localcloud.host.settings import Running
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service import daemon
from tests.guest.machines import MADE_BY_A_TEST, Machines, environment_of

PASSWORD = "Guest-Secret-1"

# A host as it is when the engine's packages were installed, and nothing else was done. As in an
# image of bake the engine starts for its socket, and not at a boot, to be started anew at once.
ONLY_THE_PACKAGES = (
    "systemctl stop docker.socket docker.service containerd.service && rm -rf /etc/docker "
    "/etc/systemd/system/docker.service.d /var/lib/docker/* /var/lib/containerd/* && "
    "SYSTEMCTL_SKIP_SYSV=1 systemctl -q disable docker.service containerd.service"
)
_FAILED = pytest.StashKey[bool]()  # of a test: whether it has failed
_MACHINES = pytest.StashKey[Machines]()  # of a module: its program and store
_SHARED = pytest.StashKey["Cloud"]()  # of a session: the cloud that its tests share


@pytest.fixture(scope="session")
def host() -> None:
    """Skip what needs guests where none can run; in CI that is a failure."""
    try:
        check_host()
    except LocalCloudError as error:
        cannot_run("guest tests", f"{error.message} {error.hint or ''}")


def cannot_run(tests: str, reason: str) -> NoReturn:
    """Skip tests where they cannot run; in CI that is a failure."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"{tests} cannot run: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def base_image(host: None) -> Path:
    return image.build_image(default_cache(), print)


@pytest.fixture(scope="session")
def engine_packages(base_image: Path) -> Path:
    return packages.fetch_packages(default_cache(), base_image, print)


@pytest.fixture
def cloud_root(host: None) -> Iterator[Path]:
    """A folder for a cloud of the test's own, which is gone afterwards whatever happened."""
    root = Path(tempfile.mkdtemp(prefix="ecs-test-")) / "cloud"
    yield root
    daemon.reset(root)
    root.parent.rmdir()


@pytest.fixture(scope="session")
def local_cloud(
    engine_packages: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """A whole local cloud that is up, with real guests, shared by all tests that only use it."""
    root = tmp_path_factory.mktemp("shared") / "cloud"
    try:
        cloud = Cloud(root, daemon.up(root, guests="nspawn").running)
        request.session.stash[_SHARED] = cloud
        yield cloud
    finally:
        daemon.reset(root)


class BaseImages(Mapping[str, Path]):
    """The base images by release, each built when it is first asked for."""

    def __getitem__(self, release: str) -> Path:
        return image.build_image(default_cache(), print, release)

    def __iter__(self) -> Iterator[str]:
        return iter(SUITES)

    def __len__(self) -> int:
        return len(SUITES)


@dataclass(frozen=True)
class Cloud:
    """A local cloud that is up."""

    root: Path
    running: Running

    @property
    def environment(self) -> dict[str, str]:
        return self.running.environment()

    @property
    def account(self) -> Machines:
        """What asks the cloud, and has a store without machines."""
        return Machines(environment_of(self.environment, self.root / "no-store"))


@pytest.fixture(scope="session")
def engine_snapshot(local_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of the snapshot of an image with the engine: one worker makes it for all."""
    own = tmp_path_factory.mktemp("engine") / "snapshot"
    run = tmp_path_factory.getbasetemp()
    run = run.parent if "PYTEST_XDIST_WORKER" in os.environ else run
    kept = run / "engine-snapshot"
    with (run / "engine-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            image_id, made = _image_with_an_engine(local_cloud, own.with_name("machines"))
            kept.hardlink_to(made)
            local_cloud.account.ecs("DeleteImage", ImageId=image_id)
        own.hardlink_to(kept)
    yield own
    with (run / "engine-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        own.unlink()
        if not [*run.glob("engine?/snapshot"), *run.glob("*/engine?/snapshot")]:
            kept.unlink()


@pytest.fixture(scope="session")
def engine_image(local_cloud: Cloud, engine_snapshot: Path) -> str:
    """The id of an image with the engine, for machines of which installing it is not tested."""
    return image_from(local_cloud, engine_snapshot)


def _image_with_an_engine(cloud: Cloud, store: Path) -> tuple[str, Path]:
    maker = Machines(environment_of(cloud.environment, store))
    maker.run("create", "image")
    maker.run("ssh", "image", ONLY_THE_PACKAGES)
    instance_id = maker.run("inspect", "-f", "{{.Driver.InstanceId}}", "image").stdout.strip()
    made = _image_of(cloud, instance_id)
    maker.run("rm", "-y", "image")
    return made


def image_from(cloud: Cloud, snapshot: Path) -> str:
    """Bring a snapshot of another cloud into one, in place of that of a host as it is delivered."""
    ecs = cloud.account
    group = {"VpcId": cloud.running.vpc_id, "Description": MADE_BY_A_TEST}
    group_id = ecs.ecs("CreateSecurityGroup", **group)["SecurityGroupId"]
    (system,) = ecs.ecs("DescribeImages", ImageOwnerAlias="system")["Images"]["Image"][:1]
    instance_id = ecs.ecs(
        "CreateInstance",
        ImageId=system["ImageId"],
        InstanceType="ecs.g6.large",
        SecurityGroupId=group_id,
        VSwitchId=cloud.running.vswitch_id,
    )["InstanceId"]
    there = {"InstanceIds": json.dumps([instance_id]), "Status": "Stopped"}
    wait_for(lambda: ecs.ecs("DescribeInstances", **there)["TotalCount"] == 1, "it to be made")
    image_id, replaced = _image_of(cloud, str(instance_id))
    remove(ecs, [f"instance {instance_id}", f"security group {group_id}"])
    put_snapshot(snapshot, replaced)
    return image_id


def put_snapshot(snapshot: Path, place: Path) -> None:
    """Put the file of a snapshot among those of another cloud."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        place.hardlink_to(snapshot)
    except OSError:  # on another file system
        shutil.copyfile(snapshot, place)


def _image_of(cloud: Cloud, instance_id: str) -> tuple[str, Path]:
    """Make an image of an instance; return its id, and the file of its snapshot."""
    image_id = str(cloud.account.ecs("CreateImage", InstanceId=instance_id)["ImageId"])
    found: list[dict[str, Any]] = []

    def is_made() -> bool:  # an image that is not Available yet is not listed
        images = cloud.account.ecs("DescribeImages", ImageId=image_id)["Images"]["Image"]
        found[:] = images and images[0]["DiskDeviceMappings"]["DiskDeviceMapping"]
        return bool(found)

    wait_for(is_made, "the image to be made")
    return image_id, CloudPaths.of(cloud.root).snapshots / found[0]["SnapshotId"]


@pytest.fixture(scope="module")
def bare_machines(
    local_cloud: Cloud, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Machines:
    """The program on the local cloud of the tests, with a store of its own for each module."""
    store = tmp_path_factory.mktemp("store") / "machines"
    machines = Machines(environment_of(local_cloud.environment, store))
    request.node.stash[_MACHINES] = machines
    return machines


@pytest.fixture(scope="module")
def machines(bare_machines: Machines, engine_image: str) -> Machines:
    """The program with the store of ``bare_machines``, whose machines boot with an engine."""
    environment = {**bare_machines.environment, "ECS_IMAGE_ID": engine_image}
    return replace(bare_machines, environment=environment)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests have failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def _nothing_of_a_failed_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test made in the shared cloud before it failed is not in the way of the next ones."""
    if "local_cloud" not in request.fixturenames:
        yield
        return
    cloud = request.getfixturevalue("local_cloud")
    used = "bare_machines" in request.fixturenames
    machines: Machines = request.getfixturevalue("bare_machines") if used else cloud.account
    there, stored = set(machines.left_in_the_cloud()), set(machines.stored())
    yield
    if request.node.stash.get(_FAILED, False):
        if new := set(machines.stored()) - stored:
            machines.run("rm", "-f", "-y", *new, check=False)
        remove(machines, set(machines.left_in_the_cloud()) - there)


@pytest.fixture(scope="module", autouse=True)
def _a_module_leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module that leaves something in the shared cloud fails, not one that comes after it.

    Its own security groups are removed, and what its fixtures made where one of its tests failed.
    """
    failed = request.session.testsfailed
    yield
    cloud = request.session.stash.get(_SHARED, None)
    if cloud is None:
        return

    def left() -> list[str]:
        remove(cloud.account, cloud.account.groups_of_tests())
        return cloud.account.left_in_the_cloud()

    with suppress(pytest.fail.Exception):  # what was released goes in its own time
        wait_for(lambda: not left(), "what was released to be gone", 30)
    if there := left():
        machines = request.node.stash.get(_MACHINES, cloud.account)
        if stored := machines.stored():
            machines.run("rm", "-f", "-y", *stored, check=False)
        remove(cloud.account, cloud.account.left_in_the_cloud())
        assert request.session.testsfailed > failed, f"{request.node.name} leaves {there}"


def remove(account: Machines, things: Iterable[str]) -> None:
    """Remove what ``left_in_the_cloud`` has named, as far as that can be done."""
    found = [thing.rpartition(" ")[::2] for thing in things]
    instances = [name for kind, name in found if kind == "instance"]
    for instance_id in instances:
        unprotected = {"InstanceId": instance_id, "DeletionProtection": "false"}
        try:
            account.ecs("ModifyInstanceAttribute", **unprotected)
            account.ecs("DeleteInstance", InstanceId=instance_id, Force="true")
        except ApiError as error:
            if not error.is_not_found:
                raise

    def are_gone() -> bool:
        there = account.left_in_the_cloud(("instance",))
        return not any(f"instance {instance_id}" in there for instance_id in instances)

    wait_for(are_gone, "what a test has left to be gone")
    for kind, name in found:
        with suppress(ApiError):  # used by what was there before
            if kind == "key pair":
                account.ecs("DeleteKeyPairs", KeyPairNames=json.dumps([name]))
            elif kind == "security group":
                account.ecs("DeleteSecurityGroup", SecurityGroupId=name)
            elif kind == "disk":
                account.ecs("DeleteDisk", DiskId=name)


@pytest.fixture(scope="session")
def docker(engine_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The docker client: the one installed, else the one of the engine's own package."""
    installed = shutil.which("docker")
    if installed:
        return installed
    (package,) = engine_packages.glob("docker.io_*.deb")
    folder = tmp_path_factory.mktemp("docker")
    subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    return str(folder / "usr" / "bin" / "docker")


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of Debian's static busybox, as an archive for docker import."""
    folder = tmp_path_factory.mktemp("busybox")
    subprocess.run(["apt-get", "-qq", "download", "busybox-static"], cwd=folder, check=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(folder / "content")], check=True)
    root = folder / "root" / "bin"
    root.mkdir(parents=True)
    shutil.copy(folder / "content" / "bin" / "busybox", root)
    for applet in ("sh", "echo"):
        (root / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", root.parent, "-cf", folder / "busybox.tar", "."], check=True)
    return folder / "busybox.tar"


@dataclass
class GuestGround:
    """Guests without the API: what the nspawn backend is given by the daemon."""

    guests: NspawnGuests
    network: Network
    paths: CloudPaths
    plan: AddressPlan
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    specs: list[GuestSpec] = field(default_factory=list)

    def spec(self, **values: object) -> GuestSpec:
        """Return a spec for a new guest, with a password unless keys are given."""
        number = next(self.numbers)  # its own, however many are made at once
        defaults: dict[str, object] = {
            "instance_id": f"i-test{number:016}",
            "hostname": f"host{number}",
            "private_ip": str(self.plan.vswitch[10 + number]),
            "cpu": 2,
            "memory_mib": 1024,
            "password": None if "public_keys" in values else PASSWORD,
        }
        spec = GuestSpec(**{**defaults, **values})  # type: ignore[arg-type]
        self.specs.append(spec)
        return spec

    def boot(self, **values: object) -> GuestSpec:
        spec = self.spec(**values)
        self.guests.create(spec)
        self.guests.start(spec)
        return spec


@pytest.fixture(scope="session")
def session_ground(
    base_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuestGround]:
    paths = CloudPaths.of(tmp_path_factory.mktemp("guests"))
    with alone_in_choosing():
        plan = choose(int(paths.id, 16), host_networks(without_link=paths.link))
        network = Network(link=paths.link, router=paths.router, plan=plan)
        network.up()
    guests = NspawnGuests(paths, BaseImages(), network, guest_groups(paths.group))
    try:
        yield GuestGround(guests, network, paths, plan)
    finally:
        remove_from_kernel(paths)


@pytest.fixture
def ground(session_ground: GuestGround) -> Iterator[GuestGround]:
    """The place for guests; those of the test are deleted when it ends."""
    yield session_ground
    for spec in session_ground.specs:
        session_ground.guests.delete(spec.instance_id)
        for disk in spec.disks:
            session_ground.guests.delete_disk(disk.disk_id)
    session_ground.specs.clear()


@pytest.fixture(scope="session")
def engine_root(session_ground: GuestGround, engine_snapshot: Path) -> Iterator[str]:
    """The ``root_snapshot_id`` of guests with the engine."""
    put_snapshot(engine_snapshot, session_ground.paths.snapshots / "s-engine")
    yield "s-engine"
    session_ground.guests.delete_snapshot("s-engine")


@pytest.fixture
def mirror(session_ground: GuestGround, engine_packages: Path) -> Iterator[Mirror]:
    gateway = str(session_ground.plan.gateway)
    mirror = Mirror(
        {USUAL: engine_packages}, address=gateway, namespace=session_ground.paths.router
    )
    mirror.start()
    yield mirror
    mirror.stop()


@dataclass(frozen=True)
class Result:
    status: int
    output: str


class Shell:
    """A guest's shell, over SSH."""

    def __init__(self, client: paramiko.SSHClient):
        self._client = client

    def run(self, command: str, timeout_s: float = 60) -> Result:
        stdin, out, _ = self._client.exec_command(f"exec 2>&1; {command}", timeout=timeout_s)
        stdin.close()  # a connection that broke is told of here, not when the file is collected
        text = out.read().decode()
        return Result(out.channel.recv_exit_status(), text)

    def check(self, command: str, timeout_s: float = 60) -> str:
        """Run a command that has to succeed, and return what it wrote."""
        result = self.run(command, timeout_s)
        assert result.status == 0, f"{command}: {result.status}\n{result.output}"
        return result.output

    def put(self, local: Path, remote: str) -> None:
        with self._client.open_sftp() as sftp:
            sftp.put(str(local), remote)


@contextmanager
def shell(
    address: str, *, password: str | None = None, key: paramiko.PKey | None = None
) -> Iterator[Shell]:
    """Log in as root once SSH answers; a refused login is not tried again."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    deadline = time.monotonic() + 120
    while True:
        try:
            client.connect(
                address,
                username="root",
                password=password,
                pkey=key,
                timeout=5,
                look_for_keys=False,
                allow_agent=False,
            )
            break
        except paramiko.AuthenticationException:
            raise
        except (OSError, paramiko.SSHException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    try:
        yield Shell(client)
    finally:
        client.close()


def disk(number: int, size_gib: int = 20) -> GuestDisk:
    return GuestDisk(f"d-test{number}", "vdb", size_gib)


def wait_for(
    condition: Callable[[], bool],
    what: str,
    timeout_s: float = 120,
    there: Callable[[], object] | None = None,
) -> None:
    """Wait until something is so; the time is a bound on a hang, on a machine with other work.

    ``there`` returns what there is in its place, for the message of a failure.
    """
    begun = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - begun
        if waited_s > timeout_s:
            instead = "" if there is None else f"\nthere is: {there()}"
            pytest.fail(f"not within {timeout_s:g} s: {what}{instead}")
        # a look costs the cloud and its guests CPU: what takes long is looked at less often
        time.sleep(min(max(0.1, waited_s / 8), 0.5))


def wait_for_login(machines: Machines, name: str) -> None:
    """Wait for a machine that boots without an engine, for which create does not wait."""

    def lets_in() -> bool:
        return machines.run("ssh", name, "true", check=False).returncode == 0

    wait_for(lets_in, f"{name} lets us in")


def traces() -> set[str]:
    """Return all that clouds and guests could leave on the host, as far as one can look."""

    def lines(*argv: str) -> list[str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    mounts = (line.split() for line in _text("/proc/self/mountinfo").splitlines())
    # without the numbers: what is mounted, where, and from what (an overlay names its layers)
    found = {f"mount {' '.join([*each[3:6], *each[each.index('-') :]])}" for each in mounts}
    found |= {f"link {line.split(':')[1].split('@')[0]}" for line in lines("ip", "-o", "link")}
    found |= {f"route {line}" for line in lines("ip", "route", "show", "table", "all")}
    found |= {f"rule {line}" for line in lines("nft", "list", "ruleset")}
    found |= {f"netns {line}" for line in lines("ip", "netns", "list")}
    found |= {f"loop {line}" for line in lines("losetup", "-l", "-n", "-O", "NAME,BACK-FILE")}
    for folder, groups, _ in os.walk("/sys/fs/cgroup"):  # passes over those that go meanwhile
        found |= {f"group {folder}/{name}" for name in groups if re.match("ecsmachine[-_]", name)}
    found |= {f"nspawn {p}" for p in Path("/run/systemd/nspawn").glob("*/*") if not _is_locked(p)}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        command = _text(str(entry)).replace("\0", " ")
        if "nspawn" in command or "supervise.sh" in command or "ecsmachine" in command:
            found.add(f"process {command}")
    return found


def _is_locked(file: Path) -> bool:
    """Return whether it is a lock that a running systemd-nspawn holds."""
    try:
        with file.open("r+") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except IsADirectoryError:
        return False
    except OSError:
        return True
    return False


def _text(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except OSError:
        return ""


def assert_nothing_left(before: set[str], paths: CloudPaths) -> None:
    """Fail on anything new on the host that is of this cloud, or of none that has a name.

    What others mount and connect meanwhile, clouds among them, has neither its folder nor its id.
    """
    # a lock of systemd-nspawn names no cloud: another's is free for a moment at its guest's end
    own = re.compile(rf"{re.escape(str(paths.root))}|{paths.id}|^nspawn (?!.*/ecs-[0-9a-f]{{6}})")

    def new() -> set[str]:
        return {each for each in traces() - before if own.search(each)}

    deadline = time.monotonic() + 5
    while (left := new()) and all(each.startswith("nspawn ") for each in left):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    assert not left
    assert marked_processes(paths) == []
    assert not paths.root.exists()
