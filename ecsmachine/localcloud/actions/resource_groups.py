"""Resource groups: moving resources to another group. Every group id is accepted."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.refusals import Refusal

_KINDS = (
    *("instance", "disk", "snapshot", "image", "securitygroup", "eni", "keypair"),
    *("launchtemplate", "command"),
)


def join_resource_group(call: Call) -> None:
    """JoinResourceGroup: move a resource to another group."""
    parameters = call.parameters
    group_id = parameters.require("ResourceGroupId")
    resource_id = parameters.require("ResourceId")
    kind = parameters.require_choice(
        "ResourceType",
        _KINDS,
        error=refusals.of("InvalidResourceType.NotFound#groups"),
    )
    table = call.state.tagged_table(kind)
    if not group_id.startswith("rg-"):
        raise refusals.not_found("ResourceGroup")
    interfaces = [instance.network_interface_id for instance in call.state.instances]
    if table is None or resource_id in interfaces:
        # A primary interface is in the group of its instance.
        raise refusals.not_supported("ResourceId")
    resource = call.find(table, resource_id, missing=Refusal("InvalidResourceId.NotFound"))
    table.put(replace(resource, resource_group_id=group_id))
