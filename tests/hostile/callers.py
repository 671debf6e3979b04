"""Callers of the local cloud that know its key, or do not, and send what they like."""

from __future__ import annotations

import http.client
import json
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, urlencode

from ecsmachine.aliyun import signature
from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.service.embedded import EmbeddedCloud

ODD = (
    *("", " ", "0", "1", "-1", "01", "1e999", "NaN", "9" * 19, "9" * 5000, "true", "TRUE", "null"),
    *("\0", "\r\n", "\x1b[31m", "\ufffe", "\ud7ff", "é", "杭州", "a" * 5000, "*" * 500, "%", "%00"),
    *("[]", "{}", "[" * 5000, '["\\ud800"]', '[{"Key":null}]', '{"a":' * 3000, "[1e999]", "[NaN]"),
    *(
        '["i-1","i-2"]',
        '[null,{"ServerId":1,"Weight":"x"}]',
        "1/65535",
        "22/22",
        "-1/-1",
        "99999/1",
    ),
    *("10.0.0.0/8", "0.0.0.0/0", "999.1.1.1/99", "::/0", "fe80::1%eth0", "2024-05-01T08:00:00Z"),
    *("0000-00-00T00:00Z", "9999-12-31T23:59:59Z", "cn-hangzhou", "cn-hangzhou-h", "../../etc"),
    *("i-bp1", "sg-bp1", "vpc-bp1", "ssh-rsa AAAA", "acs:ram::1:role/x", "h[1,99999999999]"),
)


def known_names() -> list[str]:
    """Return the names of parameters: all that look so in the local cloud's actions."""
    folder = Path(__file__).parents[2] / "ecsmachine" / "localcloud" / "actions"
    text = "".join(path.read_text() for path in sorted(folder.rglob("*.py")))
    return sorted(set(re.findall(r'"([A-Z][A-Za-z]{2,40})"', text)))


@dataclass
class Caller:
    """Sends requests over one connection; ``counts`` are the answers by their status."""

    cloud: EmbeddedCloud
    secret: str = ""
    slowest_s: float = 0.0
    counts: dict[int, int] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def __post_init__(self) -> None:
        self.secret = self.cloud.access_key_secret

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        begun = time.monotonic()
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.cloud.host, timeout=60)
        try:
            self._connection.request(method, url, body, dict(headers))
            answer = self._connection.getresponse()
            status, content = answer.status, answer.read()
            if answer.will_close:
                self._connection = None
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection = None
            return self.send(method, url, body, headers)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        self.counts[status] = self.counts.get(status, 0) + 1
        return status, content

    def rpc(self, parameters: Mapping[str, str], *, signed: bool = True) -> tuple[int, bytes]:
        """Send an action, in a form."""
        body, form = dict(parameters), b""
        if signed:
            body = {
                "Format": "JSON",
                "AccessKeyId": self.cloud.access_key_id,
                "SignatureMethod": "HMAC-SHA1",
                "SignatureVersion": "1.0",
                "SignatureNonce": str(uuid.uuid4()),
                "Timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                **body,
            }
            form = signature.signed_form("POST", body, self.secret)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", "/", form or urlencode(body).encode(), kind)

    def roa(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a signed request of Container Service; ``headers`` come in before it is signed."""
        sent = {
            "accept": "application/json",
            "date": formatdate(usegmt=True),
            "x-acs-version": "2015-12-15",
            "x-acs-region-id": self.cloud.region,
            "x-acs-signature-nonce": str(uuid.uuid4()),
            **(headers or {}),
        }
        if body:
            sent["content-md5"] = signature.content_md5(body)
        text = signature.roa_string_to_sign(method, sent, path, {})
        signed = signature.roa_sign(text, self.secret)
        sent["authorization"] = f"acs {self.cloud.access_key_id}:{signed}"
        return self.send(method, quote(path, safe="/-_.~"), body or None, sent)


def odd_actions(seed: int, number: int) -> Iterator[dict[str, str]]:
    """Yield requests for every action in turn, with odd values for parameters that there are."""
    choice = random.Random(seed)
    names = known_names()
    actions = [(version, name) for version, known in PRODUCTS.items() for name in sorted(known)]
    for count in range(number):
        version, action = actions[count % len(actions)]
        request = {"Action": action, "Version": version, "RegionId": "cn-hangzhou"}
        for _ in range(choice.randrange(12)):
            name = choice.choice(names)
            for _ in range(choice.randrange(3)):
                name += f".{choice.choice(['1', '2', '0', '99999999', choice.choice(names)])}"
            request[name] = choice.choice(ODD)
        if choice.random() < 0.1:
            request[choice.choice(ODD)[:300]] = choice.choice(ODD)
        if choice.random() < 0.1:
            request["ClientToken"] = choice.choice(ODD)
        yield request


def odd_bodies(seed: int, number: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield method, path and body of requests to Container Service."""
    choice = random.Random(seed)
    parts = ("clusters", "certs", "nodes", "instances", "ip", "attach", "reset", "triggers", "x")
    fields = [
        *("name", "size", "password", "cluster_type", "vpc_id", "vswitch_id", "subnet_cidr"),
        *("instance_type", "instances", "project_id", "action", "service", "params"),
    ]
    for _ in range(number):
        path = "/clusters" + "".join(f"/{choice.choice(parts)}" for _ in range(choice.randrange(4)))
        if choice.random() < 0.1:
            path += f"/{quote(choice.choice(ODD)[:200], safe='')}"
        body = {choice.choice(fields): choice.choice(ODD) for _ in range(choice.randrange(8))}
        text = json.dumps(body).encode()
        if choice.random() < 0.3:
            text = choice.choice(ODD).encode()
        if choice.random() < 0.1:
            text = choice.randbytes(200)
        yield choice.choice(("GET", "POST", "PUT", "DELETE")), path, text
