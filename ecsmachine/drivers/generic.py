"""The driver for a host that is there already and can be logged in to over SSH."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecsmachine.documents.rules import HOST, USER
from ecsmachine.drivers.base import (
    Driver,
    DriverContext,
    Journal,
    Report,
    UnsupportedOperationError,
)
from ecsmachine.drivers.base_fields import BaseFields, fields_of, from_config
from ecsmachine.drivers.changes import HostWork, Observed, Others
from ecsmachine.drivers.existing_host import ExistingHost
from ecsmachine.drivers.options import ChangeKind, Option, OptionValue
from ecsmachine.drivers.stored import generic_values
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError
from ecsmachine.polling import polls
from ecsmachine.system.folders import with_home

if TYPE_CHECKING:
    from ecsmachine.ssh.connection import Connection

OPTIONS = (
    Option(
        "generic-ip-address",
        "Name or address of the host",
        env="GENERIC_IP_ADDRESS",
        default="",
        group="Login",
        everyday=True,
        changes=ChangeKind.IN_PLACE,
    ),
    Option(
        "generic-engine-port",
        "Engine port",
        env="GENERIC_ENGINE_PORT",
        kind="int",
        default=2376,
        changes=ChangeKind.IN_PLACE,
    ),
    Option(
        "generic-ssh-user",
        "User to log in as",
        env="GENERIC_SSH_USER",
        default="root",
        everyday=True,
        changes=ChangeKind.IN_PLACE,
    ),
    Option(
        "generic-ssh-key",
        "Private key to log in with (default: those of the SSH agent and of ~/.ssh)",
        env="GENERIC_SSH_KEY",
        default="",
        private_key=True,
        everyday=True,
        changes=ChangeKind.NEW_MACHINE,
    ),
    Option(
        "generic-ssh-port",
        "SSH port",
        env="GENERIC_SSH_PORT",
        kind="int",
        default=22,
        changes=ChangeKind.IN_PLACE,
    ),
)

_BOOT_TIMEOUT_S = 300.0


def new(context: DriverContext, values: Mapping[str, OptionValue]) -> GenericDriver:
    """Return the driver of a new machine. Raises :class:`UsageError` for values that cannot be."""
    address = _address(values.get("generic-ip-address"))
    ports = {
        option: _port(option, values.get(option))
        for option in ("generic-engine-port", "generic-ssh-port")
    }
    key = str(values.get("generic-ssh-key") or "")
    user = _user(values.get("generic-ssh-user"))
    fields = BaseFields(
        context.machine_name,
        context.store_path,
        ip_address=address,
        ssh_user=user,
        ssh_port=ports["generic-ssh-port"],
        ssh_key_path=context.directory / "id_rsa" if key else None,
    )
    return GenericDriver(
        context,
        fields,
        engine_port=ports["generic-engine-port"],
        source_key=Path(with_home(key)).absolute() if key else None,
    )


def _address(value: OptionValue) -> str:
    address = str(value or "").strip()
    if not address:
        raise UsageError(
            "generic driver requires the --generic-ip-address option",
            hint="Give the name or address of the host (or set GENERIC_IP_ADDRESS).",
        )
    if not HOST.fits(address):
        raise UsageError(
            f'--generic-ip-address: "{address}" is neither a host name nor an address',
            hint="Give only the host, without user, port or scheme.",
        )
    return address


def _port(option: str, port: OptionValue) -> int:
    if not isinstance(port, int) or not 1 <= port <= 65535:
        raise UsageError(f"--{option}: {port} is not a port", hint="Use 1 to 65535.")
    return port


def _user(value: OptionValue) -> str:
    user = str(value or "root")
    if not USER.fits(user):
        raise UsageError(
            f"--generic-ssh-user: {user!r} is not {USER.what}", hint="Use a name such as root."
        )
    return user


def load(context: DriverContext, config: Mapping[str, Any]) -> GenericDriver:
    """Return the driver of a machine in the store."""
    fields = fields_of(context, config)
    values = generic_values(fields)
    return GenericDriver(
        context,
        from_config(context, config),
        engine_port=values["engine_port"],
        source_key=Path(values["source_key"]) if values["source_key"] else None,
        found=config,
    )


class GenericDriver(ExistingHost):
    """A host that was there before, and stays when the machine is removed."""

    name = "generic"
    provisions = True

    def __init__(
        self,
        context: DriverContext,
        fields: BaseFields,
        *,
        engine_port: int,
        source_key: Path | None,
        found: Mapping[str, Any] | None = None,
    ):
        """``found`` is what the store holds: fields of other programs stay in it."""
        super().__init__(fields, engine_port, context.jump)
        self._context = context
        self._source_key = source_key
        self._found = found or {}
        self._public_key = ""

    def check_several(self) -> None:
        """Raise :class:`UsageError`: a host is one machine."""
        raise UsageError(
            f"--generic-ip-address: {self._fields.ip_address} fits only one machine",
            hint="Create one machine for each host.",
        )

    def take_checks(self, checked: Driver) -> bool:
        """Return False: what was seen of another host says nothing."""
        return False

    def config(self) -> dict[str, Any]:
        """Return the ``Driver`` object of ``config.json``."""
        return {
            **self._found,
            **self._fields.to_config(),
            "EnginePort": self._engine_port,
            "SSHKey": str(self._source_key or ""),
        }

    def pre_create_check(self, report: Report) -> None:
        """Check that the key can be used and that the host's name is known."""
        if self._source_key is not None:
            from ecsmachine.drivers.login_key import check_login_key

            self._public_key = check_login_key(
                self._source_key, "--generic-ssh-key", self._context.passphrases
            )
        if self._context.jump:
            return  # its name may be known to the jump host alone
        try:
            socket.getaddrinfo(self._fields.ip_address, self._fields.ssh_port)
        except (OSError, UnicodeError):
            raise PreCreateCheckError(
                f'The host "{self._fields.ip_address}" is unknown',
                hint="Check --generic-ip-address (GENERIC_IP_ADDRESS).",
            ) from None

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        """Copy the key into the machine's folder; the host itself is there."""
        if self._source_key is not None:
            from ecsmachine.drivers.login_key import check_login_key, copy_login_key

            report("Importing SSH key...")
            public = self._public_key or check_login_key(
                self._source_key, "--generic-ssh-key", self._context.passphrases
            )
            copy_login_key(
                self._source_key, public, self._context.directory, self._context.passphrases
            )
        save()

    def remove(self, journal: Journal, report: Report) -> None:
        """Remove nothing: the host is not ours."""

    def recorded(self) -> Mapping[str, OptionValue]:
        """Return what the record says of the options."""
        return {
            "generic-ip-address": self._fields.ip_address,
            "generic-engine-port": self._engine_port,
            "generic-ssh-user": self._fields.ssh_user,
            "generic-ssh-key": str(self._source_key or ""),
            "generic-ssh-port": self._fields.ssh_port,
        }

    def observed(self) -> Observed:
        """Return whether the host answers; there is nobody to ask for more."""
        return Observed(gone=False, state=self.state(), address=self.address())

    def how_to_change(self, option: str, old: OptionValue, new: OptionValue) -> ChangeKind:
        """Return what the table of options says."""
        (declared,) = (each for each in OPTIONS if each.name == option)
        return declared.changes

    def check_change(self, option: str, value: OptionValue) -> None:
        """Raise :class:`UsageError` for a value that cannot be."""
        if option == "generic-ip-address":
            _address(value)
        elif option == "generic-ssh-user":
            _user(value)
        elif option == "generic-ssh-key":
            raise MachineError(
                "--generic-ssh-key can only be given at create",
                hint="Remove the machine (its host stays as it is), and create it again.",
            )
        else:
            _port(option, value)

    def change(
        self,
        option: str,
        value: OptionValue,
        journal: Journal,
        report: Report,
        others: Others,
        save: Callable[[], None],
    ) -> HostWork:
        """Take another address, port or user; the host itself follows by provisioning."""
        match option:
            case "generic-ip-address":
                self._fields.ip_address = _address(value)
            case "generic-ssh-user":
                self._fields.ssh_user = _user(value)
            case "generic-ssh-port":
                self._fields.ssh_port = _port(option, value)
            case _:
                self._engine_port = _port(option, value)
        return HostWork.PROVISION

    def unsupported(self, operation: str) -> UnsupportedOperationError:
        """Return the refusal, in Docker Machine's words."""
        name = self._fields.machine_name
        hint = f'Start the host yourself; "ecsmachine doctor {name}" says why it does not answer.'
        return UnsupportedOperationError(
            f"generic driver does not support {operation}",
            hint=hint if operation == "start" else None,
        )

    def restart(self, report: Report) -> None:
        """Let the host shut down and boot again, and wait until it can be logged in to."""
        from ecsmachine.ssh.connection import SSHError, connect

        pin_path = self._context.directory / "known_hosts"
        with connect(self.ssh_target(), pin_path) as connection:
            before = _boot_of(connection)
            sudo = "" if connection.user == "root" else "sudo -n "
            # the connection may break before the command's status is there
            with contextlib.suppress(SSHError):
                result = connection.run(f"{sudo}shutdown -r now", timeout_s=30)
                if result.exit_status > 0:
                    raise MachineError(
                        f'The host of "{self._fields.machine_name}" did not restart',
                        hint=f'Try "ecsmachine ssh {self._fields.machine_name} sudo reboot".',
                        details=result.stderr,
                    )
        for _ in polls(_BOOT_TIMEOUT_S, first_pause_s=0.5, longest_pause_s=0.5):
            with contextlib.suppress(SSHError), connect(self.ssh_target(), pin_path) as connection:
                if _boot_of(connection) != before:
                    return
        raise MachineError(
            f'The host of "{self._fields.machine_name}" did not come back '
            f"in {_BOOT_TIMEOUT_S:.0f} s",
            hint="Check its console.",
        )


def _boot_of(connection: Connection) -> str:
    """Return what differs from one boot to the next, in a container as well."""
    command = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"
    return connection.run(command, timeout_s=30).stdout
