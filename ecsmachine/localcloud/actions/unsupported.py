"""Official parameters that the local cloud does not implement, and those without an effect here.

Actions read all others: ``tests/api/localcloud/test_official_parameters.py`` checks that each
official parameter of each action is read, or is listed here.

A pattern is a parameter's official name (lists as ``NAME.N``), in which ``*`` stands for any
characters. It is for all actions, or for those before the colon: ``Create*:StorageSetId``.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from ecsmachine.localcloud.actions.call import Action, Answer, Call
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.official import (
    COMMON,
    OF_OTHER_OWNERS,
    OfficialAction,
    official_actions,
    plain_name,
)

LOG = logging.getLogger("ecsmachine.localcloud")
_NAMES_IN_LOG = 10

UNSUPPORTED: Mapping[str, tuple[str, ...]] = {
    "IPv6 addresses": (
        *("RunInstances:Ipv6Address*", "RunInstances:NetworkInterface.N.Ipv6Address*"),
        *("CreateVpc:*Ipv6*", "ModifyVpcAttribute:*I*v6*", "CreateVSwitch:*Ipv6*"),
        "CreateLoadBalancer:AddressIPVersion",
        *("ModifyVSwitchAttribute:*I*v6*", "AssociateVpcCidrBlock:I*v6*"),
        *("UnassociateVpcCidrBlock:I*v6*", "CreateNetworkInterface:*I*v6*"),
        "ModifyNetworkInterfaceAttribute:*I*v6*",
    ),
    "address prefixes": (
        *("AssignPrivateIpAddresses:Ipv4*", "UnassignPrivateIpAddresses:Ipv4*"),
        "CreateNetworkInterface:Ipv4*",
    ),
    "source/destination checks and connection limits of network interfaces": (
        *("*SourceDestCheck", "ConnectionTrackingConfiguration.*", "BusinessType"),
        "Visible",
    ),
    "IPAM address pools": (
        *("CreateVpc:Ipv4*", "CreateVSwitch:CidrMask", "AssociateVpcCidrBlock:IpamPoolId"),
        "AssociateVpcCidrBlock:SecondaryCidrMask",
    ),
    "pools, zones and protection of public addresses, or reuse of released addresses": (
        *("AllocateEipAddress:PublicIpAddressPoolId", "AllocateEipAddress:Zone"),
        *("AllocateEipAddress:SecurityProtectionTypes.N", "AllocateEipAddress:InstanceId"),
    ),
    "dedicated hosts": (
        *("DescribePrice:SchedulerOptions.*", "DescribePrice:DedicatedHostType"),
        *("RunInstances:SchedulerOptions.*", "Affinity", "Tenancy", "ManagedHostId"),
    ),
    "reserved capacity and reserved instances": (
        *(
            "PrivatePoolOptions.*",
            "DescribePrice:AssuranceTimes",
            "DescribePrice:RecurrenceRules.*",
        ),
        *("DescribePrice:InstanceCpuCoreCount", "DescribePrice:InstanceTypeList.N"),
        *("DescribePrice:StartTime", "DescribePrice:OfferingType", "DescribePrice:Scope"),
        *("DescribePrice:InstanceAmount", "DescribePrice:Capacity"),
    ),
    "storage sets and dedicated block storage clusters": (
        *("*StorageClusterId", "StorageSetId", "StorageSetPartitionNumber"),
        "ModifyDiskSpec:PerformanceControlOptions.*",
    ),
    "regional disks and attachable system disks": (
        *("AttachDisk:Bootable", "AttachDisk:Force", "AttachDisk:KeyPairName"),
        "AttachDisk:Password",
    ),
    "trusted and confidential computing": (
        *("RunInstances:SecurityOptions.*", "CreateImage:SecureBootOptions.*"),
    ),
    "private DNS names": ("PrivateDnsNameOptions.*", "*EnableDnsHostname"),
    "detection of the contents of an image": ("CreateImage:DetectionStrategy",),
    "community images": ("ModifyImageSharePermission:IsPublic",),
    "single-carrier lines": ("DescribePrice:Isp",),
    "RAM policies": ("AttachInstanceRamRole:Policy",),
    "PTP clocks, jumbo frames and network card queues": (
        *("ClockOptions.*", "RunInstances:NetworkOptions.*", "EnableJumboFrame"),
        *("NetworkInterfaceQueueNumber", "NetworkInterface.N.Queue*", "*NetworkCardIndex"),
        *("CreateNetworkInterface:*Queue*", "ModifyNetworkInterfaceAttribute:QueueNumber"),
    ),
    "RDMA": (
        "RunInstances:NetworkInterface.N.NetworkInterfaceTrafficMode",
        "CreateNetworkInterface:*NetworkInterfaceTrafficMode",
    ),
    "temporary changes, or changes of running subscriptions": (
        *("ModifyPrepayInstanceSpec:EndTime", "ModifyPrepayInstanceSpec:Reboot*"),
        *("ModifyInstanceNetworkSpec:StartTime", "ModifyInstanceNetworkSpec:EndTime"),
    ),
    "a common end day of subscriptions": ("RenewInstance:ExpectedRenewDay",),
    "routes with several next hops": ("NextHopList.*",),
    "the classic network": ("CreateInstance:InnerIpAddress", "CreateInstance:VlanId"),
    "access control lists": ("AclType",),
    "master-slave server groups": ("MasterSlaveServerGroup",),
    "scheduled or repeated commands": (
        *("RunCommand:RepeatMode", "InvokeCommand:RepeatMode"),
        *("RunCommand:Frequency", "InvokeCommand:Frequency"),
        *("RunCommand:Timed", "InvokeCommand:Timed", "DescribeInvocationResults:IncludeHistory"),
    ),
    "commands in containers, with launchers, or for Windows": (
        *("ContainerId", "ContainerName", "Launcher", "WindowsPasswordName"),
    ),
    "Object Storage Service": ("OssOutputDelivery",),
    "SSL Certificates Service": ("UploadServerCertificate:AliCloud*",),
    "port lists": ("*PortRangeListId",),
}
"""Features that are not supported, and their parameters."""

WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "It selects among public commands, and there are none.": ("DescribeCommands:Latest",),
    "The answer always has all attributes.": (
        *(
            "DescribeInstanceTypes:AdditionalAttributes.N",
            "DescribeInstances:AdditionalAttributes.N",
        ),
        "DescribeDisks:AdditionalAttributes.N",
    ),
    "The primary interface is always released with its instance.": (
        "RunInstances:NetworkInterface.N.DeleteOnRelease",
    ),
    "The local cloud charges nothing, so there are no discounts.": (
        "AllocateEipAddress:ActivityId",
    ),
    "Every order takes effect immediately.": ("DescribeEipAddresses:IncludeReservationData",),
    "There are no gateways that could block the request.": (
        *("DeleteVpc:ForceDelete", "UnassociateEipAddress:Force"),
    ),
    "The VPC is given by its id.": ("DescribeVpcAttribute:IsDefault",),
    "Every region has every product.": ("DescribeRegions:ProductType",),
    "A guest has the settings of its base image.": ("UseAdditionalService",),
    "An image has the architecture and system of its system disk.": (
        *("CreateImage:Architecture", "CreateImage:Platform"),
    ),
    "No image expires.": ("DescribeImages:ShowExpired",),
    "No instance has history events.": (
        *("DescribeInstanceHistoryEvents:Event*", "DescribeInstanceHistoryEvents:NotBefore.*"),
        *("DescribeInstanceHistoryEvents:Instance*.N", "DescribeInstanceHistoryEvents:Resource*"),
        "DescribeInstanceHistoryEvents:Tag.*",
    ),
    "In a VPC, all rules apply to the same kind of network card.": (
        *("AuthorizeSecurityGroup*:*NicType", "RevokeSecurityGroup*:*NicType"),
        "ModifySecurityGroup*Rule:*NicType",
    ),
    "A rule is identified by the traffic it allows, not by its description.": (
        *("RevokeSecurityGroup:*Description", "RevokeSecurityGroupEgress:*Description"),
    ),
    "The local cloud keeps no roles, so it does not check who assumes one.": (
        "AssumeRole:ExternalId",
    ),
    "The local cloud keeps no snapshot policies.": ("DescribeSecurityGroupAttribute:Attribute",),
    "There are no forwarding rules.": ("DescribeVServerGroups:IncludeRule",),
    "There are no system tags.": ("DescribeTags:Category",),
    "No instance type has local disks.": ("StartInstance:InitLocalDisk",),
    "An instance that is deleted while it runs is always cut off.": ("DeleteInstance*:ForceStop",),
    "Zones have no clusters to move an instance between.": (
        *("ModifyInstanceSpec:AllowMigrate*", "ModifyPrepayInstanceSpec:Migrate*"),
    ),
    "The change is always complete before the answer.": ("ModifyInstanceSpec:Async",),
}
"""Parameters without an effect in this cloud, by the reason."""

_ASKS_FOR_NOTHING = {
    "AddressIPVersion": "ipv4",
    "NetworkInterface.N.NetworkInterfaceTrafficMode": "standard",
    "NetworkInterfaceTrafficMode": "standard",
    "NetworkInterface.N.NetworkCardIndex": "0",
    "NetworkCardIndex": "0",
    "Tenancy": "default",
    "Affinity": "default",
    "StorageSetPartitionNumber": "2",
    "PrivateDnsNameOptions.HostnameType": "custom",
    "NetworkOptions.EnableJumboFrame": "true",
    "ConnectionTrackingConfiguration.TcpClosedAndTimeWaitTimeout": "3",
    "ConnectionTrackingConfiguration.TcpEstablishedTimeout": "910",
    "ConnectionTrackingConfiguration.UdpTimeout": "30",
    "RepeatMode": "once",
    "ClockOptions.PtpStatus": "disabled",
    "Visible": "true",
    "NetworkInterfaceTrafficConfig.NetworkInterfaceTrafficMode": "standard",
}
"""Values of unsupported parameters that request the default; ``false`` always does."""


def checked(action: Action) -> Callable[[Call], Answer]:
    """Return the action with a check that first refuses unsupported parameters.

    Parameters that the action has not read are logged: they have no effect with the others, such as
    the period of a pay-as-you-go instance. The action of a repeated ClientToken is not carried out,
    and refuses nothing.
    """

    def carried_out(call: Call) -> Answer:
        official = official_actions(call.version).get(call.action)
        if official is None:
            return action(call) or {}
        refuse_unsupported(call)
        answer = action(call) or {}
        known = {*COMMON, *without_effect(call.action, official)}
        beside = [
            name
            for name, value in call.parameters.values.items()
            if value and name not in call.parameters.read and plain_name(name) not in known
        ]
        if beside:
            LOG.info("%s: %s has no effect with the other parameters", call.action, _shown(beside))
        return answer

    return carried_out


def of_the_action(version: str, action: str, values: Mapping[str, str]) -> Mapping[str, str]:
    """Return the values that are parameters of an action; ECS ignores others, and they are logged.

    So no parameter has an effect here that it does not have on ECS.
    """
    official = official_actions(version).get(action)
    if official is None:
        return values
    strange = [name for name, value in values.items() if value and not official.takes(name)]
    if strange:
        LOG.info("%s has no parameter %s: ignored", action, _shown(strange))
    return {name: value for name, value in values.items() if name not in strange}


def asked_for(version: str, action: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the unsupported parameters of a request, each with its feature."""
    official = official_actions(version).get(action)
    table = unsupported(action, official) if official else {}
    return {
        name: table[plain]
        for name, value in values.items()
        if (plain := plain_name(name)) in table
        and value.lower() not in ("", "false", _ASKS_FOR_NOTHING.get(plain, ""))
    }


