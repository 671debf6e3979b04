"""Waiting until clusters and projects are at rest, and telling of it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.aliyun.container_service.clusters import FAILED, MOVING, Task
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.cli.commands.container_service import options
from ecsmachine.cli.display.output import print_result
from ecsmachine.cli.display.printer import say
from ecsmachine.cli.display.progress import steps
from ecsmachine.errors import MachineError
from ecsmachine.polling import polls

Follow = Callable[[ApplicationClient, str], None]


def follow(client: ClusterClient, name: str, task: Task, wait: bool, timeout_s: int) -> None:
    """Print the begun work on the cluster of that name, and wait for its end if requested."""
    print_result({"Name": name, "Id": task.cluster_id, "Task": task.task_id})
    say(f"Cluster {task.cluster_id}, task {task.task_id}")
    if wait:
        await_cluster(client, task.cluster_id, timeout_s)


def await_cluster(client: ClusterClient, cluster_id: str, timeout_s: int) -> None:
    """Wait until the work on a cluster ends. Raises :class:`MachineError` with the failure."""
    try:
        noted = len(client.log(cluster_id))
    except (ApiError, MachineError):
        noted = -1  # a service that has no log
    failure = None
    try:
        with steps(sys.stderr, only_steps=True) as report:
            client.wait(
                cluster_id,
                timeout_s=timeout_s,
                report=lambda cluster: report(f"{cluster.name}: {cluster.state.capitalize()}"),
            )
    except MachineError as error:
        failure = error
    new = client.log(cluster_id)[noted:] if noted >= 0 else []
    if new:
        raise MachineError(f"The work on the cluster failed: {new[-1]}")
    if failure is not None:
        raise failure


def following(wait: options.Wait = False, timeout: options.Timeout = 600) -> Follow:
    """Return a function that waits for a project, if requested, and reports the state."""
    return lambda client, name: _await_project(client, name, timeout) if wait else None


def _await_project(client: ApplicationClient, name: str, timeout_s: int) -> None:
    """Return once the project is in its desired state."""
    seen = ""
    with steps(sys.stderr, only_steps=True, only_on_terminal=True) as report:
        for _ in polls(timeout_s, longest_pause_s=0.5):
            project = client.project(name)
            if project.current_state not in MOVING:
                break
            if project.current_state != seen:
                seen = project.current_state
                report(f"{name}: {seen.capitalize()}")
        else:
            raise MachineError(
                f'Timed out: the project "{name}" is still {seen}',
                hint=f'"ecsmachine project inspect {name}" shows what it is waiting for.',
            )
    if project.current_state in FAILED:
        reason = project.raw.get("message")
        raise MachineError(
            f'The project "{name}" has failed' + (f": {reason}" if reason else ""),
            hint=f'See its containers with "ecsmachine project inspect {name}".',
        )
    say(f"{name}: {project.current_state.capitalize()}")
