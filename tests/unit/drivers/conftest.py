from __future__ import annotations

from pathlib import Path

import pytest

from ecsmachine.drivers.base import DriverContext


@pytest.fixture
def context(tmp_path: Path) -> DriverContext:
    return DriverContext(
        machine_name="dev1",
        store_path=tmp_path / "store",
        directory=tmp_path / "store" / "machines" / "dev1",
        store_id="store-1",
        environment={
            "HOME": str(tmp_path),
            "ECS_ACCESS_KEY_ID": "id",
            "ECS_ACCESS_KEY_SECRET": "secret-of-test",
        },
    )
