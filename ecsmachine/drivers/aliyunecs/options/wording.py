"""What errors of Alibaba Cloud call the options of the driver."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ecsmachine.aliyun.credentials import CredentialFlags
from ecsmachine.aliyun.error_codes import Meaning
from ecsmachine.aliyun.errors import Wording

WORDING = Wording(
    endpoint="--aliyunecs-region or --aliyunecs-api-endpoint (ECS_API_ENDPOINT)",
    hints={
        Meaning.KEY_UNKNOWN: "Check the access key id (--aliyunecs-access-key-id, "
        "ECS_ACCESS_KEY_ID); keys are listed at https://ram.console.aliyun.com.",
        Meaning.SECRET_WRONG: (
            "Check the access key secret (--aliyunecs-access-key-secret, ECS_ACCESS_KEY_SECRET)."
        ),
        Meaning.TOKEN_MISMATCH: (
            'An earlier attempt used other options: use "ecsmachine rm", then create again.'
        ),
        Meaning.OUT_OF_STOCK: (
            "Choose another zone (--aliyunecs-zone) or another type (--aliyunecs-instance-type)."
        ),
        Meaning.NO_DISK: (
            "Choose another category (--aliyunecs-system-disk-category, "
            "--aliyunecs-disk-category), zone or instance type."
        ),
        Meaning.NO_ADDRESS: (
            "Choose another VSwitch (--aliyunecs-vswitch-id), or leave it to ecsmachine."
        ),
        Meaning.UNKNOWN_TYPE: "Choose another type (--aliyunecs-instance-type).",
        Meaning.INVALID_PASSWORD: (
            "Choose another password (--aliyunecs-ssh-password, ECS_SSH_PASSWORD)."
        ),
        Meaning.NOT_THE_API: "Check the API endpoint (--aliyunecs-api-endpoint, ECS_API_ENDPOINT).",
    },
)

_STORED_KEY = (
    'config.json keeps this key: "ecsmachine credentials set --environment NAME" replaces it by '
    "ECS_ACCESS_KEY_ID and ECS_ACCESS_KEY_SECRET."
)

STORED_WORDING = replace(
    WORDING,
    hints={**WORDING.hints, Meaning.KEY_UNKNOWN: _STORED_KEY, Meaning.SECRET_WRONG: _STORED_KEY},
)
"""For a machine whose configuration keeps its key."""

credential_flags = partial(
    CredentialFlags,
    named=("--aliyunecs-access-key-id", "--aliyunecs-access-key-secret"),
    command="ecsmachine credentials set",
)
"""Makes what the command line says about credentials, under the driver's names."""
