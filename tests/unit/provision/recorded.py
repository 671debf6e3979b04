"""Hosts as they show themselves to provisioning: a folder a system in ``hosts/``."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecsmachine.provision.base import EngineOptions, HostCertificates, ProvisionRequest
from ecsmachine.provision.detect import parse_os_release, provisioner_for
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.step import Situation
from ecsmachine.ssh.command_result import CommandResult

HOSTS = Path(__file__).with_name("hosts")
NAMES = tuple(sorted(folder.name for folder in HOSTS.iterdir()))

CERTIFICATES = HostCertificates(b"ca", b"server", b"key")


def sections(name: str, seen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a host of a system prints when it is looked at; ``seen`` comes on top."""
    folder = HOSTS / name
    return {
        "os_release": (folder / "os-release").read_text(),
        "systemd": (folder / "systemd").read_text(),
        "hostname": "dev1",
        "etc_hostname": "dev1",
        "hosts": "127.0.1.1 dev1",
        **(seen or {}),
    }


def request(**values: Any) -> ProvisionRequest:
    """Return a request for the machine dev1."""
    return ProvisionRequest(
        **{
            "hostname": "dev1",
            "provider": "aliyunecs",
            "engine": EngineOptions(),
            "certificates": lambda: CERTIFICATES,
            **values,
        }
    )


def situation(
    name: str, seen: Mapping[str, str] | None = None, *, user: str = "root", **values: Any
) -> Situation:
    """Return what is known of a host of a system once it was looked at."""
    facts = Facts(sections(name, seen))
    system = parse_os_release(facts["os_release"])
    return Situation(request(**values), system, provisioner_for(system), facts, user=user)


class RecordedHost:
    """A host that shows what was recorded, and keeps what it is told.

    ``answers``: by a word of the command, how it ends; the first that fits counts.
    """

    def __init__(
        self,
        shown: Mapping[str, str],
        *,
        user: str = "root",
        answers: Mapping[str, CommandResult] | None = None,
    ):
        self.user = user
        self.shown = dict(shown)
        self.answers = dict(answers or {})
        self.commands: list[str] = []
        self.files: dict[str, tuple[bytes, int]] = {}

    def run(
        self, command: str, *, stdin: bytes | None = None, timeout_s: float | None = None
    ) -> CommandResult:
        if stdin is not None:
            return self._batch(stdin.decode())
        return self._one(command)

    def _batch(self, script: str) -> CommandResult:
        """Answer a script of parts, each with a line after it that tells how it has ended."""
        mark = re.search(r"printf '\\n(\S+) %d", script)
        parts = re.split(r"^ended ([0-9]+) \$\?$", script.partition("\n}\n")[2], flags=re.MULTILINE)
        assert mark is not None
        output = errors = ""
        for command, position in zip(parts[::2], parts[1::2], strict=False):
            answer = self._one(command)
            end = f"\n{mark[1]} {position} {answer.exit_status}\n"
            output += answer.stdout + end
            errors += answer.stderr + end
            if answer.exit_status:
                break
        return CommandResult(0, output, errors)

    def _one(self, command: str) -> CommandResult:
        if "mark os_release" in command:
            shown = (f"\n=== {name}\n{text}\n" for name, text in self.shown.items())
            return CommandResult(0, "".join(shown), "")
        if written := re.search(
            r"printf %s (\S*) \|.*chmod ([0-7]+) .*mv -fT \"\$new\" (\S+)", command, re.DOTALL
        ):
            self.files[written[3]] = (base64.b64decode(written[1]), int(written[2], 8))
            return CommandResult(0, "", "")
        self.commands.append(command)
        for word, answer in self.answers.items():
            if word in command:
                return answer
        return CommandResult(0, "", "")
