"""Elastic Compute Service (version 2014-05-26): the actions that we use, typed and thin.

Names of parameters and fields are those of Alibaba Cloud's API reference. Every method may
raise :class:`~ecsmachine.aliyun.errors.ApiError` and
:class:`~ecsmachine.aliyun.errors.ConnectionLostError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from ecsmachine.aliyun.ecs_values import (
    Disk,
    Image,
    Instance,
    InstanceType,
    KeyPair,
    NetworkInterface,
    Offer,
    Permission,
    Price,
    SecurityGroup,
)
from ecsmachine.aliyun.endpoints import REGION_LIST_ENDPOINT
from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.aliyun.rpc import Parameter, RpcClient, numbered, tag_parameters
from ecsmachine.documents.reading import read
from ecsmachine.documents.rules import ID, REGION

RULE_DESCRIPTION = "ecsmachine"
"""What is written beside the rules that we make."""

_SMALL_PAGE = 50
"""The largest page of some lists."""


class EcsClient(RegionalClient):
    """ECS in a region."""

    PRODUCT = "ecs"
    VERSION = "2014-05-26"
    PAGE_SIZE = 100

    @cached_property
    def _central(self) -> RpcClient:
        # a region that does not exist has no address of its own to ask at
        return self._client_at(REGION_LIST_ENDPOINT) if self._at_public_address else self.rpc

    def region_ids(self) -> list[str]:
        """Return every region that the account may use (DescribeRegions)."""
        answer = self._central.call("DescribeRegions", {})
        return [
            region.required("RegionId", REGION) for region in answer.objects("Regions", "Region")
        ]

    def zone_ids(self) -> list[str]:
        """Return the zones of the region (DescribeZones)."""
        answer = self.call("DescribeZones", Verbose=False)
        return [zone.required("ZoneId", REGION) for zone in answer.objects("Zones", "Zone")]

    def instance_types(
        self,
        names: Sequence[str] = (),
        *,
        cpus: tuple[int, int] = (0, 0),
        memory_gib: tuple[int, int] = (0, 0),
        architecture: str = "",
    ) -> Iterator[InstanceType]:
        """Yield instance types, all or the named ones that exist (DescribeInstanceTypes).

        ``cpus`` and ``memory_gib`` are least and most; 0 is no bound. ``architecture`` is X86 or
        ARM.
        """
        for item in self.rpc.pages_by_token(
            "DescribeInstanceTypes",
            {
                "RegionId": self.region,
                "MinimumCpuCoreCount": cpus[0] or None,
                "MaximumCpuCoreCount": cpus[1] or None,
                "MinimumMemorySize": memory_gib[0] or None,
                "MaximumMemorySize": memory_gib[1] or None,
                "CpuArchitecture": architecture,
                **numbered("InstanceTypes", tuple(names)),
            },
            *("InstanceTypes", "InstanceType"),
        ):
            yield read(InstanceType, item)

    def offers(
        self,
        resource: str,
        *,
        zone: str = "",
        instance_type: str = "",
        system_disk_category: str = "",
        io_optimized: str = "optimized",
        charge_type: str = "PostPaid",
        spot_strategy: str = "NoSpot",
    ) -> list[Offer]:
        """Return what zones offer of a resource (DescribeAvailableResource).

        ``resource`` is InstanceType, SystemDisk or DataDisk.
        """
        answer = self.call(
            "DescribeAvailableResource",
            DestinationResource=resource,
            ResourceType="instance",
            ZoneId=zone,
            InstanceType=instance_type,
            SystemDiskCategory=system_disk_category,
            IoOptimized=io_optimized,
            InstanceChargeType=charge_type,
            SpotStrategy=spot_strategy if spot_strategy != "NoSpot" else "",
        )
        offers = []
        for place in answer.objects("AvailableZones", "AvailableZone"):
            for available in place.objects("AvailableResources", "AvailableResource"):
                if available.text("Type", ID, resource) != resource:
                    continue
                for item in available.objects("SupportedResources", "SupportedResource"):
                    offers.append(
                        Offer(
                            zone=place.required("ZoneId", REGION),
                            value=item.required("Value", ID),
                            available=place.text("Status", ID, "Available") == "Available"
                            and item.text("Status", ID, "Available") == "Available",
                            min_size_gib=item.number("Min") or None,
                            max_size_gib=item.number("Max") or None,
                        )
                    )
        return offers

    def images(
        self,
        *,
        image_id: str = "",
        family: str = "",
        owner: str = "",
        instance_type: str = "",
        architecture: str = "",
        os_type: str = "",
    ) -> Iterator[Image]:
        """Yield the images that can be used (DescribeImages)."""
        return self._list(
            Image,
            "DescribeImages",
            "Images.Image",
            ImageId=image_id,
            ImageFamily=family,
            ImageOwnerAlias=owner,
            InstanceType=instance_type,
            Architecture=architecture,
            OSType=os_type,
            Status="Available",
        )

    def instances(
        self,
        *,
        ids: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        vswitch_id: str = "",
        security_group_id: str = "",
        key_pair: str = "",
    ) -> Iterator[Instance]:
        """Yield instances (DescribeInstances); at most 100 ``ids``."""
        return self._list(
            Instance,
            "DescribeInstances",
            "Instances.Instance",
            InstanceIds=json.dumps(list(ids)) if ids else "",
            VSwitchId=vswitch_id,
            SecurityGroupId=security_group_id,
            KeyPairName=key_pair,
            **tag_parameters(tags or {}),
        )

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance, or None if it is not there (yet, or any more)."""
        return next(self.instances(ids=[instance_id]), None)

    def instances_with_role(self, name: str) -> set[str]:
        """Return the ids of the instances that have a RAM role (DescribeInstanceRamRole)."""
        path = "InstanceRamRoleSets.InstanceRamRoleSet"
        found = self._pages("DescribeInstanceRamRole", path, 50, RamRoleName=name)
        return {item.required("InstanceId", ID) for item in found}

    def run_instance(self, parameters: Mapping[str, Parameter], *, token: str) -> str:
        """Make and start one instance and return its id (RunInstances)."""
        answer = self.call("RunInstances", **parameters, Amount=1, MinAmount=1, ClientToken=token)
        made = answer.texts("InstanceIdSets", "InstanceIdSet", rule=ID)
        if not made:
            raise answer.error("InstanceIdSets", " is missing")
        return made[0]

    def dry_run_instance(self, parameters: Mapping[str, Parameter]) -> None:
        """Let ECS check a RunInstances request without making anything (DryRun)."""
        self.dry_run("RunInstances", **parameters, Amount=1, MinAmount=1)

    def dry_run_delete(self, instance_id: str) -> None:
        """Let ECS check whether it would release an instance for us (DeleteInstance, DryRun)."""
        self.dry_run("DeleteInstance", InstanceId=instance_id, Force=True)

    def dry_run(self, action: str, **parameters: Parameter) -> None:
        """Let ECS check a request without doing what it asks for. Raises what it refuses."""
        from ecsmachine.aliyun.error_codes import Meaning
        from ecsmachine.aliyun.errors import ApiError

        try:
            self.call(action, **parameters, DryRun=True)
        except ApiError as error:
            if error.meaning is not Meaning.DRY_RUN_PASSED:
                raise

    def start_instance(self, instance_id: str) -> None:
        """Start a stopped instance (StartInstance)."""
        self.call("StartInstance", InstanceId=instance_id)

    def stop_instance(self, instance_id: str, *, force: bool = False, mode: str = "") -> None:
        """Stop an instance; with ``force`` as by pulling the plug (StopInstance).

        ``mode`` is StopCharging or KeepCharging; "" is the account's default.
        """
        self.call("StopInstance", InstanceId=instance_id, ForceStop=force, StoppedMode=mode)

    def set_auto_release(self, instance_id: str, when: str) -> None:
        """Let an instance be released at a time; "" for never (ModifyInstanceAutoReleaseTime)."""
        self.call("ModifyInstanceAutoReleaseTime", InstanceId=instance_id, AutoReleaseTime=when)

    def reboot_instance(self, instance_id: str) -> None:
        """Restart an instance in an orderly way (RebootInstance)."""
        self.call("RebootInstance", InstanceId=instance_id)

    def delete_instance(self, instance_id: str) -> None:
        """Release an instance, running or not, paid in advance or not (DeleteInstance)."""
        self.call("DeleteInstance", InstanceId=instance_id, Force=True, TerminateSubscription=True)

    def delete_instances(self, instance_ids: Sequence[str]) -> None:
        """Release at most 100 instances as :meth:`delete_instance` does, or none of them.

        Source: DeleteInstances.
        """
        self.call(
            "DeleteInstances",
            **numbered("InstanceId", list(instance_ids)),
            Force=True,
            TerminateSubscription=True,
        )

    def disks(
        self, *, instance_id: str = "", tags: Mapping[str, str] | None = None
    ) -> Iterator[Disk]:
        """Yield disks, of an instance or with tags (DescribeDisks)."""
        return self._list(
            Disk,
            "DescribeDisks",
            "Disks.Disk",
            InstanceId=instance_id,
            **tag_parameters(tags or {}),
        )

    def delete_disk(self, disk_id: str) -> None:
        """Release a disk that is attached to nothing (DeleteDisk)."""
        self.call("DeleteDisk", DiskId=disk_id)

    def network_interfaces(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        security_group_id: str = "",
        vswitch_id: str = "",
    ) -> Iterator[NetworkInterface]:
        """Yield network interfaces, filtered by what is given (DescribeNetworkInterfaces)."""
        return self._list(
            NetworkInterface,
            "DescribeNetworkInterfaces",
            "NetworkInterfaceSets.NetworkInterfaceSet",
            SecurityGroupId=security_group_id,
            VSwitchId=vswitch_id,
            **tag_parameters(tags or {}),
        )

    def delete_network_interface(self, interface_id: str) -> None:
        """Release a network interface that is attached to nothing (DeleteNetworkInterface)."""
        self.call("DeleteNetworkInterface", NetworkInterfaceId=interface_id)

    def price(
        self, kind: str, parameters: Mapping[str, Parameter], unit: str = "Hour", period: int = 1
    ) -> Price | None:
        """Return the price of some hours, weeks or months, if the answer names one (DescribePrice).

        ``kind`` is instance or disk; ``parameters`` say which.
        """
        answer = self.call(
            "DescribePrice", ResourceType=kind, PriceUnit=unit, Period=period, **parameters
        )
        price = answer.object("PriceInfo").object("Price")
        if not price.has("TradePrice"):
            return None
        parts = tuple(
            (part.text("Resource", ID), part.decimal("TradePrice"))
            for part in price.objects("DetailInfos", "DetailInfo")
            if part.has("TradePrice")
        )
        return Price(price.decimal("TradePrice"), price.text("Currency", ID), parts)

    def tag(self, resource_type: str, resource_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Tag at most 50 resources (TagResources); types are instance, disk, securitygroup, …"""
        self.rpc.call(
            "TagResources",
            {
                "RegionId": self.region,
                "ResourceType": resource_type,
                **numbered("ResourceId", tuple(resource_ids)),
                **tag_parameters(tags),
            },
            idempotent=True,
            with_empty=True,  # a tag's value may be empty, but has to be there
        )

    def security_groups(
        self,
        *,
        name: str = "",
        vpc_id: str = "",
        group_id: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[SecurityGroup]:
        """Yield security groups (DescribeSecurityGroups)."""
        return self._list(
            SecurityGroup,
            "DescribeSecurityGroups",
            "SecurityGroups.SecurityGroup",
            _SMALL_PAGE,
            SecurityGroupName=name,
            VpcId=vpc_id,
            SecurityGroupId=group_id,
            **tag_parameters(tags or {}),
        )

    def create_security_group(
        self,
        name: str,
        *,
        vpc_id: str,
        description: str,
        tags: Mapping[str, str],
        token: str,
        resource_group_id: str = "",
    ) -> str:
        """Make a security group and return its id (CreateSecurityGroup)."""
        answer = self.call(
            "CreateSecurityGroup",
            SecurityGroupName=name,
            VpcId=vpc_id,
            Description=description,
            ResourceGroupId=resource_group_id,
            ClientToken=token,
            **tag_parameters(tags),
        )
        return answer.required("SecurityGroupId", ID)

    def permissions(self, group_id: str) -> list[Permission]:
        """Return the inbound rules of a security group (DescribeSecurityGroupAttribute)."""
        return [
            read(Permission, item)
            for item in self.rpc.pages_by_token(
                "DescribeSecurityGroupAttribute",
                {"RegionId": self.region, "SecurityGroupId": group_id, "Direction": "ingress"},
                *("Permissions", "Permission"),
                page_size=1000,
                first_size=0,  # then all come at once, up to a number that is not documented
            )
        ]

    def prefix_list(self, prefix_list_id: str) -> list[str]:
        """Return the networks of a prefix list (DescribePrefixListAttributes)."""
        answer = self.call("DescribePrefixListAttributes", PrefixListId=prefix_list_id)
        return [entry.text("Cidr") for entry in answer.objects("Entries", "Entry")]

    def referencing_groups(self, group_id: str) -> list[str]:
        """Return the groups whose rules name a group (DescribeSecurityGroupReferences)."""
        answer = self.call(
            "DescribeSecurityGroupReferences", **numbered("SecurityGroupId", (group_id,))
        )
        return [
            each.required("SecurityGroupId", ID)
            for item in answer.objects("SecurityGroupReferences", "SecurityGroupReference")
            for each in item.objects("ReferencingSecurityGroups", "ReferencingSecurityGroup")
        ]

    def inner_access(self, group_id: str) -> bool:
        """Return whether members of a group reach each other (DescribeSecurityGroupAttribute)."""
        answer = self.call("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
        return answer.text("InnerAccessPolicy", ID, "Accept").lower() != "drop"

    def authorize(self, group_id: str, permissions: Sequence[Permission]) -> None:
        """Add inbound rules; those that are there already stay as they are.

        Source: AuthorizeSecurityGroup with Permissions.N.
        """
        self.call("AuthorizeSecurityGroup", **_rule_parameters(group_id, permissions))

    def authorize_egress(self, group_id: str, rules: Sequence[Permission]) -> None:
        """Add outbound rules, whose networks are where to; AuthorizeSecurityGroupEgress."""
        parameters = _rule_parameters(group_id, rules)
        outbound = {
            name.replace("SourceCidrIp", "DestCidrIp"): value
            for name, value in parameters.items()
            if not name.endswith("SourceGroupId")
        }
        self.call("AuthorizeSecurityGroupEgress", **outbound)

    def revoke(self, group_id: str, permissions: Sequence[Permission]) -> None:
        """Remove inbound rules; those that are not there are passed over.

        Source: RevokeSecurityGroup with Permissions.N.
        """
        self.call("RevokeSecurityGroup", **_rule_parameters(group_id, permissions))

    def delete_security_group(self, group_id: str) -> None:
        """Remove a security group that nothing uses (DeleteSecurityGroup)."""
        self.call("DeleteSecurityGroup", SecurityGroupId=group_id)

    def key_pair(self, name: str) -> KeyPair | None:
        """Return a key pair, or None (DescribeKeyPairs)."""
        return next((pair for pair in self.key_pairs(name=name) if pair.name == name), None)

    def key_pairs(
        self, *, name: str = "", tags: Mapping[str, str] | None = None
    ) -> Iterator[KeyPair]:
        """Yield key pairs (DescribeKeyPairs)."""
        return self._list(
            KeyPair,
            "DescribeKeyPairs",
            "KeyPairs.KeyPair",
            _SMALL_PAGE,
            KeyPairName=name,
            **tag_parameters(tags or {}),
        )

    def import_key_pair(
        self, name: str, public_key: str, *, tags: Mapping[str, str], resource_group_id: str = ""
    ) -> None:
        """Make a key pair of a public key (ImportKeyPair).

        Asked twice, the second time is refused with KeyPair.AlreadyExist: the caller knows
        whether the name is its own.
        """
        self.call(
            "ImportKeyPair",
            KeyPairName=name,
            PublicKeyBody=public_key,
            ResourceGroupId=resource_group_id,
            **tag_parameters(tags),
        )

    def delete_key_pairs(self, names: Sequence[str]) -> None:
        """Remove key pairs; the hosts that they were given to keep them (DeleteKeyPairs)."""
        self.call("DeleteKeyPairs", KeyPairNames=json.dumps(list(names)))


def _rule_parameters(group_id: str, permissions: Sequence[Permission]) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {"SecurityGroupId": group_id}
    for number, permission in enumerate(permissions, start=1):
        parameters.update(
            {
                f"Permissions.{number}.IpProtocol": permission.protocol.upper(),
                f"Permissions.{number}.PortRange": permission.port_range,
                f"Permissions.{number}.SourceCidrIp": permission.source_cidr,
                f"Permissions.{number}.SourceGroupId": permission.source_group_id,
                f"Permissions.{number}.Policy": permission.policy,
                f"Permissions.{number}.Priority": str(permission.priority),
                f"Permissions.{number}.Description": RULE_DESCRIPTION,
            }
        )
    return parameters
