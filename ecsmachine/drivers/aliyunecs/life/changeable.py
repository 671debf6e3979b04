"""The part of the driver that sees what an instance is now, and changes it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecsmachine.drivers.aliyunecs.life.record import Record, cloud_of_record
from ecsmachine.drivers.aliyunecs.life.shared_lookup import SharedLookup
from ecsmachine.drivers.base import DriverContext, Journal, Report
from ecsmachine.drivers.changes import HostWork, Observed, Others
from ecsmachine.drivers.options import ChangeKind, OptionValue
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs_values import Disk, Instance
    from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud


class ChangeableInstance:
    """An instance as its record has it. Implements :class:`ecsmachine.drivers.changes.Changeable`.

    Credentials of a machine in the store are looked for when the cloud is first asked.
    """

    def __init__(self, context: DriverContext, record: Record, cloud: Cloud | None = None):
        self._context = context
        self._record = record
        self._lookup: SharedLookup | None = None
        self._going: dict[str, str] = {}
        if cloud is not None:
            self._cloud = cloud

    @cached_property
    def _cloud(self) -> Cloud:
        return cloud_of_record(self._record, self._context)

    @cached_property
    def _found(self) -> Instance:
        """The instance before its changes, asked for once for all of them and their checks."""
        found = self._cloud.ecs.instance(self._instance_id())
        if found is None:
            raise self._gone()
        return found

    @cached_property
    def _disks_found(self) -> list[Disk]:
        return list(self._cloud.ecs.disks(instance_id=self._found.id))

    def account_and_region(self) -> tuple[object, ...]:
        """Return a key that is the same for machines which one request can ask for."""
        one = self._record
        at = (one.region, one.api_endpoint, one.vpc_internal)
        return (*at, one.credential_source, one.access_key, one.account_id)

    def recorded(self) -> Mapping[str, OptionValue]:
        """Return what the record says of the options."""
        from ecsmachine.drivers.aliyunecs.life.observing import recorded

        return recorded(self._record)

    def observed(self) -> Observed:
        """Ask ECS what the instance is now, its disks and the rules of its security group."""
        from ecsmachine.drivers.aliyunecs.life.observing import observed

        ids = [self._record.instance_id]
        found = observed(self._record, self._lookup or SharedLookup(lambda: self._cloud, ids))
        if found.gone and self._record.instance_id:
            self._check_account()
        return found

    def how_to_change(self, option: str, old: OptionValue, new: OptionValue) -> ChangeKind:
        """Return how the machine comes from one value of an option to another."""
        from ecsmachine.drivers.aliyunecs.options.comparing import how_to_change, option_of

        if option == option_of("bandwidth_mbps") and new and not self._record.private_only:
            return ChangeKind.IN_PLACE  # without bandwidth it has lost its address, and gets one
        return how_to_change(option, old, new)

    def replace(self, config: Mapping[str, Any]) -> None:
        """Check as if the instance of a machine had gone, with its addresses and routes."""
        instance_id = str(config.get("InstanceId") or "")
        self._going[instance_id] = str(config.get("PrivateIPAddress") or "")

    def check_change(self, option: str, value: OptionValue) -> None:
        """Ask ECS whether a change could be made."""
        from ecsmachine.drivers.aliyunecs.life.changing import check
        from ecsmachine.drivers.aliyunecs.life.in_place import Subject

        with self._explaining_if_gone():
            check(Subject(*self._subject()), option, value)

    def change(
        self,
        option: str,
        value: OptionValue,
        journal: Journal,
        report: Report,
        others: Others,
        save: Callable[[], None],
    ) -> HostWork:
        """Bring the instance to another value of an option."""
        from ecsmachine.drivers.aliyunecs.life.changing import change
        from ecsmachine.drivers.aliyunecs.life.in_place import Changing

        def records() -> list[Record]:
            return [one._record for one in others() if isinstance(one, ChangeableInstance)]

        with self._explaining_if_gone():
            changing = Changing(*self._subject(), journal, report, records, save)
            left = change(changing, option, value)
        if HostWork.PROVISION in left:
            self.__dict__.pop("_found", None)  # it has another address, which has a bandwidth
        return left

    def _subject(self) -> tuple[Cloud, DriverContext, Record, Instance, Callable[[], list[Disk]]]:
        """Return what :class:`in_place.Subject` consists of."""
        return self._cloud, self._context, self._record, self._found, lambda: self._disks_found

    def _check_account(self) -> None:
        """Raise if the instance that is not there may only be another account's."""
        from ecsmachine.drivers.aliyunecs.life.account import check_account

        cloud = self._lookup.cloud if self._lookup else self._cloud
        check_account(cloud, self._record, self._record.instance_id)

    def _instance_id(self) -> str:
        if not self._record.instance_id:
            name = self._context.machine_name
            raise MachineError(
                f'Machine "{name}" has no instance: its create is not that far, or has stopped',
                hint=f'Finish it with "ecsmachine create --resume {name}", or use "ecsmachine rm '
                f'{name}", if no create of it runs.',
            )
        return self._record.instance_id

    @contextlib.contextmanager
    def _explaining_if_gone(self) -> Iterator[None]:
        """Let an instance that the cloud does not find be one error, with what to do about it."""
        from ecsmachine.aliyun.errors import ApiError

        try:
            yield
        except ApiError as error:
            if not error.is_not_found:
                raise
            self._check_account()
            raise self._gone() from error

    def _gone(self) -> MachineError:
        name = self._context.machine_name
        return MachineError(
            f'The instance {self._record.instance_id} of machine "{name}" no longer exists',
            hint=f'Remove what is left with "ecsmachine rm {name}".',
        )
