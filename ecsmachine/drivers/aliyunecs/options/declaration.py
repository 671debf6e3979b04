"""What an option of the driver is declared with, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ecsmachine.drivers.aliyunecs.options import values as read
from ecsmachine.drivers.aliyunecs.options.alternatives import ALTERNATIVES
from ecsmachine.drivers.aliyunecs.options.stored import FIELDS, StoredField
from ecsmachine.drivers.options import ChangeKind, Option, OptionValue
from ecsmachine.errors import UsageError

PREFIX = "aliyunecs-"
"""What every flag of the driver begins with."""

IN_PLACE, WITH_RESTART = ChangeKind.IN_PLACE, ChangeKind.WITH_RESTART
AT_CREATE = ChangeKind.AT_CREATE


@dataclass(frozen=True)
class Declaration:
    """What follows from an option.

    ``stored`` is the field of ``config.json`` that keeps it; ``parameter`` is the parameter of
    RunInstances that has its value as it is; ``planned`` is its key and its label in what a dry
    run says of the instance.
    """

    option: Option
    reader: read.Reader
    parameter: str
    planned: tuple[str, str] | None
    stored: StoredField | None

    def read(self, value: OptionValue) -> Any:
        """Return what a value of the option means; None is its default.

        Raises :class:`UsageError`, which names the flag, for one that cannot be.
        """
        try:
            found = self.reader.read(self.option.default if value is None else value)
            rule = self.stored.rule if self.stored else None
            if rule and isinstance(found, str) and found and not rule.fits(found):
                # it could not be read again
                raise read.UnfitValueError(f'"{found}" is not {rule.what}')
            return found
        except read.UnfitValueError as unfit:
            flag = f"--{self.option.name} ({self.option.env})"
            raise UsageError(f"{flag}: {unfit.reason}", hint=unfit.hint) from None


def option(
    help: str,  # noqa: A002  (the name that Option has)
    reader: read.Reader,
    default: OptionValue = "",
    *,
    name: str = "",
    changes: ChangeKind = ChangeKind.NEW_MACHINE,
    priced: bool = False,
    removable: bool = False,
    exclusive: bool = False,
    prefix: str = PREFIX,
    env: str = "",
    secret: bool = False,
    credential: bool = False,
    private_key: bool = False,
    deprecated: str | None = None,
    parameter: str = "",
    planned: tuple[str, str] | None = None,
    group: str = "",
    everyday: bool = False,
) -> Any:
    """Declare an option, as the field of the settings that holds its value.

    It is called like the field, unless ``name`` says otherwise. ``changes`` is what another value
    means for a machine that is there, ``priced`` whether it then costs something else,
    ``removable`` whether no value takes something away, and ``exclusive`` whether a value can be of
    one machine only. Where ``env`` does not name another one, its variable is that of its name:
    ECS_DISK_SIZE. An option without a ``group`` is in that of the option before it.
    """

    def declared(field_name: str) -> Declaration:
        called = name or field_name.replace("_", "-")
        taken = Option(
            prefix + called,
            help,
            env=env or f"ECS_{called.upper().replace('-', '_')}",
            kind=reader.kind,
            default={"bool": bool(default), "list": None}.get(reader.kind, default),
            secret=secret,
            deprecated=deprecated,
            credential=credential,
            private_key=private_key,
            file=reader is read.USER_DATA,
            pairs=reader is read.TAGS,
            choices=reader.choices,
            group=group,
            everyday=everyday,
            changes=changes,
            priced=priced,
            removable=removable,
            exclusive=exclusive,
            alternatives=ALTERNATIVES.get(called, ()),
        )
        stored = None if secret else FIELDS.get(field_name)
        return Declaration(taken, reader, parameter, planned, stored)

    return field(metadata={"declaration": declared}, repr=not secret)
