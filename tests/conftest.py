"""How the tests are shared out among the workers of pytest-xdist, and what none may leave."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

# Each test has guests of its own, and takes seconds: any worker may take the next one.
TESTS_APART = frozenset(
    f"tests/guest/{name}.py"
    for name in ("test_local_cloud", "test_local_cloud_guests", "test_provisioning")
)

os.environ["ECSMACHINE_CONFIG"] = "off"  # the settings of whoever runs the tests are none of theirs

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH", "SIGCHLD")
    if hasattr(signal, name)  # Windows has the first two
]


@pytest.fixture(autouse=True)
def _the_process_is_as_before() -> Iterator[None]:
    """A test that leaves something in its process fails, rather than one of those after it."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    before = _process()
    yield
    for number, handler in handlers.items():  # the program sets them, and ends with its process
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
    assert _process() == before, "the test leaves this process other than it was"


def _process() -> dict[str, Any]:
    """Return what all tests of a process share."""
    state: dict[str, Any] = {f"${name}": value for name, value in os.environ.items()}
    del state["$PYTEST_CURRENT_TEST"]
    state["working directory"] = os.getcwd()  # noqa: PTH109
    state["sys.path"] = list(sys.path)
    for name in ("ecsmachine", "ecsmachine.localcloud"):
        logger = logging.getLogger(name)
        state[f"logger {name}"] = (logger.level, logger.propagate, list(logger.handlers))
    return state


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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many unit tests Windows' Python has run, and left out."""
    for report in terminalreporter.getreports("passed"):
        for name, what in report.user_properties:
            if name == "unit tests on Windows":
                terminalreporter.write_line(f"{name}: {what}")
