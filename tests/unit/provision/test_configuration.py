from __future__ import annotations

import pytest

from ecsmachine.provision.base import EngineOptions, HostCertificates
from ecsmachine.provision.engine import conflicts
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.step import Run, Upload
from ecsmachine.provision.steps import configuration, start
from ecsmachine.provision.steps.certificates import hashes_of
from ecsmachine.ssh.command_result import CommandResult
from tests.unit.provision.recorded import CERTIFICATES, request, situation

INSTALLED = {"dockerd": "/usr/bin/dockerd", "unit": "ActiveState=active\nUnitFileState=enabled"}
SOCKET = {**INSTALLED, "unit": f"{INSTALLED['unit']}\nRequires=system.slice docker.socket"}


def unit_of(name: str, seen: dict[str, str] | None = None, **options: object) -> str:
    known = situation(name, seen, engine=EngineOptions(**options))  # type: ignore[arg-type]
    return configuration.unit_text(known, hashes_of(CERTIFICATES))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("debian-12", "ExecStart=dockerd "),
        ("centos-7", "ExecStart=/usr/bin/dockerd "),
        ("alinux-2", "ExecStart=/usr/bin/dockerd "),
        ("rocky-9", "ExecStart=/usr/bin/dockerd "),
        ("sles-12", "ExecStart=/usr/bin/dockerd "),
    ],
)
def test_the_engine_is_named_so_that_the_systems_systemd_finds_it(name: str, command: str) -> None:
    assert command in unit_of(name)


def test_an_old_systemd_is_told_where_the_engine_is() -> None:
    seen = {"systemd": "systemd 237", "dockerd": "/usr/sbin/dockerd"}
    assert "ExecStart=/usr/sbin/dockerd " in unit_of("debian-12", seen)


@pytest.mark.parametrize(
    ("name", "seen", "socket"),
    [
        ("debian-12", None, "fd://"),
        ("debian-12", SOCKET, "fd://"),
        ("debian-12", INSTALLED, "unix:///var/run/docker.sock"),
        ("openeuler-22.03", None, "unix:///var/run/docker.sock"),
        ("openeuler-22.03", SOCKET, "fd://"),
    ],
)
def test_the_local_socket_is_whose_the_packages_make_it(
    name: str, seen: dict[str, str] | None, socket: str
) -> None:
    assert f"-H {socket} " in unit_of(name, seen)


def test_a_storage_driver_that_the_host_has_chosen_stays() -> None:
    chosen = {**SOCKET, "daemon_json": '{"storage-driver": "btrfs"}'}
    assert "--storage-driver" not in unit_of("debian-12", chosen)
    assert "--storage-driver overlay2" in unit_of("debian-12", SOCKET)
    assert "--storage-driver btrfs" in unit_of("opensuse-leap-15.6", {"docker_root": "btrfs"})
    assert "--storage-driver vfs" in unit_of("debian-12", SOCKET, storage_driver="vfs")


@pytest.mark.parametrize(
    ("seen", "flag"),
    [
        ({"own_driver": "overlayfs"}, ""),
        ({"own_driver": "overlay2"}, "--storage-driver overlay2"),
        ({"own_driver": "zfs", "daemon_json": '{"features": {"a": true}}'}, ""),
        ({"drop_in": "ExecStart=dockerd --tlsverify"}, ""),
        ({"drop_in": "ExecStart=dockerd --storage-driver vfs --tlsverify"}, "--storage-driver o"),
        ({"drop_in": "ExecStartPost=-/bin/sh -c 'rm -f x'"}, "--storage-driver overlay2"),
        ({"drop_in": "ExecStartPost=-/bin/sh", "own_driver": "overlayfs"}, ""),
        ({"daemon_json": '{"features": {"containerd-snapshotter": true}}'}, ""),
        ({"daemon_json": '{"features": {"containerd-snapshotter": false}}'}, "--storage-driver o"),
        ({"daemon_json": '{"features": []}'}, "--storage-driver overlay2"),
    ],
)
def test_the_images_of_an_engine_that_was_there_stay_in_sight(
    seen: dict[str, str], flag: str
) -> None:
    unit = unit_of("debian-12", {**SOCKET, **seen})
    assert flag in unit if flag else "--storage-driver" not in unit
    assert "--storage-driver vfs" in unit_of("debian-12", {**SOCKET, **seen}, storage_driver="vfs")


def test_only_a_running_engine_that_is_not_ours_is_asked_for_its_driver() -> None:
    look = configuration.look(request())
    assert (
        "|| case $unit in *ActiveState=active*)\n    timeout 10 docker info -f '{{.Driver}}'"
        in look
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"hosts": ["fd://"], "tlsverify": true}', "sets hosts, tlsverify, and so"),
        ('{"labels": ["a=b"]}', "sets labels, and so"),
        ("{not json", "it is not JSON"),
    ],
)
def test_a_daemon_json_that_would_stop_the_engine_is_refused_before_it_is_stopped(
    text: str, said: str
) -> None:
    with pytest.raises(ProvisionError, match=said) as raised:
        configuration.actions(situation("debian-12", {**SOCKET, "daemon_json": text}))
    assert raised.value.hint
    assert raised.value.step == "engine configuration"


def test_a_daemon_json_that_sets_other_things_is_left_to_the_host() -> None:
    seen = {**SOCKET, "daemon_json": '{"log-driver": "journald", "default-ulimits": {}}'}
    assert configuration.actions(situation("debian-12", seen))


