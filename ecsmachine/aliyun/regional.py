"""What the clients of a region's products share: an address, and the region in every request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, TypeVar

from ecsmachine.aliyun.access_key import CredentialProvider
from ecsmachine.aliyun.endpoints import Product, endpoint
from ecsmachine.aliyun.errors import NEUTRAL, Wording
from ecsmachine.aliyun.rpc import Parameter, RpcClient
from ecsmachine.documents.fields import Fields
from ecsmachine.documents.reading import At, read

T = TypeVar("T")


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

    def call(self, action: str, /, **parameters: Parameter) -> Fields:
        """Carry out an action in the region, and return its answer."""
        # of all that we ask for, asking twice does as once: it has a token, or is done already
        return self.rpc.call(action, {"RegionId": self.region, **parameters}, idempotent=True)

    def _pages(
        self, action: str, path: str, page_size: int = 0, /, **parameters: Parameter
    ) -> Iterator[Fields]:
        """Yield the items of a list; ``path`` is where an answer has it, like ``Vpcs.Vpc``."""
        return self.rpc.pages(
            action,
            {"RegionId": self.region, **parameters},
            *path.split("."),
            page_size=page_size or self.PAGE_SIZE,
        )

    def _list(
        self, kind: type[T], action: str, path: str, page_size: int = 0, /, **parameters: Parameter
    ) -> Iterator[T]:
        """Yield what such a list tells."""
        for item in self._pages(action, path, page_size, **parameters):
            yield read(kind, item)


def tags_of(item: Fields) -> dict[str, str]:
    """Return the tags of a resource; the products name their parts differently."""
    return {
        tag.prose("TagKey") or tag.prose("Key"): tag.prose("TagValue") or tag.prose("Value")
        for tag in item.objects("Tags", "Tag")
    }


@dataclass(frozen=True)
class Tagged:
    """What resources with tags have alike; ``created`` is a time."""

    tags: Annotated[Mapping[str, str], tags_of] = field(default_factory=dict, kw_only=True)
    created: Annotated[str, At("CreationTime")] = field(default="", kw_only=True)
