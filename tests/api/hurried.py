"""Waiting in a tenth of the time, for tests in which nothing else takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from ecsmachine import polling
from ecsmachine.aliyun.rpc import RpcClient

_TIMES = 10


class HurriedTime:
    """A clock after which the sleep of each thread takes as long as it should; it takes less."""

    def __init__(self) -> None:
        self._skipped = threading.local()

    def monotonic(self) -> float:
        return time.monotonic() + float(getattr(self._skipped, "seconds", 0.0))

    def sleep(self, seconds: float) -> None:
        real = seconds / _TIMES
        time.sleep(real)
        self._skipped.seconds = getattr(self._skipped, "seconds", 0.0) + seconds - real


@contextmanager
def hurried() -> Iterator[None]:
    """Let what waits for the cloud, or before it tries again, wait in a hurry."""
    hurry = HurriedTime()
    with (
        patch.object(polling, "time", hurry),
        patch.dict(RpcClient.__init__.__kwdefaults__, sleep=hurry.sleep),
    ):
        yield
