"""The local cloud's page with real guests: a create, its console, containers, and open ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ecsmachine.cli.commands.local_open import page_of
from ecsmachine.localcloud.service import daemon
from tests.browsers import PATIENCE_MS, chromium, go_to, visit
from tests.guest.conftest import Cloud
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, local_cloud: Cloud) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE_MS)
    shown = browser.new_context().new_page()
    shown.set_default_timeout(PATIENCE_MS)
    running = daemon.find(local_cloud.root)  # which may have been started anew
    assert running is not None
    visit(shown, page_of(running))
    yield shown
    shown.context.close()


def opens(address: str, port: int) -> bool:
    """Return whether something lets the host through to a port, whoever answers there."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except TimeoutError:
        return False
    except ConnectionRefusedError:
        pass
    return True


def test_a_create_its_console_and_its_containers(
    page: Page, machines: Machines, local_cloud: Cloud
) -> None:
    creating = machines.start("create", "seen")
    row = page.locator(".instances > li").filter(has_text="seen")
    expect(row.locator(".badge")).to_have_text("Running")
    row.get_by_role("button").click()
    console = page.locator(".panel .console")
    expect(console).to_contain_text("systemd")
    _, errors = creating.communicate(timeout=240)
    assert creating.returncode == 0, errors
    machines.run("ssh", "seen", "echo the console says this > /dev/console")
    expect(console).to_contain_text("the console says this")
    end: Any = "each => each.scrollHeight - each.scrollTop - each.clientHeight < 40"
    assert console.evaluate(end)  # it follows
    expect(row.locator(".usage")).to_contain_text("MiB")
    page.get_by_role("button", name="List containers").click()
    expect(page.locator(".panel")).to_contain_text("The engine has no containers.")
    go_to(page, "network")
    address = machines.run("ip", "seen").stdout.strip()
    page.locator("#to").select_option(
        label=page.locator("#to option", has_text="seen").inner_text()
    )
    answer = page.locator(".answer")
    for port, said in (("2376", "Yes, A can reach B."), ("2377", "No, A cannot reach B.")):
        page.locator("#port").fill(port)
        page.get_by_role("button", name="Ask").click()
        expect(answer).to_contain_text(said)
        # what the picture says is what the router does
        assert opens(address, int(port)) == (port == "2376")
    machines.run("rm", "-y", "seen")
