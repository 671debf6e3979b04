"""The host's own firewall: the engine's port is opened in one that is active."""

from __future__ import annotations

from ecsmachine.provision.base import ProvisionRequest
from ecsmachine.provision.step import Action, Run, Situation, Step

_SUSE_SETTINGS = "/etc/sysconfig/SuSEfirewall2"
_SUSE_NAME = "FW_SERVICES_EXT_TCP"


def look(request: ProvisionRequest) -> str:
    """Return the commands that name each firewall that is active and has the port closed."""
    port = f"{request.engine_port}/tcp"
    return f"""\
mark firewall
if command -v firewall-cmd >/dev/null 2>&1 && systemctl -q is-active firewalld.service; then
    firewall-cmd -q --query-port={port} && firewall-cmd -q --permanent --query-port={port} ||
        echo firewalld
fi
if [ -e {_SUSE_SETTINGS} ] && systemctl -q is-active SuSEfirewall2.service; then
    grep -Eq '^{_SUSE_NAME}=.*[" ]{request.engine_port}[" ]' {_SUSE_SETTINGS} || echo SuSEfirewall2
fi
if command -v ufw >/dev/null 2>&1 && ufw status 2>/dev/null | grep -q '^Status: active'; then
    ufw status | grep -Eq '^{port} +ALLOW' || echo ufw
fi
"""


def actions(situation: Situation) -> list[Action]:
    """Return what opens the port."""
    return [
        Run(open_port(firewall, situation.request.engine_port))
        for firewall in situation.facts["firewall"].split()
    ]


def open_port(firewall: str, port: int) -> str:
    """Return the script that opens a TCP port in a firewall, now and after a boot."""
    if firewall == "firewalld":
        return (
            f"firewall-cmd -q --permanent --add-port={port}/tcp && "
            f"firewall-cmd -q --add-port={port}/tcp"
        )
    if firewall == "ufw":
        return f"ufw allow {port}/tcp"
    return (
        f'sed -i \'s/^{_SUSE_NAME}="\\(.*\\)"/{_SUSE_NAME}="\\1 {port}"/\' {_SUSE_SETTINGS} && '
        "systemctl restart SuSEfirewall2.service"
    )


STEP = Step("firewall", look, actions, "Opening the engine's port in the host's firewall...")
