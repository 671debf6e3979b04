from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer

from ecsmachine.aliyun.signature import signed_form, string_to_sign, unsigned_form


def sign(method: str, parameters: dict[str, str], secret: str) -> str:
    return dict(parse_qsl(signed_form(method, parameters, secret).decode()))["Signature"]


def test_the_example_of_the_documentation() -> None:
    parameters = {
        "Timestamp": "2016-02-23T12:46:24Z",
        "Format": "XML",
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "Version": "2014-05-26",
        "SignatureVersion": "1.0",
    }
    assert sign("GET", parameters, "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@pytest.mark.parametrize("value", ["a b+c", "*~-_.", "/%2F&=", "中文 ü", "", '{"a": [1, "b"]}'])
def test_agrees_with_alibabas_own_sdk(value: str) -> None:
    parameters = {"Action": "RunInstances", "Tag.1.Value": value, "Z": "1", "a": "2"}
    url, text = rpc_signature_composer.get_signed_url(
        parameters, "id", "secret", "JSON", "POST", {}, sha_hmac1
    )
    # their composer adds the common parameters: take exactly those that it signed
    sent = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    signature = sent.pop("Signature")
    assert string_to_sign("POST", unsigned_form(sent).decode()) == text
    assert sign("POST", sent, "secret") == signature


def test_the_secret_is_used() -> None:
    assert sign("POST", {"A": "1"}, "one") != sign("POST", {"A": "1"}, "two")
