"""Listeners of classic load balancers: the actions; ``work/balancers.py`` forwards traffic."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.catalog.listener_settings import (
    OF_EVERY_PROTOCOL,
    SETTINGS,
    Setting,
    Value,
)
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.errors import ApiError, invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.localcloud.protocol.paging import page_by_token
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state import tagging
from ecsmachine.localcloud.state.balancers import Backend, Listener, ListenerStatus, LoadBalancer
from ecsmachine.localcloud.state.servers import address_of, instance_of
from ecsmachine.localcloud.work.balancing import backends_of, place_of

MAX_LISTENERS = 50


def create(call: Call, protocol: str) -> None:
    """CreateLoadBalancerTCPListener, or that of another protocol: it is stopped first."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    parameters = call.parameters
    port = _port_of_request(parameters, "ListenerPort")
    if any(
        item.port == port and _share_a_port(item.protocol, protocol) for item in balancer.in_order()
    ):
        raise refusals.of("ListenerAlreadyExists")
    if len(balancer.listeners) >= MAX_LISTENERS:
        raise ApiError("TooManyListeners", "The quota of listeners is exceeded.")
    for setting in SETTINGS[protocol]:
        if setting.needed:
            parameters.require(setting.name)
    values = _setting_values(parameters, protocol, {})
    group_id = _server_group_of_request(call, balancer)
    backend_port = 0 if group_id else _port_of_request(parameters, "BackendServerPort")
    listener = Listener(port, protocol, "stopped", backend_port, group_id, values)
    tags = tagging.tags_of_request(parameters)
    tagging.put_tags(call.state, "listener", balancer.id_of(listener), balancer.region, tags)
    _keep_listeners(call, balancer, (*balancer.listeners, listener))


def change(call: Call, protocol: str) -> None:
    """SetLoadBalancerTCPListenerAttribute, or that of another protocol.

    Missing parameters stay unchanged. ``VServerGroup`` on or off selects the servers.
    """
    balancer, listener = _listener_of_request(call, protocol)
    parameters = call.parameters
    switch = parameters.choice("VServerGroup", ("", "on", "off"))
    group_id = _server_group_of_request(call, balancer) or listener.server_group_id
    if switch == "on":
        group_id = group_id or parameters.require("VServerGroupId")
    changed = replace(
        listener,
        settings=_setting_values(parameters, protocol, listener.settings),
        server_group_id="" if switch == "off" else group_id,
    )
    _replace_listener(call, balancer, listener, changed)


def describe(call: Call, protocol: str) -> Answer:
    """DescribeLoadBalancerTCPListenerAttribute, or that of another protocol."""
    balancer, listener = _listener_of_request(call, protocol)
    return {
        **_general_view(balancer, listener),
        **_told_settings(listener),
        **_protocol_view(protocol),
        "SecurityStatus": "on",
        "AclIds": {"AclId": []},
        "Tags": tagging.ecs_tags(_tags(call, balancer, listener)),
    }


def describe_load_balancer_listeners(call: Call) -> Answer:
    """DescribeLoadBalancerListeners: those of many balancers, page by page."""
    region = call.region
    parameters = call.parameters
    ids = parameters.listed("LoadBalancerId", most=10)
    protocol = parameters.choice("ListenerProtocol", ("", *SETTINGS))
    port = parameters.integer("ListenerPort", least=1, most=65535)
    description = parameters.text("Description")
    tags = tagging.tag_filter(parameters)
    found = [
        (balancer, listener)
        for balancer in call.state.load_balancers.in_region(region.id)
        if not ids or balancer.id in ids
        for listener in balancer.in_order()
        if protocol in ("", listener.protocol)
        and port in (0, listener.port)
        and description in ("", listener.settings.get("Description"))
        and tagging.has_tags(_tags(call, balancer, listener), tags)
    ]
    part, fields = page_by_token(parameters, found, size=20)
    return {**fields, "Listeners": [_listener_view(call, *item) for item in part]}


def delete_listener(call: Call) -> None:
    """DeleteLoadBalancerListener: in either state."""
    balancer, listener = _listener_of_request(call, call.parameters.text("ListenerProtocol"))
    _keep_listeners(call, balancer, tuple(item for item in balancer.listeners if item != listener))
    tagging.drop_tags(call.state, "listener", balancer.id_of(listener), None)


def describe_health_status(call: Call) -> Answer:
    """DescribeHealthStatus: of the servers behind listeners that run.

    Where nothing is carried nothing is probed: a server is normal while its instance runs.
    """
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protocol = call.parameters.choice("ListenerProtocol", ("", *SETTINGS))
    port = call.parameters.integer("ListenerPort", least=1, most=65535)
    return {
        "BackendServers": {
            "BackendServer": [
                _health_view(call, balancer, listener, backend, server_port)
                for listener in balancer.in_order()
                if listener.status == "running"
                and port in (0, listener.port)
                and protocol in ("", listener.protocol)
                for backend, server_port in backends_of(call.state, balancer, listener)
            ]
        }
    }


def _health_view(
    call: Call, balancer: LoadBalancer, listener: Listener, backend: Backend, port: int
) -> dict[str, Any]:
    instance = instance_of(call.state, backend)
    place = place_of(listener, balancer.address)
    well = call.lifecycle.balancers.is_well(place, backend.key, port)
    if well is None:
        well = instance is not None and instance.status == "Running"
    return {
        "ServerId": backend.server_id,
        "ServerIp": address_of(call.state, backend),
        "ListenerPort": listener.port,
        "Protocol": listener.protocol,
        "Port": port,
        "ServerHealthStatus": ("normal" if well else "abnormal")
        if _told_settings(listener)["HealthCheck"] == "on"
        else "unavailable",
    }


