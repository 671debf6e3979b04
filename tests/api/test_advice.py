"""What an error says to do next is done, and the error is gone; on a cloud without guests."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from ecsmachine.machine.store import Store
from tests.advice import advice, commands_in
from tests.api.driver_rig import Rig, rig_in
from tests.unit.terminals import Typed

URL = "-d none --url tcp://127.0.0.1:1"

_SHOWS = re.compile(r"\b(lists?|shows?|says|see)\b", re.IGNORECASE)
"""Words of advice that brings light and mends nothing."""


@dataclass(frozen=True)
class Ground:
    """A store in which something is wrong, and a cloud."""

    rig: Rig
    store: Store
    environment: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    def call(self, line: str) -> tuple[int, str]:
        """Run a command line, answering yes; return its exit code and its last error line."""
        self.capsys.readouterr()
        code = run(shlex.split(line), self.environment)
        lines = [each for each in self.capsys.readouterr().err.splitlines() if "Error: " in each]
        return code, lines[-1] if lines else ""

    def done(self, line: str) -> None:
        code, error = self.call(line)
        assert code == 0, error

    def machine(self, name: str = "dev1") -> Path:
        """Make a machine without a driver, and return its folder."""
        self.done(f"create {URL} {name}")
        return self.store.directory(name)

    def instance(self) -> None:
        """Make a machine in the cloud, without an engine."""
        self.done("create --no-provision dev1")

    def half_made(self) -> None:
        """Begin a machine in the cloud which gets no instance."""
        self.rig.front.faults["RunInstances"] = ["QuotaExceed.ElasticQuota"]
        flags = (
            f"--no-provision --keep-on-failure --aliyunecs-api-endpoint {self.rig.front.endpoint}"
        )
        assert self.call(f"create {flags} dev1")[0] == 1


def damaged_configuration(ground: Ground) -> str:
    folder = ground.machine()
    (folder / "config.json").write_text("{")
    return "status dev1"


def damaged_journal(ground: Ground) -> str:
    (ground.machine() / "journal.json").write_text("[]")
    return "rm -y dev1"


def no_configuration(ground: Ground) -> str:
    (ground.machine() / "config.json").unlink()
    return "status dev1"


def no_configuration_yet(ground: Ground) -> str:
    journal = ground.machine() / "journal.json"
    journal.write_text(journal.read_text().replace('"Complete": true', '"Complete": false'))
    (journal.parent / "config.json").unlink()
    return "status dev1"


def nothing_that_is_recorded(ground: Ground) -> str:
    folder = ground.machine()
    (folder / "config.json").unlink()
    (folder / "journal.json").unlink()
    return "rm -y dev1"


def a_file_in_the_place_of_a_machine(ground: Ground) -> str:
    ground.store.machines_path.mkdir(parents=True)
    ground.store.directory("dev1").touch()
    return f"create {URL} dev1"


def adoption_that_was_cut_off(ground: Ground) -> str:
    ground.store.directory("dev1").mkdir(parents=True)
    ground.store.journal("dev1").begin_adoption("0123456789abcdef")
    return "status dev1"


def a_machine_that_is_there(ground: Ground) -> str:
    ground.machine()
    return f"create {URL} dev1"


def other_options(ground: Ground) -> str:
    ground.half_made()
    flags = f"--aliyunecs-api-endpoint {ground.rig.front.endpoint}"
    return f"create --no-provision {flags} --aliyunecs-system-disk-size 50 dev1"


def half_made_to_export(ground: Ground) -> str:
    ground.half_made()
    return f"export dev1 {ground.store.path}/dev1 --passphrase-file {passphrase(ground)}"


def half_made(command: str) -> Callable[[Ground], str]:
    def begin(ground: Ground) -> str:
        ground.half_made()
        return command

    return begin


def stopped(command: str) -> Callable[[Ground], str]:
    def stop(ground: Ground) -> str:
        ground.instance()
        ground.done("stop dev1")
        return command

    return stop


def vanished(ground: Ground) -> str:
    ground.instance()
    state = ground.rig.cloud.state
    (instance,) = state.instances
    ground.rig.driver()._cloud.ecs.rpc.call(
        "DeleteInstance", {"InstanceId": instance.id, "Force": "true"}
    )
    return "start dev1"


def of_an_unknown_driver(ground: Ground) -> str:
    path = ground.machine() / "config.json"
    config = json.loads(path.read_text())
    config["DriverName"], config["Driver"]["IPAddress"] = "virtualbox", "127.0.0.1"
    path.write_text(json.dumps(config))
    return "rm -y dev1"


def a_damaged_ca(ground: Ground) -> str:
    ground.machine("other")
    (ground.store.path / "certs" / "ca.pem").write_bytes(b"")
    return f"create {URL} dev1"


def passphrase(ground: Ground) -> Path:
    path = ground.store.path.parent / "passphrase"
    path.write_text("a long passphrase\n")
    path.chmod(0o600)
    return path


def only(line: str) -> Callable[[Ground], str]:
    return lambda ground: line


def a_removal_that_is_refused(ground: Ground) -> str:
    ground.instance()
    ground.store.remove("dev1")
    ground.rig.front.faults["DeleteInstance"] = ["OperationDenied"]
    return f"sweep -y --aliyunecs-api-endpoint {ground.rig.front.endpoint}"


def a_cluster_without_its_certificates(ground: Ground) -> str:
    state = ground.rig.cloud.state
    network = f"--vpc-id {state.default_vpc_id} --vswitch-id {state.default_vswitch_id}"
    nodes = "--size 1 --subnet-cidr 192.168.0.0/16 --password Passw0rd-x"
    ground.done(f"cluster create dev1 {network} {nodes} --wait")
    return "project ls --cluster dev1"


CASES: list[tuple[str, Callable[[Ground], str]]] = [
    ('See "ecsmachine -h".', only("settings nope")),
    ('remove the machine with "ecsmachine rm -f dev1".', damaged_configuration),
    ('or remove the machine with "ecsmachine rm -f dev1".', damaged_journal),
    ('remove the machine, by its journal, with "ecsmachine rm dev1".', no_configuration),
    ('Use "ecsmachine rm dev1", then create it again.', no_configuration_yet),
    ('remove the machine\'s folder with "ecsmachine rm -f dev1".', nothing_that_is_recorded),
    ('"ecsmachine rm -f dev1" moves it aside.', a_file_in_the_place_of_a_machine),
    ('remove it with "ecsmachine rm dev1".', adoption_that_was_cut_off),
    ('remove it with "ecsmachine rm dev1".', a_machine_that_is_there),
    ('"ecsmachine create --resume dev1" continues with those', other_options),
    ('"ecsmachine rm dev1" removes what exists.', other_options),
    ('Finish it with "ecsmachine create --resume dev1"', half_made("start dev1")),
    ('use "ecsmachine rm dev1"', half_made("start dev1")),
    ('"ecsmachine create --resume dev1" continues its create.', half_made("ssh dev1 true")),
    ('Finish it with "ecsmachine create --resume dev1" first.', half_made_to_export),
    ('"ecsmachine status dev1" says whether it runs.', half_made("context dev1")),
    *(
        ('"ecsmachine start dev1" starts it.', stopped(command))
        for command in ("env --shell sh dev1", "url dev1", "provision dev1")
    ),
    ('Remove what is left with "ecsmachine rm dev1".', vanished),
    ('"ecsmachine rm -f dev1" forgets it here.', of_an_unknown_driver),
    ('"ecsmachine regenerate-certs --client-certs".', a_damaged_ca),
    ('"ecsmachine ls -q" lists all machines.', only("rm -y 'no-*'")),
    ('"ecsmachine ls -q" lists them.', only("rm")),
    ('"ecsmachine ls -q" lists all machines.', only("credentials show 'no-*'")),
    ('Use "ecsmachine ls" to list machines.', only("stop")),
    ('"ecsmachine ls" lists all machines.', only("create --resume dev1")),
    ('"ecsmachine adopt" without a name lists those that can be', only("adopt dev1")),
    ('"ecsmachine sweep --dry-run" lists the stores', only("sweep --store 0123456789ab")),
    ('"ecsmachine sweep" tries again.', a_removal_that_is_refused),
    ('Fetch it with "ecsmachine cluster certs dev1".', a_cluster_without_its_certificates),
    ('"ecsmachine cluster ls" lists them.', only("cluster inspect shop")),
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig_in(tmp_path_factory.mktemp("advice")) as rig:
        yield rig


@pytest.fixture
def ground(
    rig: Rig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ground]:
    monkeypatch.setattr(sys, "stdin", Typed("y\n" * 20))
    environment = {
        **rig.program_environment(),
        "HOME": str(tmp_path),
        "ECS_API_ENDPOINT": rig.cloud.endpoint,
        "MACHINE_STORAGE_PATH": str(tmp_path / "store"),
    }
    yield Ground(rig, Store(tmp_path / "store", environment), environment, capsys)
    if names := Store(tmp_path / "store", {}).names():
        run(["rm", "-f", *names], environment)
    if rig.cloud.state.clusters:
        run(["cluster", "rm", "-y", "--wait", "dev1"], environment)


@pytest.mark.parametrize(
    ("said", "arrange"), CASES, ids=[f"{number}-{said}" for number, (said, _) in enumerate(CASES)]
)
def test_advice_that_is_followed_helps(
    said: str, arrange: Callable[[Ground], str], ground: Ground
) -> None:
    failing = arrange(ground)
    code, error = ground.call(failing)
    assert code != 0, failing
    assert said in error
    (command,) = commands_in(said)
    ground.done(command)
    if not _SHOWS.search(said):
        assert ground.call(failing)[1] != error


NOT_HERE = {
    "aliyun/container_service/application_client.py": "of a cluster that has no master",
    "aliyun/credentials.py": "which credentials to take is for the reader to say",
    "cli/commands/bake.py": "an example",
    "cli/commands/container_service/waiting.py": "no project fails on nodes without guests",
    "cli/commands/create.py": "an example",
    "cli/commands/local": "of a cloud of its own (tests/guest/test_local_cloud.py)",
    "drivers/aliyunecs/life/account.py": "which credentials to take is for the reader to say",
    "drivers/aliyunecs/life/adopt.py": "of an instance that goes during its adoption",
    "drivers/generic.py": "of a host (tests/guest/test_generic.py)",
    "localcloud/": "of a cloud of its own (tests/guest/test_local_cloud.py)",
    "machine/adopt.py": "of a host that is logged in to (tests/guest/test_fleet.py)",
    "machine/bake.py": "of an instance that goes while it is baked",
    "machine/certificates.py": "of an imported machine (tests/guest/test_fleet.py)",
    "machine/create.py": "of a swarm (tests/guest/test_swarm_mode.py)",
    "machine/create_request.py": "of an engine, or with options that nobody knows any more",
    "machine/docker_context.py": "of an engine (tests/guest/test_provisioning.py)",
    "cli/commands/ssh_config.py": "of a docker context (tests/unit/cli/test_ssh_config.py)",
    "machine/doctor/": "followed in tests/guest/test_doctor.py",
    "machine/engine_api.py": "of an engine (tests/guest/test_provisioning.py)",
    "machine/engine_look.py": "of an engine (tests/guest/test_provisioning.py)",
    "machine/plan/refusing.py": "followed in tests/api/test_plan.py",
    "machine/plan/setup.py": "of a command on a host (tests/guest/test_machines_file.py)",
    "machine/probe.py": "of an engine (tests/guest/test_provisioning.py)",
    "machine/removal.py": "of a machine that another process removes meanwhile",
    "machine/store.py": "of a host that is logged in to (tests/guest/test_fleet.py)",
    "machine/swarm/": "of a swarm (tests/guest/test_swarm_mode.py)",
    "machine/sweep.py": "of a cloud that shows what it has removed",
    "machine/transfer.py": "of a file that another store writes",
    "machine/waiting.py": "of a machine that others start",
    "provision/": "of a host (tests/guest/test_provisioning.py)",
    "ssh/host_keys.py": "followed in tests/unit/cli/test_trust.py",
    "ssh/openssh.py": "of a value that is refused where a configuration is read",
    "ssh/route.py": "of a cloud with guests",
}
"""Files whose errors cannot be brought about here, or not mended, and why."""


def test_all_advice_is_followed_or_said_why_not() -> None:
    left = [
        str(text)
        for text in advice()
        if text.in_error
        and not any(text.covers(said) for said, _ in CASES)
        and not any(text.place.startswith(place) for place in NOT_HERE)
    ]
    assert left == []
