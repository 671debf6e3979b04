"""The commands that carry files: scp, mount."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import Session, machine_names, session
from ecsmachine.cli.display.printer import document
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system import programs

if TYPE_CHECKING:
    from ecsmachine.machine.model import Machine
    from ecsmachine.ssh.file_copy import Place
    from ecsmachine.ssh.sharing import Persistence


def scp(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="[[USER@]MACHINE:]SOURCE", help="What to copy, once or more"),
    ],
    destination: Annotated[
        str, typer.Argument(metavar="[[USER@]MACHINE:]DESTINATION", help="Where to")
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Copy folders with all their contents")
    ] = False,
    delta: Annotated[
        bool, typer.Option("--delta", "-d", help="Copy only the differences, with rsync")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress")] = False,
) -> None:
    """Copy files to, from or between machines.

    ecsmachine uses SFTP itself if there is no scp program, with --native-ssh, and for logins by
    password.

    Example: ecsmachine scp -r site dev1:/var/www
    """
    from ecsmachine.ssh.sharing import persistence

    this = session(ctx)
    machines: list[Machine] = []
    places = [_place(this, text, machines) for text in (*sources, destination)]
    keep = persistence(this.environment)
    with _about(machines):
        _copy(this, places, machines, recursive=recursive, delta=delta, quiet=quiet, keep=keep)


def _copy(
    this: Session,
    places: Sequence[Place],
    machines: Sequence[Machine],
    *,
    recursive: bool,
    delta: bool,
    quiet: bool,
    keep: Persistence,
) -> None:
    if delta:
        code = _rsync(places, recursive=recursive, quiet=quiet, keep=keep)
        _leave(_checked(code, machines), "rsync")
        return
    by_password = any(place.host and place.host.target.password for place in places)
    if this.native_ssh or by_password or not programs.find("scp"):
        from ecsmachine.machine.watch import check_whether_ended
        from ecsmachine.ssh.connection import SSHError
        from ecsmachine.ssh.file_copy import copy

        *sources, destination = places
        try:
            for source in sources:
                copy(source, destination, recursive=recursive, into_folder=len(sources) > 1)
        except SSHError as error:
            check_whether_ended(machines, error)
            raise
        return
    # through here: the machines need not reach each other
    flags = ["-3", *(["-r"] if recursive else [])]
    code = _run_with_configuration(
        [programs.executable("scp"), *flags], "-F", places, quiet=quiet, keep=keep
    )
    _leave(_checked(code, machines), "scp")


def mount(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="[[USER@]MACHINE:]PATH",
            help='A folder on a machine; without a machine, on "default"',
        ),
    ],
    mountpoint: Annotated[
        str, typer.Argument(metavar="[MOUNTPOINT]", help="A local folder [default: the same path]")
    ] = "",
    unmount: Annotated[bool, typer.Option("--unmount", "-u", help="Unmount it again")] = False,
) -> None:
    """Mount a folder of a machine here, with sshfs.

    Example: ecsmachine mount dev1:/var/www www
    """
    this = session(ctx)
    if ":" not in source:
        source = f"{machine_names(this, None)[0]}:{source}"
    where = mountpoint or source.partition(":")[2]
    if not where:
        raise UsageError(
            "No mount point specified", hint="Name a local folder after the machine's."
        )
    if unmount:
        raise typer.Exit(_unmount(where))
    if not programs.find("sshfs"):
        raise MachineError(
            "The sshfs program, which mounts folders of machines, is not installed",
            hint="Install the package sshfs.",
        )
    machines: list[Machine] = []
    place = _place(this, source, machines)
    if place.host is None:
        raise UsageError(f"{source} names no machine", hint="Write it as MACHINE:PATH.")
    if place.host.target.password:
        raise MachineError(
            "sshfs cannot log in by password", hint="Use scp, or give the machine a key."
        )
    where = f"./{where}" if where.startswith("-") else where
    raise typer.Exit(_checked(_run_with_configuration(["sshfs"], "-F", [place], where), machines))


def _place(this: Session, text: str, machines: list[Machine]) -> Place:
    """Read ``[[USER@]MACHINE:]PATH``; a colon after a slash, or of a drive, is of this machine.

    The machine that is named is added to ``machines``.
    """
    from ecsmachine.machine.address import login
    from ecsmachine.ssh.file_copy import Place

    before, colon, path = text.partition(":")
    if not colon or "/" in before or os.path.splitdrive(text)[0]:
        return Place(text)
    user, _, name = before.rpartition("@")
    if name == "localhost" and not this.store.exists(name):
        return Place(path)
    machines.append(this.store.load(name))
    return Place(path, login(machines[-1], user))


@contextmanager
def _about(machines: Sequence[Machine]) -> Iterator[None]:
    """Name the machine of a copy in what is raised; a document has all machines of one made.

    An error of a copy between two machines does not say of which it is.
    """
    try:
        yield
    except MachineError as error:
        if len(machines) == 1:
            error.machine = machines[0].name
        raise
    made = document()
    if made is not None:
        for machine in machines:
            made.done(machine.name)


def _leave(code: int, program: str) -> None:
    """Leave with the exit code of a program; a document has an error for one that has failed."""
    if code and document() is not None:
        error = MachineError(
            f"{program} has failed with exit code {code}", hint="Standard error has its reason."
        )
        error.exit_code = code
        raise error
    if code:
        raise typer.Exit(code)


def _checked(code: int, machines: Sequence[Machine]) -> int:
    """Return the exit code of a program, unless it failed because a machine has ended."""
    if code:
        from ecsmachine.machine.watch import check_whether_ended

        check_whether_ended(machines)
    return code


def _rsync(places: Sequence[Place], *, recursive: bool, quiet: bool, keep: Persistence) -> int:
    *sources, destination = places
    if destination.host and any(place.host for place in sources):
        raise UsageError(
            "rsync cannot copy from one machine to another",
            hint="Leave out --delta, or copy through a local folder.",
        )
    if any(place.host and place.host.target.password for place in places):
        raise MachineError(
            "rsync cannot log in by password",
            hint="Leave out --delta: scp then logs in by password.",
        )
    if not programs.find("rsync"):
        raise MachineError(
            "The rsync program, which --delta needs, is not installed",
            hint="Install the package rsync, or leave out --delta.",
        )
    # with its time, a file that did not change is known at once the next time;
    # what a link leads to is copied, as by scp: rsync passed links over, and left with 0
    command = ["rsync", "--times", "--copy-links", *([] if quiet else ["--progress"])]
    words = [*command, *(["-r"] if recursive else [])]
    return _run_with_configuration(words, "-e", places, keep=keep)


def _run_with_configuration(
    command: Sequence[str],
    flag: str,
    places: Sequence[Place],
    *others: str,
    quiet: bool = False,
    keep: Persistence | None = None,
) -> int:
    """Run a program that takes an SSH configuration, or with ``-e`` an ssh command.

    With ``keep`` it shares the connections of ``ssh``. ``quiet`` hides its output, as a document
    does, but no errors: scp's own ``-q`` would hide why it failed.
    """
    from ecsmachine.ssh import tethered
    from ecsmachine.ssh.interactive import check_host_key
    from ecsmachine.ssh.kept import without_secrets
    from ecsmachine.ssh.openssh import configuration_file, words
    from ecsmachine.ssh.private_files import check_login_key
    from ecsmachine.ssh.sharing import shared
    from ecsmachine.ssh.steps import log_step

    hosts = {place.host.alias: place.host for place in places if place.host}
    for host in hosts.values():
        if host.target.key_path:
            check_login_key(host.target.key_path)
    environment = without_secrets(os.environ)  # sshfs goes on when we have ended, and has them
    with ExitStack() as stack:
        own = {
            alias: stack.enter_context(shared(host, words(host), keep)).options
            for alias, host in hosts.items()
        }
        path = stack.enter_context(configuration_file(hosts.values(), own))
        value = f"ssh -F {shlex.quote(str(path))}" if flag == "-e" else str(path)
        named = [_word(place) for place in places]
        log_step("running %s", " ".join([*command, flag, value, *named, *others]))
        quiet = quiet or document() is not None
        status = tethered.run(
            [*command, flag, value, *named, *others],
            quiet=quiet,
            environment=environment,
            may_outlive_us=keep is not None,
        )
    if status:
        for host in hosts.values():
            check_host_key(host.target, host.pin_path)
    return status if status >= 0 else 128 - status


def _word(place: Place) -> str:
    """Return a place as the programs take it, whatever it begins with or holds."""
    if place.host is not None:
        return f"{place.host.target.user}@{place.host.alias}:{place.path}"
    is_drive = bool(os.path.splitdrive(place.path)[0])
    is_remote = ":" in place.path and place.path[0] != "/" and not is_drive
    needs_prefix = place.path.startswith("-") or is_remote
    return f"./{place.path}" if needs_prefix else place.path


def _unmount(where: str) -> int:
    for command in (["fusermount3", "-u"], ["fusermount", "-u"], ["umount"]):
        if programs.find(command[0]):
            return subprocess.run([*command, "--", where], check=False).returncode
    raise MachineError(
        "The fusermount program, which unmounts folders, is not installed",
        hint="Install fuse3 or fuse.",
    )
