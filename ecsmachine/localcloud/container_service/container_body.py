"""What a container of a service is made of, as a body of Docker's API (POST /containers/create)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.compose.templates import Service

CLUSTER = "aliyun.cluster"
PROJECT = "aliyun.project"
SERVICE = "aliyun.service"
VERSION = "aliyun.version"
NUMBER = "aliyun.number"

_INTERVAL_S = 2
_NANOSECONDS = 1_000_000_000

_PLAIN = {
    "domainname": "Domainname",
    "hostname": "Hostname",
    "user": "User",
    "working_dir": "WorkingDir",
    "tty": "Tty",
    "stdin_open": "OpenStdin",
    "stop_signal": "StopSignal",
}
_PLAIN_OF_HOST = {
    "cap_add": "CapAdd",
    "cap_drop": "CapDrop",
    "cpu_shares": "CpuShares",
    "cpuset": "CpusetCpus",
    "extra_hosts": "ExtraHosts",
    "oom_kill_disable": "OomKillDisable",
    "privileged": "Privileged",
    "read_only": "ReadonlyRootfs",
    "security_opt": "SecurityOpt",
}
"""Keys of Compose whose values Docker's API takes as they are."""


def container_body(
    service: Service, labels: Mapping[str, str], network: str, project: str
) -> dict[str, Any]:
    """Return the body for a container of a service on a project's network.

    Other services find it there under its service's name. Ports that are routed or probed are
    published at a port of the node that the engine chooses. A probe that is a command is the
    engine's health check.
    """
    definition = service.definition
    body: dict[str, Any] = {
        "Image": service.image,
        "Env": list(service.environment),
        "Labels": {**service.labels, **labels},
        **{new: definition[old] for old, new in _PLAIN.items() if old in definition},
    }
    if service.command is not None:
        body["Cmd"] = list(service.command)
    if service.entrypoint is not None:
        body["Entrypoint"] = list(service.entrypoint)
    exposed: dict[str, dict[str, str]] = {}
    published: dict[str, list[dict[str, str]]] = {}
    for port in service.ports:
        name = f"{port.container}/{port.protocol}"
        exposed[name] = {}
        if port.host is not None:
            binding = {"HostIp": port.address, "HostPort": str(port.host or "")}
            published.setdefault(name, []).append(binding)
    for number in reached_ports(service):
        exposed[f"{number}/tcp"] = {}
        published.setdefault(f"{number}/tcp", []).append({"HostIp": "", "HostPort": ""})
    body["ExposedPorts"] = exposed
    body["HostConfig"] = {
        "NetworkMode": network,
        "PortBindings": published,
        "RestartPolicy": {"Name": service.restart, "MaximumRetryCount": service.restart_limit},
        "Binds": [
            f"{mount.source}:{mount.target}:{mount.mode}"
            for mount in service.mounts
            if mount.source
        ],
        "Memory": service.memory_bytes,
        **{new: definition[old] for old, new in _PLAIN_OF_HOST.items() if old in definition},
    }
    for old, new in (("dns", "Dns"), ("dns_search", "DnsSearch")):
        if old in definition:
            value = definition[old]
            body["HostConfig"][new] = [value] if isinstance(value, str) else value
    if "tmpfs" in definition:
        folders = definition["tmpfs"]
        listed = [folders] if isinstance(folders, str) else folders
        body["HostConfig"]["Tmpfs"] = dict.fromkeys(listed, "")
    body["Volumes"] = {mount.target: {} for mount in service.mounts if not mount.source}
    body["NetworkingConfig"] = {
        "EndpointsConfig": {
            network: {
                "Aliases": [service.name, f"{service.name}.{project}.local"],
                "Links": [
                    f"{target}:{alias}" for target, alias in service.links if alias != target
                ],
            }
        }
    }
    probe = service.own.probe
    if probe is not None and probe.command:
        body["Healthcheck"] = {
            "Test": ["CMD-SHELL", probe.command],
            "Interval": _INTERVAL_S * _NANOSECONDS,
            "Timeout": probe.timeout_s * _NANOSECONDS,
            "StartPeriod": probe.delay_s * _NANOSECONDS,
            "Retries": 3,
        }
    return body


def reached_ports(service: Service) -> list[int]:
    """Return the ports of a container that the cluster itself reaches, by HTTP or TCP."""
    probe = service.own.probe
    return sorted({*service.own.routes, *([probe.port] if probe and probe.port else [])})
