"""Changing classic load balancers: names, status, protection, what they cost."""

from __future__ import annotations

from dataclasses import replace

from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.load_balancers import CHARGES, modification_protection
from ecsmachine.localcloud.protocol.errors import invalid_parameter
from ecsmachine.localcloud.protocol.identifiers import new_order_id
from ecsmachine.localcloud.protocol.names import valid_description
from ecsmachine.localcloud.state.balancers import BalancerStatus, LoadBalancer
from ecsmachine.localcloud.state.model import Switch


def set_load_balancer_name(call: Call) -> None:
    """SetLoadBalancerName."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    name = call.parameters.require("LoadBalancerName")
    if not valid_description(name, least=1, most=80):
        raise invalid_parameter("LoadBalancerName")
    call.state.load_balancers.put(replace(balancer, name=name))


def set_load_balancer_status(call: Call) -> None:
    """SetLoadBalancerStatus: active or inactive."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    status: BalancerStatus = call.parameters.require_choice(
        "LoadBalancerStatus", ("active", "inactive")
    )
    call.state.load_balancers.put(replace(balancer, status=status))


def set_load_balancer_delete_protection(call: Call) -> None:
    """SetLoadBalancerDeleteProtection: on or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    protection: Switch = call.parameters.require_choice("DeleteProtection", ("on", "off"))
    call.state.load_balancers.put(replace(balancer, delete_protection=protection))


def set_load_balancer_modification_protection(call: Call) -> None:
    """SetLoadBalancerModificationProtection: on (ConsoleProtection) or off."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    call.parameters.require("ModificationProtectionStatus")
    protection, reason = modification_protection(call.parameters)
    call.state.load_balancers.put(
        replace(balancer, modification_protection=protection, modification_protection_reason=reason)
    )


def modify_load_balancer_internet_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInternetSpec: charge type and bandwidth."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    charge = call.parameters.choice(
        "InternetChargeType", CHARGES, balancer.internet_charge_type, spelled=str.lower
    )
    bandwidth = call.parameters.integer("Bandwidth", balancer.bandwidth, least=-1, most=5120)
    changed = replace(balancer, internet_charge_type=charge, bandwidth=bandwidth)
    return _keep_if_paid(call, changed, pays=True)


def modify_load_balancer_instance_spec(call: Call) -> Answer:
    """ModifyLoadBalancerInstanceSpec: its size."""
    balancer = call.required(call.state.load_balancers, "LoadBalancerId")
    spec = call.parameters.require("LoadBalancerSpec")
    if not spec.startswith("slb."):
        raise invalid_parameter("LoadBalancerSpec")
    return _keep_if_paid(call, replace(balancer, spec=spec), pays=False)


def _keep_if_paid(call: Call, changed: LoadBalancer, *, pays: bool) -> Answer:
    """Keep a change; one of a subscription is an order, and only kept if that is paid for."""
    if changed.charge_type == "PayOnDemand":
        call.state.load_balancers.put(changed)
        return {"OrderId": 0}
    if call.parameters.boolean("AutoPay", pays):
        call.state.load_balancers.put(changed)
    return {"OrderId": int(new_order_id())}
