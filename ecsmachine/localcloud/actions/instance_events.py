"""Events and health of instances: on this machine none is planned and none has been."""

from __future__ import annotations

from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.listing import Listing, always, equals, never, newest, one_of
from ecsmachine.localcloud.protocol.paging import page
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import Instance

_STATUS_CODES = {"Pending": 0, "Starting": 8, "Running": 1, "Stopping": 2, "Stopped": 3}
_ACTIONS_ON_MAINTENANCE = ("AutoRecover", "Stop", "AutoRedeploy")


def describe_instance_history_events(call: Call) -> Answer:
    """DescribeInstanceHistoryEvents: there have been none."""
    call.optional(call.state.instances, "InstanceId")
    nothing: list[Instance] = []
    _, fields = page(call.parameters, nothing)
    return {**fields, "InstanceSystemEventSet": {"InstanceSystemEventType": []}}


def _full_status_view(call: Call, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "Status": {"Code": _STATUS_CODES[instance.status], "Name": instance.status},
        "HealthStatus": {"Code": 0, "Name": "Ok"},
        "ScheduledSystemEventSet": {"ScheduledSystemEventType": []},
    }


def _maintenance_view(call: Call, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "ActionOnMaintenance": {
            "Value": _ACTIONS_ON_MAINTENANCE[0],
            "DefaultValue": _ACTIONS_ON_MAINTENANCE[0],
            "SupportedValues": {"SupportedValue": list(_ACTIONS_ON_MAINTENANCE)},
        },
        "MaintenanceWindows": {"MaintenanceWindow": []},
        "NotifyOnMaintenance": False,
    }


FULL_STATUSES = Listing(
    Instance,
    "InstanceFullStatusSet.InstanceFullStatusType",
    newest(lambda state: state.instances),
    _full_status_view,
    (
        one_of("InstanceId", "id", Parameters.listed),
        equals("Status", "status"),
        always("HealthStatus", "Ok"),
        never("EventId", "EventType", "InstanceEventType"),
        never("EventPublishTime.Start", "EventPublishTime.End", "NotBefore.Start", "NotBefore.End"),
    ),
    most=50,
)
MAINTENANCE = Listing(
    Instance,
    "MaintenanceAttributes.MaintenanceAttribute",
    newest(lambda state: state.instances),
    _maintenance_view,
    (one_of("InstanceId", "id", Parameters.listed),),
)
