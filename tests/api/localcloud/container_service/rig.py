"""What the tests of Container Service ask for, and how they wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ecsmachine.aliyun.container_service.application_client import ApplicationClient
from ecsmachine.aliyun.container_service.clusters import SwarmRequest
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.api_client import until

PASSWORD = "TestPwd124"


TEMPLATE = """
web:
  image: busybox
  command: httpd -f
  labels: {aliyun.scale: "2", aliyun.routing.port_80: web.local}
db:
  image: busybox
  volumes: ["data:/data"]
  environment: {USER: "${USER}"}
"""


def small_swarm(cloud: EmbeddedCloud) -> SwarmRequest:
    return SwarmRequest(
        name="small",
        size=1,
        instance_type="ecs.g6.large",
        password=PASSWORD,
        data_disk_category="cloud_ssd",
        data_disk_size=40,
        vpc_id=cloud.state.default_vpc_id,
        vswitch_id=cloud.state.default_vswitch_id,
        subnet_cidr="10.200.0.0/16",
    )


def at_rest(applications: ApplicationClient, name: str) -> str:
    """Return the state of a project once no work on it is under way."""
    moving = ("launching", "updating", "starting", "stopping", "scaling", "deleting")
    state: str = until(lambda: (s := applications.project(name).current_state) not in moving and s)
    return state


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.request_id
    return f"{caught.value.status} {caught.value.code}"


def servers_of(cloud: EmbeddedCloud, balancer: str) -> list[str]:
    found = cloud.state.load_balancers.get(balancer)
    assert found is not None
    return [backend.server_id for backend in found.backends]
