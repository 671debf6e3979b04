"""The RPC form of the API, refusals included."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import pytest

from ecsmachine.localcloud.actions import PRODUCTS
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import ECS, SLB, STS, VPC, Api, RefusedError, Reply, exchange


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def signed(cloud: EmbeddedCloud, method: str = "GET", /, **changes: str | None) -> dict[str, str]:
    """Return the parameters of DescribeRegions; ``changes`` are made before they are signed."""
    values: dict[str, str | None] = {
        "Action": "DescribeRegions",
        "Version": ECS,
        "Format": "JSON",
        "AccessKeyId": cloud.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **changes,
    }
    parameters = {name: value for name, value in values.items() if value is not None}
    query = "&".join(
        f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(parameters.items())
    )
    string = f"{method}&%2F&{quote(query, safe='')}"
    digest = hmac.new(f"{cloud.access_key_secret}&".encode(), string.encode(), hashlib.sha1)
    return {**parameters, "Signature": base64.b64encode(digest.digest()).decode()}


def get(cloud: EmbeddedCloud, parameters: dict[str, str]) -> tuple[int, dict[str, Any]]:
    reply = exchange(cloud, "GET", f"/?{urlencode(parameters)}")
    return reply.status, json.loads(reply.body)


def outcome(cloud: EmbeddedCloud, parameters: dict[str, str]) -> str:
    status, body = get(cloud, parameters)
    return f"{status} {body.get('Code', '')}".strip()


def test_a_signed_request_is_answered(cloud: EmbeddedCloud) -> None:
    assert outcome(cloud, signed(cloud)) == "200"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_parameters_in_the_query_and_in_the_body(api: Api, method: str) -> None:
    body = api.call("DescribeZones", method=method, AcceptLanguage="en-US")
    assert body["Zones"]["Zone"][0]["LocalName"] == "China (Hangzhou) Zone H"


def test_parameters_in_both_places_at_once(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud, "POST", Action="DescribeZones", RegionId="cn-beijing")
    names = sorted(parameters)
    query = urlencode({name: parameters[name] for name in names[:5]})
    body = urlencode({name: parameters[name] for name in names[5:]}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = exchange(cloud, "POST", f"/?{query}", body, headers)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Action": None}, "400 MissingParameter"),
        ({"Version": None}, "400 MissingParameter"),
        ({"AccessKeyId": None}, "400 MissingParameter"),
        ({"SignatureNonce": None}, "400 MissingParameter"),
        ({"SignatureMethod": None}, "400 MissingParameter"),
        ({"SignatureVersion": None}, "400 MissingParameter"),
        ({"Timestamp": None}, "400 MissingParameter"),
        ({"SignatureMethod": "HMAC-MD5"}, "400 InvalidParameter"),
        ({"SignatureVersion": "2.0"}, "400 InvalidParameter"),
        ({"Timestamp": "yesterday"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2024-05-01T08:00Z"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2020-01-01T00:00:00+0000"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2024-05-01T08:00:00.Z"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2024-05-01T08:00:00.5"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2024-05-01T08:00.500Z"}, "400 InvalidTimeStamp.Format"),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, "400 InvalidTimeStamp.Expired"),
        ({"Timestamp": "2020-01-01T00:00:00.000Z"}, "400 InvalidTimeStamp.Expired"),
        ({"Timestamp": "2099-01-01T00:00:00Z"}, "400 InvalidTimeStamp.Expired"),
        ({"AccessKeyId": "LTAInobody"}, "404 InvalidAccessKeyId.NotFound"),
        ({"SecurityToken": "token"}, "400 InvalidSecurityToken.MismatchWithAccessKey"),
        ({"Version": "2020-01-01"}, "400 InvalidVersion"),
        ({"Action": "MakeCoffee"}, "404 InvalidAction.NotFound"),
        ({"Action": "DescribeInstances", "Version": VPC}, "404 InvalidAction.NotFound"),
        ({"Action": "RunInstances", "Version": STS}, "404 InvalidAction.NotFound"),
    ],
)
def test_requests_that_are_refused(
    cloud: EmbeddedCloud, changes: dict[str, str | None], expected: str
) -> None:
    assert outcome(cloud, signed(cloud, **changes)) == expected


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_that_is_a_little_off(cloud: EmbeddedCloud, minutes: int) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60 * minutes))
    assert outcome(cloud, signed(cloud, Timestamp=at)) == "200"


@pytest.mark.parametrize("fraction", [".000Z", ".5Z", ".123456Z"])
def test_a_clock_with_fractions_of_a_second(cloud: EmbeddedCloud, fraction: str) -> None:
    # As JavaScript's toISOString prints it, and the clients in npm send it.
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + fraction
    assert outcome(cloud, signed(cloud, Timestamp=at)) == "200"


def test_the_other_spelling_of_the_clock(cloud: EmbeddedCloud) -> None:
    # As salt-cloud sends it.
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert outcome(cloud, signed(cloud, Timestamp=None, TimeStamp=at)) == "200"
    old = {"Timestamp": None, "TimeStamp": "2020-01-01T00:00:00Z"}
    assert outcome(cloud, signed(cloud, **old)) == "400 InvalidTimeStamp.Expired"


def test_a_nonce_is_taken_once(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud)
    assert outcome(cloud, parameters) == "200"
    assert outcome(cloud, parameters) == "400 SignatureNonceUsed"


def test_a_forged_request_does_not_use_up_the_nonce(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud)
    forged = {**parameters, "Signature": "Zm9yZ2Vk"}
    assert outcome(cloud, forged) == "400 SignatureDoesNotMatch"
    assert outcome(cloud, parameters) == "200"


def test_every_parameter_is_signed(cloud: EmbeddedCloud) -> None:
    changed = {**signed(cloud), "AcceptLanguage": "en-US"}
    status, body = get(cloud, changed)
    assert (status, body["Code"]) == (400, "SignatureDoesNotMatch")
    assert "server string to sign is:GET&%2F&AcceptLanguage" in body["Message"]


def test_another_method_is_another_signature(cloud: EmbeddedCloud) -> None:
    assert outcome(cloud, signed(cloud, "POST")) == "400 SignatureDoesNotMatch"


def test_no_signature_at_all(cloud: EmbeddedCloud) -> None:
    parameters = signed(cloud)
    del parameters["Signature"]
    assert outcome(cloud, parameters) == "400 IncompleteSignature"


def test_a_password_is_not_told_again(cloud: EmbeddedCloud) -> None:
    parameters = {**signed(cloud), "Password": "Secret-12 3"}
    reply = exchange(cloud, "GET", f"/?{urlencode(parameters)}")
    assert b"SignatureDoesNotMatch" in reply.body
    assert b"Secret" not in reply.body


def test_the_form_of_a_refusal(cloud: EmbeddedCloud) -> None:
    status, body = get(cloud, signed(cloud, Action="MakeCoffee"))
    assert status == 404
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert uuid.UUID(body["RequestId"])
    assert body["HostId"] == "127.0.0.1"
    assert body["RequestId"] in body["Recommend"]


def test_nothing_at_all(cloud: EmbeddedCloud) -> None:
    reply = exchange(cloud, "GET", "/")
    assert reply.status == 400
    root = ElementTree.fromstring(reply.body)
    assert root.tag == "Error"
    assert root.findtext("Code") == "MissingParameter"


def test_xml_is_what_comes_unasked(api: Api) -> None:
    for form in (None, "XML"):
        reply = api.send("DescribeRegions", form=form)
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/xml;charset=utf-8"
        root = ElementTree.fromstring(reply.body)
        assert root.tag == "DescribeRegionsResponse"
        ids = [item.text for item in root.findall("Regions/Region/RegionId")]
        assert "cn-hangzhou" in ids


def test_refusals_in_xml(api: Api) -> None:
    reply = api.send("DescribeInstances", form="XML")
    root = ElementTree.fromstring(reply.body)
    assert (reply.status, root.tag, root.findtext("Code")) == (400, "Error", "MissingParameter")


def test_the_request_id_is_in_the_headers_too(api: Api) -> None:
    reply = api.send("DescribeRegions")
    assert reply.headers["x-acs-request-id"] == json.loads(reply.body)["RequestId"]


def test_a_disk_that_is_full_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with embedded_cloud(tmp_path / "cloud") as running:
        api = Api(running)
        running.state._connection.execute("PRAGMA max_page_count=1")
        with pytest.raises(RefusedError, match=r"cloud\.sqlite: .* full\. Make room") as told:
            for number in range(100):
                api.group(f"group{number}")
        assert (told.value.status, told.value.code) == (500, "InternalError")
        assert api.call("DescribeRegions")
    assert "Make room" in caplog.text
    assert "Traceback" not in caplog.text


def test_products_are_told_apart_by_version(api: Api) -> None:
    assert api.call("GetCallerIdentity", version=STS)["AccountId"] == api.cloud.state.account.id
    assert api.call("DescribeLoadBalancers", version=SLB)["TotalCount"] == 0
    assert api.call("DescribeVpcs", version=VPC)["TotalCount"] == 1
    assert api.call("DescribeVpcs", version=ECS)["TotalCount"] == 1


def post(cloud: EmbeddedCloud, body: bytes) -> Reply:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return exchange(cloud, "POST", "/", body, headers)


def test_what_is_not_utf_8(cloud: EmbeddedCloud) -> None:
    reply = post(cloud, b"Action=%ff")
    assert reply.status == 400
    assert b"InvalidParameter" in reply.body


def test_a_body_without_end(cloud: EmbeddedCloud) -> None:
    assert post(cloud, b"A=" + b"x" * 2_000_000).status == 413


def test_an_unknown_region(api: Api) -> None:
    assert api.refusal("DescribeInstances", RegionId="mars-1") == "404 InvalidRegionId.NotFound"
    assert api.refusal("DescribeInstances", RegionId="") == "400 MissingParameter"


@pytest.mark.parametrize("version", ["2014-05-26", "2014-05-15", "2016-04-28"])
def test_no_action_is_carried_out_in_a_region_that_is_not_there(api: Api, version: str) -> None:
    for action in PRODUCTS[version]:
        refusal = api.refusal(action, version=version, RegionId="nowhere")
        assert refusal in ("404 InvalidRegionId.NotFound", "400 MissingParameter"), action
