"""The credentials of machines: shown, checked and changed."""

from __future__ import annotations

from ecsmachine.drivers.capabilities import CloudCredentials, CredentialUse
from ecsmachine.machine.model import Machine
from ecsmachine.machine.store import Store


def credential_use(store: Store, name: str, *, check: bool) -> CredentialUse:
    """Return what is recorded of a machine, and what would be taken now.

    With ``check`` the cloud is asked whose those are. Raises
    :class:`~ecsmachine.errors.MachineError` if it refuses them, or if they are of another account
    than the machine.
    """
    driver = _needing_rights(store.load(name))
    return driver.check_credentials() if check else driver.credential_use()


def use_credentials(
    store: Store, name: str, reference: str, *, check: bool, store_keys: bool = False
) -> CredentialUse:
    """Let a machine take its credentials from elsewhere, and write that down.

    See :meth:`~ecsmachine.drivers.capabilities.CloudCredentials.use_credentials`. Raises
    :class:`MachineError`, with nothing changed.
    """
    with store.holding(name) as machine:
        driver = _needing_rights(machine)
        driver.use_credentials(reference, check=check, store_keys=store_keys)
        store.save(machine)
        return driver.credential_use()


def forget_keys(store: Store, name: str) -> CredentialUse:
    """Take the keys of a machine out of the store; where they come from stays written down."""
    with store.holding(name) as machine:
        driver = _needing_rights(machine)
        driver.forget_keys()
        store.save(machine)
        return driver.credential_use()


def _needing_rights(machine: Machine) -> CloudCredentials:
    driver = machine.driver
    if not isinstance(driver, CloudCredentials):
        hint = "Only aliyunecs machines have an account."
        raise machine.without("needs no credentials", hint=hint)
    return driver
