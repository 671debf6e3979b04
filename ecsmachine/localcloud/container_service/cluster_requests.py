"""The parameters for creating and scaling clusters: the guide's chapters 4.3 to 4.7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import get_args

from ecsmachine.localcloud.catalog.disk_categories import supported_categories
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.instance_types import find_instance_type, known_instance_type
from ecsmachine.localcloud.container_service.fields import Fields, check_cluster_name, invalid
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.names import valid_password
from ecsmachine.localcloud.state.clusters import Cluster, NetworkMode
from ecsmachine.localcloud.state.state import State

KUBERNETES, MANAGED = "Kubernetes", "ManagedKubernetes"
MOST_NODES = 50
_DATA_DISK_SIZES = {"cloud": (5, 2000), "cloud_efficiency": (20, 32768), "cloud_ssd": (20, 32768)}
"""Categories of data disks, and their smallest and largest size in GiB."""

_IO_OPTIMIZED = ("none", "optimized", "true", "false")
_ZONES = ("a", "b", "c")
_NETWORK_MODES: tuple[NetworkMode, ...] = get_args(NetworkMode)


@dataclass(frozen=True)
class NodeRequest:
    """The properties of new nodes. Disk size in GiB; without an image the choice is open."""

    password: str = field(repr=False)
    image: Image | None = None
    instance_type: str = ""
    data_disk_category: str = ""
    data_disk_size: int = 0
    public_address: bool = True

    def fits(self, instance_type: str) -> bool:
        """Return whether an instance of this type can have a system disk made of the image."""
        kind = known_instance_type(instance_type)
        return self.image is None or self.image.architecture == kind.image_architecture


def swarm_cluster(fields: Fields, state: State, bare: Cluster) -> Cluster:
    """Read the body of a Swarm cluster's creation into a ``bare`` one. Raises ``ApiError``."""
    name = check_cluster_name(fields.require("name"))
    size = fields.integer("size", least=1, most=MOST_NODES)
    mode = fields.choice("network_mode", _NETWORK_MODES)
    vpc_id, vswitch_id = state.default_vpc_id, state.default_vswitch_id
    subnet = "172.28.0.0/16"
    if mode == "vpc":
        vpc_id, vswitch_id = _network(fields, state, "vpc_id", "vswitch_id")
        subnet = _subnet(fields, state, vpc_id)
    databases = fields.texts("rds_instances")
    if databases:
        raise ApiError(
            "InvalidDBInstanceId.NotFound",
            f"There is no RDS instance {databases[0]}: the local cloud has none.",
            404,
        )
    return replace(
        bare,
        name=name,
        size=size,
        network_mode=mode,
        vpc_id=vpc_id,
        vswitch_id=vswitch_id,
        subnet_cidr=subnet,
    )


def node_request(fields: Fields, images: Sequence[Image]) -> NodeRequest:
    """Read what creating and scaling say alike about nodes."""
    kind = fields.require("instance_type")
    known = find_instance_type(kind)
    if known is None:
        raise invalid("instance_type", f"there is no instance type {kind}")
    fields.choice("io_optimized", _IO_OPTIMIZED, "optimized")
    category = fields.choice("data_disk_category", tuple(_DATA_DISK_SIZES))
    if category not in supported_categories(known):
        fitting = [one for one in supported_categories(known) if one in _DATA_DISK_SIZES]
        raise invalid(
            "data_disk_category",
            f"{kind} supports {', '.join(fitting) or 'none of the categories of clusters'}",
        )
    least, most = _DATA_DISK_SIZES[category]
    request = NodeRequest(
        password=_password(fields, "password"),
        image=_image(fields, images, required=False),
        instance_type=kind,
        data_disk_category=category,
        data_disk_size=fields.integer("data_disk_size", least=least, most=most),
        public_address=not fields.boolean("release_eip_flag"),
    )
    if not request.fits(kind):
        raise refusals.IMAGE_OF_TYPE()
    return request


def disk_request(fields: Fields, images: Sequence[Image]) -> NodeRequest:
    """Read what attaching and resetting say: a password, and the image of the new disk."""
    return NodeRequest(
        password=_password(fields, "password"),
        image=_image(fields, images, required=True),
        public_address=not fields.boolean("release_eip_flag"),
    )