def refuse_unsupported(call: Call) -> None:
    """Raise ``UnsupportedParameter`` for unsupported parameters with a value.

    Every cloud logs them; a lenient cloud only logs them.
    """
    found = asked_for(call.version, call.action, call.parameters.values)
    if not found:
        return
    LOG.warning("%s uses a parameter that is not implemented: %s", call.action, _shown(found))
    if not call.lenient:
        names, things = ", ".join(found), ", ".join(dict.fromkeys(found.values()))
        raise ApiError(
            "UnsupportedParameter",
            f"The parameter {names} of {call.action} is not implemented: the local cloud has "
            f"no {things}. Nothing was done. (ecsmachine local up --lenient ignores it.)",
        )


@functools.cache
def unsupported(action: str, official: OfficialAction) -> Mapping[str, str]:
    """Return the refused parameters of an action, each with its missing feature."""
    return _matching(UNSUPPORTED, action, official)


@functools.cache
def without_effect(action: str, official: OfficialAction) -> Mapping[str, str]:
    """Return the parameters of an action that change nothing, each with the reason.

    Besides the table these are what ECS itself does nothing with: the owners that every action
    may be given, and what its official description calls deprecated or not open to all.
    """
    of_ecs = "ECS itself ignores it."
    return {
        **_matching(WITHOUT_EFFECT, action, official),
        **dict.fromkeys([*OF_OTHER_OWNERS, *official.idle], of_ecs),
    }


def _matching(
    table: Mapping[str, Iterable[str]], action: str, official: OfficialAction
) -> dict[str, str]:
    return {
        name: text
        for text, patterns in table.items()
        for pattern in patterns
        for of, _, name_pattern in (pattern.rpartition(":"),)
        if not of or fnmatchcase(action, of)
        for name in official.parameters
        if name not in official.idle and fnmatchcase(name, name_pattern)
    }


def _shown(names: Iterable[str]) -> str:
    shown = [repr(name[:80]) for name in names]
    more = ", ..." if len(shown) > _NAMES_IN_LOG else ""
    return ", ".join(shown[:_NAMES_IN_LOG]) + more
