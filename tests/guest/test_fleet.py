"""Machines between stores, and what is left of lost ones, with real Docker hosts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

PASSWORD = "Guest-Secret-7"
PASSPHRASE = "correct horse"

Elsewhere = Callable[[str], Machines]


@pytest.fixture(scope="module")
def elsewhere(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """The program on the same cloud, with another store: on another computer, as it were."""
    folder = tmp_path_factory.mktemp("elsewhere")

    def machines_of(name: str) -> Machines:
        return Machines({**machines.environment, "MACHINE_STORAGE_PATH": str(folder / name)})

    return machines_of


@pytest.fixture(scope="module")
def dev1(machines: Machines) -> str:
    """A machine that was made with a password, with a data disk and a label."""
    machines.run(
        *("create", "--aliyunecs-disk-size", "20", "--engine-label", "purpose=$HOME `id`"),
        *("--aliyunecs-tag", "team=a", "dev1"),
        environment={"ECS_SSH_PASSWORD": PASSWORD},
    )
    return "dev1"


def folder_of(machines: Machines, name: str) -> Path:
    return Path(machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / name


def row_of(machines: Machines, name: str) -> dict[str, str]:
    rows = {row["Name"]: row for row in json.loads(machines.run("ls", "--json").stdout)}
    row: dict[str, str] = rows[name]
    return row


def instance_of(machines: Machines, name: str) -> str:
    return machines.run("inspect", "-f", "{{.Driver.InstanceId}}", name).stdout.strip()


def test_a_machine_travels_between_two_stores(
    machines: Machines, elsewhere: Elsewhere, dev1: str, tmp_path: Path
) -> None:
    passphrase = {"ECSMACHINE_PASSPHRASE": PASSPHRASE}
    file = tmp_path / "dev1.ecsmachine"
    machines.run("export", dev1, str(file), environment=passphrase)
    assert file.stat().st_mode & 0o777 == 0o600
    again = machines.run("export", dev1, str(file), environment=passphrase, check=False)
    assert "exists already" in again.stderr
    theirs = elsewhere("theirs")
    wrong = theirs.run(
        "import", str(file), environment={"ECSMACHINE_PASSPHRASE": "another one"}, check=False
    )
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
    assert "passphrase is wrong" in wrong.stderr
    secret = tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n")
    theirs.run("import", str(file), "--name", "got", "--passphrase-file", str(secret))
    assert row_of(theirs, "got")["State"] == "Running"
    assert row_of(theirs, "got")["Error"] == ""
    assert theirs.run("ssh", "got", "hostname").stdout == "dev1\n"
    assert f'DOCKER_CERT_PATH="{folder_of(theirs, "got")}"' in theirs.run("env", "got").stdout
    assert row_of(machines, dev1)["Error"] == ""


def test_a_pipe_carries_a_machine(machines: Machines, elsewhere: Elsewhere, dev1: str) -> None:
    there = elsewhere("piped")
    program = machines.program
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'set -o pipefail; {program} export {dev1} - | {program} -s "$THERE" import -',
        ],
        env={
            **machines.environment,
            "ECSMACHINE_PASSPHRASE": PASSPHRASE,
            "THERE": there.environment["MACHINE_STORAGE_PATH"],
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert there.run("ls", "-q").stdout == f"{dev1}\n"


def test_an_imported_machine_becomes_one_of_the_store(
    machines: Machines, elsewhere: Elsewhere, dev1: str
) -> None:
    theirs = elsewhere("theirs")
    theirs.run("adopt", "got")
    assert row_of(theirs, "got")["Error"] == ""
    assert "certificate" in row_of(machines, dev1)["Error"]


def test_a_machine_is_adopted_with_its_key(
    machines: Machines, elsewhere: Elsewhere, dev1: str
) -> None:
    new = elsewhere("by-key")
    listed = json.loads(new.run("adopt", "--json").stdout)
    assert [(row["Name"], row["Id"]) for row in listed] == [("got", instance_of(machines, dev1))]
    key = folder_of(machines, dev1) / "id_rsa"
    new.run("adopt", dev1, "--instance-id", listed[0]["Id"], "--ssh-key", str(key))
    assert (row_of(new, dev1)["State"], row_of(new, dev1)["Error"]) == ("Running", "")
    old, adopted = (json.loads(each.run("inspect", dev1).stdout) for each in (machines, new))
    for name in ("InstanceId", "SecurityGroupId", "VpcId", "DiskSize", "Tags", "InstanceType"):
        assert adopted["Driver"][name] == old["Driver"][name], name
    options = adopted["HostOptions"]["EngineOptions"]
    assert options["Labels"] == ["purpose=$HOME `id`"]
    assert options["Env"] == []
    mounted = new.run("ssh", dev1, "findmnt -n -o FSTYPE /var/lib/docker").stdout
    assert mounted.split()[-1] == "ext4"
    pinned = (folder_of(new, dev1) / "known_hosts").read_text()
    assert pinned == (folder_of(machines, dev1) / "known_hosts").read_text()
    assert "already" in new.run("adopt", dev1, check=False).stderr


def test_a_machine_is_adopted_with_its_password(
    machines: Machines, elsewhere: Elsewhere, dev1: str
) -> None:
    new = elsewhere("by-password")
    by_id = ("--instance-id", instance_of(machines, dev1))
    wrong = new.run(
        "adopt", "mine", *by_id, environment={"ECS_SSH_PASSWORD": "Not-The-One-1"}, check=False
    )
    assert "does not accept the login" in wrong.stderr
    assert new.run("ls", "-q").stdout == ""
    done = new.run("--debug", "adopt", "mine", *by_id, environment={"ECS_SSH_PASSWORD": PASSWORD})
    assert PASSWORD not in done.stdout + done.stderr
    assert (row_of(new, "mine")["State"], row_of(new, "mine")["Error"]) == ("Running", "")
    assert new.run("ssh", "mine", "whoami").stdout == "root\n"
    store = Path(new.environment["MACHINE_STORAGE_PATH"])
    for file in store.rglob("*"):
        assert not file.is_file() or PASSWORD not in file.read_text(errors="replace")


def test_a_store_that_is_gone_is_swept_by_its_id(
    machines: Machines, elsewhere: Elsewhere, dev1: str
) -> None:
    lost = elsewhere("by-password")
    instance = instance_of(lost, "mine")
    store_id = (Path(lost.environment["MACHINE_STORAGE_PATH"]) / ".store-id").read_text().strip()
    shutil.rmtree(lost.environment["MACHINE_STORAGE_PATH"])
    swept = machines.run("sweep", "-y")  # the machine is in this store as well
    assert "Nothing is left." in swept.stdout
    other = elsewhere("swept")
    told = other.run("sweep", "--dry-run").stdout
    assert instance in told and f"({store_id})" in told
    other.run("sweep", "-y")
    assert machines.left_in_the_cloud(("instance",)) == [f"instance {instance}"]
    other.run("sweep", "-y", "--store", store_id)
    assert machines.left_in_the_cloud() == []
    machines.run("rm", "-y", dev1)


def test_what_rm_f_left_behind_is_swept(machines: Machines) -> None:
    machines.run("create", "lost")
    blind = {"ECS_ACCESS_KEY_ID": "", "ECS_ACCESS_KEY_SECRET": "", "HOME": "/nonexistent"}
    machines.run("rm", "-f", "lost", environment=blind)
    assert machines.run("ls", "-q").stdout == ""
    rows = json.loads(machines.run("ls", "--orphans", "--json").stdout)
    assert {row["Kind"] for row in rows} == {"instance", "key-pair", "security-group"}
    assert {row["Standing"] for row in rows} == {"orphan"}
    assert len(machines.left_in_the_cloud(("instance",))) == 1
    swept = json.loads(machines.run("sweep", "-y", "--json").stdout)
    assert len(swept["Removed"]) == 3 and swept["Failed"] == []
    assert machines.left_in_the_cloud() == []
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    assert list((store / ".abandoned").iterdir()) == []


def test_a_store_whose_machines_were_deleted_by_hand_is_swept(machines: Machines) -> None:
    machines.run("create", "gone")
    shutil.rmtree(folder_of(machines, "gone"))
    refused = subprocess.run(
        [machines.program, "sweep"],
        input="n\n",
        env=machines.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "Remove these 3 for good?" in refused.stderr and "-y" in refused.stderr
    assert len(machines.left_in_the_cloud(("instance",))) == 1
    machines.run("sweep", "-y")
    assert machines.left_in_the_cloud() == []
