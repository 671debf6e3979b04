"""The commands that work on hosts again: provision, regenerate-certs, upgrade."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ecsmachine.cli.arguments.context import existing_machine_names, session
from ecsmachine.cli.arguments.options import MachineNames, Yes
from ecsmachine.cli.commands.docker_context import refresh_contexts
from ecsmachine.cli.commands.lifecycle import with_each
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.display.confirmation import confirmed
from ecsmachine.cli.display.printer import complain, say
from ecsmachine.cli.display.progress import for_each, steps

if TYPE_CHECKING:
    from ecsmachine.machine.regenerate import Rotation

_QUESTION = "Regenerate TLS machine certs?  Warning: this is irreversible."


def provision(ctx: typer.Context, names: MachineNames = None) -> None:
    """Provision machines again, with the options given when they were created.

    Only what differs is changed: a machine in order stays as it is.

    Example: ecsmachine provision dev1
    """
    from ecsmachine.machine.provisioning import provision

    with_each(ctx, names, provision)


def regenerate_certs(
    ctx: typer.Context,
    names: MachineNames = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="The same as --yes")] = False,
    yes: Yes = False,
    client_certs: Annotated[
        bool,
        typer.Option(
            help="Also make a new CA and client certificate, for all machines of the store; "
            "needs no names"
        ),
    ] = False,
) -> None:
    """Give the engines of machines new certificates, and restart them.

    The CA and the client certificate, shared by all machines of the store, are renewed if they
    expire within 30 days. After --client-certs, old client certificates no longer work.

    Example: ecsmachine regenerate-certs -f dev1
    """
    from ecsmachine.machine import regenerate

    this = session(ctx)
    chosen = existing_machine_names(this, names) if names or not client_certs else []
    plan = regenerate.plan_rotation(this.store, chosen) if client_certs else None
    if plan:
        _show(plan)
    if not (force or yes or confirmed(_QUESTION, piped=this.is_docker_machine)):
        return
    say("Regenerating TLS certificates")
    if not plan:
        with_each(ctx, chosen, partial(regenerate.regenerate, among=chosen))
        refresh_contexts(this, chosen)
        return
    say("Regenerating local certificates")
    with steps() as report:
        regenerate.rotate(this.store, chosen, report)
    for_each(
        plan.reissued, lambda name, report: regenerate.regenerate_later(this.store, name, report)
    )
    refresh_contexts(this, plan.reissued)


def upgrade(
    ctx: typer.Context,
    names: MachineNames = None,
    engine_version: Annotated[
        str | None,
        typer.Option(
            help='Move to this version, newer or older, and stay with it: 27.5; "latest" ends that'
        ),
    ] = None,
) -> None:
    """Upgrade the engines of machines to the newest version in their hosts' package sources.

    A machine pinned by --engine-version gets the newest version within the pin. Stopped machines
    are started. Containers stop while the engine restarts.

    Example: ecsmachine upgrade dev1
    """
    from ecsmachine.machine.provisioning import upgrade
    from ecsmachine.provision.engine_source import LATEST, validate_version

    version = "" if engine_version == LATEST else engine_version
    validate_version(version or "")
    with_each(ctx, names, partial(upgrade, version=version))


def _show(plan: Rotation) -> None:
    say(f"Machines that get certificates of the new CA: {', '.join(plan.reissued) or 'none'}")
    for name, what in plan.told.items():
        complain(one_line(f"{name}: {what}"))
