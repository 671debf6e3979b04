"""A cloud in another process, over its own pages (:mod:`.own_pages`)."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.service.own_pages import (
    EVENTS_PATH,
    KEEP_ALIVE_S,
    REQUESTS_PATH,
    RESET_PATH,
    TICKET_PATH,
)
from ecsmachine.localcloud.service.request_log import RecordedRequest
from ecsmachine.system.os_errors import reason

_TIMEOUT_S = 2 * KEEP_ALIVE_S


@dataclass(frozen=True)
class RemoteCloud:
    """The cloud at ``endpoint`` (a URL): its requests, read with its access key.

    All methods raise :class:`LocalCloudError` where it does not answer.
    """

    endpoint: str
    access_key_id: str
    access_key_secret: str = field(repr=False)

    def after(self, number: int = 0) -> list[RecordedRequest]:
        """Return the requests with higher numbers, oldest first."""
        data = self._ask("GET", f"{REQUESTS_PATH}?after={number}")
        return [RecordedRequest(**one) for one in data["requests"]]

    def clear(self) -> None:
        """Let the cloud forget its requests."""
        self._ask("DELETE", REQUESTS_PATH)

    def reset(self) -> None:
        """Clear the cloud: remove resources, faults and requests, and apply its seed again."""
        self._ask("POST", RESET_PATH)

    def ticket(self) -> str:
        """Return a token that opens the cloud's page once, within a minute."""
        return str(self._ask("POST", TICKET_PATH)["token"])

    def follow(self, number: int) -> Iterator[RecordedRequest]:
        """Yield the requests with higher numbers, and those that come until the cloud ends."""
        with self._asked("GET", f"{EVENTS_PATH}?after={number}") as answer:
            name = ""
            for line in answer:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data" and name == "request":
                    yield RecordedRequest(**json.loads(value))

    def _ask(self, method: str, target: str) -> Any:
        with self._asked(method, target) as answer:
            return json.loads(answer.read() or b"{}")

    @contextmanager
    def _asked(self, method: str, target: str) -> Iterator[http.client.HTTPResponse]:
        key = f"{self.access_key_id}:{self.access_key_secret}"
        headers = {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}
        # no proxy: none knows the way here
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                told = json.loads(answer.read() or b"{}").get("error", answer.status)
                raise LocalCloudError(f"{self.endpoint}{target} answers: {told}")
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise LocalCloudError(f"{self.endpoint} does not answer: {reason(error)}") from None
        except ValueError:  # another server has taken its port
            raise LocalCloudError(
                f"{self.endpoint} is no local cloud: it answers no JSON."
            ) from None
        finally:
            connection.close()
