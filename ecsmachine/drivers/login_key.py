"""A private key that the user brings: looked at first, then copied into the machine's folder."""

from __future__ import annotations

from pathlib import Path

from ecsmachine.errors import MachineError, PreCreateCheckError
from ecsmachine.ssh.private_files import write_private


def check_login_key(path: Path, flag: str) -> str:
    """Return the public key that belongs to the private key at ``path``, in OpenSSH's format.

    ``flag`` is where the path was given. Raises :class:`PreCreateCheckError` if the key is
    missing, unreadable, protected by a passphrase, or does not belong to the ``.pub`` file
    beside it.
    """
    from ecsmachine.ssh.connection import load_private_key

    if not path.is_file():
        raise PreCreateCheckError(
            f"There is no private key at {path}", hint=f"Correct {flag}, or leave it out."
        )
    _check_kind(path, flag)
    try:
        key = load_private_key(path)
    except MachineError as error:
        raise PreCreateCheckError(error.message, hint=error.hint) from error
    public = f"{key.get_name()} {key.get_base64()}"
    beside = path.with_name(f"{path.name}.pub")
    try:
        written = beside.read_text(encoding="utf-8").split()[:2]
    except FileNotFoundError:
        return public
    except (OSError, ValueError) as error:
        raise PreCreateCheckError(
            f"The public key {beside} cannot be read: {getattr(error, 'strerror', error)}",
            hint="Make it readable, or remove it: it is worked out from the private key.",
        ) from error
    if written != public.split():
        raise PreCreateCheckError(
            f"The public key {beside} does not belong to the private key {path}",
            hint=f"Make it anew: ssh-keygen -y -f {path} > {beside}",
        )
    return public


def _check_kind(path: Path, flag: str) -> None:
    """Raise if the file is clearly no private key: its permissions are then nobody's business."""
    try:
        with path.open("rb") as stream:
            begun = stream.read(64 * 1024)
    except OSError:
        return  # why it cannot be read is told when it is loaded
    if b"PRIVATE KEY" in begun:
        return
    private = path.with_suffix("")
    meant = f"Did you mean {private}? " if path.suffix == ".pub" else ""
    raise PreCreateCheckError(
        f"{path} holds no private key", hint=f"{meant}Correct {flag}, or leave it out."
    )


def copy_login_key(source: Path, public_key: str, directory: Path) -> Path:
    """Copy a private key to ``id_rsa`` in ``directory``, with its public key; both are 0600.

    Returns the path of the copy. Raises :class:`MachineError` if it cannot be written.
    """
    target = directory / "id_rsa"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(target.with_name("id_rsa.pub"), f"{public_key}\n".encode())
        write_private(target, source.read_bytes())
    except OSError as error:
        raise MachineError(
            f"Cannot copy the key {source}: {error.strerror}",
            hint="The file must be readable, and the machine store writable.",
        ) from error
    return target
