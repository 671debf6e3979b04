"""A private key that the user brings: looked at first, then copied into the machine's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.ssh.private_files import NotWrittenError, write_private
from ecsmachine.system.files import file_exists


def check_login_key(path: Path, flag: str, passphrases: Mapping[Path, str]) -> str:
    """Return the public key that belongs to the private key at ``path``, in OpenSSH's format.

    ``flag`` is where the path was given, ``passphrases`` are those that are known. A key whose
    passphrase is not known can be used if the SSH agent holds it. Raises
    :class:`PreCreateCheckError` if the key is missing, cannot be used, or does not belong to the
    ``.pub`` file beside it.
    """
    from ecsmachine.ssh import private_keys

    if not file_exists(path):
        raise PreCreateCheckError(
            f"There is no private key at {path}", hint=f"Correct {flag}, or leave it out."
        )
    try:
        found = private_keys.load(path, passphrases.get(path.absolute()))
        if found.key is None and not private_keys.is_held_by_agent(found):
            raise private_keys.passphrase_needed(path)
    except MachineError as error:
        hint = error.hint or f"Correct {flag}, or leave it out."
        raise PreCreateCheckError(error.message, hint=hint) from error
    beside = path.with_name(f"{path.name}.pub")
    try:
        written = beside.read_text(encoding="utf-8").split()[:2]
    except FileNotFoundError:
        return found.public
    except (OSError, ValueError) as error:
        raise PreCreateCheckError(
            f"The public key {beside} cannot be read: {getattr(error, 'strerror', error)}",
            hint="Make it readable, or remove it: it is then derived from the private key.",
        ) from error
    if written != found.public.split():
        raise PreCreateCheckError(
            f"The public key {beside} does not belong to the private key {path}",
            hint=f"Make it again: ssh-keygen -y -f {path} > {beside}",
        )
    return found.public


def copy_login_key(
    source: Path, public_key: str, directory: Path, passphrases: Mapping[Path, str]
) -> Path:
    """Copy a private key to ``id_rsa`` in ``directory``, with its public key; both are 0600.

    The copy is in a form that both paramiko and OpenSSH read, without the passphrase if that is
    known. Returns its path. Raises :class:`MachineError` if it cannot be written.
    """
    from ecsmachine.ssh import private_keys

    target = directory / "id_rsa"
    content = private_keys.load(source, passphrases.get(source.absolute())).content
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(target.with_name("id_rsa.pub"), f"{public_key}\n".encode())
        write_private(target, content)
    except OSError as error:
        raise NotWrittenError(target, error) from error
    return target
