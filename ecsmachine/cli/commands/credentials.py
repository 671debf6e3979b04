"""``ecsmachine credentials …``: which account and keys machines use."""

from __future__ import annotations

from typing import Annotated

import typer

from ecsmachine.cli.arguments.context import Session, existing_machine_names, session
from ecsmachine.cli.arguments.groups import command_group
from ecsmachine.cli.arguments.options import AsJson
from ecsmachine.cli.display import printer
from ecsmachine.cli.display.progress import about
from ecsmachine.drivers.capabilities import CloudCredentials, CredentialUse
from ecsmachine.errors import MachineError, UsageError

app = command_group(
    """Show and change the credentials of machines.

    Example: ecsmachine credentials show
    """
)

_Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", help='Names of machines, or patterns such as "web*"; all if none is given'
    ),
]


@app.command()
def show(ctx: typer.Context, names: _Names = None, json: AsJson = False) -> None:
    """Print where the credentials of machines come from, without asking the cloud.

    Example: ecsmachine credentials show
    """
    _print(session(ctx), names, check=False, as_json=json)


@app.command()
def check(ctx: typer.Context, names: _Names = None, json: AsJson = False) -> None:
    """Ask the cloud which account the credentials of machines belong to (GetCallerIdentity).

    Example: ecsmachine credentials check "web*"
    """
    _print(session(ctx), names, check=True, as_json=json)


@app.command("set")
def set_(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help='Names of machines, or patterns such as "web*"'),
    ],
    profile: Annotated[
        str, typer.Option(metavar="NAME", help='A profile of the "aliyun" command')
    ] = "",
    environment: Annotated[
        bool, typer.Option(help="Use ECS_ACCESS_KEY_ID and the other ECS_ variables")
    ] = False,
    ram_role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help='The RAM role of the ECS instance where ecsmachine runs; "" for any',
        ),
    ] = None,
    store_keys: Annotated[
        bool, typer.Option(help="Write the key into config.json as well, for Docker Machine")
    ] = False,
    forget: Annotated[bool, typer.Option(help="Take the keys out of config.json again")] = False,
    no_check: Annotated[
        bool, typer.Option(help="Do not ask the cloud whether the account is the same")
    ] = False,
) -> None:
    """Change where machines take their credentials from.

    The store keeps the source, not the keys. Keys that Docker Machine wrote into config.json are
    removed, unless you give --store-keys: Docker Machine cannot manage aliyunecs machines without
    them.

    Example: ecsmachine credentials set --profile work "web*"
    """
    from ecsmachine.machine import several
    from ecsmachine.machine.credentials import forget_keys, use_credentials

    sources = sum((bool(profile), environment, ram_role is not None))
    if sources + forget != 1 and not (store_keys and sources + forget == 0):
        raise UsageError(
            "Say where the credentials come from",
            hint="Give one of --profile NAME, --environment, --ram-role NAME and --forget.",
        )
    if store_keys and forget:
        raise UsageError("--store-keys cannot be used with --forget", hint="Give one of them.")
    if profile:
        reference = f"profile:{profile}"
    elif ram_role is not None:
        reference = f"ram-role:{ram_role}" if ram_role else "ram-role"
    else:
        reference = "environment" if environment else ""
    this = session(ctx)
    if store_keys:
        printer.warn(
            "Access keys are written into config.json in clear: whoever can read it has the "
            'rights of the account. "ecsmachine credentials set --forget NAME" takes them out.'
        )

    def changed(name: str) -> str:
        if forget:
            use = forget_keys(this.store, name)
            return (
                f'Machine "{name}" has no keys in config.json any more; it takes its credentials '
                f"from {_source(use.recorded or 'environment')}."
            )
        use = use_credentials(
            this.store, name, reference, check=not no_check, store_keys=store_keys
        )
        account = f" (account {use.account})" if use.account else ""
        return f'Machine "{name}" takes its credentials from {_source(use.recorded)}{account} now.'

    def change(name: str) -> None:
        with about(name):
            printer.say(changed(name))

    several.for_each(_selected(this, names), change)


def _selected(this: Session, names: list[str] | None) -> list[str]:
    """Return the machines that are named or that a pattern fits; all, if nothing is named."""
    return existing_machine_names(this, names) if names else this.store.names()


def _print(this: Session, names: list[str] | None, *, check: bool, as_json: bool) -> None:
    """Print a row for every machine; of those that fail, the errors at the end."""
    from ecsmachine.cli.display.output import print_listing
    from ecsmachine.machine import several
    from ecsmachine.machine.credentials import credential_use

    selected = _selected(this, names)
    if not names:
        selected = [name for name in selected if _needs_rights(this, name)]
    found: dict[str, CredentialUse] = {}

    def look_at(name: str) -> None:
        found[name] = credential_use(this.store, name, check=check)

    failure: MachineError | None = None
    if selected:
        try:
            several.for_each(selected, look_at)
        except MachineError as error:
            failure = error
    rows = [(name, found[name]) for name in selected if name in found]
    if as_json or rows or failure is None:
        print_listing(
            rows,
            {
                "NAME": lambda row: row[0],
                "RECORDED": lambda row: _source(row[1].recorded),
                "TAKEN NOW": lambda row: row[1].taken or "none",
                "ACCOUNT": lambda row: row[1].account or "unknown",
            },
            as_json=as_json,
            value=lambda row: {
                "Name": row[0],
                "Recorded": row[1].recorded or None,
                "Taken": row[1].taken or None,
                "Account": row[1].account or None,
            },
        )
    if failure is not None:
        raise failure


def _needs_rights(this: Session, name: str) -> bool:
    try:
        return isinstance(this.store.load(name).driver, CloudCredentials)
    except MachineError:
        return True  # its error is told with its row


def _source(recorded: str) -> str:
    kind, _, name = recorded.partition(":")
    if not kind:
        return "keys in config.json"
    return {"profile": f"profile {name}", "ram-role": f"RAM role {name}".rstrip()}.get(kind, kind)
