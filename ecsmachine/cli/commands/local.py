"""``ecsmachine local …``: an ECS-compatible cloud on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson, Yes
from ecsmachine.cli.commands import (
    local_cloud,
    local_faults,
    local_foreground,
    local_logs,
    local_open,
    local_registry,
    local_run,
)
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.confirmation import confirm
from ecsmachine.cli.display.output import print_json, print_result, with_our_keys
from ecsmachine.cli.display.printer import document, say, show, warn
from ecsmachine.cli.display.progress import steps
from ecsmachine.cli.display.shells import lines as shell_lines
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.files import file_exists, folder_exists

if TYPE_CHECKING:
    from ecsmachine.localcloud.host.settings import Running

app = command_group(
    """Run an ECS-compatible cloud on this machine.

    Example: ecsmachine local up && eval "$(ecsmachine local env)"
    """
)
app.add_typer(local_faults.app, name="fault")
app.add_typer(local_registry.app, name="registry")


class ImageChoice(str, Enum):
    """A system that instances can run; typer takes no list of literals."""

    debian_11 = "debian_11"
    debian_12 = "debian_12"
    debian_13 = "debian_13"


_Shell = Literal["bash", "zsh", "fish", "powershell", "cmd", "tcsh", "emacs"]


def _as_invoker(this: Session, line: str) -> str:
    """Return a command as whoever ran us calls it: with sudo, if we were, as root has the cloud."""
    line = this.as_called(line)
    if this.environment.get("SUDO_USER", "root") == "root":
        return line
    program, _, words = line.partition(" ")
    return f'sudo "$(command -v {program})" {words}'


@app.command()
def up(
    ctx: typer.Context,
    root: local_cloud.Root = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of the API [default: any]", show_default=False),
    ] = 0,
    guests: Annotated[
        Literal["nspawn", "none"] | None,
        typer.Option(help="How to run instances [default: nspawn]"),
    ] = None,
    images: Annotated[
        list[ImageChoice] | None,
        typer.Option(
            "--image", help="Another system that instances can run, besides debian_12 (repeatable)"
        ),
    ] = None,
    lenient: Annotated[
        bool, typer.Option(help="Ignore and log parameters that are not implemented")
    ] = False,
    settled: Annotated[
        bool, typer.Option(help="Answer a request only when its work is done")
    ] = False,
    delays: Annotated[
        list[str] | None,
        typer.Option(
            "--delay",
            metavar="STATE=SECONDS",
            help="Seconds that a state lasts, such as pending=2 (repeatable)",
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Also listen on this address of this machine, or on all (0.0.0.0)",
        ),
    ] = "",
    key_id: Annotated[
        str | None,
        typer.Option(
            "--access-key-id", help="The access key id to accept [$ECSMACHINE_LOCAL_ACCESS_KEY_ID]"
        ),
    ] = None,
    key_secret: Annotated[
        str | None,
        typer.Option(
            "--access-key-secret", help="Its secret [$ECSMACHINE_LOCAL_ACCESS_KEY_SECRET]"
        ),
    ] = None,
    seed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that describes a new cloud: instances, images, stock, prices, quotas",
        ),
    ] = None,
    no_page: Annotated[
        bool, typer.Option(help="Do not serve the page for browsers (see: local open)")
    ] = False,
    foreground: Annotated[
        bool, typer.Option(help="Stay in the foreground; an interrupt stops the cloud")
    ] = False,
) -> None:
    """Start the local cloud in the background, or in the foreground.

    The first start builds the base images and fetches the engine's packages. Instances that were
    running at the last "down" are started again.

    The local cloud refuses a request that uses a parameter it does not implement; with --lenient it
    ignores the parameter. With --settled, it answers a request only when the work is done: an
    instance is then Running, and tests need not wait.

    With --listen, other machines reach the API; whoever has its key is root on the guests.
    --foreground is for services and containers: it prints the log, and an interrupt or SIGTERM
    stops the cloud as "down" does.

    Example: ecsmachine local up
    """
    local_cloud.require_extra()
    if foreground and document() is not None:
        raise UsageError(
            "--foreground prints the log: it cannot print JSON", hint="Leave out one of them."
        )
    from ecsmachine.localcloud.host.settings import KEY_VARIABLES, Serving
    from ecsmachine.localcloud.service import daemon
    from ecsmachine.localcloud.service.listening import parse

    folder = local_cloud.root_of(ctx, root)
    for_key = session(ctx).environment
    key_id = for_key.get(KEY_VARIABLES[0]) if key_id is None else key_id
    key_secret = for_key.get(KEY_VARIABLES[1]) if key_secret is None else key_secret
    with local_cloud.as_machine_errors(), steps(sys.stderr) as report:
        started = daemon.up(
            folder,
            guests=guests,
            port=port,
            releases=[image.value for image in images or []],
            serving=Serving(lenient, settled, listen, tuple(delays or ()), no_page),
            access_key=(key_id or "", key_secret or ""),
            seed=seed,
            report=lambda step: report(f"{step}..."),
        )
    running = started.running
    with local_foreground.lasting(folder, running) if foreground else nullcontext():
        for note in started.notes:
            say(session(ctx).as_called(note))
        if listen and parse(listen).from_outside:
            warn(
                f"Whoever reaches {listen} and has the access key is root on the guests, and the "
                "traffic is not encrypted. Use this only in a network that you trust."
            )
        say(f"The local cloud is {'already ' if started.already else ''}up: {running.endpoint}")
        print_result({"Already": started.already, **_running_as_data(running)})
        this = session(ctx)
        if running.page_token:
            # what is printed in the foreground, or to a file, is a log
            told = not foreground and sys.stdout.isatty() and sys.stderr.isatty()
            page = local_open.page_of(running) if told else "ecsmachine local open"
            say(this.as_called(f"Watch it in a browser: {page}"))
        say("To use it in this shell, run:")
        say(f'eval "$({_as_invoker(this, "ecsmachine local env")})"')


@app.command()
def env(
    ctx: typer.Context,
    root: local_cloud.Root = None,
    shell: Annotated[
        _Shell | None,
        typer.Option(help="Shell to print the commands for [default: by $SHELL]"),
    ] = None,
    unset: Annotated[bool, typer.Option("--unset", "-u", help="Unset the variables")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the commands that make a shell use the local cloud, for eval.

    They unset variables that name something in another account, such as ECS_PROFILE or ECS_ZONE. If
    proxies are set, they add the cloud's addresses to NO_PROXY.

    Example: eval "$(ecsmachine local env)"
    """
    running = local_cloud.running_cloud(ctx, root)
    variables = local_cloud.variables_of(running, session(ctx).environment)
    if as_json:
        print_json(variables)
        return
    chosen = shell or _usual_shell(session(ctx).environment)
    wanted: dict[str, str | None] = dict.fromkeys(running.environment()) if unset else variables
    for line in shell_lines(chosen, wanted, session(ctx).program):
        show(line)


