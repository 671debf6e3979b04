"""Who may ask Container Service: the server's own check of ROA signatures."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from ecsmachine.localcloud.container_service.authentication import RoaRequest, check
from ecsmachine.localcloud.protocol.authentication import Nonces
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.signature import content_md5, roa_signature, roa_string_to_sign
from ecsmachine.localcloud.state.model import Account

ACCOUNT = Account("1", "key", "secret")


def request(
    resource: str = "/clusters", *, target: str = "", body: bytes = b"", **changes: str
) -> RoaRequest:
    headers = {
        "accept": "application/json",
        "date": formatdate(usegmt=True),
        "x-acs-version": "2015-12-15",
        "x-acs-signature-nonce": f"nonce-{time.monotonic_ns()}",
        "x-acs-signature-method": "HMAC-SHA1",
    }
    if body:
        headers |= {"content-md5": content_md5(body), "content-type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    text = roa_string_to_sign("GET", headers, resource)
    headers.setdefault("authorization", f"acs key:{roa_signature(text, 'secret')}")
    return RoaRequest("GET", target or resource, headers, body)


def refusal(asked: RoaRequest, nonces: Nonces | None = None) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        check(asked, ACCOUNT, nonces or Nonces())
    return caught.value.status, caught.value.code


def test_the_guides_first_vector() -> None:
    headers = {
        "accept": "application/json",
        "content-md5": "6U4ALMkKSj0PYbeQSHqgmA==",
        "content-type": "application/json;charset=utf-8",
        "date": "Wed, 16 Dec 2015 12:20:18 GMT",
        "x-acs-region-id": "cn-beijing",
        "x-acs-signature-method": "HMAC-SHA1",
        "x-acs-signature-nonce": "fbf6909a-93a5-45d3-8b1c-3e03a7916799",
        "x-acs-signature-version": "1.0",
        "x-acs-version": "2015-12-15",
    }
    text = roa_string_to_sign("POST", headers, "/clusters?param1=value1&param2=value2")
    assert roa_signature(text, "access_key_secret") == "pFd8Rd58Fv0jJRUptdqrOB3YS8M="


@pytest.mark.parametrize(
    ("resource", "target"),
    [
        ("/clusters", ""),
        ("/clusters?a=1&b=2", "/clusters?b=2&a=1"),
        ("/clusters?name=中 文", "/clusters?name=%E4%B8%AD+%E6%96%87"),
        ("/clusters?name=%E4%B8%AD", "/clusters?name=%E4%B8%AD"),
        ("/clusters?flag", "/clusters?flag"),
    ],
)
def test_resources_are_signed_decoded_or_as_they_are_sent(resource: str, target: str) -> None:
    check(request(resource, target=target), ACCOUNT, Nonces())


def test_a_body_is_signed_by_its_digest() -> None:
    check(request(body=b"{}"), ACCOUNT, Nonces())
    asked = request(body=b"{}")
    changed = RoaRequest(asked.method, asked.target, asked.headers, b'{"a": 1}')
    assert refusal(changed) == (400, "InvalidContentMD5")
    assert refusal(RoaRequest("GET", "/clusters", request().headers, b"{}")) == (
        *(400,),
        "InvalidContentMD5",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"authorization": "acs key:AAAA"}, (403, "SignatureDoesNotMatch")),
        ({"authorization": "acs other:AAAA"}, (403, "InvalidAccessKeyId.NotFound")),
        ({"authorization": "Basic a"}, (403, "MissingAuthorization")),
        ({"date": "Thu, 17 Mar 2016 18:49:58 GMT"}, (400, "InvalidTimeStamp.Expired")),
        ({"date": "yesterday"}, (400, "InvalidTimeStamp.Format")),
        ({"date": ""}, (400, "MissingParameter")),
        ({"x_acs_version": "2014-05-26"}, (400, "InvalidVersion")),
        ({"x_acs_security_token": "t"}, (403, "InvalidSecurityToken.MismatchWithAccessKey")),
    ],
)
def test_refusals(changes: dict[str, Any], expected: tuple[int, str]) -> None:
    assert refusal(request(**changes)) == expected


def test_a_signature_is_for_one_path_and_one_request() -> None:
    asked = request()
    elsewhere = RoaRequest("GET", "/images", asked.headers, b"")
    assert refusal(elsewhere) == (403, "SignatureDoesNotMatch")
    nonces = Nonces()
    check(asked, ACCOUNT, nonces)
    assert refusal(asked, nonces) == (400, "SignatureNonceUsed")
