"""The name of a machine's host: the machine's own, or one made from it that every consumer takes.

A host name has labels of 1 to 63 letters, digits and hyphens, with no hyphen at an end
(RFC 1123, 2.1), and at most 64 characters on Linux (gethostname(2)).
"""

from __future__ import annotations

import hashlib
import re

from ecsmachine.documents.rules import is_address

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LONGEST = 64
_LONGEST_MADE = 63  # so that it is no longer than a label either


def is_host_name(text: str) -> bool:
    """Whether a host can bear a name; one that reads as an address is none."""
    is_one = re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", text) is not None
    return is_one and len(text) <= _LONGEST and not is_address(text)


def host_name_for(machine_name: str) -> str:
    """Return the host name of a machine.

    One that is made from the machine's name ends in a hash of that, so that those of two machines
    differ.
    """
    return machine_name if is_host_name(machine_name) else _made_from(machine_name, _LONGEST_MADE)


def shortened(machine_name: str, longest: int) -> str:
    """Return the name, or where it is too long its beginning with a hash of the whole."""
    return machine_name if len(machine_name) <= longest else _made_from(machine_name, longest)


def _made_from(machine_name: str, longest: int) -> str:
    ending = f"-{hashlib.sha256(machine_name.encode()).hexdigest()[:8]}"
    labels = re.sub(r"[^A-Za-z0-9.]+", "-", machine_name).split(".")
    beginning = ".".join(label.strip("-") for label in labels if label.strip("-"))
    return (beginning[: longest - len(ending)].rstrip("-.") or "machine") + ending
