from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.driver_rig import Rig, rig_in


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as rig:
        yield rig
