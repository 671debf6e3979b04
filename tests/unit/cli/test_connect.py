from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.machine import certificates
from ecsmachine.machine.model import Machine, SwarmOptions
from ecsmachine.machine.store import Store
from ecsmachine.ssh.private_files import write_private
from tests.ports import free_port, refusing_port
from tests.unit.cli.conftest import Program
from tests.unit.ssh.conftest import LoopbackServer
from tests.unit.stand_ins import ToldDriver, add_machine, engine, refusing_url

VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME")


def test_env_for_bash(program: Program, running: Machine) -> None:
    result = program("env", "dev1", SHELL="/bin/bash")
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        'export DOCKER_TLS_VERIFY="1"',
        f'export DOCKER_HOST="{running.driver.url()}"',
        f'export DOCKER_CERT_PATH="{running.directory}"',
        'export DOCKER_MACHINE_NAME="dev1"',
        "# Run this command to configure your shell: ",
        "# eval $(ecsmachine env dev1)",
    ]


def test_env_on_windows_has_compose_convert_paths(
    program: Program, running: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine on Linux takes the colon of C: for the end of a volume's source."""
    monkeypatch.setattr("ecsmachine.system.description.system_name", lambda: "Windows")
    by_powershell = program("env", "--shell", "powershell", "dev1").lines
    assert by_powershell[4] == '$Env:COMPOSE_CONVERT_WINDOWS_PATHS = "true"'
    assert json.loads(program("env", "--json", "dev1").out)["COMPOSE_CONVERT_WINDOWS_PATHS"]
    assert "COMPOSE" not in program("env", "-u", "--shell", "powershell").out


def test_env_for_another_shell(program: Program, running: Machine) -> None:
    by_variable = program("env", "dev1", SHELL="/usr/bin/fish").lines
    by_flag = program("env", "--shell", "fish", "dev1", SHELL="/bin/bash").lines
    assert by_variable[0] == by_flag[0] == 'set -gx DOCKER_TLS_VERIFY "1";'
    assert by_flag[-1] == "# eval (ecsmachine env --shell fish dev1)"


def test_env_is_what_the_docker_client_needs(program: Program, running: Machine) -> None:
    printed = program("env", "dev1", SHELL="/bin/sh").out
    said = subprocess.run(
        ["sh", "-c", f'eval "$PRINTED"; printenv {" ".join(VARIABLES)}'],
        env={"PATH": os.environ["PATH"], "PRINTED": printed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said == ["1", running.driver.url(), str(running.directory), "dev1"]
    for name in ("ca.pem", "cert.pem", "key.pem"):
        assert (Path(said[2]) / name).is_file()


def test_env_unset(program: Program, store: Store) -> None:
    result = program("env", "-u", SHELL="/bin/sh")
    assert result.lines == [
        *(f"unset {name}" for name in VARIABLES),
        "# Run this command to configure your shell: ",
        "# eval $(ecsmachine env -u)",
    ]
    assert program("env", "-u", "--no-proxy", SHELL="/bin/sh").lines[4] == "unset NO_PROXY"
    assert program("env", "-u", "dev1", SHELL="/bin/sh").code == 2


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({}, 'export NO_PROXY="127.0.0.1"'),
        ({"NO_PROXY": "localhost"}, 'export NO_PROXY="localhost,127.0.0.1"'),
        (
            {"no_proxy": "b, 127.0.0.11"},
            'export no_proxy="b,127.0.0.11,127.0.0.1"',
        ),
        ({"NO_PROXY": "127.0.0.1,c"}, 'export NO_PROXY="127.0.0.1,c"'),
    ],
)
def test_env_no_proxy(
    environment: dict[str, str], line: str, program: Program, running: Machine
) -> None:
    result = program("env", "--no-proxy", "dev1", SHELL="/bin/sh", **environment)
    assert result.lines[4] == line
    assert result.lines[5].startswith("#")


def test_env_no_proxy_with_both_variables(program: Program, running: Machine) -> None:
    """Docker's client reads one, Python and curl the other: the machine has to be in both."""
    both = {"NO_PROXY": "a", "no_proxy": "b", "SHELL": "/bin/sh"}
    result = program("env", "--no-proxy", "dev1", **both)
    assert result.lines[4:6] == ['export no_proxy="b,127.0.0.1"', 'export NO_PROXY="a,127.0.0.1"']
    unset = program("env", "-u", "--no-proxy", **both)
    assert unset.lines[4:6] == ["unset no_proxy", "unset NO_PROXY"]


def test_env_without_a_shell_or_with_two_names(program: Program, running: Machine) -> None:
    unknown = program("env", "dev1")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("Error: Unknown shell")
    two = program("env", "dev1", "dev2", SHELL="/bin/sh")
    assert (two.code, two.out) == (2, "")
    assert "Expected one machine name" in two.err


def test_config(program: Program, running: Machine) -> None:
    folder = running.directory
    assert program("config", "dev1").lines == [
        "--tlsverify",
        f'--tlscacert="{folder}/ca.pem"',
        f'--tlscert="{folder}/cert.pem"',
        f'--tlskey="{folder}/key.pem"',
        f"-H={running.driver.url()}",
    ]


def test_a_machine_of_docker_machines_driver_none_has_the_stores_certificates(
    program: Program, running: Machine
) -> None:
    for path in running.directory.glob("*.pem"):
        path.unlink()
    certs = running.auth.cert_dir
    assert f'export DOCKER_CERT_PATH="{certs}"' in program("env", "--shell", "sh", "dev1").lines
    assert f'--tlskey="{certs}/key.pem"' in program("config", "dev1").lines
    assert "cannot be read" not in program("ls").out
    running.auth.machine_ca_path.write_text("")  # of a machine's own, one that was lost is missed
    assert "cannot be read" in program("config", "dev1").err


def test_env_and_config_as_json(program: Program, running: Machine) -> None:
    folder, url = running.auth.machine_dir, running.driver.url()
    assert json.loads(program("env", "--json", "dev1").out) == {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": url,
        "DOCKER_CERT_PATH": str(folder),
        "DOCKER_MACHINE_NAME": "dev1",
    }
    assert set(json.loads(program("env", "-u", "--json").out).values()) == {None}
    assert program("env", "--json", "--shell", "fish", "dev1").code == 2
    assert json.loads(program("config", "--json", "dev1").out) == {
        "Host": url,
        "TLSVerify": True,
        "TLSCACert": str(running.auth.machine_ca_path),
        "TLSCert": str(running.auth.machine_cert_path),
        "TLSKey": str(running.auth.machine_key_path),
    }


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        ("env", "Error: Error checking TLS connection: "),
        ("config", "Error: Error running connection boilerplate: "),
    ],
)
def test_the_connection_is_checked_first(
    command: str, prefix: str, program: Program, store: Store
) -> None:
    add_machine(store, "stopped", URL=refusing_url(), State="Stopped")
    add_machine(store, "nowhere", State="Running")
    add_machine(store, "refusing", URL=refusing_url())
    add_machine(store, "denied", URL=refusing_url(), Refusal="the token has expired")
    said = {}
    for name in ("stopped", "nowhere", "refusing", "denied"):
        result = program(command, name, SHELL="/bin/sh")
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(prefix)
        assert len(result.err.splitlines()) == 1
        said[name] = result.err.removeprefix(prefix)
    assert said["stopped"].startswith("Host is not running")
    assert said["nowhere"].startswith("Host is not running")
    assert "It runs, but has no address" in said["nowhere"]
    assert "ecsmachine rm" not in said["nowhere"]
    assert "does not answer at host" in said["refusing"]
    assert said["refusing"].endswith('. "ecsmachine doctor refusing" finds out why.\n')
    assert "does not answer at host" in said["denied"]
    assert "the token has expired" in said["denied"]


