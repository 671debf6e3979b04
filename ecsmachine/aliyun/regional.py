"""What the clients of a region's products share: an address, and the region in every request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ecsmachine.aliyun.access_key import CredentialProvider
from ecsmachine.aliyun.endpoints import Product, endpoint
from ecsmachine.aliyun.errors import NEUTRAL, Wording
from ecsmachine.aliyun.rpc import Parameter, RpcClient
from ecsmachine.documents.fields import Fields


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
        wording: Wording = NEUTRAL,
        checkpoint: Callable[[str], None] = lambda point: None,
    ):
        self.region = region
        self._at_public_address = not (custom_endpoint or vpc_internal)
        self._client_at = partial(
            RpcClient,
            version=self.VERSION,
            credentials=credentials,
            wording=wording,
            checkpoint=checkpoint,
        )
        self.rpc = self._client_at(
            endpoint(self.PRODUCT, region, custom=custom_endpoint, vpc_internal=vpc_internal)
        )

    def _call(
        self, action: str, parameters: Mapping[str, Parameter], *, idempotent: bool | None = None
    ) -> Fields:
        return self.rpc.call(action, {"RegionId": self.region, **parameters}, idempotent=idempotent)

    def _pages(
        self,
        action: str,
        parameters: Mapping[str, Parameter],
        *path: str,
        page_size: int | None = None,
    ) -> Iterator[Fields]:
        return self.rpc.pages(
            action,
            {"RegionId": self.region, **parameters},
            *path,
            page_size=page_size or self.PAGE_SIZE,
        )


def tags_of(item: Fields) -> dict[str, str]:
    """Return the tags of a resource; the products name their parts differently."""
    return {
        tag.prose("TagKey") or tag.prose("Key"): tag.prose("TagValue") or tag.prose("Value")
        for tag in item.objects("Tags", "Tag")
    }
