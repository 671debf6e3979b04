"""A fault: its kind, its targets, and its times."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.suggestions import instead_of

FaultKind = Literal[
    "error",
    "delay",
    "cut-before",
    "cut-after",
    "throttle",
    "quota",
    "eventual-consistency",
    "no-stock",
    "never-boots",
    "ssh-late",
    "ssh-drops",
    "disk-full",
    "mirror-404",
    "mirror-hangs",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Target = Literal["request", "instance", "download"]


class FaultError(LocalCloudError):
    """A fault makes no sense, or could never strike; the text says why, and what may be meant."""


@dataclass(frozen=True)
class Fault:
    """An injected fault.

    When: it strikes at every occurrence, or from the ``nth`` on (counted from 1, since the fault
    was added), at most ``times`` times (once, if only ``nth`` is given), and each time with
    ``probability``, drawn from ``seed``: the same seed strikes at the same occurrences. An
    occurrence is a request, a download from the mirror, or an instance (``times=1``: the next
    instance).

    Of requests (``action``: a pattern such as ``Describe*``; a dry run is an action of its own,
    ``RunInstances/DryRun``; ``region``: a pattern of the region that is asked for):

    - ``error``: refused with ``code``; ``message`` and HTTP ``status`` are those of the code
      unless given. ``quota``: refused with the action's code for a quota that is used up.
    - ``delay``: answered ``seconds`` later. ``throttle``: ``Throttling.User`` beyond ``rate``
      requests a second.
    - ``cut-before``, ``cut-after``: the connection is cut before or after the work was done.
    - ``eventual-consistency``: what a request made is not found or listed for ``seconds``.
    - ``no-stock``: ``instance_type`` (a pattern) is sold out in ``zone`` (a pattern).

    Of guests (``instance``: a pattern of the instance's name or id):

    - ``never-boots``: the instance is Running and nothing answers.
    - ``ssh-late``: port 22 refuses connections for ``seconds`` after the start.
    - ``ssh-drops``: a connection to port 22 breaks off after ``seconds`` or ``bytes``; or only
      the one with the number ``connection`` since the start, at once.
    - ``disk-full``: the system disk of a new instance has ``free_mib`` MiB left.

    Of the install mirror (``path``: a pattern such as ``*.deb``; ``instance`` as above):

    - ``mirror-404``: the answer is 404. ``mirror-hangs``: it stops half way.
    """

    kind: FaultKind
    action: str = ""
    region: str = ""
    code: str = ""
    message: str = ""
    status: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    instance_type: str = ""
    zone: str = ""
    instance: str = ""
    bytes: int = 0
    connection: int = 0
    free_mib: int = 0
    path: str = ""
    nth: int = 0
    times: int = 0
    probability: float = 1.0
    seed: int = 0

    @property
    def target(self) -> Target:
        """The target, which is also counted: requests, instances, or downloads."""
        return _SPECS[self.kind].target

    @property
    def limit(self) -> int:
        """How often it strikes at most; 0: without end."""
        return self.times or (1 if self.nth else 0)

    def matches_action(self, action: str) -> bool:
        """Return whether requests of this action are meant."""
        return any(fnmatchcase(action, pattern) for pattern in self._actions())

    def matches_region(self, region: str) -> bool:
        """Return whether requests for this region are meant."""
        return fnmatchcase(region, self.region or "*")

    def matches_instance(self, instance_id: str, name: str) -> bool:
        """Return whether this instance is meant."""
        return not self.instance or any(
            fnmatchcase(word, self.instance) for word in (instance_id, name)
        )

    def matches_type(self, zone: str, instance_type: str) -> bool:
        """Return whether this instance type in this zone is meant."""
        return fnmatchcase(zone, self.zone or "*") and fnmatchcase(
            instance_type, self.instance_type or "*"
        )

    def matches_path(self, path: str) -> bool:
        """Return whether downloads of this path are meant."""
        return fnmatchcase(path, self.path or "*")

    def where(self) -> str:
        """Return the target in words."""
        if self.target == "request":
            words = [self.action or ("*" if self.kind in _EVERY_ACTION else "")]
            place = self.zone or self.region
            words += [self.instance_type, f"in {place}" if place else ""]
        else:
            words = [self.instance or "*", self.path]
        return " ".join(filter(None, words)) or "*"

    def what(self) -> str:
        """Return its options in words."""
        words = [self.code, str(self.status) if self.status else ""]
        words += [f"{self.seconds:g} s" if self.seconds else ""]
        words += [f"{self.rate:g}/s" if self.rate else "", f"{self.bytes} B" if self.bytes else ""]
        words += [f"connection {self.connection}" if self.connection else ""]
        words += [f"{self.free_mib} MiB free" if self.kind == "disk-full" else ""]
        return ", ".join(filter(None, words))

    def when(self) -> str:
        """Return in words when it strikes."""
        words = [f"from {self.nth} on" if self.nth and self.times else ""]
        words += [f"number {self.nth}" if self.nth and not self.times else ""]
        words += [f"{self.times} times" if self.times else ""]
        if self.probability < 1:
            words.append(f"probability {self.probability:g}")
        return ", ".join(filter(None, words)) or "always"

    def _actions(self) -> tuple[str, ...]:
        if self.action:
            return (self.action,)
        return {"quota": CREATING, "eventual-consistency": CREATING, "no-stock": _RUNNING}.get(
            self.kind, ("*",)
        )


def fault_of(
    kind: FaultKind, values: Mapping[str, Any], spelled: Callable[[str], str] = str
) -> Fault:
    """Return the fault with these values; raises :class:`FaultError` for one that none has.

    ``spelled`` gives an option the name that its writer knows it by.
    """
    known = [item.name for item in fields(Fault) if item.name != "kind"]
    for name in values:
        if name not in known:
            raise FaultError(
                f"A fault has no option {spelled(name)}.",
                hint=instead_of(spelled(name), map(spelled, known)),
            )
        if name in _NEVER_ZERO and values[name] == 0:
            # a fault that is not given it would strike without this limit
            raise FaultError(f"{spelled(name)} must be above 0.")
    return Fault(kind, **values)


def read_fault(content: bytes) -> Fault:
    """Return the fault that a JSON object describes; raises :class:`FaultError`."""
    try:
        values = json.loads(content)
        kind = values.pop("kind")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise FaultError(
            'A fault is a JSON object such as {"kind": "no-stock", "times": 1}'
        ) from None
    return fault_of(kind, values)


def takes(kind: FaultKind) -> tuple[str, ...]:
    """Return the fields that a fault of a kind may have."""
    return (*_SPECS[kind].takes, *_WHEN)


def _check_types(fault: Fault, spelled: Callable[[str], str]) -> None:
    for item in fields(Fault):
        value, plain = getattr(fault, item.name), item.default
        kind = str if plain is MISSING else type(plain)
        taken = (int, float) if kind is float else (kind,)
        if not isinstance(value, taken) or isinstance(value, bool):
            words = {str: "a string", int: "a whole number", float: "a number"}[kind]
            raise FaultError(f"{spelled(item.name)} must be {words}, not {value!r}.")


def check(fault: Fault, spelled: Callable[[str], str] = str) -> None:
    """Raise :class:`FaultError` unless the fault's values make sense together.

    ``spelled`` is as for :func:`fault_of`.
    """
    if fault.kind not in KINDS:
        raise FaultError(
            f'There is no fault "{fault.kind}".',
            hint=instead_of(str(fault.kind), KINDS),
        )
    _check_types(fault, spelled)

    def listed(names: Sequence[str], word: str = "or") -> str:
        *most, last = map(spelled, names)
        return f"{', '.join(most)} {word} {last}" if most else last

    spec = _SPECS[fault.kind]
    plain = Fault(fault.kind)
    given = {
        item.name
        for item in fields(Fault)
        if getattr(fault, item.name) != getattr(plain, item.name)
    }
    for name in sorted(given - {*spec.takes, *_WHEN}):
        raise FaultError(
            f"The fault {fault.kind} has no option {spelled(name)}.",
            hint=instead_of(spelled(name), map(spelled, (*spec.takes, *_WHEN))),
        )
    if fault.kind == "throttle" and given & {"nth", "probability", "seed"}:
        raise FaultError(
            f"The fault throttle strikes by {spelled('rate')}: "
            f"it has no {listed(('nth', 'probability', 'seed'))}."
        )
    if spec.needs and not given & {*spec.needs}:
        raise FaultError(f"The fault {fault.kind} needs {listed(spec.needs)}.")
    if fault.kind == "ssh-drops" and len(given & {*spec.needs}) > 1:
        raise FaultError(f"The fault ssh-drops takes only one of {listed(spec.needs, 'and')}.")
    for name in ("seconds", "rate"):
        value = getattr(fault, name)
        if not math.isfinite(value) or value < 0:
            raise FaultError(f"{spelled(name)} must be a positive number, not {value}.")
    for name in ("bytes", "connection", "free_mib", "nth", "times"):
        if getattr(fault, name) < 0:
            raise FaultError(f"{spelled(name)} must not be negative.")
    if not 0 < fault.probability <= 1:
        raise FaultError(
            f"{spelled('probability')} must be above 0 and at most 1, not {fault.probability:g}."
        )
    if fault.status and not 400 <= fault.status <= 599:
        raise FaultError(
            f"{spelled('status')} must be an HTTP status from 400 to 599, not {fault.status}."
        )


@dataclass(frozen=True)
class _Spec:
    """A kind of fault: its target, its options, and the options of which it needs one."""

    target: Target
    takes: tuple[str, ...]
    needs: tuple[str, ...] = ()


_WHEN = ("nth", "times", "probability", "seed")
_NEVER_ZERO = ("seconds", "rate", "status", "bytes", "connection", "nth", "times")
_RUNNING = ("RunInstances", "CreateInstance")
CREATING = (
    *_RUNNING,
    "CreateSecurityGroup",
    "CreateVpc",
    "CreateVSwitch",
    "AllocateEipAddress",
    "CreateKeyPair",
    "ImportKeyPair",
    "CreateDisk",
    "CreateLoadBalancer",
)
"""Actions whose result can be not found at first, or beyond a quota."""
_EVERY_ACTION = ("error", "delay", "cut-before", "cut-after", "throttle")
_SPECS: dict[str, _Spec] = {
    "error": _Spec("request", ("action", "region", "code", "message", "status"), ("code",)),
    "delay": _Spec("request", ("action", "region", "seconds"), ("seconds",)),
    "cut-before": _Spec("request", ("action", "region")),
    "cut-after": _Spec("request", ("action", "region")),
    "throttle": _Spec("request", ("action", "region", "rate"), ("rate",)),
    "quota": _Spec("request", ("action", "region")),
    "eventual-consistency": _Spec("request", ("action", "region", "seconds"), ("seconds",)),
    "no-stock": _Spec("request", ("instance_type", "zone")),
    "never-boots": _Spec("instance", ("instance",)),
    "ssh-late": _Spec("instance", ("instance", "seconds"), ("seconds",)),
    "ssh-drops": _Spec(
        "instance",
        ("instance", "seconds", "bytes", "connection"),
        ("seconds", "bytes", "connection"),
    ),
    "disk-full": _Spec("instance", ("instance", "free_mib")),
    "mirror-404": _Spec("download", ("instance", "path")),
    "mirror-hangs": _Spec("download", ("instance", "path")),
}
