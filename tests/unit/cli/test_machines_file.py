"""ecsmachine.yaml is read: what is wrong with one is told with its line, all of it at once."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.commands import plan
from ecsmachine.cli.machines_file.reading import Declared, read_text
from ecsmachine.cli.machines_file.schema import schema
from ecsmachine.cli.machines_file.wanting import in_keys, wanted_by
from ecsmachine.documents.yaml_text import Problems
from ecsmachine.errors import MachineError
from ecsmachine.machine import store as stores
from ecsmachine.machine.store import Store
from tests.unit.cli.conftest import Program

KEYS = {"ECS_ACCESS_KEY_ID": "LTAI5tStranger", "ECS_ACCESS_KEY_SECRET": "a-secret"}
DOCUMENT = Path(__file__).parents[3] / "docs" / "ecsmachine.schema.json"


def told(text: str | bytes, **environment: str) -> list[str]:
    """Return what is said to be wrong with a text."""
    return reading(text, **environment)[1]


def machines(text: str, **environment: str) -> dict[str, Declared]:
    """Return the machines of a text with which nothing is wrong."""
    found, problems = reading(text, **environment)
    assert problems == []
    return {each.name: each for each in found}


def reading(text: str | bytes, **environment: str) -> tuple[list[Declared], list[str]]:
    problems = Problems("f")
    content = text.encode() if isinstance(text, str) else text
    found = read_text(content, Path("/folder"), environment, problems)
    return found, [
        f"{line}: {message}" + (f" | {hint}" if hint else "")
        for (line, message), hint in sorted(problems.found.items())
    ]


def test_machines_with_defaults_and_counts() -> None:
    found = machines(
        """
defaults: {driver: aliyunecs, region: cn-hangzhou, instance-type: ecs.e-c1m1.large}
machines:
  manager: {swarm-mode: manager}
  web: {count: 2, open-ports: [80, 8000-8100, 53/udp], tags: {team: a}, swarm-join: manager}
  db: {disk-size: 100, provision: false, region: eu-central-1}
  plain:
"""
    )
    assert list(found) == ["manager", "web-1", "web-2", "db", "plain"]
    web = found["web-2"].flags
    assert web["aliyunecs-open-port"] == ["80", "8000-8100", "53/udp"]
    assert web["aliyunecs-tag"] == ["team=a"]
    assert (web["swarm-join"], web["aliyunecs-region"]) == ("manager", "cn-hangzhou")
    assert found["db"].flags["aliyunecs-disk-size"] == 100
    assert found["db"].flags["aliyunecs-region"] == "eu-central-1"
    assert (found["db"].provision, found["plain"].provision) == (False, True)


def test_a_group_is_joined_at_its_first() -> None:
    found = machines(
        """
machines:
  boss: {count: 3, swarm-mode: manager}
  web: {count: 2, swarm-mode: worker, swarm-join: boss}
  own: {count: 2, swarm-mode: manager, swarm-join: own-1}
"""
    )
    joins = {name: each.flags.get("swarm-join") or "" for name, each in found.items()}
    assert joins == {
        "boss-1": "",
        "boss-2": "boss-1",
        "boss-3": "boss-1",
        "web-1": "boss-1",
        "web-2": "boss-1",
        "own-1": "",
        "own-2": "own-1",
    }


def test_variables() -> None:
    keys = """{region: "${R}", disk-size: "${S:-20}", host-name: "a$$b", run: "echo $HOME"}"""
    text = f"machines: {{a: {keys}}}"
    found = machines(text, R="eu-central-1")["a"]
    assert found.flags["aliyunecs-region"] == "eu-central-1"
    assert found.flags["aliyunecs-disk-size"] == 20
    assert found.flags["aliyunecs-host-name"] == "a$b"
    assert found.setup.commands == ("echo $HOME",)
    assert told('machines: {a: {region: "${R}"}}') == [
        "1: the variable R is not set | Set it, or write ${R:-default}."
    ]
    assert "is not a variable" in told('machines: {a: {region: "${R-x}"}}')[0]
    assert "is not a variable" in told('machines: {a: {region: "${R"}}')[0]
    secret = told('machines: {a: {run: "x ${ECS_SSH_PASSWORD}"}}', ECS_SSH_PASSWORD="Hush1234")
    assert "ECS_SSH_PASSWORD is a secret" in secret[0]
    assert "Hush1234" not in secret[0]


def test_paths_are_relative_to_the_file() -> None:
    found = machines("machines: {a: {ssh-keypath: keys/id, user-data: ../init}}")["a"]
    assert found.flags["aliyunecs-ssh-keypath"] == "/folder/keys/id"
    assert found.flags["aliyunecs-user-data"] == "/folder/../init"


def test_anchors_merge_keys_and_other_files_of_editors() -> None:
    text = """\
