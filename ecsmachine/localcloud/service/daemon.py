"""The life of a local cloud: up, down, reset, and how it is."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.catalog.images import USUAL
from ecsmachine.localcloud.host.background import begin, held, line_of
from ecsmachine.localcloud.host.cleanup import (
    is_foreign,
    kill_marked,
    remove_cache,
    remove_files,
    remove_from_kernel,
)
from ecsmachine.localcloud.host.limits import put_back, raise_limits
from ecsmachine.localcloud.host.paths import CloudPaths, default_cache
from ecsmachine.localcloud.host.processes import ProcessId, is_alive, kill, terminate
from ecsmachine.localcloud.host.requirements import check_host, is_for_guests
from ecsmachine.localcloud.host.settings import (
    KEY_VARIABLES,
    BaseImage,
    Downloads,
    GuestKind,
    Order,
    Running,
    Serving,
    read_running,
    read_settings,
)
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.alone import check_not_served
from ecsmachine.localcloud.service.listening import parse
from ecsmachine.localcloud.service.seed import read_seed
from ecsmachine.localcloud.state import records
from ecsmachine.localcloud.state.settings import check_access_key, delays_of
from ecsmachine.system.files import folder_exists, path_exists
from ecsmachine.system.os_errors import reason

Report = Callable[[str], None]

_READY_TIMEOUT_S = 180.0  # it may have to boot many guests again
_LOG_LIMIT_BYTES = 10_000_000
# No characters that are special in mount's options, in systemd-nspawn's or in the shell.
_PLAIN_PATH = re.compile(r"[\w./ +@~-]+")


@dataclass(frozen=True)
class Started:
    """A running cloud; ``already``: it was up before.

    ``notes`` are for the user who starts it, a line each.
    """

    running: Running
    already: bool
    notes: tuple[str, ...] = ()


def up(
    root: Path,
    *,
    guests: GuestKind | None = None,
    port: int = 0,
    releases: Sequence[str] = (),
    cache: Path | None = None,
    serving: Serving | None = None,
    access_key: tuple[str, str] = ("", ""),
    seed: Path | None = None,
    report: Report = lambda _: None,
) -> Started:
    """Start a cloud in the background, and return once its API answers.

    ``guests`` is the kind of its instances, by default the former kind, or ``nspawn``. ``port`` is
    the port of the API, 0 for the former port or any. ``releases`` are the releases whose base
    images it gets besides the usual one and the former ones (see
    :data:`~ecsmachine.localcloud.catalog.images.SUITES`). ``cache`` is the folder of the base
    images and the packages. ``serving`` holds the options of the API until the next ``up``.
    ``access_key`` (id and secret) replaces the former key if given. ``seed`` is a file with the
    content of a new cloud (see
    :mod:`~ecsmachine.localcloud.service.seed`). ``report`` gets the steps that take longer. Guests
    that still run, because the daemon was killed, are taken over.

    Raises :class:`LocalCloudError`, among others when the host lacks something.
    """
    paths, serving = CloudPaths.of(root), serving or Serving()
    if not _PLAIN_PATH.fullmatch(str(paths.root)):
        raise LocalCloudError(
            f"The name of the folder {paths.root} has characters that a local cloud cannot use.",
            hint="Use only letters, digits, spaces and . _ + @ ~ -",
        )
    check_access_key(*access_key)
    if serving.listen:
        parse(serving.listen)
    delays_of(serving.delay)
    if serving.delay and serving.settled:
        raise LocalCloudError(
            "--settled and --delay cannot be combined.", hint="Leave out one of them"
        )
    if seed is not None:
        read_seed(seed)  # what is wrong with it is told before what the host lacks
    found = find(root)
    if found is not None:
        _check_key_of(found, access_key)
        if seed is not None:
            _check_seed_of(found, paths, seed)
        return _already_up(paths, found, guests, port, releases, serving)
    kept = read_settings(paths.settings_file)
    kind = guests or (kept.guests if kept is not None else "nspawn")
    if kept is not None and kept.guests != kind:
        raise LocalCloudError(
            f"The local cloud in {paths.root} was created with --guests {kept.guests}.",
            hint="Use another folder (--root), or remove it: ecsmachine local reset",
        )
    if kind == "none" and releases:
        raise LocalCloudError(
            "--image has no use with --guests none.",
            hint="Leave --image out, or use --guests nspawn",
        )
    if kind == "nspawn":
        check_host()
    if is_foreign(paths):
        raise LocalCloudError(
            f"The folder {paths.root} is not empty, and it is not a local cloud.",
            hint="Name an empty folder, or one that does not exist: --root DIR",
        )
    downloads = None
    if kind == "nspawn":
        wanted = dict.fromkeys((USUAL, *(kept.releases if kept is not None else ()), *releases))
        downloads = _fetch_downloads(cache or default_cache(), list(wanted), report)
    planted = None if seed is None else str(seed.absolute())
    order = Order(kind, port, serving, planted, downloads)
    with held(paths.root, make=True):
        found = find(root)  # another one may have been faster
        if found is not None:
            return _already_up(paths, found, guests, port, releases, serving)
        notes = _raise_limits(paths) if kind == "nspawn" else ()
        report("Starting the daemon")
        new = not path_exists(paths.settings_file)
        try:
            return Started(_start(paths, order, access_key), already=False, notes=notes)
        except LocalCloudError:
            if new and seed is not None:  # a half-applied seed is of no use
                remove_from_kernel(paths)
                remove_files(paths)
            raise


def find(root: Path) -> Running | None:
    """Return the running cloud in a folder; None if it is not up."""
    running = read_running(CloudPaths.of(root).daemon_file)
    return running if running is not None and is_alive(running.process) else None


def down(root: Path) -> list[str]:
    """Stop a cloud: shut down its guests, then remove everything except its files.

    Returns the ids of the instances whose guests ran. The next ``up`` starts them again, with their
    disks and addresses.
    """
    paths = CloudPaths.of(root)
    if not folder_exists(paths.root):
        return []
    with held(paths.root):
        _end_daemon(paths)
        stopped = _shut_guests_down(paths)
        remove_from_kernel(paths)
        paths.daemon_file.unlink(missing_ok=True)
    return stopped


def reset(root: Path, *, cache: Path | None = None) -> bool:
    """Remove a cloud with all its instances, at once; return whether there was one.

    Nothing is left: no process, namespace, mount, loop device, interface or file, whatever
    state it was in. ``cache``: remove the cached images and packages there, too.
    """
    paths = CloudPaths.of(root)
    existed = folder_exists(paths.root) and not is_foreign(paths)
    if existed:
        with held(paths.root):
            _end_daemon(paths, at_once=True)
            remove_from_kernel(paths)
            check_not_served(paths.root)  # by a program that has it in its own process
            remove_files(paths)
    else:
        # Its files may have been removed by hand while it ran.
        remove_from_kernel(paths)
    with suppress(OSError):  # not root: then there are none
        put_back(paths.root)
    if cache is not None:
        remove_cache(cache)
    return existed


def was_stopped(root: Path) -> bool:
    """Return whether a cloud that is down was stopped on purpose; else its daemon has died.

    Waits for a ``down`` or ``reset`` that is at work.
    """
    paths = CloudPaths.of(root)
    with suppress(LocalCloudError, FileNotFoundError), held(paths.root):
        pass
    return not path_exists(paths.daemon_file)


def guests_running(root: Path) -> list[str]:
    """Return the ids of the instances whose guests run now; none where there are no guests."""
    if not is_for_guests():
        return []
    from ecsmachine.localcloud.host.control_groups import guest_groups

    groups = guest_groups(CloudPaths.of(root).group)
    return sorted(groups.running())


def _check_key_of(running: Running, access_key: tuple[str, str]) -> None:
    if any(access_key) and access_key != (running.access_key_id, running.access_key_secret):
        raise LocalCloudError(
            f"The local cloud is already up at {running.endpoint}, with another access key.",
            hint="Stop it first: ecsmachine local down",
        )


def _check_seed_of(running: Running, paths: CloudPaths, seed: Path) -> None:
    from ecsmachine.localcloud.state.state import open_state

    with closing(open_state(paths.root)) as state:
        planted = {offer.digest for offer in state.offers}
    if read_seed(seed).offer.digest not in planted:
        raise LocalCloudError(
            f"The local cloud is already up at {running.endpoint}, without this seed.",
            hint="Only a new cloud accepts a seed. Remove this one first: ecsmachine local reset",
        )


def _already_up(
    paths: CloudPaths,
    running: Running,
    guests: GuestKind | None,
    port: int,
    releases: Sequence[str],
    serving: Serving,
) -> Started:
    kept = read_settings(paths.settings_file)
    there = [*running.serving.options(), *(kept.releases if kept is not None else ())]
    missing = [asked for asked in (*releases, *serving.options()) if asked not in there]
    other = ""
    if missing:
        other = f"without {', '.join(missing)}"
    elif not running.endpoint.endswith(f":{port}" if port else ""):
        other = f"not on port {port}"
    elif guests not in (None, running.guests):
        other = f"with --guests {running.guests}"
    if other:
        raise LocalCloudError(
            f"The local cloud is already up at {running.endpoint}, {other}.",
            hint="Stop it first: ecsmachine local down",
        )
    # somebody may have restored them
    notes = _raise_limits(paths) if running.guests == "nspawn" else ()
    return Started(running, already=True, notes=notes)


def _raise_limits(paths: CloudPaths) -> tuple[str, ...]:
    """Raise the host's limits for many guests; return the notes about it."""
    try:
        outcome = raise_limits(paths.root)
    except OSError as error:
        return (f"The host's limits cannot be raised: {reason(error)}",)
    notes = []
    if outcome.raised:
        listed = ", ".join(map(str, outcome.raised))
        notes.append(
            'Raised limits of the host for many guests, until "ecsmachine local reset": ' + listed
        )
    if outcome.refused:
        commands = " ".join(f"{change.name}={change.after}" for change in outcome.refused)
        notes.append(
            "Limits of the host are too low for many guests, and cannot be raised here. "
            f"Raise them outside: sysctl -w {commands}"
        )
    return tuple(notes)


