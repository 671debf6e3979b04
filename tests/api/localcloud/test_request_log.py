"""What was asked of a cloud is kept: without secrets, and not without end."""

from __future__ import annotations

import base64
import json

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcs.request.v20151215.CreateClusterRequest import CreateClusterRequest

from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.service import request_log
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.localcloud.service.remote import RemoteCloud
from ecsmachine.localcloud.service.request_log import RecordedRequest
from tests.api.localcloud.api_client import STS, VPC, Api, Reply, exchange

PASSWORD = "Secret-1234"


def last(cloud: EmbeddedCloud) -> RecordedRequest:
    return cloud.log.after()[-1]


def own(cloud: EmbeddedCloud, method: str, query: str = "", key: str = "") -> Reply:
    key = key or f"{cloud.access_key_id}:{cloud.access_key_secret}"
    headers = {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
    return exchange(cloud, method, f"/_ecsmachine/requests{query}", None, headers)


def test_what_was_asked_and_answered(cloud: EmbeddedCloud, api: Api) -> None:
    group = api.group("web")
    found = last(cloud)
    assert (found.number, found.product, found.action, found.status, found.code) == (
        *(1, "ECS", "CreateSecurityGroup"),
        *(200, ""),
    )
    assert found.parameters["SecurityGroupName"] == "web"
    assert found.answer["SecurityGroupId"] == group
    assert found.access_key_id == cloud.access_key_id
    assert not {"Signature", "AccessKeyId", "SignatureNonce", "Action"} & found.parameters.keys()
    api.call("DescribeVpcs", version=VPC)
    assert (last(cloud).number, last(cloud).product) == (2, "VPC")


def test_a_refusal(cloud: EmbeddedCloud, api: Api) -> None:
    api.refusal("StartInstance", InstanceId="i-none")
    assert (last(cloud).status, last(cloud).code) == (404, "InvalidInstanceId.NotFound")
    assert "does not exist" in last(cloud).answer["Message"]


def test_what_was_not_signed_is_there_too(cloud: EmbeddedCloud) -> None:
    exchange(cloud, "GET", f"/?Action=RunInstances&Version=2014-05-26&Password={PASSWORD}")
    assert last(cloud).code == "MissingParameter"
    assert last(cloud).parameters == {"Password": "***"}


def test_a_connection_that_a_fault_cuts(cloud: EmbeddedCloud, api: Api) -> None:
    cloud.faults.add(Fault("cut-after", action="CreateKeyPair", times=1))
    with pytest.raises(OSError):
        api.call("CreateKeyPair", KeyPairName="keys")
    assert (last(cloud).action, last(cloud).status, last(cloud).code) == ("CreateKeyPair", 0, "")


def test_nobody_says_from_where_he_asks(cloud: EmbeddedCloud) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7"}
    exchange(cloud, "GET", "/?Action=DescribeRegions&Version=2014-05-26", None, forged)
    assert last(cloud).client.startswith("127.0.0.1:")


def test_no_secret_is_told(cloud: EmbeddedCloud, api: Api) -> None:
    user_data = base64.b64encode(b"#!/bin/sh\necho hidden").decode()
    made = api.call("CreateKeyPair", KeyPairName="keys")
    api.call("RunInstances", api.base(api.group()), Password=PASSWORD, UserData=user_data)
    role = f"acs:ram::{cloud.state.account.id}:role/ci"
    session = api.call("AssumeRole", version=STS, RoleArn=role, RoleSessionName="me")
    told = own(cloud, "GET").body.decode() + str(cloud.log.after())
    secrets = [PASSWORD, user_data, cloud.access_key_secret, made["PrivateKeyBody"][40:80]]
    secrets += [session["Credentials"][name] for name in ("AccessKeySecret", "SecurityToken")]
    assert [secret for secret in secrets if secret in told] == []


def test_container_service_is_told_too(cloud: EmbeddedCloud) -> None:
    request = CreateClusterRequest()
    request.set_endpoint(cloud.host)
    request.set_protocol_type("http")
    request.set_content_type("application/json")
    request.set_content(json.dumps({"name": "c1", "size": 0, "password": PASSWORD}).encode())
    client = AcsClient(cloud.access_key_id, cloud.access_key_secret, cloud.region)
    with pytest.raises(ServerException):
        client.do_action_with_exception(request)
    found = last(cloud)
    assert (found.product, found.method, found.path) == ("CS", "POST", "/clusters")
    assert (found.action, found.status, found.code) == ("CreateCluster", 400, "InvalidParameter")
    assert (found.parameters["name"], found.parameters["password"]) == ("c1", "***")
    assert found.access_key_id == cloud.access_key_id


def test_over_http(cloud: EmbeddedCloud, api: Api) -> None:
    for name in ("DescribeRegions", "DescribeZones", "DescribeVpcs"):
        api.call(name)
    answer = own(cloud, "GET", "?after=1&action=*Z*")
    assert [one["action"] for one in json.loads(answer.body)["requests"]] == ["DescribeZones"]
    remote = RemoteCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret)
    assert remote.after() == cloud.log.after()
    remote.clear()
    assert (remote.after(), cloud.log.after()) == ([], [])
    api.call("DescribeRegions")
    assert last(cloud).number == 4


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=%C2%B2", "?since=1"])
def test_a_question_that_is_none_is_refused(cloud: EmbeddedCloud, query: str) -> None:
    assert own(cloud, "GET", query).status == 400


@pytest.mark.parametrize("key", ["LTAI:wrong", ":", "é:é"])
def test_only_who_has_the_key_sees_them(cloud: EmbeddedCloud, key: str) -> None:
    answer = own(cloud, "GET", key=key)
    assert answer.status == 401
    assert b"requests" not in answer.body
    for headers in ({}, {"Authorization": "Basic é"}):
        assert exchange(cloud, "GET", "/_ecsmachine/requests", None, headers).status == 401


def test_health(cloud: EmbeddedCloud) -> None:
    answer = exchange(cloud, "GET", "/healthz")
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")
    assert cloud.log.after() == []


def test_there_is_an_end_of_them(
    cloud: EmbeddedCloud, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "MOST_REQUESTS", 3)
    for _ in range(5):
        api.call("DescribeRegions")
    assert [one.number for one in cloud.log.after()] == [3, 4, 5]
    monkeypatch.setattr(request_log, "MOST_BYTES", 10)
    api.call("DescribeRegions")
    assert [one.number for one in cloud.log.after()] == [6]
