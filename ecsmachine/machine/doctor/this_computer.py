"""Steps that are of no machine: what this computer has, its store, and the way to the account."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecsmachine.errors import MachineError
from ecsmachine.machine.doctor import cloud
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.store import Store
from ecsmachine.ssh.private_files import check_private
from ecsmachine.system.description import system_name
from ecsmachine.system.files import openness, path_exists
from ecsmachine.system.programs import find

if TYPE_CHECKING:
    from ecsmachine.drivers.looks import CloudLooks

_PROGRAM_S = 5.0
_LONGEST = 100
_KEYS = ("certs/ca-key.pem", "certs/key.pem")


@dataclass
class ThisComputer:
    """The computer that this runs on, with a store; ``account`` makes what its cloud is asked by.

    ``has_machines`` is whether the store has machines of that cloud.
    """

    store: Store
    account: Callable[[], CloudLooks]
    has_machines: bool
    looks: CloudLooks | None = None


def python(here: ThisComputer) -> str:
    """See which Python runs this."""
    return f"{platform.python_version()} on {system_name()}"


def openssh(here: ThisComputer) -> str | Warned:
    """See whether there is the ssh program."""
    return _program(["ssh", "-V"]) or Warned(
        "there is no ssh program: logins use the built-in client", "Install the OpenSSH client."
    )


def docker(here: ThisComputer) -> str | Warned:
    """See whether there is the docker client."""
    return _program(["docker", "--version"]) or Warned(
        "there is no docker client", "Install it to use the machines' engines from here."
    )


def store(here: ThisComputer) -> str:
    """See that the store can be read and written, and its keys by nobody else."""
    path = here.store.path
    if not path_exists(path):
        return f"{path} does not exist yet"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise MachineError(
            f"{path} is not readable and writable", hint=f"sudo chown -R $USER {path}"
        )
    open_to_others = openness(path, path.stat(), reading=False)
    if open_to_others is not None:
        raise MachineError(f"others can write to {path}", hint=open_to_others[1])
    for name in here.store.names():
        for key in ("key.pem", "server-key.pem", "id_rsa"):
            check_private(here.store.directory(name) / key)
    for key in _KEYS:
        check_private(path / key)
    count = len(here.store.names())
    return f"{path}, {count} {'machine' if count == 1 else 'machines'}"


def credentials(here: ThisComputer) -> str | Warned:
    """See whether there are credentials for a new machine, and where they are taken from."""
    try:
        looks = here.account()
        found = looks.credentials()
    except MachineError as error:
        if here.has_machines:
            raise
        return Warned(error.message, error.hint)
    here.looks = looks
    return found


def _program(words: list[str]) -> str:
    """Return what a program says of itself in its first line, or "" if there is none."""
    program = find(words[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PROGRAM_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = done.stdout.decode(errors="replace").splitlines() or [words[0]]
    return said[0][:_LONGEST]


STEPS: tuple[Step[ThisComputer], ...] = (
    Step("Python", python),
    Step("OpenSSH", openssh),
    Step("docker client", docker),
    Step("store", store),
    Step(cloud.CREDENTIALS, credentials),
    Step(cloud.CLOCK, cloud.clock, needs=(cloud.CREDENTIALS,), applies=cloud.has_looks),
    Step(cloud.ACCOUNT, cloud.account, needs=(cloud.CLOCK,), applies=cloud.has_looks),
    Step(
        cloud.REGION,
        cloud.region,
        needs=(cloud.CLOCK, cloud.ACCOUNT),
        applies=cloud.has_looks,
    ),
)
