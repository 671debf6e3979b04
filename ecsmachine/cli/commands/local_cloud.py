"""What the commands about a local cloud share: which one it is, and how its errors are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.everyday import connection
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running

START_HINT = "Start it with: ecsmachine local up"

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_OF_AN_ACCOUNT = (
    *("security_token", "profile", "zone", "vpc_internal", "resource_group_id", "private_ip"),
    *("image_id", "image_family", "ram_role", "ssh_keypair", "security_group", "eip", "slb_id"),
)
"""The options whose values are of one account, and wrong on any other cloud."""

Root = Annotated[
    Path | None,
    typer.Option(
        help="The cloud's folder [$ECSMACHINE_LOCAL_ROOT]",
        file_okay=False,
        readable=False,  # the command says it better
    ),
]


def root_of(ctx: typer.Context, given: Path | None) -> Path:
    """Return the cloud's folder: the one given, else the variable's, else the usual one.

    Raises :class:`MachineError` on a system where there can be none.
    """
    _check_system()
    from ecsmachine.localcloud.host.paths import default_root

    session(ctx).repeat("local", root=given)
    named = given or session(ctx).environment.get("ECSMACHINE_LOCAL_ROOT")
    return Path(named).absolute() if named else default_root()


def running_cloud(ctx: typer.Context, root: Path | None) -> Running:
    """Return the cloud that is up. Raises :class:`MachineError` if it is not."""
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.processes import is_alive
    from ecsmachine.localcloud.host.settings import read_running

    with as_machine_errors():
        running = read_running(CloudPaths.of(root_of(ctx, root)).daemon_file)
    if running is None or not is_alive(running.process):
        raise MachineError("The local cloud is not up.", hint=START_HINT)
    return running


def _check_system() -> None:
    from ecsmachine.system.description import why_no_local_cloud

    why = why_no_local_cloud()
    if why:
        raise MachineError(
            f"The local cloud needs Linux (macOS can run its API only): {why}",
            hint='Run it there, or in WSL 2; set the variables of "ecsmachine local env" to '
            "use it from here.",
        )


def require_extra() -> None:
    """Raise an error if the packages of the extra "local" are not there, or of no use here."""
    _check_system()
    from ecsmachine.localcloud.host.installation import check_packages

    with as_machine_errors():
        check_packages()


def variables_of(running: Running, environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that make ecsmachine use a cloud; None for those to unset.

    These would go on to name something of another account, region or cloud. With a proxy, what it
    cannot reach is named as well.
    """
    from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS

    own = running.environment()
    others = [DECLARATIONS[field].option.env or "" for field in _OF_AN_ACCOUNT]
    others += ["MACHINE_DOCKER_INSTALL_URL", "ENGINE_REGISTRY_MIRROR", "ENGINE_SOURCE_KEY"]
    foreign = [name for name in others if name not in own and environment.get(name)]
    spared = no_proxy_variables(running, environment)
    return {**own, **spared, **dict.fromkeys(foreign)}


def machines_of(this: Session, folder: Path) -> list[str]:
    """Return the names of the machines in the store that are instances of the cloud in a folder."""
    from ecsmachine.localcloud.host.paths import CloudPaths
    from ecsmachine.localcloud.host.settings import read_running, read_settings

    found = []
    with suppress(MachineError), as_machine_errors():  # what is damaged can be removed all the same
        paths = CloudPaths.of(folder)
        settings, running = read_settings(paths.settings_file), read_running(paths.daemon_file)
        port = None if settings is None else settings.port
        endpoints = {f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")}
        endpoints |= set() if running is None else {running.endpoint}
        for name, machine in this.store.machines():
            config = {} if isinstance(machine, MachineError) else machine.driver.config()
            if config.get("APIEndpoint") in endpoints:
                found.append(name)
    return found


def no_proxy_variables(
    running: Running, environment: Mapping[str, str], *more: str
) -> dict[str, str]:
    """Return the variables that keep a cloud's addresses, and ``more``, from the proxies.

    None where no proxy is named.
    """
    if not any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES):
        return {}
    addresses = [*running.networks, urlsplit(running.endpoint).hostname or "", *more]
    return connection.no_proxy_variables(environment, list(filter(None, addresses)))


@contextmanager
def as_machine_errors() -> Iterator[None]:
    """Turn the local cloud's errors, and those of its files, into those that are shown."""
    from ecsmachine.localcloud.protocol.errors import LocalCloudError

    try:
        yield
    except LocalCloudError as error:
        raise MachineError(error.message, hint=error.hint, details=error.details) from error
    except OSError as error:
        from ecsmachine.system.os_errors import sentence

        place = f"{error.filename}: " if error.filename else ""
        raise MachineError(
            f"{place}{error.strerror or error}", hint=sentence(error, error.filename) or None
        ) from error
