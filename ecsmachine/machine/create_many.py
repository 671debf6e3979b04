"""Making several machines of the same options at once; one that fails does not touch the others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ecsmachine.drivers.base import Driver, ManyAtOnce, Report
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import create as single
from ecsmachine.machine.create_request import CreateRequest, differences, engine_differences
from ecsmachine.machine.interruption import Interruption, WorkInterrupted, first_done
from ecsmachine.machine.model import Machine, auth_options
from ecsmachine.machine.store import Store


@dataclass(frozen=True)
class Outcome:
    """What came of one of the machines, after so many seconds.

    ``existed`` is whether it was there, and whole, before. ``error`` is why it failed.
    """

    name: str
    seconds: float
    existed: bool = False
    error: MachineError | None = None


def create_many(
    store: Store,
    requests: Sequence[CreateRequest],
    report_for: Callable[[str], Report],
    done: Callable[[Outcome], None],
    *,
    parallel: int,
    interruption: Interruption | None = None,
) -> list[Outcome]:
    """Make machines, ``parallel`` of them at a time; those that are there already stay.

    What is the same for all is checked once, before any is made. ``report_for`` gives what takes
    a machine's lines, ``done`` is told of each that is through. ``interruption`` undoes all that
    are not complete, and :class:`WorkInterrupted` is raised when that is done.

    Raises :class:`MachineError` if the checks fail; what fails later is in the outcomes.
    """
    for request in requests:
        single.validate(request)
    if len(requests) > 1 and requests[0].swarm_role and not requests[0].swarm_join:
        raise UsageError(
            "Each of several managers would begin a swarm of its own",
            hint="Create the first one alone, then the others with --swarm-join.",
        )
    new = [request for request in requests if not store.exists(request.name)]
    interruption = interruption or Interruption()
    checked = _check_once(store, new, report_for, interruption) if new else None
    parts = {request.name: Interruption() for request in requests}

    def make(request: CreateRequest) -> Outcome:
        begun = time.monotonic()
        existed, failure = False, None
        try:
            single.create(
                store,
                request,
                report_for(request.name),
                interruption=parts[request.name],
                # what was begun before may have other options
                checked=checked if request in new else None,
            )
        except single.MachineExistsError as error:
            existed, failure = True, _difference(store, request, error)
        except MachineError as error:
            failure = error
        except Exception as error:  # a fault of ours in one machine is not the others' end
            failure = MachineError(f"{type(error).__name__}: {error}")
        return Outcome(request.name, time.monotonic() - begun, existed, failure)

    def end_all() -> None:
        for part in parts.values():
            part.ask()

    work: list[Future[Outcome]] = []
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(requests)))) as pool:
        try:
            with interruption.waking(end_all):
                work = [pool.submit(make, request) for request in requests]
                pending = set(work)
                while pending:
                    ended, pending = first_done(pending)
                    for future in ended:
                        outcome = future.result()
                        outcomes[outcome.name] = outcome
                        done(outcome)
        except BaseException as error:
            end_all()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, WorkInterrupted):
                raise WorkInterrupted(" ".join(filter(None, map(_left, work)))) from error
            raise
    return [outcomes[request.name] for request in requests]


def _left(work: Future[Outcome]) -> str:
    """Return a sentence about what work that was ended has left, or ""."""
    error = None if work.cancelled() else work.exception()
    return error.left if isinstance(error, WorkInterrupted) else ""


def _check_once(
    store: Store,
    requests: Sequence[CreateRequest],
    report_for: Callable[[str], Report],
    interruption: Interruption,
) -> Driver | None:
    """Run the checks for the first of the machines; return its driver, for the others."""
    first = requests[0]

    def checkpoint(point: str) -> None:
        store.checkpoint(point)
        interruption.check_at(point)

    jump = store.jump(first.ssh_jump)
    driver = store.new_driver(
        first.driver_name, first.name, first.driver_values, checkpoint=checkpoint, jump=jump
    )
    if not isinstance(driver, ManyAtOnce):
        return None
    if len(requests) > 1:
        driver.check_several()
    report = report_for(first.name)
    report("Running pre-create checks...")
    single.check(
        Machine(
            name=first.name,
            driver=driver,
            auth=auth_options(store.path, first.name, jump=jump),
            engine=first.engine,
        ),
        report,
    )
    return driver


def _difference(store: Store, request: CreateRequest, error: MachineError) -> MachineError | None:
    """Return the error if the machine that is there was made with other options."""
    journal = None
    with contextlib.suppress(MachineError):
        journal = store.journal(request.name)
    differing = differences(journal.request, request) if journal and journal.request else []
    with contextlib.suppress(MachineError):
        differing += engine_differences(store.load(request.name).engine, request.engine)
    if not differing:
        return None
    return MachineError(
        f"{error.message}, with other options: {', '.join(differing)}", hint=error.hint
    )
