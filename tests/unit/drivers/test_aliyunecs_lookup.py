from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ecsmachine.aliyun.access_key import NO_KEY
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud


@dataclass
class Ecs:
    """Answers when it is let to, and notes what it was asked for."""

    asked: list[list[str]] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def instances(self, *, ids: Sequence[str]) -> Iterator[Any]:
        self.asked.append(list(ids))
        self.begun.set()
        assert self.may_answer.wait(10)
        return iter([SimpleNamespace(id=each) for each in ids if each != "i-gone"])


def cloud_of(ecs: Any) -> Cloud:
    cloud = Cloud("cn-hangzhou", NO_KEY)
    cloud.ecs = ecs
    return cloud


def test_those_who_wait_are_asked_for_together() -> None:
    ecs = Ecs()
    cloud = cloud_of(ecs)
    answers: dict[str, Any] = {}

    def look(instance_id: str) -> None:
        answers[instance_id] = cloud.watched(instance_id)

    first = threading.Thread(target=look, args=("i-0",))
    first.start()
    assert ecs.begun.wait(10)
    others = [threading.Thread(target=look, args=(each,)) for each in ("i-1", "i-2", "i-gone")]
    for thread in others:
        thread.start()
    while len(cloud.watched_instances._wanted) < 3:
        pass
    ecs.may_answer.set()
    for thread in (first, *others):
        thread.join()
    assert ecs.asked[0] == ["i-0"]
    assert [sorted(ids) for ids in ecs.asked[1:]] == [["i-1", "i-2", "i-gone"]]
    assert {key: found and found.id for key, found in answers.items()} == {
        "i-0": "i-0",
        "i-1": "i-1",
        "i-2": "i-2",
        "i-gone": None,
    }


def test_who_asks_again_is_answered_anew() -> None:
    ecs = Ecs()
    cloud = cloud_of(ecs)
    ecs.may_answer.set()
    for _ in range(3):
        cloud.watched("i-0")
    assert ecs.asked == [["i-0"]] * 3
