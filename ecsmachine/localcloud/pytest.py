"""Fixtures of pytest for whoever tests automation of ECS: a cloud for the length of a test.

In a ``conftest.py``::

    pytest_plugins = ["ecsmachine.localcloud.pytest"]

or on the command line ``pytest -p ecsmachine.localcloud.pytest``. Then tests ask for:

- ``ecs_cloud``: an empty cloud of the test's own, whose instances have no guests.
- ``ecs_shared_cloud``: such a cloud that all tests of a session share.
- ``ecs_guest_cloud``: a cloud with real guests, shared by a session; what asks for it is
  skipped, with the reason, where guests cannot run.
- ``ecs_environment``: the variables that clients read are set, for ``ecs_cloud``.

Each cloud is a :class:`Cloud`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.faults.fault import FaultKind

_CLIENTS_VARIABLES = ("ECS_", "ALIBABA_CLOUD_", "ALIBABACLOUD_", "ALICLOUD_", "MACHINE_DOCKER_")


@dataclass(frozen=True)
class Cloud:
    """A cloud that is up, and what a client has to know of it.

    ``endpoint`` is a URL; ``vpc_id`` and ``vswitch_id`` are the region's default network;
    ``image_id`` is a system image that instances can be made from.
    """

    endpoint: str
    region: str
    access_key_id: str
    access_key_secret: str = field(repr=False)
    vpc_id: str
    vswitch_id: str
    image_id: str
    faults: FaultBook = field(repr=False)
    more_environment: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """Host and port: what SDKs call the endpoint."""
        return self.endpoint.removeprefix("http://")

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which ecsmachine, the SDKs, the CLI and Terraform find keys and region.

        The endpoint is read from a variable by ecsmachine alone (``ECS_API_ENDPOINT``); others
        have to be told.
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

    def fault(self, kind: FaultKind, **values: Any) -> int:
        """Let something go wrong from now on; return the fault's id.

        ``values`` are those of :class:`ecsmachine.localcloud.faults.fault.Fault`. Faults are
        taken away at the end of the test.
        """
        from ecsmachine.localcloud.faults.fault import Fault

        return self.faults.add(Fault(kind, **values))


@pytest.fixture
def ecs_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """An empty cloud of this test's own, without guests."""
    with _without_guests(tmp_path / "ecs-cloud") as cloud:
        yield cloud


@pytest.fixture(scope="session")
def _session_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with _without_guests(tmp_path_factory.mktemp("ecs") / "cloud") as cloud:
        yield cloud


@pytest.fixture
def ecs_shared_cloud(_session_cloud: Cloud) -> Iterator[Cloud]:
    """A cloud without guests that all tests of the session share; each cleans up after itself."""
    yield _session_cloud
    _session_cloud.faults.clear()


@pytest.fixture(scope="session")
def _session_guest_cloud() -> Iterator[Cloud]:
    with _with_guests() as cloud:
        yield cloud


@pytest.fixture
def ecs_guest_cloud(_session_guest_cloud: Cloud) -> Iterator[Cloud]:
    """A cloud with real guests that all tests of the session share.

    Where guests cannot run, the test is skipped. The first one on a computer waits for the base
    image to be built (about half a minute); it is kept in the user's cache.
    """
    yield _session_guest_cloud
    _session_guest_cloud.faults.clear()


@pytest.fixture
def ecs_environment(ecs_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of ``ecs_cloud``, set for the length of the test; others' are taken away."""
    for name in list(os.environ):
        if name.startswith(_CLIENTS_VARIABLES):
            monkeypatch.delenv(name)
    for name, value in ecs_cloud.environment.items():
        monkeypatch.setenv(name, value)
    return ecs_cloud.environment


@contextlib.contextmanager
def _without_guests(root: Path) -> Iterator[Cloud]:
    from ecsmachine.localcloud.catalog.images import all_images
    from ecsmachine.localcloud.service.embedded import embedded_cloud

    with embedded_cloud(root) as running:
        yield Cloud(
            endpoint=running.endpoint,
            region=running.region,
            access_key_id=running.access_key_id,
            access_key_secret=running.access_key_secret,
            vpc_id=running.state.default_vpc_id,
            vswitch_id=running.state.default_vswitch_id,
            image_id=next(i.id for i in all_images() if i.architecture == "x86_64"),
            faults=running.faults,
        )


@contextlib.contextmanager
def _with_guests() -> Iterator[Cloud]:
    from ecsmachine.localcloud.catalog.images import USUAL, images_of
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.protocol.problems import LocalCloudError
    from ecsmachine.localcloud.service import daemon

    # Not below pytest's own folder, which it clears while it may still be in use.
    with tempfile.TemporaryDirectory(prefix="ecs-") as folder:
        root = Path(folder) / "cloud"
        try:
            try:
                running = daemon.up(root, guests="nspawn").running
            except LocalCloudError as error:
                pytest.skip(f"no guests here: {error.message} {error.hint or ''}".rstrip())
            with contextlib.closing(FaultBook(root)) as faults:
                yield Cloud(
                    endpoint=running.endpoint,
                    region=running.region,
                    access_key_id=running.access_key_id,
                    access_key_secret=running.access_key_secret,
                    vpc_id=running.vpc_id,
                    vswitch_id=running.vswitch_id,
                    image_id=images_of([USUAL])[0].id,
                    faults=faults,
                    more_environment=running.environment(),
                )
        finally:
            daemon.reset(root)
