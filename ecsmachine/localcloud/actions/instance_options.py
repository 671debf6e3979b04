"""Instance options that are stored and returned, without effect here: processors, metadata."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Call
from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import CpuOptions, MetadataOptions


def modify_instance_metadata_options(call: Call) -> None:
    """ModifyInstanceMetadataOptions: missing options stay unchanged."""
    parameters = call.parameters
    instance = call.required(call.state.instances, "InstanceId")
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


TOPOLOGIES = ("ContinuousCoreToHTMapping", "DiscreteCoreToHTMapping")


def cpu_options_of_request(
    parameters: Parameters, kind: InstanceType, before: CpuOptions | None = None
) -> CpuOptions:
    """Return the options that a request leads to; raises ``InvalidParameter``.

    The number of cores is that of the type, and no other; of two threads a core one may be
    switched off.
    """
    asked, before = parameters.struct("CpuOptions"), before or CpuOptions()
    if asked.given("Core") and asked.integer("Core") != kind.cores:
        raise invalid_parameter(asked.name("Core"), f"{kind.id} has {kind.cores} cores.")
    threads = asked.integer(
        "ThreadsPerCore", before.threads_per_core, least=1, most=kind.threads_per_core
    )
    topology = asked.choice("TopologyType", TOPOLOGIES, before.topology)
    return CpuOptions(threads, topology)
