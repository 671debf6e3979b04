"""Files of settings: what they say, who wins, and what none of them may say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.arguments.context import Session, values_given
from ecsmachine.cli.arguments.parameters import flags_of, variable_of
from ecsmachine.cli.everyday import plain
from ecsmachine.cli.settings import keys
from ecsmachine.cli.settings.files import user_path
from ecsmachine.cli.settings.layers import Settings
from ecsmachine.cli.table import COMMANDS
from ecsmachine.cli.tree import command_tree
from ecsmachine.drivers import registry
from ecsmachine.machine.store import Store
from ecsmachine.system.files import user_id
from tests.unit.cli.conftest import Program, Result
from tests.unit.cli.test_last_resort import OWNER_ALONE
from tests.unit.stand_ins import add_machine

URL = "tcp://127.0.0.1:1"
NO_URL = "ftp://127.0.0.1"
PRIVATE_KEY = "-----BEGIN " + "PRIVATE KEY-----"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and the folder of a project in it, where the program is called."""
    folder = tmp_path / "home"
    (folder / "project" / "below").mkdir(parents=True)
    monkeypatch.chdir(folder / "project" / "below")
    return folder


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def user(home: Path) -> Callable[..., Path]:
    """Writes the user's file."""
    return lambda text, mode=0o644: write(home / ".config/ecsmachine/config.toml", text, mode)


@pytest.fixture
def project(home: Path) -> Callable[..., Path]:
    """Writes the project's file."""
    return lambda text, mode=0o644: write(home / "project/ecsmachine.toml", text, mode)


@pytest.fixture
def called(home: Path, program: Program) -> Program:
    """Runs the program with the home folder, and no store but that of settings."""

    def call(*arguments: str, **variables: str) -> Result:
        return program(*arguments, **{"HOME": str(home), "USERPROFILE": str(home), **variables})

    return call


def told(called: Program, *words: str, **variables: str) -> dict[str, tuple[Any, str, str]]:
    result = called("settings", "--json", *words, **variables)
    assert result.code == 0, result.err
    return {
        row["Name"]: (row["Value"], row["From"], row["Place"]) for row in json.loads(result.out)
    }


def test_who_wins(called: Program, user: Callable[..., Path], project: Callable[..., Path]) -> None:
    mine = user(
        '[create]\naliyunecs-region = "user"\nengine-version = "1"\naliyunecs-zone = "user"\n'
        '[profiles.work]\nregion = "profile"\n[profiles.work.create]\nengine-version = "2"\n'
        '[sets.ci]\naliyunecs-region = "set"\n'
    )
    theirs = project('[create]\naliyunecs-region = "project"\naliyunecs-disk-size = 20\n')

    def region(*words: str, **variables: str) -> tuple[Any, str, str]:
        return told(called, "create", *words, **variables)["aliyunecs-region"]

    assert region() == ("project", "project", f"{theirs}:2")
    in_profile = {"ECSMACHINE_PROFILE": "work"}
    assert region(**in_profile) == ("profile", "profile work", f"{mine}:6")
    assert region(ECS_REGION="variable", **in_profile) == ("variable", "variable", "ECS_REGION")
    of_set = ("set", "set ci", f"{mine}:10")
    assert region("--like", "ci", ECS_REGION="variable", **in_profile) == of_set
    rest = told(called, "create", **in_profile)
    assert rest["aliyunecs-disk-size"] == (20, "project", f"{theirs}:3")
    assert rest["engine-version"] == ("2", "profile work", f"{mine}:8")
    assert rest["aliyunecs-zone"] == ("user", "user", f"{mine}:4")
    assert rest["aliyunecs-ssh-port"] == ("22", "default", "")
    mine.unlink()
    theirs.unlink()
    assert region() == ("cn-hangzhou", "default", "")


