"""A plan in words, and as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ecsmachine.cli.display.cleaning import without_passwords
from ecsmachine.drivers.options import in_words

if TYPE_CHECKING:
    from ecsmachine.machine.plan.plan import Difference, Plan, Price, Step

_SIGNS = {
    "create": "+",
    "continue": "+",
    "change": "~",
    "restart": "~",
    "replace": "±",
    "remove": "-",
}
_WORDS = {
    "create": "is made",
    "continue": "is continued",
    "change": "is changed",
    "restart": "is changed: stopped, changed and started",
    "replace": "is removed and made again: ALL DATA ON ITS DISKS IS LOST",
    "remove": "is removed, with all data on its disks",
}
_OF_HOSTS_THAT_STAY = {
    "replace": "is taken out of the store and made again; its host stays as it is",
    "remove": "is taken out of the store; its host stays as it is",
}
_COUNTED = (
    ("made", ("create", "continue")),
    ("changed", ("change", "restart")),
    ("made again", ("replace",)),
    ("removed", ("remove",)),
)


def lines_of(plan: Plan) -> Iterable[str]:
    """Yield the lines that say what a plan does."""
    for step in plan.steps:
        if not step.is_done:
            yield from _lines(step)
    yield summary(plan)
    before, after = total(plan)
    if before or after:
        yield f"Price per hour: {_words(before)} now, {_words(after)} then"


def summary(plan: Plan) -> str:
    """Return how many machines of a plan have what done to them, in a line."""
    counts = [
        f"{count} {words}"
        for words, kinds in _COUNTED
        if (count := sum(step.kind.value in kinds for step in plan.steps))
    ]
    kept = sum(step.is_done for step in plan.steps)
    if not counts and not kept:
        return f"Nothing to do: there is no machine of {plan.file.name}"
    if not counts:
        return f"Nothing to do: {kept} machine{'s' * (kept != 1)} as {plan.file.name} says"
    return f"To do: {', '.join(counts)}" + (f"; {kept} as they are" if kept else "")


def _lines(step: Step) -> Iterable[str]:
    kind = step.kind.value
    about = ", ".join(filter(None, (step.about, _cost(step))))
    reason = f" ({step.reason})" if step.reason else ""
    words = _OF_HOSTS_THAT_STAY.get(kind, _WORDS[kind]) if step.host_stays else _WORDS[kind]
    yield f"{_SIGNS[kind]} {step.name} {words}{reason}" + (f": {about}" if about else "")
    for each in step.differences:
        why = " (needs a new machine)" if each.kind.value == "replace" else ""
        why = " (first of all)" if each.option == step.protection else why
        before, after = (in_words(without_passwords(value)) for value in (each.before, each.after))
        yield f"    {_name(each, step)}: {before} -> {after}{why}"
    for source, there in step.setup.copies:
        yield f"    copies {source.name} to {there}"
    for command in step.setup.commands:
        yield f"    runs {_one_line(command)}"


def _name(difference: Difference, step: Step) -> str:
    """Return the name of an option without the prefix of its driver."""
    driver = step.wanted.request.driver_name if step.wanted else ""
    return difference.option.removeprefix(f"{driver}-")


def _one_line(command: str) -> str:
    lines = command.strip().splitlines() or [""]
    return lines[0] + (f" … ({len(lines)} lines)" if len(lines) > 1 else "")


def _cost(step: Step) -> str:
    if step.before and step.after and step.before != step.after:
        return f"{_words({step.before.currency: step.before.hour})} an hour, then " + _words(
            {step.after.currency: step.after.hour}
        )
    price = step.after or (step.before if step.kind.value == "remove" else None)
    if price is None or (step.before == step.after):
        return ""
    return f"{_words({price.currency: price.hour})} an hour"


def total(plan: Plan) -> tuple[dict[str, float], dict[str, float]]:
    """Return what all machines of a plan cost an hour before and after it, by currency."""
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for step in plan.steps:
        for price, sums in ((step.before, before), (step.after, after)):
            if price is not None:
                sums[price.currency] = sums.get(price.currency, 0.0) + price.hour
    return before, after


def _words(sums: dict[str, float]) -> str:
    return " and ".join(f"{hour:.4g} {currency}" for currency, hour in sums.items()) or "nothing"


def data_of(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data."""
    before, after = total(plan)
    return {
        "File": str(plan.file),
        "Empty": plan.is_empty,
        "Machines": [_step_data(step) for step in plan.steps],
        "PriceBefore": _rounded(before),
        "PriceAfter": _rounded(after),
    }


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "Name": step.name,
        "Action": step.kind.value,
        "Reason": step.reason,
        "Start": step.start,
        "Changes": [
            {
                "Option": _name(each, step),
                "Before": without_passwords(each.before),
                "After": without_passwords(each.after),
                "Action": each.kind.value,
            }
            for each in step.differences
        ],
        "Copies": [
            {"Source": str(source), "Destination": there} for source, there in step.setup.copies
        ],
        "Runs": list(step.setup.commands),
        "PriceBefore": _price_data(step.before),
        "PriceAfter": _price_data(step.after),
        "Currency": next(
            (price.currency for price in (step.after, step.before) if price is not None), None
        ),
    }


def _price_data(price: Price | None) -> float | None:
    return round(price.hour, 6) if price else None


def _rounded(sums: dict[str, float]) -> dict[str, float]:
    return {currency: round(hour, 6) for currency, hour in sums.items()}
