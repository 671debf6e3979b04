"""Many machines at once: their states in as few requests as the API allows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import Driver, State
from ecsmachine.machine.model import Machine, auth_options
from ecsmachine.machine.store import Store
from tests.api.driver_rig import Rig


def test_the_states_of_150_machines_take_two_requests(rig: Rig) -> None:
    driver, _ = rig.create()
    config = driver.config()
    ecs = driver._cloud.ecs
    vswitch = next(iter(rig.cloud.state.vswitches))
    ids = [config["InstanceId"]]
    for amount in (99, 50):
        answer = ecs.rpc.call(
            "RunInstances",
            {
                "RegionId": rig.cloud.region,
                "ImageId": next(iter(ecs.images())).id,
                "InstanceType": "ecs.n4.small",
                "SecurityGroupId": config["SecurityGroupId"],
                "VSwitchId": vswitch.id,
                "Amount": amount,
                "ClientToken": f"t{amount}",
            },
        )
        ids += answer.texts("InstanceIdSets", "InstanceIdSet")
    ids[-1] = "i-gone"
    machines: list[Driver] = [
        registry.load("aliyunecs", rig.context(), {**config, "InstanceId": each}) for each in ids
    ]
    rig.front.asked.clear()
    registry.share_lookups(machines)
    assert not rig.front.asked
    with ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda machine: machine.state(), machines))
    # what is not there may only be another account's
    assert rig.front.asked == {"DescribeInstances": 2, "GetCallerIdentity": 1}
    assert states[-1] is State.NOT_FOUND
    assert set(states[:-1]) <= {State.RUNNING, State.STARTING}
    assert len(states) == 150


def test_machines_of_other_regions_and_drivers_are_asked_apart(rig: Rig) -> None:
    driver, _ = rig.create()
    config = driver.config()
    elsewhere = registry.load(
        "aliyunecs", rig.context(), {**config, "Region": "us-east-1", "InstanceId": "i-none"}
    )
    here = rig.loaded(driver)
    url = registry.load("none", rig.context(), {"URL": "tcp://192.0.2.1:2376"})
    rig.front.asked.clear()
    registry.share_lookups([here, elsewhere, url])
    assert (here.state(), elsewhere.state()) == (State.RUNNING, State.NOT_FOUND)
    assert rig.front.asked == {"DescribeInstances": 2, "GetCallerIdentity": 1}


@pytest.mark.parametrize(
    ("command", "known"), [("status", "Running"), ("url", "tcp://"), ("ip", "")]
)
def test_a_question_about_many_machines_takes_a_request_for_a_hundred(
    command: str, known: str, rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    driver, _ = rig.create()
    store = Store(rig.store, rig.environment)
    for number in range(120):
        name = f"m{number}"
        loaded = registry.load("aliyunecs", store.context(name), driver.config())
        store.save(Machine(name=name, driver=loaded, auth=auth_options(rig.store, name)))
    capsys.readouterr()
    rig.front.asked.clear()
    assert run([command, "m*"], rig.program_environment()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 120
    assert all(line.startswith(known) for line in lines)
    assert rig.front.asked == {"DescribeInstances": 1}
    rig.front.asked.clear()
    assert run([command, "m1"], rig.program_environment()) == 0
    assert rig.front.asked == {"DescribeInstances": 1}
