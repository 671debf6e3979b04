"""Hosts, and metadata services, that say anything of themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecsmachine.aliyun import metadata
from ecsmachine.documents.rules import has_controls
from ecsmachine.errors import MachineError
from ecsmachine.http_client import session
from ecsmachine.provision.base import DataDisk
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.facts import Facts, parse
from ecsmachine.provision.step import Situation
from ecsmachine.provision.steps import STEPS
from tests.hostile.mangling import Odd, places, put
from tests.unit.provision.recorded import request, sections

SAID = (
    *("", "\0", "\n", "=", "A=", "=B", "\x1b[2J", "systemd " + "9" * 5000, "systemd x", "a b c d"),
    *(
        "999 /etc/docker/ca.pem",
        "9" * 5000 + " /etc/x",
        "0 0 0",
        "'unclosed",
        "NAME='a",
        "=== x\n1",
    ),
    *("[", "{" * 5000, '{"storage-driver": []}', '{"a": 1e999}', "[1]", "null", '{"hosts": NaN}'),
    *("SIZE=", "SIZE=abc", "SIZE=" + "9" * 5000, "SIZE=-1", "SIZE=1e999\nPROBE=2\nZEROS=yes"),
    *("REAL=$(touch x)\nPROBE=2\nZEROS=yes", "MOUNTED=/\nTYPE=ext4", "UUID=x y", "x" * 100_000),
)
DISK = DataDisk(20, "ext4", "serial")
NAMES = (
    *("os_release", "systemd", "dockerd", "unfinished", "groups", "firewall", "drop_in", "unit"),
    *(
        "daemon_json",
        "docker_root",
        "own_driver",
        "command_line",
        "environment",
        "cloud_init",
        "hostname",
    ),
    *("etc_hostname", "hosts", "authorized_key", "hashes", "modes", "docker_mount", "fstab"),
    *("package_lock", "device /dev/vdb", "device /dev/disk/by-id/virtio-serial"),
)


def test_a_host() -> None:
    ends: Counter[str] = Counter()
    for name in NAMES:
        for said in SAID:
            for disk in (None, DISK):
                text = "".join(f"\n=== {each}\n{value}" for each, value in seen(name, said).items())
                facts = parse(text)
                for step in STEPS:
                    try:
                        step.actions(situation(facts, disk))
                        ends["value"] += 1
                    except MachineError as error:
                        assert "\n" not in error.message
                        ends["error"] += 1
    assert min(ends["value"], ends["error"]) > 100, ends


def seen(name: str, said: str) -> dict[str, str]:
    return sections("debian-12", {"dockerd": "/usr/bin/dockerd", name: said})


def situation(facts: Facts, disk: DataDisk | None) -> Situation:
    system = parse_os_release(facts["os_release"])
    asked = request(data_disk=disk, authorized_key="ssh-rsa AAAA x")
    return Situation(asked, system, provisioner_for(system), facts, user="admin")


@dataclass
class Answer:
    content: bytes
    status_code: int = 200
    ok: bool = True
    headers: dict[str, str] = field(default_factory=dict)


def test_a_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Odd("/nowhere")
    good = {"token": b"t", "role": b"role", "key": b""}
    key = {
        "AccessKeyId": "STS.a",
        "AccessKeySecret": "b",
        "SecurityToken": "c",
        "Expiration": "2999-01-01T00:00:00Z",
        "Code": "Success",
    }
    said: dict[str, bytes] = {}

    class Session:
        trust_env = True

        def put(self, url: str, **_: Any) -> Answer:
            return Answer(said["token"])

        def get(self, url: str, headers: dict[str, str], **_: Any) -> Answer:
            assert all(value.isascii() and value.isprintable() for value in headers.values())
            return Answer(said["role"] if url.endswith("/") else said["key"])

        def close(self) -> None:
            pass

    monkeypatch.setattr(session, "BoundedSession", Session)
    ends: Counter[str] = Counter()
    tokens = range(len(odd._tokens))
    answers = [
        {"key": odd.text_of(put(key, path, f"@@{n}@@"))} for path in places(key) for n in tokens
    ]
    answers += [{"token": each.encode(errors="replace")} for each in SAID]
    answers += [{"role": each.encode(errors="replace")} for each in SAID]
    for each in answers:
        said = {**good, "key": odd.text_of(key), **each}
        try:
            found = metadata.role_credentials("").current()
            assert found.security_token.isascii()
            ends["value"] += 1
        except MachineError as error:
            assert not has_controls(error.message)
            ends["error"] += 1
    assert min(ends["value"], ends["error"]) > 30, ends
