"""The commands beyond one machine of one store: sweep, adopt, export, import."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecsmachine.cli.confirmation import confirmed
from ecsmachine.cli.context import Session, session
from ecsmachine.cli.driver_options import (
    driver_name_of,
    option_parameters,
    parameter_name,
    resolve,
)
from ecsmachine.cli.progress import for_each, steps
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Option, OptionValue, Report
from ecsmachine.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ecsmachine.drivers.tagged import TaggedResources
    from ecsmachine.machine.sweep import Found, Swept

_TOGETHER = 8
"""How many regions are looked at at once."""

_Regions = Annotated[
    list[str] | None,
    typer.Option("--region", help="A region to look at (repeatable)"),
]
_AllRegions = Annotated[
    bool, typer.Option("--all-regions", help="Look at every region of the account")
]
_Driver = Annotated[
    str | None,
    typer.Option("--driver", "-d", help="The driver [default: aliyunecs, $MACHINE_DRIVER]"),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File whose first line is the passphrase; else $ECSMACHINE_PASSPHRASE, else it is "
        "asked for",
    ),
]


def sweep_command(program: list[str], environment: Mapping[str, str]) -> Callable[..., None]:
    """Return the function behind ``sweep``, with the flags of the driver that is named."""
    driver_name = driver_name_of(program, environment)
    options = registry.account_options_of(driver_name)

    def sweep(
        ctx: typer.Context,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show what is left, and remove nothing")
        ] = False,
        yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask")] = False,
        stores: Annotated[
            list[str] | None,
            typer.Option(
                "--store",
                metavar="ID",
                help="Remove what is of that other store as well (repeatable)",
            ),
        ] = None,
        region: _Regions = None,
        all_regions: _AllRegions = False,
        json: _Json = False,
        driver: _Driver = None,
        **given: Any,
    ) -> None:
        """Find what is left in the cloud of machines that this store does not have, and remove it.

        Example: ecsmachine sweep --dry-run
        """
        if json and not (dry_run or yes):
            raise UsageError("--json does not ask", hint="Give --dry-run or -y as well.")
        this = session(ctx)
        values = _resolved(options, given, environment)
        _sweep(
            this,
            _clouds(this, driver_name, values, region or [], all_regions),
            stores or [],
            dry_run=dry_run,
            yes=yes,
            as_json=json,
        )

    return _with_options(sweep, options)


def adopt_command(program: list[str], environment: Mapping[str, str]) -> Callable[..., None]:
    """Return the function behind ``adopt``, with the flags of the driver that is named."""
    driver_name = driver_name_of(program, environment)
    options = (
        *registry.account_options_of(driver_name),
        *registry.adoption_options_of(driver_name),
    )

    def adopt(
        ctx: typer.Context,
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="The machine; without, those are listed")
        ] = "",
        instance_id: Annotated[
            str,
            typer.Option("--instance-id", metavar="ID", help="The instance; NAME is its new name"),
        ] = "",
        everything: Annotated[
            bool, typer.Option("--all", help="Every instance that could be adopted")
        ] = False,
        ssh_key: Annotated[
            str, typer.Option("--ssh-key", metavar="FILE", help="The private key of the login")
        ] = "",
        region: _Regions = None,
        all_regions: _AllRegions = False,
        json: _Json = False,
        driver: _Driver = None,
        **given: Any,
    ) -> None:
        """Make a machine of this store of an instance that another store made, or a lost one.

        It is logged in to with the key, or with the password in $ECS_SSH_PASSWORD.

        Example: ecsmachine adopt dev1 --ssh-key ~/backup/id_rsa
        """
        this = session(ctx)
        values = _resolved(options, given, environment)
        if ssh_key:
            values["aliyunecs-ssh-keypath"] = ssh_key
        if name and not instance_id and _took_over(this, name, values):
            return
        clouds = _clouds(this, driver_name, values, region or [], all_regions)
        if not (name or instance_id or everything):
            _list_candidates(this, clouds, as_json=json)
            return
        _adopt(this, clouds, values, name, instance_id, everything)

    return _with_options(adopt, options)


def export(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The machine")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='Default: NAME.ecsmachine; "-" is the output')
    ] = "",
    passphrase_file: _PassphraseFile = None,
) -> None:
    """Write a machine with its keys into a file, encrypted with a passphrase.

    Example: ecsmachine export dev1 dev1.ecsmachine
    """
    from ecsmachine.machine import transfer
    from ecsmachine.machine.files import write_atomically

    this = session(ctx)
    target = Path(file or f"{name}.ecsmachine")
    if file != "-" and target.exists():
        raise MachineError(f"{target} exists already", hint="Remove it, or name another file.")
    passphrase = _passphrase(this, passphrase_file, twice=True)
    content = transfer.export_machine(this.store, name, passphrase)
    if file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_atomically(target.absolute(), content)
    others = transfer.others_of_the_same_ca(this.store, name)
    if others:
        from ecsmachine.cli.output import warn

        warn(
            f"the client certificate in it is accepted by {len(others)} more "
            f"machine{'s' if len(others) > 1 else ''} of this store ({', '.join(others[:5])}"
            f"{', …' if len(others) > 5 else ''}): who can open the file is root on them too"
        )


def import_(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='What export wrote; "-" is the input')
    ],
    name: Annotated[str, typer.Option("--name", help="Another name for the machine")] = "",
    passphrase_file: _PassphraseFile = None,
) -> None:
    """Put a machine that was exported into this store.

    Example: ecsmachine import dev1.ecsmachine --name theirs
    """
    from ecsmachine.machine import transfer

    this = session(ctx)
    content = _content_of(file, transfer.LONGEST_FILE)
    passphrase = _passphrase(this, passphrase_file)
    imported = transfer.import_machine(this.store, content, passphrase, name=name)
    endpoint = this.store.config(imported)["Driver"].get("APIEndpoint")
    if endpoint:
        print(f"Its cloud is asked at {endpoint}")
    print(f'Machine "{imported}" was imported. To use it, run: ecsmachine env {imported}')


def orphan_rows(this: Session, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what is left over in the cloud, for ``ls --orphans``."""
    driver_name = driver_name_of([], environment)
    values = resolve(registry.account_options_of(driver_name), {}, environment)
    found = _survey(this, _clouds(this, driver_name, values, [], False))
    return [_row(each) for each in _left_over(found)]


