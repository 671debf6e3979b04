"""Network interfaces: secondary ones from their table, primary ones from their instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.state.addresses import unbind_eips
from ecsmachine.localcloud.state.model import Instance, NetworkInterface
from ecsmachine.localcloud.state.servers import forget_server
from ecsmachine.localcloud.state.state import State


def primary_interface(instance: Instance) -> NetworkInterface:
    """Return the interface that an instance was made with."""
    return NetworkInterface(
        id=instance.network_interface_id,
        region=instance.region,
        zone=instance.zone,
        vpc_id=instance.vpc_id,
        vswitch_id=instance.vswitch_id,
        name=instance.interface_name,
        description=instance.interface_description,
        mac=instance.mac,
        private_ip=instance.private_ip,
        secondary_ips=instance.secondary_ips,
        security_group_ids=instance.security_group_ids,
        status="InUse",
        created=instance.created.replace("Z", ":00Z"),  # an instance has the minute
        kind="Primary",
        instance_id=instance.id,
        resource_group_id=instance.resource_group_id,
    )


def all_interfaces(state: State) -> Iterator[NetworkInterface]:
    """Yield every interface of the cloud, whether requests may find it or not."""
    for instance in state.instances:
        yield primary_interface(instance)
    yield from state.network_interfaces


def interfaces_in_region(state: State, region: str | None) -> list[NetworkInterface]:
    """Return what requests may find in a region (None: in all); secondary ones come last."""
    primary = [primary_interface(instance) for instance in state.instances.in_region(region)]
    return [*primary, *state.network_interfaces.in_region(region)]


def find_interface(state: State, interface_id: str, *, region: str | None) -> NetworkInterface:
    """Return the interface that a request names; raises ``InvalidEniId.NotFound``."""
    for instance in state.instances.in_region(region):
        if instance.network_interface_id == interface_id:
            return primary_interface(instance)
    return state.network_interfaces.find(interface_id, region=region)


def put_interface(state: State, interface: NetworkInterface) -> None:
    """Store a changed interface; inside a transaction."""
    if interface.kind == "Secondary":
        state.network_interfaces.put(interface)
        return
    instance = state.instances.get(interface.instance_id)
    if instance is None:
        raise refusals.INTERFACE_NOT_FOUND()
    state.instances.put(
        replace(
            instance,
            interface_name=interface.name,
            interface_description=interface.description,
            secondary_ips=interface.secondary_ips,
            security_group_ids=interface.security_group_ids,
        )
    )


def attached_interfaces(state: State, instance_id: str) -> list[NetworkInterface]:
    """Return the secondary interfaces of an instance, as they come in the guest."""
    found = (each for each in state.network_interfaces if each.instance_id == instance_id)
    return sorted(found, key=lambda interface: interface.index)


def leave_interfaces(state: State, instance_id: str) -> None:
    """Set the secondary interfaces of a released instance to ``Detaching``.

    They stay so, with their addresses, until its guest is gone: see :func:`release_interfaces`.
    """
    for interface in attached_interfaces(state, instance_id):
        state.network_interfaces.put(replace(interface, status="Detaching"))


def release_interfaces(state: State, instance_id: str) -> None:
    """Remove the interfaces that are released with an instance, and free the others; its guest is
    gone."""
    for interface in attached_interfaces(state, instance_id):
        if interface.delete_on_release:
            remove_interface(state, interface)
        else:
            state.network_interfaces.put(detached(interface))


def remove_interface(state: State, interface: NetworkInterface) -> None:
    """Take a secondary interface out; its public address is bound to nothing then."""
    state.network_interfaces.remove(interface.id)
    unbind_eips(state, interface.id)
    forget_server(state, interface.id)


def detached(interface: NetworkInterface) -> NetworkInterface:
    """Return an interface as it is once it is attached to nothing."""
    return replace(interface, instance_id="", index=0, status="Available")