def test_what_is_made_is_what_was_said(
    called: Program, user: Callable[..., Path], project: Callable[..., Path], store: Store
) -> None:
    user(
        f'driver = "none"\n[create]\nurl = "{URL}"\nengine-label = "a=user"\n'
        '[sets.ci]\nurl = "tcp://127.0.0.1:2"\n[sets.late]\nurl = "tcp://127.0.0.1:3"\n'
    )
    theirs = project('[create]\nengine-label = ["a=project", "b=project"]\n')
    made = called("create", "plain")
    assert made.code == 0, made.err
    assert made.err == f"Options of {theirs}: --engine-label\n"
    assert store.load("plain").driver.url() == URL
    assert store.load("plain").engine.labels == ["a=project", "b=project"]
    assert called("create", "--like", "ci", "like").code == 0
    assert store.load("like").driver.url() == "tcp://127.0.0.1:2"
    assert called("create", "--like=ci", "-like", "late", "both").code == 0
    assert store.load("both").driver.url() == "tcp://127.0.0.1:3"
    line = ("create", "--like", "ci", "--url", "tcp://127.0.0.1:4", "--engine-label=c=d", "given")
    assert called(*line).err == ""
    assert store.load("given").driver.url() == "tcp://127.0.0.1:4"
    assert store.load("given").engine.labels == ["c=d"]


def test_a_profile_has_a_store_of_its_own(
    called: Program, user: Callable[..., Path], home: Path
) -> None:
    user('profile = "a"\n[profiles.a]\nstorage-path = "~/a"\n[profiles.b]\nstorage-path = "~/b"\n')
    no_store = {"MACHINE_STORAGE_PATH": ""}
    create = ("create", "-d", "none", "--url", URL)
    assert called(*create, "in-a", **no_store).code == 0
    assert called("--profile", "b", *create, "in-b", **no_store).code == 0
    assert (home / "a/machines/in-a").is_dir()
    assert called("ls", "-q", **no_store).lines == ["in-a"]
    assert called("-D", "ls", "-q", **no_store).lines == ["in-a"]
    assert called("ls", "-q", ECSMACHINE_PROFILE="b", **no_store).lines == ["in-b"]
    assert called("--profile=b", "ls", "-q", **no_store).lines == ["in-b"]
    assert called("--profile=b", "-s", str(home / "a"), "ls", "-q").lines == ["in-a"]
    assert called("ls", "-q", MACHINE_STORAGE_PATH=str(home / "b")).lines == ["in-b"]
    completed = called("__complete", "--profile", "b", "ip", "", **no_store)
    assert completed.lines == ["in-b\t"]
    assert called("__complete", "--profile", "", **no_store).lines == ["a\t", "b\t"]