def orphan_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows of what is left over as a table with a head."""
    from ecsmachine.cli.output import align

    lines = ["NAME\tKIND\tID\tSTATE\tAGE\tCOST/H\tSTORE"]
    lines += [
        "\t".join(
            (
                row["Name"] or "-",
                row["Kind"],
                row["Id"],
                row["State"] or "-",
                row["Age"] or "-",
                "-" if row["CostPerHour"] is None else f"{row['CostPerHour']:g} {row['Currency']}",
                "this" if row["Standing"] == "orphan" else row["Store"],
            )
        )
        for row in rows
    ]
    return align("\n".join(lines))


def _sweep(
    this: Session,
    clouds: list[TaggedResources],
    stores: list[str],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from ecsmachine.machine.sweep import Standing, Swept, sweep

    found = _survey(this, clouds)
    left = _left_over(found)
    chosen = [
        each
        for each in left
        if each.standing is Standing.ORPHAN
        or (each.standing is Standing.FOREIGN and each.store_id in stores)
    ]
    unknown = set(stores) - {each.store_id for each in left}
    if unknown:
        raise UsageError(
            f"Nothing is there of store {', '.join(sorted(unknown))}",
            hint='"ecsmachine sweep --dry-run" shows of which stores there is something.',
        )
    swept = Swept()
    if not as_json:
        _explain(found, left, chosen)
    if not dry_run and (chosen or any(this.store.abandoned_path.glob("*.json"))):
        if not yes and chosen and not confirmed(f"Remove these {len(chosen)} for good?"):
            return
        with nullcontext(_quiet) if as_json else steps(this) as report:
            for cloud in clouds:
                done = sweep(this.store, cloud, chosen, report)
                swept.removed += done.removed
                swept.failures += done.failures
                swept.journals += done.journals
        if not as_json:
            print(f"{len(swept.removed)} removed, {len(swept.failures)} failed")
    if as_json:
        _print_swept(left, swept)
    if swept.failures:
        raise MachineError(
            f"{len(swept.failures)} could not be removed",
            hint='"ecsmachine sweep" tries again.',
            details="\n".join(
                f"{failure.what}: {failure.error.message}"
                + (f". {failure.error.hint}" if failure.error.hint else "")
                for failure in swept.failures
            ),
        )


def _explain(found: list[Found], left: list[Found], chosen: list[Found]) -> None:
    """Print what is left over, whose the rest is, and what it costs."""
    from ecsmachine.machine.sweep import Standing

    making: dict[str, int] = {}
    for each in found:
        if each.standing is Standing.MAKING:
            making[each.machine_name] = making.get(each.machine_name, 0) + 1
    for name, count in making.items():
        print(f"{name} is in the making: {count} of its resources are left alone.")
    if not left:
        print("Nothing is left over.")
        return
    print(orphan_table([_row(each) for each in left]))
    foreign = sorted({each.store_id for each in left if each not in chosen})
    if foreign:
        print(
            f"What is of another store ({', '.join(foreign)}) stays; --store ID removes it as well."
        )
    costs: dict[str, float] = {}
    for each in chosen:
        if each.cost:
            costs[each.cost.currency] = costs.get(each.cost.currency, 0.0) + each.cost.amount
    for currency, amount in costs.items():
        print(f"To be removed: {len(chosen)}, which cost {amount:g} {currency} an hour.")


def _print_swept(left: list[Found], swept: Swept) -> None:
    from ecsmachine.cli.output import print_json

    print_json(
        {
            "Found": [_row(each) for each in left],
            "Removed": [{"Kind": each.kind, "Id": each.id} for each in swept.removed],
            "Failed": [
                {"What": failure.what, "Error": failure.error.message} for failure in swept.failures
            ],
        }
    )


def _list_candidates(this: Session, clouds: list[TaggedResources], *, as_json: bool) -> None:
    from ecsmachine.cli.output import print_json
    from ecsmachine.machine.adopt import candidates

    rows = [_row(each) for each in candidates(this.store, _survey(this, clouds))]
    if as_json:
        print_json(rows)
    elif rows:
        print(orphan_table(rows))
        print("To adopt one, run: ecsmachine adopt NAME --ssh-key FILE")
    else:
        print("There is no instance that could be adopted.")


def _adopt(
    this: Session,
    clouds: list[TaggedResources],
    values: dict[str, OptionValue],
    name: str,
    instance_id: str,
    everything: bool,
) -> None:
    from ecsmachine.machine.adopt import (
        AdoptRequest,
        adopt,
        candidates,
        choose,
        takes_shared_along,
    )

    if everything and (name or instance_id):
        raise UsageError("--all takes no name", hint="Leave one of them out.")
    found = _survey(this, clouds)
    if everything:
        chosen = candidates(this.store, found)
    else:
        chosen = [choose(this.store, found, name, instance_id)]
    if not chosen:
        print("There is no instance that could be adopted.")
        return
    if not values.get("aliyunecs-ssh-keypath") and not values.get("aliyunecs-ssh-password"):
        values["aliyunecs-ssh-password"] = _asked("Password of the login: ")
    by_name = {name or each.machine_name: each for each in chosen}
    if len(by_name) < len(chosen):
        raise UsageError(
            "Several instances are of machines of the same name",
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
        )
        cloud = next(each for each in clouds if each.region == resource.region)
        adopt(this.store, cloud, request, report)

    for_each(this, list(by_name), adopt_one)


def _took_over(this: Session, name: str, values: Mapping[str, OptionValue]) -> bool:
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
    with steps(this) as report:
        take_over(this.store, name, cloud, report, key_type=this.tls_key_type)
    return True


def _survey(this: Session, clouds: list[TaggedResources]) -> list[Found]:
    from ecsmachine.machine.sweep import survey

    with ThreadPoolExecutor(max_workers=min(_TOGETHER, len(clouds))) as pool:
        parts = list(pool.map(lambda cloud: survey(this.store, [cloud]), clouds))
    return [found for part in parts for found in part]


def _left_over(found: list[Found]) -> list[Found]:
    from ecsmachine.machine.sweep import Standing

    return [each for each in found if each.standing in (Standing.ORPHAN, Standing.FOREIGN)]


def _clouds(
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


def _row(found: Found) -> dict[str, Any]:
    resource = found.resource
    age = datetime.now(timezone.utc) - resource.created if resource.created else None
    return {
        "Name": found.machine_name or ("" if resource.shared else resource.name),
        "Kind": resource.kind,
        "Id": resource.id,
        "Region": resource.region,
        "State": resource.state,
        "Standing": found.standing.value,
        "Store": found.store_id,
        "Created": resource.created.isoformat() if resource.created else None,
        "Age": _age(age.total_seconds()) if age else "",
        "CostPerHour": found.cost.amount if found.cost else None,
        "Currency": found.cost.currency if found.cost else "",
        "Journal": str(found.journal) if found.journal else None,
    }


def _age(seconds: float) -> str:
    """Return a length of time in its largest unit that counts at least two, else in minutes."""
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds // 60))}m"


def _resolved(
    options: tuple[Option, ...], given: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, OptionValue]:
    flags = {option.name: given[parameter_name(option)] for option in options}
    return resolve(options, flags, environment)


def _with_options(
    function: Callable[..., None], options: tuple[Option, ...]
) -> Callable[..., None]:
    """Give a command the flags of a driver beside its own."""
    signature = inspect.signature(function, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "given"]
    parameters = [*own, *option_parameters(options)]
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def _passphrase(this: Session, path: Path | None, *, twice: bool = False) -> str:
    """Return the passphrase: from the file, the variable, or the terminal."""
    if path is not None:
        try:
            return (path.read_text().splitlines() or [""])[0]
        except (OSError, ValueError) as error:
            raise UsageError(
                f"The passphrase file {path} cannot be read: {getattr(error, 'strerror', error)}",
                hint="Correct --passphrase-file.",
            ) from error
    variable = this.environment.get("ECSMACHINE_PASSPHRASE")
    if variable:
        return variable
    passphrase = _asked("Passphrase: ")
    if twice and passphrase != _asked("Once more: "):
        raise UsageError("The two passphrases differ", hint="Try again.")
    return passphrase


def _asked(prompt: str) -> str:
    import getpass

    if not sys.stdin.isatty():
        raise UsageError(
            f"{prompt.rstrip(': ')}: it is not given, and there is no terminal to ask at",
            hint="Use --passphrase-file or ECSMACHINE_PASSPHRASE for a file; --ssh-key or "
            "ECS_SSH_PASSWORD for a login.",
        )
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def _content_of(file: str, longest: int) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(longest + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(longest + 1)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint='Name a file that "export" wrote.'
        ) from error


def _quiet(line: str) -> None:
    pass
