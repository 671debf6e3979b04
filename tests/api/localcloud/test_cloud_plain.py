"""Odd but legal requests, sent and signed by hand as the documentation says.

Nothing here is of our own client, nor of an SDK.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import requests

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import until

ECS, STS, LOCATION = "2014-05-26", "2015-04-01", "2015-06-12"
ODD = "a+b*c~d e/f=g&h%i\"j'k:阿里云 é"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def encode(text: str) -> str:
    return quote(text, safe="-_.~")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def signed(
    cloud: EmbeddedCloud,
    action: str,
    parameters: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    version: str = ECS,
    key: tuple[str, str] = ("", ""),
) -> dict[str, str]:
    """Return all parameters of a request of the RPC form, the signature last."""
    values = {
        "Format": "JSON",
        "Version": version,
        "AccessKeyId": key[0] or cloud.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "Timestamp": now(),
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Action": action,
        **(parameters or {}),
    }
    query = "&".join(f"{encode(name)}={encode(values[name])}" for name in sorted(values))
    string = f"{method}&{encode('/')}&{encode(query)}"
    secret = f"{key[1] or cloud.access_key_secret}&"
    digest = hmac.new(secret.encode(), string.encode(), hashlib.sha1).digest()
    return {**values, "Signature": base64.b64encode(digest).decode()}


def url(cloud: EmbeddedCloud, parameters: Mapping[str, str], path: str = "/") -> str:
    query = "&".join(f"{encode(name)}={encode(value)}" for name, value in parameters.items())
    return f"{cloud.endpoint}{path}?{query}"


def get(
    cloud: EmbeddedCloud, action: str, parameters: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    answer = requests.get(url(cloud, signed(cloud, action, parameters, **more)), timeout=30)
    body: dict[str, Any] = answer.json()
    return {"HTTP": answer.status_code, **body}


def code(answer: dict[str, Any]) -> str:
    return f"{answer['HTTP']} {answer.get('Code', '')}".strip()


def test_values_that_are_encoded_in_many_ways(cloud: EmbeddedCloud) -> None:
    group = get(
        cloud,
        "CreateSecurityGroup",
        {"RegionId": cloud.region, "Description": ODD, "SecurityGroupName": "名字.-_:1"},
    )["SecurityGroupId"]
    asked = {"RegionId": cloud.region, "SecurityGroupId": group}
    found = get(cloud, "DescribeSecurityGroupAttribute", asked)
    assert (found["Description"], found["SecurityGroupName"]) == (ODD, "名字.-_:1")
    tags = {**asked, "ResourceType": "securitygroup", "ResourceId.1": group}
    del tags["SecurityGroupId"]
    assert get(cloud, "TagResources", {**tags, "Tag.1.Key": "k*+~", "Tag.1.Value": ODD})[
        "HTTP"
    ] == (200)
    listed = get(cloud, "ListTagResources", tags)["TagResources"]["TagResource"]
    assert [(tag["TagKey"], tag["TagValue"]) for tag in listed] == [("k*+~", ODD)]


def test_a_form_may_write_a_space_as_plus(cloud: EmbeddedCloud) -> None:
    parameters = signed(
        cloud,
        "CreateSecurityGroup",
        {"RegionId": cloud.region, "Description": "one two"},
        method="POST",
    )
    answer = requests.post(cloud.endpoint, data=parameters, timeout=30)
    assert b"one+two" in (answer.request.body or "").encode()  # type: ignore[union-attr]
    assert answer.status_code == 200


def test_the_order_of_parameters_does_not_matter(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud, "DescribeZones", {"RegionId": cloud.region})
    backwards = dict(reversed(parameters.items()))
    assert requests.get(url(cloud, backwards), timeout=30).status_code == 200


def test_blank_values_are_signed_and_count_as_not_given(cloud: EmbeddedCloud) -> None:
    answer = get(cloud, "DescribeInstances", {"RegionId": cloud.region, "InstanceIds": ""})
    assert (answer["HTTP"], answer["TotalCount"]) == (200, 0)
    assert code(get(cloud, "DescribeInstances", {"RegionId": ""})) == "400 MissingParameter"


def test_query_and_body_together(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud, "DescribeZones", {"RegionId": cloud.region}, method="POST")
    body = {"RegionId": parameters.pop("RegionId"), "Timestamp": parameters["Timestamp"]}
    answer = requests.post(url(cloud, parameters), data=body, timeout=30)
    assert answer.status_code == 200, answer.text


def test_two_values_for_one_parameter(cloud: EmbeddedCloud) -> None:
    address = url(cloud, signed(cloud, "DescribeZones", {"RegionId": cloud.region}))
    answer = requests.get(f"{address}&RegionId=cn-beijing", timeout=30)
    assert (answer.status_code, answer.json()["Code"]) == (400, "InvalidParameter")
    assert "RegionId" in answer.json()["Message"]


def test_the_path_may_be_left_out(cloud: EmbeddedCloud) -> None:
    assert requests.get(url(cloud, signed(cloud, "DescribeRegions"), ""), timeout=30).ok
    elsewhere = requests.get(url(cloud, signed(cloud, "DescribeRegions"), "/v1"), timeout=30)
    assert elsewhere.status_code == 404
    assert elsewhere.json()["Code"] == "InvalidAction.NotFound"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods(cloud: EmbeddedCloud, method: str) -> None:
    answer = requests.request(method, cloud.endpoint, timeout=30)
    assert answer.status_code == 403
    assert ElementTree.fromstring(answer.content).findtext("Code") == "UnsupportedHTTPMethod"
    assert answer.headers["x-acs-request-id"]


def test_head_has_no_body(cloud: EmbeddedCloud) -> None:
    answer = requests.head(cloud.endpoint, timeout=30)
    assert (answer.status_code, answer.content) == (403, b"")


def test_a_client_that_would_take_gzip(cloud: EmbeddedCloud) -> None:
    headers = {"Accept-Encoding": "gzip, deflate, br", "Connection": "close"}
    answer = requests.get(url(cloud, signed(cloud, "DescribeRegions")), headers=headers, timeout=30)
    assert len(answer.json()["Regions"]["Region"]) > 20


def test_the_method_in_small_letters(cloud: EmbeddedCloud) -> None:
    session = requests.Session()
    request = requests.Request("GET", url(cloud, signed(cloud, "DescribeRegions"))).prepare()
    request.method = "get"
    assert session.send(request, timeout=30).status_code == 200


def test_lists_in_xml_repeat_their_element(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud, "DescribeZones", {"RegionId": cloud.region, "Format": "xml"})
    root = ElementTree.fromstring(requests.get(url(cloud, parameters), timeout=30).content)
    assert root.tag == "DescribeZonesResponse"
    zones = root.findall("Zones/Zone")
    assert len(zones) > 1
    kinds = zones[0].findall("AvailableResourceCreation/ResourceTypes")
    assert "Instance" in [kind.text for kind in kinds]
    parameters = signed(cloud, "DescribeInstances", {"RegionId": cloud.region, "Format": "XML"})
    root = ElementTree.fromstring(requests.get(url(cloud, parameters), timeout=30).content)
    assert root.find("Instances") is not None
    assert root.findall("Instances/Instance") == []
    assert root.findtext("TotalCount") == "0"


def acs3(
    cloud: EmbeddedCloud,
    action: str,
    query: Mapping[str, str],
    body: bytes = b"",
    *,
    method: str = "POST",
    changes: Mapping[str, str] | None = None,
) -> requests.Response:
    """Send a request of the newer form; ``changes`` are made to its headers before signing."""
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": cloud.host,
        "x-acs-action": action,
        "x-acs-version": ECS,
        "x-acs-date": now(),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": digest,
    }
    if body:
        headers["content-type"] = "application/x-www-form-urlencoded"
    headers |= changes or {}
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    text = "&".join(f"{encode(name)}={encode(query[name])}" for name in sorted(query))
    signed_names = ";".join(names)
    canonical = f"{method}\n/\n{text}\n{lines}\n{signed_names}\n{digest}"
    string = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(
        cloud.access_key_secret.encode(), string.encode(), hashlib.sha256
    ).hexdigest()
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={cloud.access_key_id},"
        f"SignedHeaders={signed_names},Signature={signature}"
    )
    return requests.request(
        method, f"{cloud.endpoint}/?{text}", data=body or None, headers=headers, timeout=30
    )


def test_the_newer_form_in_query_and_body(cloud: EmbeddedCloud) -> None:
    answer = acs3(cloud, "DescribeZones", {"RegionId": cloud.region}, method="GET")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    text = f"Description={encode(ODD)}".encode()
    answer = acs3(cloud, "CreateSecurityGroup", {"RegionId": cloud.region}, text)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x-acs-content-sha256": "00" * 32}, "SignatureDoesNotMatch"),
        ({"x-acs-date": "2020-01-01T00:00:00Z"}, "InvalidTimeStamp.Expired"),
        ({"x-acs-date": "Wed, 01 Jan 2020 00:00:00 GMT"}, "InvalidTimeStamp.Format"),
        ({"x-acs-signature-nonce": ""}, "MissingParameter"),
        ({"x-acs-security-token": "x"}, "InvalidSecurityToken.MismatchWithAccessKey"),
        ({"x-acs-action": "MakeCoffee"}, "InvalidAction.NotFound"),
        ({"x-acs-version": "1999-01-01"}, "InvalidVersion"),
    ],
)
def test_the_newer_form_refused(
    cloud: EmbeddedCloud, changes: dict[str, str], expected: str
) -> None:
    answer = acs3(cloud, "DescribeRegions", {}, changes=changes)
    assert answer.json()["Code"] == expected


@pytest.mark.parametrize(
    "authorization", ["Bearer abc", "Basic YTpi", "acs LTAI:c2lnbmF0dXJl", "ACS3-HMAC-SHA256 x"]
)
def test_other_ways_to_say_who_one_is(cloud: EmbeddedCloud, authorization: str) -> None:
    address = f"{cloud.endpoint}/?Action=DescribeRegions&Version={ECS}&Format=JSON"
    answer = requests.get(address, headers={"Authorization": authorization}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["Code"] in ("MissingParameter", "IncompleteSignature")


def test_a_client_of_the_roa_form_is_refused_in_its_format(cloud: EmbeddedCloud) -> None:
    # As the generic clients send it when they are told the wrong style.
    headers = {
        "authorization": "acs LTAInobody:c2lnbmF0dXJl",
        "accept": "application/json",
        "x-acs-action": "DescribeRegions",
        "x-acs-version": ECS,
    }
    answer = requests.get(f"{cloud.endpoint}/", headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["Code"]) == (400, "MissingParameter")


def test_a_temporary_key(cloud: EmbeddedCloud) -> None:
    arn = f"acs:ram::{cloud.state.account.id}:role/ci"
    role = {"RoleArn": arn, "RoleSessionName": "tests"}
    given = get(cloud, "AssumeRole", role, version=STS)
    key = given["Credentials"]
    assert key["AccessKeyId"].startswith("STS.")
    assert key["Expiration"] > now()
    pair = (key["AccessKeyId"], key["AccessKeySecret"])
    token = {"SecurityToken": key["SecurityToken"]}
    who = get(cloud, "GetCallerIdentity", token, version=STS, key=pair)
    assert (who["IdentityType"], who["Arn"]) == ("AssumedRoleUser", f"{arn}/tests")
    assert who["Arn"] == given["AssumedRoleUser"]["Arn"]
    assert get(cloud, "DescribeZones", {"RegionId": cloud.region, **token}, key=pair)["HTTP"] == 200
    assert code(get(cloud, "DescribeRegions", key=pair)) == "400 MissingSecurityToken"
    other = {"SecurityToken": "CAISother"}
    assert code(get(cloud, "DescribeRegions", other, key=pair)) == (
        "400 InvalidSecurityToken.MismatchWithAccessKey"
    )
    session = cloud.state.sessions.get(pair[0])
    assert session is not None
    with cloud.state.transaction():
        cloud.state.sessions.put(replace(session, expires=time.time() - 1))
    assert code(get(cloud, "DescribeRegions", token, key=pair)) == (
        "400 InvalidSecurityToken.Expired"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"RoleArn": ""}, "400 MissingParameter"),
        ({"RoleArn": "ci"}, "400 InvalidParameter.RoleArn"),
        ({"RoleArn": "acs:ram::1:role/ci"}, "404 EntityNotExist.Role"),
        ({"RoleSessionName": "not a name"}, "400 InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "60"}, "400 InvalidParameter.DurationSeconds"),
        ({"Policy": "no"}, "400 InvalidParameter.PolicyGrammar"),
    ],
)
def test_roles_that_are_refused(
    cloud: EmbeddedCloud, changes: dict[str, str], expected: str
) -> None:
    arn = f"acs:ram::{cloud.state.account.id}:role/ci"
    role = {"RoleArn": arn, "RoleSessionName": "tests", **changes}
    assert code(get(cloud, "AssumeRole", role, version=STS)) == expected


def test_the_location_service_names_this_endpoint(cloud: EmbeddedCloud) -> None:
    asked = {"Id": "cn-beijing", "ServiceCode": "ecs", "Type": "openAPI"}
    found = get(cloud, "DescribeEndpoints", asked, version=LOCATION)
    (endpoint,) = found["Endpoints"]["Endpoint"]
    assert endpoint["Endpoint"] == cloud.host
    none = get(cloud, "DescribeEndpoints", {**asked, "ServiceCode": "rds"}, version=LOCATION)
    assert none["Endpoints"]["Endpoint"] == []


def test_requests_as_docker_machines_own_driver_sends_them(cloud: EmbeddedCloud) -> None:
    """All in the query of a GET, often no region, VPC actions on ECS's version."""
    vpc = get(cloud, "CreateVpc", {"RegionId": cloud.region, "CidrBlock": "10.0.0.0/8"})
    zone = f"{cloud.region}-h"
    vswitch = get(
        cloud,
        "CreateVSwitch",
        {"ZoneId": zone, "VpcId": vpc["VpcId"], "CidrBlock": "10.1.0.0/16", "Description": ""},
    )["VSwitchId"]
    group = get(
        cloud,
        "CreateSecurityGroup",
        {"RegionId": cloud.region, "SecurityGroupName": "docker-machine", "VpcId": vpc["VpcId"]},
    )["SecurityGroupId"]
    rule = {
        "SecurityGroupId": group,
        "RegionId": cloud.region,
        "IpProtocol": "tcp",
        "PortRange": "22/22",
        "SourceGroupId": "",
        "SourceCidrIp": "0.0.0.0/0",
        "Policy": "accept",
        "Priority": "1",
        "NicType": "internet",
    }
    assert get(cloud, "AuthorizeSecurityGroup", rule)["HTTP"] == 200
    images = get(cloud, "DescribeImages", {"RegionId": cloud.region, "ImageOwnerAlias": "system"})
    image = next(i for i in images["Images"]["Image"] if i["Architecture"] == "x86_64")
    instance = get(
        cloud,
        "CreateInstance",
        {
            "RegionId": cloud.region,
            "ZoneId": zone,
            "ImageId": image["ImageId"],
            "InstanceType": "ecs.t5-lc1m1.small",
            "SecurityGroupId": group,
            "VSwitchId": vswitch,
            "InternetChargeType": "PayByTraffic",
            "InternetMaxBandwidthOut": "0",
            "IoOptimized": "optimized",
            "Password": "Secret-123",
            "ClientToken": uuid.uuid4().hex,
        },
    )["InstanceId"]

    def status() -> str:
        found = get(cloud, "DescribeInstanceAttribute", {"InstanceId": instance})
        return str(found.get("Status"))

    until(lambda: status() == "Stopped")
    eip = get(cloud, "AllocateEipAddress", {"RegionId": cloud.region, "Bandwidth": "1"})
    bound = {"AllocationId": eip["AllocationId"], "InstanceId": instance}
    assert get(cloud, "AssociateEipAddress", bound)["HTTP"] == 200
    assert get(cloud, "StartInstance", {"InstanceId": instance})["HTTP"] == 200
    until(lambda: status() == "Running")
    found = get(cloud, "DescribeInstanceAttribute", {"InstanceId": instance})
    assert found["EipAddress"]["IpAddress"] == eip["EipAddress"]
    assert get(cloud, "StopInstance", {"InstanceId": instance, "ForceStop": "true"})["HTTP"] == 200
    until(lambda: status() == "Stopped")
    assert get(cloud, "UnassociateEipAddress", bound)["HTTP"] == 200
    released = {"AllocationId": eip["AllocationId"]}
    assert get(cloud, "ReleaseEipAddress", released)["HTTP"] == 200
    assert get(cloud, "DeleteInstance", {"InstanceId": instance})["HTTP"] == 200
    gone = get(cloud, "DescribeInstanceAttribute", {"InstanceId": instance})
    assert code(gone) == "404 InvalidInstanceId.NotFound"
    for action, asked in (
        ("DeleteSecurityGroup", {"RegionId": cloud.region, "SecurityGroupId": group}),
        ("DeleteVSwitch", {"VSwitchId": vswitch}),
        ("DeleteVpc", {"VpcId": vpc["VpcId"]}),
    ):
        assert get(cloud, action, asked)["HTTP"] == 200


def test_images_of_every_status_are_asked_for_as_footmark_does(cloud: EmbeddedCloud) -> None:
    found = get(cloud, "DescribeImages", {"RegionId": cloud.region, "Status": "ALL"})
    assert found["TotalCount"] > 0
