"""Can A reach B on a port? As the cloud's router has it, with the rules that decide."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import Any

from ecsmachine.localcloud.host.firewall import firewall_of
from ecsmachine.localcloud.host.network import link_name
from ecsmachine.localcloud.host.verdicts import Packet, Verdict, verdicts
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.state import State

THIS_COMPUTER = "computer"
PROTOCOLS = ("tcp", "udp", "icmp")


def reach(state: State, source: str, target: str, protocol: str, port: int) -> dict[str, Any]:
    """Return whether ``source`` reaches an instance: ``reaches``, ``reason``, ``steps``.

    ``source`` is an instance's id, an IPv4 address, or :data:`THIS_COMPUTER`; ``target`` an
    instance's id. ``reason`` is ``rules``, ``itself`` (no rule applies) or ``stopped``, and
    ``instance`` names the instance. A step has ``side`` (egress or ingress), ``passes``, and the
    reason: ``rule`` with its ``group``; or ``members``, the group whose members reach each other;
    or neither, if the default of the group decides. Raises :class:`LocalCloudError` for an unknown
    instance.
    """
    if protocol not in PROTOCOLS:
        raise LocalCloudError(f"There is no protocol {protocol} here: tcp, udp or icmp.")
    if protocol != "icmp" and not 1 <= port <= 65535:
        raise LocalCloudError("A port is a number from 1 to 65535.")
    with state.lock:
        to = state.instances.get(target)
        start = state.instances.get(source)
        if to is None:
            raise LocalCloudError(f"There is no instance {target}.")
        packet = Packet(_address(state, source, start), to.private_ip, protocol, port)
        for each in filter(None, (start, to)):
            if each.status != "Running":
                return {"reaches": False, "reason": "stopped", "instance": each.id, "steps": []}
        if source == target:
            return {"reaches": True, "reason": "itself", "steps": []}
        leaves = None if start is None else link_name(start.id)
        found = verdicts(firewall_of(state), packet, leaves, link_name(to.id))
        steps = [_shown(state, each) for each in found]
    other_vpc = start is not None and start.vpc_id != to.vpc_id
    reaches = all(each.passes for each in found)
    return {"reaches": reaches, "reason": "rules", "steps": steps, "other_vpc": other_vpc}


def _address(state: State, source: str, instance: Instance | None) -> str:
    if instance is not None:
        return instance.private_ip
    if source == THIS_COMPUTER:
        return next(iter(sorted(state.reserved)), "127.0.0.1")
    try:
        return str(ipaddress.IPv4Address(source))
    except ValueError:
        raise LocalCloudError(f"{source} is neither an instance nor an IPv4 address.") from None


def _shown(state: State, verdict: Verdict) -> dict[str, Any]:
    decides = verdict.filter
    shown: dict[str, Any] = {"side": verdict.direction, "passes": verdict.passes}
    if decides.rule is not None:
        rule = decides.rule
        shown["rule"] = {name: value for name, value in asdict(rule).items() if value}
        shown["group"] = next(
            (group.id for group in state.security_groups if rule in group.rules), ""
        )
    elif decides.peer_group:
        shown["members"] = decides.peer_group
    return shown
