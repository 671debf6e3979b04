"""A server that is killed in the middle of its work leaves a whole state behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from ecsmachine.localcloud.faults.book import FaultBook
from ecsmachine.localcloud.host.guests.none import NoGuests
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.request_log import RequestLog
from ecsmachine.localcloud.state.state import State, open_state
from tests.api.localcloud.api_client import Api, until

SERVE = """
import sys
from pathlib import Path
from ecsmachine.localcloud.service.embedded import embedded_cloud

with embedded_cloud(Path(sys.argv[1])) as cloud:
    print(cloud.endpoint, flush=True)
    sys.stdin.read()
"""


def is_whole(state: State) -> None:
    """Assert that everything that belongs together is there."""
    disks = Counter(disk.instance_id for disk in state.disks if disk.kind == "system")
    assert disks == Counter(instance.id for instance in state.instances)
    for disk in state.disks:
        assert disk.instance_id in state.instances
    tagged = {f"instance/{instance.id}" for instance in state.instances}
    tagged |= {f"eni/{instance.network_interface_id}" for instance in state.instances}
    tagged |= {f"disk/{disk.id}" for disk in state.disks}
    for tag_set in state.tag_sets:
        assert tag_set.id in tagged
    addresses = [instance.private_ip for instance in state.instances]
    addresses += [removal.private_ip for removal in state.removals if removal.private_ip]
    assert len(addresses) == len(set(addresses))


def test_killed_while_it_makes_and_removes(tmp_path: Path) -> None:
    state = open_state(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    endpoint = server.stdout.readline().strip()
    # The state in here is only read for its keys: the server has its own.
    api = Api(EmbeddedCloud(endpoint, state, NoGuests(), FaultBook(tmp_path), RequestLog()))
    group = api.group()
    values = {**api.base(group), "DataDisk.1.Size": 20, "Tag.1.Key": "a"}
    answered: dict[str, str] = {}
    halfway = threading.Event()

    def work(worker: int) -> None:
        number = 0
        while True:
            number += 1
            token = f"{worker}-{number}"
            try:
                made = api.call("RunInstances", {**values, "ClientToken": token})
                (instance_id,) = made["InstanceIdSets"]["InstanceIdSet"]
                answered[token] = instance_id
                if number % 3 == 0:
                    api.call("DeleteInstance", InstanceId=instance_id, Force=True)
            except Exception:
                # Cut off by the kill, or refused while Pending: the next round will tell.
                if server.poll() is not None:
                    return
            if len(answered) > 40:
                halfway.set()

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    assert halfway.wait(60)
    server.send_signal(signal.SIGKILL)
    server.wait()
    for worker in workers:
        worker.join()
    server.stdout.close()
    if server.stdin is not None:
        server.stdin.close()
    state.close()

    left = open_state(tmp_path)
    is_whole(left)
    known = {token.id.rpartition("/")[2]: json.loads(token.answer) for token in left.tokens}
    for token, instance_id in answered.items():
        # What was answered is kept: the same token gives the same instance.
        assert known[token]["InstanceIdSets"]["InstanceIdSet"] == [instance_id]
    left.close()
    with embedded_cloud(tmp_path) as cloud:

        def settled() -> bool:
            statuses = {instance.status for instance in cloud.state.instances}
            return statuses <= {"Running"} and not len(cloud.state.removals)

        until(settled)
        is_whole(cloud.state)
