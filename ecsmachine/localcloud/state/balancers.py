"""The data of load balancers, their listeners and servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ecsmachine.localcloud.state.model import Switch

BalancerStatus = Literal["active", "inactive"]


ListenerStatus = Literal["running", "stopped"]


LoadBalancerCharge = Literal["paybytraffic", "paybybandwidth"]


@dataclass(frozen=True)
class Backend:
    """A server behind a load balancer: an instance, or one ``address`` of a network interface."""

    server_id: Annotated[str, "ServerId"]
    weight: Annotated[int, "Weight"]
    kind: Annotated[str, "Type"] = "ecs"
    port: int = 0
    description: Annotated[str, "Description"] = ""
    address: str = ""

    @property
    def key(self) -> str:
        """What tells it from the others on its port: an interface may have several addresses."""
        return f"{self.server_id} {self.address}".rstrip()

    def is_named_by(self, other: Backend) -> bool:
        """Whether a request means it: one that says no address means all of the interface."""
        return other.server_id == self.server_id and other.address in ("", self.address)


@dataclass(frozen=True)
class Listener:
    """A listener of a load balancer; ``settings`` are named as answers name them.

    Without a ``server_group_id`` it is of the default servers, on ``backend_port``.
    """

    port: int
    protocol: str
    status: ListenerStatus
    backend_port: int
    server_group_id: str = ""
    settings: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerGroup:
    """A server group of a load balancer (VServerGroup)."""

    id: Annotated[str, "VServerGroupId"]
    region: str
    balancer_id: str
    name: Annotated[str, "VServerGroupName"]
    created: Annotated[str, "CreateTime"]
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate that HTTPS listeners answer with, its chain, and its private key, in PEM."""

    id: Annotated[str, "ServerCertificateId"]
    region: Annotated[str, "RegionId"]
    name: Annotated[str, "ServerCertificateName"]
    certificate: str
    private_key: str = field(repr=False)
    created: Annotated[str, "CreateTime"]
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""


@dataclass(frozen=True)
class LoadBalancer:
    """A classic load balancer: its address, its default server group and its listeners."""

    id: Annotated[str, "LoadBalancerId"]
    region: Annotated[str, "RegionId"]
    name: Annotated[str, "LoadBalancerName"]
    address: Annotated[str, "Address"]
    address_type: Annotated[str, "AddressType"]
    network_type: Annotated[str, "NetworkType"]
    vpc_id: Annotated[str, "VpcId"]
    vswitch_id: Annotated[str, "VSwitchId"]
    status: Annotated[BalancerStatus, "LoadBalancerStatus"]
    created: Annotated[str, "CreateTime"]
    internet_charge_type: Annotated[LoadBalancerCharge, "InternetChargeTypeAlias"]
    bandwidth: Annotated[int, "Bandwidth"]
    spec: Annotated[str, "LoadBalancerSpec"]
    charge_type: Annotated[str, "PayType"]
    master_zone: Annotated[str, "MasterZoneId"]
    slave_zone: Annotated[str, "SlaveZoneId"]
    resource_group_id: Annotated[str, "ResourceGroupId"] = ""
    delete_protection: Annotated[Switch, "DeleteProtection"] = "off"
    modification_protection: Annotated[str, "ModificationProtectionStatus"] = "NonProtection"
    modification_protection_reason: Annotated[str, "ModificationProtectionReason"] = ""
    metering: Annotated[str, "InstanceChargeType"] = "PayBySpec"
    expires: str = ""
    backends: tuple[Backend, ...] = ()
    listeners: tuple[Listener, ...] = ()

    def in_order(self) -> list[Listener]:
        """Return the listeners by their ports."""
        return sorted(self.listeners, key=lambda listener: (listener.port, listener.protocol))

    def id_of(self, listener: Listener) -> str:
        """Return what TagResources calls a listener."""
        return f"{self.id}_{listener.protocol}_{listener.port}"