x-common: &common {region: eu-central-1, disk-size: 20}
machines:
  a: {<<: *common, disk-size: 30}
  b: *common
"""
    for content in (
        text.encode(),
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode(),
    ):
        found, problems = reading(content)
        assert problems == []
        assert [each.flags["aliyunecs-disk-size"] for each in found] == [30, 20]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: it is empty"),
        ("- a", "1: it is not an object"),
        ("defaults: {}", "1: it has no machines"),
        ("machines: [a]", "1: machines is not a mapping of names | Write machines: {dev1: {}}, or"),
        ("machines:\n  a: {driver: x}", 'there is no "x" | Use one of: aliyunecs, generic, none.'),
        ("machines:\n  a: {}\n  a: {}", "3: a appears twice (also in line 2)"),
        ("machines:\n  a: {provision: on}", '2: provision: "on" is neither true nor false'),
        ("machines:\n  a: {provision: yes}", '2: provision: "yes" is neither true nor false'),
        ("machines:\n  a: {disk-size: 080}", '"080" is not a whole number | Write 80.'),
        ("machines:\n  a: {disk-size: 1_000}", '"1_000" is not a whole number'),
        ("machines:\n  a: {disk-size: 0x10}", '"0x10" is not a whole number'),
        ("machines:\n  a: {disk-size: 1:30}", '"1:30" is not a whole number'),
        ("machines:\n  a: {disk-size: 20.5}", '"20.5" is not a whole number'),
        ("machines:\n  a: {disk-size: 2026-11-28}", '"2026-11-28" is not a whole number'),
        ("machines:\n  a: {disk-size: " + "9" * 5000 + "}", "disk-size: the number is too large"),
        ("machines:\n  a: {disk-size: {b: 1}}", "2: disk-size has an object in place of a text"),
        ("machines:\n  a: {run: [echo a: b]}", "2: run has an object in place of a text | Put"),
        ("machines:\n  a: {copy: [backup.sh]}", '2: copy: "backup.sh" has no target'),
        ("machines:\n  a: {disk-size: }", "2: disk-size has no value"),
        ("machines:\n  a: {disk-size: [20]}", "2: disk-size has several values, and takes one"),
        ("machines:\n  a: {open-ports: {a: 80}}", "2: open-ports is a list, not an object"),
        ("machines:\n  a: {open-port: 80, open-ports: 81}", "open-ports repeats open-port"),
        ("machines:\n  a: {count: -1}", "2: count: -1 is less than 0"),
        ("machines:\n  a: {count: 99999999999999}", "2: these are more than 1000 machines"),
        ("machines: {'': {}}", '1: Invalid hostname specified: ""'),
        ("machines:\n  a: {count: 99999999}", "2: these are more than 1000 machines"),
        ("machines: {web: {count: 3}, web-2: {}}", "web-2 is a machine of line 1 as well"),
        ("machines:\n  a_b: {}", '2: Invalid hostname specified: "a_b"'),
        ("machines:\n  a: {instance_type: x}", "Did you mean instance-type?"),
        ("machines:\n  a: {aliyunecs-disk-size: 5}", "Did you mean disk-size?"),
        ("machines:\n  a: {disk-sise: 5}", "disk-sise is not known | Did you mean disk-size"),
        ("mashines: {}", "mashines is not known | Did you mean machines?"),
        ("machines:\n  a: {driver: aliyun}", 'there is no "aliyun" | Did you mean aliyunecs?'),
        ("machines:\n  a: {url: 'tcp://1.2.3.4:2376'}", "url is not known"),
        ("machines:\n  a: {access-key-secret: x}", "Set ECS_ACCESS_KEY_SECRET instead."),
        ("machines:\n  a: {ssh-password: x}", "2: ssh-password does not belong in a file"),
        ("defaults: {access-key-id: x}\nmachines: {a: }", "1: access-key-id does not belong"),
        ("machines: {a: {swarm-mode: worker, swarm-join: a}}", "1: a joins itself"),
        ("machines:\n  a: {swarm-join: b}\n  b: {swarm-join: a}", "a circle: a → b → a"),
        ("machines:\n  a: {region: !!python/name:os.system x}", "the tag !!python/name:os.system"),
        ("machines:\n  a: !secret x", "the tag !secret is unknown"),
        ("machines:\n\ta: {}", "it is not YAML"),
        ("machines: {a: {}\n---\nmachines: {}", "it is not YAML"),
        ("machines:\n  a: {region: 'x}\n\n", "2: it is not YAML: while scanning a quoted scalar"),
        ("machines:\n  a: [1\n\n", "2: it is not YAML: while parsing a flow sequence"),
        ("machines: {a: }\n---\nmachines: {}", "it is not YAML: expected a single document"),
        ("machines: {a: {region: ${R}}}", "Between braces, put ${…} into quotes."),
        ("machines: {a: *b}", "it is not YAML: found undefined alias 'b'"),
        ("machines: {? [a] : {}}", "a key is not a string"),
        ("machines: {a: {<<: 5}}", "<< does not name an object"),
        ("a: &a {<<: *a}\nmachines: {a: *a}", "<< forms an endless chain of objects"),
        ("[" * 5000, "it is not YAML"),
        ("machines: {a: {copy: {nosuchfile: /etc/x}}}", "copy: there is no /folder/nosuchfile"),
        ("machines: {a: {copy: {/dev/zero: /x}}}", "/dev/zero is neither a file nor a folder"),
        ("machines: {a: {copy: [/etc/hostname]}}", "has no target on the host"),
        (b"machines: {a: {region: \xff}}", "1: it is not UTF-8"),
        (b"machines:\n  a: {region: 'x\x00'}", "2: it has a control character (U+0000)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str | bytes, expected: str) -> None:
    assert expected in "\n".join(told(text))


@pytest.mark.parametrize(
    "value",
    [
        "run: docker login -u LTAI5tFk3hYQ8nQ2wZ x",
        "run: [true, 'git clone https://bob:hush@git.example.com/x']",
        "run: 'curl https://${USER:-bob}:${TOKEN:-hush}@git.example.com'",
        "description: '-----BEGIN EC PRIVATE KEY-----'",
        "tags: {LTAI5tFk3hYQ8nQ2wZ: x}",
    ],
)
def test_no_text_of_a_file_holds_a_secret(value: str) -> None:
    (line,) = told(f"machines:\n  a:\n    {value}", USER="bob", TOKEN="hush")
    assert "3: this text holds a secret, and does not belong in a file | Put the secret" in line
    assert "hush" not in line


@pytest.mark.parametrize(
    "command",
    [
        "curl https://${USER}:${TOKEN}@git.example.com",
        "curl https://bob:$TOKEN@git.example.com",
        "curl https://bob:$${TOKEN}@git.example.com",
        "curl https://bob:$(pass)@git.example.com",
        "curl http://[::1]:80/ssh://git@git.example.com:22/x",
    ],
)
def test_a_secret_that_is_elsewhere_may_be_named(command: str) -> None:
    assert told(f"machines: {{a: {{run: '{command}'}}}}", USER="bob", TOKEN="hush") == []


def test_a_circle_is_told_once() -> None:
    machines = "machines:\n  a: {swarm-join: b}\n  b: {swarm-join: c}\n  c: {swarm-join: a}"
    assert len([line for line in told(machines) if "forms a circle" in line]) == 1


def test_a_name_that_is_none_is_no_circle_of_its_own() -> None:
    assert [line.partition(":")[0] for line in told("machines:\n  '': {}")] == ["2"]


def test_a_bomb_of_aliases_is_not_unfolded() -> None:
    lines = ["x-0: &a0 [x, x]"]
    lines += [f"x-{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 30)]
    text = "\n".join([*lines, "machines: {m: {disk-size: *a29}}"])
    assert told(text) == ["30: disk-size has several values, and takes one"]


def test_a_bomb_of_merged_objects_is_not_unfolded() -> None:
    lines = ["x-0: &a0 {disk-sise: 5}"]
    lines += [f"x-{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 19)]
    (line,) = told("\n".join([*lines, "machines: {m: {<<: *a18}}"]))
    assert line.startswith("1: disk-sise is not known")


@pytest.mark.parametrize("again", ["$$$$", "$(", "${A:-", "$$(", "$A"])
def test_a_text_of_dollar_signs_is_read_once(again: str) -> None:
    """Not to its end for each of them, which takes minutes."""
    found = told(f"machines: {{m: {{description: '{again * 50_000}'}}}}", A="a")
    assert all(len(line) < 1000 for line in found if "is not a variable" in line)


def test_all_is_told_at_once_and_the_exit_code_is_one(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "ecsmachine.yaml"
    file.write_text(
        "machines:\n  a: {disk-size: 70000, open-ports: [x], tags: [b]}\n  b: {disk-sise: 3}\n"
    )
    keys = {"ECS_ACCESS_KEY_ID": "x", "ECS_ACCESS_KEY_SECRET": "y"}
    result = program("plan", "-f", str(file), "--detailed-exitcode", **keys)
    assert result.code == 1
    assert f"{file}:2: disk-size: 70000 is out of range. Use 0 to 65536." in result.err
    assert f'{file}:2: open-ports: "x" is not a port. Write it as 80' in result.err
    assert f'{file}:2: tags: "b" is not key=value' in result.err
    assert f"{file}:3: disk-sise is not known" in result.err
    errors: list[dict[str, Any]] = json.loads(
        program("plan", "--json", "-f", str(file), **keys).out
    )["Errors"]
    assert len(errors) == 4
    assert program("apply", "-y", "-f", str(file), **keys).code == 1
    assert program("plan", "-f", str(tmp_path / "none.yaml")).code == 1


def test_what_a_file_names_must_be_there(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "ecsmachine.yaml"
    file.write_text(
        "machines:\n  boss: {swarm-mode: manager, provision: false}\n"
        "  a: {swarm-mode: worker, swarm-join: bos}\n  b: {swarm-mode: worker}\n"
    )
    keys = {"ECS_ACCESS_KEY_ID": "x", "ECS_ACCESS_KEY_SECRET": "y"}
    told = program("plan", "-f", str(file), **keys).err
    assert "needs an engine, and provision: false installs none" in told
    assert ':3: swarm-join: there is no machine "bos", in the file or in the store' in told
    assert "Did you mean boss?" in told
    assert ":4: A worker needs a swarm to join" in told


def test_the_schema_is_that_of_the_options(program: Program) -> None:
    assert json.loads(DOCUMENT.read_text()) == schema(), "run scripts/manual.py"
    assert json.loads(program("plan", "--schema").out) == schema()
    assert json.loads(program("plan", "--schema", "--json").out) == schema()
    properties = schema()["properties"]["defaults"]["properties"]
    assert {"open-ports", "instance-type", "engine-labels", "count", "run"} <= set(properties)
    assert not {"access-key-secret", "ssh-password", "open-port"} & set(properties)


def test_what_stands_at_a_machine_replaces_what_it_cannot_be_with(tmp_path: Path) -> None:
    path = tmp_path / "ecsmachine.yaml"
    path.write_text(
        "defaults: {image-id: m-1, cpus: 4}\n"
        "machines: {a: {image-family: web, instance-type: ecs.g6.large}, b: {}}\n"
    )
    session = Session({"HOME": str(tmp_path), "ECS_IMAGE_OS": "debian", **KEYS}, ["ecsmachine"])
    session.storage = str(tmp_path / "store")
    wanted = wanted_by(session, path)
    error = MachineError("Correct --aliyunecs-ssh-keypath.", hint="Or --aliyunecs-tag, -y.")
    in_keys(error, wanted)
    assert (error.message, error.hint) == ("Correct ssh-keypath.", "Or tags, -y.")
    a, b = (each.request for each in wanted)
    names = ("image-id", "image-family", "image-os", "cpus", "instance-type")
    assert [a.driver_values[f"aliyunecs-{name}"] for name in names] == [
        *("", "web", "", 2, "ecs.g6.large")
    ]
    assert [b.driver_values[f"aliyunecs-{name}"] for name in names] == ["m-1", "", "", 4, ""]
    assert set(a.given) == {"aliyunecs-image-family", "aliyunecs-instance-type"}
    path.write_text("machines: {a: {}}")
    nobody = {"HOME": str(tmp_path), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    poor = Session(nobody, ["ecsmachine"])
    poor.storage = session.storage
    with pytest.raises(MachineError, match="No Alibaba Cloud credentials") as caught:
        wanted_by(poor, path)
    assert "access-key-id" not in str(caught.value.hint)  # which no file may have
    path.write_text("machines:\n  a:\n    image-family: web\n    image-id: m-1\n")
    with pytest.raises(MachineError, match="image-id: it cannot be used with image-family"):
        wanted_by(session, path)


def test_a_file_that_another_apply_works_on_is_named(
    tmp_path: Path, program: Program, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_SHARED_LOCK_S", 0.0)
    file = tmp_path.resolve() / "ecsmachine.yaml"
    file.write_text("machines: {}\n")
    with plan._locked(cast(Session, SimpleNamespace(store=store)), file):
        told = program("apply", "-y", "-f", str(file))
    assert told.code == 1
    assert f"{file} is in use by another process" in told.err
