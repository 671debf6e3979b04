"""How the tests are shared out among the workers of pytest-xdist, and what none may leave."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

# Each test has a ground of its own, and takes seconds: any worker may take the next one.
TESTS_APART = (
    "tests/guest/test_local_cloud.py",
    "tests/guest/test_local_cloud_guests.py",
    "tests/guest/test_provisioning.py",
    "tests/torture/test_torture.py",
)

GUESTS = "tests/guest/"
LONGEST = (  # of the modules with guests: four minutes, and down to one
    f"{GUESTS}test_container_service.py",
    f"{GUESTS}test_guest_faults.py",
    f"{GUESTS}windows/test_main_job.py",
    f"{GUESTS}windows/test_unit_tests.py",
    f"{GUESTS}test_swarm_mode.py",
    f"{GUESTS}test_other_systems.py",
    f"{GUESTS}test_bake.py",
    f"{GUESTS}test_command_pages.py",
)

os.environ["ECSMACHINE_CONFIG"] = "off"  # the settings of whoever runs the tests are none of theirs

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # by a shell that runs the tests with "&"
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH", "SIGCHLD")
    if hasattr(signal, name)  # Windows has the first two
]


@pytest.fixture(autouse=True, scope="session")
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """What tests write in their own process need not be there after this computer has crashed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


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


def pytest_collection() -> None:
    """Thousands of tests are collected, and all stay: nobody looks through them for garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left with it at the end."""

    def turn(item: pytest.Item) -> tuple[bool, int, bool]:
        module = module_of(item.nodeid)
        length = LONGEST.index(module) if module in LONGEST else len(LONGEST)
        guests = item.get_closest_marker("guest") is not None
        return not guests, length, guests == (module in TESTS_APART)

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A module is one worker's, as are the machines that its tests share.

    Two workers of five begin with the tests without guests: they work while guests are waited
    for, fewer guests boot at once, and those two need no cloud with an image of the engine.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Collected(list[str]):
        """The tests of a worker; where one is among thousands is known, not looked for."""

        def __init__(self, tests: list[str]):
            super().__init__(tests)
            self._places = {test: place for place, test in enumerate(tests)}

        def index(self, test: str, *_: Any) -> int:
            return self._places[test]

    class Sharing(LoadScopeScheduling):  # type: ignore[misc]
        def add_node_collection(self, node: Any, collection: list[str]) -> None:
            super().add_node_collection(node, collection)
            if node in self.registered_collections:
                self.registered_collections[node] = Collected(collection)

        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            assigned = self.assigned_work.get(node, {})
            for unit in [unit for unit, tests in assigned.items() if all(tests.values())]:
                del assigned[unit]  # or what is done is counted after each test
            if int(node.gateway.id.removeprefix("gw")) < self.numnodes * 2 // 5:
                without = (unit for unit in self.workqueue if not unit.startswith(GUESTS))
                if unit := next(without, ""):
                    self.workqueue.move_to_end(unit, last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return Sharing(config, log)


def module_of(nodeid: str) -> str:
    """Return the module of a test."""
    return nodeid.partition("::")[0]


def unit_of_work(nodeid: str) -> str:
    """Return what a test is handed to a worker with."""
    module = module_of(nodeid)
    return nodeid if module in TESTS_APART else module


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many unit tests Windows' Python has run, and left out."""
    for report in terminalreporter.getreports("passed"):
        for name, what in report.user_properties:
            if name == "unit tests on Windows":
                terminalreporter.write_line(f"{name}: {what}")
