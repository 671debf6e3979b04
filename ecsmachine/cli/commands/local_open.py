"""``ecsmachine local open``: the local cloud's page, in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from ecsmachine.cli.arguments.context import session
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.commands import local_cloud
from ecsmachine.cli.display.output import print_json
from ecsmachine.cli.display.printer import finish, show
from ecsmachine.errors import MachineError
from ecsmachine.system.streams import KeptFromOthers

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running


def open_page(ctx: typer.Context, root: local_cloud.Root = None, as_json: AsJson = False) -> None:
    """Print the address of the local cloud's page, and open it where there is a browser.

    The page shows instances, the network, requests and faults as they are at the moment. Whoever
    has the address can see and do what the page can, until the cloud is started anew.

    Example: ecsmachine local open
    """
    running = local_cloud.running_cloud(ctx, root)
    if not running.page_token:
        raise MachineError(
            "The local cloud has no page: it was started with --no-page.",
            hint="Restart it: ecsmachine local down && ecsmachine local up",
        )
    if as_json:
        print_json({"Page": page_of(running)})
        return
    show(page_of(running))
    finish()  # a browser may last as long as it is looked at
    with local_cloud.as_machine_errors():
        _open(running, session(ctx).environment)


def page_of(running: Running) -> str:
    """Return the address that opens a cloud's page."""
    from ecsmachine.localcloud.service.page.admission import address

    return address(running.endpoint, running.page_token)


def _open(running: Running, environment: Mapping[str, str]) -> None:
    """Open the page in the browser that there is, if any."""
    import webbrowser

    from ecsmachine.localcloud.service.page.admission import address
    from ecsmachine.localcloud.service.remote import RemoteCloud
    from ecsmachine.system.programs import screen_is_named

    screen = any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not screen and screen_is_named():
        return  # else a browser for terminals would take this one
    key = (running.access_key_id, running.access_key_secret)
    # All users can read the browser's command line: what stands there opens the page only once.
    once = address(running.endpoint, RemoteCloud(running.endpoint, *key).ticket())
    with suppress(webbrowser.Error), KeptFromOthers():
        webbrowser.open(once)
