"""Clusters of Kubernetes kind on the wire: in one zone, in several, and managed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ecsmachine.aliyun.container_service import rules

Kind = Literal["single-zone", "multi-zone", "managed"]

ZONES = ("a", "b", "c")
_CHARGE_TYPES = ("PostPaid", "PrePaid")


@dataclass(frozen=True)
class NodeGroup:
    """Masters or workers; with several zones, ``instance_types`` has one for each.

    ``period`` counts ``period_unit`` (Month or Year), for subscriptions (PrePaid) only.
    ``disk`` sizes are GiB.
    """

    instance_types: tuple[str, ...]
    charge_type: str = "PostPaid"
    period_unit: str = ""
    period: int = 0
    auto_renew: bool = False
    system_disk_category: str = "cloud_efficiency"
    system_disk_size: int = 40
    data_disk: bool = False
    data_disk_category: str = "cloud_efficiency"
    data_disk_size: int = 40

    def fields(self, role: str, zones: int) -> dict[str, Any]:
        """Return the fields that begin with ``role`` (master or worker)."""
        if len(self.instance_types) != zones or not all(self.instance_types):
            raise _number_needed(f"{role}_instance_type", zones)
        rules.check_choice(f"{role}_instance_charge_type", self.charge_type, _CHARGE_TYPES)
        body: dict[str, Any] = {f"{role}_instance_charge_type": self.charge_type}
        if zones > 1:
            for letter, name in zip(ZONES, self.instance_types, strict=True):
                body[f"{role}_instance_type_{letter}"] = name
        else:
            body[f"{role}_instance_type"] = self.instance_types[0]
        if self.charge_type == "PrePaid":
            rules.check_choice(f"{role}_period_unit", self.period_unit, ("Month", "Year"))
            rules.check_number(f"{role}_period", self.period, 1, 60)
            body[f"{role}_period_unit"] = self.period_unit
            body[f"{role}_period"] = self.period
            body[f"{role}_auto_renew"] = self.auto_renew
            if self.auto_renew:
                body[f"{role}_auto_renew_period"] = 1
        elif self.period or self.period_unit:
            raise rules.FieldError(
                f"{role}_period",
                ": only subscriptions (PrePaid) have a period",
                "Make it a subscription, or leave the period out.",
            )
        body[f"{role}_system_disk_category"] = self.system_disk_category
        body[f"{role}_system_disk_size"] = self.system_disk_size
        body[f"{role}_data_disk"] = self.data_disk
        if self.data_disk:
            body[f"{role}_data_disk_category"] = self.data_disk_category
            body[f"{role}_data_disk_size"] = self.data_disk_size
        return body


@dataclass(frozen=True)
class KubernetesRequest:
    """A new cluster of Kubernetes kind.

    One zone and managed: one VSwitch, one number of workers; several zones: three of each.
    Managed clusters have no masters of their own. ``timeout_mins`` is in minutes.
    """

    kind: Kind
    name: str
    region_id: str
    vpc_id: str
    vswitch_ids: tuple[str, ...]
    container_cidr: str
    service_cidr: str
    workers: NodeGroup
    worker_numbers: tuple[int, ...]
    masters: NodeGroup | None = None
    zone_id: str = ""
    login_password: str = field(default="", repr=False)
    key_pair: str = ""
    ssh_flags: bool = False
    cloud_monitor_flags: bool = False
    snat_entry: bool = True
    public_slb: bool = False
    disable_rollback: bool = True
    timeout_mins: int = 60

    def body(self) -> dict[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        zones = 3 if self.kind == "multi-zone" else 1
        rules.require(name=self.name, region_id=self.region_id, vpcid=self.vpc_id)
        rules.check_cluster_name(self.name)
        self._check_networks()
        if len(self.vswitch_ids) != zones or not all(self.vswitch_ids):
            raise _number_needed("vswitchid", zones)
        if len(self.worker_numbers) != zones:
            raise _number_needed("num_of_nodes", zones)
        for amount in self.worker_numbers:
            rules.check_number("num_of_nodes", amount, 0, 300)
        rules.check_number("timeout_mins", self.timeout_mins, 1, 1440)
        body: dict[str, Any] = {
            "cluster_type": "ManagedKubernetes" if self.kind == "managed" else "Kubernetes",
            "name": self.name,
            "region_id": self.region_id,
            "vpcid": self.vpc_id,
            "container_cidr": self.container_cidr,
            "service_cidr": self.service_cidr,
            "disable_rollback": self.disable_rollback,
            "timeout_mins": self.timeout_mins,
            "cloud_monitor_flags": self.cloud_monitor_flags,
            **self._login(),
            **self.workers.fields("worker", zones),
        }
        if self.kind == "multi-zone":
            body["multi_az"] = True
            for letter, vswitch, amount in zip(
                ZONES, self.vswitch_ids, self.worker_numbers, strict=True
            ):
                body[f"vswitch_id_{letter}"] = vswitch
                body[f"num_of_nodes_{letter}"] = amount
        else:
            rules.require(zoneid=self.zone_id)
            body["zoneid"] = self.zone_id
            body["vswitchid"] = self.vswitch_ids[0]
            body["num_of_nodes"] = self.worker_numbers[0]
            body["snat_entry"] = self.snat_entry
        if self.kind == "managed":
            if self.masters is not None:
                raise rules.FieldError(
                    "master_instance_type",
                    ": a managed cluster has no masters of its own",
                    "Leave the masters out.",
                )
            return body
        if self.masters is None:
            raise rules.FieldError("master_instance_type", " is required", "Give {field}.")
        body["ssh_flags"] = self.ssh_flags
        body["public_slb"] = self.public_slb
        return {**body, **self.masters.fields("master", zones)}

    def _check_networks(self) -> None:
        pods = rules.check_cidr("container_cidr", self.container_cidr)
        if pods.overlaps(rules.check_cidr("service_cidr", self.service_cidr)):
            raise rules.FieldError(
                "service_cidr",
                f": {self.service_cidr} overlaps the pods' {self.container_cidr}",
                "Choose two blocks that do not overlap.",
            )

    def _login(self) -> dict[str, str]:
        if self.kind == "multi-zone" and self.key_pair:
            raise rules.FieldError(
                "key_pair", ": clusters in several zones accept only a password", "Give a password."
            )
        if bool(self.login_password) == bool(self.key_pair):
            raise rules.FieldError(
                "login_password",
                ": either a password or a key pair must be given, not both",
                "Give one of the two.",
            )
        if self.key_pair:
            return {"key_pair": self.key_pair}
        rules.check_password(self.login_password, "login_password")
        return {"login_password": self.login_password}


@dataclass(frozen=True)
class KubernetesScaleRequest:
    """Workers for a cluster of Kubernetes kind (PUT /clusters/ID)."""

    num_of_nodes: int
    worker_instance_type: str
    login_password: str = field(repr=False)
    disable_rollback: bool = True
    timeout_mins: int = 60

    def body(self) -> Mapping[str, Any]:
        """Return the request's body. Raises :class:`UsageError` for what the guide refuses."""
        rules.require(
            worker_instance_type=self.worker_instance_type, login_password=self.login_password
        )
        rules.check_password(self.login_password, "login_password")
        rules.check_number("num_of_nodes", self.num_of_nodes, 1, 300)
        return rules.body_of(self)


def _number_needed(field: str, zones: int) -> rules.FieldError:
    return rules.FieldError(field, f": give {zones} of them", "One for each zone.")
