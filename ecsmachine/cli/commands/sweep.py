"""The command ``sweep``: finds and removes what is left in the cloud of lost machines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session, session
from ecsmachine.cli.arguments.driver_options import values_of, with_options
from ecsmachine.cli.arguments.options import AsJson, Driver, Yes
from ecsmachine.cli.commands import orphans
from ecsmachine.cli.display.confirmation import confirmed
from ecsmachine.cli.display.output import print_json
from ecsmachine.cli.display.printer import document, say, show
from ecsmachine.cli.display.progress import steps
from ecsmachine.drivers import registry
from ecsmachine.errors import UsageError

if TYPE_CHECKING:
    from ecsmachine.drivers.tagged import TaggedResources
    from ecsmachine.machine.sweep import Found, Swept


def command(driver_name: str) -> Callable[..., None]:
    """Return the function behind ``sweep``, with the flags of a driver."""
    options = registry.account_options_of(driver_name)

    def sweep(
        ctx: typer.Context,
        dry_run: Annotated[
            bool, typer.Option(help="Print what is left, and remove nothing")
        ] = False,
        yes: Yes = False,
        stores: Annotated[
            list[str] | None,
            typer.Option(
                "--store",
                metavar="ID",
                help="Also remove what belongs to that store (repeatable)",
            ),
        ] = None,
        region: orphans.Regions = None,
        all_regions: orphans.AllRegions = False,
        json: AsJson = False,
        driver: Driver = None,
        **given: Any,
    ) -> None:
        """Find cloud resources left from machines that this store does not have, and remove them.

        Example: ecsmachine sweep --dry-run
        """
        if json and not (dry_run or yes):
            raise UsageError("--json does not ask", hint="Give --dry-run or -y as well.")
        this = session(ctx)
        values = values_of(ctx, options, given)
        _sweep(
            this,
            orphans.clouds_of(this, driver_name, values, region or [], all_regions),
            stores or [],
            dry_run=dry_run,
            yes=yes,
            as_json=json,
        )

    return with_options(sweep, options)


def _sweep(
    this: Session,
    clouds: list[TaggedResources],
    stores: list[str],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from ecsmachine.machine.several import summed_up
    from ecsmachine.machine.sweep import Standing, Swept, sweep

    found = orphans.survey_all(this, clouds)
    left = orphans.left_over(found)
    chosen = [each for each in left if each.standing is Standing.ORPHAN or each.store_id in stores]
    unknown = set(stores) - {each.store_id for each in left}
    if unknown:
        raise UsageError(
            f"Nothing was found of store {', '.join(sorted(unknown))}",
            hint='"ecsmachine sweep --dry-run" lists the stores that left something.',
        )
    swept = Swept()
    if not as_json:
        _explain(found, left, chosen, show if dry_run else say)
    if not dry_run and (chosen or any(this.store.abandoned_path.glob("*.json"))):
        if not yes and chosen and not confirmed(f"Remove these {len(chosen)} for good?"):
            return
        with nullcontext(lambda line: None) if as_json else steps() as report:
            for cloud in clouds:
                done = sweep(this.store, cloud, chosen, report)
                swept.removed += done.removed
                swept.failures += done.failures
        if not as_json:
            say(f"{len(swept.removed)} removed, {len(swept.failures)} failed")
    shown = document()
    if as_json:
        _print_swept(left, swept)
    elif shown is not None:  # --quiet
        ids = [each.resource.id for each in chosen] if dry_run else [e.id for e in swept.removed]
        print_json([{"Id": each} for each in ids])
    if swept.failures:
        message = f"{len(swept.failures)} could not be removed"
        raise summed_up(message, swept.failures, hint='"ecsmachine sweep" tries again.')


def _explain(
    found: list[Found], left: list[Found], chosen: list[Found], tell: Callable[[str], None]
) -> None:
    """Print what is left over, whose the rest is, and what it costs."""
    from ecsmachine.machine.sweep import Standing

    making: dict[str, int] = {}
    for each in found:
        if each.standing is Standing.MAKING:
            making[each.machine_name] = making.get(each.machine_name, 0) + 1
    for name, count in making.items():
        tell(f"{name} is being created: its {count} resources are not touched.")
    if not left:
        tell("Nothing is left.")
        return
    for line in orphans.orphan_table([orphans.row_of(each) for each in left]).splitlines():
        tell(line)
    foreign = sorted({each.store_id for each in left if each not in chosen})
    if foreign:
        tell(
            f"What belongs to another store ({', '.join(foreign)}) stays; --store ID removes it "
            "too."
        )
    costs: dict[str, float] = {}
    for each in chosen:
        if each.cost:
            costs[each.cost.currency] = costs.get(each.cost.currency, 0.0) + each.cost.amount
    for currency, amount in costs.items():
        tell(f"To be removed: {len(chosen)}, which cost {amount:g} {currency} an hour.")


def _print_swept(left: list[Found], swept: Swept) -> None:
    print_json(
        {
            "Found": [orphans.row_of(each) for each in left],
            "Removed": [{"Kind": each.kind, "Id": each.id} for each in swept.removed],
            "Failed": [{"What": what, "Error": error.message} for what, error in swept.failures],
            "Errors": [],
        }
    )
