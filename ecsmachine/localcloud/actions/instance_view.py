"""Instances in the form of DescribeInstances and DescribeInstanceAttribute."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.catalog.images import Image, all_images
from ecsmachine.localcloud.catalog.instance_types import known_instance_type
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.wire import Rendered
from ecsmachine.localcloud.state.interfaces import attached_interfaces, primary_interface
from ecsmachine.localcloud.state.model import Eip, Instance, NetworkInterface
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.resources import image_with_id
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tagging import ecs_tags, resource_tags

_Parts = tuple[Eip | None, dict[str, str], list[NetworkInterface]]
"""Other data in the answer for an instance: its EIP, tags and secondary interfaces."""


class InstanceViews:
    """The answer of DescribeInstances for each instance, cached for each version of it."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[Instance, _Parts, Rendered]] = {}

    def get(self, state: State, instance: Instance) -> Rendered:
        """Return the instance as a part of an answer."""
        parts = (
            state.eips.get(instance.eip_id),
            resource_tags(state, "instance", instance.id),
            attached_interfaces(state, instance.id),
        )
        known = self._views.get(instance.id)
        if known and known[0] is instance and known[1] == parts:
            return known[2]
        view = Rendered(_described(instance, *parts))
        self._views[instance.id] = (instance, parts, view)
        if len(self._views) > 2 * len(state.instances) + 100:
            self._views = {key: v for key, v in self._views.items() if key in state.instances}
        return view


def attributes(state: State, instance: Instance) -> dict[str, Any]:
    """Return the answer of DescribeInstanceAttribute for an instance."""
    common = _common(instance, state.eips.get(instance.eip_id))
    eip = common["EipAddress"]
    return {
        **common,
        **fixed("InstanceAttribute"),
        "EipAddress": {key: eip[key] for key in eip if key != "IsSupportUnassociate"},
        "IoOptimized": "optimized" if instance.io_optimized else "none",
    }


def _common(instance: Instance, eip: Eip | None) -> dict[str, Any]:
    kind = known_instance_type(instance.instance_type)
    return {
        **api_fields(instance, "InstanceOrAttribute"),
        "Cpu": kind.cpu,
        "Memory": int(kind.memory_gib * 1024),
        "EipAddress": {
            "AllocationId": eip.id if eip else "",
            "IpAddress": eip.address if eip else "",
            "Bandwidth": eip.bandwidth if eip else 0,
            "InternetChargeType": eip.internet_charge_type if eip else "",
            "IsSupportUnassociate": eip is not None,
        },
        # After EipAddress: footmark, which Ansible's modules used, reads them in this order.
        "PublicIpAddress": {"IpAddress": [instance.public_ip] if instance.public_ip else []},
        "VpcAttributes": {
            "VpcId": instance.vpc_id,
            "VSwitchId": instance.vswitch_id,
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [instance.private_ip]},
        },
        "SecurityGroupIds": {"SecurityGroupId": list(instance.security_group_ids)},
        "OperationLocks": {
            "LockReason": [{"LockReason": reason, "LockMsg": ""} for reason in instance.locks]
        },
    }


def _described(
    instance: Instance, eip: Eip | None, tags: dict[str, str], interfaces: list[NetworkInterface]
) -> dict[str, Any]:
    kind = known_instance_type(instance.instance_type)
    image = _image(instance)
    return {
        **_common(instance, eip),
        **fixed("Instance"),
        "InstanceTypeFamily": kind.family,
        "IoOptimized": instance.io_optimized,
        "KeyPairName": instance.key_pair,
        "OSName": image.os_name if image else "",
        "OSNameEn": image.os_name_en if image else "",
        "StartTime": instance.started,
        "AutoReleaseTime": instance.auto_release,
        "DeletionProtection": instance.deletion_protection,
        "SaleCycle": instance.period_unit,
        "ResourceGroupId": instance.resource_group_id,
        "SpotStrategy": instance.spot_strategy,
        "SpotPriceLimit": instance.spot_price_limit,
        "SpotDuration": instance.spot_duration,
        "SpotInterruptionBehavior": instance.spot_interruption,
        "DeploymentSetId": instance.deployment_set_id,
        "DeploymentSetGroupNo": instance.deployment_set_group,
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    **fixed("InterfaceOfInstance"),
                    "NetworkInterfaceId": interface.id,
                    "MacAddress": interface.mac,
                    "Type": interface.kind,
                    "PrimaryIpAddress": interface.private_ip,
                    "PrivateIpSets": {
                        "PrivateIpSet": [
                            {
                                "PrivateIpAddress": address,
                                "PrivateDnsName": "",
                                "Primary": address == interface.private_ip,
                            }
                            for address in interface.addresses
                        ]
                    },
                }
                for interface in (primary_interface(instance), *interfaces)
            ]
        },
        "Tags": ecs_tags(tags),
        "CpuOptions": {
            **fixed("CpuOptions"),
            "CoreCount": kind.cores,
            "ThreadsPerCore": instance.cpu_options.threads_per_core or kind.threads_per_core,
            "TopologyType": instance.cpu_options.topology or "DiscreteCoreToHTMapping",
        },
        "MetadataOptions": api_fields(instance.metadata_options),
        "ImageOptions": {
            "LoginAsNonRoot": instance.login_as_non_root,
            "CurrentOSNVMeSupported": True,
        },
    }


def _image(instance: Instance) -> Image | None:
    return image_with_id(all_images(), instance.base_image_id or instance.image_id)
