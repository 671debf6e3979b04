"""A cloud for the tests of what uses ECS: in this process, or one that is up beside it.

::

    from ecsmachine.localcloud.testing import local_cloud

    with local_cloud() as cloud:
        client = make_client(cloud.host, cloud.access_key_id, cloud.access_key_secret)
        ...
        assert [one.action for one in cloud.requests] == ["RunInstances"]

The fixtures of :mod:`ecsmachine.localcloud.pytest` give the same :class:`Cloud`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.faults.fault import FaultKind
    from ecsmachine.localcloud.service.remote import RemoteCloud
    from ecsmachine.localcloud.service.request_log import RecordedRequest, RequestLog
    from ecsmachine.localcloud.state.settings import Delays


class PlacedFault:
    """A fault that was let into a cloud. As the context of a block it ends with the block."""

    def __init__(self, faults: FaultBook, fault_id: int) -> None:
        self._faults = faults
        self.id = fault_id
        self._struck = 0

    @property
    def struck(self) -> int:
        """How often it has struck; after its end, until then."""
        found = next((one for one in self._faults.entries() if one.id == self.id), None)
        if found is not None:
            self._struck = found.struck
        return self._struck

    def remove(self) -> None:
        """Let it strike no more."""
        self._struck = self.struck
        self._faults.remove(self.id)

    def __enter__(self) -> PlacedFault:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"PlacedFault(id={self.id}, struck={self.struck})"


@dataclass(frozen=True)
class Cloud:
    """A running cloud, with all data that a client needs.

    ``endpoint`` is a URL; ``vpc_id`` and ``vswitch_id`` are the region's default network;
    ``image_id`` is a system image for instances.
    """

    endpoint: str
    region: str
    access_key_id: str
    access_key_secret: str = field(repr=False)
    vpc_id: str
    vswitch_id: str
    image_id: str
    faults: FaultBook = field(repr=False)
    log: RequestLog | RemoteCloud = field(repr=False)
    more_environment: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """Host and port: what SDKs call the endpoint."""
        return self.endpoint.removeprefix("http://")

    @property
    def environment(self) -> dict[str, str]:
        """The variables in which ecsmachine, the SDKs, the CLI and Terraform find keys and region.

        Only ecsmachine reads the endpoint from a variable (``ECS_API_ENDPOINT``); set it explicitly
        for others.
        """
        key, secret = self.access_key_id, self.access_key_secret
        return {
            "ECS_ACCESS_KEY_ID": key,
            "ECS_ACCESS_KEY_SECRET": secret,
            "ECS_REGION": self.region,
            "ECS_API_ENDPOINT": self.endpoint,
            "ECS_VPC_ID": self.vpc_id,
            "ECS_VSWITCH_ID": self.vswitch_id,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret,
            "ALIBABA_CLOUD_REGION_ID": self.region,
            "ALICLOUD_ACCESS_KEY": key,
            "ALICLOUD_SECRET_KEY": secret,
            "ALICLOUD_REGION": self.region,
            **self.more_environment,
        }

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far (the last 1,000), oldest first, without secrets."""
        return self.log.after()

    def forget_requests(self) -> None:
        """Clear :attr:`requests`."""
        self.log.clear()

    def reset(self) -> None:
        """Clear the cloud: remove resources, faults and requests, and apply its seed again.

        Key, region and default network stay. Raises
        :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError` if there are clusters.
        """
        from ecsmachine.localcloud.service.remote import RemoteCloud

        RemoteCloud(self.endpoint, self.access_key_id, self.access_key_secret).reset()

    def fault(self, kind: FaultKind, **values: Any) -> PlacedFault:
        """Let something go wrong from now on, or as long as a block lasts.

        ``values`` are those of :class:`ecsmachine.localcloud.faults.fault.Fault`. Raises
        :class:`~ecsmachine.localcloud.faults.fault.FaultError` for one that can never strike.
        """
        from ecsmachine.localcloud.faults.fault import fault_of

        return PlacedFault(self.faults, self.faults.add(fault_of(kind, values)))


