"""A cloud whose guests are recorded; of a folder, so that a test can serve it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecsmachine.localcloud.service.embedded import embedded_cloud
from ecsmachine.localcloud.state.settings import Delays, Settings
from tests.api.localcloud.api_client import Api
from tests.unit.localcloud.recording_guests import RecordingGuests


@contextmanager
def served(root: Path, guests: RecordingGuests, delays: Delays | None = None) -> Iterator[Api]:
    settings = Settings(delays=delays or Delays())
    with embedded_cloud(root, settings, guests=guests, watch_interval_s=0.05) as cloud:
        yield Api(cloud)
