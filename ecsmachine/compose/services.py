"""One service of a template, read key by key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ecsmachine.compose.deploy import Deploy, read_deploy
from ecsmachine.compose.keys import KEYS
from ecsmachine.compose.labels import PREFIX, Labels, Probe, read_labels
from ecsmachine.compose.model import (
    DEFAULT_NETWORK,
    RESTARTS,
    HealthCheck,
    Mount,
    Network,
    RestartPolicy,
    Service,
    Volume,
)
from ecsmachine.compose.placement import BEGINNINGS, Placement, read_placement
from ecsmachine.compose.ports import read_ports
from ecsmachine.compose.values import TemplateError, Values

_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
_CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}")
_MODES = frozenset(("ro", "rw", "z", "Z", "nocopy", "copy", "cached", "consistent", "delegated"))
_LEAST_MEMORY = 6 * 1024 * 1024
_CHECKED_S = 2.0
_NS = 1_000_000_000


@dataclass(frozen=True)
class Surroundings:
    """What a service is read with: what the template declares, and its variables.

    ``strict``: names that are not declared are refused (networks) or told (volumes), as in
    version 2 and later. ``for_stack``: what only Swarm mode takes is let pass.
    """

    variables: Mapping[str, str]
    volumes: Mapping[str, Volume]
    networks: Mapping[str, Network]
    strict: bool
    for_stack: bool


def read_service(name: str, definition: object, around: Surroundings) -> Service:
    """Read a service whose variables are filled in. Raises :class:`TemplateError`."""
    if not _SERVICE_NAME.fullmatch(name):
        raise TemplateError(f'"{name}" cannot be the name of a service')
    return _Reader(name, Values(name, definition), around).service()


class _Reader:
    """Reads one service; every refusal names it."""

    def __init__(self, name: str, values: Values, around: Surroundings) -> None:
        self._name = name
        self._values = values
        self._around = around
        self._warnings: list[str] = []

    def service(self) -> Service:
        values = self._values
        self._check_keys()
        image = values.text("image")
        if not image.strip() or re.search(r"\s", image):
            raise values.refused("image", "it must be the name of an image")
        deploy = read_deploy(values.part("deploy"), self._name, for_stack=self._around.for_stack)
        self._warnings += deploy.warnings
        labels = values.pairs("labels") | deploy.labels
        read = self._own(labels, deploy)
        others = {name: value for name, value in labels.items() if not name.startswith(PREFIX)}
        shown = {key: value for key, value in values.values.items() if key != "labels"}
        if others:
            shown["labels"] = others
        placement, variables = self._placement(deploy)
        restart, limit = self._restart(deploy)
        check = self._health_check(read)
        if check is not None and check.test != ("NONE",) and read.probe is None:
            read = replace(read, probe=_probe_of(check))
        mounts, folders = self._mounts()
        service = Service(
            name=self._name,
            definition=shown,
            own=read,
            image=image,
            container_name=self._container_name(read),
            command=values.words("command"),
            entrypoint=values.words("entrypoint"),
            environment=variables,
            labels=others,
            ports=read_ports(values),
            mounts=mounts,
            restart=restart,
            restart_limit=limit,
            links=tuple(self._links()),
            depends_on=(*self._depends_on(), *read.depends_on),
            networks=self._networks(),
            health_check=check,
            settings={**self._settings(folders), **deploy.settings},
            placement=placement,
            warnings=(*read.warnings, *self._warnings),
        )
        for port, front in read.fronts.items():
            if not service.fixed_port(port, front.transport):
                raise self._refused_label(
                    f"lb.port_{port}", f"it needs a port of the node in ports (8080:{port})"
                )
        return service

    def _check_keys(self) -> None:
        for name in self._values:
            key = KEYS.get(name)
            if name.startswith("x-"):
                continue
            if key is None:
                raise self._values.unknown(name, KEYS)
            if key.cluster and not self._around.for_stack and name in self._values:
                raise self._values.refused(name, f"it is not supported: {key.cluster}")

    def _own(self, labels: Mapping[str, str], deploy: Deploy) -> Labels:
        """Return what the labels ask for, with what ``deploy`` and ``scale`` say instead."""
        own = {n.removeprefix(PREFIX): v for n, v in labels.items() if n.startswith(PREFIX)}
        values = self._values
        scale = deploy.replicas
        if "scale" in values:
            scale = values.number("scale", 0, 0, 100)
        for label, said, place in (
            ("scale", scale, "scale" if "scale" in values else "deploy.replicas"),
            ("global", deploy.everywhere, "deploy.mode"),
        ):
            if label in own and said is not None:
                raise values.refused("labels", f"{PREFIX}{label}: either it or {place}")
        read = read_labels(own, self._refused_label)
        everywhere = read.everywhere if deploy.everywhere is None else deploy.everywhere
        number = read.scale if scale is None else scale
        policy = values.text("pull_policy", "missing")
        if policy not in ("always", "missing", "if_not_present") and not self._around.for_stack:
            raise values.refused("pull_policy", "always or missing")
        return replace(
            read,
            shown={**read.shown, "scale": number},
            scale=number,
            everywhere=everywhere,
            parallelism=deploy.parallelism or read.parallelism,
            latest_image=read.latest_image or policy == "always",
        )

    def _placement(self, deploy: Deploy) -> tuple[Placement, tuple[str, ...]]:
        texts = []
        for name, value in self._values.pairs_in_order("environment"):
            if value is None and not name.startswith(BEGINNINGS):
                value = self._around.variables.get(name)
                if value is None:
                    self._warnings.append(f"environment {name} has no value: it is left out")
                    continue
            texts.append(name if value is None else f"{name}={value}")
        try:
            placement, variables = read_placement(texts)
        except ValueError as error:
            raise self._values.refused("environment", str(error)) from None
        pairs = dict(text.partition("=")[::2] for text in variables)
        placement = replace(placement, filters=(*placement.filters, *deploy.filters))
        return placement, tuple(f"{name}={value}" for name, value in pairs.items())

    def _container_name(self, own: Labels) -> str:
        name = self._values.text("container_name")
        if not name:
            return ""
        if not _CONTAINER_NAME.fullmatch(name):
            raise self._refused("container_name", f'"{name}" cannot be the name of a container')
        if own.everywhere or own.scale > 1:
            raise self._refused("container_name", "several containers cannot share a name")
        return name

    def _restart(self, deploy: Deploy) -> tuple[RestartPolicy, int]:
        if deploy.restart is not None:
            return deploy.restart, deploy.restart_limit
        text = self._values.text("restart", "no")
        # YAML 1.1 reads a bare no as false, and so do tools that write templates
        name, _, limit = ("no" if text == "false" else text).partition(":")
        policy: RestartPolicy | None = next((p for p in RESTARTS if p == name), None)
        if policy is None or (limit and (policy != "on-failure" or not limit.isdecimal())):
            raise self._refused("restart", "no, always, on-failure[:N] or unless-stopped")
        return policy, int(limit or 0)

    def _health_check(self, own: Labels) -> HealthCheck | None:
        probe = own.probe
        if "healthcheck" not in self._values:
            if probe is None or not probe.command:
                return None
            asked = ("CMD-SHELL", probe.command)
            return HealthCheck(asked, _CHECKED_S, probe.timeout_s, 3, probe.delay_s)
        values = self._values.part("healthcheck")
        values.only(
            *("test", "interval", "timeout", "retries", "start_period", "start_interval"), "disable"
        )
        if probe is not None:
            raise self._refused("healthcheck", "use it or aliyun.probe, not both")
        if "start_interval" in values:
            self._warnings.append("healthcheck.start_interval has no effect: interval has")
        test = tuple(values.texts("test"))
        if values.flag("disable") or test == ("NONE",):
            return HealthCheck(("NONE",))
        if isinstance(values.values.get("test"), str):
            test = ("CMD-SHELL", *test)
        if len(test) < 2 or test[0] not in ("CMD", "CMD-SHELL"):
            raise values.refused("test", "a command, or a list that begins with CMD or CMD-SHELL")
        return HealthCheck(
            test=test,
            interval_s=values.duration("interval", 30),
            timeout_s=values.duration("timeout", 30),
            retries=values.number("retries", 3, 1, 1000),
            start_period_s=values.duration("start_period"),
        )

    def _mounts(self) -> tuple[tuple[Mount, ...], dict[str, str]]:
        """Return the volumes, and the folders in memory with their options."""
        mounts: list[Mount] = []
        folders = {}
        for item in self._values.items("volumes"):
            if not isinstance(item, dict):
                mounts.append(self._mount(str(item)))
                continue
            mount, in_memory = self._long_mount(Values(f"{self._name}.volumes", item))
            if in_memory is None:
                mounts.append(mount)
            else:
                folders[mount.target] = in_memory
        targets = Counter([*(mount.target for mount in mounts), *folders])
        for target, number in targets.items():
            if number > 1:
                raise self._refused("volumes", f"two volumes are mounted at {target}")
        return tuple(mounts), folders

    def _mount(self, text: str) -> Mount:
        parts = text.split(":")
        mode = "rw"
        if len(parts) > 1 and set(parts[-1].split(",")) <= _MODES:
            mode = parts.pop()
        source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[-1])
        if len(parts) > 2 or not target.startswith("/"):
            raise self._refused("volumes", f'"{text}" is not [SOURCE:]PATH[:ro]')
        return Mount(self._source(source), target, mode)

    def _long_mount(self, values: Values) -> tuple[Mount, str | None]:
        """Return a volume in the long form; of one in memory its options, too."""
        values.only(
            *("type", "source", "target", "read_only", "consistency", "bind", "volume", "tmpfs")
        )
        target, kind = values.text("target"), values.text("type")
        if not target.startswith("/"):
            raise values.refused("target", f'"{target}" is not a path in a container')
        if kind == "tmpfs":
            tmpfs = values.part("tmpfs")
            tmpfs.only("size", "mode")
            options = [f"size={tmpfs.size('size')}"] if "size" in tmpfs else []
            options += [f"mode={tmpfs.number('mode'):o}"] if "mode" in tmpfs else []
            return Mount("", target), ",".join(options)
        if kind not in ("bind", "volume"):
            raise values.refused("type", f'"{kind}" is not supported: use bind, volume or tmpfs')
        source = values.text("source")
        if (kind == "bind") is not source.startswith(("/", ".", "~")):
            raise values.refused("source", f'"{source}" is not of type {kind}')
        bind, volume = values.part("bind"), values.part("volume")
        bind.only("create_host_path", "propagation", "selinux")
        volume.only("nocopy")
        modes = ["ro" if values.flag("read_only") else "rw"]
        modes += [bind.text("propagation")] if "propagation" in bind else []
        modes += [bind.text("selinux")] if "selinux" in bind else []
        modes += ["nocopy"] if volume.flag("nocopy") else []
        return Mount(self._source(source), target, ",".join(modes)), None

    def _source(self, source: str) -> str:
        """Return the path of a node, or the name there of a volume that a template names."""
        if not source or source.startswith("/"):
            return source
        if source.startswith((".", "~")) and self._around.for_stack:
            return source
        declared = self._around.volumes.get(source)
        name = source if declared is None else declared.name
        if not _VOLUME_NAME.fullmatch(name) and not (declared and self._around.for_stack):
            raise self._refused("volumes", f'"{source}" is neither a path on a node nor a name')
        if declared is not None:
            return name
        if self._around.strict:
            self._warnings.append(
                f"volumes {source} is not declared at the top: it belongs to the cluster, and all "
                "projects share it (declare it there with external: true)"
            )
        return source

    def _networks(self) -> dict[str, tuple[str, ...]]:
        """Return the further names of a container by the name of each network."""
        value = self._values.values.get("networks")
        named = value if isinstance(value, dict) else dict.fromkeys(self._values.texts("networks"))
        found: dict[str, tuple[str, ...]] = {}
        for key in named or {DEFAULT_NETWORK: None}:
            network = self._around.networks.get(str(key))
            if network is None:
                raise self._refused("networks", f"{key} is not declared in networks at the top")
            options = named.get(key)
            of = Values(f"{self._name}.networks.{key}", {} if options is None else options)
            if not self._around.for_stack:
                of.only("aliases", "priority", "gw_priority")
            found[network.name] = tuple(of.texts("aliases"))
        return found

    def _links(self) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        for text in self._values.texts("links"):
            target, _, alias = text.partition(":")
            if found.setdefault(alias or target, target) != target:
                raise self._refused("links", f"{alias} is an alias of two services")
        return [(target, alias) for alias, target in found.items()]

    def _depends_on(self) -> Iterable[str]:
        if not isinstance(self._values.values.get("depends_on"), dict):
            yield from self._values.texts("depends_on")
            return
        services = self._values.part("depends_on")
        for name in services:
            of = services.part(name)
            of.only("condition", "restart", "required")
            condition = of.text("condition", "service_started")
            if condition not in ("service_started", "service_healthy") and (
                not self._around.for_stack
            ):
                raise of.refused("condition", f"{condition} is not supported: use service_healthy")
            if of.flag("restart"):
                self._warnings.append(f"depends_on.{name}.restart has no effect")
            yield name

    def _settings(self, folders: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of keys that Docker's API takes much as they are."""
        values = self._values
        found: dict[str, Any] = {
            key.api: values.read(name, key.kind)
            for name, key in KEYS.items()
            if key.api and name in values
        }
        memory = found.get("Memory", _LEAST_MEMORY)
        if memory and memory < _LEAST_MEMORY:
            raise self._refused("mem_limit", "at least 6m is needed")
        if "NanoCpus" in found:
            found["NanoCpus"] = int(found["NanoCpus"] * _NS)
        if ".StopTimeout" in found:
            found[".StopTimeout"] = round(found[".StopTimeout"])
        if "MemorySwap" in found:
            unlimited = values.text("memswap_limit") == "-1"
            found["MemorySwap"] = -1 if unlimited else values.size("memswap_limit")
        if "Devices" in found:
            found["Devices"] = [_device(text) for text in found["Devices"]]
        in_memory = dict(folders)
        for text in found.pop("Tmpfs", ()):
            path, _, options = text.partition(":")
            in_memory[path] = options
        if in_memory:
            found["Tmpfs"] = in_memory
        if "extra_hosts" in values:
            found["ExtraHosts"] = self._extra_hosts()
        if "logging" in values:
            logging = values.part("logging")
            logging.only("driver", "options")
            driver = logging.text("driver", "json-file")
            found["LogConfig"] = {"Type": driver, "Config": logging.pairs("options")}
        if "ulimits" in values:
            found["Ulimits"] = self._ulimits(values.part("ulimits"))
        return found

    def _extra_hosts(self) -> list[str]:
        """Return HOST:ADDRESS texts; a host may have several addresses."""
        value = self._values.values.get("extra_hosts")
        if isinstance(value, dict):
            of = self._values.part("extra_hosts")
            return [f"{host}:{address}" for host in of for address in of.texts(host)]
        found = []
        for text in self._values.texts("extra_hosts"):
            host, separator, address = text.partition("=" if "=" in text else ":")
            if not separator or not host or not address:
                raise self._refused("extra_hosts", f'"{text}" is not HOST:ADDRESS')
            found.append(f"{host}:{address.strip('[]')}")
        return found

    def _ulimits(self, values: Values) -> list[dict[str, Any]]:
        found = []
        for name in values:
            if isinstance(values.values[name], dict):
                of = values.part(name)
                of.only("soft", "hard")
                soft, hard = of.number("soft", 0, -1), of.number("hard", 0, -1)
            else:
                soft = hard = values.number(name, 0, -1)
            found.append({"Name": name, "Soft": soft, "Hard": hard})
        return found

    def _refused_label(self, name: str, reason: str) -> TemplateError:
        return self._refused("labels", f"{PREFIX}{name}: {reason}")

    def _refused(self, key: str, reason: str) -> TemplateError:
        return self._values.refused(key, reason)


def _probe_of(check: HealthCheck) -> Probe:
    """Return the probe that waits for an engine's health check."""
    takes_s = (check.interval_s + check.timeout_s) * check.retries
    return Probe(
        command=" ".join(check.test[1:]),
        timeout_s=round(check.timeout_s),
        delay_s=round(check.start_period_s + takes_s),
    )


def _device(text: str) -> dict[str, str]:
    host, _, rest = text.partition(":")
    inside, _, rights = (rest or host).partition(":")
    return {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": rights or "rwm"}