def _fetch_downloads(cache: Path, releases: Sequence[str], report: Report) -> Downloads:
    from ecsmachine.localcloud.host.docker_ce import docker_ce_packages
    from ecsmachine.localcloud.host.image import build_image
    from ecsmachine.localcloud.host.packages import (
        BASE_SYSTEM,
        engine_of,
        fetch_packages,
        is_whole,
        packages_path,
    )
    from ecsmachine.localcloud.registry.server import PACKAGES, fetch_programs

    bases = []
    registry, docker_ce = "", None
    for release in releases:
        of = "" if release == USUAL else f" of {release}"
        image = build_image(cache, _prefixed(report, f"Base image{of}"), release)
        packages = fetch_packages(
            cache, image, _prefixed(report, f"Engine{of}"), engine_of(release)
        )
        others = []
        try:
            tools = fetch_packages(cache, image, _prefixed(report, f"Tools{of}"), BASE_SYSTEM)
            others.append(str(tools))
        except LocalCloudError as error:  # guests have them: no reason not to be up
            report(f"Tools{of}: the mirror does not have them: {error.message}")
        if release == USUAL:
            try:
                tree = docker_ce_packages(cache, image, packages, _prefixed(report, "Newer engine"))
                docker_ce = str(tree)
            except LocalCloudError as error:  # the usual one is there
                report(f"Newer engine: the mirror does not have it: {error.message}")
            registry = str(fetch_programs(cache, image, _prefixed(report, "Registry")))
            packed = packages_path(cache, image, PACKAGES)
            if is_whole(packed):  # they may be missing: only the programs are needed
                others.append(str(packed))
        bases.append(BaseImage(release, str(image), str(packages), tuple(others)))
    return Downloads(tuple(bases), registry, docker_ce)


