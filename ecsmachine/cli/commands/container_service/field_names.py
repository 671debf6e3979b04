"""What the command line calls the fields of requests, for errors that a person is to act on."""

from __future__ import annotations

from ecsmachine.aliyun.container_service.rules import FieldError
from ecsmachine.errors import UsageError

_NAMES = {
    "name": "NAME",
    "ip": "ADDRESS",
    "instances": "INSTANCE",
    "step": "STEP",
    "value": "PERCENT",
    "template": "--file",
    "driverOpts": "--opt",
    "ecs_image_id": "--image",
    "login_password": "--password",
    "num_of_nodes": "--workers",
    "region_id": "--region",
    "vpcid": "--vpc-id",
    "vswitchid": "--vswitch-id",
    "zoneid": "--zone",
    "master_instance_type": "--master-type",
    "worker_instance_type": "--worker-type",
}
_VARIABLES = {
    "vpc_id": "ECS_VPC_ID",
    "vpcid": "ECS_VPC_ID",
    "vswitch_id": "ECS_VSWITCH_ID",
    "vswitchid": "ECS_VSWITCH_ID",
    "zoneid": "ECS_ZONE",
}
_OF_ALL_NODES = ("charge_type", "period_unit", "period")
"""Options that masters and workers share."""


def on_command_line(error: FieldError) -> UsageError:
    """Return the error with the name of the option or argument in the place of the field's."""
    field = error.field
    named = error.called(_name(field))
    variable = _VARIABLES.get(field)
    if variable and named.hint and named.hint.startswith("Give --"):
        named.hint = f"{named.hint.rstrip('.')}, or set {variable}."
    return named


def _name(field: str) -> str:
    if field in _NAMES:
        return _NAMES[field]
    plain = field.removeprefix("master_").removeprefix("worker_").removeprefix("instance_")
    if plain in _OF_ALL_NODES:
        field = plain
    return f"--{field.replace('_', '-')}"
