"""Taking a machine over that another store made, or this one before it was lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecsmachine.drivers.base import Report, State, driver_report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.drivers.tagged import INSTANCE, TaggedResource, TaggedResources, tag_of
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.machine import files, host, renewal
from ecsmachine.machine.model import Machine, auth_options, validate_name
from ecsmachine.machine.store import Store
from ecsmachine.machine.sweep import Found, Standing
from ecsmachine.system.files import path_exists

_LOGIN_TIMEOUT_S = 5.0
"""How long a refused login is tried again: the host has long booted."""


@dataclass(frozen=True)
class AdoptRequest:
    """Which instance becomes the machine ``name``, and how it is logged in to.

    ``values`` are those of the driver's account and adoption options. ``shared`` is whether what
    several machines use becomes this store's too. ``install_url`` goes into the configuration.
    ``certificate_paths`` override fields of :class:`~ecsmachine.machine.model.AuthOptions`.
    ``ssh_jump`` is the host through which it is reached.
    """

    name: str
    instance: TaggedResource
    values: Mapping[str, OptionValue]
    shared: bool = False
    install_url: str = ""
    certificate_paths: dict[str, Path] = field(default_factory=dict)
    key_type: str = "ecdsa"
    ssh_jump: str = ""


def candidates(store: Store, found: Collection[Found]) -> list[Found]:
    """Return the instances of a survey that no machine of the store has.

    One whose adoption was cut off is among them.
    """
    return [
        each
        for each in found
        if each.resource.kind == INSTANCE
        and (
            each.standing in (Standing.ORPHAN, Standing.FOREIGN)
            or _is_adopting(store, each.machine_name)
        )
    ]


def choose(store: Store, found: Collection[Found], name: str, instance_id: str) -> Found:
    """Return the candidate of that id, or else of that machine's name.

    Raises :class:`UsageError` if there is none, or more than one.
    """
    tag = tag_of(name)

    def is_meant(each: Found) -> bool:
        return each.resource.id == instance_id if instance_id else each.machine_name == tag

    those = list(filter(is_meant, candidates(store, found)))
    if len(those) == 1:
        return those[0]
    if those:
        raise UsageError(
            f'{len(those)} instances belong to machines called "{name}"',
            hint="Choose one with --instance-id: "
            + ", ".join(f"{each.resource.id} (store {each.store_id})" for each in those),
        )
    for each in filter(is_meant, found):
        if each.resource.kind == INSTANCE:
            raise _already_there(each.resource.id, each.machine_name)
    what = instance_id or f'of a machine "{name}"'
    raise UsageError(
        f"There is no instance {what} to adopt",
        hint='"ecsmachine adopt" without a name lists those that can be; give --region to '
        "search another region.",
    )


def takes_shared_along(store: Store, found: Collection[Found], chosen: Collection[Found]) -> bool:
    """Whether nothing of the store that ``chosen`` is of stays behind to use what they share."""
    stores = {each.resource.store_id for each in chosen}
    ids = {each.resource.id for each in chosen}
    return not any(
        each.resource.store_id in stores and each.resource.id not in ids
        for each in candidates(store, found)
    )


def adopt(store: Store, cloud: TaggedResources, request: AdoptRequest, report: Report) -> Machine:
    """Make an instance a machine of this store: log in, pin its host key, give it certificates.

    Its engine keeps its options, and from then on answers to this store's certificates alone.
    If a step fails, the store is as before. Raises :class:`~ecsmachine.errors.MachineError`.
    """
    name = validate_name(request.name)
    with store.lock(name), store.new_instance(request.instance.id) as there:
        if there not in ("", name):
            raise _already_there(request.instance.id, there)
        store.check_place(name)
        journal = store.journal(name)
        if store.exists(name) and not (
            journal.adopting and journal.create_id == request.instance.create_id
        ):
            raise MachineError(
                f'Docker machine "{name}" already exists',
                hint="Give the machine another name: ecsmachine adopt NEW_NAME "
                f"--instance-id {request.instance.id}",
            )
        jump = store.jump(request.ssh_jump)
        auth = auth_options(store.path, name, given=request.certificate_paths, jump=jump)
        renewal.renew_due(store, auth, report, among=[name], key_type=request.key_type)
        store_id = store.store_id()
        files.make_private_directory(store.directory(name))
        try:
            journal.begin_adoption(request.instance.create_id)
            context = store.context(name)
            driver = cloud.adopt(request.instance, context, request.values, journal)
            machine = Machine(name=name, driver=driver, auth=auth)
            _log_in(machine, request.install_url, report)
            host.make_docker_host(machine, report, checkpoint=store.checkpoint)
            report(f"Tagging it as a machine of this store ({store_id})...")
            cloud.mark(context, journal, shared=request.shared)
            store.save(machine)
            journal.finish()
        except BaseException:
            # nothing was made in the cloud: what was written here is all there is to undo
            store.remove(name)
            raise
    report(f'Machine "{name}" was adopted.')
    return machine


def is_imported(store: Store, name: str) -> bool:
    """Whether a machine of the store has its CA in its own folder, and that CA's key elsewhere."""
    if not store.exists(name) or _is_adopting(store, name):
        return False
    auth = store.load(name).auth
    return auth.ca_key_path.parent == auth.machine_dir and not path_exists(auth.ca_key_path)


def take_over(
    store: Store, name: str, cloud: TaggedResources | None, report: Report, *, key_type: str
) -> None:
    """Give an imported machine certificates of this store's CA, in place of its sender's.

    From then on its engine answers to this store alone. ``cloud`` is where it is tagged as a
    machine of this store. If a step fails, the certificates that it came with stay in its folder,
    and it counts as imported: the next call does all of it.
    """
    with store.holding(name) as machine:
        sans, jump = machine.auth.server_cert_sans, machine.auth.jump
        own = auth_options(store.path, name, server_cert_sans=sans, jump=jump)
        renewal.renew_due(store, own, report, among=[name], key_type=key_type)
        if cloud is not None:
            cloud.mark(store.context(name), store.journal(name), shared=False)
        before = {path: path.read_bytes() for path in machine.directory.glob("*.pem")}
        machine.auth = own
        try:
            host.make_docker_host(machine, report, checkpoint=store.checkpoint)
        except BaseException:
            for path, content in before.items():
                files.write_atomically(path, content, mode=path.stat().st_mode & 0o777)
            raise
        store.save(machine)
    report(f'Machine "{name}" now belongs to this store.')


def _already_there(instance_id: str, name: str) -> UsageError:
    return UsageError(
        f'{instance_id} is already the machine "{name}" of this store',
        hint=f'"ecsmachine env {name}" shows how to use it.',
    )


def _is_adopting(store: Store, name: str) -> bool:
    try:
        return store.journal(name).adopting
    except MachineError:  # of a journal that cannot be read nothing is known
        return False


def _log_in(machine: Machine, install_url: str, report: Report) -> None:
    """Start the instance if need be, pin its host key, and learn its engine's options."""
    from ecsmachine.provision.configured import read_engine_options

    if machine.driver.state() is not State.RUNNING:
        report("Starting the instance...")
        machine.driver.start(driver_report(machine.name, report))
    report("Logging in...")
    with host.logged_in(machine, login_timeout_s=_LOGIN_TIMEOUT_S) as connection:
        machine.engine = read_engine_options(connection)
    if install_url:
        machine.engine.install_url = install_url
