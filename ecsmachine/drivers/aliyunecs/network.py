"""The network of a machine: the VPC and VSwitch that are named, or the region's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ecsmachine.aliyun.vpc import VSwitch
from ecsmachine.drivers.aliyunecs.cloud import Cloud
from ecsmachine.drivers.aliyunecs.settings import Settings
from ecsmachine.drivers.aliyunecs.suggestions import nearest
from ecsmachine.errors import PreCreateCheckError


@dataclass(frozen=True)
class Network:
    """A VPC ("" if one is yet to be made) and the VSwitches in it that may be used.

    ``named`` is whether the one VSwitch was named by the user.
    """

    vpc_id: str
    vswitches: tuple[VSwitch, ...]
    named: bool = False

    def candidates(self, zones: Sequence[str], zone: str) -> Iterator[tuple[str, VSwitch | None]]:
        """Yield zones with a VSwitch each, best first.

        ``zones`` are those that offer the instance type; ``zone`` is the one that was named, or
        "". A VSwitch that the user named comes whatever its zone offers.
        """
        if self.named:
            yield self.vswitches[0].zone, self.vswitches[0]
            return
        for vswitch in sorted(
            self.vswitches, key=lambda each: (not each.is_default, -each.free_addresses, each.id)
        ):
            if vswitch.zone in zones and zone in ("", vswitch.zone) and vswitch.free_addresses:
                yield vswitch.zone, vswitch


def look(cloud: Cloud, settings: Settings) -> Network:
    """Return the network that the settings name, or the region's default one.

    Raises :class:`PreCreateCheckError` if what is named is not there or does not fit together.
    """
    if settings.vswitch_id:
        return _of_vswitch(cloud, settings)
    if settings.vpc_id:
        _check_vpc(cloud, settings.vpc_id)
        return Network(settings.vpc_id, tuple(_vswitches(cloud, settings.vpc_id, settings.zone)))
    default = next(cloud.vpc.vpcs(is_default=True), None)
    if default is None:
        raise PreCreateCheckError(
            f"Region {cloud.region} has no default VPC",
            hint="Give --aliyunecs-vpc-id and --aliyunecs-vswitch-id.",
        )
    return Network(default.id, tuple(_vswitches(cloud, default.id, settings.zone)))


def _of_vswitch(cloud: Cloud, settings: Settings) -> Network:
    vswitch = next(cloud.vpc.vswitches(vswitch_id=settings.vswitch_id), None)
    if settings.vpc_id:
        _check_vpc(cloud, settings.vpc_id)
    if vswitch is None:
        within = settings.vpc_id
        raise PreCreateCheckError(
            f'There is no VSwitch "{settings.vswitch_id}" in region {cloud.region} '
            "(--aliyunecs-vswitch-id, ECS_VSWITCH_ID)",
            hint=nearest(
                settings.vswitch_id,
                (each.id for each in cloud.vpc.vswitches(vpc_id=within)),
                what="VSwitches in that VPC" if within else "VSwitches in the region",
            ),
        )
    if settings.vpc_id and vswitch.vpc_id != settings.vpc_id:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} belongs to VPC {vswitch.vpc_id}, not to {settings.vpc_id}",
            hint="Correct --aliyunecs-vpc-id or --aliyunecs-vswitch-id.",
        )
    if settings.zone and vswitch.zone != settings.zone:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} is in zone {vswitch.zone}, not in {settings.zone}",
            hint="Correct --aliyunecs-zone or --aliyunecs-vswitch-id, or leave the zone out.",
        )
    if not vswitch.free_addresses:
        raise PreCreateCheckError(
            f"The VSwitch {vswitch.id} has no free address left", hint="Take another VSwitch."
        )
    return Network(vswitch.vpc_id, (vswitch,), named=True)


def _check_vpc(cloud: Cloud, vpc_id: str) -> None:
    if next(cloud.vpc.vpcs(vpc_id=vpc_id), None) is None:
        raise PreCreateCheckError(
            f'There is no VPC "{vpc_id}" in region {cloud.region} (--aliyunecs-vpc-id, ECS_VPC_ID)',
            hint=nearest(vpc_id, (vpc.id for vpc in cloud.vpc.vpcs()), what="VPCs in the region"),
        )


def _vswitches(cloud: Cloud, vpc_id: str, zone: str) -> list[VSwitch]:
    return list(cloud.vpc.vswitches(vpc_id=vpc_id, zone=zone))
