"""The driver: an ECS instance as a machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.aliyunecs.life.changeable import ChangeableInstance
from ecsmachine.drivers.aliyunecs.life.record import (
    Record,
    login_of,
    new_record,
    record_from_config,
)
from ecsmachine.drivers.aliyunecs.life.shared_lookup import SharedLookup
from ecsmachine.drivers.aliyunecs.resources.batch import Batch
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud, cloud_of
from ecsmachine.drivers.baking import BakedImage, ImageRequest
from ecsmachine.drivers.base import (
    DataDiskRequest,
    Driver,
    DriverContext,
    Journal,
    PortRange,
    Report,
    State,
)
from ecsmachine.drivers.capabilities import CreatePlan, CredentialUse, RunningCost
from ecsmachine.drivers.options import OptionValue
from ecsmachine.drivers.stored import engine_url
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs_values import Instance
    from ecsmachine.drivers.aliyunecs.options.settings import Settings
    from ecsmachine.drivers.aliyunecs.resources.member_ports import Peer
    from ecsmachine.drivers.aliyunecs.resources.placement import Plan
    from ecsmachine.drivers.changes import Observed
    from ecsmachine.ssh.target import SSHTarget


def new(context: DriverContext, values: Mapping[str, OptionValue]) -> AliyunEcsDriver:
    """Return the driver of a new machine.

    Raises :class:`~ecsmachine.errors.UsageError` for values that cannot be, or if there are no
    credentials.
    """
    from ecsmachine.drivers.aliyunecs.options.reading import settings_of

    settings = settings_of(values)
    cloud = cloud_of(settings, context.environment, checkpoint=context.checkpoint)
    record = new_record(context, settings, cloud.credentials.reference)
    if settings.store_keys:
        from ecsmachine.drivers.aliyunecs.life.account import lasting_key

        key = lasting_key(cloud)
        record.access_key, record.secret_key = key.access_key_id, key.access_key_secret
    return AliyunEcsDriver(context, record, settings=settings, cloud=cloud)


def load(context: DriverContext, config: Mapping[str, Any]) -> AliyunEcsDriver:
    """Return the driver of a machine in the store, ours or Docker Machine's."""
    return AliyunEcsDriver(context, record_from_config(context, config))


def share_lookups(
    drivers: Iterable[AliyunEcsDriver], *, fresh_s: float = SharedLookup.FRESH_S
) -> None:
    """Let the machines of an account and region ask for their states together."""
    groups: dict[tuple[object, ...], list[AliyunEcsDriver]] = {}
    for driver in drivers:
        groups.setdefault(driver.account_and_region(), []).append(driver)
    for group in groups.values():
        first = group[0]
        lookup = SharedLookup(
            lambda first=first: first._cloud,  # type: ignore[misc]
            [driver._record.instance_id for driver in group if driver._record.instance_id],
            store_id=first._context.store_id,
            fresh_s=fresh_s,
        )
        for driver in group:
            driver._lookup = lookup


def observe_many(drivers: Sequence[AliyunEcsDriver]) -> list[Observed | MachineError]:
    """Return what each machine is now, asked for together in one pass, or why that is not known."""
    share_lookups(drivers, fresh_s=math.inf)
    found: list[Observed | MachineError] = []
    for driver in drivers:
        try:
            found.append(driver.observed())
        except MachineError as error:
            found.append(error)
    for driver in drivers:
        driver._lookup = None
    return found


