from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from ecsmachine.machine.journal import FileJournal
from ecsmachine.system.files import openness
from tests.unit.machine.conftest import other_process


def test_what_is_written_is_read_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    journal = FileJournal(path)
    journal.begin()
    key = journal.intend("key-pair", region="here", name="k")
    journal.made(key, "kp-1")
    instance = journal.intend("instance", region="here")
    again = FileJournal(path)
    assert again.create_id == journal.create_id
    assert again.resources() == (instance, key)
    assert not again.complete
    again.made(instance, "i-1")
    again.finish()
    last = FileJournal(path)
    assert last.complete
    assert last.find("instance") == again.find("instance")
    assert openness(path, path.stat()) is None


def test_a_request_is_repeated_with_its_token(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    first = journal.intend("instance", region="here")
    assert journal.intend("instance", region="here") is first
    assert journal.intend("instance", region="there") is not first
    journal.made(first, "i-1")
    second = journal.intend("instance", region="here")
    assert second.token != first.token
    assert len({resource.token for resource in journal.resources()}) == 3


def test_find_and_removed(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    first = journal.intend("rule", port="22", group="g")
    second = journal.intend("rule", port="2376", group="g")
    assert journal.find("rule", port="2376") is second
    assert journal.find("rule", group="g") is first
    assert journal.find("rule", port="80") is None
    assert journal.find("group") is None
    assert journal.resources() == (second, first)
    journal.removed(second)
    assert FileJournal(tmp_path / "journal.json").resources() == (first,)


MAKER = """
import sys
from pathlib import Path
from ecsmachine.machine.journal import FileJournal
journal = FileJournal(Path(sys.argv[1]))
journal.begin()
resource = journal.intend("instance", region="here")
if sys.argv[2] == "made":
    journal.made(resource, "i-1")
print(resource.token, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(("when", "known"), [("asked", None), ("made", "i-1")])
def test_a_killed_process_leaves_what_it_had_begun(
    when: str, known: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "journal.json"
    with other_process(MAKER, path, when) as maker:
        assert maker.stdout
        token = maker.stdout.readline().strip()
    journal = FileJournal(path)
    (resource,) = journal.resources()
    assert (resource.token, resource.id, resource.details) == (token, known, {"region": "here"})
    if known is None:
        assert journal.intend("instance", region="here").token == token


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Version": 1}',
        '{"Version": 1, "CreateId": "x", "Complete": false, "Resources": [{"colour": "red"}]}',
        '{"Version": 1, "CreateId": "x", "Complete": false, "Resources": 7}',
    ],
)
def test_a_damaged_journal_is_named_and_left(content: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    path.write_text(content)
    with pytest.raises(MachineError) as caught:
        FileJournal(path)
    assert str(path) in caught.value.message
    assert path.read_text() == content


def test_a_journal_of_a_newer_program(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    FileJournal(path).begin()
    path.write_text(json.dumps({**json.loads(path.read_text()), "Version": 2}))
    with pytest.raises(MachineError, match="newer"):
        FileJournal(path)


def test_a_checkpoint_sees_every_change_before_and_after_it_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    seen: list[tuple[str, bytes]] = []
    journal = FileJournal(
        path, lambda point: seen.append((point, path.read_bytes() if path.exists() else b""))
    )
    journal.begin()
    resource = journal.intend("instance", region="here")
    journal.made(resource, "i-1")
    journal.finish()
    journal.removed(resource)
    assert [point for point, _ in seen] == [
        f"{when} journal {change}"
        for change in ("begin", "intend instance", "made instance", "finish", "removed instance")
        for when in ("before", "after")
    ]
    contents = [content for _, content in seen]
    assert contents[1::2][:-1] == contents[2::2]
    assert all(before != after for before, after in zip(contents[::2], contents[1::2], strict=True))


def test_what_a_checkpoint_raises_before_a_write_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    FileJournal(path).begin()

    def stop(point: str) -> None:
        raise InterruptedError(point)

    with pytest.raises(InterruptedError, match="before journal intend instance"):
        FileJournal(path, stop).intend("instance")
    assert FileJournal(path).resources() == ()
