"""Every option says what another value of it means for a machine that is there."""

from __future__ import annotations

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.life.changing import CHANGES
from ecsmachine.drivers.aliyunecs.options.comparing import comparable, how_to_change, option_of
from ecsmachine.drivers.aliyunecs.options.settings import OPTIONS
from ecsmachine.drivers.options import ChangeKind, OptionValue
from ecsmachine.errors import UsageError

IN_PLACE, RESTART = ChangeKind.IN_PLACE, ChangeKind.WITH_RESTART
NEW, AT_CREATE = ChangeKind.NEW_MACHINE, ChangeKind.AT_CREATE


def test_what_is_changed_is_what_is_declared() -> None:
    declared = {option.name for option in OPTIONS if option.changes in (IN_PLACE, RESTART)}
    assert declared == {option_of(field) for field in CHANGES}


def test_what_holds_credentials_needs_no_new_machine() -> None:
    for option in OPTIONS:
        if option.credential or option.secret:
            assert option.changes is AT_CREATE, option.name


@pytest.mark.parametrize(
    ("option", "old", "new", "kind"),
    [
        ("disk-size", 20, 40, IN_PLACE),
        ("disk-size", 40, 20, NEW),
        ("disk-size", 0, 20, NEW),
        ("system-disk-size", 40, 41, IN_PLACE),
        ("internet-max-bandwidth", 1, 5, IN_PLACE),
        ("internet-max-bandwidth", 0, 5, NEW),
        ("internet-max-bandwidth", 5, 0, NEW),
        ("instance-type", "ecs.g6.large", "ecs.g6.xlarge", RESTART),
        ("image-id", "a", "b", NEW),
        ("zone", "a", "b", NEW),
        ("auto-release-time", "", "8h", AT_CREATE),
        ("auto-release-time", "", "2028-01-31T12:00:00Z", IN_PLACE),
        ("cpus", 2, 4, AT_CREATE),
    ],
)
def test_how_a_machine_comes_to_another_value(
    option: str, old: OptionValue, new: OptionValue, kind: ChangeKind
) -> None:
    assert how_to_change(f"aliyunecs-{option}", old, new) is kind


@pytest.mark.parametrize(
    ("option", "one", "other"),
    [
        ("aliyunecs-tag", ["b=2", "a = 1"], ["a=1", "b=2"]),
        ("aliyunecs-open-port", ["80/tcp", "8000:8100"], ["8000-8100", "80", "80"]),
        ("aliyunecs-source-cidr", [], ["0.0.0.0/0"]),
        ("aliyunecs-source-cidr", ["203.0.113.7/24"], ["203.0.113.0/24"]),
        ("aliyunecs-io-optimized", "optimized", "true"),
        ("aliyunecs-description", None, ""),
        ("aliyunecs-spot-price-limit", "0.10", "0.1"),
    ],
)
def test_values_that_mean_the_same_are_the_same(
    option: str, one: OptionValue, other: OptionValue
) -> None:
    assert comparable(option, one) == comparable(option, other)


def test_a_value_that_cannot_be_names_its_flag() -> None:
    with pytest.raises(UsageError, match=r"--aliyunecs-open-port .*is not a port"):
        registry.comparable("aliyunecs", "aliyunecs-open-port", ["http"])


def test_a_machine_is_not_changed_to_what_its_record_cannot_hold() -> None:
    with pytest.raises(UsageError, match=r"--aliyunecs-host-name .*is not a host name or address"):
        registry.comparable("aliyunecs", "aliyunecs-host-name", "a" * 64)


def test_a_host_of_ones_own_can_move() -> None:
    kinds = {option.name: option.changes for option in registry.options_of("generic")}
    assert kinds["generic-ip-address"] is IN_PLACE
    assert kinds["generic-ssh-key"] is NEW
