"""What is done with a machine that exists, on one real machine: copies, certificates, contexts."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.machines import Machines
from tests.guest.test_provisioning import NEWER_ENGINE
from tests.ports import free_port

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def dev1(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    machines.environment["DOCKER_CONFIG"] = str(tmp_path_factory.mktemp("docker-config"))
    machines.run("create", "--engine-label", "purpose=test", "dev1")
    yield "dev1"
    machines.run("rm", "-y", "dev1")


def labels(machines: Machines, docker: str) -> list[str]:
    """Ask the engine for its labels, through the context of the docker client."""
    said = machines.shell(f"{docker} --context dev1 info --format '{{{{json .Labels}}}}'")
    return sorted(json.loads(said))


def started(machines: Machines, dev1: str) -> str:
    """Return what changes when the engine is started anew."""
    return machines.run("ssh", dev1, "systemctl show -p MainPID docker.service").stdout


def test_provision_changes_nothing_the_second_time(machines: Machines, dev1: str) -> None:
    before = started(machines, dev1)
    for _ in range(2):
        done = machines.run("provision", dev1)
        assert "Docker is up and running!" in done.stdout.splitlines()
    assert started(machines, dev1) == before


def test_provision_mends_what_was_broken(machines: Machines, dev1: str) -> None:
    machines.run("ssh", dev1, "rm /etc/docker/server.pem && systemctl stop docker")
    assert machines.run("config", dev1, check=False).returncode == 1
    machines.run("provision", dev1)
    machines.run("config", dev1)


@pytest.mark.parametrize("native", [False, True])
def test_scp(native: bool, machines: Machines, dev1: str, tmp_path: Path) -> None:
    first = ("--native-ssh",) if native else ()
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "data").write_bytes(os.urandom(1 << 20))
    machines.run(*first, "scp", "-q", "-r", str(tree), f"{dev1}:/srv/there{native}")
    machines.run(*first, "scp", "-q", "-r", f"{dev1}:/srv/there{native}", str(tmp_path / "back"))
    data = (tmp_path / "back" / "sub" / "data").read_bytes()
    assert data == (tree / "sub" / "data").read_bytes()
    machines.run(*first, "scp", "-q", f"{dev1}:/srv/there{native}/sub/data", f"{dev1}:/srv/again")
    assert machines.run("ssh", dev1, "stat -c %s /srv/again").stdout == f"{1 << 20}\n"


SCRIPT = """
set -euo pipefail
eval $(docker-machine env dev1)
[ "$(docker-machine active)" = dev1 ]
DOCKER version > /dev/null
eval $(docker-machine env -u)
[ -z "${DOCKER_HOST:-}" ]
DOCKER $(docker-machine config dev1) ps -q
docker-machine ls --filter state=Running --format '{{.Name}}' | grep -cx dev1
[ "$(docker-machine ls -q --filter label=purpose=test)" = dev1 ]
ip=$(docker-machine inspect --format='{{.Driver.IPAddress}}' dev1)
[ "$ip" = "$(docker-machine ip dev1)" ]
[ "$(docker-machine url dev1)" = "tcp://$ip:2376" ]
[ "$(docker-machine status dev1)" = Running ]
[ "$(docker-machine inspect dev1 -f '{{.HostOptions.EngineOptions.Labels}}')" = "[purpose=test]" ]
[ "$(docker-machine ssh dev1 -- echo a b)" = "a b" ]
[ "$(echo in | docker-machine ssh dev1 cat)" = in ]
[ "$(docker-machine ssh dev1 -T -o LogLevel=QUIET hostname)" = dev1 ]
code=0; docker-machine ssh dev1 "sh -c 'exit 7'" || code=$?; [ $code = 7 ]
docker-machine ssh dev1 -f -L 127.0.0.1:PORT:localhost:22 sleep 3 > /dev/null 2>&1
[ "$(head -c 4 < /dev/tcp/127.0.0.1/PORT)" = SSH- ]
key=$(docker-machine inspect -f '{{.Driver.SSHKeyPath}}' dev1)
user=$(docker-machine inspect -f '{{.Driver.SSHUser}}' dev1)
[ "$(ssh -n -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$user@$ip" hostname)" = dev1 ]
docker-machine rm -f nonesuch
echo done
"""

# what Docker Machine's core tests look at, in their order; grep -q would break the pipe off
STOPPED = r"""
set -uo pipefail
refused() { said=$("$@" 2>&1) && return 1; [ $? = 1 ]; }
refused docker-machine create -d aliyunecs dev1 || exit 10
[ "$said" = 'Docker machine "dev1" already exists' ] || exit 11
docker-machine stop dev1 || exit 12
docker-machine ls | grep -c Stopped || exit 13
for command in url env version; do
    refused docker-machine $command dev1 || exit 14
    case $said in *"Host is not running"*) ;; *) echo "$said"; exit 15 ;; esac
