"""Benchmarks of the local cloud's API, without guests: how fast it makes and tells of instances."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

PROGRAM = str(Path(sys.executable).with_name("ecsmachine"))
INSTANCES = 100
REQUESTS = 1500
CONNECTIONS = 4

Show = Callable[[str, str, str], None]


class Api:
    """The API of a cloud over one connection, with as little of a client around it as can be."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        address = urlsplit(variables["ECS_API_ENDPOINT"])
        self._connection = http.client.HTTPConnection(address.netloc, timeout=30)

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        answer: dict[str, Any] = json.loads(self.body(action, **parameters))
        return answer

    def body(self, action: str, **parameters: Any) -> bytes:
        """Return the answer as it came; anything but success ends the benchmark."""
        values = {
            "Action": action,
            "Version": "2014-05-26",
            "Format": "JSON",
            "AccessKeyId": self.variables["ECS_ACCESS_KEY_ID"],
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid.uuid4().hex,
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "RegionId": self.variables["ECS_REGION"],
            **{name: str(value) for name, value in parameters.items()},
        }
        query = urlencode(sorted(values.items()), quote_via=quote, safe="-_.~")
        text = f"GET&%2F&{quote(query, safe='-_.~')}"
        secret = f"{self.variables['ECS_ACCESS_KEY_SECRET']}&"
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        signature = quote(base64.b64encode(digest).decode(), safe="")
        self._connection.request("GET", f"/?{query}&Signature={signature}")
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"{action}: {body.decode()}")
        return body


def measure_api(show: Show) -> None:
    """Take and print the figures of the API, of a cloud of their own."""
    with tempfile.TemporaryDirectory(prefix="ecsmachine-bench.") as folder:
        environment = {**os.environ, "ECSMACHINE_LOCAL_ROOT": str(Path(folder) / "cloud")}

        def run(*arguments: str) -> str:
            return subprocess.run(
                [PROGRAM, "local", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        run("up", "--guests", "none")
        try:
            _measure(json.loads(run("env", "--json")), show)
        finally:
            run("reset", "-y")


def _measure(variables: dict[str, str], show: Show) -> None:
    api = Api(variables)
    group = api.call("CreateSecurityGroup", VpcId=variables["ECS_VPC_ID"])["SecurityGroupId"]
    image = api.call("DescribeImages", Architecture="x86_64")["Images"]["Image"][0]["ImageId"]
    request = {
        "ImageId": image,
        "InstanceType": "ecs.n4.small",
        "SecurityGroupId": group,
        "VSwitchId": variables["ECS_VSWITCH_ID"],
        "InternetMaxBandwidthOut": 1,
    }
    begun = time.perf_counter()
    for number in range(INSTANCES):
        api.call("RunInstances", **request, InstanceName=f"bench{number}")
    found: list[dict[str, Any]] = []
    while sum(instance["Status"] == "Running" for instance in found) < INSTANCES:
        found = api.call("DescribeInstances", PageSize=100)["Instances"]["Instance"]
    show(
        f"{INSTANCES} instances without guests, one request each, until Running",
        f"{time.perf_counter() - begun:.2f} s",
        "<= 5 s",
    )

    def ask(count: int) -> None:
        connection = Api(variables)
        for _ in range(count):
            # Not parsed: that would take the client longer than the server takes to answer.
            body = connection.body("DescribeInstances", PageSize=100)
            if body.count(b'"HostName":') != INSTANCES:
                raise SystemExit("DescribeInstances does not tell of all instances")

    begun = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, [REQUESTS // CONNECTIONS] * CONNECTIONS))
    taken = time.perf_counter() - begun
    show(
        f"DescribeInstances of {INSTANCES} instances, {CONNECTIONS} connections",
        f"{REQUESTS / taken:.0f} requests/s",
        ">= 300 requests/s",
    )
