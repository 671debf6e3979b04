"""pytest fixtures for tests of ECS automation: a cloud for the time of a test.

In a ``conftest.py``::

    pytest_plugins = ["ecsmachine.localcloud.pytest"]

or on the command line ``pytest -p ecsmachine.localcloud.pytest``. Then tests can use:

- ``ecs_cloud``: an empty cloud for this test, whose instances have no guests.
- ``ecs_shared_cloud``: such a cloud that all tests of a session share.
- ``ecs_guest_cloud``: a cloud with real guests, shared by a session; what asks for it is
  skipped, with the reason, where guests cannot run.
- ``ecs_environment``: the variables that clients read are set, for ``ecs_cloud``.

Each cloud is a :class:`~ecsmachine.localcloud.testing.Cloud`. The fixture ``ecs_cloud_options``
sets the options of the first two, and the marker ``ecs_cloud`` sets them for one test; both accept
the options of :func:`~ecsmachine.localcloud.testing.local_cloud`::

    @pytest.mark.ecs_cloud(delays={"pending_s": 2})
    def test_it_waits(ecs_cloud): ...
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.localcloud.testing import Cloud, local_cloud, running_cloud

_CLIENTS_VARIABLES = ("ECS_", "ALIBABA_CLOUD_", "ALIBABACLOUD_", "ALICLOUD_", "MACHINE_DOCKER_")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "ecs_cloud(**options): how the cloud of ecs_cloud is made, for this test"
    )


@pytest.fixture(scope="session")
def ecs_cloud_options() -> dict[str, Any]:
    """The options of clouds without guests; redefine the fixture to change them."""
    return {}


@pytest.fixture
def ecs_cloud(request: pytest.FixtureRequest, ecs_cloud_options: dict[str, Any]) -> Iterator[Cloud]:
    """An empty cloud of this test's own, without guests."""
    options = dict(ecs_cloud_options)
    for marker in reversed(list(request.node.iter_markers("ecs_cloud"))):
        if marker.args:
            raise pytest.UsageError("the marker ecs_cloud takes its options by name")
        options |= marker.kwargs
    with local_cloud(**options) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def _session_cloud(ecs_cloud_options: dict[str, Any]) -> Iterator[Cloud]:
    with local_cloud(**ecs_cloud_options) as cloud:
        yield cloud


@pytest.fixture
def ecs_shared_cloud(_session_cloud: Cloud) -> Iterator[Cloud]:
    """A cloud without guests that all tests of the session share; each cleans up after itself."""
    with _for_one_test(_session_cloud):
        yield _session_cloud


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
    with _for_one_test(_session_guest_cloud):
        yield _session_guest_cloud


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
def _for_one_test(cloud: Cloud) -> Iterator[None]:
    """Clear the request log of a shared cloud, and remove its faults at the end."""
    cloud.forget_requests()
    yield
    cloud.faults.clear()


@contextlib.contextmanager
def _with_guests() -> Iterator[Cloud]:
    from ecsmachine.localcloud.host.settings import Serving
    from ecsmachine.localcloud.protocol.errors import LocalCloudError
    from ecsmachine.localcloud.service import daemon

    # Not below pytest's own folder, which it clears while it may still be in use.
    with tempfile.TemporaryDirectory(prefix="ecs-") as folder:
        root = Path(folder) / "cloud"
        try:
            try:
                daemon.up(root, guests="nspawn", serving=Serving(settled=True))
            except LocalCloudError as error:
                pytest.skip(f"no guests here: {error.message} {error.hint or ''}".rstrip())
            with running_cloud(root) as cloud:
                yield cloud
        finally:
            daemon.reset(root)
