"""Our client takes on a role at the local cloud, and works with the temporary key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ecsmachine.aliyun.access_key import Credentials, FixedCredentials
from ecsmachine.aliyun.rpc import RpcClient
from ecsmachine.aliyun.sts import StsClient
from ecsmachine.errors import MachineError
from ecsmachine.localcloud.service.embedded import embedded_cloud


def test_a_role_is_taken_on(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path / "cloud") as cloud:
        key = Credentials(cloud.access_key_id, cloud.access_key_secret)

        def sts(credentials: Credentials) -> StsClient:
            provider = FixedCredentials("test", credentials)
            return StsClient(cloud.region, provider, custom_endpoint=cloud.endpoint)

        account = cloud.state.account.id
        temporary, expires = sts(key).assume_role(
            f"acs:ram::{account}:role/ci", session_name="tests", duration_s=900
        )
        assert 800 < expires - time.time() <= 900
        assert sts(temporary).account_id() == account
        ecs = RpcClient(cloud.endpoint, "2014-05-26", FixedCredentials("test", temporary))
        assert ecs.call("DescribeZones", {"RegionId": cloud.region}).objects("Zones", "Zone")
        without_token = Credentials(temporary.access_key_id, temporary.access_key_secret)
        with pytest.raises(MachineError, match="MissingSecurityToken"):
            sts(without_token).account_id()
        with pytest.raises(MachineError, match=r"EntityNotExist\.Role"):
            sts(key).assume_role("acs:ram::1:role/ci", session_name="tests", duration_s=900)
