"""Baking on a local cloud without guests: what stays, what goes, and deaths at every point.

The host is played: what is done on a real one is in tests/guest/test_bake.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.commands.bake import flags_for
from ecsmachine.cli.display.facts import facts
from ecsmachine.drivers import registry
from ecsmachine.drivers.baking import BakedImage, validate_family
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError
from ecsmachine.machine import bake as baking
from ecsmachine.machine import host, install_url
from ecsmachine.machine.bake import BakeRequest, bake
from ecsmachine.machine.create_request import CreateRequest
from ecsmachine.machine.model import Machine
from ecsmachine.machine.removal import Removal
from ecsmachine.machine.store import Store
from ecsmachine.ssh.command_result import CommandResult
from tests.api.deaths import Crash, Death
from tests.api.driver_rig import rig_in
from tests.api.test_driver_sweep import Ground

BAKED = {"images": 1, "snapshots": 1}
ENDINGS = (
    *("CreateSnapshot", "CreateImage", "TagResources", "AuthorizeSecurityGroupEgress"),
    *("RunInstances", "intend snapshot", "intend image", "made image", "finish", "hand over"),
    *("removal", "removed instance"),
)
"""The points after which a bake dies: all others are those of a create (scripts/torture)."""


class Bakery(Ground):
    """A ground whose machines have hosts that are played."""

    def request(self, family: str = "web", **values: Any) -> BakeRequest:
        given = self.values
        given.update({f"aliyunecs-{key.replace('_', '-')}": value for key, value in values.items()})
        create = CreateRequest(
            "bake-web", "aliyunecs", given, provision=False, bake={"Family": family}
        )
        return BakeRequest("bake-web", family, create)

    def bake(self, request: BakeRequest | None = None, store: Store | None = None) -> BakedImage:
        return bake(store or self.store, request or self.request(), self.rig.report)

    def dying(self, death: Any) -> Store:
        return Store(self.store.path, self.rig.environment, checkpoint=death)

    def baked(self, family: str = "") -> list[BakedImage]:
        context = self.store.context("")
        return registry.baked_images("aliyunecs", context, self.values).find(family)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bakery]:
    @contextmanager
    def logged_in(machine: Machine, **_: object) -> Iterator[Machine]:
        yield machine

    def seal(connection: Any) -> None:
        connection._host.driver.stop(lambda line: None)

    monkeypatch.setattr(host, "logged_in", logged_in)
    monkeypatch.setattr(Machine, "run", lambda *_, **__: CommandResult(0, "", ""), raising=False)
    monkeypatch.setattr(baking, "generalise", lambda host, on_demand: "27.5.1")
    monkeypatch.setattr(baking, "seal", seal)
    monkeypatch.setattr(install_url, "check_install_url", lambda url: None)
    with rig_in(tmp_path) as rig:
        yield Bakery(rig)


def test_the_image_stays_and_all_else_is_gone(ground: Bakery) -> None:
    image = ground.bake(ground.request(tag=["team=a"]))
    assert ground.rig.left() == BAKED
    assert ground.store.names() == []
    assert (image.family, image.engine, image.region) == ("web", "27.5.1", ground.rig.cloud.region)
    (listed,) = ground.baked("web")
    assert listed == image
    (own,) = ground.rig.cloud.state.custom_images
    tags = ground.rig.cloud.state.custom_images.tags(own.id)
    assert (tags["ecsmachine:engine"], tags["ecsmachine:baked"], tags["team"]) == (
        *("27.5.1", "web", "a"),
    )
    assert (own.family, own.description) == ("web", "Docker Engine 27.5.1")
    assert ground.survey() == []
    ground.create("dev1", image_family="web")
    assert [each.image_id for each in ground.rig.cloud.state.instances] == [image.id]
    assert facts(ground.store.load("dev1"))["Image"] == image.id
    for values, meant in (
        ({"image_family": "webb"}, "Did you mean web?"),
        ({"image_id": f"{image.id}x"}, f"Did you mean {image.id}?"),
    ):
        with pytest.raises(PreCreateCheckError) as raised:
            ground.rig.planned(**values)
        assert meant in (raised.value.hint or "")


@pytest.mark.parametrize("family", ["auto", "a" * 100, "A1", "x.y_z:1-2"])
def test_what_a_family_may_be_called(ground: Bakery, family: str) -> None:
    assert ground.bake(ground.request(validate_family(family))).family == family


@pytest.mark.parametrize("family", ["1web", "a", "a" * 101, "aliyun1", "ACS:x", "a b", "caf\u00e9"])
def test_what_it_may_not(family: str) -> None:
    with pytest.raises(UsageError, match="cannot be an image family"):
        validate_family(family)


def test_a_copy_leaves_its_machine_alone_and_reaches_nothing(ground: Bakery) -> None:
    ground.create("dev1")
    before = ground.rig.left()
    ground.rig.front.bodies.clear()
    image = ground.bake(BakeRequest("bake-web", "web", source="dev1"))
    assert ground.rig.left() == {**before, **BAKED}
    assert ground.store.names() == ["dev1"]
    asked = [body["Action"] for body in ground.rig.front.bodies if body.get("DryRun") != "true"]
    assert "StopInstance" not in asked[: asked.index("RunInstances")]
    assert asked.index("AuthorizeSecurityGroupEgress") < asked.index("RunInstances")
    (rules,) = [body for body in ground.rig.front.bodies if body["Action"].endswith("Egress")]
    assert rules["Permissions.2.Policy"] == "drop"
    assert rules["Permissions.2.DestCidrIp"] == "0.0.0.0/0"
    assert ground.baked("web") == [image]


def test_the_options_for_an_image_with_a_large_disk_name_its_size() -> None:
    image = BakedImage("m-1", "web-1", "web", "27.5.1", "cn-hangzhou", size_gib=40)
    assert flags_for(image) == "--aliyunecs-image-family web"
    sized = "--aliyunecs-image-family web --aliyunecs-system-disk-size 45"
    assert flags_for(replace(image, size_gib=45)) == sized


def test_what_has_no_engine_is_not_copied(ground: Bakery, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.create("dev1")
    before = ground.rig.left()
    monkeypatch.setattr(Machine, "run", lambda *_, **__: CommandResult(127, "", ""), raising=False)
    with pytest.raises(MachineError, match='"dev1" cannot be baked: no engine') as raised:
        ground.bake(BakeRequest("bake-web", "web", source="dev1"))
    assert raised.value.hint == '"ecsmachine provision dev1" installs it.'
    assert (ground.rig.left(), ground.store.names()) == (before, ["dev1"])


def test_a_copy_asks_for_no_install_script(ground: Bakery, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.create("dev1")
    asked: list[str] = []
    monkeypatch.setattr(install_url, "check_install_url", asked.append)
    ground.bake(BakeRequest("bake-web", "web", source="dev1"))
    assert asked == []


def test_a_bake_that_fails_leaves_nothing(ground: Bakery, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.rig.front.faults["CreateImage"] = ["InvalidImageName.Duplicated"]
    with pytest.raises(MachineError, match="CreateImage failed") as raised:
        ground.bake()
    assert raised.value.hint is not None and "were removed" in raised.value.hint
    assert (ground.rig.left(), ground.store.names()) == ({}, [])


def test_a_machine_of_that_name_is_no_bake(ground: Bakery) -> None:
    ground.create("bake-web")
    with pytest.raises(MachineError, match="not made by"):
        ground.bake()
    assert ground.store.names() == ["bake-web"]


def test_a_bake_that_was_begun_is_gone_on_with_as_it_was_begun(ground: Bakery) -> None:
    with pytest.raises(Crash):
        ground.bake(store=ground.dying(_At("before api CreateSnapshot")))
    with pytest.raises(UsageError, match="started for an image of family web"):
        ground.bake(BakeRequest("bake-web", "web", source="dev1"))
    with pytest.raises(UsageError, match="started with other options: --aliyunecs-cpus 2"):
        ground.bake(ground.request(cpus=4))
    ground.bake()
    assert ground.rig.left() == BAKED


@pytest.mark.parametrize("source", ["", "dev1"], ids=["made", "copied"])
def test_a_bake_that_died_goes_on_and_makes_nothing_twice(ground: Bakery, source: str) -> None:
    if source:
        ground.create("dev1")
    before = ground.rig.left()
    request = BakeRequest("bake-web", "web", source=source) if source else ground.request()
    for point in _points(ground, request):
        with pytest.raises(Crash):
            ground.bake(request, ground.dying(_At(*point)))
        ground.bake(request)
        assert ground.rig.left() == {**before, **BAKED}, point
        assert ground.store.names() == [source] * bool(source), point
        _remove_baked(ground)


@pytest.mark.parametrize("then", ["rm", "sweep"])
def test_what_a_bake_that_died_has_made_can_be_removed(ground: Bakery, then: str) -> None:
    ground.create("dev1")
    before = ground.rig.left()
    request = BakeRequest("bake-web", "web", source="dev1")
    for point in _points(ground, request):
        if " api " not in point[0]:
            continue
        with pytest.raises(Crash):
            ground.bake(request, ground.dying(_At(*point)))
        if not ground.store.exists("bake-web"):
            continue
        over = "Image" in ground.store.journal("bake-web").bake
        if then == "rm":
            Removal(ground.store).finish("bake-web", ground.rig.report)
        else:
            ground.store.remove("bake-web")
            assert ground.sweep().failures == [], point
        tagged = over or ground.baked("web")
        assert ground.rig.left() == ({**before, **BAKED} if tagged else before), point
        _remove_baked(ground)


def test_pruning_keeps_the_newest_and_what_machines_are_made_from(ground: Bakery) -> None:
    used = ground.bake()
    machine = ground.create("dev1", image_id=used.id)
    others = [ground.bake() for _ in range(2)]
    images = registry.baked_images("aliyunecs", ground.store.context(""), ground.values)
    ids = [image.id for image in images.find("web")]
    assert set(ids) == {used.id, *(image.id for image in others)}
    assert not images.remove(used, ground.rig.report)
    assert all(images.remove(image, ground.rig.report) for image in others)
    assert [image.id for image in images.find("web")] == [used.id]
    assert ground.rig.left()["snapshots"] == 1
    machine.driver.remove(ground.store.journal("dev1"), ground.rig.report)


def test_a_snapshot_whose_image_is_gone_is_swept(ground: Bakery) -> None:
    image = ground.bake()
    with ground.rig.cloud.state.transaction():
        ground.rig.cloud.state.custom_images.remove(image.id)
    assert [found.resource.kind for found in ground.survey()] == ["snapshot"]
    assert ground.sweep().failures == []
    assert ground.rig.left() == {}


class _At(Death):
    """A death at the n-th time that a point is come to."""

    def __init__(self, point: str, number: int = 0):
        super().__init__(number)
        self._point = point

    def __call__(self, point: str) -> None:
        if point == self._point or self.at:
            super().__call__(point)


def _points(ground: Bakery, request: BakeRequest) -> list[tuple[str, int]]:
    """Return the points of a bake at which it changes something, each with its number."""
    met: list[str] = []
    ground.bake(request, ground.dying(met.append))
    _remove_baked(ground)
    wanted = [point for point in met if point.startswith("after") and point.endswith(ENDINGS)]
    assert len(wanted) > 10
    return list(dict.fromkeys((point, wanted[:at].count(point)) for at, point in enumerate(wanted)))


def _remove_baked(ground: Bakery) -> None:
    images = registry.baked_images("aliyunecs", ground.store.context(""), ground.values)
    for image in images.find():
        assert images.remove(image, ground.rig.report)
