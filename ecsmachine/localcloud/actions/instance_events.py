"""Events and health of instances: on this machine none is planned and none has been."""

from __future__ import annotations

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.protocol.paging import page, page_by_number
from ecsmachine.localcloud.state.model import Instance
from ecsmachine.localcloud.state.resources import find_instance, visible_instances

_STATUS_CODES = {"Pending": 0, "Starting": 8, "Running": 1, "Stopping": 2, "Stopped": 3}
_ACTIONS_ON_MAINTENANCE = ("AutoRecover", "Stop", "AutoRedeploy")


def describe_instances_full_status(call: Call) -> Answer:
    """DescribeInstancesFullStatus: states, health, and the events that are planned (none)."""
    wanted = call.parameters.text("Status")
    health = call.parameters.text("HealthStatus")
    found = [
        instance
        for instance in _instances(call)
        if wanted in ("", instance.status) and health in ("", "Ok")
    ]
    if call.parameters.listed("EventId") or call.parameters.given("EventType"):
        found = []
    part, fields = page_by_number(call.parameters, found, most=50)
    return {
        **fields,
        "InstanceFullStatusSet": {
            "InstanceFullStatusType": [
                {
                    "InstanceId": instance.id,
                    "Status": {
                        "Code": _STATUS_CODES[instance.status],
                        "Name": instance.status,
                    },
                    "HealthStatus": {"Code": 0, "Name": "Ok"},
                    "ScheduledSystemEventSet": {"ScheduledSystemEventType": []},
                }
                for instance in part
            ]
        },
    }


def describe_instance_history_events(call: Call) -> Answer:
    """DescribeInstanceHistoryEvents: there have been none."""
    call.check_region()
    instance_id = call.parameters.text("InstanceId")
    if instance_id:
        find_instance(call.state, instance_id)
    nothing: list[Instance] = []
    _, fields = page(call.parameters, nothing)
    return {**fields, "InstanceSystemEventSet": {"InstanceSystemEventType": []}}


def describe_instance_maintenance_attributes(call: Call) -> Answer:
    """DescribeInstanceMaintenanceAttributes: as they are unless changed."""
    part, fields = page_by_number(call.parameters, _instances(call))
    return {
        **fields,
        "MaintenanceAttributes": {
            "MaintenanceAttribute": [
                {
                    "InstanceId": instance.id,
                    "ActionOnMaintenance": {
                        "Value": _ACTIONS_ON_MAINTENANCE[0],
                        "DefaultValue": _ACTIONS_ON_MAINTENANCE[0],
                        "SupportedValues": {"SupportedValue": list(_ACTIONS_ON_MAINTENANCE)},
                    },
                    "MaintenanceWindows": {"MaintenanceWindow": []},
                    "NotifyOnMaintenance": False,
                }
                for instance in part
            ]
        },
    }


def _instances(call: Call) -> list[Instance]:
    region = call.region
    ids = call.parameters.listed("InstanceId", most=100)
    return [
        instance
        for instance in reversed(visible_instances(call.state))
        if instance.region == region.id and (not ids or instance.id in ids)
    ]
