"""What is left over in the cloud: which regions to look at, and what is found there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.driver_options import driver_name_of, values_for
from ecsmachine.cli.display.output import table
from ecsmachine.drivers import registry
from ecsmachine.drivers.options import OptionValue

if TYPE_CHECKING:
    from ecsmachine.drivers.tagged import TaggedResources
    from ecsmachine.machine.sweep import Found

_TOGETHER = 8
"""How many regions are looked at at once."""

Regions = Annotated[list[str] | None, typer.Option(help="A region to search (repeatable)")]
AllRegions = Annotated[bool, typer.Option(help="Search every region of the account")]


def orphan_rows(this: Session) -> list[dict[str, Any]]:
    """Return what is left over in the cloud, for ``ls --orphans``."""
    driver_name = driver_name_of([], this.environment)
    values = values_for(this, registry.account_options_of(driver_name))
    found = survey_all(this, clouds_of(this, driver_name, values, [], False))
    return [row_of(each) for each in left_over(found)]


def orphan_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows of what is left over as a table with a head."""
    lines = [("NAME", "KIND", "ID", "STATE", "AGE", "COST/H", "STORE")]
    lines += [
        (
            row["Name"] or "-",
            row["Kind"],
            row["Id"],
            row["State"] or "-",
            row["Age"] or "-",
            "-" if row["CostPerHour"] is None else f"{row['CostPerHour']:g} {row['Currency']}",
            "this" if row["Standing"] == "orphan" else row["Store"],
        )
        for row in rows
    ]
    return table(lines)


def clouds_of(
    this: Session,
    driver_name: str,
    values: Mapping[str, OptionValue],
    regions: list[str],
    all_regions: bool,
) -> list[TaggedResources]:
    """Return the regions to look at: those given, else where this store has or had machines."""
    from ecsmachine.machine.sweep import known_regions

    context = this.store.context("")
    if all_regions:
        regions = registry.regions(driver_name, context, values)
    elif not regions:
        default = values.get(registry.region_option_of(driver_name))
        regions = [str(default or ""), *known_regions(this.store)]
    return [
        registry.tagged_resources(driver_name, context, values, region)
        for region in dict.fromkeys(regions)
    ]


def survey_all(this: Session, clouds: list[TaggedResources]) -> list[Found]:
    """Return what carries our tags in all these regions, looked at together."""
    from ecsmachine.machine.sweep import survey

    with ThreadPoolExecutor(_TOGETHER) as pool:
        parts = list(pool.map(lambda cloud: survey(this.store, cloud), clouds))
    return [found for part in parts for found in part]


def left_over(found: list[Found]) -> list[Found]:
    """Return what belongs to no machine: of this store, or of another."""
    from ecsmachine.machine.sweep import Standing

    return [each for each in found if each.standing in (Standing.ORPHAN, Standing.FOREIGN)]


def row_of(found: Found) -> dict[str, Any]:
    """Return one resource as it is printed: a row of a table, or an object of JSON."""
    resource = found.resource
    return {
        "Name": found.machine_name or ("" if resource.shared else resource.name),
        "Kind": resource.kind,
        "Id": resource.id,
        "Region": resource.region,
        "State": resource.state,
        "Standing": found.standing.value,
        "Store": found.store_id,
        **created_and_age(resource.created),
        "CostPerHour": found.cost.amount if found.cost else None,
        "Currency": found.cost.currency if found.cost else "",
        "Journal": str(found.journal) if found.journal else None,
    }


def created_and_age(created: datetime | None) -> dict[str, str | None]:
    """Return when something was made, and how long ago, as fields of JSON.

    An age is in its largest unit that counts at least two, else in minutes.
    """
    if created is None:
        return {"Created": None, "Age": ""}
    seconds = (datetime.now(timezone.utc) - created).total_seconds()
    age = f"{max(0, int(seconds // 60))}m"
    for unit, length in (("h", 3600), ("d", 86400)):
        if seconds >= 2 * length:
            age = f"{int(seconds // length)}{unit}"
    return {"Created": created.isoformat(), "Age": age}