@app.command()
def status(ctx: typer.Context, root: local_cloud.Root = None, as_json: AsJson = False) -> None:
    """Print whether the local cloud is up, and its instances.

    Example: ecsmachine local status
    """
    local_cloud.require_extra()
    from ecsmachine.localcloud.service.daemon import find, guests_running

    folder = local_cloud.root_of(ctx, root)
    with local_cloud.as_machine_errors():
        running = find(folder)
        guests = guests_running(folder)
        instances = _instances(folder)
        faults = _faults(folder)
    if running is None:
        for instance in instances:
            instance["status"] = "down"  # what is on disk is what the next "up" brings back
    if as_json:
        print_json(_status_as_data(folder, running, instances, guests, faults))
        return
    show(f"State:      {'up' if running else 'down'}")
    show(f"Folder:     {folder}")
    if running is not None:
        show(f"Endpoint:   {running.endpoint}")
        show(f"Region:     {running.region}")
        show(f"Guests:     {running.guests}")
        if running.install_url is not None:
            show(f"Mirror:     {running.install_url}")
        if running.registry is not None:
            show(f"Registry:   http://{running.registry}")
        show(f"Process:    {running.pid}")
    if faults:
        show(session(ctx).as_called(f"Faults:     {faults} (see: ecsmachine local fault ls)"))
    show(f"Instances:  {len(instances)} ({len(guests)} with a running guest)")
    for instance in instances:
        words = "  ".join(instance[name] or "-" for name in ("id", "name", "status", "ip"))
        show(one_line(f"  {words}"))


app.command("open")(local_open.open_page)
app.command()(local_logs.logs)
app.command()(local_run.run)


