"""Completion: what is suggested, and that the three shells get it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.aliyunecs.checks import completion as aliyunecs_completion
from ecsmachine.drivers.aliyunecs.options.settings import OPTIONS
from tests.unit.terminals import terminal

Complete = Callable[..., list[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A store with two machines, and nothing else of the user's."""
    for name in ("dev1", "web1"):
        (tmp_path / "store" / "machines" / name / "config.json").mkdir(parents=True)
    return {"HOME": str(tmp_path), "MACHINE_STORAGE_PATH": str(tmp_path / "store")}


@pytest.fixture
def complete(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Complete:
    """Return the words that are suggested for the last one."""

    def complete(*words: str) -> list[str]:
        assert run(["__complete", *words], environment) == 0
        output = capsys.readouterr()
        assert output.err == ""
        return [line.partition("\t")[0] for line in output.out.splitlines()]

    return complete


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cr"], ["create", "credentials"]),
        (["sto"], ["stop"]),
        (["ssh", ""], ["dev1", "web1"]),
        (["ssh", "d"], ["dev1"]),
        (["ssh", "dev1", ""], []),
        (["stop", "dev1", ""], ["web1"]),
        (["create", "-d", ""], ["aliyunecs", "generic", "none"]),
        (["create", "--driver", "g"], ["generic"]),
        (["create", "-d", "none", "--ur"], ["--url"]),
        (["create", "-d", "aliyunecs", "--aliyunecs-disk-fs", ""], ["ext4", "xfs"]),
        (["create", "--aliyunecs-disk-fs=x"], ["--aliyunecs-disk-fs=xfs"]),
        (["create", ""], []),
        (["env", "--shell", "z"], ["zsh"]),
        (["swarm", "j"], ["join"]),
        (["swarm", "join", "--manager", "w"], ["web1"]),
        (["swarm", "join", "--role", ""], ["manager", "worker"]),
        (["swarm", "join", "--manager", "web1", ""], ["dev1", "web1"]),
        (["local", "up", "--guests", ""], ["nspawn", "none"]),
        (["local", "fault", "add", "mir"], ["mirror-404", "mirror-hangs"]),
        (["volume", "create", "--driver", ""], ["ossfs", "nas", "local"]),
        (["cluster", "create", "c", "--network-mode", ""], ["vpc", "classic"]),
        (["create", "--swarm-mode", ""], ["manager", "worker"]),
        (["create", "--aliyunecs-charge-type", ""], ["PostPaid", "PrePaid"]),
        (["volume", "rm", ""], []),
        (["cluster", "inspect", ""], []),
        (["project", "rm", "--force", ""], []),
        (["bake", ""], []),
        (["bake", "--from", "w"], ["web1"]),
        (["import", "--name", ""], []),
        (["settings", "swarm", "jo"], ["join"]),
        (["settings", "up"], ["upgrade"]),
        (["--debug", "ip", "w"], ["web1"]),
        (["help", "ins"], ["inspect"]),
        (["help", "swarm", "j"], ["join"]),
        (["help", "ssh", ""], []),
        (["nonsense", ""], []),
        (["config", "s"], ["set", "show"]),
        (["config", "d"], ["dev1"]),
        (["config", "--j"], ["--json"]),
        (["config", "dev1", ""], ["--swarm", "--json", "--help"]),
        (["config", "dev1", "--s"], ["--swarm"]),
        (["config", "set", "d"], ["dev1"]),
        (["config", "set", "dev1", ""], ["web1"]),
        (["config", "set", "dev1", "--engine-l"], ["--engine-label"]),
        (["config", "show", "dev1", ""], ["--json", "--help"]),
        (["active", ""], ["--timeout", "--json", "--help"]),
        (["ls", "--filter", "s"], ["state=", "swarm="]),
        (["ls", "--filter", "state=R"], ["state=Running"]),
        (["ls", "--filter=driver=n"], ["--filter=driver=none"]),
    ],
)
def test_suggestions(complete: Complete, words: list[str], expected: list[str]) -> None:
    found = complete(*words)
    if words == ["nonsense", ""]:
        assert "create" in found, "an unknown command is a name still to be corrected"
        return
    assert found == expected


@pytest.mark.parametrize("form", ["-s {}", "-s{}", "--storage-path {}", "--storage-path={}"])
def test_the_machines_of_the_store_that_is_named(
    form: str, complete: Complete, tmp_path: Path
) -> None:
    (tmp_path / "other" / "machines" / "theirs" / "config.json").mkdir(parents=True)
    assert complete(*form.format(tmp_path / "other").split(), "stop", "") == ["theirs"]
    assert complete("ls", "-sort", "NAME", "--filter", "na") == ["name="]


def test_hidden_options_are_not_suggested(complete: Complete) -> None:
    assert "--bugsnag-api-token" not in complete("--")
    assert "--storage-path" in complete("--")


def test_another_store_is_looked_into(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "other" / "machines" / "far" / "config.json").mkdir(parents=True)
    assert complete("-s", str(tmp_path / "other"), "ip", "") == ["far"]


def test_options_with_values_of_the_cloud_exist() -> None:
    names = {option.name for option in OPTIONS}
    known = {*aliyunecs_completion._ASKED}
    assert known <= names | {f"aliyunecs-{name}" for name in names}


def test_every_option_with_choices_is_completed(complete: Complete) -> None:
    for option in OPTIONS:
        if option.choices:
            assert complete("create", f"--{option.name}", "") == list(option.choices)


