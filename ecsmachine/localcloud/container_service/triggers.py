"""Triggers: made and removed by the API, in the manner of the newer service; fired by anybody
who has the address (chapter 6).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlencode

from ecsmachine.localcloud.container_service.application_views import service_id, services_of
from ecsmachine.localcloud.container_service.cluster_work import ClusterWork
from ecsmachine.localcloud.container_service.clusters import ClusterCall
from ecsmachine.localcloud.container_service.fields import Fields, no_project
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.state.clusters import Trigger, TriggerAction, project_id
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.state import State

PATH = "/hook/trigger"
MOST_STEPS = 100
_ACTIONS: tuple[TriggerAction, ...] = get_args(TriggerAction)


def create_trigger(call: ClusterCall) -> dict[str, Any]:
    """Create a trigger for a project, and answer its address; only this answer has the secret."""
    cluster_id = call.name.lower()
    name = call.body.require("project_id")
    project = call.state.projects.get(project_id(cluster_id, name))
    if project is None:
        raise no_project(name)
    action = call.body.choice("action", _ACTIONS)
    service = ""
    if action == "scaling":
        service = call.body.require("service")
        release = project.releases[0]
        known = {service_id(project, release, one): one for one in services_of(name, release)}
        plain = known.get(service, service)
        if plain not in known.values():
            raise ApiError("ServiceNotFound", f"There is no service {service} in {name}.", 404)
        service = plain
    trigger_id = secrets.token_hex(8)
    secret = secrets.token_hex(32)
    text = f"{cluster_id}|{name}|{action}|{trigger_id}|"
    trigger = Trigger(
        id=trigger_id,
        cluster_id=cluster_id,
        project=name,
        action=action,
        service=service,
        token=base64.b64encode(text.encode()).decode(),
        secret_digest=_digest(secret),
        created=timestamp(),
    )
    call.state.triggers.put(trigger)
    query = urlencode({"triggerUrl": trigger.token, "secret": secret})
    return {**api_fields(trigger), "url": f"{call.endpoint}{PATH}?{query}"}


def list_triggers(call: ClusterCall) -> list[dict[str, Any]]:
    """Return a cluster's triggers without their secrets."""
    own = [t for t in call.state.triggers if t.cluster_id == call.name.lower()]
    return [api_fields(trigger) for trigger in own]


def delete_trigger(call: ClusterCall) -> None:
    """Remove a trigger."""
    trigger = call.state.triggers.get(call.part)
    if trigger is None or trigger.cluster_id != call.name.lower():
        raise ApiError("TriggerNotFound", f"There is no trigger {call.part}.", 404)
    call.state.triggers.remove(trigger.id)


def fire(state: State, work: ClusterWork, query: Mapping[str, str]) -> dict[str, Any]:
    """Carry out a trigger; blocks until the work has begun, or is done if it scales.

    The error does not say whether the token or the secret is wrong.
    """
    fields = Fields(query)
    token, secret = fields.require("triggerUrl"), fields.require("secret")
    digest = _digest(secret)
    with state.lock:
        trigger = next(
            (
                one
                for one in state.triggers
                if hmac.compare_digest(one.token.rstrip("="), token.rstrip("=").replace(" ", "+"))
            ),
            None,
        )
    known = digest if trigger is None else trigger.secret_digest
    if trigger is None or not hmac.compare_digest(known, digest):
        raise ApiError("InvalidTrigger", "There is no such trigger.", 403)
    applications = work.applications(trigger.cluster_id)
    if applications is None:
        raise ApiError("ErrorClusterState", "The cluster of the trigger is not running.", 409)
    if trigger.action == "redeploy":
        applications.redeploy_project(trigger.project)
        return {"action": "redeploy", "project_id": trigger.project}
    kind = fields.choice("type", ("scale_out", "scale_in"))
    step = fields.integer("step", least=1, most=MOST_STEPS)
    change = step if kind == "scale_out" else -step
    service = f"{trigger.project}_{trigger.service}"
    number = applications.scale_to(service, lambda n: n + change)
    done = {"action": kind, "project_id": trigger.project, "containers": number}
    told = applications.warnings_of_scale(service, number)
    return {**done, "message": "; ".join(told)} if told else done


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
