"""How instances reach their metadata: kept and told, as guests have no metadata service."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import MetadataOptions


def modify_instance_metadata_options(call: Call) -> None:
    """ModifyInstanceMetadataOptions: what is not given stays as it was."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
    parameters.require("HttpEndpoint")
    options = metadata_options_of_request(parameters, instance.metadata_options)
    call.state.instances.put(replace(instance, metadata_options=options))


def metadata_options_of_request(
    parameters: Parameters, before: MetadataOptions | None = None
) -> MetadataOptions:
    """Return the options that a request leads to; raises the refusals of their values."""
    before = before or MetadataOptions()
    return MetadataOptions(
        endpoint=parameters.choice(
            "HttpEndpoint",
            ("enabled", "disabled"),
            before.endpoint,
            error=refusals.of("InvalidHttpEndpoint.NotSupported"),
        ),
        tokens=parameters.choice(
            "HttpTokens",
            ("optional", "required"),
            before.tokens,
            error=refusals.of("InvalidHttpTokens.NotSupported"),
        ),
        hop_limit=parameters.integer("HttpPutResponseHopLimit", before.hop_limit, least=1, most=64),
        tags=parameters.choice("InstanceMetadataTags", ("enabled", "disabled"), before.tags),
    )
