"""What a user brings to a create: it is used, and must be there, and free, when all is over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecsmachine.aliyun.access_key import ApiAddress, Credentials, FixedCredentials
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.ssh.keys import ensure_key_pair

REGION = "eu-central-1"
"""A region without a network of its own: what a create does not find there it makes."""


@dataclass(frozen=True)
class Brought:
    """The ids of what the user has in the cloud; ``key_path`` is the key pair's private key."""

    vpc: str
    vswitch: str
    security_group: str
    key_pair: str
    key_path: Path
    eip: str
    load_balancer: str


def clients_of(cloud: EmbeddedCloud) -> Cloud:
    """Return what asks the cloud itself, as its owner does in the console."""
    key = Credentials(cloud.access_key_id, cloud.access_key_secret)
    return Cloud(REGION, FixedCredentials("torture", key), ApiAddress(cloud.endpoint))


def bring(cloud: EmbeddedCloud, folder: Path) -> Brought:
    """Put one of everything that a user can bring into a cloud; the key into ``folder``."""
    clients = clients_of(cloud)
    vpc = clients.vpc.create_vpc(name="mine", cidr="172.20.0.0/16", description="", token="v")
    vswitch = clients.vpc.create_vswitch(
        vpc_id=vpc,
        zone=f"{REGION}a",
        cidr="172.20.1.0/24",
        name="mine",
        description="",
        token="s",
    )
    group = clients.ecs.create_security_group(
        "mine", vpc_id=vpc, description="", tags={"team": "a"}, token="g"
    )
    key_path = folder / "mine"
    clients.ecs.import_key_pair("mine", ensure_key_pair(key_path, "mine"), tags={"team": "a"})
    eip = clients.vpc.allocate_eip(
        bandwidth_mbps=1, charge_type="PayByTraffic", name="mine", token="e"
    )
    balancer = clients.slb.rpc.call(
        "CreateLoadBalancer", {"RegionId": REGION, "LoadBalancerName": "mine", "ClientToken": "b"}
    )
    return Brought(
        vpc, vswitch, group, "mine", key_path, eip.id, balancer.required("LoadBalancerId")
    )
