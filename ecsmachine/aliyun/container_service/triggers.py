"""Triggers: an address with a secret in it that redeploys or scales an application (chapter 6)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from ecsmachine.aliyun.container_service import rules
from ecsmachine.aliyun.roa import refused
from ecsmachine.aliyun.transport import Transport
from ecsmachine.errors import UsageError

KINDS = ("scale_out", "scale_in")
MOST_STEPS = 100


def fire(url: str, *, kind: str = "", step: int = 0) -> str:
    """Call a trigger and return what it answers.

    A trigger that scales is told ``kind``, scale_out or scale_in, and ``step``, the number of
    containers. Raises :class:`UsageError` for an address that is none of a trigger,
    :class:`ApiError` and :class:`ConnectionLostError`; none of them shows the secret.
    """
    parts = urlsplit(url)
    pairs = dict(parse_qsl(parts.query))
    if parts.scheme not in ("http", "https") or not {"triggerUrl", "secret"} <= pairs.keys():
        raise UsageError(
            "This is not the address of a trigger: it needs triggerUrl= and secret=",
            hint="Copy it again from the application's page, in quotes.",
        )
    if kind:
        rules.check_choice("type", kind, KINDS)
        rules.check_number("step", step, 1, MOST_STEPS)
        pairs |= {"type": kind, "step": str(step)}
    transport = Transport(f"{parts.scheme}://{parts.netloc}", check="the address of the trigger")
    response = transport.send(
        "The trigger", "POST", f"{parts.path}?{urlencode(pairs)}", data=None, headers={}
    )
    if not 200 <= response.status_code < 300:
        raise refused("The trigger", response)
    return response.content.decode("utf-8", errors="replace")
