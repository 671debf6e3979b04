"""The same done to several machines, or other things, and one error for those of some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ecsmachine.errors import MachineError, of_anything

MACHINES = "machines"

MOST_AT_ONCE = 32
"""How many machines have the same done to them at the same time."""


def for_each(
    names: Iterable[str],
    *operations: Callable[[str], None],
    failed: Callable[[str, MachineError], None] = lambda name, error: None,
    at_once: int = MOST_AT_ONCE,
    what: str = MACHINES,
) -> None:
    """Do the same to several machines at once: the operations, one after the other.

    ``what`` says what has the names where they are no machines, such as "volumes".

    The next operation begins when that before it has come to its end for each. A machine that
    fails, of which ``failed`` is told, does not touch the others, and is left out of what comes
    then; the errors are raised as one at the end.
    """
    names = list(dict.fromkeys(names))
    if len(names) == 1:
        for operation in operations:
            operation(names[0])
        return
    from concurrent.futures import ThreadPoolExecutor, wait

    failures: dict[str, MachineError] = {}
    fault: BaseException | None = None
    going_on = names
    for operation in operations:
        work = {}
        pool = ThreadPoolExecutor(at_once)
        try:
            work = {name: pool.submit(operation, name) for name in going_on}
            wait(work.values())
        except BaseException as error:
            # interrupted, what has not begun does not begin; what has comes to its end
            fault = fault or error
        finally:
            pool.shutdown(cancel_futures=True)
        going_on = []
        for name, future in work.items():
            if future.cancelled():
                continue
            raised = future.exception()
            if raised is None:
                going_on.append(name)
            elif isinstance(raised, Exception):
                failures[name] = of_anything(raised)
                failed(name, failures[name])
            else:
                fault = fault or raised
    if fault is not None:
        raise fault
    in_order = [(name, failures[name]) for name in names if name in failures]
    for name, failure in in_order if what == MACHINES else ():
        failure.machine = failure.machine or name
    raise_failures(in_order, len(names), what)


def raise_failures(
    failures: Sequence[tuple[str, MachineError]], of: int, what: str = MACHINES
) -> None:
    """Raise the error of the machine that failed, or one for those of several; none for none."""
    if len(failures) == 1:
        raise failures[0][1]
    if failures:
        raise several_failures(failures, of, what)


def several_failures(
    failures: Sequence[tuple[str, MachineError]], of: int, what: str = MACHINES
) -> MachineError:
    """Return one error for those of some of the machines; its exit code is theirs if it is one."""
    summary = summed_up(f"{len(failures)} of {of} {what} failed", failures)
    if what == MACHINES:
        for name, error in failures:
            error.machine = error.machine or name
    codes = {error.exit_code for _, error in failures}
    summary.exit_code = codes.pop() if len(codes) == 1 else 1
    return summary


def summed_up(
    message: str, failures: Sequence[tuple[str, MachineError]], *, hint: str | None = None
) -> MachineError:
    """Return one error for several, with a line for each behind the name of what it is about."""
    lines = [
        f"{name}: {error.message}" + (f". {error.hint}" if error.hint else "")
        for name, error in failures
    ]
    summary = MachineError(message, hint=hint, details="\n".join(lines))
    summary.parts = [error for _, error in failures]
    return summary
