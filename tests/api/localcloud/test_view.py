"""What may be looked at in a cloud while it serves: its resources, and what happens."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.service import view
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.remote import RemoteCloud
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.service.view import CloudView, Event
from ecsmachine.localcloud.state.model import KeyPair
from ecsmachine.localcloud.state.state import State, open_state
from tests.api.localcloud.api_client import Api, exchange

PASSWORD = "Secret-1234"


def key_of(cloud: EmbeddedCloud) -> dict[str, str]:
    text = f"{cloud.access_key_id}:{cloud.access_key_secret}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def events(cloud: EmbeddedCloud, query: str = "") -> Iterator[dict[str, Any]]:
    """Yield the events of a cloud, each once it has come; the first one says that it follows."""
    connection = http.client.HTTPConnection(cloud.host, timeout=30)
    connection.request("GET", f"/_ecsmachine/events{query}", headers=key_of(cloud))
    answer = connection.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/event-stream")
    yield {}
    found: dict[str, Any] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            found[name] = json.loads(value) if name == "data" else value
        elif found:
            yield found
            found = {}
    connection.close()


def test_what_happens(cloud: EmbeddedCloud, api: Api) -> None:
    told = events(cloud)
    next(told)
    group = api.group("web")
    made, asked = next(told), next(told)
    assert made["event"] == "resource"
    assert (made["data"]["kind"], made["data"]["id"]) == ("security_groups", group)
    assert made["data"]["value"]["name"] == "web"
    assert (asked["event"], asked["id"]) == ("request", "1")
    assert asked["data"]["action"] == "CreateSecurityGroup"
    assert asked["data"]["answer"]["SecurityGroupId"] == group
    api.call("DeleteSecurityGroup", SecurityGroupId=group)
    assert next(told)["data"] == {"kind": "security_groups", "id": group, "value": None}


def test_what_has_happened_comes_first(cloud: EmbeddedCloud, api: Api) -> None:
    for _ in range(3):
        api.call("DescribeVpcs")
    told = events(cloud, "?after=1")
    next(told)
    assert [next(told)["id"] for _ in range(2)] == ["2", "3"]
    api.call("DescribeVpcs")
    assert next(told)["id"] == "4"


def test_two_follow(cloud: EmbeddedCloud, api: Api) -> None:
    first, second = events(cloud), events(cloud)
    next(first), next(second)
    api.call("DescribeVpcs")
    assert next(first)["data"]["number"] == next(second)["data"]["number"] == 1


def test_it_ends_with_the_cloud(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path / "cloud") as cloud:
        told = events(cloud)
        next(told)
    assert list(told) == []


def test_requests_are_followed_from_another_process(cloud: EmbeddedCloud, api: Api) -> None:
    api.call("DescribeVpcs")
    remote = RemoteCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret)
    told = remote.follow(0)
    assert next(told).action == "DescribeVpcs"
    api.group()
    assert next(told) == cloud.log.after()[-1]


def test_what_there_is(cloud: EmbeddedCloud, api: Api) -> None:
    user_data = base64.b64encode(b"#!/bin/sh\necho hidden").decode()
    api.call("RunInstances", api.base(api.group()), Password=PASSWORD, UserData=user_data)
    api.call("CreateCommand", Name="a", Type="RunShellScript", CommandContent=user_data)
    cloud.faults.add(Fault("throttle", rate=5))
    body = exchange(cloud, "GET", "/_ecsmachine/state", None, key_of(cloud)).body
    assert PASSWORD.encode() not in body
    assert user_data.encode() not in body
    found = json.loads(body)
    assert [one["id"] for one in found["vpcs"]] == [cloud.state.default_vpc_id]
    assert len(found["instances"]) == len(found["commands"]) == 1
    assert found["faults"][0].items() >= {"kind": "throttle", "rate": 5, "struck": 0}.items()


@pytest.mark.parametrize("path", ["state", "events", "faults"])
def test_only_who_has_the_key_sees_it(cloud: EmbeddedCloud, path: str) -> None:
    assert exchange(cloud, "GET", f"/_ecsmachine/{path}").status == 401


def test_faults_over_http(cloud: EmbeddedCloud, api: Api) -> None:
    path, key = "/_ecsmachine/faults", key_of(cloud)

    def add(body: object) -> tuple[int, dict[str, Any]]:
        answer = exchange(cloud, "POST", path, json.dumps(body).encode(), key)
        return answer.status, json.loads(answer.body)

    fault = {"kind": "error", "action": "DescribeVpcs", "code": "InternalError", "times": 2}
    assert add(fault) == (201, {"id": 1})
    assert api.refusal("DescribeVpcs") == "500 InternalError"
    found = json.loads(exchange(cloud, "GET", path, None, key).body)["faults"]
    assert found == [{"id": 1, **fault, "probability": 1.0, "struck": 1, "spent": False}]
    assert exchange(cloud, "DELETE", f"{path}/1", None, key).status == 204
    assert exchange(cloud, "DELETE", f"{path}/1", None, key).status == 404
    assert api.call("DescribeVpcs")["TotalCount"] == 1
    assert add({"kind": "throttle", "rate": 5}) == (201, {"id": 2})
    assert exchange(cloud, "DELETE", path, None, key).status == 204
    assert cloud.faults.entries() == []
    status, answer = add({"kind": "cut-after", "action": "RunInstance"})
    assert (status, answer["error"].endswith("Did you mean RunInstances?")) == (400, True)
    wrong: list[object] = [[], "x", {}, {"kind": 1}, {"kind": "delay", "seconds": "1"}]
    for body in [*wrong, {"kind": "error", "cod": "x"}]:
        assert add(body)[0] == 400
    assert exchange(cloud, "POST", path, b"{", key).status == 400
    assert exchange(cloud, "POST", path, b"{}").status == 401


def test_a_question_that_is_none(cloud: EmbeddedCloud) -> None:
    answer = exchange(cloud, "GET", "/_ecsmachine/events?after=x", None, key_of(cloud))
    assert answer.status == 400


def add_key_pair(state: State, number: int) -> None:
    pair = KeyPair(
        key_id=f"ssh-{number}",
        region=state.region,
        name=f"key{number}",
        fingerprint="",
        public_key="",
        created="",
    )
    with state.transaction():
        state.key_pairs.put(pair)


def test_who_is_too_slow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "MOST_WAITING", 4)
    state, faults = open_state(tmp_path), FaultBook(tmp_path)
    looked = CloudView(state, RequestLog(), faults)

    async def follow() -> list[Event]:
        following = looked.follow()
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        for number in range(7):
            add_key_pair(state, number)
        await asyncio.sleep(0)
        found = [await first]
        looked.close()
        return found + [event async for event in following]

    names = [event.name for event in asyncio.run(follow())]
    assert names.count("lost") == 1
    assert len(names) <= 5
    faults.close()
    state.close()
