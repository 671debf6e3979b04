"""Resource groups: what is put into another one. Every id of a group is accepted."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError

_KINDS = (
    *("instance", "disk", "snapshot", "image", "securitygroup", "eni", "keypair"),
    *("launchtemplate", "command"),
)


def join_resource_group(call: Call) -> Answer:
    """JoinResourceGroup: a resource goes into another group."""
    parameters = call.parameters
    group_id = parameters.require("ResourceGroupId")
    resource_id = parameters.require("ResourceId")
    kind = parameters.require_choice(
        "ResourceType",
        _KINDS,
        error=ApiError(
            "InvalidResourceType.NotFound", "The ResourceType provided does not exist.", 404
        ),
    )
    table = call.state.tagged_table(kind)
    if not group_id.startswith("rg-"):
        raise refusals.not_found("ResourceGroup")
    if table is None:  # an interface that is there from the beginning: it is its instance's
        raise refusals.not_supported("ResourceType")
    resource = call.find(table, resource_id)
    table.put(replace(resource, resource_group_id=group_id))
    return {}
