"""Clearing a cloud, and applying a seed to one, with the actions of its own API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.protocol.errors import ApiError, LocalCloudError
from ecsmachine.localcloud.service.seed import Seed, SeedError, Wanted
from ecsmachine.localcloud.state.resources import forget_disk, forget_instance, forget_snapshot
from ecsmachine.localcloud.state.settings import Offer
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.work.lifecycle import Lifecycle
from ecsmachine.localcloud.work.supervisor import following


async def empty(state: State, lifecycle: Lifecycle, timeout_s: float) -> None:
    """Remove all resources except the default network, and return when the guests are gone.

    Region, access key and default network stay. Raises :class:`LocalCloudError` if there are
    clusters, because their containers would be left.
    """
    if len(state.clusters):
        raise LocalCloudError(
            "A cloud with clusters cannot be cleared.", hint="Delete the clusters first"
        )
    with following() as work:
        with state.transaction():
            for instance in list(state.instances):
                forget_instance(state, instance)
            for disk in list(state.disks):
                forget_disk(state, disk)
            for snapshot in list(state.snapshots):
                forget_snapshot(state, snapshot)
            state.forget_rest()
            lifecycle.removals.begin()
        await work.ended(timeout_s)


LOG = logging.getLogger("ecsmachine.localcloud")
Ask = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Carries out an action of ECS and returns its answer once it is settled."""

_GROUP = "seed"
_TYPE = "ecs.g6.large"


async def plant(seed: Seed, state: State, images: Sequence[Image], ask: Ask) -> None:
    """Create the resources of a seed. A cloud that already has this seed is not changed.

    Raises :class:`SeedError` if a resource is refused, or the cloud is not new. Resources created
    before the error stay.
    """
    if any(offer.digest == seed.offer.digest for offer in state.offers):
        LOG.info("the seed was applied before")
        return
    if len(state.offers) or len(state.instances) or len(state.security_groups):
        raise SeedError(
            "Only a new cloud accepts a seed: this one already has resources.",
            hint="Remove it first: ecsmachine local reset",
        )
    planting = _Planting(state, images, ask)
    for image in seed.images:
        await planting.make_image(image)
    for instance in seed.instances:
        await planting.make_instances(instance)
    with state.transaction():
        state.offers.put(_beside(seed.offer, state))
    LOG.info(
        "seed applied: %d instances, %d images", len(state.instances), len(state.custom_images)
    )


class _Planting:
    def __init__(self, state: State, images: Sequence[Image], ask: Ask) -> None:
        self._state = state
        self._images = images
        self._ask = ask
        self._group_id = ""

    async def make_image(self, wanted: Wanted) -> None:
        """Make an image as one does: of the system disk of an instance, which is then released."""
        values = dict(wanted.values)
        base = {"ImageId": values.pop("ImageId", ""), "InstanceType": _TYPE}
        instance = (await self._make(wanted.place, "CreateInstance", base))["InstanceId"]
        values |= {"InstanceId": instance, "RegionId": self._state.region}
        await self._asked(wanted.place, "CreateImage", values)
        release = {"InstanceId": instance, "RegionId": self._state.region}
        await self._asked(wanted.place, "DeleteInstance", release)

    async def make_instances(self, wanted: Wanted) -> None:
        """Make instances that run, or such as were never started."""
        values = dict(wanted.values)
        if not wanted.stopped:
            await self._make(wanted.place, "RunInstances", values)
            return
        amount = values.pop("Amount", "1")
        for _ in range(int(amount) if amount.isdecimal() else 1):
            await self._make(wanted.place, "CreateInstance", values)

    async def _make(self, place: str, action: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        state = self._state
        chosen = {"RegionId": state.region, "InstanceType": _TYPE, **values}
        chosen["ImageId"] = self._image_id(place, values.get("ImageId", ""))
        own_place = any(name.startswith("NetworkInterface.") for name in values)
        if not own_place and "VSwitchId" not in values:
            chosen["VSwitchId"] = state.default_vswitch_id
        if not own_place and not any(name.startswith("SecurityGroupId") for name in values):
            chosen["SecurityGroupId"] = await self._security_group(place)
        return await self._asked(place, action, chosen)

    def _image_id(self, place: str, name: str) -> str:
        """Return the id of an image by its id, its name, or how its id begins; or of any."""
        own = [one.id for one in self._state.custom_images if name and name in (one.id, one.name)]
        public = [
            one.id
            for one in self._images
            if one.id.startswith(name) and (name or one.architecture == "x86_64")
        ]
        if not own and not public:
            raise SeedError(
                f"{place}: there is no image {name}.", hint=f"For example: {self._images[0].id}"
            )
        return (own or public)[0]

    async def _security_group(self, place: str) -> str:
        if not self._group_id:
            values = {
                "RegionId": self._state.region,
                "VpcId": self._state.default_vpc_id,
                "SecurityGroupName": _GROUP,
            }
            answer = await self._asked(place, "CreateSecurityGroup", values)
            self._group_id = answer["SecurityGroupId"]
        return self._group_id

    async def _asked(self, place: str, action: str, values: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            return await self._ask(action, values)
        except ApiError as error:
            raise SeedError(f"{place}: {error.code}: {error.message}") from None


def _beside(offer: Offer, state: State) -> Offer:
    """Return the offer with stocks that are meant beside the instances that are there."""
    stock = [
        replace(
            one,
            amount=one.amount
            + sum(one.matches(each.instance_type, each.zone) for each in state.instances),
        )
        for one in offer.stock
    ]
    return replace(offer, stock=tuple(stock))
