from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ecsmachine.aliyun import transport
from ecsmachine.aliyun.access_key import (
    ApiAddress,
    Credentials,
    FixedCredentials,
    RenewedCredentials,
)
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError, ConnectionLostError, Wording
from ecsmachine.aliyun.rpc import RpcClient, numbered, tag_parameters
from ecsmachine.aliyun.signature import signed_form
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.errors import MachineError

SECRET = "very-secret-value"
PASSWORD = "Passw0rd-of-host"
CREDENTIALS = FixedCredentials("flags", Credentials("LTAI-id", SECRET, "token-1"))


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(peer: Any, pauses: list[float]) -> RpcClient:
    return RpcClient(peer.address, "2014-05-26", CREDENTIALS, sleep=pauses.append)


def answers(peer: Any, *given: Any) -> None:
    peer.answers[:] = given


def test_a_call_is_a_signed_post_with_nothing_in_the_url(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer(content={"RequestId": "R", "X": 1}))
    answer = client.call(
        "RunInstances",
        {"Password": PASSWORD, "Amount": 1, "DryRun": True, "A": "", "B": None, "C": False},
    )
    assert answer.number("X") == 1
    (asked,) = peer.asked
    assert (asked.method, asked.path) == ("POST", "/")
    body = dict(asked.body)
    signature = body.pop("Signature")
    assert urlencode({"Signature": signature}) in signed_form("POST", body, SECRET).decode()
    assert body["Password"] == PASSWORD
    assert body["Amount"] == "1"
    assert body["DryRun"] == "true"
    assert body["C"] == "false"
    assert "A" not in body
    assert "B" not in body
    assert body["SecurityToken"] == "token-1"
    assert (body["Format"], body["SignatureMethod"]) == ("JSON", "HMAC-SHA1")
    assert body["Version"] == "2014-05-26"


