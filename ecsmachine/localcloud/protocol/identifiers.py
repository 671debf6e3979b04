"""Ids that look like Alibaba Cloud's: a prefix, letters of the region, a random rest."""

from __future__ import annotations

import hashlib
import secrets
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits
_LETTERS = {
    "cn-hangzhou": "bp1",
    "cn-beijing": "2ze",
    "cn-shanghai": "uf6",
    "cn-shenzhen": "wz9",
    "cn-qingdao": "m5e",
    "cn-hongkong": "j6c",
    "us-west-1": "rj9",
    "us-east-1": "0xi",
    "ap-southeast-1": "t4n",
    "eu-central-1": "gw8",
}
"""The letters that real ids have of their regions; those of Hangzhou stand for all others."""


def new_id(prefix: str, region: str) -> str:
    """Return a fresh id such as ``i-bp1…``, with the letters of the region."""
    return f"{prefix}-{_LETTERS.get(region, 'bp1')}{_random(17)}"


def default_resource_group(account_id: str) -> str:
    """Return the id of an account's default resource group: always the same one."""
    digest = hashlib.sha256(account_id.encode()).hexdigest()
    return f"rg-acfm{digest[:11]}"


def request_id() -> str:
    """Return a fresh request id: an upper-case UUID."""
    return str(uuid.uuid4()).upper()


def new_order_id() -> str:
    """Return the number of a fresh order."""
    return "2" + "".join(secrets.choice(string.digits) for _ in range(14))


def mac_address() -> str:
    """Return a fresh unicast MAC address in the range that ECS uses."""
    return "00:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
