"""The engine's create and remove, over a driver whose cloud is a list in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import (
    DataDiskRequest,
    DriverContext,
    Journal,
    Report,
    State,
)
from ecsmachine.drivers.options import Option, OptionValue, in_words
from ecsmachine.drivers.tagged import TaggedResource
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError
from ecsmachine.machine import adopt, install_url, removal, several, transfer
from ecsmachine.machine.create import create, plan
from ecsmachine.machine.create_request import CreateRequest, resumed
from ecsmachine.machine.interruption import Interruption, WorkInterrupted
from ecsmachine.machine.journal import FileJournal
from ecsmachine.machine.store import Store
from ecsmachine.machine.sweep import Found, Standing
from ecsmachine.provision.base import EngineOptions
from ecsmachine.ssh.target import SSHTarget


@dataclass
class Cloud:
    """What exists, by kind; the step at which it fails; and whether it refuses to remove."""

    things: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    fails_at: str | None = None
    failure: BaseException = field(default_factory=lambda: MachineError("the cloud is down"))
    refuses_removal: bool = False

    def step(self, name: str) -> None:
        if self.fails_at == name:
            raise self.failure


class CloudDriver:
    """A driver of two resources; no computer is behind it, so nothing is provisioned."""

    name = "test"
    provisions = False

    def __init__(self, context: DriverContext, cloud: Cloud, config: Mapping[str, Any]):
        self.context = context
        self.cloud = cloud
        self.instance_id = config.get("InstanceId", "")

    def config(self) -> dict[str, Any]:
        return {"InstanceId": self.instance_id, "StorePath": str(self.context.store_path)}

    def pre_create_check(self, report: Report) -> None:
        self.cloud.step("check")

    def create(self, journal: Journal, report: Report, save: Callable[[], None]) -> None:
        for kind in ("key-pair", "instance"):
            made = journal.find(kind)
            if made is not None and made.id:
                continue
            report(f"making {kind}")
            resource = journal.intend(kind, region="here")
            self.cloud.step(f"before {kind}")
            self.cloud.tokens.append(resource.token)
            if kind not in self.cloud.things:
                self.cloud.things.append(kind)
            self.cloud.step(f"after {kind}")
            journal.made(resource, f"{kind}-1")
            if kind == "instance":
                self.instance_id = f"{kind}-1"
                save()
        self.cloud.step("end")

    def remove(self, journal: Journal, report: Report) -> None:
        for resource in journal.resources():
            if self.cloud.refuses_removal:
                raise MachineError("the cloud refuses")
            if resource.kind in self.cloud.things:
                self.cloud.things.remove(resource.kind)
            journal.removed(resource)

    def state(self) -> State:
        return State.RUNNING if "instance" in self.cloud.things else State.NOT_FOUND

    def start(self, report: Report) -> None: ...
    def stop(self, report: Report) -> None: ...
    def restart(self, report: Report) -> None: ...
    def kill(self, report: Report) -> None: ...
    def refresh(self) -> None: ...

    def address(self) -> str:
        return "127.0.0.1"

    def addresses(self) -> Sequence[str]:
        return ("127.0.0.1",)

    def url(self) -> str:
        return "tcp://127.0.0.1:2376"

    def ssh_target(self) -> SSHTarget:
        return SSHTarget("127.0.0.1")

    def data_disk(self) -> DataDiskRequest | None:
        return None

    def authorized_key(self) -> str | None:
        return None


OPTIONS = (
    Option("test-size", "Size", kind="int", default=20),
    Option("test-zone", "Zone", default=""),
    Option("test-password", "Password", env="TEST_PASSWORD", default="", secret=True),
    Option("test-key", "Key", default="", secret=True, credential=True),
)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()

    def new(name: str, context: DriverContext, values: Mapping[str, OptionValue]) -> CloudDriver:
        return CloudDriver(context, cloud, {})

    def load(name: str, context: DriverContext, config: Mapping[str, Any]) -> CloudDriver:
        return CloudDriver(context, cloud, config)

    def options_of(name: str) -> tuple[Option, ...]:
        return OPTIONS

    monkeypatch.setattr(registry, "new", new)
    monkeypatch.setattr(registry, "options_of", options_of)
    monkeypatch.setattr(registry, "load", load)
    return cloud


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", {})


def make(
    store: Store,
    name: str = "dev1",
    *,
    keep: bool = False,
    engine: EngineOptions | None = None,
    **values: OptionValue,
) -> list[str]:
    lines: list[str] = []
    create(
        store,
        CreateRequest(
            name=name,
            driver_name="test",
            driver_values={f"test-{name}": value for name, value in values.items()},
            keep_on_failure=keep,
            engine=engine or EngineOptions(),
        ),
        lines.append,
    )
    return lines


STEPS = ["before key-pair", "after key-pair", "before instance", "after instance", "end"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"swarm_role": "boss"}, 'not as "boss"'),
        ({"swarm_role": "worker"}, "needs a swarm to join"),
        ({"swarm_join": "m"}, "needs a role"),
        ({"swarm_role": "manager", "provision": False}, "--no-provision installs none"),
        ({"swarm_role": "manager"}, "cannot be used with the driver test"),
    ],
)
def test_a_place_in_a_swarm_that_cannot_be(
    changes: dict[str, Any], said: str, store: Store, cloud: Cloud
) -> None:
    request = CreateRequest("dev1", "test", {}, **changes)
    with pytest.raises(UsageError, match=said):
        create(store, request, lambda line: None)
    assert not store.exists("dev1")
    assert cloud.things == []


def test_a_swarm_that_cannot_be_joined_is_found_before_anything_is_made(
    store: Store, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CloudDriver, "provisions", True)
    monkeypatch.setattr(install_url, "check_install_url", lambda url: None)
    request = CreateRequest("dev1", "test", {}, swarm_role="worker", swarm_join="nobody")
    for work in (create, plan):
        with pytest.raises(PreCreateCheckError, match='"nobody" does not exist'):
            work(store, request, lambda line: None)
    plan(store, request, lambda line: None, going=())  # it may be made before this one
    monkeypatch.setattr(CloudDriver, "provisions", False)
    with pytest.raises(UsageError, match="cannot be used with the driver"):
        plan(store, request, lambda line: None)
    assert not store.exists("dev1")
    assert cloud.things == []


def test_a_machine_is_made_and_written_down(store: Store, cloud: Cloud) -> None:
    make(store)
    config = json.loads((store.directory("dev1") / "config.json").read_text())
    assert config["Driver"]["InstanceId"] == "instance-1"
    journal = store.journal("dev1")
    assert journal.complete
    assert [(thing.kind, thing.id) for thing in journal.resources()] == [
        ("instance", "instance-1"),
        ("key-pair", "key-pair-1"),
    ]


def test_a_failed_check_writes_nothing(store: Store, cloud: Cloud) -> None:
    cloud.fails_at, cloud.failure = "check", PreCreateCheckError("no such zone")
    with pytest.raises(PreCreateCheckError):
        make(store)
    assert store.names() == []
    assert cloud.things == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("failure", [MachineError("no stock"), KeyboardInterrupt()])
def test_a_failed_create_leaves_nothing(
    step: str, failure: BaseException, store: Store, cloud: Cloud
) -> None:
    cloud.fails_at, cloud.failure = step, failure
    with pytest.raises(type(failure)):
        make(store)
    assert cloud.things == []
    assert store.names() == []
    cloud.fails_at = None
    make(store)
    assert cloud.things == ["key-pair", "instance"]


@pytest.mark.parametrize("step", STEPS)
def test_what_cannot_be_undone_now_is_removed_later(step: str, store: Store, cloud: Cloud) -> None:
    cloud.fails_at, cloud.refuses_removal = step, True
    with pytest.raises(MachineError, match="the cloud is down"):
        make(store)
    assert store.names() == ["dev1"]
    cloud.refuses_removal = False
    removal.Removal(store).finish("dev1", lambda line: None)
    assert cloud.things == []
    assert store.names() == []


@pytest.mark.parametrize("step", STEPS)
def test_a_kept_create_goes_on_with_the_same_tokens(step: str, store: Store, cloud: Cloud) -> None:
    cloud.fails_at = step
    with pytest.raises(MachineError) as raised:
        make(store, keep=True)
    assert "ecsmachine rm dev1" in (raised.value.hint or "")
    cloud.fails_at = None
    make(store)
    assert cloud.things == ["key-pair", "instance"]
    assert len(set(cloud.tokens)) == 2
    assert store.journal("dev1").complete


def test_a_failed_create_says_what_became_of_what_was_made(store: Store, cloud: Cloud) -> None:
    cloud.fails_at = "end"
    with pytest.raises(MachineError) as raised:
        make(store)
    assert raised.value.hint == "The created resources were removed."
    cloud.failure, cloud.refuses_removal = MachineError("no stock", hint="Wait."), True
    warnings: list[str] = []
    store.warn = warnings.append
    with pytest.raises(MachineError) as raised:
        make(store)
    assert raised.value.hint == (
        'Wait. Not everything could be removed: "ecsmachine rm dev1" tries again.'
    )
    assert warnings == [
        'Not everything could be removed: the cloud refuses. "ecsmachine rm dev1" tries again.'
    ]


def test_other_options_than_the_first_time_are_refused(store: Store, cloud: Cloud) -> None:
    cloud.fails_at = "after instance"
    with pytest.raises(MachineError):
        make(store, keep=True, size=40, zone="a", key="first")
    cloud.fails_at = None
    with pytest.raises(UsageError) as raised:
        make(store, size=20, zone="", key="second")
    assert raised.value.message == (
        'Machine "dev1" was started with other options: --test-size 40 (now 20), --test-zone a '
        "(now none)"
    )
    assert "ecsmachine create --resume dev1" in (raised.value.hint or "")
    assert cloud.things == ["key-pair", "instance"]
    make(store, size=40, zone="a", key="second")  # who asks may change
    assert store.journal("dev1").complete


def test_other_engine_options_are_taken_and_told(store: Store, cloud: Cloud) -> None:
    cloud.fails_at = "end"
    with pytest.raises(MachineError):
        make(store, keep=True, engine=EngineOptions(labels=["a=b"]))
    cloud.fails_at = None
    now = EngineOptions(labels=["c=d"], arbitrary_flags=["debug=true"], source_key="AB" * 20)
    lines = make(store, engine=now)
    assert (
        "These options have changed since the first time, and are used as they are now: "
        "--engine-opt, --engine-label, --engine-source-key"
    ) in lines
    assert store.load("dev1").engine.labels == ["c=d"]


def test_a_resume_knows_what_was_asked_for(store: Store, cloud: Cloud) -> None:
    cloud.fails_at = "end"
    engine = EngineOptions(labels=["a=b"])
    with pytest.raises(MachineError):
        make(store, keep=True, engine=engine, size=40, password="hidden-1", key="hidden-2")
    written = (store.directory("dev1") / "journal.json").read_text()
    assert "hidden" not in written
    with pytest.raises(UsageError, match="started with --test-password") as raised:
        resumed(store, "dev1", {"test-password": "", "test-key": ""})
    assert "TEST_PASSWORD" in (raised.value.hint or "")
    request = resumed(store, "dev1", {"test-password": "hidden-1", "test-key": ""})
    assert request.driver_values["test-size"] == 40
    assert request.driver_values["test-password"] == "hidden-1"
    assert request.engine == engine
    cloud.fails_at = None
    create(store, request, lambda line: None)
    assert store.journal("dev1").complete
    with pytest.raises(MachineError, match="nothing to continue"):
        resumed(store, "dev1", {})
    with pytest.raises(MachineError, match="no half-made machine"):
        resumed(store, "dev2", {})


@pytest.mark.parametrize("damage", ["", "{", '{"Driver": 7}'])
def test_rm_of_a_machine_whose_configuration_is_damaged(
    damage: str, store: Store, cloud: Cloud
) -> None:
    make(store)
    (store.directory("dev1") / "config.json").write_text(damage)
    lines: list[str] = []
    removal.Removal(store).finish("dev1", lines.append)
    assert "removing what the journal lists" in lines[0]
    assert cloud.things == []
    assert store.names() == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_create_that_another_thread_ends(keep: bool, store: Store, cloud: Cloud) -> None:
    interruption = Interruption()
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if line == "(dev1) making key-pair":
            interruption.ask()

    request = CreateRequest("dev1", "test", {}, keep_on_failure=keep)
    with pytest.raises(WorkInterrupted):
        create(store, request, report, interruption=interruption)
    assert cloud.things == (["key-pair"] if keep else [])
    assert store.names() == (["dev1"] if keep else [])
    assert ("ecsmachine create --resume dev1" in lines[-1]) is keep


def test_an_interrupted_create_tells_what_it_could_not_remove(store: Store, cloud: Cloud) -> None:
    interruption = Interruption()
    cloud.refuses_removal = True

    def report(line: str) -> None:
        if line == "(dev1) making instance":
            interruption.ask()

    with pytest.raises(WorkInterrupted) as raised:
        create(store, CreateRequest("dev1", "test", {}), report, interruption=interruption)
    assert raised.value.left == (
        'Not everything could be removed: "ecsmachine rm dev1" tries again.'
    )
    assert store.names() == ["dev1"]


def test_what_waits_is_woken_when_work_is_to_end() -> None:
    interruption = Interruption()
    woken: list[str] = []
    with interruption.waking(lambda: woken.append("first")):
        interruption.ask()
    interruption.ask()
    assert woken == ["first"]
    with pytest.raises(WorkInterrupted), interruption.waking(lambda: None):
        pytest.fail("the wait had begun")
    interruption.shield()
    interruption.check()


def test_a_machine_that_is_whole_is_not_made_again(store: Store, cloud: Cloud) -> None:
    make(store)
    with pytest.raises(MachineError, match='Docker machine "dev1" already exists'):
        make(store)
    (store.directory("dev1") / "journal.json").unlink()  # as Docker Machine leaves it
    with pytest.raises(MachineError, match='Docker machine "dev1" already exists'):
        make(store)


@pytest.mark.parametrize("name", ["", "a_b", "-a", "../a", "a/b", "a b", "ä", "a\n"])
def test_names_that_docker_machine_refuses(name: str, store: Store, cloud: Cloud) -> None:
    with pytest.raises(UsageError, match="Allowed hostname chars are: 0-9a-zA-Z"):
        make(store, name)
    assert not store.path.exists()


def test_rm_keeps_the_machine_when_the_cloud_refuses(store: Store, cloud: Cloud) -> None:
    make(store)
    cloud.refuses_removal = True
    with pytest.raises(MachineError, match="the cloud refuses"):
        removal.Removal(store).finish("dev1", lambda line: None)
    assert store.names() == ["dev1"]


def test_a_forced_rm_keeps_the_journal_of_what_may_be_left(store: Store, cloud: Cloud) -> None:
    make(store)
    cloud.refuses_removal = True
    lines: list[str] = []
    store.warn = lines.append
    removal.Removal(store, force=True).finish("dev1", lambda line: None)
    assert store.names() == []
    (kept,) = (store.path / ".abandoned").iterdir()
    assert str(kept) in "\n".join(lines)
    assert [thing.kind for thing in FileJournal(kept).resources()] == ["instance", "key-pair"]


def test_one_failing_machine_does_not_touch_the_others(store: Store, cloud: Cloud) -> None:
    done: list[str] = []

    def operation(name: str) -> None:
        if name == "b":
            raise MachineError("b is broken", hint="Mend b.")
        done.append(name)

    with pytest.raises(MachineError, match="b is broken"):
        several.for_each(["a", "b", "c"], operation)
    assert sorted(done) == ["a", "c"]


@pytest.mark.parametrize("resume", [False, True])
def test_a_create_whose_removal_was_cut_off_begins_anew(
    resume: bool, store: Store, cloud: Cloud
) -> None:
    cloud.fails_at, cloud.refuses_removal = "end", True
    with pytest.raises(MachineError, match="the cloud is down"):
        make(store)
    # the key pair went, and who removed it died before that was written down
    cloud.things.remove("key-pair")
    before = store.journal("dev1")
    with pytest.raises(MachineError, match="the cloud refuses") as refused:
        make(store)
    assert '"ecsmachine rm dev1" tries again' in (refused.value.hint or "")
    cloud.fails_at, cloud.refuses_removal = None, False
    if resume:
        create(store, resumed(store, "dev1", {}), lambda line: None)
    else:
        make(store)
    journal = store.journal("dev1")
    assert (journal.complete, journal.removing) == (True, False)
    assert journal.create_id != before.create_id
    assert sorted(cloud.things) == ["instance", "key-pair"]


def test_a_create_after_an_rm_that_was_cut_off_begins_anew(store: Store, cloud: Cloud) -> None:
    cloud.fails_at = "end"
    with pytest.raises(MachineError):
        make(store, keep=True)
    cloud.fails_at, cloud.refuses_removal = None, True
    with pytest.raises(MachineError, match="the cloud refuses"):
        removal.Removal(store).finish("dev1", lambda line: None)
    cloud.refuses_removal = False
    cloud.things.remove("key-pair")
    make(store)
    assert sorted(cloud.things) == ["instance", "key-pair"]


@pytest.fixture
def cut_off(store: Store, cloud: Cloud) -> Store:
    """A store with an adoption of ``dev1`` that was killed when it knew the instance."""
    cloud.things.append("instance")
    store.directory("dev1").mkdir(parents=True)
    journal = store.journal("dev1")
    journal.begin_adoption("c1")
    journal.made(journal.intend("instance", region="here"), "instance-1")
    return store


def test_what_an_adoption_that_was_cut_off_can_be_used_for(cut_off: Store) -> None:
    for refused in (
        lambda: make(cut_off),
        lambda: resumed(cut_off, "dev1", {}),
        lambda: cut_off.load("dev1"),
        lambda: transfer.export_machine(cut_off, "dev1", "a passphrase"),
    ):
        with pytest.raises(
            MachineError, match=r'adoption of machine "dev1" was interrupted'
        ) as raised:
            refused()
        assert "ecsmachine adopt dev1" in (raised.value.hint or "")
    assert adopt.is_imported(cut_off, "dev1") is False
    instance = TaggedResource("instance", "instance-1", "here", create_id="c1")
    (candidate,) = adopt.candidates(cut_off, [Found(instance, Standing.MAKING, "dev1")])
    assert adopt.choose(cut_off, [candidate], "dev1", "") == candidate


def test_a_folder_in_which_nothing_is_written_is_not_in_the_way(store: Store, cloud: Cloud) -> None:
    store.directory("dev1").mkdir(parents=True)
    instance = TaggedResource("instance", "instance-1", "here", create_id="c1")
    request = adopt.AdoptRequest("dev1", instance, {})
    assert adopt.is_imported(store, "dev1") is False
    nothing: Any = CloudThatFails()
    with pytest.raises(MachineError, match="stopped before that"):
        adopt.adopt(store, nothing, request, lambda line: None)
    assert store.names() == []


class CloudThatFails:
    """Stands for the tagged resources of a cloud that fails when it is first asked."""

    region = "here"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*arguments: object, **named: object) -> Any:
            raise MachineError("It came stopped before that")

        return fail


def test_rm_of_an_adoption_that_was_cut_off_leaves_the_cloud_alone(
    cut_off: Store, cloud: Cloud
) -> None:
    lines: list[str] = []
    removal.Removal(cut_off).finish("dev1", lines.append)
    assert (cut_off.names(), cloud.things) == ([], ["instance"])
    assert "resources stay" in lines[0]


def test_a_machine_whose_adoption_came_to_its_end_is_one_like_others(
    cut_off: Store, cloud: Cloud
) -> None:
    cut_off.journal("dev1").finish()
    with pytest.raises(MachineError, match="already exists"):
        make(cut_off)
    instance = TaggedResource("instance", "instance-1", "here", create_id="c1")
    found = [Found(instance, Standing.OWNED, "dev1")]
    assert adopt.candidates(cut_off, found) == []
    with pytest.raises(UsageError, match="of this store"):
        adopt.choose(cut_off, found, "dev1", "")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "true"),
        (False, "false"),
        (None, "none"),
        ("", "none"),
        (0, "0"),
        (["a", "b"], "a, b"),
    ],
)
def test_the_value_of_an_option_in_words(value: OptionValue, words: str) -> None:
    assert in_words(value) == words