def test_no_password_of_netrc_is_sent(
    client: RpcClient,
    peer: Any,
    make_answer: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    answers(peer, make_answer())
    client.call("DescribeNothing", {})
    (asked,) = peer.asked
    assert "Authorization" not in asked.headers


def test_machines_and_products_of_one_address_share_its_connections(
    peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer())
    for _ in range(2):
        cloud = Cloud("cn-hangzhou", CREDENTIALS, ApiAddress(peer.address))
        for product in (cloud.ecs, cloud.vpc, cloud.slb, cloud.images, cloud.sts):
            product.call("DescribeNothing")
    assert (len(peer.asked), peer.connections) == (10, 1)
    assert len({asked.body["Version"] for asked in peer.asked}) > 1


def test_throttling_is_waited_out_with_a_fresh_nonce_each_time(
    client: RpcClient,
    peer: Any,
    pauses: list[float],
    make_answer: Callable[..., Any],
    refusal: Callable[..., Any],
) -> None:
    answers(peer, refusal("Throttling.User"), refusal("Throttling"), make_answer())
    client.call("StartInstance", {})
    assert len(peer.asked) == 3
    assert len({asked.body["SignatureNonce"] for asked in peer.asked}) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize("code", ["OperationConflict", "LastTokenProcessing"])
def test_a_resource_that_is_busy_is_waited_for(
    client: RpcClient,
    peer: Any,
    pauses: list[float],
    make_answer: Callable[..., Any],
    refusal: Callable[..., Any],
    code: str,
) -> None:
    answers(peer, *[refusal(code)] * 4, make_answer())
    client.call("StopInstance", {})
    assert len(peer.asked) == 5
    assert pauses == sorted(pauses)
    assert sum(pauses) < 1


def test_a_status_that_a_lost_try_may_have_led_to_is_raised_at_once(
    client: RpcClient,
    peer: Any,
    make_answer: Callable[..., Any],
    refusal: Callable[..., Any],
) -> None:
    again = (b"", refusal("IncorrectEipStatus"), refusal("IncorrectEipStatus"), make_answer())
    answers(peer, *again)
    with pytest.raises(ApiError, match="IncorrectEipStatus") as raised:
        client.call("AssociateEipAddress", {}, idempotent=True)
    assert (raised.value.may_be_so, len(peer.asked)) == (True, 2)
    # what has a token gets the first answer again
    answers(peer, *again)
    client.call("AllocateEipAddress", {"ClientToken": "t"})
    assert len(peer.asked) == 2 + 4


def test_a_resource_that_stays_busy_is_an_error_in_the_end(
    peer: Any, refusal: Callable[..., Any]
) -> None:
    answers(peer, *[refusal("OperationConflict")] * 100)
    client = RpcClient(peer.address, "2014-05-26", CREDENTIALS, total_timeout_s=0.3)
    with pytest.raises(ApiError, match="StopInstance failed: OperationConflict"):
        client.call("StopInstance", {})
    assert 1 < len(peer.asked) < 20


@pytest.mark.parametrize("code", ["ServiceUnavailable", "InternalError"])
def test_a_fault_of_the_server_is_tried_again_where_twice_does_no_harm(
    client: RpcClient,
    peer: Any,
    make_answer: Callable[..., Any],
    refusal: Callable[..., Any],
    code: str,
) -> None:
    for action, parameters, idempotent in (
        ("DescribeInstances", {}, None),
        ("RunInstances", {"ClientToken": "t"}, None),
        ("DeleteInstance", {}, True),
    ):
        peer.asked.clear()
        answers(peer, refusal(code, 503), make_answer())
        client.call(action, parameters, idempotent=idempotent)
        assert len(peer.asked) == 2
    peer.asked.clear()
    answers(peer, refusal(code, 503), make_answer())
    with pytest.raises(ApiError):
        client.call("RebootInstance", {})
    assert len(peer.asked) == 1


def test_a_cut_connection_is_tried_again_where_twice_does_no_harm(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer(cut=True), make_answer(content={"RequestId": "R", "X": 2}))
    assert client.call("RunInstances", {"ClientToken": "t"}).number("X") == 2
    assert [asked.body["ClientToken"] for asked in peer.asked] == ["t", "t"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "failed: the connection to HOST broke. It is tried again, for up to 60 s in all"),
        (
            "ServiceUnavailable",
            "failed: ServiceUnavailable. It is tried again, for up to 60 s in all",
        ),
        (
            "Throttling.User",
            "has to wait: Throttling.User. It is tried again, for up to 180 s in all",
        ),
    ],
)
def test_what_is_tried_again_for_long_is_told_once(
    code: str,
    told: str,
    client: RpcClient,
    peer: Any,
    make_answer: Callable[..., Any],
    refusal: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble = refusal(code, 503) if code else make_answer(cut=True)
    monkeypatch.setattr(transport, "_SILENT_S", 100.0)
    answers(peer, trouble, make_answer())
    client.call("DescribeRegions", {})
    assert not caplog.records
    monkeypatch.setattr(transport, "_SILENT_S", 0.0)
    answers(peer, trouble, trouble, trouble, make_answer())
    client.call("DescribeRegions", {})
    host = peer.address.removeprefix("http://")
    assert [record.getMessage() for record in caplog.records] == [
        f"DescribeRegions {told.replace('HOST', host)}"
    ]


def test_a_cut_connection_elsewhere_says_that_it_may_be_done(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer(cut=True), make_answer())
    with pytest.raises(ConnectionLostError) as caught:
        client.call("AllocateEipAddress", {})
    assert caught.value.maybe_done
    assert "may have been executed" in (caught.value.hint or "")
    assert len(peer.asked) == 1


def test_a_connection_that_breaks_whenever_something_is_read_is_the_networks(
    peer: Any, make_answer: Callable[..., Any]
) -> None:
    client = RpcClient(
        peer.address, "2014-05-26", CREDENTIALS, total_timeout_s=0, sleep=lambda seconds: None
    )
    answers(peer, make_answer(cut=True), make_answer(cut=True))
    with pytest.raises(ConnectionLostError, match="broke") as caught:
        client.call("DescribeRegions", {})
    assert (caught.value.hint or "").startswith("Check the network and proxy")


@pytest.mark.parametrize("code", ["InvalidInstanceId.NotFound", "Forbidden.RAM", "QuotaExceed.X"])
def test_a_refusal_is_final_and_tells_code_and_request(
    client: RpcClient, peer: Any, refusal: Callable[..., Any], code: str
) -> None:
    answers(peer, refusal(code, 403, "It is\nnot so."))
    with pytest.raises(ApiError) as caught:
        client.call("DescribeInstances", {})
    assert len(peer.asked) == 1
    error = caught.value
    assert (error.code, error.request_id, error.status) == (code, "REQ-1", 403)
    assert error.message == f"DescribeInstances failed: {code}: It is not so (request REQ-1)"


def test_an_endpoint_that_nobody_serves_is_given_up_soon(pauses: list[float]) -> None:
    credentials = FixedCredentials("flags", Credentials("id", SECRET))
    client = RpcClient("http://127.0.0.1:9", "2014-05-26", credentials, sleep=pauses.append)
    with pytest.raises(ConnectionLostError, match=r"127\.0\.0\.1:9 cannot be reached") as caught:
        client.call("RunInstances", {})
    assert not caught.value.maybe_done
    assert len(pauses) == 3


def test_something_else_than_the_api_is_named_so(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer(content=b"<html>hello</html>"))
    with pytest.raises(MachineError, match="is not Alibaba Cloud's API"):
        client.call("DescribeRegions", {})
    answers(peer, make_answer(status=404, content=b"<html>no</html>"))
    with pytest.raises(ApiError, match="HTTP404") as caught:
        client.call("DescribeRegions", {})
    assert caught.value.hint == "Check the API endpoint."


def test_a_redirect_is_not_followed(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(peer, make_answer(status=302, headers={"Location": peer.address + "/else"}))
    with pytest.raises(ApiError, match="HTTP302"):
        client.call("DescribeRegions", {})
    assert len(peer.asked) == 1


def test_a_clock_that_is_off_is_measured(
    client: RpcClient, peer: Any, refusal: Callable[..., Any]
) -> None:
    answers(peer, refusal("InvalidTimeStamp.Expired"))
    with pytest.raises(ApiError) as caught:
        client.call("DescribeRegions", {})
    assert caught.value.hint is not None
    assert " s behind Alibaba Cloud's" in caught.value.hint


def test_secrets_are_in_no_log_error_or_repr(
    client: RpcClient,
    peer: Any,
    refusal: Callable[..., Any],
    make_answer: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    answers(peer, refusal("Throttling"), refusal("Forbidden"), make_answer(cut=True))
    shown = [repr(client), repr(Credentials("id", SECRET, "token-1"))]
    for _ in range(2):
        with pytest.raises(MachineError) as caught:
            client.call("RunInstances", {"Password": PASSWORD, "InstanceName": "dev1"})
        shown += [str(caught.value), repr(caught.value), str(caught.value.hint)]
    assert "dev1" in caplog.text
    assert "REQ-1" in caplog.text
    for secret in (SECRET, PASSWORD, "token-1"):
        assert secret not in caplog.text
        assert all(secret not in text for text in shown)


def test_pages_are_fetched_until_all_are_there(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    def page(*items: int) -> Any:
        return make_answer(
            content={
                "RequestId": "R",
                "TotalCount": 5,
                "Xs": {"X": [{"N": item} for item in items]},
            }
        )

    answers(peer, page(1, 2), page(3, 4), page(5))
    items = client.pages("DescribeXs", {}, "Xs", "X", page_size=2)
    assert [item.number("N") for item in items] == [1, 2, 3, 4, 5]
    assert [asked.body["PageNumber"] for asked in peer.asked] == ["1", "2", "3"]


def test_a_list_that_shrinks_while_it_is_read_ends(
    client: RpcClient, peer: Any, make_answer: Callable[..., Any]
) -> None:
    answers(
        peer,
        make_answer(content={"TotalCount": 9, "Xs": {"X": [{"N": 1}, {"N": 2}]}, "RequestId": "R"}),
        make_answer(content={"TotalCount": 9, "Xs": {"X": []}, "RequestId": "R"}),
    )
    assert len(list(client.pages("DescribeXs", {}, "Xs", "X", page_size=2))) == 2


def test_lists_and_tags_as_parameters() -> None:
    assert numbered("A", ["x", "y"]) == {"A.1": "x", "A.2": "y"}
    assert tag_parameters({"k": "v=w"}) == {"Tag.1.Key": "k", "Tag.1.Value": "v=w"}


def test_a_refused_signature_does_not_tell_the_access_key() -> None:
    error = ApiError(
        action="DescribeRegions",
        code="SignatureDoesNotMatch",
        reason="Specified signature is not matched with our calculation. "
        "server string to sign is:POST&%2F&AccessKeyId%3DLTAImarked%26Action%3DDescribeRegions",
        request_id="1",
    )
    assert "LTAImarked" not in f"{error} {error.message} {error.reason}"
    assert error.message.startswith("DescribeRegions failed: SignatureDoesNotMatch: Specified")


def test_a_refusal_of_blanks_is_read_once() -> None:
    assert ApiError(action="A", code="C", reason=" " * 1_000_000).message == "A failed: C"


def test_a_temporary_key_that_has_expired_is_had_anew(
    peer: Any, make_answer: Callable[..., Any], refusal: Callable[..., Any]
) -> None:
    keys = [f"STS.{number}" for number in range(9)]

    def fetch() -> tuple[Credentials, float]:
        return Credentials(keys.pop(0), SECRET, "token"), 1e12

    client = RpcClient(peer.address, "2014-05-26", RenewedCredentials("profile:x", fetch))
    answers(peer, refusal("InvalidSecurityToken.Expired", 403), make_answer())
    client.call("AllocateEipAddress", {})
    assert [asked.body["AccessKeyId"] for asked in peer.asked] == ["STS.0", "STS.1"]
    answers(peer, refusal("InvalidSecurityToken.Expired", 403))
    with pytest.raises(ApiError, match="Expired"):
        client.call("AllocateEipAddress", {})
    assert len(peer.asked) == 4
    # one that was given once cannot be had anew
    fixed = FixedCredentials("environment", Credentials("STS.x", SECRET, "token"))
    with pytest.raises(ApiError, match="Expired"):
        RpcClient(peer.address, "2014-05-26", fixed).call("DescribeRegions", {})
    assert len(peer.asked) == 5


def test_a_program_has_words_of_its_own(peer: Any, make_answer: Callable[..., Any]) -> None:
    wording = Wording("--where", {Meaning.KEY_UNKNOWN: "Correct --key."})
    client = RpcClient(peer.address, "2014-05-26", CREDENTIALS, wording=wording)
    content = b'{"Code": "InvalidAccessKeyId.NotFound", "Message": "Unknown.", "RequestId": "1"}'
    answers(peer, make_answer(status=404, content=content))
    with pytest.raises(ApiError) as caught:
        client.call("DescribeRegions", {})
    assert caught.value.hint == "Correct --key."
    answers(peer, make_answer(status=404, content=content))
    of_profile = FixedCredentials("profile:work", Credentials("LTAI", SECRET))
    with pytest.raises(ApiError) as of_key:
        RpcClient(peer.address, "2014-05-26", of_profile, wording=wording).call("Describe", {})
    assert '"aliyun configure --profile work"' in (of_key.value.hint or "")
    gone = RpcClient(
        "http://127.0.0.1:1", "2014-05-26", CREDENTIALS, wording=wording, total_timeout_s=0
    )
    with pytest.raises(ConnectionLostError) as lost:
        gone.call("DescribeRegions", {}, idempotent=False)
    assert "--where" in (lost.value.hint or "")
