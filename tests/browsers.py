"""A real browser for tests: Debian's Chromium without a screen, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE_MS = 60_000
"""How long is waited for what has to come: the limit of a hang, not of a test."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium; where it is not installed the test is skipped, and fails in CI.

    No test of the same process may run an event loop meanwhile.
    """
    program = shutil.which("chromium")
    if program is None:
        reason = "there is no chromium: scripts/setup local,dev installs it as root"
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


def go_to(page: Page, part: str) -> None:
    """Show a part of the cloud's page."""
    page.locator(f'nav a[data-part="{part}"]').click()
    page.locator(f'nav a[data-part="{part}"][aria-current]').wait_for()
