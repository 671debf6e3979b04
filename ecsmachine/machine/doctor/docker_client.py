"""Steps at the docker client of this computer: where it goes when it is to go to the machine."""

from __future__ import annotations

from ecsmachine.errors import MachineError
from ecsmachine.machine import docker_context
from ecsmachine.machine.doctor import cloud
from ecsmachine.machine.doctor.examination import Step, Warned
from ecsmachine.machine.doctor.subject import Subject
from ecsmachine.system.files import path_exists

ENVIRONMENT, CONTEXT = "environment", "docker context"


def environment(subject: Subject) -> str:
    """See that the variables of "env" lead to the machine, if they name it."""
    url, given = subject.machine.driver.url(), subject.environment.get("DOCKER_HOST", "")
    if url and given != url:
        raise MachineError(
            f"DOCKER_HOST is {given or 'not set'}, and the engine is at {url}",
            hint=f"Run: eval $(ecsmachine env {subject.name})",
        )
    return f"DOCKER_HOST is {given}"


def context(subject: Subject) -> str | Warned:
    """See that the machine's context of the docker client leads to it."""
    machine = subject.machine
    docker = docker_context.DockerConfig(subject.docker_folder)
    name = docker_context.context_name(machine.name)
    mend = f'"ecsmachine context {machine.name}" '
    there = docker_context.endpoint(docker, machine)
    if there is None and path_exists(docker.meta_path(name)):
        return Warned(
            f'the context "{name}" does not belong to this machine',
            f"Remove it with: docker context rm {name}. Then {mend}makes the right one.",
        )
    if there is None:
        return "none"
    over_ssh = there.startswith("ssh:")
    url = machine.ssh_url if over_ssh else machine.driver.url()
    if url and there != url:
        raise MachineError(
            f'the context "{name}" points to {there}, but the machine is at {url}',
            hint=f"{mend}corrects it.",
        )
    if not over_ssh and not docker_context.has_certificates(docker, machine):
        raise MachineError(
            f'the context "{name}" has other certificates than the machine',
            hint=f"{mend}corrects it.",
        )
    return f'"{name}" points to {there}'


def _is_named(subject: Subject) -> bool:
    return subject.environment.get("DOCKER_MACHINE_NAME") == subject.name


STEPS: tuple[Step[Subject], ...] = (
    Step(ENVIRONMENT, environment, needs=(cloud.INSTANCE,), applies=_is_named),
    Step(CONTEXT, context, needs=(cloud.INSTANCE,)),
)
