"""Classic load balancers (version 2014-05-15): looking at one, and the servers behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from ecsmachine.aliyun.regional import RegionalClient
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import At, read
from ecsmachine.documents.rules import ADDRESS, ID


def _server_ids(answer: Fields) -> tuple[str, ...]:
    servers = answer.objects("BackendServers", "BackendServer")
    return tuple(server.text("ServerId", ID) for server in servers)


@dataclass(frozen=True)
class LoadBalancer:
    """The address of a load balancer, and the instances behind it."""

    address: Annotated[str, At("Address", ADDRESS)]
    server_ids: Annotated[tuple[str, ...], _server_ids]


class SlbClient(RegionalClient):
    """SLB in a region."""

    PRODUCT = "slb"
    VERSION = "2014-05-15"

    def load_balancer(self, load_balancer_id: str) -> LoadBalancer:
        """Return a load balancer (DescribeLoadBalancerAttribute)."""
        answer = self.call("DescribeLoadBalancerAttribute", LoadBalancerId=load_balancer_id)
        return read(LoadBalancer, answer)

    def load_balancers_before(self, instance_id: str) -> list[str]:
        """Return the ids of the load balancers that send to an instance (DescribeLoadBalancers)."""
        return [
            item.required("LoadBalancerId", ID)
            for item in self._pages(
                "DescribeLoadBalancers", "LoadBalancers.LoadBalancer", ServerId=instance_id
            )
        ]

    def add_backend_server(self, load_balancer_id: str, instance_id: str, *, weight: int) -> None:
        """Put an instance behind a load balancer; twice is as once (AddBackendServers)."""
        servers = [{"ServerId": instance_id, "Weight": str(weight), "Type": "ecs"}]
        self.call(
            "AddBackendServers", LoadBalancerId=load_balancer_id, BackendServers=json.dumps(servers)
        )

    def remove_backend_server(self, load_balancer_id: str, instance_id: str) -> None:
        """Take an instance from behind a load balancer (RemoveBackendServers)."""
        servers = [{"ServerId": instance_id, "Type": "ecs"}]
        self.call(
            "RemoveBackendServers",
            LoadBalancerId=load_balancer_id,
            BackendServers=json.dumps(servers),
        )
