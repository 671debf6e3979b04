"""Classic load balancers (version 2014-05-15): looking at one, and the servers behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.documents.rules import ADDRESS, ID


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer and the instances behind it."""

    id: str
    name: str
    address: str
    status: str
    vpc_id: str
    server_ids: tuple[str, ...]


class SlbClient(RegionalClient):
    """SLB in a region."""

    PRODUCT = "slb"
    VERSION = "2014-05-15"

    def load_balancer(self, load_balancer_id: str) -> LoadBalancer:
        """Return a load balancer (DescribeLoadBalancerAttribute)."""
        answer = self._call("DescribeLoadBalancerAttribute", {"LoadBalancerId": load_balancer_id})
        return LoadBalancer(
            id=answer.text("LoadBalancerId", ID, load_balancer_id),
            name=answer.text("LoadBalancerName"),
            address=answer.text("Address", ADDRESS),
            status=answer.text("LoadBalancerStatus", ID),
            vpc_id=answer.text("VpcId", ID),
            server_ids=tuple(
                server.text("ServerId", ID)
                for server in answer.objects("BackendServers", "BackendServer")
            ),
        )

    def load_balancers_before(self, instance_id: str) -> list[str]:
        """Return the ids of the load balancers that send to an instance (DescribeLoadBalancers)."""
        return [
            item.required("LoadBalancerId", ID)
            for item in self._pages(
                "DescribeLoadBalancers", {"ServerId": instance_id}, "LoadBalancers", "LoadBalancer"
            )
        ]

    def add_backend_server(self, load_balancer_id: str, instance_id: str, *, weight: int) -> None:
        """Put an instance behind a load balancer; twice is as once (AddBackendServers)."""
        servers = [{"ServerId": instance_id, "Weight": str(weight), "Type": "ecs"}]
        self._call(
            "AddBackendServers",
            {"LoadBalancerId": load_balancer_id, "BackendServers": json.dumps(servers)},
            idempotent=True,
        )

    def remove_backend_server(self, load_balancer_id: str, instance_id: str) -> None:
        """Take an instance from behind a load balancer (RemoveBackendServers)."""
        servers = [{"ServerId": instance_id, "Type": "ecs"}]
        self._call(
            "RemoveBackendServers",
            {"LoadBalancerId": load_balancer_id, "BackendServers": json.dumps(servers)},
            idempotent=True,
        )