def set_status(call: Call, status: ListenerStatus) -> None:
    """StartLoadBalancerListener, StopLoadBalancerListener."""
    balancer, listener = _listener_of_request(call, call.parameters.text("ListenerProtocol"))
    _replace_listener(call, balancer, listener, replace(listener, status=status))


def _listener_of_request(call: Call, protocol: str) -> tuple[LoadBalancer, Listener]:
    """Return the listener of a request; ``protocol`` may be empty while the port says it all."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    if protocol not in ("", *SETTINGS):
        raise invalid_parameter("ListenerProtocol")
    port = _port_of_request(call.parameters, "ListenerPort")
    found = [
        item for item in balancer.listeners if item.port == port and protocol in ("", item.protocol)
    ]
    if not found:
        raise ApiError(
            "The specified resource does not exist",
            f"The load balancer has no such listener on port {port}.",
            404,
        )
    if len(found) > 1:
        raise missing_parameter("ListenerProtocol")
    return balancer, found[0]


def _tags(call: Call, balancer: LoadBalancer, listener: Listener) -> dict[str, str]:
    return tagging.resource_tags(call.state, "listener", balancer.id_of(listener))


def _share_a_port(one: str, other: str) -> bool:
    # All but UDP are TCP on the wire.
    return (one == "udp") == (other == "udp")


def _keep_listeners(call: Call, balancer: LoadBalancer, listeners: tuple[Listener, ...]) -> None:
    call.state.load_balancers.put(replace(balancer, listeners=listeners))


def _replace_listener(call: Call, balancer: LoadBalancer, old: Listener, new: Listener) -> None:
    _keep_listeners(
        call, balancer, tuple(new if item == old else item for item in balancer.listeners)
    )


def _port_of_request(parameters: Parameters, name: str) -> int:
    parameters.require(name)
    return parameters.integer(name, least=1, most=65535)


def _server_group_of_request(call: Call, balancer: LoadBalancer) -> str:
    parameters = call.parameters
    if parameters.text("AclStatus", "off") != "off" or parameters.given("AclId"):
        raise ApiError("AclNotExist", "The specified AclId does not exist.")
    if parameters.given("MasterSlaveServerGroupId"):
        raise refusals.of("The specified MasterSlaveGroupId does not exist")
    group = call.optional(call.state.server_groups, "VServerGroupId")
    if group is None:
        return ""
    if group.balancer_id != balancer.id:
        raise invalid_parameter("VServerGroupId", "It is a group of another load balancer.")
    return group.id


def _setting_values(
    parameters: Parameters, protocol: str, before: dict[str, Value]
) -> dict[str, Value]:
    """Return all settings; raises ``MissingParameter`` for what sticky sessions lack."""
    values = {item.name: _setting_value(parameters, item, before) for item in SETTINGS[protocol]}
    if values.get("StickySession") == "on":
        of_kind = {"insert": "CookieTimeout", "server": "Cookie"}
        needed = of_kind.get(str(values["StickySessionType"]), "StickySessionType")
        if not values[needed]:
            raise missing_parameter(needed)
    return values


def _setting_value(parameters: Parameters, setting: Setting, before: dict[str, Value]) -> Value:
    name = next((name for name in setting.names if parameters.given(name)), "")
    if not name:
        return before.get(setting.name, setting.default)
    if isinstance(setting.default, int):
        value = parameters.integer(name, least=setting.least, most=setting.most)
        if setting.name == "Bandwidth" and value == 0:
            raise invalid_parameter(name)
        return value
    if setting.choices:
        return parameters.choice(name, setting.choices)
    text = parameters.text(name)
    if not re.fullmatch(setting.form, text):
        raise invalid_parameter(name)
    return text


def _general_view(balancer: LoadBalancer, listener: Listener) -> dict[str, Any]:
    return {
        **fixed("Listener"),
        "LoadBalancerId": balancer.id,
        "ListenerPort": listener.port,
        # with a server group each server has its own
        **({} if listener.server_group_id else {"BackendServerPort": listener.backend_port}),
        "Status": listener.status,
        "VServerGroupId": listener.server_group_id,
    }


def _told_settings(listener: Listener) -> dict[str, Value]:
    """Return the settings for the answer."""
    values = {
        item: listener.settings.get(item.name, item.default) for item in SETTINGS[listener.protocol]
    }
    told = {item.name: value for item, value in values.items() if value or not item.optional}
    if "ProxyProtocolV2Enabled" in told:
        # Of all of them the only one that answers have as a truth.
        told["ProxyProtocolV2Enabled"] = told["ProxyProtocolV2Enabled"] == "true"
    return told


def _protocol_view(protocol: str) -> dict[str, Any]:
    if protocol in ("tcp", "udp"):
        return {"MasterSlaveServerGroupId": ""}
    rules: dict[str, Any] = {"Rules": {"Rule": []}}
    return {**rules, "DomainExtensions": {"DomainExtension": []}} if protocol == "https" else rules


def _listener_view(call: Call, balancer: LoadBalancer, listener: Listener) -> dict[str, Any]:
    tags = _tags(call, balancer, listener)
    settings = _told_settings(listener)
    if "ProxyProtocolV2Enabled" in settings:  # a text here, and true or false by itself
        settings["ProxyProtocolV2Enabled"] = str(settings["ProxyProtocolV2Enabled"]).lower()
    general = {name: settings.pop(name) for name in OF_EVERY_PROTOCOL if name in settings}
    return {
        **_general_view(balancer, listener),
        "ListenerProtocol": listener.protocol,
        "AclIds": [],
        **general,
        f"{listener.protocol.upper()}ListenerConfig": settings,
        "Tags": tagging.ecs_tags(tags)["Tag"],
    }
