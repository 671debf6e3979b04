from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ecsmachine.errors import UsageError
from ecsmachine.provision.base import EngineOptions, ProvisionRequest
from ecsmachine.provision.engine import DROP_IN_PATH
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.reconfigure import apply_script, reconfigure, validate_script
from ecsmachine.provision.steps.configuration import flags, unit_text
from ecsmachine.ssh.command_result import CommandResult
from tests.unit.provision.recorded import CERTIFICATES, RecordedHost, request, sections, situation

UNIT = "ActiveState=active\nMainPID=7\nUnitFileState=enabled\nRequires=docker.socket sysinit.target"


def no_certificates() -> None:
    raise AssertionError("the certificates on the host stay")


def request_for(options: EngineOptions) -> ProvisionRequest:
    return request(engine=options, certificates=no_certificates)


def running(options: EngineOptions, **seen: str) -> dict[str, str]:
    """Return what a host shows whose engine runs with some options."""
    paths = ("/etc/docker/ca.pem", "/etc/docker/server.pem", "/etc/docker/server-key.pem")
    contents = (CERTIFICATES.ca, CERTIFICATES.server, CERTIFICATES.server_key)
    hashes = {
        path: hashlib.sha256(content).hexdigest()
        for path, content in zip(paths, contents, strict=True)
    }
    known = situation("debian-12", {"dockerd": "/usr/sbin/dockerd", "unit": UNIT}, engine=options)
    text = unit_text(known, hashes)
    environment = text.partition("Environment=")[2].split()
    return sections(
        "debian-12",
        {
            "dockerd": "/usr/sbin/dockerd",
            "unit": UNIT,
            "drop_in": text,
            "hashes": "\n".join(f"{digest}  {path}" for path, digest in hashes.items()),
            "command_line": "\n".join(("dockerd", *flags(known))),
            "environment": "\n".join(environment),
            **seen,
        },
    )


def command_line(options: EngineOptions) -> CommandResult:
    shown = running(options)["command_line"]
    return CommandResult(0, f"{shown}\n", "")


NEW = EngineOptions(labels=["a=b"], env=["A=1"])


def test_new_options_are_validated_written_and_applied() -> None:
    host = RecordedHost(running(EngineOptions()), answers={"restart()": command_line(NEW)})
    lines: list[str] = []
    assert reconfigure(host, request_for(NEW), lines.append) is True
    content, mode = host.files[f"{DROP_IN_PATH}.new"]
    assert (b"--label a=b" in content, b"A=1" in content, mode) == (True, True, 0o644)
    validated = next(n for n, c in enumerate(host.commands) if "dockerd --validate" in c)
    applied = next(n for n, c in enumerate(host.commands) if "restart()" in c)
    assert validated < applied
    assert lines == ["Setting Docker configuration on the remote daemon...", "Restarting docker..."]


def test_the_same_options_change_nothing() -> None:
    host = RecordedHost(running(NEW))
    assert reconfigure(host, request_for(NEW), lambda line: None) is False
    assert (host.commands, host.files) == ([], {})


def test_options_that_the_engine_refuses_leave_it_alone() -> None:
    refused = CommandResult(1, "", "unknown flag: --nonsense")
    host = RecordedHost(running(EngineOptions()), answers={"--validate": refused})
    with pytest.raises(ProvisionError, match="refuses these options") as raised:
        reconfigure(
            host, request_for(EngineOptions(arbitrary_flags=["nonsense"])), lambda line: None
        )
    assert raised.value.details == "unknown flag: --nonsense"
    assert host.files == {}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (101, "not start: the journal; its old configuration was restored, and it is running"),
        (102, "not start: the journal; it does not start with its old configuration either"),
    ],
)
def test_an_engine_that_does_not_come_back_gets_its_old_options(status: int, said: str) -> None:
    failed = CommandResult(status, "the journal", "")
    host = RecordedHost(running(EngineOptions()), answers={"restart()": failed})
    with pytest.raises(ProvisionError, match=said) as raised:
        reconfigure(host, request_for(NEW), lambda line: None)
    assert raised.value.details == "The engine's journal:\nthe journal"


def test_options_that_cannot_be_are_refused_first() -> None:
    host = RecordedHost({})
    with pytest.raises(UsageError, match="is not key=value"):
        reconfigure(host, request_for(EngineOptions(labels=["alone"])), lambda line: None)


def test_a_host_without_an_engine() -> None:
    host = RecordedHost(sections("debian-12"))
    with pytest.raises(ProvisionError, match="no engine is installed"):
        reconfigure(host, request_for(NEW), lambda line: None)


def test_options_that_daemon_json_sets_are_refused() -> None:
    host = RecordedHost(running(EngineOptions(), daemon_json='{"labels": ["x=y"]}'))
    with pytest.raises(ProvisionError, match="sets labels, and so does the machine"):
        reconfigure(host, request_for(NEW), lambda line: None)


def apply(tmp_path: Path, *, old: str | None, starts_with: str) -> tuple[int, str, str | None]:
    """Run the script on files of the test's own; the engine starts with one text only."""
    path = tmp_path / "10-machine.conf"
    (tmp_path / "10-machine.conf.new").write_text("new")
    if old is not None:
        path.write_text(old)
    stand_ins = f"""\
systemctl() {{ case $1 in
    restart) grep -qs '{starts_with}' {path} ;;
    show) echo MainPID=$$ ;;
esac; }}
timeout() {{ shift; "$@"; }}
journalctl() {{ case $1 in  # what the engine said last is written down a moment later
    --sync) written=yes ;;
    *) echo "the journal${{written:+, whole}}" ;;
esac; }}
"""
    script = stand_ins + apply_script().replace(DROP_IN_PATH, str(path))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert not (tmp_path / "10-machine.conf.new").exists()
    assert not (tmp_path / "10-machine.conf.old").exists()
    return done.returncode, done.stdout, path.read_text() if path.exists() else None


def test_the_new_configuration_stays_if_the_engine_starts(tmp_path: Path) -> None:
    status, output, text = apply(tmp_path, old="old", starts_with="new")
    assert (status, text) == (0, "new")
    assert output.startswith("sh\n-c\n")


def test_the_old_configuration_comes_back_if_it_does_not(tmp_path: Path) -> None:
    assert apply(tmp_path, old="old", starts_with="old") == (101, "the journal, whole\n", "old")


def test_there_may_have_been_no_configuration(tmp_path: Path) -> None:
    assert apply(tmp_path, old=None, starts_with="nothing") == (102, "the journal, whole\n", None)


def test_only_an_engine_that_can_is_asked_to_validate(tmp_path: Path) -> None:
    engine = tmp_path / "dockerd"
    engine.write_text("#!/bin/sh\n[ $1 = --help ] || exit 9\n")
    engine.chmod(0o755)
    script = validate_script(["--label", "a b"]).replace('PATH="', f'PATH="{tmp_path}:')
    assert subprocess.run(["sh", "-c", script]).returncode == 0
    engine.write_text('#!/bin/sh\necho "  --validate"; [ "$1" = --help ] || echo "$@"; exit 3\n')
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "  --validate\n--validate --label a b\n")
