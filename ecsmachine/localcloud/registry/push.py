"""Putting an image into a registry (Docker Registry HTTP API v2, without authentication)."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry.content import Blob, ImageContent
from ecsmachine.system.os_errors import reason

_TIMEOUT_S = 60.0
# The grammar of docker/distribution's references.
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def parse_reference(text: str) -> tuple[str, str]:
    """Return name and tag of NAME[:TAG]; a name without "/" is one of Docker's own library.

    A registry's address in front is dropped, as an engine does when it asks a mirror. Raises
    :class:`LocalCloudError`.
    """
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        name, tag = text, "latest"
    host, slash, rest = name.partition("/")
    if slash and _HOST.fullmatch(host) and (set(host) & set(".:") or host == "localhost"):
        name = rest
    if not _NAME.fullmatch(name) or not _TAG.fullmatch(tag):
        raise LocalCloudError(
            f'"{text}" is not the name of an image.',
            hint="Write NAME:TAG in lower case, for example busybox:1.36",
        )
    return (name if "/" in name else f"library/{name}"), tag


def push(address: str, name: str, tag: str, image: ImageContent) -> str:
    """Put an image into the registry at ``address`` (HOST:PORT); return its digest.

    Blobs that are there are not sent again. Raises :class:`LocalCloudError`.
    """
    with _connected(address) as connection:
        for blob in image.blobs:
            _push_blob(connection, name, blob)
        headers = {"Content-Type": image.media_type}
        path = f"/v2/{name}/manifests/{quote(tag)}"
        response, _ = _exchange(connection, "PUT", path, image.manifest, headers)
        _expect(response, 201, f"the manifest of {name}:{tag}")
        return response.headers.get("Docker-Content-Digest", "")


def has_image(address: str, name: str) -> bool:
    """Return whether the registry has an image's ``latest``. Raises :class:`LocalCloudError`."""
    with _connected(address) as connection:
        response, _ = _exchange(connection, "HEAD", f"/v2/{name}/manifests/latest")
        return response.status == 200


def answers(address: str) -> bool:
    """Return whether a registry answers at the address."""
    try:
        with _connected(address, timeout_s=1.0) as connection:
            response, _ = _exchange(connection, "GET", "/v2/")
            return response.status == 200
    except LocalCloudError:
        return False


@contextmanager
def _connected(address: str, timeout_s: float = _TIMEOUT_S) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(address, timeout=timeout_s)
    try:
        yield connection
    except (OSError, http.client.HTTPException) as error:
        raise LocalCloudError(
            f"The registry at {address} does not answer: {reason(error)}"
        ) from None
    finally:
        connection.close()


def _push_blob(connection: http.client.HTTPConnection, name: str, blob: Blob) -> None:
    response, _ = _exchange(connection, "HEAD", f"/v2/{name}/blobs/{blob.digest}")
    if response.status == 200:
        return
    response, _ = _exchange(connection, "POST", f"/v2/{name}/blobs/uploads/")
    _expect(response, 202, f"an upload for {name}")
    place = urlsplit(response.headers["Location"])
    query = f"{place.query}&" if place.query else ""
    with blob.file.open("rb") as stream:
        response, _ = _exchange(
            connection,
            "PUT",
            f"{place.path}?{query}digest={quote(blob.digest)}",
            stream,
            {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
        )
    _expect(response, 201, f"a layer of {name}")


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, body, headers or {})  # type: ignore[arg-type]
    response = connection.getresponse()
    return response, response.read()


def _expect(response: http.client.HTTPResponse, status: int, what: str) -> None:
    if response.status != status:
        raise LocalCloudError(f"The registry refuses {what}: {response.status} {response.reason}.")
