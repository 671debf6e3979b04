"""Load balancers, their listeners and servers: what the local cloud keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ecsmachine.localcloud.state.model import Switch

BalancerStatus = Literal["active", "inactive"]


ListenerStatus = Literal["running", "stopped"]


LoadBalancerCharge = Literal["paybytraffic", "paybybandwidth"]


@dataclass(frozen=True)
class Backend:
    """A server behind a load balancer."""

    server_id: str
    weight: int
    kind: str = "ecs"
    port: int = 0
    description: str = ""


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

    id: str
    region: str
    balancer_id: str
    name: str
    created: str
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate that HTTPS listeners answer with, its chain, and its private key, in PEM."""

    id: str
    region: str
    name: str
    certificate: str
    private_key: str = field(repr=False)
    created: str
    resource_group_id: str = ""


@dataclass(frozen=True)
class LoadBalancer:
    """A classic load balancer: its address, its default server group and its listeners."""

    id: str
    region: str
    name: str
    address: str
    address_type: str
    network_type: str
    vpc_id: str
    vswitch_id: str
    status: BalancerStatus
    created: str
    internet_charge_type: LoadBalancerCharge
    bandwidth: int
    spec: str
    charge_type: str
    master_zone: str
    slave_zone: str
    resource_group_id: str = ""
    delete_protection: Switch = "off"
    modification_protection: str = "NonProtection"
    modification_protection_reason: str = ""
    metering: str = "PayBySpec"
    expires: str = ""
    backends: tuple[Backend, ...] = ()
    listeners: tuple[Listener, ...] = ()
