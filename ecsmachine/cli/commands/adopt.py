"""The command ``adopt``: makes a machine of an instance that this store does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.driver_options import values_of, with_options
from ecsmachine.cli.arguments.login_keys import ask_for_passphrase
from ecsmachine.cli.arguments.options import AsJson, Driver
from ecsmachine.cli.commands import orphans
from ecsmachine.cli.display.confirmation import secret
from ecsmachine.cli.display.output import print_json
from ecsmachine.cli.display.printer import document, say, show
from ecsmachine.cli.display.progress import for_each, steps_of
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import UsageError

if TYPE_CHECKING:
    from ecsmachine.drivers.tagged import TaggedResources


def command(driver_name: str) -> Callable[..., None]:
    """Return the function behind ``adopt``, with the flags of a driver."""
    options = (
        *registry.account_options_of(driver_name),
        *registry.adoption_options_of(driver_name),
    )

    def adopt(
        ctx: typer.Context,
        name: Annotated[
            str,
            typer.Argument(help="The new machine's name; without it, the candidates are listed"),
        ] = "",
        instance_id: Annotated[
            str, typer.Option(help="The instance to adopt; NAME becomes its machine name")
        ] = "",
        everything: Annotated[
            bool, typer.Option("--all", help="Adopt every instance that can be adopted")
        ] = False,
        ssh_key: Annotated[
            Path | None, typer.Option(metavar="FILE", help="The private key to log in with")
        ] = None,
        ssh_jump: Annotated[
            str,
            typer.Option(
                metavar="USER@HOST[:PORT]",
                help="Reach it through this host [default: $ECSMACHINE_SSH_JUMP]",
            ),
        ] = "",
        region: orphans.Regions = None,
        all_regions: orphans.AllRegions = False,
        json: AsJson = False,
        driver: Driver = None,
        **given: Any,
    ) -> None:
        """Add an existing instance to this store: one that another store made, or that was lost.

        The login uses the key, or the password in $ECS_SSH_PASSWORD.

        Example: ecsmachine adopt dev1 --ssh-key ~/backup/id_rsa
        """
        this = session(ctx)
        values = values_of(ctx, options, given)
        if ssh_key:
            ask_for_passphrase(this, ssh_key)
            values["aliyunecs-ssh-keypath"] = str(ssh_key)
        if name and not instance_id and _take_over_imported(this, name, values):
            return
        clouds = orphans.clouds_of(this, driver_name, values, region or [], all_regions)
        if not (name or instance_id or everything):
            _list_candidates(this, clouds, as_json=json)
            return
        jump = ssh_jump or this.environment.get("ECSMACHINE_SSH_JUMP", "")
        _adopt(this, clouds, values, name, instance_id, everything, jump)

    return with_options(adopt, options)


def _list_candidates(this: Session, clouds: list[TaggedResources], *, as_json: bool) -> None:
    from ecsmachine.machine.adopt import candidates

    rows = [
        orphans.row_of(each) for each in candidates(this.store, orphans.survey_all(this, clouds))
    ]
    if as_json or document() is not None:
        print_json(rows)
    elif rows:
        show(orphans.orphan_table(rows))
        show(this.as_called("To adopt one, run: ecsmachine adopt NAME --ssh-key FILE"))
    else:
        show("There is no instance to adopt.")


def _adopt(
    this: Session,
    clouds: list[TaggedResources],
    values: dict[str, OptionValue],
    name: str,
    instance_id: str,
    everything: bool,
    ssh_jump: str,
) -> None:
    from ecsmachine.machine.adopt import AdoptRequest, adopt, candidates, choose, takes_shared_along

    if everything and (name or instance_id):
        raise UsageError("--all takes no name", hint="Leave one of them out.")
    found = orphans.survey_all(this, clouds)
    if everything:
        chosen = candidates(this.store, found)
    else:
        chosen = [choose(this.store, found, name, instance_id)]
    if not chosen:
        say("There is no instance to adopt.")
        return
    if not values.get("aliyunecs-ssh-keypath") and not values.get("aliyunecs-ssh-password"):
        values["aliyunecs-ssh-password"] = secret(
            "Password of the login: ", hint="Give --ssh-key or ECS_SSH_PASSWORD."
        )
    by_name = {name or each.machine_name: each for each in chosen}
    if len(by_name) < len(chosen):
        raise UsageError(
            "Several instances belong to machines of the same name",
            hint="Adopt them one by one, with --instance-id and a name each.",
        )
    shared = takes_shared_along(this.store, found, chosen)

    def adopt_one(machine_name: str, report: Report) -> None:
        resource = by_name[machine_name].resource
        request = AdoptRequest(
            machine_name,
            resource,
            values,
            shared=shared,
            install_url=this.environment.get("MACHINE_DOCKER_INSTALL_URL", ""),
            certificate_paths=this.certificate_paths,
            key_type=this.tls_key_type,
            ssh_jump=ssh_jump,
        )
        cloud = next(each for each in clouds if each.region == resource.region)
        adopt(this.store, cloud, request, report)

    for_each(list(by_name), adopt_one)


def _take_over_imported(this: Session, name: str, values: Mapping[str, OptionValue]) -> bool:
    """Make a machine that was imported one of this store; False if it is none."""
    from ecsmachine.machine.adopt import is_imported, take_over
    from ecsmachine.machine.sweep import regions_of

    if not is_imported(this.store, name):
        return False
    this.store.store_id()
    driver_name = this.store.load(name).driver.name
    regions = regions_of(this.store, name)
    cloud = (
        registry.tagged_resources(driver_name, this.store.context(name), values, regions[0])
        if regions
        else None
    )
    with steps_of(name) as report:
        take_over(this.store, name, cloud, report, key_type=this.tls_key_type)
    return True
