"""Looking at machines without changing them: what ``ls`` shows, many at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.machine import engine_api
from ecsmachine.machine.model import Machine


@dataclass(frozen=True)
class Probe:
    """What a machine looks like now.

    ``url`` is "" while there is none; ``docker_version`` is "Unknown" where the engine did not
    answer; ``response_time_s`` is the time that the answer took.
    """

    state: State
    url: str = ""
    docker_version: str = "Unknown"
    error: str = ""
    response_time_s: float = 0.0


def probe(machine: Machine, *, timeout_s: float) -> Probe:
    """Look at one machine.

    The engine is asked first: if it answers over verified TLS the machine runs, and the cloud
    need not be asked. Only a machine whose engine is silent costs a request to the provider.
    """
    begun = time.monotonic()
    url = machine.driver.url()
    engine_error = ""
    if url:
        try:
            version = engine_api.ask_version(url, machine.auth, timeout_s=timeout_s)
        except MachineError as error:
            engine_error = error.message
        else:
            return Probe(
                state=State.RUNNING,
                url=url,
                docker_version=f"v{version.version}",
                response_time_s=time.monotonic() - begun,
            )
    try:
        state = machine.driver.state()
        url = machine.driver.url()
    except MachineError as error:
        return Probe(
            state=State.ERROR, error=error.message, response_time_s=time.monotonic() - begun
        )
    running = state is State.RUNNING
    return Probe(
        state=state,
        url=url if running else "",
        error=engine_error if running else "",
        response_time_s=time.monotonic() - begun,
    )


def probe_all(machines: Iterable[Machine], *, timeout_s: float) -> dict[str, Probe]:
    """Look at many machines at once; one that is not done in ``timeout_s`` is in state Timeout.

    Takes no longer than ``timeout_s`` however many machines do not answer: what is still
    under way then is left behind in daemon threads.
    """
    pending = {machine.name: machine for machine in machines}
    answers: SimpleQueue[tuple[str, Probe]] = SimpleQueue()
    deadline = time.monotonic() + timeout_s

    def look(machine: Machine) -> None:
        try:
            answers.put((machine.name, probe(machine, timeout_s=timeout_s)))
        except Exception as error:  # one machine's trouble is shown in its row alone
            answers.put((machine.name, Probe(state=State.ERROR, error=str(error))))

    for machine in pending.values():
        threading.Thread(target=look, args=(machine,), daemon=True).start()
    probes: dict[str, Probe] = {}
    while len(probes) < len(pending):
        try:
            name, result = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        probes[name] = result
    for name in pending:
        probes.setdefault(name, Probe(state=State.TIMEOUT, response_time_s=timeout_s))
    return probes