def kubernetes_cluster(fields: Fields, state: State, bare: Cluster) -> Cluster:
    """Read the body of a Kubernetes cluster's creation into a ``bare`` one. Raises ``ApiError``.

    Its size counts masters and workers.
    """
    kind = fields.choice("cluster_type", (KUBERNETES, MANAGED))
    several = kind == KUBERNETES and fields.boolean("multi_az")
    name = check_cluster_name(fields.require("name"))
    if several:
        found = [_network(fields, state, "vpcid", f"vswitch_id_{zone}") for zone in _ZONES]
        numbers = [fields.integer(f"num_of_nodes_{zone}", least=0, most=300) for zone in _ZONES]
    else:
        found = [_network(fields, state, "vpcid", "vswitchid")]
        fields.require("zoneid")
        numbers = [fields.integer("num_of_nodes", least=0, most=300)]
    pods, services = fields.network("container_cidr"), fields.network("service_cidr")
    if pods.overlaps(services):
        raise invalid("service_cidr", f"it overlaps container_cidr {pods}")
    _login(fields, several)
    suffixes = [f"_{zone}" for zone in _ZONES] if several else [""]
    for role in ("worker",) if kind == MANAGED else ("master", "worker"):
        _group(fields, role, suffixes)
    settings = {
        name: fields.text(name)
        for name in ("container_cidr", "service_cidr", "zoneid", "key_pair", "multi_az")
        if name in fields
    }
    masters = 0 if kind == MANAGED else 3
    (vpc_id, vswitch_id), size = found[0], masters + sum(numbers)
    return replace(
        bare,
        name=name,
        kind=kind,
        size=size,
        vpc_id=vpc_id,
        vswitch_id=vswitch_id,
        settings=settings,
    )


def workers_wanted(fields: Fields) -> int:
    """Read the body that scales a cluster of Kubernetes kind: the number of workers."""
    fields.require("worker_instance_type")
    _password(fields, "login_password")
    return fields.integer("num_of_nodes", least=1, most=300)


def _group(fields: Fields, role: str, suffixes: list[str]) -> None:
    for suffix in suffixes:
        name = f"{role}_instance_type{suffix}"
        if find_instance_type(fields.require(name)) is None:
            raise invalid(name, f"there is no instance type {fields.text(name)}")
    charge = fields.choice(f"{role}_instance_charge_type", ("PostPaid", "PrePaid"), "PostPaid")
    if charge == "PrePaid":
        fields.choice(f"{role}_period_unit", ("Month", "Year"))
        fields.integer(f"{role}_period", least=1, most=60)
    fields.integer(f"{role}_system_disk_size", 40, least=20, most=500)
    if fields.boolean(f"{role}_data_disk"):
        fields.require(f"{role}_data_disk_category")
        fields.integer(f"{role}_data_disk_size", least=20, most=32768)


def _login(fields: Fields, several: bool) -> None:
    if several:
        _password(fields, "login_password")
    elif ("login_password" in fields) == ("key_pair" in fields):
        raise invalid("login_password", "give either it or key_pair")
    elif "login_password" in fields:
        _password(fields, "login_password")


def _network(fields: Fields, state: State, vpc_field: str, vswitch_field: str) -> tuple[str, str]:
    vpc_id, vswitch_id = fields.require(vpc_field), fields.require(vswitch_field)
    if state.vpcs.get(vpc_id) is None:
        raise ApiError("InvalidVpcId.NotFound", f"There is no VPC {vpc_id}.", 404)
    vswitch = state.vswitches.get(vswitch_id)
    if vswitch is None or vswitch.vpc_id != vpc_id:
        raise ApiError(
            "InvalidVSwitchId.NotFound", f"There is no VSwitch {vswitch_id} in {vpc_id}.", 404
        )
    return vpc_id, vswitch_id


def _subnet(fields: Fields, state: State, vpc_id: str) -> str:
    subnet = fields.network("subnet_cidr")
    if subnet.prefixlen > 24 or not subnet.is_private:
        raise invalid("subnet_cidr", "it must be a private network of at least /24")
    vpc = state.vpcs.get(vpc_id)
    if vpc is not None and subnet.overlaps(IPv4Network(vpc.cidr)):
        raise invalid("subnet_cidr", f"it overlaps the VPC's {vpc.cidr}")
    return str(subnet)


def _password(fields: Fields, name: str) -> str:
    password = fields.require(name)
    if not valid_password(password) or set(password) & {"\\", '"'}:
        raise invalid(
            name,
            "use 8 to 30 characters of three kinds (upper case, lower case, digits, special ones), "
            'without \\ and "',
        )
    return password


def _image(fields: Fields, images: Sequence[Image], *, required: bool) -> Image | None:
    """Return an image that there is; the guide writes ids with and without ``.vhd``."""
    given = fields.require("ecs_image_id") if required else fields.text("ecs_image_id")
    if not given:
        return None
    for image in images:
        if given.removesuffix(".vhd") == image.id.removesuffix(".vhd"):
            return image
    raise ApiError(
        "InvalidImageId.NotFound",
        f"There is no image {given}: GET /images lists them, and the account's own can be used.",
        404,
    )
