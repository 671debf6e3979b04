"""JSON texts and files, within bounds: a parsed value, or the caller's error."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from ecsmachine.errors import MachineError
from ecsmachine.system.files import open_file

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from typing import Any, NoReturn

Fault = Callable[[str], MachineError]
"""Makes the error for one document of a reason, such as ``Driver.SSHPort: "x" is not a port``."""

LONGEST_FILE = 4 << 20
"""How long a file may be, in bytes, if nothing else is said."""

DEEPEST = 64
"""How many objects and arrays may be in each other."""

_CONTAINERS = (dict, list)  # a union would be made anew for every value

_LONGEST_NUMBER = 20
"""How many characters a whole number may have: one of 64 bits, with its sign."""


def read_file(
    path: str | os.PathLike[str],
    fault: Fault,
    *,
    longest: int = LONGEST_FILE,
    pipes: bool = False,
    accept: Callable[[os.stat_result], None] = lambda status: None,
) -> bytes:
    """Return what a file holds. Raises :class:`FileNotFoundError` if there is none.

    Anything else that is wrong is the ``fault``: it is no plain file (a pipe would be waited for,
    if that is not asked for with ``pipes``), cannot be read, or is longer than ``longest`` bytes.
    If the system refuses to read it, the hint says what to do about that.
    ``accept`` raises what there is to say of a file by what is known of it.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY, waiting=pipes)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            mode = status.st_mode
            if not stat.S_ISREG(mode) and not (pipes and stat.S_ISFIFO(mode)):
                raise fault("it is not a plain file")
            accept(status)
            content = file.read(longest + 1)
    except FileNotFoundError:
        if os.path.islink(path):
            raise fault("it is a broken link") from None
        raise
    except ValueError as error:
        raise fault(str(error)) from error
    except OSError as error:
        from ecsmachine.system import os_errors

        refused = fault(error.strerror or str(error))
        refused.hint = os_errors.unread(error, path) or refused.hint
        raise refused from error
    if len(content) > longest:
        raise fault(f"it is longer than {longest >> 10} KiB")
    return content


def read_named(path: str | os.PathLike[str], fault: Fault) -> bytes:
    """Return what a file or pipe holds that a user has named; that there is none is a fault too."""
    try:
        return read_file(path, fault, pipes=True)
    except FileNotFoundError as error:
        raise fault(error.strerror or str(error)) from error


def parse_json(content: bytes, fault: Fault) -> Any:
    """Return what a JSON text holds.

    The ``fault`` is a text that is not JSON (RFC 8259; NaN and Infinity are none) or not UTF-8,
    is nested more than :data:`DEEPEST` deep, or has numbers that a 64-bit program cannot hold.
    """
    import json

    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
        if "\\u" in text:
            # half a surrogate pair can be escaped, but stands for no character
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise fault(f"it is not UTF-8: byte {error.start}") from error
    except UnicodeEncodeError as error:
        raise fault("it holds half a surrogate pair") from error
    except ValueError as error:
        raise fault(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise fault("it is nested too deeply") from error
    if text.count("{") + text.count("[") > DEEPEST and is_deeper(value, DEEPEST):
        raise fault("it is nested too deeply")
    return value


def is_deeper(value: Any, levels: int) -> bool:
    """Whether more than so many objects and arrays are in each other."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[Any] = []
        for each in layer:
            if isinstance(each, dict):
                inner += [item for item in each.values() if isinstance(item, _CONTAINERS)]
            elif isinstance(each, list):
                inner += [item for item in each if isinstance(item, _CONTAINERS)]
        if not inner:
            return False
        layer = inner
    return True


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    import math

    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_LONGEST_NUMBER]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"{text[:_LONGEST_NUMBER]}… is too large a number")
    return int(text)
