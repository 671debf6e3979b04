"""Every request of a create and of an rm, on a cloud without guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.torture.brought import REGION
from tests.torture.ground import NAME, Ground, Ran
from tests.torture.outcome import Outcome, worst
from tests.torture.proxy import CUTS, FAULTS, KILLS, RELEASED, Request

HARD = (*KILLS, *CUTS)
"""The faults after which a process does not know what it has done."""

UNDONE_BY = "AddBackendServers"
"""The last that such a create asks for: where it is forbidden, all the rest is undone."""

MANY = ("create", "--no-provision", "--aliyunecs-region", REGION, "web", "--count", "3")
"""A create of many, which share a network and a key pair."""

Command = Literal["create", "undo", "rm", "create many", "rm many"]
Then = Literal["create", "rm", "sweep"]

REMOVE = ("rm", "-y", NAME)
REMOVE_ALL = ("rm", "-y", "*")


@dataclass(frozen=True)
class Point:
    """A fault at a request of a command, and the command that is given afterwards.

    ``undo`` is what a create does that cannot come to its end.
    ``brought`` is whether the create uses what the user has in place of making it.
    """

    command: Command
    brought: bool
    request: Request
    fault: str
    then: Then

    @property
    def phase(self) -> str:
        """The command that is struck, and what it works on."""
        return f"{self.command}, brought" if self.brought else self.command

    def __str__(self) -> str:
        return f"{self.phase}: {self.request}, {self.fault}, then {self.then}"


def everything(ground: Ground, *, brought: bool) -> tuple[str, ...]:
    """Return a create of one of everything: network, addresses, route, key, instance with a disk.

    With ``brought`` all but the instance, the route and the place behind the load balancer is
    the user's.
    """
    own = ground.brought
    return (
        "create",
        "--no-provision",
        *("--aliyunecs-region", REGION, "--aliyunecs-slb-id", own.load_balancer),
        *("--aliyunecs-route-cidr", "10.9.0.0/24", "--aliyunecs-disk-size", "20"),
        *("--aliyunecs-tag", "team=a=b"),
        *(
            (
                *("--aliyunecs-vpc-id", own.vpc, "--aliyunecs-vswitch-id", own.vswitch),
                *("--aliyunecs-security-group", own.security_group, "--aliyunecs-eip", own.eip),
                *("--aliyunecs-ssh-keypair", own.key_pair),
                *("--aliyunecs-ssh-keypath", str(own.key_path)),
            )
            if brought
            else ("--aliyunecs-allocate-eip",)
        ),
        NAME,
    )


def all_points(ground: Ground) -> list[Point]:
    """Return every point of a create that makes everything, and of the rm of its machine.

    Both are run once, undisturbed, to see what they ask; and once more with what a user brings,
    and with an end that is forbidden, where what counts is that the process dies or its
    connections are cut.
    """
    return [
        *_points(ground, FAULTS, brought=False),
        *_points(ground, HARD, brought=True),
        *_points_of_undoing(ground),
        *_points_of_many(ground),
    ]


def _points_of_many(ground: Ground) -> list[Point]:
    ground.proxy.arm(None)
    ground.run(*MANY).checked()
    points = [
        Point("create many", False, request, fault, then)
        for request in dict.fromkeys(ground.proxy.seen)
        for fault in HARD
        for then in _thens(fault)
    ]
    ground.proxy.arm(None)
    ground.run(*REMOVE_ALL).checked()
    thens: tuple[Then, ...] = ("rm", "sweep")
    return points + [
        Point("rm many", False, request, fault, then)
        for request in dict.fromkeys(ground.proxy.seen)
        for fault in HARD
        for then in thens
    ]


def _points_of_undoing(ground: Ground) -> list[Point]:
    ground.proxy.arm(None, forbidden=UNDONE_BY)
    ground.run(*everything(ground, brought=False))
    asked = list(dict.fromkeys(ground.proxy.seen))
    refused = next(at for at, each in enumerate(asked) if each.action == UNDONE_BY)
    return [
        Point("undo", False, request, fault, then)
        for request in asked[refused + 1 :]
        for fault in HARD
        for then in _thens(fault)
    ]


def _points(ground: Ground, faults: Sequence[str], *, brought: bool) -> list[Point]:
    points: list[Point] = []
    ground.proxy.arm(None)
    ground.run(*everything(ground, brought=brought)).checked()
    asked = list(dict.fromkeys(ground.proxy.seen))
    launched = next(at for at, each in enumerate(asked) if each.action == "RunInstances")
    for position, request in enumerate(asked):
        for fault in faults:
            if fault != RELEASED or position > launched:
                points += [Point("create", brought, request, fault, then) for then in _thens(fault)]
    ground.proxy.arm(None)
    ground.run(*REMOVE).checked()
    for request in dict.fromkeys(ground.proxy.seen):
        for fault in faults:
            points += [Point("rm", brought, request, fault, then) for then in ("rm", "sweep")]
    return points


def try_point(ground: Ground, point: Point) -> Outcome:
    """Do what the point says, and compare the cloud with the store at the end."""
    of_many = point.command in ("create many", "rm many")
    create = MANY if of_many else everything(ground, brought=point.brought)
    remove = REMOVE_ALL if of_many else REMOVE
    if point.command in ("rm", "rm many"):
        ground.proxy.arm(None)
        made = ground.run(*create)
        if made.status:
            return Outcome(point, False, ["the create before it failed"], made.output)
    ground.proxy.arm(
        point.request, point.fault, forbidden=UNDONE_BY if point.command == "undo" else ""
    )
    first = ground.run(*(remove if point.command in ("rm", "rm many") else create))
    struck = ground.proxy.struck
    ground.proxy.arm(None)
    log = [first.output]
    if point.fault in KILLS and first.status == 0:
        struck = False  # it had come to its end: a price that is late is not waited for
    problems = first.wrong_end(is_killed=struck and point.fault in KILLS)
    if point.then == "create":
        again = ground.run(*create) if NAME not in _whole(ground, first) else first
        log.append(again.output)
        if again.status:
            problems.append(f"the next create left with {again.status}")
        problems += ground.differences()
    if point.then == "sweep":
        ground.lose_machines()
        swept = ground.run("sweep", "-y", "--aliyunecs-region", REGION)
        log.append(swept.output)
        if swept.status:
            problems.append(f"sweep left with {swept.status}")
    elif ground.machines():
        removed = ground.run(*remove)
        log.append(removed.output)
        if removed.status:
            problems.append(f"rm left with {removed.status}")
    problems += ground.left()
    problems += [f"gone, though the user brought it: {each}" for each in sorted(ground.gone())]
    return Outcome(point, struck, worst(problems), "\n".join(log))


def _thens(fault: str) -> Sequence[Then]:
    # without the store's entry only what carries tags is found: that is a matter of the dead
    return ("create", "rm", "sweep") if fault in KILLS else ("create", "rm")


def _whole(ground: Ground, first: Ran) -> list[str]:
    return ground.machines() if first.status == 0 else []
