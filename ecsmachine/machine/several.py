"""The same done to several machines at once, and one error for those of some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ecsmachine.errors import MachineError


def for_each(names: Iterable[str], operation: Callable[[str], None]) -> None:
    """Do the same to several machines at once.

    One that fails does not touch the others; their errors are raised as one at the end.
    """
    names = list(dict.fromkeys(names))
    if len(names) == 1:
        operation(names[0])
        return
    from concurrent.futures import ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(max_workers=min(32, len(names) or 1))
    try:
        work = {name: pool.submit(operation, name) for name in names}
        wait(work.values())
    finally:
        # interrupted, what has not begun does not begin; what has comes to its end
        pool.shutdown(cancel_futures=True)
    failures = []
    for name, future in work.items():
        error = future.exception()
        if isinstance(error, MachineError):
            failures.append((name, error))
        elif error is not None:
            raise error
    if len(failures) == 1:
        raise failures[0][1]
    if failures:
        raise several_failures(failures, len(names))


def several_failures(failures: Sequence[tuple[str, MachineError]], of: int) -> MachineError:
    """Return one error for those of some of the machines; its exit code is theirs if it is one."""
    summary = MachineError(
        f"{len(failures)} of {of} machines failed",
        details="\n".join(
            f"{name}: {error.message}" + (f". {error.hint}" if error.hint else "")
            for name, error in failures
        ),
    )
    codes = {error.exit_code for _, error in failures}
    summary.exit_code = codes.pop() if len(codes) == 1 else 1
    return summary
