"""Where an instance goes, and what it is made of: what the checks found out, for create."""

from __future__ import annotations

from dataclasses import dataclass

from ecsmachine.aliyun.ecs_values import Image
from ecsmachine.aliyun.vpc import Eip
from ecsmachine.drivers.aliyunecs.resources.batch import FoundGroup
from ecsmachine.drivers.aliyunecs.resources.cost import Cost


@dataclass(frozen=True)
class Place:
    """An instance type, a zone, its VSwitch ("" if one is yet to be made), and the disks there.

    ``shared`` is whether the VSwitch is one that we made for the machines of this store. ``cost``
    is what a machine costs there, if ECS tells it.
    """

    instance_type: str
    zone: str
    vswitch_id: str
    system_disk_category: str
    data_disk_category: str = ""
    shared: bool = False
    cost: Cost | None = None


@dataclass(frozen=True)
class Plan:
    """What the checks chose and found.

    ``places`` are tried in turn when one has no stock. ``vpc_id`` is "" if a VPC is yet to be
    made; ``vpc_shared`` is whether it is one that we made for the machines of this store.
    ``public_key`` belongs to the private key that the user brought, if one was. ``eip`` is the
    elastic address that the user named. ``tried`` is whether ECS itself has checked the request
    (RunInstances with DryRun): it can only where a VSwitch and a security group are there already.
    """

    places: tuple[Place, ...]
    vpc_id: str
    vpc_shared: bool
    image: Image
    group: FoundGroup | None
    eip: Eip | None = None
    balancer_address: str = ""
    public_key: str = ""
    account_id: str = ""
    tried: bool = False
