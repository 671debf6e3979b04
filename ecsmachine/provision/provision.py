"""Provisioning: the steps in their order, each looking first and changing only what differs.

The certificates and the engine's configuration are in place before the engine is installed: it
starts once, with TLS. Docker Machine installs, stops, configures and starts again, and on hosts
with docker.socket the old configuration may come back in between.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field

from ecsmachine.provision import data_disk, facts, host_name, install
from ecsmachine.provision.base import (
    HostCertificates,
    HostConnection,
    ProvisionRequest,
    Report,
)
from ecsmachine.provision.detect import (
    OperatingSystem,
    Provisioner,
    parse_os_release,
    provisioner_for,
)
from ecsmachine.provision.engine import (
    CA_PATH,
    DROP_IN_PATH,
    SERVER_KEY_PATH,
    SERVER_PATH,
    drop_in,
    engine_flags,
)
from ecsmachine.provision.errors import ProvisionError, output_of
from ecsmachine.provision.facts import Facts
from ecsmachine.provision.shell import as_root, run_as_root

_BARE_NAMES_SINCE = 239  # systemd looks up a command without a path from this version on


@dataclass
class ProvisionResult:
    """What provisioning found, and the names of the steps that changed something."""

    system: OperatingSystem
    changed: list[str] = field(default_factory=list)


def provision(host: HostConnection, request: ProvisionRequest, report: Report) -> ProvisionResult:
    """Make a Docker host of a host. Run again, it changes nothing.

    Raises :class:`ProvisionError` naming the step, with the failed command's output and, where
    the engine does not start, the end of its journal.
    """
    report("Detecting operating system of created instance...")
    seen = facts.gather(host, request.data_disk)
    system = parse_os_release(seen["os_release"])
    provisioner = provisioner_for(system)
    if not seen.systemd_version:
        raise ProvisionError("detecting the OS", f"{system.pretty_name} runs without systemd")
    result = ProvisionResult(system)
    report("Provisioning created instance...")
    report(f"Provisioning with {provisioner.name}...")
    _prepare_host(host, request, seen, result)
    certificates = request.certificates()
    report("Copying certs to the remote machine...")
    _copy_certificates(host, certificates, seen, result)
    report("Setting Docker configuration on the remote daemon...")
    _configure(host, request, provisioner, seen, result)
    if not seen["dockerd"]:
        report("Installing Docker...")
        install.install(host, request.engine.install_url)
        result.changed.append("engine")
        seen = facts.gather(host, None)
        _configure(host, request, provisioner, seen, result)
    _run_engine(host, request, provisioner, seen, result)
    return result


def _prepare_host(
    host: HostConnection, request: ProvisionRequest, seen: Facts, result: ProvisionResult
) -> None:
    """Give the host its name, our key and its data disk, in one round trip."""
    steps = {
        "host name": host_name.commands(
            request.hostname,
            current=seen["hostname"],
            etc_hostname=seen["etc_hostname"],
            hosts=seen["hosts"],
        ),
        "data disk": data_disk.commands(request.data_disk, seen) if request.data_disk else [],
    }
    if request.authorized_key:
        _authorize(host, request.authorized_key, result)
    for step, commands in steps.items():
        if commands:
            run_as_root(host, step, "set -e\n" + "\n".join(commands), timeout_s=600)
            result.changed.append(step)


def _authorize(host: HostConnection, key: str, result: ProvisionResult) -> None:
    """Add our public key to the user's authorized keys; what is there stays."""
    line = shlex.quote(key.strip())
    script = (
        "umask 077; mkdir -p ~/.ssh && touch ~/.ssh/authorized_keys && "
        f"{{ grep -qxF {line} ~/.ssh/authorized_keys && echo there || "
        f"printf '%s\\n' {line} >> ~/.ssh/authorized_keys; }}"
    )
    answer = host.run(f"sh -c {shlex.quote(script)}", timeout_s=60)
    if answer.exit_status:
        raise ProvisionError("authorized key", "cannot be added", details=output_of(answer))
    if "there" not in answer.stdout:
        result.changed.append("authorized key")


