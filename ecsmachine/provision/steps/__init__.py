"""The steps of provisioning, in their order.

The certificates and the engine's configuration are in place before the engine is installed: it
starts once, with TLS. Docker Machine installs, stops, configures and starts again, and on hosts
with docker.socket the old configuration may come back in between.
"""

from __future__ import annotations

from ecsmachine.provision.step import Step
from ecsmachine.provision.steps import (
    authorized_key,
    certificates,
    configuration,
    data_disk,
    docker_group,
    firewall,
    first_boot,
    host_name,
    installation,
    package_lock,
    registries,
    start,
)

STEPS: tuple[Step, ...] = (
    first_boot.STEP,
    host_name.STEP,
    authorized_key.STEP,
    package_lock.STEP,
    data_disk.STEP,
    certificates.STEP,
    configuration.STEP,
    installation.STEP,
    configuration.AFTER_INSTALLATION,
    docker_group.STEP,
    firewall.STEP,
    start.STEP,
    registries.STEP,
)
