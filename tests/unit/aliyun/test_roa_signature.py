"""The ROA signature: vectors of the guide's chapter 2, and Alibaba's own signer beside ours."""

from __future__ import annotations

import base64

import pytest
from aliyunsdkcore.auth.composer import roa_signature_composer

from ecsmachine.aliyun.signature import content_md5, roa_sign, roa_string_to_sign

COMMON = {
    "Accept": "application/json",
    "x-acs-signature-method": "HMAC-SHA1",
    "x-acs-signature-version": "1.0",
    "x-acs-version": "2015-12-15",
}
GUIDE_BODY = (
    b'{"password": "Just$test","instance_type": "ecs.m2.medium",'
    b'"name": "my-test-cluster-97082734","size": 1,"network_mode": "classic",'
    b'"data_disk_category": "cloud","data_disk_size": 10,"ecs_image_id": "m-253llee3l"}'
)


def test_the_guides_content_md5() -> None:
    assert len(GUIDE_BODY) == 210
    assert content_md5(GUIDE_BODY) == "6U4ALMkKSj0PYbeQSHqgmA=="


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "secret", "signature"),
    [
        (
            "POST",
            "/clusters",
            {"param2": "value2", "param1": "value1"},
            {
                "Content-MD5": "6U4ALMkKSj0PYbeQSHqgmA==",
                "Content-Type": "application/json;charset=utf-8",
                "Date": "Wed, 16 Dec 2015 12:20:18 GMT",
                "X-Acs-Region-Id": "cn-beijing",
                "x-acs-signature-nonce": "fbf6909a-93a5-45d3-8b1c-3e03a7916799",
                "Accept-Encoding": "identity",
            },
            "access_key_secret",
            "pFd8Rd58Fv0jJRUptdqrOB3YS8M=",
        ),
        (
            "GET",
            "/clusters",
            {},
            {
                "Content-Type": "application/json;charset=utf-8",
                "Date": "Wed, 16 Dec 2015 11:18:47 GMT",
                "x-acs-region-id": "cn-beijing",
                "x-acs-signature-nonce": "f63659d4-10ac-483b-99da-ea8fde61eae3",
            },
            "access_key_secret",
            "usQ+4g8D4UouNqjK8PUUZ1KQGzo=",
        ),
        (
            "DELETE",
            "/clusters/Cccfd68c474454665ace07efce924f75f/ip/10.1.0.123",
            {"releaseInstance": "false"},
            {
                "Content-Type": "application/json",
                "Date": "Thu, 17 Mar 2016 18:49:58 GMT",
                "x-acs-region-id": "cn-hangzhou",
                "x-acs-signature-nonce": "00000000-0000-4000-8000-000000000001",
            },
            "testsecret",
            "AEMGX+3PfHu0SYvhlP7z72P/DB8=",
        ),
    ],
    ids=["body and query", "nothing", "nested path"],
)
def test_vectors(
    method: str,
    path: str,
    query: dict[str, str | None],
    headers: dict[str, str],
    secret: str,
    signature: str,
) -> None:
    text = roa_string_to_sign(method, {**COMMON, **headers}, path, query)
    assert roa_sign(text, secret) == signature
    assert len(base64.b64decode(signature)) == 20


@pytest.mark.parametrize("value", ["a b+c", "*~-_.", "/%2F&=", "中文 ü", ""])
def test_agrees_with_alibabas_own_signer(value: str) -> None:
    headers = {"x-acs-region-id": "cn-beijing", "X-Acs-Meta": value, "Content-MD5": "abc="}
    signed, text = roa_signature_composer.get_signature_headers(
        queries={"b": value, "a": "1", "c": None},
        access_key="id",
        secret="secret",
        format="JSON",
        headers=headers,
        uri_pattern="/clusters/[ClusterId]/attach",
        paths={"ClusterId": "c1"},
        method="POST",
    )
    query: dict[str, str | None] = {"a": "1", "b": value, "c": None}
    ours = roa_string_to_sign("POST", signed, "/clusters/c1/attach", query)
    assert ours == text
    assert signed["Authorization"] == f"acs id:{roa_sign(ours, 'secret')}"


def test_values_on_several_lines_are_signed_on_one() -> None:
    text = roa_string_to_sign("GET", {"X-Acs-Meta": "  a\n b\tc "}, "/")
    assert text == "GET\n\n\n\n\nx-acs-meta:a  b c\n/"


def test_the_secret_is_used() -> None:
    assert roa_sign("text", "one") != roa_sign("text", "two")
