"""The commands of Container Service, against a cloud without guests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.client import ClusterClient
from tests.api.localcloud.container_service.rig import (
    TEMPLATE,
)
from tests.unit.cli.test_json import documented


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("FETCH", "/clusters"), '"FETCH" is not an HTTP method'),
        (("GET", "clusters"), 'The path "clusters" does not begin with /'),
        (("GET", "/", "--header", "Accept: x"), '--header: "Accept: x" is not NAME=VALUE'),
        (("POST", "/clusters", "--body", "@/none"), "--body: /none: No such file"),
    ],
)
def test_raw_calls_that_are_refused(program: Any, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = program("cs", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"Error: {said}")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("cluster")
def test_the_commands(program: Any, applications: ApplicationClient, tmp_path: Path) -> None:
    file = tmp_path / "shop.yml"
    file.write_text(TEMPLATE + "  labels: {aliyun.logs: /var/log}\n")

    def done(*arguments: str) -> str:
        code, out, err = program(*arguments)
        assert code == 0, (arguments, err)
        return str(out)

    code, _, err = program("project", "ls")
    assert code == 1
    assert 'Fetch it with "ecsmachine cluster certs shared"' in err
    done("cluster", "certs", "shared")
    folder = tmp_path / ".docker/aliyun/shared"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {f.name: f.stat().st_mode & 0o777 for f in folder.iterdir()} == dict.fromkeys(
        ("ca.pem", "cert.pem", "key.pem"), 0o600
    )
    lines = done("env", "--cluster", "shared")
    assert f'export DOCKER_CERT_PATH="{folder}"' in lines
    assert 'export DOCKER_HOST="tcp://127.0.0.1:' in lines
    assert 'export ECSMACHINE_CLUSTER="shared"' in lines
    assert "unset DOCKER_HOST" in done("env", "--cluster", "shared", "-u")

    code, _, err = program(
        *("project", "create", "shop", "-f", str(file), "-e", "USER=me", "--wait")
    )
    assert (code, err) == (
        0,
        "Warning: db: aliyun.logs has no effect: there is no Log Service here: read logs with "
        "docker logs\n",
    )
    assert done("project", "ls").splitlines()[1].split()[:3] == ["shop", "Running", "1.0"]
    assert json.loads(done("project", "ls", "--json"))[0]["name"] == "shop"
    assert done("service", "ls", "-q").split() == ["shop_web", "shop_db"]
    done("service", "scale", "shop_web", "3")
    assert len(done("service", "ps", "shop_web").splitlines()) == 4
    done("project", "update", "shop", "-f", str(file), "--version", "2.0", "--blue-green", "--wait")
    done("service", "weight", "shop_web@2.0", "30")
    done("project", "rollback-update", "shop", "--wait")
    assert json.loads(done("project", "inspect", "shop"))["version"] == "1.0"
    for command in ("stop", "start", "redeploy"):
        done("project", command, "shop", "--wait")
    done("service", "kill", "shop_db")
    code, _, err = program("service", "scale", "shop_db", "4")
    assert (code, "shop_db is stopped: its next start creates 4 containers" in err) == (0, True)
    assert "shop_db    shop      Stopped   0/4" in done("service", "ls")
    assert json.loads(done("service", "inspect", "shop_db"))["desired_state"] == "stopped"
    done("volume", "create", "data2", "--driver", "local")
    assert "data2" in done("volume", "ls")
    code, out, err = program("volume", "rm", "-y", "none", "data2", "data2")  # one is not there
    assert (code, out) == (1, "Removed data2\n"), err
    assert "VolumeNotFound" in err and "data2" not in done("volume", "ls")
    code, _, err = program("volume", "rm", "-y", "none", "nor-this")
    assert (code, "2 of 2 volumes failed" in err) == (1, True), err
    data = json.loads(done("volume", "create", "data2", "--driver", "local", "--json"))
    assert data == {"Name": "data2", "Errors": []}
    url = done("trigger", "create", "shop", "--scale", "web").strip()
    assert "containers" in done("trigger", "scale-out", url, "1")
    trigger = done("trigger", "ls").splitlines()[1].split()[0]
    done("trigger", "rm", trigger)
    code, _, err = program("project", "rm", "-y", "shop")
    assert code == 1
    assert "ProjectRunning" in err
    done("project", "rm", "-y", "-f", "shop")
    assert done("project", "ls", "-q") == ""
    assert "shared" in done("cluster", "ls")
    assert len(json.loads(done("cluster", "nodes", "shared", "--json"))) == 2


def test_json_names_the_cluster_that_is_worked_on(program: Any, client: ClusterClient) -> None:
    code, out, err = program(
        "cluster", "create", "named", "--json", "--subnet-cidr", "10.201.0.0/16"
    )
    assert code == 0, err
    told = json.loads(out)
    assert {*told} == documented("### cluster create\n")
    found = client.find("named")
    assert (told["Name"], told["Id"], told["Errors"]) == ("named", found.id, [])
    client.wait(found.id)
    assert program("cluster", "rm", "-y", "--wait", "named", found.id) == (0, "Removed named\n", "")


def test_a_template_becomes_a_stack_file(program: Any) -> None:
    """Without a cluster, and without credentials."""
    label = "aliyun.routing.port_80: web"
    template = f"web: {{image: 'busybox:$TAG', ports: ['8081:80'], labels: {{{label}}}}}"
    nothing = {"ECS_ACCESS_KEY_ID": "", "ECSMACHINE_CLUSTER": ""}
    arguments = ("project", "convert", "-", "-e", "TAG=1")
    code, out, err = program(*arguments, stdin=template, **nothing)
    assert code == 0
    assert out.startswith('version: "3.9"\nservices:\n  web:\n    image: busybox:1\n')
    lines = err.splitlines()
    assert lines[0].startswith("Warning: web: aliyun.routing.port_80: Swarm mode routes no host")
    assert lines[-1].startswith(
        "Open its ports on the nodes: ecsmachine create --aliyunecs-open-po"
    )
    code, out, err = program(*arguments, stdin="web: {image: i, nothing: 1}")
    assert (code, out) == (1, "")
    assert err == "Error: -: web.nothing: it is not known. Correct the template.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cluster", "create", "a b"), 'NAME: "a b"'),
        (("cluster", "create", "x", "--size", "0"), "--size: 0"),
        (("cluster", "create", "x", "--password", "weak"), "--password: this password"),
        (("cluster", "create", "x", "--subnet-cidr", "1"), "--subnet-cidr: "),
        (
            ("cluster", "create", "x", "--data-disk-category", "cloud", "--data-disk-size", "4"),
            "--data-disk-size: 4 is out of range. Use a number from 5 to 2000.",
        ),
        (
            ("cluster", "create-kubernetes", "x", "--kind", "single-zone", "--period", "2"),
            "--period: only subscriptions",
        ),
        (("cluster", "remove-node", "shared", "x", "-y"), 'ADDRESS: "x" is not an address'),
        (
            ("cluster", "ls", "--endpoint", "ftp://x"),
            'The API endpoint "ftp://x" is not an address',
        ),
        (
            ("service", "weight", "shop_web", "101"),
            "PERCENT: 101 is out of range. Use a number from 0 to 100.",
        ),
        (
            ("trigger", "scale-out", "http://127.0.0.1/?triggerUrl=a&secret=b", "101"),
            "STEP: 101 is out of range",
        ),
        (("cluster", "inspect", "none"), 'There is no cluster "none"'),
        (("project", "create", "x", "-f", "/none.yml"), "/none.yml: No such file"),
        (("project", "create", "x", "-f", "/dev/null"), "/dev/null: it is not a plain file"),
        (("project", "ls", "--cluster", "../x"), 'There is no cluster "../x"'),
        (("volume", "create", "v", "-d", "nas", "-o", "x"), '--opt: "x" is not NAME=VALUE'),
        (("trigger", "redeploy", "http://127.0.0.1/"), "This is not the address of a trigger"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_bad_input_is_one_line(
    program: Any, folder: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    own = tmp_path / ".docker/aliyun/shared"
    own.mkdir(parents=True)
    for file in folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    code, out, err = program(*arguments)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith(f"Error: {said}"), err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("cluster")
def test_nothing_is_removed_where_nobody_answers(program: Any) -> None:
    code, _, err = program("cluster", "rm", "shared")
    assert code == 2
    assert err == "Error: Are you sure? There is no terminal to ask on. Confirm with -y (--yes).\n"
    assert "shared" in program("cluster", "ls", "-q")[1].split()


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("cluster", "remove-node", "shared", "10.9.9.9", "-y"), "ErrorNodeNotFound", "nodes"),
        (("cluster", "create", "x", "--image", "m-1"), "InvalidImageId.NotFound", "images"),
        (("cs", "GET", "/clusters/c1"), "ErrorClusterNotFound", '"ecsmachine cluster ls"'),
        (("service", "inspect", "no_no"), "ServiceNotFound", '"ecsmachine service ls"'),
        (("project", "stop", "no"), "ProjectNotFound", '"ecsmachine project ls"'),
        (
            ("project", "stop", "no", "-c", "shared", "--region", "cn-hangzhou"),
            *("ProjectNotFound", '"ecsmachine project ls --region cn-hangzhou --cluster shared"'),
        ),
        (("volume", "rm", "no", "-y"), "VolumeNotFound", '"ecsmachine volume ls"'),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_refusals_say_which_command_helps(
    program: Any, folder: Path, tmp_path: Path, arguments: tuple[str, ...], code: str, hint: str
) -> None:
    own = tmp_path / ".docker/aliyun/shared"
    own.mkdir(parents=True)
    for file in folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    vpc = ("--subnet-cidr", "10.200.0.0/16") if arguments[:2] == ("cluster", "create") else ()
    status, out, err = program(*arguments, *vpc)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert code in err
    assert hint in err.partition(code)[2]


def test_a_wrong_secret_names_what_these_commands_have(program: Any) -> None:
    status, _, err = program("cluster", "ls", ECS_ACCESS_KEY_SECRET="wrong")
    assert status == 1
    assert "ECS_ACCESS_KEY_SECRET, or --profile" in err
    assert "--aliyunecs" not in err
