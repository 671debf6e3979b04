"""Hints for refusals of Container Service, and the command line names of fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ecsmachine.aliyun.container_service.rules import ClusterError, FieldError
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError
from ecsmachine.errors import UsageError

_BY_MEANING = {
    Meaning.KEY_UNKNOWN: "Check the access key id (ECS_ACCESS_KEY_ID, or --profile).",
    Meaning.UNKNOWN_TYPE: "Choose another type (--instance-type).",
    Meaning.OUT_OF_STOCK: "Choose another type (--instance-type).",
    Meaning.INVALID_PASSWORD: "Choose another password (--password, ECS_SSH_PASSWORD).",
    Meaning.SECRET_WRONG: "Check the access key secret (ECS_ACCESS_KEY_SECRET, or --profile).",
}
"""For errors that machines have too, with other options."""

_HINTS = {
    "CertificatesMissing": 'Fetch it with "ecsmachine cluster certs {name}".',
    "ErrorClusterNotFound": '"ecsmachine cluster ls" lists them.',
    "ErrorClusterState": '"ecsmachine cluster ls" shows the states; --wait waits for their end.',
    "ErrorLastNode": '"ecsmachine cluster rm" removes the cluster.',
    "ErrorNodeNotFound": '"ecsmachine cluster nodes" lists them.',
    "InvalidImageId.NotFound": '"ecsmachine cluster images" lists the system images.',
    "MasterMissing": 'See its state with "ecsmachine cluster ls".',
    "ProjectAlreadyExists": '"ecsmachine project update" replaces its version.',
    "ProjectBusy": '"ecsmachine project ls" shows the states; --wait waits for their end.',
    "ProjectNotFound": '"ecsmachine project ls" lists them.',
    "ProjectRunning": 'Stop it ("ecsmachine project stop"), or give --force.',
    "ProjectUpdating": '"ecsmachine project confirm-update" or "rollback-update".',
    "ProjectVersionConflict": "Give another --version.",
    "ProjectWeightConflict": '"ecsmachine service weight" sets it; or give --force.',
    "ServiceNotFound": '"ecsmachine service ls" lists them.',
    "VolumeInUse": "Remove the projects that use it first.",
    "VolumeNotFound": '"ecsmachine volume ls" lists them.',
}


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


@contextmanager
def for_commands() -> Iterator[None]:
    """Let errors speak of commands: of the option that a field comes from, of what to do."""
    try:
        yield
    except FieldError as error:
        raise _on_command_line(error) from None
    except ClusterError as error:
        error.hint = _HINTS[error.code].format(name=error.name)
        raise
    except ApiError as error:
        error.hint = _HINTS.get(error.code) or _BY_MEANING.get(error.meaning) or error.hint
        raise


def _on_command_line(error: FieldError) -> UsageError:
    """Return the error with the name of the option or argument instead of the field."""
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