def _prefixed(report: Report, prefix: str) -> Report:
    return lambda step: report(f"{prefix}: {step}")


def _start(paths: CloudPaths, order: Order, access_key: tuple[str, str]) -> Running:
    # One that lost its file, or died half-way.
    kill_marked(paths)
    if path_exists(paths.log) and paths.log.stat().st_size > _LOG_LIMIT_BYTES:
        paths.log.replace(paths.log.with_name(f"{paths.log.name}.1"))
    reader, writer = os.pipe()
    try:
        process = _spawn(paths, order, writer, access_key)
        os.close(writer)
        writer = -1
        try:
            _await_ready(paths, reader)
        except BaseException:
            if process is not None:
                terminate(process)
            raise
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    running = find(paths.root)
    if running is None:
        raise LocalCloudError("The daemon ended right after its start.", details=log_tail(paths))
    return running


def _spawn(
    paths: CloudPaths, order: Order, writer: int, access_key: tuple[str, str]
) -> ProcessId | None:
    module = "ecsmachine.localcloud.service.serve"
    arguments = [str(paths.root), records.dump(order), str(writer)]
    program = [sys.executable, "-m", module, *arguments]
    # The secret is on no command line, which all users can read.
    secrets = dict(zip(KEY_VARIABLES, access_key, strict=True))
    return begin(program, paths.mark, paths.log, secrets, writer)


def _await_ready(paths: CloudPaths, reader: int) -> None:
    line = line_of(reader, _READY_TIMEOUT_S)
    if line is None:
        raise LocalCloudError(
            f"The daemon did not answer within {_READY_TIMEOUT_S:g} s.", details=log_tail(paths)
        )
    if not line.endswith(b"\n"):
        raise LocalCloudError("The daemon ended right after its start.", details=log_tail(paths))
    answer = json.loads(line)
    if answer:
        raise LocalCloudError(answer["message"], hint=answer["hint"], details=answer["details"])


def log_tail(paths: CloudPaths) -> str:
    """Return the last 20 lines of the daemon's log."""
    try:
        text = paths.log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-20:])


def _end_daemon(paths: CloudPaths, *, at_once: bool = False) -> None:
    try:
        running = read_running(paths.daemon_file)
    except LocalCloudError:
        running = None  # it is found by its mark
    if running is not None:
        if at_once and is_alive(running.process):
            kill(running.process)
        terminate(running.process)


def _shut_guests_down(paths: CloudPaths) -> list[str]:
    settings = read_settings(paths.settings_file)
    if settings is None or settings.guests == "none" or not guests_running(paths.root):
        return []
    from ecsmachine.localcloud.host.address_plan import plan_of
    from ecsmachine.localcloud.host.control_groups import guest_groups
    from ecsmachine.localcloud.host.guests.nspawn import NspawnGuests
    from ecsmachine.localcloud.host.network import Network

    network = Network(link=paths.link, router=paths.router, plan=plan_of(settings.public))
    guests = NspawnGuests(paths, {}, network, guest_groups(paths.group))
    return guests.stop_all()