OURS = "/etc/systemd/system/docker.service.d/10-machine.conf"
OTHER = "/etc/systemd/system/docker.service.d/override.conf"


def test_a_drop_in_that_has_the_last_word_is_refused_before_anything_is_stopped() -> None:
    with pytest.raises(ProvisionError, match=f"{OTHER} on the host sets the engine's") as caught:
        configuration.actions(situation("debian-12", {"command_lines": f"{OURS}\n{OTHER}"}))
    assert "ExecStart" in (caught.value.hint or "")
    # one that is read before ours does not matter, nor one that says the same
    for known in ({"command_lines": OURS.replace("10-", "05-")}, running(command_lines=OTHER)):
        configuration.actions(situation("debian-12", known))


def test_flags_with_other_names_in_daemon_json_are_known() -> None:
    flags = ["-H", "fd://", "--registry-mirror", "https://m", "--log-opt=max-size=1m", "--debug"]
    keys = {"hosts", "registry-mirrors", "log-opts", "debug", "dns", "label"}
    assert conflicts(flags, dict.fromkeys(keys)) == [
        "debug",
        "hosts",
        "log-opts",
        "registry-mirrors",
    ]


def running(**changed: str) -> dict[str, str]:
    """Return what a host shows whose engine runs as wanted."""
    known = situation("debian-12", SOCKET)
    variables = configuration.environment(known, hashes_of(CERTIFICATES))
    return {
        **SOCKET,
        "drop_in": configuration.unit_text(known, hashes_of(CERTIFICATES)),
        "command_line": "\n".join(("dockerd", *configuration.flags(known))),
        "environment": "\n".join(f"{name}={value}" for name, value in variables.items()),
        **changed,
    }


def test_an_engine_that_runs_as_wanted_is_left_alone() -> None:
    known = situation("debian-12", running())
    assert configuration.actions(known) == []
    assert start.actions(known) == []


def test_what_differs_is_written() -> None:
    stopped = SOCKET["unit"].replace("=active", "=failed")
    known = situation("debian-12", running(drop_in="[Service]", unit=stopped))
    (upload,) = configuration.actions(known)
    assert isinstance(upload, Upload)
    assert (upload.mode, upload.path.rpartition("/")[2]) == (0o644, "10-machine.conf")
    assert not known.replaces_drop_in


def test_an_engine_that_ran_before_gets_its_configuration_back_if_it_does_not_start() -> None:
    """Its containers may be somebody's work: `create -d generic` with a wrong option ended it."""
    known = situation("debian-12", running(drop_in="[Service]", command_line="dockerd"))
    keep, upload = configuration.actions(known)
    assert isinstance(keep, Run)
    assert isinstance(upload, Upload)
    assert keep.script == configuration.KEEP_OLD
    (action,) = start.actions(known)
    assert isinstance(action, Run)
    assert action.script.startswith("set -e\ntrap '' HUP PIPE\n")
    assert f"mv {configuration.OLD_PATH} " in action.script
    # what is kept is what it ran with, whatever is written once more
    assert [type(again) for again in configuration.actions(known)] == [Upload]
    assert "mv " not in start.restart_script(take_back=False)


@pytest.mark.parametrize(
    ("status", "journal", "errors", "said"),
    [
        (101, "unknown flag: --foo", "", ": unknown flag: --foo; its old configuration was rest"),
        (102, "", "", "; it does not start with its old configuration either"),
        (1, "", "Failed to enable unit: docker.service is masked.", ": Failed to enable unit"),
    ],
)
def test_an_engine_that_does_not_start_says_why(
    status: int, journal: str, errors: str, said: str
) -> None:
    error = start.engine_error(start.NAME, CommandResult(status, journal, errors))
    assert f"the engine does not start{said}" in error.message


@pytest.mark.parametrize(
    "changed",
    [
        {"command_line": "dockerd\n-H\nfd://"},
        {"environment": "ECSMACHINE_CONFIGURATION=other"},
        {"unit": f"{SOCKET['unit']}\nNeedDaemonReload=yes"},
        {"unit": SOCKET["unit"].replace("=active", "=failed")},
    ],
)
def test_an_engine_that_runs_another_way_is_restarted(changed: dict[str, str]) -> None:
    (action,) = start.actions(situation("debian-12", running(**changed)))
    assert isinstance(action, Run)
    assert "systemctl restart docker.service" in action.script
    assert "enable" not in action.script


def test_other_certificates_restart_the_engine() -> None:
    other = HostCertificates(b"ca", b"another server", b"key")
    known = situation("debian-12", running(), certificates=lambda: other)
    assert configuration.actions(known)
    assert start.actions(known)


def test_an_engine_that_is_not_enabled_is_enabled_and_not_restarted() -> None:
    disabled = running(unit=SOCKET["unit"].replace("=enabled", "=disabled"))
    (action,) = start.actions(situation("debian-12", disabled))
    assert isinstance(action, Run)
    assert "systemctl -q --no-reload enable docker.service" in action.script
    assert "systemctl restart" not in action.script


def test_an_engine_that_has_read_other_certificates_is_restarted() -> None:
    """They were replaced by hand, and the engine restarted: what was intended is as it was."""
    replaced = running(hashes=f"{'0' * 64}  /etc/docker/server.pem")
    (action,) = start.actions(situation("debian-12", replaced))
    assert isinstance(action, Run)
    assert "systemctl restart docker.service" in action.script
    for serves, restarts in ((True, False), (None, False), (False, True)):
        known = situation("debian-12", running(), serves=lambda answer=serves: answer)
        assert bool(start.actions(known)) is restarts
