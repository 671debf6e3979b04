"""One request to an action.

An action finds a resource of the request with ``call.required(table, parameter)``. This refuses a
missing parameter, and a resource of another region than that of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ecsmachine.localcloud.actions.instance_view import InstanceViews
from ecsmachine.localcloud.catalog.images import Image
from ecsmachine.localcloud.catalog.regions import Region, known_region
from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.protocol.errors import missing_parameter
from ecsmachine.localcloud.protocol.identifiers import default_resource_group
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.protocol.refusals import Refusal
from ecsmachine.localcloud.state.model import Session
from ecsmachine.localcloud.state.state import State
from ecsmachine.localcloud.state.tables import OfRegion, ResourceTable
from ecsmachine.localcloud.work.lifecycle import Lifecycle

Answer = dict[str, Any]
R = TypeVar("R", bound=OfRegion)


@dataclass(frozen=True)
class Call:
    """The input of an action: the parameters of the request, and the cloud.

    ``caller`` is the session whose temporary key signed the request; None is the account itself.
    ``version`` is that of the product of the request ("" for calls of the cloud itself).
    ``lenient``: parameters that are not implemented are ignored, not refused.
    """

    action: str
    parameters: Parameters
    state: State
    lifecycle: Lifecycle
    images: Sequence[Image]
    views: InstanceViews
    faults: FaultBook
    host: str = "localhost"
    caller: Session | None = None
    version: str = ""
    lenient: bool = False

    @property
    def region(self) -> Region:
        """The region asked for; raises ``MissingParameter`` where none is, and none is required."""
        region_id = self.region_id
        if region_id is None:
            raise missing_parameter("RegionId")
        return known_region(region_id)

    @property
    def region_id(self) -> str | None:
        """The id of the region asked for, or None. That it is there was checked before."""
        return self.parameters.text("RegionId") or None

    def find(self, table: ResourceTable[R], name: str, *, missing: Refusal | None = None) -> R:
        """Return the resource of that id in the region of the request.

        Raises the refusal of its table, or ``missing`` where the action has another one for it.
        """
        return table.find(name, region=self.region_id, missing=missing)

    def required(
        self, table: ResourceTable[R], parameter: str, *, missing: Refusal | None = None
    ) -> R:
        """Return the resource that a parameter names; raises ``MissingParameter`` without one."""
        return self.find(table, self.parameters.require(parameter), missing=missing)

    def optional(self, table: ResourceTable[R], parameter: str) -> R | None:
        """Return the resource that a parameter names, or None if it is not given."""
        name = self.parameters.text(parameter)
        return self.find(table, name) if name else None

    @property
    def resource_group_id(self) -> str:
        """The resource group asked for, or the account's default one."""
        default = default_resource_group(self.state.account.id)
        return self.parameters.text("ResourceGroupId", default)


Action = Callable[[Call], Answer | None]
"""The function of an action; None is an answer without fields."""
Actions = Mapping[str, Action]
