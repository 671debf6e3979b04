"""Where the products of Alibaba Cloud answer, by region."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from ecsmachine.errors import UsageError

Product = Literal["ecs", "vpc", "slb", "sts"]

_FINANCE_REGIONS = frozenset(("cn-shanghai-finance-1", "cn-shenzhen-finance-1"))
"""Regions whose ECS answers in Hangzhou."""

_GOVERNMENT_REGIONS = frozenset(("cn-north-2-gov-1",))
"""Regions whose ECS answers at its central address."""

_CENTRAL: dict[Product, frozenset[str]] = {
    "ecs": _GOVERNMENT_REGIONS,
    "vpc": frozenset(("cn-hangzhou",)) | _FINANCE_REGIONS | _GOVERNMENT_REGIONS,
    "slb": frozenset(
        (
            *("cn-qingdao", "cn-beijing", "cn-hangzhou", "cn-shanghai", "cn-shenzhen"),
            *("cn-hongkong", "ap-southeast-1", "us-west-1", "us-east-1"),
        )
    )
    | _FINANCE_REGIONS
    | _GOVERNMENT_REGIONS,
    "sts": frozenset(),
}
"""Regions in which a product answers at its central address."""

REGION_LIST_ENDPOINT = "https://ecs.aliyuncs.com"
"""Where DescribeRegions is asked before it is known whether a region exists."""


def endpoint(product: Product, region: str, *, custom: str = "", vpc_internal: bool = False) -> str:
    """Return the address of a product in a region.

    ``custom`` is used for every product if it is given. ``vpc_internal`` asks for the address
    that is reached from inside a VPC of the region, without the internet.
    """
    if custom:
        return validate_endpoint(custom)
    if vpc_internal:
        return f"https://{product}-vpc.{region}.aliyuncs.com"
    if product == "ecs" and region in _FINANCE_REGIONS:
        return "https://ecs-cn-hangzhou.aliyuncs.com"
    if region in _CENTRAL[product]:
        return f"https://{product}.aliyuncs.com"
    return f"https://{product}.{region}.aliyuncs.com"


def validate_endpoint(url: str, named: str = "the API endpoint") -> str:
    """Return ``url`` without a trailing slash if it is an http or https address.

    ``named`` is where it was given. Raises :class:`UsageError` otherwise.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        suggestion = f" Did you mean https://{url}?" if not set(url) & set("/@") else ""
        shown = url.rpartition("@")[2]  # a password may stand before it
        raise UsageError(
            f'The API endpoint "{shown}" is not an address such as http://127.0.0.1:7400',
            hint=f"Correct {named}.{suggestion}",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "The API endpoint cannot contain a user name, query or fragment",
            hint="Give only scheme, host and port, for example http://127.0.0.1:7400.",
        )
    return url.rstrip("/")
