"""Machines of the driver ``none``: an engine's URL, with a host or without."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ecsmachine.machine import transfer
from ecsmachine.machine.store import Store

from .conftest import Program


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///var/run/docker.sock", ""),
        ("localhost:2376", ""),
        ("tcp://:2376", ""),
        ("tcp://192.0.2.7", "192.0.2.7"),
        ("tcp://[2001:db8::1]:2376", "2001:db8::1"),
        ("ssh://root@host.example", "host.example"),
    ],
)
def test_its_address_may_be_empty(url: str, address: str, program: Program) -> None:
    assert program("create", "-d", "none", "--url", url, "n").code == 0
    found = program("ip", "n")
    assert (found.code, found.out, found.err) == (0, f"{address}\n", "")
    assert program("url", "n").out == f"{url}\n"


def test_an_address_of_ipv6_has_brackets_before_a_port(program: Program) -> None:
    assert program("create", "-d", "none", "--url", "tcp://[::1]:1", "n").code == 0
    assert 'at host "[::1]:1"' in program("config", "n").err


@pytest.mark.parametrize("by_docker_machine", [False, True])
def test_it_travels_though_no_login_is_known(
    by_docker_machine: bool,
    store: Store,
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "_SCRYPT", {"n": 1 << 4, "r": 8, "p": 1})
    assert program("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", "n").code == 0
    if by_docker_machine:  # which copies no certificates there
        for path in store.directory("n").glob("*.pem"):
            path.unlink()
    file, passphrase = str(tmp_path / "n"), {"ECSMACHINE_PASSPHRASE": "correct horse"}
    exported = program("export", "n", file, **passphrase)
    assert (exported.code, exported.err) == (0, "")
    assert program("import", file, "--name", "theirs", **passphrase).code == 0
    assert program("url", "theirs").out == "tcp://192.0.2.7:2376\n"
    own, theirs = store.path / "certs" / "key.pem", store.directory("theirs") / "key.pem"
    assert theirs.read_bytes() == own.read_bytes()


def test_no_password_in_a_url_of_its_engine_is_shown(program: Program, store: Store) -> None:
    given = {
        "--engine-install-url": "https://me:swordfish@mirror.example/install.sh",
        "--engine-env": "HTTP_PROXY=http://me:swordfish@proxy.example:3128",
    }
    words = [word for option in given.items() for word in option]
    create = ["create", "-d", "none", "--url", "tcp://127.0.0.1:1"]
    variable = {"MACHINE_DOCKER_INSTALL_URL": given["--engine-install-url"]}
    for command, shows in (
        ([*create, *words, "n"], ""),
        ([*create, "--engine-install-url", "ftp://me:swordfish@mirror.example/", "o"], "ftp://me"),
        ([*create, "--engine-registry-mirror", "ftp://me:swordfish@mirror", "o"], "ftp://me"),
        (
            [*create, "--engine-registry-mirror", "https://me:swordfish@mirror", "o"],
            "without a user",
        ),
        (
            [
                "--debug",
                "create",
                "--json",
                *create[1:],
                "--engine-install-url",
                "x://a:swordfish@b",
                "o",
            ],
            "",
        ),
        (
            [*create, "--engine-source", "https://me:swordfish@mirror.example", "o"],
            "has a password",
        ),
        (["inspect", "n"], "https://me:***@mirror.example/install.sh"),
        (["inspect", "-f", "{{.HostOptions.EngineOptions.Env}}", "n"], "me:***@proxy"),
        (["ls", "-f", "{{.EngineOptions}}"], "https://me:***@mirror.example/install.sh"),
        (["config", "show", "n"], "HTTP_PROXY=http://me:***@proxy.example:3128"),
        (["config", "show", "--json", "n"], "https://me:***@mirror.example"),
        (["settings", "create"], "https://me:***@mirror.example/install.sh"),
        (["settings", "create", "--json"], "https://me:***@mirror.example/install.sh"),
    ):
        told = program(*command, **variable)
        assert shows in told.out + told.err, command
        assert "swordfish" not in told.out + told.err, command
        if command[-1] == "n" and command[0] == "create":
            config = store.config("n")  # Docker Machine takes a mirror that no engine takes
            engine = config["HostOptions"]["EngineOptions"]
            engine["RegistryMirror"] = ["https://me:swordfish@mirror.example"]
            (store.directory("n") / "config.json").write_text(json.dumps(config))
    # the machine itself has it, in a file that only its owner reads
    options = store.config("n")["HostOptions"]["EngineOptions"]
    assert options["InstallURL"] == given["--engine-install-url"]
    assert stat.S_IMODE((store.directory("n") / "config.json").stat().st_mode) == 0o600


def test_a_machine_that_nothing_is_recorded_of_goes_by_force_alone(
    program: Program, store: Store
) -> None:
    key = store.directory("lost") / "id_rsa"
    key.parent.mkdir(parents=True)
    key.write_text("the only one")
    assert program("ls", "-q").out == "lost\n"
    assert 'Machine "lost" has no config.json' in program("ls").out
    made = program("create", "-d", "none", "--url", "tcp://192.0.2.7:2376", "lost")
    assert (made.code, "already exists" in made.err) == (1, True)
    refused = program("rm", "-y", "lost")
    assert (refused.code, 'with "ecsmachine rm -f lost"' in refused.err) == (1, True)
    assert key.read_text() == "the only one"
    dropped = program("rm", "-f", "lost")
    assert (dropped.code, "in a cloud is unknown" in dropped.err) == (0, True)
    assert not key.parent.exists()
