from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import Api


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def api(cloud: EmbeddedCloud) -> Api:
    return Api(cloud)
