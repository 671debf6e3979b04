"""The commands ``export`` and ``import``: a machine with its keys, carried in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ecsmachine.cli.arguments.context import Session, one_machine_name, session
from ecsmachine.cli.display.confirmation import read_input, secret
from ecsmachine.cli.display.printer import check_shows_bytes, say, show_bytes, warn
from ecsmachine.cli.display.progress import about
from ecsmachine.documents.text import read_named
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.files import open_file, path_exists

_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help="File whose first line is the passphrase (default: $ECSMACHINE_PASSPHRASE, "
        "or a prompt)"
    ),
]


def export(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The machine")],
    file: Annotated[
        Path | None,
        typer.Argument(help='File to write; "-" is standard output (default: NAME.ecsmachine)'),
    ] = None,
    passphrase_file: _PassphraseFile = None,
) -> None:
    """Write a machine with its keys into a file, encrypted with a passphrase.

    Example: ecsmachine export dev1 dev1.ecsmachine
    """
    from ecsmachine.machine import transfer
    from ecsmachine.machine.files import write_atomically
    from ecsmachine.ssh.private_files import NotWrittenError

    this = session(ctx)
    name = one_machine_name(this, [name])
    target = file or Path(f"{name}.ecsmachine")
    to_output = str(target) == "-"
    if to_output:
        check_shows_bytes()
    elif path_exists(target):
        raise MachineError(f"{target} exists already", hint="Remove it, or name another file.")
    this.store.config(name)  # nobody types a passphrase for a machine that is not there
    passphrase = _passphrase(this, passphrase_file, check=transfer.check_passphrase)
    content = transfer.export_machine(this.store, name, passphrase)
    with about(name):
        if to_output:
            show_bytes(content)
        else:
            try:
                write_atomically(target.absolute(), content)
            except NotWrittenError as error:
                raise error.or_else("name another file") from error
    others = transfer.others_of_the_same_ca(this.store, name)
    if others:
        warn(
            f"the client certificate in it also opens {len(others)} more "
            f"machine{'s' if len(others) > 1 else ''} of this store "
            f"({', '.join(others[:5])}{', …' if len(others) > 5 else ''}): who can open the file "
            "is root on them too"
        )


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help='A file that "export" wrote; "-" is standard input')],
    name: Annotated[str, typer.Option(help="Another name for the machine")] = "",
    passphrase_file: _PassphraseFile = None,
) -> None:
    """Import an exported machine into this store.

    Example: ecsmachine import dev1.ecsmachine --name theirs
    """
    from ecsmachine.machine import transfer

    this = session(ctx)
    content = _content_of(file, transfer.LONGEST_FILE)
    transfer.check_exported(content)
    passphrase = _passphrase(this, passphrase_file)
    imported = transfer.import_machine(this.store, content, passphrase, name=name)
    with about(imported):
        endpoint = this.store.config(imported)["Driver"].get("APIEndpoint")
        if endpoint:
            say(f"Its cloud endpoint is {endpoint}")
        jump = this.store.auth(imported).jump
        if jump:
            say(f"ecsmachine reaches it through {jump.target.name}")
        line = f'Machine "{imported}" was imported. To use it, run: ecsmachine env {imported}'
        say(this.as_called(line))


def _passphrase(
    this: Session, path: Path | None, *, check: Callable[[str], None] | None = None
) -> str:
    """Return the passphrase: from the file, the variable, or the terminal.

    One that is typed for a new file is checked before it is asked for once more.
    """
    if path is not None:

        def fault(reason: str) -> UsageError:
            return UsageError(
                f"The passphrase file {path} cannot be read: {reason}",
                hint="Correct --passphrase-file.",
            )

        content = read_named(path, fault)
        try:
            return (content.decode("utf-8-sig").splitlines() or [""])[0]
        except ValueError as error:
            raise fault("it is not UTF-8") from error
    variable = this.environment.get("ECSMACHINE_PASSPHRASE")
    if variable:
        return variable
    hint = "Use --passphrase-file or ECSMACHINE_PASSPHRASE."
    passphrase = secret("Passphrase: ", hint=hint)
    if check is not None:
        check(passphrase)
        if passphrase != secret("Once more: ", hint=hint):
            raise UsageError("The two passphrases differ", hint="Try again.")
    return passphrase


def _content_of(file: Path, longest: int) -> bytes:
    if str(file) == "-":
        return read_input(longest)
    try:
        with open(file, "rb", opener=open_file) as opened:
            return opened.read(longest + 1)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint='Name a file that "export" wrote.'
        ) from error
