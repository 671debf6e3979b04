"""The keys that a service of a template may have, and who takes them.

A key is read by its kind. ``cluster`` says why a Swarm cluster of Container Service does not take
it, ``stack`` what stands in its place in a stack of Docker's Swarm mode; both are "" where it is
taken as it is. ``api`` is its name in Docker's API, below ``HostConfig`` unless it begins with a
dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecsmachine.compose.values import Kind

_NODES = "containers of a project are on its networks"
_FILES = "files of your computer are not sent to the cluster"
_NO_BUILD = "images are not built here: build and push it, then name it in image"
_ENGINE = "set it in the engine's configuration on each node (create --engine-opt)"
_ONE_NETWORK = "services of a stack reach each other by name on its networks: use networks"
_RUN = "start it by hand (docker run), outside of the stack"


@dataclass(frozen=True)
class Key:
    """How one key is read, and who takes it."""

    kind: Kind = "any"
    api: str = ""
    cluster: str = ""
    stack: str = ""


KEYS: Mapping[str, Key] = {
    # read by modules of their own
    **dict.fromkeys(
        (
            *("command", "deploy", "entrypoint", "environment", "healthcheck", "image", "labels"),
            *("networks", "ports", "volumes"),
        ),
        Key(),
    ),
    # read by modules of their own, and written otherwise in a stack
    **dict.fromkeys(
        ("container_name", "depends_on", "expose", "links", "pull_policy", "restart", "scale"),
        Key(stack="-"),
    ),
    # as they are
    "annotations": Key("pairs", cluster="the nodes' engines have none", stack="use labels"),
    "cap_add": Key("texts", "CapAdd"),
    "cap_drop": Key("texts", "CapDrop"),
    "cgroup_parent": Key("text", "CgroupParent", stack=_ENGINE),
    "cpu_period": Key("number", "CpuPeriod", stack="use cpus"),
    "cpu_quota": Key("number", "CpuQuota", stack="use cpus"),
    "cpu_shares": Key("number", "CpuShares", stack="reserve processors: cpus in deploy"),
    "cpus": Key("decimal", "NanoCpus", stack="-"),
    "cpuset": Key("text", "CpusetCpus", stack="reserve processors: cpus in deploy"),
    "devices": Key("texts", "Devices", stack="mount it as a volume (type: bind), or " + _RUN),
    "dns": Key("texts", "Dns"),
    "dns_opt": Key("texts", "DnsOptions", stack=_ENGINE),
    "dns_search": Key("texts", "DnsSearch"),
    "domainname": Key("text", ".Domainname", stack="write the full name in hostname"),
    "extra_hosts": Key(),
    "group_add": Key("texts", "GroupAdd", stack="name the group in user"),
    "hostname": Key("text", ".Hostname"),
    "init": Key("flag", "Init"),
    "ipc": Key("text", "IpcMode", stack=_RUN),
    "logging": Key(),
    "mem_limit": Key("size", "Memory", stack="-"),
    "mem_reservation": Key("size", "MemoryReservation", stack="-"),
    "mem_swappiness": Key("number", "MemorySwappiness", stack="set vm.swappiness of the nodes"),
    "memswap_limit": Key("any", "MemorySwap", stack="use mem_limit"),
    "oom_kill_disable": Key("flag", "OomKillDisable", stack="reserve memory in deploy"),
    "oom_score_adj": Key("number", "OomScoreAdj", stack="reserve memory in deploy"),
    "pid": Key("text", "PidMode", stack=_RUN),
    "pids_limit": Key("number", "PidsLimit", stack="-"),
    "privileged": Key(
        "flag", "Privileged", stack="name the capabilities that it needs in cap_add, or " + _RUN
    ),
    "read_only": Key("flag", "ReadonlyRootfs"),
    "runtime": Key("text", "Runtime", stack="make it the engine's default-runtime"),
    "security_opt": Key("texts", "SecurityOpt", stack=_ENGINE),
    "shm_size": Key("size", "ShmSize", stack="-"),
    "stdin_open": Key("flag", ".OpenStdin"),
    "stop_grace_period": Key("duration", ".StopTimeout"),
    "stop_signal": Key("text", ".StopSignal"),
    "storage_opt": Key("pairs", "StorageOpt", stack=_ENGINE),
    "sysctls": Key("pairs", "Sysctls"),
    "tmpfs": Key("texts", "Tmpfs"),
    "tty": Key("flag", ".Tty"),
    "ulimits": Key(),
    "user": Key("text", ".User"),
    "userns_mode": Key("text", "UsernsMode", stack=_ENGINE),
    "uts": Key("text", "UTSMode", stack=_RUN),
    "working_dir": Key("text", ".WorkingDir"),
    # without meaning on a cluster
    "attach": Key(cluster="a project has no attached terminal: leave it out", stack="leave it out"),
    "blkio_config": Key(cluster="disk bandwidth is not managed here", stack=_RUN),
    "build": Key(cluster=_NO_BUILD, stack="build it, push it, and name it in image"),
    "configs": Key(cluster=f"{_FILES}: put it into the image, or into a volume"),
    "credential_spec": Key(cluster="it is for Windows"),
    "develop": Key(cluster="it is for docker compose watch", stack="leave it out"),
    "device_cgroup_rules": Key("texts", "DeviceCgroupRules", stack=_RUN),
    "env_file": Key(cluster=f"{_FILES}: write environment"),
    "extends": Key(
        cluster='write the whole service out ("docker compose config" does)',
        stack='write the whole service out ("docker compose config" does)',
    ),
    "external_links": Key(
        cluster=f"{_NODES}: name an external one in networks", stack=_ONE_NETWORK
    ),
    "gpus": Key(cluster="there are no devices for it", stack="reserve generic_resources in deploy"),
    "isolation": Key(cluster="it is for Windows"),
    "label_file": Key(cluster=f"{_FILES}: write labels", stack="write labels"),
    "mac_address": Key(
        cluster="several containers cannot share an address",
        stack="leave it out: there is no equivalent",
    ),
    "network_mode": Key(
        cluster=f"{_NODES}: use ports, or an external network in networks",
        stack="use ports with mode: host, or the network host in networks",
    ),
    "platform": Key(cluster="all nodes are of one kind", stack="constrain node.platform in deploy"),
    "post_start": Key(cluster="put it into command", stack="put it into command"),
    "pre_stop": Key(cluster="let the program take stop_signal", stack="use stop_signal"),
    "profiles": Key(
        cluster="all services of a template are started: take it out",
        stack="all services of a stack are started: take it out",
    ),
    "provider": Key(cluster="nothing runs it here", stack="nothing runs it in a stack"),
    "secrets": Key(cluster=f"{_FILES}: put it into environment, or into a volume"),
    "use_api_socket": Key(
        cluster="mount /var/run/docker.sock", stack="mount /var/run/docker.sock as a volume"
    ),
    "volumes_from": Key(
        cluster="containers are on several nodes: name the volumes", stack="name the volumes"
    ),
}
"""By name. What is not here is not known; in a stack "-" is written in another place."""