@app.command()
def packages(
    name: Annotated[str | None, typer.Argument(help="A package, such as docker.io")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the files of the engine's packages that the mirror serves.

    Example: ecsmachine local packages docker.io
    """
    from ecsmachine.localcloud.host.image import image_path
    from ecsmachine.localcloud.host.packages import packages_path, read_manifest
    from ecsmachine.localcloud.host.paths import default_cache

    cache = default_cache()
    folder = packages_path(cache, image_path(cache))
    if not folder_exists(folder):
        raise MachineError(
            "The engine's packages are not downloaded yet.", hint=local_cloud.START_HINT
        )
    with local_cloud.as_machine_errors():
        files = [package.file for package in read_manifest(folder)]
    found = [file for file in files if name is None or file.partition("_")[0] == name]
    if not found:
        raise MachineError(
            f"The mirror has no package {name}.",
            hint='"ecsmachine local packages" lists its packages.',
        )
    if as_json:
        print_json([str(folder / file) for file in found])
        return
    for file in found:
        show(str(folder / file))


@app.command()
def down(ctx: typer.Context, root: local_cloud.Root = None) -> None:
    """Stop the local cloud and its instances; everything stays on disk.

    The next "up" restarts the instances that were running.

    Example: ecsmachine local down
    """
    from ecsmachine.localcloud.service import daemon

    local_cloud.require_extra()
    folder = local_cloud.root_of(ctx, root)
    with local_cloud.as_machine_errors():
        was_up = daemon.find(folder) is not None
        stopped = daemon.down(folder)
    if stopped:
        say(f"Stopped {len(stopped)} instance{'s' if len(stopped) > 1 else ''}.")
    say("The local cloud is down." if was_up or stopped else "The local cloud was not up.")
    print_result({"Root": str(folder), "WasUp": was_up, "Stopped": list(stopped)})


@app.command()
def reset(
    ctx: typer.Context,
    root: local_cloud.Root = None,
    yes: Yes = False,
    cache: Annotated[
        bool, typer.Option(help="Also remove the base image and the packages")
    ] = False,
) -> None:
    """Remove the local cloud with all its instances and their data.

    Example: ecsmachine local reset --yes
    """
    local_cloud.require_extra()
    from ecsmachine.localcloud.host.paths import default_cache
    from ecsmachine.localcloud.service import daemon

    folder = local_cloud.root_of(ctx, root)
    grounded = local_cloud.machines_of(session(ctx), folder)
    if grounded:
        say(f"These machines in {session(ctx).store.path} run on it: {', '.join(grounded)}")
    confirm(f"About to remove the local cloud in {folder} with all its instances and data", yes)
    with local_cloud.as_machine_errors():
        existed = daemon.reset(folder, cache=default_cache() if cache else None)
    print_result({"Root": str(folder), "Existed": existed, "Machines": grounded})
    say(f"Removed {folder}" if existed else f"There was no local cloud in {folder}")
    if grounded:
        line = f"To remove the records of these machines: ecsmachine rm -f {' '.join(grounded)}"
        say(session(ctx).as_called(line))
    if cache:
        say(f"Removed the base image and the packages in {default_cache()}")
    elif folder_exists(default_cache()):
        say(f"The base image and the packages stay in {default_cache()} (--cache removes them)")


def _usual_shell(environment: Mapping[str, str]) -> str:
    name = Path(environment.get("SHELL", "")).name
    return name if name in get_args(_Shell) else "bash"


def _instances(folder: Path) -> list[dict[str, Any]]:
    from ecsmachine.localcloud.state import FILE_NAME

    if not file_exists(folder / FILE_NAME):
        return []
    from ecsmachine.localcloud.state.state import open_state

    state = open_state(folder)
    try:
        return [
            {
                "id": instance.id,
                "name": instance.name,
                "status": instance.status,
                "ip": instance.public_ip or instance.private_ip,
            }
            for instance in state.instances
        ]
    finally:
        state.close()


def _faults(folder: Path) -> int:
    """Return how many faults on demand there are that can still strike."""
    from ecsmachine.localcloud.faults.book import FaultBook
    from ecsmachine.localcloud.host.paths import CloudPaths

    if not file_exists(CloudPaths.of(folder).faults_file):
        return 0
    book = FaultBook(folder)
    try:
        return sum(not entry.spent for entry in book.entries())
    finally:
        book.close()


def _status_as_data(
    folder: Path,
    running: Running | None,
    instances: list[dict[str, Any]],
    guests: list[str],
    faults: int,
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "Up": running is not None,
        "Root": str(folder),
        "Instances": [with_our_keys(each) for each in instances],
        "GuestsRunning": guests,
        "Faults": faults,
    }
    return data if running is None else data | _running_as_data(running)


def _running_as_data(running: Running) -> dict[str, Any]:
    return {
        "Endpoint": running.endpoint,
        "Region": running.region,
        "Guests": running.guests,
        "InstallURL": running.install_url,
        "Registry": running.registry,
        "ProcessId": running.pid,
    }
