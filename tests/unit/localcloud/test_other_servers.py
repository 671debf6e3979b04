"""Another server at an address of the local cloud is told from it, in one line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry.push import answers, has_image
from ecsmachine.localcloud.service.remote import RemoteCloud


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Answer one connection with these bytes, whatever it asks for, at HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
def test_a_web_server_in_place_of_the_cloud(status: bytes) -> None:
    page = b"<html></html>"
    length = b"Content-Length: %d" % len(page)
    with answering(b"HTTP/1.1 " + status + b"\r\n" + length + b"\r\n\r\n" + page) as address:
        cloud = RemoteCloud(f"http://{address}", "id", "secret")
        with pytest.raises(LocalCloudError, match=f"^http://{address} is no local cloud: "):
            cloud.after()


def test_another_protocol_in_place_of_the_registry() -> None:
    with (
        answering(b"SSH-2.0-OpenSSH_9.6\r\n") as address,
        pytest.raises(LocalCloudError, match=f"^The registry at {address} does not answer: "),
    ):
        has_image(address, "library/busybox")
    with answering(b"SSH-2.0-OpenSSH_9.6\r\n") as address:
        assert not answers(address)