def _copy_certificates(
    host: HostConnection, certificates: HostCertificates, seen: Facts, result: ProvisionResult
) -> None:
    wanted = (
        (CA_PATH, certificates.ca, 0o644),
        (SERVER_PATH, certificates.server, 0o644),
        (SERVER_KEY_PATH, certificates.server_key, 0o600),
    )
    hashes, modes = seen.certificate_hashes, seen.certificate_modes
    differing = [
        (path, content, mode)
        for path, content, mode in wanted
        if hashes.get(path) != hashlib.sha256(content).hexdigest() or modes.get(path) != mode
    ]
    if not differing:
        return
    if not hashes:
        folders = f"/etc/docker {shlex.quote(DROP_IN_PATH.rpartition('/')[0])}"
        run_as_root(host, "certificates", f"mkdir -p {folders}")
    for path, content, mode in differing:
        host.upload(content, path, mode=mode)
    result.changed.append("certificates")


def _configure(
    host: HostConnection,
    request: ProvisionRequest,
    provisioner: Provisioner,
    seen: Facts,
    result: ProvisionResult,
) -> None:
    """Write the engine's unit if it differs; the engine need not be installed yet."""
    text = _unit_text(request, provisioner, seen)
    if seen["drop_in"].strip() == text.strip():
        return
    run_as_root(host, "engine configuration", f"mkdir -p {DROP_IN_PATH.rpartition('/')[0]}")
    host.upload(text.encode(), DROP_IN_PATH, mode=0o644)
    if "engine configuration" not in result.changed:
        result.changed.append("engine configuration")


def _unit_text(request: ProvisionRequest, provisioner: Provisioner, seen: Facts) -> str:
    command = provisioner.engine_command
    if seen["dockerd"] and seen.systemd_version < _BARE_NAMES_SINCE:
        command = seen["dockerd"]
    return drop_in(command, _flags(request, provisioner, seen), request.engine.env)


def _flags(request: ProvisionRequest, provisioner: Provisioner, seen: Facts) -> list[str]:
    # the packages of Debian and of Docker both bring docker.socket
    socket = bool(seen["socket"]) or not seen["dockerd"]
    return engine_flags(
        request.engine,
        port=request.engine_port,
        provider=request.provider,
        storage_driver=provisioner.storage_driver,
        socket=socket,
    )


def _run_engine(
    host: HostConnection,
    request: ProvisionRequest,
    provisioner: Provisioner,
    seen: Facts,
    result: ProvisionResult,
) -> None:
    """Have the engine enabled, and running with exactly our configuration."""
    wanted = _flags(request, provisioner, seen)
    running = seen["command_line"].splitlines()[1:]
    configured = {"certificates", "engine configuration"} & set(result.changed)
    fresh = "engine" in result.changed
    as_wanted = (
        seen.engine_running
        and running == wanted
        and not seen.configured_after_start
        and (fresh or not configured)
    )
    commands = []
    if seen.unit.get("UnitFileState") != "enabled":
        commands.append("systemctl enable docker.service >/dev/null 2>&1")
        result.changed.append("engine enabled")
    if not as_wanted:
        commands += [
            "systemctl daemon-reload",
            "systemctl reset-failed docker.service docker.socket 2>/dev/null || :",
            "systemctl restart docker.service",
        ]
        result.changed.append("engine restarted")
    commands.append("systemctl is-active docker.service >/dev/null")
    answer = host.run(as_root("set -e\n" + "\n".join(commands), host.user), timeout_s=180)
    if answer.exit_status:
        raise _engine_error(host, output_of(answer))


def _engine_error(host: HostConnection, output: str) -> ProvisionError:
    journal = host.run(
        as_root("journalctl -u docker.service --no-pager -n 30 -o cat", host.user), timeout_s=60
    )
    return ProvisionError(
        "starting the engine",
        "the engine does not start with this configuration",
        hint="The end of its journal is shown above; an engine option may be wrong.",
        details="\n".join(
            part for part in (output, "The engine's journal:", journal.stdout.rstrip()) if part
        ),
    )
