"""Processors of an instance as it was asked for: kept and told, as guests share the host's."""

from __future__ import annotations

from ecsmachine.localcloud.catalog.instance_types import InstanceType
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import CpuOptions

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
