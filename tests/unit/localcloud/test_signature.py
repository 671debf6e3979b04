"""Signatures, pinned to Alibaba Cloud's documented examples and to its SDKs."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from aliyunsdkcore.auth.composer import rpc_signature_composer

from ecsmachine.localcloud.protocol.signature import (
    acs3_canonical_request,
    acs3_signature,
    acs3_string_to_sign,
    percent_encode,
    rpc_signature,
    rpc_string_to_sign,
)

# The worked example of the documentation of signature version 1.
DOCUMENTED = {
    "Timestamp": "2016-02-23T12:46:24Z",
    "Format": "XML",
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "Version": "2014-05-26",
    "SignatureVersion": "1.0",
}


def test_documented_string_to_sign() -> None:
    assert rpc_string_to_sign("GET", DOCUMENTED) == (
        "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML"
        "%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
        "%26SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z"
        "%26Version%3D2014-05-26"
    )


def test_documented_signature() -> None:
    signature = rpc_signature(rpc_string_to_sign("GET", DOCUMENTED), "testsecret")
    assert signature == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


def test_the_signature_itself_is_not_signed() -> None:
    signed = {**DOCUMENTED, "Signature": "anything"}
    assert rpc_string_to_sign("GET", signed) == rpc_string_to_sign("GET", DOCUMENTED)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("*", "%2A"),
        ("~-_.", "~-_."),
        ("é/杭", "%C3%A9%2F%E6%9D%AD"),
        ("a=b&c", "a%3Db%26c"),
    ],
)
def test_percent_encoding(text: str, encoded: str) -> None:
    assert percent_encode(text) == encoded


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_as_the_sdk_signs(method: str) -> None:
    in_query = {"Action": "RunInstances", "Version": "2014-05-26", "Tag.1.Value": "x=y&z*~"}
    in_body = {"InstanceName": "a b+c/é杭", "Tag.10.Key": "k", "UserData": "IyEvYmluL3NoCg=="}
    url, string_to_sign = rpc_signature_composer.get_signed_url(
        dict(in_query), "testid", "testsecret", "JSON", method, in_body
    )
    received = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) | in_body
    assert rpc_string_to_sign(method, received) == string_to_sign
    assert rpc_signature(string_to_sign, "testsecret") == received["Signature"]


# The worked example of the documentation of signature version 3.
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_documented_version_3() -> None:
    request = acs3_canonical_request(
        "POST",
        "/",
        [
            ("RegionId", "cn-shanghai"),
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
        ],
        {
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-content-sha256": EMPTY_SHA256,
            "x-acs-date": "2023-10-26T10:22:32Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
            "x-acs-version": "2014-05-26",
        },
        EMPTY_SHA256,
    )
    string_to_sign = acs3_string_to_sign(request)
    assert string_to_sign == (
        "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    )
    assert acs3_signature(string_to_sign, "YourAccessKeySecret") == (
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )
