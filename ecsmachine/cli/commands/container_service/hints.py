"""What to do about refusals of Container Service, by their codes."""

from __future__ import annotations

from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import ApiError

_BY_MEANING = {
    Meaning.NOT_THE_API: "Check the endpoint (--endpoint, CS_API_ENDPOINT).",
    Meaning.KEY_UNKNOWN: "Check the access key id (ECS_ACCESS_KEY_ID, or --profile).",
    Meaning.UNKNOWN_TYPE: "Take another type (--instance-type).",
    Meaning.OUT_OF_STOCK: "Take another type (--instance-type).",
    Meaning.INVALID_PASSWORD: "Choose another password (--password, ECS_SSH_PASSWORD).",
    Meaning.SECRET_WRONG: "Check the access key secret (ECS_ACCESS_KEY_SECRET, or --profile).",
}
"""For what machines meet as well, with other options."""

_HINTS = {
    "ErrorClusterNotFound": '"ecsmachine cluster ls" lists them.',
    "ErrorClusterState": '"ecsmachine cluster ls" shows the states; --wait waits for their end.',
    "ErrorLastNode": '"ecsmachine cluster rm" removes the cluster.',
    "ErrorNodeNotFound": '"ecsmachine cluster nodes" lists them.',
    "InvalidImageId.NotFound": '"ecsmachine cluster images" lists them.',
    "ProjectAlreadyExists": '"ecsmachine project update" puts a new version in its place.',
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


def hint_for(error: ApiError) -> str | None:
    """Return what to do about a refusal, if that is known."""
    return _HINTS.get(error.code) or _BY_MEANING.get(error.meaning) or error.hint
