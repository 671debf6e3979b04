"""A client that lets a test say every parameter itself; Alibaba's own code signs for it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aliyunsdkcore.auth.composer import rpc_signature_composer

from ecsmachine.localcloud.service.embedded import EmbeddedCloud

ECS, SLB, VPC, STS = "2014-05-26", "2014-05-15", "2016-04-28", "2015-04-01"
DEBIAN = "debian_12_8_x64_20G_alibase_20241216.vhd"


class RefusedError(Exception):
    """The cloud refused; all that it said."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body.get('Code')}: {body.get('Message')}")
        self.status = status
        self.code = str(body["Code"])
        self.message = str(body["Message"])
        self.body = body


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


def exchange(
    cloud: EmbeddedCloud,
    method: str,
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send one request as it is given."""
    connection = http.client.HTTPConnection(cloud.host, timeout=30)
    try:
        connection.request(method, url, body, headers or {})
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


class Api:
    """Calls actions of one cloud; ``call`` takes the parameters under their names on the wire."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.region = cloud.region

    def send(
        self,
        action: str,
        parameters: dict[str, Any] | None = None,
        *,
        version: str = ECS,
        method: str = "POST",
        form: str | None = "JSON",
        key: tuple[str, str] | None = None,
    ) -> Reply:
        """Sign and send a request: in the query for GET, in the body for POST."""
        key_id, secret = key or (self.cloud.access_key_id, self.cloud.access_key_secret)
        fields = {name: _text(value) for name, value in (parameters or {}).items()}
        fields = {"Action": action, "Version": version, **fields}
        in_query, in_body = (fields, {}) if method == "GET" else ({}, fields)
        url, _ = rpc_signature_composer.get_signed_url(
            dict(in_query), key_id, secret, form, method, in_body
        )
        body = urlencode(in_body).encode() if in_body else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        return exchange(self.cloud, method, url, body, headers)

    def call(
        self,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        version: str = ECS,
        method: str = "POST",
        **more: Any,
    ) -> dict[str, Any]:
        """Call an action in the cloud's region; raises :class:`RefusedError`."""
        values = {"RegionId": self.region, **(parameters or {}), **more}
        reply = self.send(action, values, version=version, method=method)
        body: dict[str, Any] = json.loads(reply.body)
        if reply.status != 200:
            raise RefusedError(reply.status, body)
        return body

    def refusal(self, action: str, parameters: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Return status and code of a call that has to be refused."""
        try:
            body = self.call(action, parameters, **more)
        except RefusedError as error:
            return f"{error.status} {error.code}"
        raise AssertionError(f"{action} was not refused: {body}")

    def group(self, name: str = "group", **more: Any) -> str:
        """Make a security group in the default VPC; return its id."""
        values = {"SecurityGroupName": name, "VpcId": self.cloud.state.default_vpc_id, **more}
        return str(self.call("CreateSecurityGroup", values)["SecurityGroupId"])

    def base(self, group_id: str) -> dict[str, Any]:
        """Return the parameters that every new instance needs."""
        return {
            "ImageId": DEBIAN,
            "InstanceType": "ecs.g6.large",
            "SecurityGroupId": group_id,
            "VSwitchId": self.cloud.state.default_vswitch_id,
        }

    def run(self, group_id: str, /, **more: Any) -> str:
        """Run an instance and wait until it runs; return its id."""
        answer = self.call("RunInstances", {**self.base(group_id), **more})
        instance_id = str(answer["InstanceIdSets"]["InstanceIdSet"][0])
        self.wait(instance_id, "Running")
        return instance_id

    def instance(self, instance_id: str) -> dict[str, Any] | None:
        """Return an instance as DescribeInstances tells it, or None."""
        found = self.call("DescribeInstances", InstanceIds=json.dumps([instance_id]))
        instances: list[dict[str, Any]] = found["Instances"]["Instance"]
        return instances[0] if instances else None

    def wait(self, instance_id: str, status: str) -> dict[str, Any]:
        """Wait until an instance has a status; return it."""

        def reached() -> dict[str, Any] | None:
            instance = self.instance(instance_id)
            return instance if instance is not None and instance["Status"] == status else None

        found: dict[str, Any] = until(reached)
        return found


def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Return what ``condition`` returns once it is true."""
    begun = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - begun
        if waited_s > timeout_s:
            raise TimeoutError("it did not come to be")
        # a look costs CPU: what takes long is looked at less often
        time.sleep(min(0.01 + waited_s / 10, 0.1))
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