def test_what_is_left_of_a_machine_that_is_gone_can_be_removed(
    program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_machine(store, "dev1", URL=refusing_url(), State="Not Found")
    monkeypatch.setattr(ToldDriver, "state_reason", lambda _: "it was released", raising=False)
    for command in ("env", "config"):
        assert program(command, "dev1", SHELL="/bin/sh").err.endswith(
            ': it was released. "ecsmachine rm dev1" removes what is left of it.\n'
        )


def test_a_certificate_of_another_ca_is_refused(program: Program, store: Store) -> None:
    machine = add_machine(store, "dev1")
    with engine(machine.auth) as url:
        machine.driver.config()["URL"] = url
        store.save(machine)
        shutil.rmtree(store.path / "certs")
        certificates.ensure_client_certificates(machine.auth, lambda line: None)
        certificates.copy_client_certificates(machine.auth)
        result = program("env", "dev1", SHELL="/bin/sh")
    assert (result.code, result.out) == (1, "")
    assert "There was an error validating certificates for host" in result.err


def test_classic_swarm(program: Program, store: Store, running: Machine) -> None:
    result = program("env", "--swarm", "dev1", SHELL="/bin/sh")
    assert (result.code, result.out) == (1, "")
    assert '"dev1" is not a swarm master' in result.err
    url = running.driver.url()
    running.swarm = SwarmOptions(master=True, host=url.replace("127.0.0.1", "0.0.0.0"))
    store.save(running)
    assert program("config", "--swarm", "dev1").lines[-1] == f"-H={url}"
    swarm = f"tcp://127.0.0.1:{refusing_port()}"
    running.swarm = SwarmOptions(master=True, host=swarm)
    store.save(running)
    for command in ("config", "env"):
        result = program(command, "--swarm", "dev1", SHELL="/bin/sh")
        assert (result.code, result.out) == (1, "")
        assert "cannot be checked but the certs are valid. Maybe swarm is not started" in result.err
    assert program("ls", "-f", "{{.Active}}", DOCKER_HOST=swarm).out == "* (swarm)\n"
    assert program("active", DOCKER_HOST=swarm).out == "dev1\n"


@pytest.fixture(
    params=[
        "native",
        pytest.param(
            "program", marks=pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
        ),
    ]
)
def client(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Which SSH client is used, as the variables that choose it."""
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield {"MACHINE_NATIVE_SSH": "1"} if request.param == "native" else {}


def add_host(store: Store, server: LoopbackServer, name: str = "dev1", **told: object) -> Machine:
    url = told.pop("URL", "tcp://127.0.0.1:2376")
    port = told.pop("SSHPort", server.port)
    machine = add_machine(store, name, URL=url, SSHPort=port, SSHUser="root", **told)  # type: ignore[arg-type]
    write_private(machine.directory / "id_rsa", (server.folder / "id_rsa").read_bytes())
    return machine


def test_ssh_leaves_with_the_code_of_the_command(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server)
    ends = {"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill -9 $$": 255}
    for end, code in ends.items():
        result = program("ssh", "dev1", f"echo out; echo err >&2; {end}", **client)
        assert (result.code, result.out, result.err) == (code, "out\n", "err\n")


def test_ssh_as_another_user(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    """As scp and mount take it."""
    add_host(store, server)
    assert program("ssh", "dev1", "true", **client).code == 0
    assert set(server.users) == {"root"}
    result = program("ssh", "deploy@dev1", "echo", "in", **client)
    assert (result.code, result.out, server.users[-1]) == (0, "in\n", "deploy")
    for name in ("@dev1", "-oProxyCommand=x@dev1"):
        assert program("ssh", "--", name, "true", **client).code == 2
    assert 'machine "nope" does not exist' in program("ssh", "deploy@nope", **client).err


def test_what_debug_shows_ends_with_its_command(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server)
    assert "ecsmachine." in program("--debug", "--native-ssh", "ssh", "dev1", "true", **client).err
    assert program("--native-ssh", "ssh", "dev1", "true", **client).err == ""


def test_what_follows_the_name_belongs_to_the_command(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server)
    for words, out in (
        (["echo", "-n", "-x"], "-x"),
        (["--", "echo", "--help", "-h", "--version"], "--help -h --version\n"),
        (["echo", "a   b", "$((1 + 1))", "'c   d'"], "a b 2 c   d\n"),
    ):
        result = program("ssh", "dev1", *words, **client)
        assert (result.code, result.out) == (0, out)


def test_ssh_does_not_ask_the_cloud(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server, Refusal="the token has expired")
    result = program("ssh", "dev1", "echo in", **client)
    assert (result.code, result.out, result.err) == (0, "in\n", "")


def test_ssh_to_a_machine_that_does_not_run(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    port = refusing_port()
    add_host(store, server, "stopped", SSHPort=port, State="Stopped")
    add_host(store, server, "bare", URL="", State="Stopped")
    for name in ("stopped", "bare"):
        result = program("ssh", name, "true", **client)
        assert (result.code, result.out) == (1, "")
        last = result.err.splitlines()[-1]
        assert last.startswith(f'Error: Cannot run SSH command: Host "{name}" is not running')


def test_ssh_to_a_machine_that_runs_but_does_not_answer(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    port = refusing_port()
    add_host(store, server, SSHPort=port)
    result = program("ssh", "dev1", "true", **client)
    assert result.code == (1 if client else 255)
    assert "refused" in result.err.lower()


def test_ssh_follows_a_machine_that_has_moved(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    add_host(store, server, URL="", Moved="tcp://127.0.0.1:2376")
    result = program("ssh", "dev1", "echo in", **client)
    assert (result.code, result.out) == (0, "in\n")


def test_ssh_pins_the_host_key(
    client: dict[str, str], program: Program, store: Store, server: LoopbackServer
) -> None:
    import paramiko

    machine = add_host(store, server)
    assert program("ssh", "dev1", "true", **client).code == 0
    assert machine.known_hosts_path.is_file()
    server.host_key = paramiko.ECDSAKey.generate()
    changed = program("ssh", "dev1", "echo in", **client)
    assert changed.code in (1, 255)
    assert changed.out == ""
    assert "host key" in changed.err.lower()


@pytest.mark.parametrize(
    "command",
    [
        *("ssh|", "ssh||true", "ssh|root@|true", "scp|:there|here", "mount|:there|here", "trust|"),
        *("config|", "env|", "inspect|", "ip|", "status|", "stop|", "url|", "version|"),
    ],
)
def test_an_empty_word_is_no_name(program: Program, store: Store, command: str) -> None:
    """A script whose variable is not set must not come to the machine that is called default."""
    add_machine(store, "default")
    result = program(*command.split("|"), SHELL="/bin/sh")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith('Error: Docker machine "" does not exist.')


def test_ssh_help_is_ours_before_the_name(program: Program) -> None:
    result = program("ssh", "--help")
    assert result.code == 0
    assert "exit with the command's exit code" in " ".join(result.out.split())


def test_ssh_help_after_the_name_is_ours_too(program: Program, running: Machine) -> None:
    assert program("ssh", "dev1", "--help").out == program("ssh", "--help").out


def test_a_machine_that_is_only_a_url(program: Program, store: Store) -> None:
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    assert program("create", "-d", "none", "--url", url, "fixed").code == 0
    # whoever runs the engine gave it a certificate of this store's CA
    auth = store.load("fixed").auth
    certificates.make_server_certificate(auth, "fixed", ["127.0.0.1"])
    assert "refused" in program("config", "fixed").err
    with engine(auth, port=port):
        assert program("config", "fixed").lines[-1] == f"-H={url}"
        assert program("ls", "-f", "{{.DockerVersion}}").out == "v27.3.1\n"
    result = program("ssh", "fixed", "true")
    assert (result.code, result.out) == (1, "")
    assert "only an engine's URL" in result.err
