"""Benchmarks of the local cloud's API, without guests: how fast it makes and tells of instances."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import statistics
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ground import Cloud, Ground, Run
from lines import Figure, line

INSTANCES = 100
REQUESTS = 1500
CONNECTIONS = 4
PAGE_REQUESTS = 1000


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


@cache
def _instances(cloud: Cloud) -> float:
    """Make the instances; return the seconds until all of them run."""
    variables = cloud.environment
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
    return time.perf_counter() - begun


@cache
def _cloud(ground: Ground) -> Cloud:
    cloud = ground.new_cloud("none")
    # without the relay, which would take longer than the server
    endpoint = json.loads(cloud.run("local", "env", "--json").output)["ECS_API_ENDPOINT"]
    cloud.environment["ECS_API_ENDPOINT"] = endpoint
    return cloud


@line("api", f"{INSTANCES} instances without guests, until Running, in seconds", 5)
def instances(ground: Ground) -> Figure:
    return Figure(_instances(_cloud(ground)))


@line("api", f"DescribeInstances of {INSTANCES}, {CONNECTIONS} connections, in ms", 3.33)
def describing(ground: Ground) -> Figure:
    cloud = _cloud(ground)
    _instances(cloud)

    def ask(count: int) -> None:
        connection = Api(cloud.environment)
        for _ in range(count):
            # Not parsed: that would take the client longer than the server takes to answer.
            body = connection.body("DescribeInstances", PageSize=100)
            if body.count(b'"HostName":') != INSTANCES:
                raise SystemExit("DescribeInstances does not tell of all instances")

    begun = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, [REQUESTS // CONNECTIONS] * CONNECTIONS))
    taken = time.perf_counter() - begun
    return Figure(1000 * taken / REQUESTS, f"({REQUESTS / taken:.0f} requests/s)")


def _page(cloud: Cloud) -> subprocess.Popen[bytes]:
    """Read what the page is told, as a browser that has it open does."""
    opened = urlsplit(json.loads(cloud.run("local", "open", "--json").output)["Page"])
    connection = http.client.HTTPConnection(opened.netloc, timeout=30)
    connection.request("GET", f"{opened.path}?{opened.query}")
    cookie = (connection.getresponse().getheader("Set-Cookie") or "").partition(";")[0]
    address = f"http://{opened.netloc}{opened.path}events"
    words = ["curl", "-sN", "-H", f"Cookie: {cookie}", address]
    reading = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert reading.stdout is not None
    if b"changes" not in reading.stdout.readline():
        raise SystemExit("the page tells nothing")
    threading.Thread(target=reading.stdout.read, daemon=True).start()
    time.sleep(1)  # it has been told everything by then
    return reading


def _close(reading: subprocess.Popen[bytes]) -> None:
    reading.kill()
    reading.wait()


@cache
def _pairs(ground: Ground) -> list[tuple[Run, Run]]:
    """Ask as fast as can be, by turns without the page and with it open."""
    cloud = _cloud(ground)
    _instances(cloud)
    daemon = json.loads(cloud.run("local", "status", "--json").output)["ProcessId"]
    connection = Api(cloud.environment)

    def asked(*, with_page: bool) -> Run:
        reading = _page(cloud)
        if not with_page:  # what comes before is the same
            _close(reading)
        begun, used = time.perf_counter(), _cpu_of(daemon)
        for _ in range(PAGE_REQUESTS):
            connection.body("DescribeVpcs")
        run = Run(time.perf_counter() - begun, _cpu_of(daemon) - used)
        _close(reading)
        return run

    pairs = []
    for number in range(ground.times):
        first = number % 2 == 0  # each of them begins as often as the other
        runs = {with_page: asked(with_page=with_page) for with_page in (first, not first)}
        pairs.append((runs[False], runs[True]))
    return pairs


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@line("api", "requests a second without the page open, of with it", 1 / 0.95)
def with_the_page(ground: Ground) -> Figure:
    ratio = statistics.median(opened.wall_s / plain.wall_s for plain, opened in _pairs(ground))
    rate = PAGE_REQUESTS / statistics.median(opened.wall_s for _, opened in _pairs(ground))
    return Figure(ratio, f"({rate:.0f} requests/s with it)")


@line("api", "CPU of the daemon for a request, with the page open, of without", 1 / 0.95)
def cpu_with_the_page(ground: Ground) -> Figure:
    plain, opened = (sum(run.cpu_s for run in runs) for runs in zip(*_pairs(ground), strict=True))
    return Figure(opened / plain, f"({1000 * plain / PAGE_REQUESTS / ground.times:.2f} ms without)")
