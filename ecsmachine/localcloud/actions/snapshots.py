"""Snapshots: the local cloud makes none, and says so to whoever looks for them."""

from __future__ import annotations

from ecsmachine.localcloud.call import Answer, Call
from ecsmachine.localcloud.paging import page
from ecsmachine.localcloud.resources import find_disk, find_instance


def describe_snapshots(call: Call) -> Answer:
    """DescribeSnapshots: there are none."""
    call.check_region()
    if call.parameters.given("InstanceId"):
        find_instance(call.state, call.parameters.text("InstanceId"))
    if call.parameters.given("DiskId"):
        find_disk(call.state, call.parameters.text("DiskId"))
    call.parameters.json_list("SnapshotIds")
    nothing: list[str] = []
    _, fields = page(call.parameters, nothing)
    return {**fields, "Snapshots": {"Snapshot": []}}
