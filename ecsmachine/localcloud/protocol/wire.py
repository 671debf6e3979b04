"""Requests and answers as bytes: the RPC form of Alibaba Cloud's API, in JSON and XML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from ecsmachine.localcloud.protocol.errors import ApiError

_MOST_PARAMETERS = 2000
"""How many parameters a request may have: with 100 rules of a security group it has 1,300."""

_LONGEST_NAME = 200
_DEEPEST = 50
_MOST_PARTS = 8

Answer = Mapping[str, Any]

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

CONTENT_TYPES = {"JSON": "application/json;charset=utf-8", "XML": "text/xml;charset=utf-8"}


class Rendered(dict[str, Any]):
    """A part of an answer whose JSON is cached, because it is requested often."""

    __slots__ = ("_json",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._json = b""

    @property
    def json(self) -> bytes:
        """The JSON of this part."""
        if not self._json:
            self._json = _dump(self)
        return self._json


def parse_query(query: str) -> list[tuple[str, str]]:
    """Return the parameters of a query; raises :class:`ApiError` unless they are few and UTF-8."""
    if query.count("&") >= _MOST_PARAMETERS:
        raise ApiError(
            "InvalidParameter", f"A request can have at most {_MOST_PARAMETERS} parameters."
        )
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise _not_utf8() from None
    for name, _ in pairs:
        if len(name) > _LONGEST_NAME or name.count(".") >= _MOST_PARTS:
            raise ApiError("InvalidParameter", "The name of a parameter is too long.")
    return pairs


def parse_body(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the parameters of a form; raises as :func:`parse_query` does."""
    kind = content_type.partition(";")[0].strip().lower()
    if body and kind in ("application/x-www-form-urlencoded", ""):
        try:
            return parse_query(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise _not_utf8() from None
    return []


def _not_utf8() -> ApiError:
    return ApiError("InvalidParameter", "The request's parameters are not encoded in UTF-8.")


def parse_json(text: str | bytes) -> Any:
    """Return the JSON of a request; raises ValueError if it cannot be returned as JSON.

    The same error comes for values nested deeper than 50, NaN and Infinity, and lone surrogates.
    Single quotes count as double ones: Alibaba Cloud's Terraform provider writes lists this way.
    """
    if isinstance(text, str) and '"' not in text:
        text = text.replace("'", '"')
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    if isinstance(value, dict | list):
        _check_depth(value, _DEEPEST)
    return value


def _check_depth(value: Any, left: int) -> None:
    if not left:
        raise ValueError("it nests too deeply")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _check_depth(item, left - 1)


def answer_format(value: str) -> str:
    """Return JSON or XML for a request's ``Format``; XML is what ECS answers without one."""
    return "JSON" if value.upper() == "JSON" else "XML"


def encode(answer: Answer, form: str, root: str) -> bytes:
    """Return the answer as JSON, or as XML with the element ``root`` around it."""
    if form == "JSON":
        pieces: list[bytes] = []
        _write_json(answer, pieces)
        return b"".join(pieces)
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n{_xml(root, answer)}').encode()


def error_answer(code: str, message: str, request_id: str, host: str) -> Answer:
    """Return the body of a refusal."""
    return {
        "RequestId": request_id,
        "HostId": host,
        "Code": code,
        "Message": message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={code}&requestId={request_id}",
    }


def _dump(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


def _write_json(value: Any, pieces: list[bytes]) -> None:
    # Only the few levels above the rendered parts are walked in Python.
    if isinstance(value, Rendered):
        pieces.append(value.json)
    elif isinstance(value, dict):
        before = b"{"
        for key, item in value.items():
            pieces.append(before + _dump(key) + b":")
            _write_json(item, pieces)
            before = b","
        pieces.append(b"}" if value else b"{}")
    elif isinstance(value, list) and value and isinstance(value[0], Rendered):
        before = b"["
        for item in value:
            pieces.append(before)
            pieces.append(item.json)
            before = b","
        pieces.append(b"]")
    else:
        pieces.append(_dump(value))


def _xml(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_xml(key, item) for key, item in value.items())}</{name}>"
    if isinstance(value, list | tuple):
        return "".join(_xml(name, item) for item in value)
    return f"<{name}>{_xml_text(value)}</{name}>"


def _xml_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not text.isprintable():
        # XML 1.0 has no way to write most control characters.
        text = "".join(c for c in text if c in "\t\n\r" or ord(c) >= 0x20)
    return escape(text)
