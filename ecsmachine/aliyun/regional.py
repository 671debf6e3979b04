"""What the clients of a region's products share: an address, and the region in every request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ecsmachine.aliyun.access_key import CredentialProvider
from ecsmachine.aliyun.endpoints import Product, endpoint
from ecsmachine.aliyun.rpc import Parameter, RpcClient


class RegionalClient:
    """A product of Alibaba Cloud in a region.

    A subclass names the product, its version, and how many items a page of its lists may have.
    """

    PRODUCT: Product
    VERSION: str
    PAGE_SIZE = 50

    def __init__(
        self,
        region: str,
        credentials: CredentialProvider,
        *,
        custom_endpoint: str = "",
        vpc_internal: bool = False,
        checkpoint: Callable[[str], None] = lambda point: None,
    ):
        self.region = region
        self.rpc = RpcClient(
            endpoint(self.PRODUCT, region, custom=custom_endpoint, vpc_internal=vpc_internal),
            self.VERSION,
            credentials,
            checkpoint=checkpoint,
        )

    def _call(
        self, action: str, parameters: Mapping[str, Parameter], *, idempotent: bool | None = None
    ) -> dict[str, Any]:
        return self.rpc.call(action, {"RegionId": self.region, **parameters}, idempotent=idempotent)

    def _pages(
        self,
        action: str,
        parameters: Mapping[str, Parameter],
        *path: str,
        page_size: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        return self.rpc.pages(
            action,
            {"RegionId": self.region, **parameters},
            *path,
            page_size=page_size or self.PAGE_SIZE,
        )
