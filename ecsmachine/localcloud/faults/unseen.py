"""Eventual consistency: new resources exist, but for a while no request finds them.

Only requests and answers change: inside, unseen resources count for quotas, addresses and
dependencies, as in ECS.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ecsmachine.localcloud.faults.book import Entry, FaultBook
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.wire import parse_json

# By the parameter that holds the id: the error of ECS for an unknown id.
_NOT_FOUND = {
    "InstanceId": refusals.INSTANCE_NOT_FOUND,
    "SecurityGroupId": refusals.SECURITY_GROUP_NOT_FOUND,
    "VpcId": refusals.VPC_NOT_FOUND,
    "VSwitchId": refusals.VSWITCH_NOT_FOUND,
    "AllocationId": refusals.EIP_NOT_FOUND,
    "KeyPairName": refusals.KEY_PAIR_NOT_FOUND,
    "DiskId": refusals.DISK_NOT_FOUND,
    "LoadBalancerId": refusals.LOAD_BALANCER_NOT_FOUND,
}
# Names of the same under other roles.
_ROLES = {"SourceGroupId": "SecurityGroupId", "DestGroupId": "SecurityGroupId"}
_LISTS = {
    "Instances": ("Instance", "InstanceId"),
    "InstanceStatuses": ("InstanceStatus", "InstanceId"),
    "SecurityGroups": ("SecurityGroup", "SecurityGroupId"),
    "Vpcs": ("Vpc", "VpcId"),
    "VSwitches": ("VSwitch", "VSwitchId"),
    "EipAddresses": ("EipAddress", "AllocationId"),
    "KeyPairs": ("KeyPair", "KeyPairName"),
    "Disks": ("Disk", "DiskId"),
    "LoadBalancers": ("LoadBalancer", "LoadBalancerId"),
}
_MADE_BY = {
    "CreateInstance": "InstanceId",
    "CreateSecurityGroup": "SecurityGroupId",
    "CreateVpc": "VpcId",
    "CreateVSwitch": "VSwitchId",
    "AllocateEipAddress": "AllocationId",
    "CreateKeyPair": "KeyPairName",
    "ImportKeyPair": "KeyPairName",
    "CreateDisk": "DiskId",
    "CreateLoadBalancer": "LoadBalancerId",
}
_ABOUT_ONE = re.compile(r"Describe\w*(Attributes?|UserData)")


class Unseen:
    """The unseen resources, until when, and by which fault; a restart forgets them."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book
        self._until: dict[tuple[str, str], tuple[float, int]] = {}

    def hide(self, action: str, answer: Mapping[str, Any], entry: Entry) -> None:
        """Hide the new resources of a request, from now on, for the time of the fault."""
        if action == "RunInstances":
            made = [("InstanceId", each) for each in answer["InstanceIdSets"]["InstanceIdSet"]]
        elif action in _MADE_BY:
            made = [(_MADE_BY[action], answer[_MADE_BY[action]])]
        else:
            made = []
        for key in made:
            # A repeated ClientToken creates nothing.
            self._until.setdefault(key, (time.monotonic() + entry.fault.seconds, entry.id))

    def check(self, action: str, parameters: Parameters) -> None:
        """Raise the refusal of a request that names something that is not seen yet."""
        if not self._now() or (action.startswith("Describe") and not _ABOUT_ONE.fullmatch(action)):
            return
        for name, text in parameters.values.items():
            kind = _kind(name)
            if kind == "KeyPairName" and action in ("CreateKeyPair", "ImportKeyPair"):
                continue
            if any((kind, value) in self._until for value in _values(text)):
                if kind == "KeyPairName" and action in ("RunInstances", "CreateInstance"):
                    raise refusals.KEY_PAIR_NAME_NOT_FOUND()
                raise _NOT_FOUND[kind]()

    def without(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer without the unseen resources in its lists."""
        seen = dict(answer)
        if not self._now():
            return seen
        for outer, (inner, key) in _LISTS.items():
            listed = answer.get(outer)
            if not isinstance(listed, Mapping) or inner not in listed:
                continue
            rest = [item for item in listed[inner] if (key, item[key]) not in self._until]
            missing = len(listed[inner]) - len(rest)
            if missing:
                seen[outer] = {inner: rest}
                if "TotalCount" in seen:
                    seen["TotalCount"] -= missing
        return seen

    def _now(self) -> bool:
        """Forget resources that are visible by now; return whether any are left."""
        if self._until:
            now = time.monotonic()
            there = {entry.id for entry in self._book.entries()}
            self._until = {
                key: (until, fault)
                for key, (until, fault) in self._until.items()
                if until > now and fault in there
            }
        return bool(self._until)


def _kind(name: str) -> str:
    """Return the kind of id of a parameter: ``SecurityGroupIds.2`` is a SecurityGroupId."""
    last = [part for part in name.split(".") if not part.isdigit()][-1:]
    word = last[0] if last else ""
    word = _ROLES.get(word, word)
    return word if word in _NOT_FOUND else word.removesuffix("s")


def _values(text: str) -> list[str]:
    if not text.startswith("["):
        return [text]
    try:
        values = parse_json(text)
    except ValueError:
        return []
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