@pytest.mark.parametrize(
    "words",
    [
        "create --aliyunecs-zone cn-a-b --aliyunecs-region",
        "bake web --aliyunecs-zone cn-a-b --aliyunecs-region",
        "adopt dev1 --aliyunecs-zone cn-a-b --aliyunecs-region",
        "adopt dev1 --aliyunecs-zone cn-a-b --region",
        "sweep --aliyunecs-zone cn-a-b --aliyunecs-region",
        "cluster create c --zone cn-a-b --region",
    ],
)
def test_the_driver_is_asked_for_values_of_its_options(
    words: str, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suggest(driver: str, option: str, given: Mapping[str, str], _: object) -> list[Any]:
        assert (driver, given["aliyunecs-zone"]) == ("aliyunecs", "cn-a-b")
        return [("cn-hangzhou", "")] if option == "aliyunecs-region" else []

    monkeypatch.setattr(registry, "suggest_values", suggest)
    assert complete(*words.split(), "") == ["cn-hangzhou"]


def test_without_credentials_nothing_is_suggested(environment: dict[str, str]) -> None:
    assert aliyunecs_completion.suggest_values("aliyunecs-region", {}, environment) == []


def test_what_the_cloud_said_is_kept_for_a_day(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(cloud: object) -> list[tuple[str, str]]:
        asked.append(cloud)
        return [("cn-hangzhou", "")]

    monkeypatch.setitem(aliyunecs_completion._ASKED, "aliyunecs-region", ask)
    monkeypatch.setattr(aliyunecs_completion, "_cloud", lambda *_: object())
    for _ in range(2):
        found = aliyunecs_completion.suggest_values("aliyunecs-region", {}, environment)
        assert found == [("cn-hangzhou", "")]
    assert len(asked) == 1
    (kept,) = (tmp_path / ".cache" / "ecsmachine" / "completion").iterdir()
    os.utime(kept, (0, 0))
    aliyunecs_completion.suggest_values("aliyunecs-region", {}, environment)
    assert len(asked) == 2
    kept.write_text("{")  # what is damaged is asked for again
    aliyunecs_completion.suggest_values("aliyunecs-region", {}, environment)
    assert json.loads(kept.read_text()) == {"Values": {"cn-hangzhou": ""}}


BASH = """
eval "$(ecsmachine completion bash)"
COMP_LINE="ecsmachine env --shell fi" COMP_POINT=${#COMP_LINE}
COMP_WORDS=(ecsmachine env --shell fi) COMP_CWORD=3
_ecsmachine; printf '%s\\n' "${COMPREPLY[@]}"
COMP_LINE="ecsmachine ssh " COMP_POINT=${#COMP_LINE}
COMP_WORDS=(ecsmachine ssh "") COMP_CWORD=2
_ecsmachine; printf '%s\\n' "${COMPREPLY[@]}"
"""

ZSH = """
compdef() { print -r -- "compdef $*" >&2 }
_files() { : }
_describe() { print -rl -- "${(@)described%%:*}" }
eval "$(ecsmachine completion zsh)"
words=(ecsmachine env --shell fi) CURRENT=4
_ecsmachine
words=(ecsmachine ssh "") CURRENT=3
_ecsmachine
"""

FISH = """
ecsmachine completion fish | source
complete -C "ecsmachine env --shell fi" | string match -rg '^(\\S+)'
complete -C "ecsmachine ssh " | string match -rg '^(\\S+)'
"""


@pytest.mark.parametrize(
    ("shell", "script"),
    [("bash", ["bash", "-c", BASH]), ("zsh", ["zsh", "-fc", ZSH]), ("fish", ["fish", "-c", FISH])],
)
def test_the_shells_complete(environment: dict[str, str], shell: str, script: list[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        script, capture_output=True, text=True, timeout=60, env={**environment, "PATH": path}
    )
    assert done.stdout.split() == ["fish", "dev1", "web1"], done.stderr


KEYS = [
    ("env --shell=fi", "env --shell=fish"),
    ("ls --filter state=Ru", "ls --filter state=Running"),
    ("config set dev1 --engine-l", "config set dev1 --engine-label"),
    ("scp d", "scp dev1:"),
]


@pytest.mark.parametrize(
    ("shell", "setup"),
    [
        (("bash", "--norc", "-i"), 'eval "$(ecsmachine completion bash)"'),
        (
            ("zsh", "-f", "-i"),
            'autoload -Uz compinit; compinit -u -D; eval "$(ecsmachine completion zsh)"',
        ),
    ],
    ids=["bash", "zsh"],
)
def test_the_tab_key_completes(
    environment: dict[str, str], shell: tuple[str, ...], setup: str
) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**environment, "PATH": path, "TERM": "xterm", "COLUMNS": "100", "LANG": "C"}
    surroundings["PS1"] = "begun> "
    with terminal() as (stream, shown):
        process = subprocess.Popen(
            shell,
            stdin=stream,
            stdout=stream,
            stderr=stream,
            env=surroundings,
            start_new_session=True,
        )
        stream.close()
        shown.until("begun> ")  # a shell may lose what is typed before it shows its prompt
        shown.press(f"{setup}; PS1='rea''dy> '\n")
        shown.until("ready> ")
        for typed, completed in KEYS:
            shown.until(completed, f"\x15ecsmachine {typed}\t")
        shown.press("\x15exit\n")
        process.wait(60)
