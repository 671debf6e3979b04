"""The body of Docker's API for a container of a service (POST /containers/create)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecsmachine.compose.model import Service

CLUSTER = "aliyun.cluster"
PROJECT = "aliyun.project"
SERVICE = "aliyun.service"
VERSION = "aliyun.version"
NUMBER = "aliyun.number"

_NANOSECONDS = 1_000_000_000


def container_body(service: Service, labels: Mapping[str, str], project: str) -> dict[str, Any]:
    """Return the body for a container of a service on its networks.

    Other services find it there under its service's name. Ports that are routed or probed are
    published at a port of the node that the engine chooses. Keys of Docker's API that begin with
    a dot are not below ``HostConfig``.
    """
    settings = service.settings
    body: dict[str, Any] = {
        "Image": service.image,
        "Env": list(service.environment),
        "Labels": {**service.labels, **labels},
        **{name[1:]: value for name, value in settings.items() if name.startswith(".")},
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
        "NetworkMode": next(iter(service.networks)),
        "PortBindings": published,
        "RestartPolicy": {"Name": service.restart, "MaximumRetryCount": service.restart_limit},
        "Binds": [
            f"{mount.source}:{mount.target}:{mount.mode}"
            for mount in service.mounts
            if mount.source
        ],
        **{name: value for name, value in settings.items() if not name.startswith(".")},
    }
    body["Volumes"] = {mount.target: {} for mount in service.mounts if not mount.source}
    body["NetworkingConfig"] = {
        "EndpointsConfig": {
            network: {
                "Aliases": list(
                    dict.fromkeys((service.name, f"{service.name}.{project}.local", *aliases))
                ),
                "Links": [
                    f"{target}:{alias}" for target, alias in service.links if alias != target
                ],
            }
            for network, aliases in service.networks.items()
        }
    }
    check = service.health_check
    if check is not None:
        body["Healthcheck"] = {
            "Test": list(check.test),
            "Interval": int(check.interval_s * _NANOSECONDS),
            "Timeout": int(check.timeout_s * _NANOSECONDS),
            "StartPeriod": int(check.start_period_s * _NANOSECONDS),
            "Retries": check.retries,
        }
    return body


def reached_ports(service: Service) -> list[int]:
    """Return the ports of a container that the cluster itself reaches, by HTTP or TCP."""
    probe = service.own.probe
    return sorted({*service.own.routes, *([probe.port] if probe and probe.port else [])})