@pytest.mark.parametrize(
    "line", ["ls", "ls -q", "ls --json", "status web1", "ip nope", "prompt", "version", "ls -o X"]
)
@pytest.mark.parametrize(
    "text",
    [
        'profile = "a"\n[profiles.a]\nstorage-path = "STORE"\n',
        'storage-path = "STORE"\n[ls]\noutput = "wide"\nsort = "STATE"\n',
        'storage-path = "STORE"\nnative-ssh = true\n[ls]\ntimeout = 1\n',
        'storage-path = "relative"\n',
        "[ls]\nno-such = 1\n",
        '[lss]\noutput = "wide"\n',
        'profile = "nope"\n',
        "no toml",
        'password = "x"\n',
    ],
)
def test_every_day_commands_are_the_same_both_ways(
    line: str,
    text: str,
    called: Program,
    user: Callable[..., Path],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_machine(store, "web1", State="Stopped")
    user(text.replace("STORE", store.path.as_posix()))
    variables = {"MACHINE_STORAGE_PATH": "", "DOCKER_HOST": "tcp://127.0.0.1:1"}
    plainly = called(*line.split(), **variables)
    monkeypatch.setattr(plain, "read", lambda *_: None)
    by_typer = called(*line.split(), **variables)
    assert (by_typer.code, by_typer.err) == (plainly.code, plainly.err)
    if "json" not in line:  # how long an answer took
        assert by_typer.out == plainly.out
    if "STORE" in text and line in ("ls", "ls -q", "status web1"):
        assert "Stopped" in plainly.out or line == "ls -q", plainly.err
        assert "web1" in plainly.out or line == "status web1"


def test_options_of_other_commands(
    called: Program, user: Callable[..., Path], store: Store
) -> None:
    add_machine(store, "web1", State="Stopped")
    add_machine(store, "web2", State="Stopped")
    path = user('[ls]\noutput = "NAME,STATE"\nsort = "NAME"\n[config.show]\n[rm]\nforce = true\n')
    assert called("ls").lines[0].split() == ["NAME", "STATE"]
    assert called("ls", "-o", "NAME").lines[0].split() == ["NAME"]
    # one that is typed leaves out what does not go with it
    assert called("ls", "-q").lines == ["web1", "web2"]
    assert called("ls", "-f", "{{.Name}}").lines == ["web1", "web2"]
    path.write_text('[ls]\noutput = "NAME,NOPE"\n')
    wrong = called("ls")
    assert wrong.code == 2
    assert f'--output ({path}:2): there is no column "NOPE"' in wrong.err
    assert ["role", "worker", "default"] in [
        row.split() for row in called("settings", "swarm", "join").lines
    ]
    path.write_text("[create]\nmax-price = 0.25\n")
    assert "--max-price" not in called("create", "-d", "none", "--url", URL, "new").err
    assert ["max-price", "0.25"] in [row.split()[:2] for row in called("settings", "create").lines]
    path.write_text("[ls]\ntimeout = 0\n")
    wrong = called("ls")
    assert wrong.code == 2
    assert f"--timeout ({path}:2)" in wrong.err


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        ("regoin = 'x'", 1, '"regoin" is not known', "Did you mean region?"),
        ("a = 1\n", 1, '"a" is not known', "Use one of: api-endpoint,"),
        ("[crate]\n", 1, '"crate" is not known', "Did you mean create?"),
        ("\n\nregion = 5", 3, '"region" is not a text in quotes', ""),
        ("region = ''", 1, '"region" is empty', "leave it out"),
        ("credentials = 'profile'", 1, "names no source of credentials", "profile:NAME"),
        ("[sets.s.create]\na = 1", 1, '"create" is a table', "Write options into [sets.s]"),
        ("[create.a]\nb = 1", 1, '"a" is a table', "Write options into [create]"),
        ("[ls.a]\nb = 1", 1, 'there is no command "ls a"', "Write options into [ls]"),
        ("[ip]\na = 1", 2, '"ip" has no option --a', "Leave it out"),
        ("[swarm]\na = 1", 2, '"swarm" has no option --a', "Leave it out"),
        ("native-ssh = 'yes'", 1, '"native-ssh" is not true or false', ""),
        (
            "storage-path = 'here'",
            1,
            '"storage-path" is not an absolute path',
            "Begin it with / or ~/",
        ),
        ("credentials = 'ram-role:'", 1, "names no source of credentials", "ram-role:NAME"),
        ("credentials = 'AK'", 1, "names no source of credentials", "profile:NAME"),
        ("profiles = 1", 1, '"profiles" is not a table', "Write [profiles]"),
        ("[profiles.a]\nprofile = 'b'", 2, '"profile" is not known', ""),
        ("[sets]\na = 1", 2, '"a" is not a table', "Write [sets.a]"),
        ("create = 1", 1, '"create" is not a table', ""),
        ("[create]\nengine-label = [true]", 2, "is none of: a text", ""),
        ("[ls]\njson = true", 2, "--json can only be given on the command line", ""),
        ("[create]\nregion = 'x'", 2, "has no option --region", "Did you mean aliyunecs-region?"),
        ("[create]\ncount = true", 2, "--count is not a text or a number", ""),
        ("[create]\nno-provision = 'x'", 2, "--no-provision is not true or false", ""),
        ("[create]\nswarm-mode = 'boss'", 2, '--swarm-mode: "boss" is not known', "manager"),
        ("[swarm.jion]\na = 1", 1, 'there is no command "swarm jion"', "Did you mean join?"),
        ("[swarm.join]\na = 1", 2, '"swarm join" has no option --a', ""),
        ("[profiles.p.create]\na-b = 1", 2, '"create" has no option --a-b', ""),
        ("[sets.s]\na-b = 1", 2, '"create" has no option --a-b', ""),
        ("[create]\naliyunecs-ssh-password = 'x'", 2, "is a secret", "belong in ~/.aliyun"),
        ("access-key-id = 'x'", 1, "is a secret", "belong in ~/.aliyun"),
        ("[create]\nengine-env = ['P=http://me:pw@proxy']", 2, "holds a secret", ""),
        ("[create]\naliyunecs-description = 'LTAI5tAbcdefghijklmnop'", 2, "holds a secret", ""),
        (f"[create]\naliyunecs-description = '{PRIVATE_KEY}'", 2, "holds a secret", ""),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    text: str, line: int, said: str, hint: str, called: Program, user: Callable[..., Path]
) -> None:
    path = user(text)
    result = called("settings")
    assert result.code == 2
    assert result.out == ""
    (only,) = result.err.splitlines()
    assert only.startswith(f"Error: {path}:{line}: ")
    assert said in only
    assert hint in only
    assert "LTAI5t" not in only
    assert ":pw@" not in only


