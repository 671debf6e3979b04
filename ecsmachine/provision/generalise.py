"""Taking out of a host what makes it this one and no other, before an image is made of it."""

from __future__ import annotations

import base64
import json
import re
import shlex

from ecsmachine.provision import facts
from ecsmachine.provision.base import HostConnection
from ecsmachine.provision.engine import CERTIFICATE_FILES, DAEMON_JSON_PATH, DROP_IN_PATH
from ecsmachine.provision.errors import ProvisionError
from ecsmachine.provision.shell import PATH, run_as_root
from ecsmachine.provision.steps.configuration import daemon_json
from ecsmachine.provision.steps.data_disk import MOUNT_POINT
from ecsmachine.provision.steps.start import ENABLE

_STEP = "generalising the host"
_TIMEOUT_S = 300.0

_OF_A_MACHINE = (
    *("hosts", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey"),
    *("cluster-advertise", "cluster-store", "cluster-store-opts", "swarm-default-advertise-addr"),
)
"""The keys of daemon.json that hold addresses and certificates of one machine."""

KEYS_UNIT = "ecsmachine-host-keys.service"
_KEYS_UNIT_PATH = f"/etc/systemd/system/{KEYS_UNIT}"
_UNIT = """\
[Unit]
Description=SSH host keys of a machine that was made from an image
After=cloud-init.service cloud-init-network.service
Before=ssh.service sshd.service
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A
ExecStart=-/bin/sh -c 'command -v restorecon >/dev/null && restorecon /etc/ssh/ssh_host_*'

[Install]
WantedBy=multi-user.target
"""
"""cloud-init makes host keys anew, and so do some systems by themselves; Debian alone does not."""

_ON_DEMAND = f"""\
[Service]
ExecStartPost=-/bin/sh -c 'rm -f {DROP_IN_PATH}; {ENABLE}'
"""
"""Who uses the engine for the first time has it started at every boot from then on."""

_LOOK = f"""\
mark dockerd; dockerd --version 2>/dev/null
mark daemon_json; cat {DAEMON_JSON_PATH} 2>/dev/null
"""


def generalise(host: HostConnection, *, on_demand: bool) -> str:
    """Take out of a host what is its own, but for what a login needs; return the engine's version.

    ``on_demand``: the engine is not started by the first boot, but by whoever first uses it, so
    that it need not be started twice where it gets certificates. Done again, it changes nothing.
    :func:`seal` takes out the rest. Raises :class:`ProvisionError`.
    """
    seen = facts.gather(host, _LOOK)
    version = re.match(r"Docker version ([0-9][\w.+~-]*)", seen["dockerd"])
    if version is None:
        raise ProvisionError(
            _STEP,
            "no engine is installed on the host",
            hint='Install it first, with "ecsmachine provision".',
        )
    script = clean_script(seen["daemon_json"], host.user, on_demand=on_demand)
    run_as_root(host, _STEP, script, timeout_s=_TIMEOUT_S)
    return version[1]


def seal(host: HostConnection) -> None:
    """Have the host take out its keys and logs, and switch itself off; nobody logs in after that.

    It does so by itself: what was begun comes to its end, whatever becomes of us.
    """
    run_as_root(host, _STEP, f"systemd-run /bin/sh -c {shlex.quote(seal_script(host.user))}")


def clean_script(daemon_text: str, user: str, *, on_demand: bool) -> str:
    """Return the ``sh`` script that takes out what is the machine's own.

    ``daemon_text`` is what the host has in daemon.json, ``user`` who logs in.
    """
    users = " ".join(dict.fromkeys(("root", shlex.quote(user))))
    return f"""\
set -eu
export LC_ALL=C PATH="{PATH}"
root=$(timeout 30 docker info -f '{{{{.DockerRootDir}}}}' 2>/dev/null) || root=
[ -n "$root" ] || root=/var/lib/docker
tasks=$(timeout 30 docker ps -aq --filter label=com.docker.swarm.task 2>/dev/null) || tasks=
[ -z "$tasks" ] || timeout 120 docker rm -f $tasks >/dev/null
systemctl stop docker.socket docker.service containerd.service 2>/dev/null || :
rm -rf "$root/swarm" "$root/engine-id" /etc/docker/key.json
rm -f {" ".join(CERTIFICATE_FILES)} {DROP_IN_PATH}
{_write_daemon_json(daemon_text)}
if grep -q '[[:space:]]{MOUNT_POINT}[[:space:]]' /etc/fstab 2>/dev/null; then
    awk '/^[[:space:]]*#/ || $2 != "{MOUNT_POINT}"' /etc/fstab > /etc/fstab.ecsmachine
    chmod 644 /etc/fstab.ecsmachine
    mv /etc/fstab.ecsmachine /etc/fstab
fi
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data /var/lib/cloud/sem
rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.lease* /var/lib/NetworkManager/*.lease
rm -f /etc/udev/rules.d/70-persistent-net.rules /var/cache/apt/archives/*.deb
rm -rf /var/cache/dnf /var/cache/yum /var/cache/zypp/packages
for user in {users}; do usermod -p '*' "$user"; done
cat > {_KEYS_UNIT_PATH} <<'ecsmachine-unit'
{_UNIT}ecsmachine-unit
{_START_ON_DEMAND if on_demand else ":"}
systemctl daemon-reload
systemctl -q enable {KEYS_UNIT}
"""


def seal_script(user: str) -> str:
    """Return the ``sh`` script after which nobody logs in as ``user`` did; the host is off then."""
    return f"""\
export LC_ALL=C PATH="{PATH}"
exec </dev/null >/dev/null 2>&1
systemctl stop rsyslog.service systemd-random-seed.service
rm -f /var/lib/systemd/random-seed /etc/ssh/ssh_host_*
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
: > /etc/machine-id
for home in /root /home/* "$(getent passwd {shlex.quote(user)} | cut -d: -f6)"; do
    rm -f "$home"/.ssh/authorized_keys "$home"/.*_history "$home"/.docker/config.json
done
timeout 20 journalctl --relinquish-var
rm -rf /var/log/journal/*
find /var/log -type f '(' -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' ')' -exec rm -f '{{}}' +
find /var/log -type f -exec truncate -s 0 '{{}}' +
sync
systemctl poweroff
"""


_START_ON_DEMAND = f"""\
if [ "$(systemctl is-enabled docker.socket 2>/dev/null)" = enabled ]; then
    mkdir -p {DROP_IN_PATH.rpartition("/")[0]}
    cat > {DROP_IN_PATH} <<'ecsmachine-drop-in'
{_ON_DEMAND}ecsmachine-drop-in
    {ENABLE.replace("enable", "disable")}
fi"""


def _write_daemon_json(text: str) -> str:
    """Return the command that leaves in daemon.json what holds for every machine."""
    values = daemon_json(text, _STEP)
    kept = {key: value for key, value in values.items() if key not in _OF_A_MACHINE}
    if kept == values:
        return ":"
    if not kept:
        return f"rm -f {DAEMON_JSON_PATH}"
    encoded = base64.b64encode(f"{json.dumps(kept, indent=2)}\n".encode()).decode()
    new = f"{DAEMON_JSON_PATH}.ecsmachine"
    return f"echo {encoded} | base64 -d > {new}\nmv {new} {DAEMON_JSON_PATH}"