@contextlib.contextmanager
def local_cloud(
    root: Path | str | None = None,
    *,
    settled: bool | None = None,
    delays: Delays | Mapping[str, float] | None = None,
    lenient: bool = False,
    seed: Mapping[str, Any] | Path | str | None = None,
    region: str = "cn-hangzhou",
    access_key_id: str = "",
    access_key_secret: str = "",
) -> Iterator[Cloud]:
    """Serve a cloud without guests from a thread of this process, for the time of a block.

    It is empty and is removed with the block, unless ``root`` names a folder: its content stays,
    and the next cloud there continues with it.

    It answers a request when the work is done: after RunInstances the instances are Running.
    ``delays`` (seconds, by the names of
    :class:`~ecsmachine.localcloud.state.settings.Delays`) let tests see the states in between; with
    ``settled=False`` states change as fast as possible. ``lenient`` ignores official parameters
    that are not implemented, instead of refusing them.
    ``seed`` (a dictionary or a file, see :mod:`ecsmachine.localcloud.service.seed`) is the content
    of a new cloud. ``region`` is the one with the default network; without an access key, a new one
    is generated.
    """
    from ecsmachine.localcloud.catalog.images import all_images
    from ecsmachine.localcloud.host.installation import check_packages

    check_packages()
    from ecsmachine.localcloud.service.embedded import embedded_cloud
    from ecsmachine.localcloud.service.seed import read_seed
    from ecsmachine.localcloud.state.settings import Delays, Settings, StateError, delays_of

    waits = delays if isinstance(delays, Delays) else delays_of(delays or {})
    if settled and delays is not None:
        raise StateError("settled and delays cannot be combined: leave out one of them.")
    with contextlib.ExitStack() as stack:
        folder = Path(root or stack.enter_context(tempfile.TemporaryDirectory(prefix="ecs-")))
        running = stack.enter_context(
            embedded_cloud(
                folder if root else folder / "cloud",
                Settings(
                    region=region,
                    delays=waits,
                    access_key_id=access_key_id,
                    access_key_secret=access_key_secret,
                ),
                lenient=lenient,
                settled=delays is None if settled is None else settled,
                seed=None if seed is None else read_seed(seed),
            )
        )
        yield Cloud(
            endpoint=running.endpoint,
            region=running.region,
            access_key_id=running.access_key_id,
            access_key_secret=running.access_key_secret,
            vpc_id=running.state.default_vpc_id,
            vswitch_id=running.state.default_vswitch_id,
            image_id=next(i.id for i in all_images() if i.architecture == "x86_64"),
            faults=running.faults,
            log=running.log,
        )


@contextlib.contextmanager
def running_cloud(root: Path | str | None = None) -> Iterator[Cloud]:
    """Use the cloud that ``ecsmachine local up`` has started.

    It is the one in ``root``, else in ``$ECSMACHINE_LOCAL_ROOT``, else the usual one.

    Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError` if it is not up.
    """
    from ecsmachine.localcloud.catalog.images import USUAL, images_of
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.host.installation import check_packages
    from ecsmachine.localcloud.host.paths import default_root

    check_packages()
    from ecsmachine.localcloud.protocol.errors import LocalCloudError
    from ecsmachine.localcloud.service.daemon import find
    from ecsmachine.localcloud.service.fault_reach import reach_of
    from ecsmachine.localcloud.service.remote import RemoteCloud

    named = os.environ.get("ECSMACHINE_LOCAL_ROOT")
    folder = Path(root) if root else Path(named).absolute() if named else default_root()
    running = find(folder)
    if running is None:
        raise LocalCloudError(
            f"The local cloud in {folder} is not up.", hint="Start it with: ecsmachine local up"
        )
    key_id, secret = running.access_key_id, running.access_key_secret
    with contextlib.closing(
        FaultBook(folder, reach_of(folder, guests=running.guests != "none"))
    ) as faults:
        yield Cloud(
            endpoint=running.endpoint,
            region=running.region,
            access_key_id=key_id,
            access_key_secret=secret,
            vpc_id=running.vpc_id,
            vswitch_id=running.vswitch_id,
            image_id=images_of([USUAL])[0].id,
            faults=faults,
            log=RemoteCloud(running.endpoint, key_id, secret),
            more_environment=running.environment(),
        )