class AliyunEcsDriver(ChangeableInstance):
    """An ECS instance. Implements :class:`ecsmachine.drivers.base.Driver`.

    ``settings`` are there for a machine that is yet to be made; ``password`` is that of the first
    login to an instance that is adopted. Credentials of a machine in the
    store are looked for when the cloud is first asked.
    """

    name = "aliyunecs"
    provisions = True

    def __init__(
        self,
        context: DriverContext,
        record: Record,
        *,
        settings: Settings | None = None,
        cloud: Cloud | None = None,
        password: str = "",
    ):
        super().__init__(context, record, cloud)
        self._settings = settings
        self._password = settings.ssh_password if settings else password
        self._plan: Plan | None = None
        self._reason = ""
        self._batch = Batch()

    def config(self) -> dict[str, Any]:
        """Return the ``Driver`` object of ``config.json``, with Docker Machine's names."""
        return self._record.to_config()

    def pre_create_check(self, report: Report) -> None:
        """Check all that can be checked for free, and choose zone, image and disks.

        Raises :class:`~ecsmachine.errors.PreCreateCheckError`.
        """
        from ecsmachine.drivers.aliyunecs.checks.before_create import check
        from ecsmachine.drivers.aliyunecs.life.account import warn_of_keys_not_kept

        if self._cloud.credentials.reference == "flags":
            warn_of_keys_not_kept(self._record, self._context)
        plan = check(
            self._cloud,
            self._context,
            self._wanted(),
            report,
            own_instance_id=self._record.instance_id,
            going=self._going,
            begun_with=self._record.instance_type,
        )
        self._check_same_account(plan.account_id)
        self._take(plan)

    def resume(self, config: Mapping[str, Any]) -> None:
        """Take the ids that an earlier process had stored."""
        earlier = record_from_config(self._context, config)
        for name in ("id", "account_id", "instance_id", "cost"):
            setattr(self._record, name, getattr(earlier, name))
        for name in ("instance_type", "system_disk_category", "disk_category"):
            if not getattr(self._wanted(), name):
                setattr(self._record, name, getattr(earlier, name))

    def check_several(self) -> None:
        """Raise :class:`UsageError` for options that can be of one machine only."""
        from ecsmachine.drivers.aliyunecs.options.settings import DECLARATIONS

        wanted = self._wanted()
        for field, each in DECLARATIONS.items():
            if each.option.exclusive and (given := getattr(wanted, field)):
                raise UsageError(
                    f"--{each.option.name}: {given} fits only one machine",
                    hint="Leave it out, or create only one machine.",
                )
        self._batch = Batch(one_key=not wanted.ssh_key_per_machine)

    def take_checks(self, checked: Driver) -> bool:
        """Take the plan of another new machine of the same options."""
        if (
            not isinstance(checked, AliyunEcsDriver)
            or self._record.instance_id
            or not checked._plan
        ):
            return False
        self._take(checked._plan)
        self._cloud.watched_instances = checked._cloud.watched_instances
        self._batch = checked._batch
        return True

    def _take(self, plan: Plan) -> None:
        """Keep what the checks chose; the record has it before anything is asked for."""
        from ecsmachine.drivers.aliyunecs.life.create import note_place

        self._plan = plan
        if not self._record.instance_id:
            note_place(self._record, plan.places[0])

    def _check_same_account(self, account_id: str) -> None:
        earlier = self._record.account_id
        if earlier and account_id and earlier != account_id:
            raise PreCreateCheckError(
                f'Machine "{self._context.machine_name}" was started in account {earlier}, but '
                f"the credentials are of account {account_id}",
                hint="Use credentials of the account that started it.",
            )

    def plan(self) -> CreatePlan:
        """Return what ``create`` would make, in words and as plain data.

        Raises as :meth:`pre_create_check` does, which it calls if need be.
        """
        from ecsmachine.drivers.aliyunecs.checks.describe import describe

        if self._plan is None:
            self.pre_create_check(lambda line: None)
        assert self._plan is not None  # noqa: S101  (pre_create_check sets it or raises)
        return describe(self._context, self._wanted(), self._plan)

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        """Make the machine, or go on making it where the journal says that it stopped."""
        from ecsmachine.drivers.aliyunecs.life.create import Creation, create

        if self._plan is None:
            self.pre_create_check(report)
        assert self._plan is not None  # noqa: S101  (pre_create_check sets it or raises)
        cloud, context, wanted = self._cloud, self._context, self._wanted()
        made_with = (cloud, journal, context, wanted, report, self._batch, self._plan)
        create(Creation(*made_with, self._record, save))

    def remove(self, journal: Journal, report: Report) -> None:
        """Remove all that create made, newest first; what is gone already is success."""
        if not journal.resources() and not self._record.instance_id:
            return
        from ecsmachine.drivers.aliyunecs.life.remove import remove

        remove(self._cloud, journal, self._context, self._record, report)

    def remove_own(self, journal: Journal, report: Report) -> None:
        """Remove what the journal lists but for what machines share; that is listed further."""
        from ecsmachine.drivers.aliyunecs.life.remove import remove

        remove(self._cloud, journal, self._context, self._record, report, only_own=True)

    def join_removal(self, other: Driver) -> bool:
        """Ask the cloud together with another machine, if it is of the same account and region."""
        if not isinstance(other, AliyunEcsDriver):
            return False
        if other.account_and_region() != self.account_and_region():
            return False
        from ecsmachine.drivers.aliyunecs.resources.together import Once

        self._cloud = other._cloud
        self._cloud.removed_once = self._cloud.removed_once or Once()
        return True

    def make_image(self, journal: Journal, image: ImageRequest, report: Report) -> str:
        """Make an image of the system disk as it is now, or go on making it; return its id."""
        from ecsmachine.drivers.aliyunecs.life.bake import make_image

        self._instance_id()
        return make_image(self._cloud, self._context, self._record, journal, image, report)

    def finish_image(self, journal: Journal) -> BakedImage:
        """Let the image that a journal lists be one that stays."""
        from ecsmachine.drivers.aliyunecs.life.bake import finish_image

        return finish_image(self._cloud, journal)

    def copy_options(self, image_id: str, name: str) -> dict[str, OptionValue]:
        """Return the options of a machine like this one, from an image."""
        from ecsmachine.drivers.aliyunecs.life.bake import copy_options

        return copy_options(self._record, image_id, name)

    def state(self) -> State:
        """Ask ECS for the state; the answer has the addresses as well."""
        from ecsmachine.drivers.aliyunecs.resources.state import reason_of, state_of

        self._reason = ""
        if not self._record.instance_id:
            return State.NOT_FOUND
        instance_id, lookup = self._record.instance_id, self._lookup
        instance = (lookup.instance if lookup else self._cloud.watched)(instance_id)
        if instance is None:
            self._check_account()
        self._reason = reason_of(instance)
        if instance is None and self._settings and self._settings.spot_strategy != "NoSpot":
            self._reason = (
                "the instance was released, by ECS (which reclaims spot instances) or by somebody"
            )
        state = state_of(instance)
        if instance is not None and state is State.RUNNING:
            self._record_instance(instance)
        return state

    def state_reason(self) -> str:
        """Return, in words, what is behind the state that was asked for last, or ""."""
        return self._reason

    def console(self, *, only_end: bool = False) -> str:
        """Return what the instance's console shows, or ""."""
        from ecsmachine.aliyun.console import console_end, console_text

        look = console_end if only_end else console_text
        return look(self._cloud.ecs, self._instance_id())

    def start(self, report: Report) -> None:
        """Start the instance, wait until it runs, and learn its addresses."""
        from ecsmachine.drivers.aliyunecs.life.power import start

        with self._explaining_if_gone():
            self._record_instance(start(self._cloud, self._instance_id()))

    def stop(self, report: Report) -> None:
        """Stop the instance in an orderly way and wait until it has stopped."""
        from ecsmachine.drivers.aliyunecs.life.power import stop

        with self._explaining_if_gone():
            self._record_instance(stop(self._cloud, self._instance_id()))

    def stop_without_charge(self, report: Report) -> None:
        """Stop the instance so that only its disks are charged (StopCharging)."""
        from ecsmachine.drivers.aliyunecs.life.power import stop_without_charge

        instance_id, address = self._instance_id(), self._record.base.ip_address
        with self._explaining_if_gone():
            self._record_instance(stop_without_charge(self._cloud, instance_id, address, report))

    def running_cost(self) -> RunningCost | None:
        """Return what the machine costs by the price that was told when it was made."""
        from ecsmachine.drivers.aliyunecs.resources.ledger import stored_ledger

        ledger = stored_ledger(self._record.cost)
        return ledger.running() if ledger and self._record.instance_id else None

    def expires(self) -> str:
        """Return when ECS releases the instance, as far as it is known, or ""."""
        return self._record.auto_release_time

    def expire(self, when: str) -> str:
        """Let ECS release the instance at another time, or with "" never."""
        from ecsmachine.drivers.aliyunecs.life.power import expire

        with self._explaining_if_gone():
            until = expire(self._cloud, self._instance_id(), when)
        self._record.auto_release_time = until
        return until

    def restart(self, report: Report) -> None:
        """Restart the instance and wait until it runs again."""
        from ecsmachine.drivers.aliyunecs.life.power import restart

        with self._explaining_if_gone():
            self._record_instance(restart(self._cloud, self._instance_id()))

    def kill(self, report: Report) -> None:
        """Stop the instance at once and wait until it has stopped."""
        from ecsmachine.drivers.aliyunecs.life.power import stop

        with self._explaining_if_gone():
            self._record_instance(stop(self._cloud, self._instance_id(), force=True))

    def address(self) -> str:
        """Return the known address, or ""."""
        return self._record.base.ip_address

    def addresses(self) -> Sequence[str]:
        """Return the public and the private address."""
        known = (self._record.base.ip_address, self._record.private_ip_address)
        return list(dict.fromkeys(address for address in known if address))

    def refresh(self) -> None:
        """Ask ECS for the addresses and remember them."""
        instance = self._cloud.ecs.instance(self._instance_id())
        if instance is None:
            raise self._gone()
        self._record_instance(instance)

    def url(self) -> str:
        """Return the engine's URL, or "" without an address."""
        return engine_url(self.address())

    def ssh_target(self) -> SSHTarget:
        """Return where and as whom to log in."""
        base = self._record.base
        if not base.ip_address:
            self._instance_id()
            raise MachineError(
                f'IP address is not set: machine "{base.machine_name}" has none yet',
                hint=f'"ecsmachine status {base.machine_name}" says whether it runs.',
            )
        return login_of(self._record, self._key_path(), self._password)

    def data_disk(self) -> DataDiskRequest | None:
        """Return the data disk, if the machine has one."""
        record = self._record
        if not record.disk_size_gib:
            return None
        return DataDiskRequest(
            size_gib=record.disk_size_gib,
            file_system="xfs" if record.disk_file_system == "xfs" else "ext4",
            serial=record.data_disk_serial or None,
        )

    def authorized_key(self) -> str | None:
        """Return our public key where the first login is by password."""
        return self._record.public_key if self.first_password() else None

    def first_password(self) -> str | None:
        """Return the password of the first login, if ECS has put no key on the host."""
        if self._password or self._record.ssh_keypair:
            return self._password or None
        stored = self._record.ssh_password
        return stored or self._context.environment.get("ECS_SSH_PASSWORD") or None

    def host_name(self) -> str:
        """Return the host name that was asked for, or ""."""
        return self._record.host_name

    def credential_use(self) -> CredentialUse:
        """Return what is recorded and what would be taken now, without asking the cloud."""
        from ecsmachine.drivers.aliyunecs.life.account import use

        return use(self._record, self._context)

    def check_credentials(self) -> CredentialUse:
        """Ask the cloud whose the credentials are."""
        from ecsmachine.drivers.aliyunecs.life.account import check

        return check(self._cloud, self._record)

    def use_credentials(self, reference: str, *, check: bool, store_keys: bool) -> None:
        """Take other credentials from now on; keys in the store are dropped or replaced."""
        from ecsmachine.drivers.aliyunecs.life.account import change

        self._cloud = change(
            self._record, self._context, reference, check=check, store_keys=store_keys
        )

    def forget_keys(self) -> None:
        """Drop the keys in the store."""
        self._record.access_key = self._record.secret_key = ""

    def open_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Open ports between this machine and the others."""
        from ecsmachine.drivers.aliyunecs.resources.member_ports import open_between

        if others:
            report("Opening ports between the machines...")
            open_between(self._cloud, self._peer(), self._peers(others), ports)

    def close_between(
        self, others: Sequence[Driver], ports: Sequence[PortRange], report: Report
    ) -> None:
        """Close them again; the others still need theirs."""
        from ecsmachine.drivers.aliyunecs.resources.member_ports import close_between

        close_between(self._cloud, self._peer(), self._peers(others), ports)

    def _peer(self) -> Peer:
        from ecsmachine.drivers.aliyunecs.resources.member_ports import Peer

        return Peer(self._record.security_group_id, self._record.private_ip_address)

    def _peers(self, others: Sequence[Driver]) -> list[Peer]:
        """Return those that are in the same region of the same cloud."""
        record = self._record
        return [
            other._peer()
            for other in others
            if isinstance(other, AliyunEcsDriver)
            and other._record.region == record.region
            and other._record.api_endpoint == record.api_endpoint
        ]

    def _key_path(self) -> Path:
        """Return the private key: in the machine's folder, even if the store was moved."""
        return self._record.base.ssh_key_path or self._context.directory / "id_rsa"

    def _wanted(self) -> Settings:
        if self._settings is None:
            raise MachineError(
                f'Machine "{self._context.machine_name}" already exists: it cannot be made again'
            )
        return self._settings

    def _record_instance(self, instance: Instance) -> None:
        from ecsmachine.drivers.aliyunecs.life.create import note

        note(self._record, instance)
