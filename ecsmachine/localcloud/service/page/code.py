"""A recorded request as code that asks the same again: Python, curl, a test for pytest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ecsmachine.localcloud.protocol.secrecy import MASK
from ecsmachine.localcloud.service.request_log import RecordedRequest

_MOST_ASSERTED = 4


def code_of(request: RecordedRequest) -> dict[str, str]:
    """Return the ways to ask again by name: ``python``, ``pytest``, ``curl``.

    Those of Container Service, whose requests have paths, are none. Secrets are ``***`` in them.
    """
    if not request.version or not request.action or request.product == "CS":
        return {}
    values = {name: str(value) for name, value in request.parameters.items()}
    note = f"# fill in the secrets: {MASK}\n" if MASK in values.values() else ""
    return {
        "python": note + _python(request, values),
        "pytest": note + _pytest(request, values),
        "curl": note + _curl(request, values),
    }


_HEAD = """\
import json
import os

from aliyunsdkcore.client import AcsClient
{imports}from aliyunsdkcore.request import CommonRequest

"""
_CALL = """\
client = AcsClient({}, {}, {})
request = CommonRequest({}, {!r}, {!r})
request.set_protocol_type("http")
request.set_method("POST")
"""
_OF_ENVIRONMENT = (
    *(f'os.environ["ECS_{name}"]' for name in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "REGION")),
    'os.environ["ECS_API_ENDPOINT"].removeprefix("http://")',
)
_OF_FIXTURE = tuple(
    f"ecs_cloud.{name}" for name in ("access_key_id", "access_key_secret", "region", "host")
)


def _python(request: RecordedRequest, values: Mapping[str, str]) -> str:
    call = _CALL.format(*_OF_ENVIRONMENT, request.version, request.action)
    lines = [_HEAD.format(imports=""), call, *_parameters(values)]
    return "".join(lines) + "print(json.loads(client.do_action_with_exception(request)))\n"


def _pytest(request: RecordedRequest, values: Mapping[str, str]) -> str:
    refused = request.status >= 400
    imports = "from aliyunsdkcore.acs_exception.exceptions import ServerException\n"
    head = _HEAD.format(imports=imports if refused else "").replace("import os\n", "")
    if refused:
        head = head.replace("import json\n\n", "import pytest\n")
    call = _CALL.format(*_OF_FIXTURE, request.version, request.action)
    lines = [*call.splitlines(), *"".join(_parameters(values)).splitlines()]
    if refused:
        lines += [
            "with pytest.raises(ServerException) as caught:",
            "    client.do_action_with_exception(request)",
            f"assert caught.value.get_error_code() == {request.code!r}",
            f"assert caught.value.get_http_status() == {request.status}",
        ]
    else:
        lines.append("answer = json.loads(client.do_action_with_exception(request))")
        lines += [f"assert {each}" for each in _assertions(request.answer)]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", request.action).lower()
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    body = "".join(f"    {line}\n" for line in lines)
    fixture = '# conftest.py: pytest_plugins = ["ecsmachine.localcloud.pytest"]\n'
    return f"{fixture}{head}\ndef test_{name}(ecs_cloud):\n{body}"


def _assertions(answer: Mapping[str, Any]) -> list[str]:
    """Return assertions that hold for any such answer, and numbers of this one."""
    names = sorted(name for name in answer if name != "RequestId")
    found = [f"{name!r} in answer" for name in names if not isinstance(answer[name], int)]
    found += [f"answer[{n!r}] == {answer[n]!r}" for n in names if isinstance(answer[n], int)]
    return found[:_MOST_ASSERTED] or ["answer['RequestId']"]


def _parameters(values: Mapping[str, str]) -> list[str]:
    return [f"request.add_query_param({name!r}, {value!r})\n" for name, value in values.items()]


def _curl(request: RecordedRequest, values: Mapping[str, str]) -> str:
    """Return a script for a shell: the signature is of HMAC-SHA1 (Alibaba Cloud, RPC V1)."""
    encoded = {
        **{_encoded(name): _encoded(value) for name, value in values.items()},
        "AccessKeyId": "$ECS_ACCESS_KEY_ID",
        "Action": _encoded(request.action),
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "$(date +%s%N)$$",
        "SignatureVersion": "1.0",
        "Timestamp": "$(date -u +%Y-%m-%dT%H%%3A%M%%3A%SZ)",
        "Version": _encoded(request.version),
    }
    query = "&".join(f"{name}={encoded[name]}" for name in sorted(encoded))
    return f"""\
query="{query}"
text="GET&%2F&$(printf %s "$query" | sed 's/%/%25/g; s/=/%3D/g; s/&/%26/g')"
signature=$(printf %s "$text" | openssl dgst -sha1 -hmac "$ECS_ACCESS_KEY_SECRET&" -binary |
    base64 | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
curl -sS "$ECS_API_ENDPOINT/?$query&Signature=$signature"
"""


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
