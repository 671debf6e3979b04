from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from tests.api.localcloud.guests.served import served
from tests.unit.localcloud.recording_guests import RecordingGuests


@pytest.fixture
def guests() -> RecordingGuests:
    return RecordingGuests()


@pytest.fixture
def cloud(tmp_path: Path, guests: RecordingGuests) -> Iterator[EmbeddedCloud]:
    with served(tmp_path, guests) as api:
        yield api.cloud
