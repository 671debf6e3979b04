"""The ROA client against a peer: headers, signature, repeated tries, errors in all their forms."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError
from ecsmachine.aliyun.roa import RoaClient
from ecsmachine.aliyun.signature import content_md5, roa_sign, roa_string_to_sign

SECRET = "very-secret-value"


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(peer: Any, pauses: list[float]) -> RoaClient:
    credentials = FixedCredentials("flags", Credentials("LTAI-id", SECRET, "token-1"))
    return RoaClient(
        peer.address,
        "2015-12-15",
        "cn-beijing",
        credentials,
        check="the endpoint",
        sleep=pauses.append,
    )


def test_a_request_has_the_guides_headers_and_its_signature(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer(202, {"cluster_id": "c1", "request_id": "R-1"})]
    body = json.dumps({"name": "中文"}).encode()
    answer = client.call(
        "put", "/clusters/c1", query={"a b": "ü&=", "flag": True, "none": None}, body=body
    )
    assert (answer.status, answer.object().text("cluster_id"), answer.request_id) == (
        202,
        "c1",
        "R-1",
    )
    (asked,) = peer.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert asked.method == "PUT"
    assert asked.raw == body
    assert dict(parse_qsl(urlsplit(asked.path).query)) == {"a b": "ü&=", "flag": "true"}
    assert headers["content-md5"] == content_md5(body)
    assert headers["content-type"] == "application/json;charset=utf-8"
    assert headers["accept"] == "application/json"
    assert headers["x-acs-version"] == "2015-12-15"
    assert headers["x-acs-region-id"] == "cn-beijing"
    assert headers["x-acs-security-token"] == "token-1"
    assert headers["date"].endswith(" GMT")
    text = roa_string_to_sign("PUT", headers, "/clusters/c1", {"a b": "ü&=", "flag": "true"})
    assert headers["authorization"] == f"acs LTAI-id:{roa_sign(text, SECRET)}"


def test_without_a_body_there_is_neither_its_type_nor_its_digest(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer(200, b"", headers={"x-acs-request-id": "R-2"})]
    answer = client.call("DELETE", "/clusters/c1")
    assert (answer.text, answer.request_id) == ("", "R-2")
    names = {name.lower() for name in peer.asked[0].headers}
    assert not names & {"content-md5", "content-type"}


def test_headers_that_are_given_are_signed(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    peer.answers[:] = [make_answer()]
    client.call("GET", "/", headers={"Accept": "application/xml", "X-Acs-Meta": "m"})
    headers = {name.lower(): value for name, value in peer.asked[0].headers.items()}
    assert headers["accept"] == "application/xml"
    text = roa_string_to_sign("GET", headers, "/")
    assert "x-acs-meta:m" in text
    assert headers["authorization"].endswith(roa_sign(text, SECRET))


@pytest.mark.parametrize("form", ["json", "lower", "xml"])
def test_a_refusal_carries_code_message_and_request_id(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any], form: str
) -> None:
    content: Any = {
        "json": {"Code": "ErrorClusterName", "Message": "taken", "RequestId": "R-3"},
        "lower": {"code": "ErrorClusterName", "message": "taken", "requestId": "R-3"},
        "xml": b"<?xml version='1.0'?><Error><RequestId>R-3</RequestId><HostId>h</HostId>"
        b"<Code>ErrorClusterName</Code><Message>taken</Message></Error>",
    }[form]
    peer.answers[:] = [make_answer(409, content)]
    with pytest.raises(ApiError) as caught:
        client.call("POST", "/clusters", body=b"{}")
    error = caught.value
    assert (error.code, error.reason, error.status) == ("ErrorClusterName", "taken", 409)
    assert error.request_id == "R-3"
    assert error.message == "POST /clusters failed: ErrorClusterName: taken (request R-3)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no such project", "no such project"), (b"<html>Bad</html>", "Not Found"), (b"", "")],
)
def test_a_refusal_without_a_code_is_told_by_its_status(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any], content: bytes, reason: str
) -> None:
    peer.answers[:] = [make_answer(404, content)]
    with pytest.raises(ApiError) as caught:
        client.call("GET", "/clusters/c1")
    assert caught.value.code == "HTTP404"
    assert reason in caught.value.message


def test_entities_in_an_answer_are_not_expanded(
    client: RoaClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    document = b'<!DOCTYPE e [<!ENTITY a "x">]><Error><Code>&a;</Code></Error>'
    peer.answers[:] = [make_answer(400, document)]
    with pytest.raises(ApiError) as caught:
        client.call("GET", "/")
    assert caught.value.code == "HTTP400"


def test_throttling_is_waited_out_with_a_fresh_nonce_and_signature(
    client: RoaClient, peer: Any, pauses: list[float], make_answer: Any, refusal: Any
) -> None:
    peer.answers[:] = [refusal("Throttling.User", 429), make_answer()]
    client.call("POST", "/clusters", body=b"{}")
    nonces = {asked.headers["x-acs-signature-nonce"] for asked in peer.asked}
    assert len(nonces) == len({asked.headers["authorization"] for asked in peer.asked}) == 2
    assert len(pauses) == 1


def test_requests_for_all_clusters_slow_down_together(
    client: RoaClient, peer: Any, pauses: list[float], make_answer: Any, refusal: Any
) -> None:
    peer.answers[:] = [refusal("Throttling.User", 429), make_answer()]
    client.call("GET", "/clusters/c1")
    before = len(pauses)
    peer.answers[:] = [make_answer(), make_answer()]
    client.call("GET", "/clusters")  # is limited on its own
    assert len(pauses) == before
    client.call("GET", "/clusters/c2")
    assert len(pauses) == before + 1


def test_only_reading_is_tried_again_after_a_servers_fault(
    client: RoaClient, peer: Any, make_answer: Any
) -> None:
    peer.answers[:] = [make_answer(503, b"busy"), make_answer()]
    client.call("GET", "/clusters")
    assert len(peer.asked) == 2
    peer.asked.clear()
    peer.answers[:] = [make_answer(503, b"busy"), make_answer()]
    with pytest.raises(ApiError):
        client.call("POST", "/clusters", body=b"{}")
    assert len(peer.asked) == 1


def test_a_cut_connection_says_that_it_may_be_done(
    client: RoaClient, peer: Any, make_answer: Any
) -> None:
    peer.answers[:] = [make_answer(cut=True), make_answer()]
    with pytest.raises(ConnectionLostError) as caught:
        client.call("DELETE", "/clusters/c1")
    assert caught.value.maybe_done
    assert caught.value.message.startswith(
        "DELETE /clusters/c1 failed: the connection to 127.0.0.1"
    )


def test_neither_secret_nor_body_reaches_the_log(
    client: RoaClient, peer: Any, make_answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answers[:] = [make_answer()]
    with caplog.at_level(logging.DEBUG, "ecsmachine"):
        client.call("POST", "/clusters", body=b'{"password": "Just$test"}')
    assert "POST /clusters" in caplog.text
    assert SECRET not in caplog.text
    assert "Just$test" not in caplog.text
    assert "token-1" not in caplog.text
