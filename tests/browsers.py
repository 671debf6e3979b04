"""A real browser for tests, driven by Playwright: Debian's Chromium without windows of its own.

Without them it takes half of the time of a processor that the whole Chromium takes.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright
from playwright.sync_api import TimeoutError as NotInTimeError

PATIENCE_MS = 60_000
"""How long is waited for what has to come: the limit of a hang, not of a test."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium; where it is not installed the test is skipped, and fails in CI.

    No test of the same process may run an event loop meanwhile.
    """
    program = shutil.which("chromium-headless-shell")
    if program is None:
        reason = "there is no chromium-headless-shell: scripts/setup local,dev installs it as root"
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # root has no sandbox; /dev/shm is small in containers
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
            timeout=PATIENCE_MS,
        )
        yield browser
        browser.close()


NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
"""What Chromium breaks its requests off with when a network of this computer changes.

Guests of other tests come and go meanwhile. The stream of events begins again by itself.
"""

_PASSING = (NETWORK_CHANGED, "ERR_ABORTED", "interrupted by another navigation")
"""What a navigation ends with when a request was broken off, or when the page loads itself anew."""


def visit(page: Page, url: str = "") -> None:
    """Open a cloud's page, or load it anew; once more if what it consists of was broken off."""
    broken = [True]  # nothing of it is there yet
    page.on("requestfailed", lambda request: broken.append(NETWORK_CHANGED in str(request.failure)))
    live = page.locator("[data-link=live]")
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while True:
        try:
            if any(broken):
                broken.clear()
                page.goto(url) if url else page.reload()
            live.wait_for(timeout=5000)
            return
        except Error as error:
            broken.append(any(each in str(error) for each in _PASSING))
            is_passing = broken[-1] or isinstance(error, NotInTimeError)
            if not is_passing or time.monotonic() > deadline:
                raise


def go_to(page: Page, part: str) -> None:
    """Show a part of the cloud's page."""
    page.locator(f'nav a[data-part="{part}"]').click()
    page.locator(f'nav a[data-part="{part}"][aria-current]').wait_for()