def test_help_is_there_whatever_a_file_says(called: Program, user: Callable[..., Path]) -> None:
    user("[create]\nno-such = 1\n")
    assert called("create", "--help").code == 0
    assert called("help", "create").code == 0
    assert called("create", "dev1").code == 2


def test_help_of_another_program_leaves_settings_as_they_are(
    called: Program, user: Callable[..., Path]
) -> None:
    path = user("[local.run]\nroot = true\n")
    assert f"{path}:2: --root is not a text" in called("local", "run", "true", "-h").err
    assert called("local", "run", "-h").code == 0


def test_the_command_behind_the_name_of_a_group(
    called: Program, user: Callable[..., Path], store: Store
) -> None:
    add_machine(store, "web1", State="Stopped")
    path = user("[config]\nswarm = true\n[config.show]\nno-such = 1\n")
    assert "--swarm" in called("config", "web1").err or called("config", "web1").code
    assert called("config", "show", "web1").err.startswith(f"Error: {path}:4: ")
    path.write_text("[config]\nswarm = true\n")
    assert told(called, "config")["swarm"] == (True, "user", f"{path}:2")


def test_a_folder_that_is_gone_and_one_that_is_closed(
    called: Program, home: Path, user: Callable[..., Path], store: Store
) -> None:
    (home / "project/below").rmdir()
    assert called("create", "-d", "none", "--url", URL, "dev1").code == 0
    path = user("nonsense")
    script = f"import os; os.environ['HOME'] = {str(home)!r}; "
    script += "from ecsmachine.cli.settings.files import user_file; "
    script += "print(user_file(os.environ, []))"
    path.parent.chmod(0)
    try:
        done = subprocess.run(
            [*(OWNER_ALONE if user_id() == 0 else ()), sys.executable, "-c", script],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        path.parent.chmod(0o755)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_a_file_that_is_none(called: Program, user: Callable[..., Path], home: Path) -> None:
    path = user("no = = toml")
    (line,) = called("ls").err.splitlines()
    assert line.startswith(f"Error: The settings in {path} cannot be used: it is not TOML: ")
    path.unlink()
    path.symlink_to("nowhere")
    assert "it is a broken link" in called("ls").err
    path.unlink()
    os.mkfifo(path)
    assert "it is not a plain file" in called("ls").err
    path.unlink()
    path.mkdir()
    assert called("ls").code == 1
    assert called("ls", ECSMACHINE_CONFIG="off").code == 0
    assert called("ls", ECSMACHINE_CONFIG="/dev/null").code == 0
    other = write(home / "other.toml", 'storage-path = "/nonexistent/store"\n')
    assert called("ls", ECSMACHINE_CONFIG=str(other)).code == 0
    gone = called("ls", ECSMACHINE_CONFIG=str(home / "gone.toml"))
    assert (gone.code, "which ECSMACHINE_CONFIG names" in gone.err) == (2, True)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_what_others_can_write_is_not_used(
    mode: int, called: Program, user: Callable[..., Path], project: Callable[..., Path]
) -> None:
    path = user("", mode)
    assert called("ls").err == (
        f"Error: Others can write the settings in {path}: 0{mode:o}. chmod go-w {path}\n"
    )
    path.chmod(0o600)
    path = project("", mode)
    assert called("ls").code == 0
    assert called("create", "-d", "none", "--url", URL, "a").err.startswith(
        f"Error: Others can write the settings in {path}"
    )


@pytest.mark.skipif(user_id() != 0, reason="only root gives files away")
def test_what_somebody_else_wrote_is_not_used(
    called: Program, project: Callable[..., Path], store: Store
) -> None:
    path = project('[create]\nengine-label = "a=b"\n')
    os.chown(path, 12345, 12345)
    result = called("create", "-d", "none", "--url", URL, "dev1")
    assert result.code == 1
    assert "belong to another user (12345)" in result.err
    assert not store.exists("dev1")
    assert called("ls").code == 0  # what only enters the folder is not kept from its work


HOSTILE = [
    *("profile = 'a'", "storage-path = '/tmp/x'", "credentials = 'profile:prod'"),
    *("api-endpoint = 'http://evil'", "region = 'x'", "native-ssh = true", "driver = 'generic'"),
    *("ssh-jump = 'me@evil'", "[profiles.a]\nregion = 'x'", "[ls]\noutput = 'wide'"),
    *("[rm]\nforce = true", "[ssh]\n", "[mount]\n", "[scp]\n", "[config.set]\nengine-opt = ['a']"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_folder_that_is_entered_says_nothing_but_options_of_create(
    text: str, called: Program, project: Callable[..., Path], store: Store
) -> None:
    path = project(text)
    result = called("create", "-d", "none", "--url", URL, "dev1")
    assert result.code == 2
    assert result.err.startswith(f"Error: {path}:1: ")
    assert not store.exists("dev1")


HARMLESS = {
    *("region", "zone", "vpc-id", "vswitch-id", "resource-group-id", "instance-type"),
    *("architecture", "image-os", "description", "tag", "private-address-only"),
    *("system-disk-size", "system-disk-category", "disk-size", "disk-category", "disk-fs"),
    *("internet-max-bandwidth", "auto-release-time", "spot-strategy"),
    *("engine-label", "engine-version", "engine-storage-driver", "swarm-mode"),
    *("max-price", "auto-release", "no-provision"),
}


def test_a_project_gives_no_option_that_leads_elsewhere() -> None:
    options = {name for driver in registry.driver_names() for name in _options(driver)}
    harmless = HARMLESS | {f"aliyunecs-{name}" for name in HARMLESS}
    refused = options - harmless
    for leading in ("aliyunecs-api-endpoint", "ssh-jump", "engine-install-url", "tls-san", "count"):
        assert leading in refused
    for name in refused:
        for content in ({"create": {name: "x"}}, {"sets": {"ci": {name: "x"}}}):
            with pytest.raises(keys.FaultError):
                keys.check(content, COMMANDS, project=True)
    for name in options & harmless:
        keys.check({"create": {name: "x"}}, COMMANDS, project=True)


def _options(driver: str) -> set[str]:
    root = command_tree()
    session = Session({}, ["ecsmachine", "create", "-d", driver])
    context = root.make_context("ecsmachine", [], resilient_parsing=True, obj=session)
    found = root.get_command(context, "create")
    below = found.make_context("create", [], parent=context, resilient_parsing=True)
    return {
        flag.removeprefix("--")
        for each in found.get_params(below)
        for flag in flags_of(each)
        if flag.startswith("--")
    }


def test_the_file_of_a_project_is_looked_for_within_it(
    called: Program, home: Path, project: Callable[..., Path], store: Store
) -> None:
    create = ("create", "-d", "none", "--url", URL)
    (home / "project/below/.git").mkdir()
    project('[create]\nengine-label = "a=b"\n')
    assert called(*create, "other-repository").err == ""
    (home / "project/below/.git").rmdir()
    assert "--engine-label" in called(*create, "below").err
    (home / "project/ecsmachine.toml").rename(home / "ecsmachine.toml")
    assert "--engine-label" in called(*create, "in-home").err
    (home / "ecsmachine.toml").rename(home.parent / "ecsmachine.toml")
    assert called(*create, "above-home").err == ""


def test_nobody_who_calls_docker_machine_meets_the_file_of_a_project(
    home: Path, project: Callable[..., Path], store: Store
) -> None:
    from ecsmachine.cli.app import run

    project('[create]\nengine-label = "a=b"\n')
    variables = {
        "MACHINE_STORAGE_PATH": str(store.path),
        "HOME": str(home),
        "USERPROFILE": str(home),
    }
    create = ["create", "-d", "none", "--url", URL]
    assert run([*create, "dev1"], variables, name="docker-machine") == 0
    assert store.load("dev1").engine.labels == []


def test_credentials(called: Program, user: Callable[..., Path]) -> None:
    path = user(
        '[profiles.p]\ncredentials = "profile:team"\nvpc-id = "vpc-1"\n'
        '[create]\naliyunecs-vswitch-id = "vsw-1"\n'
    )
    with_profile = {"ECSMACHINE_PROFILE": "p"}
    said = told(called, **with_profile)
    assert said["credentials"] == ("profile:team", "profile p", f"{path}:2")
    assert said["vpc-id"] == ("vpc-1", "profile p", f"{path}:3")
    keys_given = {"ECS_ACCESS_KEY_ID": "LTAI4", "ECS_ACCESS_KEY_SECRET": "s"}
    said = told(called, **with_profile, **keys_given)
    assert said["credentials"] == ("environment", "variable", "ECS_ACCESS_KEY_ID")
    create = ("create", "-d", "aliyunecs", "--dry-run", "dev1")
    there = {"ECS_API_ENDPOINT": "http://127.0.0.1:1"}
    warned = called(*create, **with_profile, **keys_given, **there)
    assert f"ECS_ACCESS_KEY_ID is set: the credentials of {path}:2 are not used" in warned.err
    # what belongs to one cloud does not follow to another
    assert told(called, **with_profile, **there)["vpc-id"] == ("", "default", "")
    vswitch = "aliyunecs-vswitch-id"
    assert told(called, "create")[vswitch] == ("vsw-1", "user", f"{path}:5")
    assert told(called, "create", **there)[vswitch] == ("", "default", "")
    missing = called(*create, **with_profile)
    assert missing.code == 2
    assert str(Path(".aliyun/config.json")) in missing.err
    hidden = told(called, "create", ECS_SSH_PASSWORD="hush")
    assert hidden["aliyunecs-ssh-password"] == (None, "variable", "ECS_SSH_PASSWORD")


def test_what_a_file_says_for_a_variable_is_named_where_it_is_wrong(
    called: Program, user: Callable[..., Path]
) -> None:
    path = user('\ntls-key-type = "dsa"\n')
    result = called("ls")
    assert result.code == 2
    assert f"(MACHINE_TLS_KEY_TYPE ({path}:2))" in result.err


def test_sets_and_profiles_that_there_are_not(called: Program, user: Callable[..., Path]) -> None:
    path = user("[profiles.work]\n[sets.ci]\n")
    assert called("--profile", "wrok", "ls").err == (
        f'Error: --profile: there is no profile "wrok" in {path}. Did you mean work?\n'
    )
    assert "ECSMACHINE_PROFILE: there is no profile" in called("ls", ECSMACHINE_PROFILE="x").err
    assert called("create", "--like", "ic", "dev1").err == (
        'Error: --like: there is no set of options "ic". Use ci.\n'
    )
    assert (
        "--like cannot be used with --resume" in called("create", "--resume", "--like=ci", "a").err
    )


def test_resume_is_not_kept_from_its_work(
    called: Program, user: Callable[..., Path], store: Store
) -> None:
    user('[create]\nengine-label = "a=b"\n')
    result = called("create", "--resume", "nope")
    assert "cannot be used with --resume" not in result.err


def test_where_the_file_is(tmp_path: Path) -> None:
    home = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "import platformdirs as p; print(p.user_config_dir('ecsmachine'))"],
        env={"HOME": home},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert user_path({"HOME": home}) == f"{done.stdout.strip()}/config.toml"
    assert user_path({"HOME": home, "XDG_CONFIG_HOME": "/x"}) == "/x/ecsmachine/config.toml"
    relative = {"HOME": home, "XDG_CONFIG_HOME": "x"}
    assert user_path(relative) == f"{home}/.config/ecsmachine/config.toml"
    assert user_path({}) == ""


def test_without_a_file_one_look_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    stat = os.stat

    def look(path: str) -> os.stat_result:
        looked.append(path)
        return stat(path)

    monkeypatch.setattr(os, "stat", look)
    settings = Settings({"HOME": str(tmp_path)}, COMMANDS)
    assert settings.environment() == {"HOME": str(tmp_path)}
    assert not settings.has_options("ls")
    assert looked == [f"{tmp_path}/.config/ecsmachine/config.toml"]


def test_the_keys_stand_for_variables_that_are_read() -> None:
    read = {variable for each in (*registry.options_of("aliyunecs"),) for variable in [each.env]}
    for key, variable in keys.VARIABLES.items():
        assert not variable.startswith("ECS_") or variable in read, key
    secret = [o.name for o in registry.options_of("aliyunecs") if o.secret or o.credential]
    assert secret
    assert all(keys.is_secret(name) for name in secret)
    assert {*keys.VARIABLES} >= keys.OF_A_CLOUD


def test_the_variable_of_an_option_is_what_its_help_says() -> None:
    class Option:
        def __init__(self, text: str):
            self.help = text

    assert variable_of(Option("Region [default: cn-hangzhou, $ECS_REGION]")) == "ECS_REGION"
    assert variable_of(Option("Jump [$ECSMACHINE_SSH_JUMP]")) == "ECSMACHINE_SSH_JUMP"
    assert variable_of(Option("Shell [default: by $SHELL]")) == ""
    assert variable_of(Option("Other")) == ""


def test_the_values_of_an_option_on_a_command_line() -> None:
    words = ["--like", "a", "-like=b", "--liked", "--", "--like", "c"]
    assert values_given(words, "like") == ["a", "b"]
    assert values_given(["-dnone", "-d", "x"], "driver", "-d") == ["none", "x"]


def test_a_mistyped_option_of_a_project_is_told(
    called: Program, project: Callable[..., Path]
) -> None:
    project("[create]\nregin = 'x'\n")
    told = called("settings").err
    assert '"regin" is not allowed in the file of a project. Did you mean region?' in told
    project("[create]\nssh-jump = 'x'\n")
    assert "Did you mean" not in called("settings").err


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ('[ls]\nfilter = ["nme=a"]', ["ls"], "--filter"),
        ('[ls]\nfilter = ["name=("]', ["ls"], "--filter"),
        ('[ls]\nfilter = "x"', ["ls"], "--filter"),
        ('[inspect]\nformat = "{{.Name"', ["inspect", "dev1"], "--format"),
        ('# mine\ndriver = "nope"', ["create", "dev2"], "MACHINE_DRIVER"),
        ('# mine\ndriver = "nope"', ["sweep"], "MACHINE_DRIVER"),
        (f'[create]\nengine-install-url = "{NO_URL}"', [], "--engine-install-url"),
        ('[bake]\nfamily = "acs:x"', ["bake", "web"], "--family"),
    ],
)
def test_what_does_not_name_its_option_says_where_it_is(
    text: str,
    words: list[str],
    place: str,
    called: Program,
    user: Callable[..., Path],
    store: Store,
) -> None:
    add_machine(store, "dev1")
    path = user(f"{text}\n")
    words = words or ["create", "-d", "none", "--url", URL, "dev2"]
    result = called(*words, MACHINE_STORAGE_PATH=str(store.path))
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{place} ({path}:2)" in result.err
    typed = {"ls": ["ls", "--filter", "x=y"], "inspect": ["inspect", "-f", "{{.N", "dev1"]}
    if words[0] in typed:
        assert str(path) not in called(*typed[words[0]], MACHINE_STORAGE_PATH=str(store.path)).err


def test_a_driver_that_there_is_not_is_of_its_variable(called: Program) -> None:
    assert 'MACHINE_DRIVER: Driver "nope" not' in called("create", "x", MACHINE_DRIVER="nope").err
    typed = called("create", "-d", "other", "x", MACHINE_DRIVER="nope").err
    assert typed.startswith('Error: Driver "other" not found')


def test_a_list_may_have_numbers(called: Program, user: Callable[..., Path]) -> None:
    path = user("[create]\naliyunecs-open-port = [80, '8000-8100']\n")
    assert told(called, "create")["aliyunecs-open-port"] == (
        *([80, "8000-8100"], "user"),
        f"{path}:2",
    )
    user("[create]\naliyunecs-open-port = [80, true]\n")
    assert "a list of texts or numbers" in called("create", "dev1").err


def test_an_interval_is_for_those_lists_that_are_watched(
    called: Program, user: Callable[..., Path], store: Store
) -> None:
    user("[ls]\ninterval = 3\n")
    assert called("ls", MACHINE_STORAGE_PATH=str(store.path)).code == 0
