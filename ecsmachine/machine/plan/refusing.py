"""What a plan refuses: to remove a machine where nobody has asked for that in the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecsmachine.drivers.options import OptionValue, in_words
from ecsmachine.errors import MachineError
from ecsmachine.machine.plan.plan import Difference, Kind
from ecsmachine.system.files import path_exists


def check_drift(name: str, driver_name: str, differences: Sequence[Difference]) -> None:
    """Raise :class:`MachineError` if a new machine was needed for what the file has not changed."""
    drifted = [each for each in differences if each.drift]
    if not drifted:
        return
    told = [
        f"{_key(each, driver_name)} is {_shown(each.before)} now, and not {_shown(each.after)}"
        for each in drifted
    ]
    written = [
        f"{_key(each, driver_name)}: {_shown(each.before)}" for each in drifted if each.before
    ]
    keep = f", or write {', '.join(written)} for it in the file" if written else ""
    raise MachineError(
        f'Machine "{name}" was changed outside of the file, and only a new machine, without the '
        f"data on its disks, could undo that: {'; '.join(told)}",
        hint=f'Change it back yourself{keep}. After "ecsmachine rm {name}" it is created again.',
    )


def check_replaced(
    name: str, driver_name: str, protection: str, differences: Sequence[Difference]
) -> None:
    """Raise :class:`MachineError` if a machine is protected that is made anew.

    Not if the file takes the protection away: then that is done first.
    """
    if not protection or any(each.option == protection for each in differences):
        return
    key = protection.removeprefix(f"{driver_name}-")
    why = ", ".join(_key(each, driver_name) for each in differences if each.kind is Kind.REPLACE)
    raise MachineError(
        f'Machine "{name}" is protected from being removed, and another {why} needs a new machine',
        hint=f"If you do not need the data on its disks, write {key}: false for it in the file.",
    )


def check_removed(name: str, driver_name: str, protection: str) -> None:
    """Raise :class:`MachineError` if a machine is protected that is removed."""
    if protection:
        key = protection.removeprefix(f"{driver_name}-")
        raise MachineError(
            f'Machine "{name}" is protected from being removed',
            hint=f"Name it in the file with {key}: false, and apply that first.",
        )


def check_released(name: str, paid_until: str, keep: str) -> None:
    """Raise :class:`MachineError` if the provider does not release a machine yet.

    ``keep`` is what to do so that the machine stays until then.
    """
    if paid_until:
        raise MachineError(
            f'Machine "{name}" is a subscription (PrePaid) until {paid_until} and cannot be '
            "released earlier",
            hint=f"Until then {keep}, or change it to PostPaid (or get a refund) in the "
            "provider's console.",
        )


def check_owner(name: str, file: str, path: Path, moved_from: Path | None) -> None:
    """Raise :class:`MachineError` if a machine of that name is somebody else's.

    ``file`` is the path of the file that has made it, or "" if none has. One that is gone may have
    moved, or be on a disk that is not there: whoever knows says so.
    """
    if file in (str(path), str(moved_from or path)):
        return
    hint = f'Give it another name in the file, or remove it with "ecsmachine rm {name}".'
    if file and not path_exists(file):
        raise MachineError(
            f'Machine "{name}" was made by {file}, which no longer exists',
            hint=f"If {path.name} is that file, moved, give --moved-from {file}. {hint}",
        )
    by = f"by {file}" if file else 'by a "create" or another program'
    raise MachineError(f'Machine "{name}" is in the store already, made {by}', hint=hint)


def _key(difference: Difference, driver_name: str) -> str:
    return difference.option.removeprefix(f"{driver_name}-")


def _shown(value: OptionValue) -> str:
    """Return a value as a file of machines has it."""
    return f"[{', '.join(value)}]" if isinstance(value, list) else in_words(value)
