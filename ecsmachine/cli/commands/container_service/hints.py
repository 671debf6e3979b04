"""What to do about refusals of Container Service, by their codes."""

from __future__ import annotations

_BY_BEGINNING = {
    "HTTP": "Check the endpoint (--endpoint, CS_API_ENDPOINT).",
    "InvalidAccessKeyId": "Check the access key id (ECS_ACCESS_KEY_ID, or --profile).",
    "InvalidInstanceType": "Take another type (--instance-type).",
    "InvalidPassword": "Choose another password (--password, ECS_SSH_PASSWORD).",
    "InvalidResourceType": "Take another type (--instance-type).",
    "SignatureDoesNotMatch": "Check the access key secret (ECS_ACCESS_KEY_SECRET, or --profile).",
}
"""For codes that machines have as well, with other options."""

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


def hint_for(code: str) -> str | None:
    """Return what to do about a refusal with this code, if that is known."""
    if code in _HINTS:
        return _HINTS[code]
    return next((hint for start, hint in _BY_BEGINNING.items() if code.startswith(start)), None)