done
docker-machine start dev1 || exit 16
docker-machine kill dev1 || exit 17
docker-machine ls | grep -c Stopped || exit 18
docker-machine restart dev1 || exit 19
docker-machine ls --timeout 20 | grep -c Running || exit 20
[ "$(docker-machine status dev1)" = Running ] || exit 21
[ "$(docker-machine ssh dev1 -C echo foo)" = foo ] || exit 22
[ "$(docker-machine inspect -f '{{prettyjson .Driver}}' dev1 | wc -l)" -gt 1 ] || exit 23
echo done
"""


def test_scripts_that_call_docker_machine(
    machines: Machines, dev1: str, docker: str, tmp_path: Path
) -> None:
    (tmp_path / "docker-machine").symlink_to(machines.program)
    script = SCRIPT.replace("DOCKER ", f"{docker} ").replace("PORT", str(free_port()))
    assert machines.shell(f"PATH={tmp_path}:$PATH\n{script}").splitlines()[-1] == "done"
    assert machines.shell(f"PATH={tmp_path}:$PATH\n{STOPPED}").splitlines()[-1] == "done"


def test_mount(machines: Machines, dev1: str, tmp_path: Path) -> None:
    if not shutil.which("sshfs") or not Path("/dev/fuse").exists():
        pytest.skip("no sshfs program, or no /dev/fuse")
    machines.run("ssh", dev1, "mkdir -p /srv/shared && echo there > /srv/shared/file")
    here = tmp_path / "here"
    here.mkdir()
    done = machines.run("mount", f"{dev1}:/srv/shared", str(here), check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"FUSE is not allowed here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    try:
        assert (here / "file").read_text() == "there\n"
        (here / "from here").write_text("here\n")
    finally:
        machines.run("mount", "-u", f"{dev1}:/srv/shared", str(here))
    assert machines.run("ssh", dev1, "cat '/srv/shared/from here'").stdout == "here\n"
    assert list(here.iterdir()) == []


def test_context_over_tls_and_ssh(
    machines: Machines, dev1: str, docker: str, tmp_path: Path
) -> None:
    version = f"{docker} --context dev1 version --format '{{{{.Server.Version}}}}'"
    assert machines.run("context", "--use", dev1).stdout == "dev1\n"
    over_tls = machines.shell(version)
    assert machines.shell(f"{docker} context inspect -f '{{{{.Name}}}}'") == "dev1\n"
    machines.run("context", "--ssh", dev1)
    # ssh reads the configuration of the user's account, which is not the test's to change
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    wrapper = tmp_path / "ssh"
    wrapper.write_text(
        f'#!/bin/sh\nexec {shutil.which("ssh")} -F {store}/machines/dev1/ssh_config "$@"\n'
    )
    wrapper.chmod(0o755)
    assert machines.shell(f"PATH={tmp_path}:$PATH {version}") == over_tls
    machines.run("context", dev1)
    assert machines.shell(version) == over_tls


def test_config_set_and_unset(machines: Machines, dev1: str, docker: str) -> None:
    machines.run("context", dev1)
    machines.run(
        "config", "set", dev1, "--engine-label", "purpose=two words", "--engine-label", "n=1"
    )
    assert labels(machines, docker) == ["n=1", "provider=aliyunecs", "purpose=two words"]
    before = started(machines, dev1)
    same = machines.run("config", "set", dev1, "--engine-label", "n=1")
    assert "already has these options" in same.stdout
    assert started(machines, dev1) == before
    refused = machines.run("config", "set", dev1, "--engine-opt", "nonesuch=1", check=False)
    assert refused.returncode == 1
    assert "nonesuch" in refused.stderr
    assert "its old configuration was restored" in refused.stderr.splitlines()[-1]
    assert labels(machines, docker) == ["n=1", "provider=aliyunecs", "purpose=two words"]
    machines.run("config", "unset", dev1, "--engine-label", "n")
    assert labels(machines, docker) == ["provider=aliyunecs", "purpose=two words"]
    shown = machines.run("config", "show", dev1).stdout.splitlines()
    assert "--engine-label purpose=two words" in shown
    assert not any("nonesuch" in line for line in shown)


def test_regenerate_certs(machines: Machines, dev1: str, docker: str) -> None:
    machines.run("context", dev1)
    folder = Path(machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / dev1
    before = (folder / "server.pem").read_bytes()
    machines.run("regenerate-certs", "-f", dev1)
    assert (folder / "server.pem").read_bytes() != before
    on_host = machines.run("ssh", dev1, "cat /etc/docker/server.pem").stdout
    assert on_host == (folder / "server.pem").read_text()
    machines.run("config", dev1)


def test_a_new_ca_locks_the_old_client_out(
    machines: Machines, dev1: str, docker: str, tmp_path: Path
) -> None:
    machines.run("context", dev1)
    folder = Path(machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / dev1
    shutil.copytree(folder, tmp_path / "stolen")
    address = machines.run("ip", dev1).stdout.strip()

    def lets_in(place: Path) -> bool:
        # the engine's certificate is not looked at: what it thinks of ours is the question
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(place / "cert.pem", place / "key.pem")
        connection = http.client.HTTPSConnection(address, 2376, timeout=10, context=context)
        try:
            connection.request("GET", "/version")
            return connection.getresponse().status == 200
        except (ssl.SSLError, ConnectionError):
            return False
        finally:
            connection.close()

    assert lets_in(tmp_path / "stolen")
    machines.run("regenerate-certs", "-f", "--client-certs", dev1)
    assert not lets_in(tmp_path / "stolen")
    assert lets_in(folder)
    assert labels(machines, docker)  # the context was brought up to date as well


def test_packages_are_installed_from_the_mirror(machines: Machines, dev1: str) -> None:
    script = """
        set -e
        apt-get update 2>&1
        dpkg --purge xfsprogs
        DEBIAN_FRONTEND=noninteractive apt-get -qq install xfsprogs busybox-static
        mkfs.xfs -V
        apt-get -s -qq dist-upgrade
    """
    lines = machines.run("ssh", dev1, script).stdout.splitlines()
    assert not [line for line in lines if line.startswith(("W:", "E:", "Err:"))]
    # with which nothing is left to upgrade: what is installed is what the mirror has
    assert lines[-1].startswith("mkfs.xfs version"), lines


def test_an_engine_that_is_the_newest_is_left_alone(machines: Machines, dev1: str) -> None:
    before = started(machines, dev1)
    version = machines.run("version", dev1).stdout.strip()
    done = machines.run("upgrade", dev1)
    assert "Upgrading docker..." in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == (
        f'The engine of "{dev1}" is the newest that its host offers: {version}'
    )
    assert done.stderr == ""
    assert started(machines, dev1) == before


def test_upgrade(machines: Machines, dev1: str) -> None:
    old, new = machines.run("ssh", dev1, NEWER_ENGINE).stdout.splitlines()[-1].split()
    assert machines.run("version", dev1).stdout == f"{old}\n"
    machines.run("stop", dev1)
    lines = machines.run("upgrade", dev1).stdout.splitlines()
    assert "Upgrading docker..." in lines
    assert lines[-1] == f'The engine of "dev1" is now {new} (it was {old})'
    assert machines.run("version", dev1).stdout == f"{new}\n"
    again = machines.run("upgrade", dev1).stdout.splitlines()
    assert again[-1] == f'The engine of "dev1" is the newest that its host offers: {new}'


def test_the_context_goes_with_the_machine(machines: Machines, dev1: str, docker: str) -> None:
    machines.run("create", "-d", "none", "--url", "tcp://127.0.0.1:1", "fixed")
    machines.run("context", "fixed")
    assert "fixed" in machines.shell(f"{docker} context ls -q").split()
    machines.run("rm", "-y", "fixed")
    assert "fixed" not in machines.shell(f"{docker} context ls -q").split()
