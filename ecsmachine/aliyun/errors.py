"""What can go wrong between us and Alibaba Cloud, in words that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ecsmachine.aliyun.error_codes import Meaning, meaning_of, what_is_missing
from ecsmachine.documents.rules import CONTROLS
from ecsmachine.errors import MachineError, UsageError

_HINTS = {
    Meaning.KEY_UNKNOWN: (
        "Check the access key id; keys are listed at https://ram.console.aliyun.com."
    ),
    Meaning.SECRET_WRONG: "Check the access key secret.",
    Meaning.TOKEN_EXPIRED: "The security token has expired: get a new one.",
    Meaning.TOKEN_WRONG: "The security token is not one of this access key: get a new one.",
    Meaning.TOKEN_MISSING: "This access key is temporary: give its security token too.",
    Meaning.CLOCK_WRONG: "Set this computer's clock (for example with NTP).",
    Meaning.NO_PERMISSION: "Ask the owner of the account for this permission (RAM policy).",
    Meaning.ACCOUNT_STATUS: (
        "Check the account in the Alibaba Cloud console: it may be in debt or restricted."
    ),
    Meaning.NO_BALANCE: "Top up the account.",
    Meaning.NO_REAL_NAME: "Complete the account's real-name registration.",
    Meaning.TOKEN_MISMATCH: "An earlier attempt used other options.",
    Meaning.QUOTA: "Remove what you do not need, or request a higher quota in Quota Center.",
    Meaning.OUT_OF_STOCK: "Choose another zone or another instance type.",
    Meaning.NO_DISK: "Choose another disk category, another zone or another instance type.",
    Meaning.NO_ADDRESS: "Choose another VSwitch, or another zone.",
    Meaning.UNKNOWN_TYPE: "Choose another instance type.",
    Meaning.INVALID_PASSWORD: "Choose another password.",
    Meaning.PROTECTED: (
        "First disable deletion protection: in the ECS console, or with ModifyInstanceAttribute."
    ),
    Meaning.LOCKED: "The instance is locked: the Alibaba Cloud console shows why.",
    Meaning.EXPIRED: "Renew the instance, or top up the account, in Alibaba Cloud's console.",
    Meaning.NOT_THE_API: "Check the API endpoint.",
    Meaning.THROTTLED: "Wait a moment and try again.",
    Meaning.PASSING: "Wait a moment and try again.",
}
"""What to do, by what an error code means, where the program has no words of its own."""


@dataclass(frozen=True)
class Wording:
    """What a program calls its options, for what an error says to do.

    ``endpoint`` names those that say where the API is; ``hints`` go before those for all programs.
    """

    endpoint: str = "the API endpoint"
    hints: Mapping[Meaning, str] = field(default_factory=dict)


NEUTRAL = Wording()

_LACKING = {
    Meaning.OUT_OF_STOCK: "Out of stock",
    Meaning.NO_DISK: "No such disk there",
    Meaning.NO_ADDRESS: "No free address",
}

_BUSY = (Meaning.BUSY, Meaning.STATUS_ON_ITS_WAY, Meaning.TOKEN_PROCESSING)

_LONGEST_WORDS = 2000
"""How much of what a cloud says is shown, in characters."""


class ApiError(MachineError):
    """Alibaba Cloud refused a request.

    ``code`` and ``reason`` are the API's own words, ``meaning`` is what the code means for us,
    ``request_id`` is what its support asks for, ``status`` is the HTTP status. ``maybe_done`` is
    whether an earlier try of the same call, which got no clear answer, may have been carried out.
    """

    def __init__(
        self,
        *,
        action: str,
        code: str,
        reason: str,
        request_id: str = "",
        status: int = 400,
    ):
        self.action = action
        self.code = one_line(code) or ("ServiceUnavailable" if status >= 500 else f"HTTP{status}")
        # a refused signature comes with what was signed, the access key id among it
        self.reason = one_line(re.sub(r"(?is)(server )?string to sign is.*", "", reason))
        self.request_id = one_line(request_id)
        self.status = status
        self.maybe_done = False
        told = f": {self.reason.rstrip('. ')}" if self.reason else ""
        identified = f" (request {self.request_id})" if request_id else ""
        self.meaning = meaning_of(self.code, status)
        super().__init__(
            f"{action} failed: {self.code}{told}{identified}", hint=_HINTS.get(self.meaning)
        )

    @property
    def is_throttling(self) -> bool:
        """Whether the request came too soon after others; nothing was done."""
        return self.meaning is Meaning.THROTTLED

    @property
    def is_busy(self) -> bool:
        """Whether something else is under way with what the request names; nothing was done."""
        return self.meaning in _BUSY

    @property
    def may_be_so(self) -> bool:
        """Whether the status is not the one to begin with as an earlier try may have changed it."""
        return self.maybe_done and self.meaning is Meaning.STATUS_ON_ITS_WAY

    @property
    def is_passing(self) -> bool:
        """Whether the fault is the server's own, and may be over at the next try."""
        return self.status >= 500 or self.meaning is Meaning.PASSING

    @property
    def is_refusal(self) -> bool:
        """Whether the request was turned down for good, so that certainly nothing was made."""
        earlier = (Meaning.TOKEN_PROCESSING, Meaning.TOKEN_MISMATCH)
        return not (
            self.maybe_done or self.is_throttling or self.is_passing or self.meaning in earlier
        )

    @property
    def lacking(self) -> str:
        """What the place of an instance does not have, or "": another place may have it."""
        return _LACKING.get(self.meaning, "")

    @property
    def is_not_found(self) -> bool:
        """Whether the resource that the request named does not exist.

        An unknown access key or region says nothing about the resource.
        """
        return self.meaning is Meaning.GONE

    @property
    def missing(self) -> str:
        """The parameter whose resource does not exist ("SecurityGroupId"), or ""."""
        return what_is_missing(self.code)


class ConnectionLostError(MachineError):
    """No answer came: the endpoint was not reached, or the connection broke.

    ``maybe_done`` is whether the request may have been carried out all the same.
    """

    def __init__(self, message: str, *, maybe_done: bool, hint: str | None = None):
        super().__init__(message, hint=hint)
        self.maybe_done = maybe_done


class AnswerError(MachineError):
    """What was answered is not what the API answers; it may have been carried out all the same."""

    def __init__(self, what: str, endpoint: str, reason: str):
        super().__init__(
            f"{what} failed: the answer of {endpoint} cannot be used: {reason}",
            hint="Another server may be answering there: check the endpoint.",
        )


class MissingCredentialsError(UsageError):
    """There are no credentials wherever they were looked for."""


def one_line(text: str) -> str:
    """Return the beginning of ``text`` on one line, without control characters."""
    return re.sub(f"[{CONTROLS}]+", " ", text[:_LONGEST_WORDS]).strip()
