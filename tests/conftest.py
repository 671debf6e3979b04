"""How the tests are shared out among the workers of pytest-xdist."""

from __future__ import annotations

from typing import Any

import pytest

# Each test has guests of its own, and takes seconds: any worker may take the next one.
TESTS_APART = frozenset(
    f"tests/guest/{name}.py"
    for name in ("test_local_cloud", "test_local_cloud_guests", "test_provisioning")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("guest") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A module is one worker's, as are the machines that its tests share."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = unit_of_work
    return scheduler


def unit_of_work(nodeid: str) -> str:
    """Return what a test is handed to a worker with."""
    module = nodeid.partition("::")[0]
    return nodeid if module in TESTS_APART else module
