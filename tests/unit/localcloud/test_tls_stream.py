"""TLS whose directions end one by one, as Docker's clients need it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from ecsmachine.localcloud.container_service.certificates import make_certificates
from ecsmachine.localcloud.container_service.docker import client_context
from ecsmachine.localcloud.container_service.tls_stream import TlsStream


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.load_verify_locations(cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def answer_after_the_end(folder: Path, client: ssl.SSLContext) -> bytes:
    """Send, say that nothing more comes, and return what is answered after that."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = TlsStream(reader, writer, server_context(folder), server_side=True)
        try:
            await stream.handshake()
            head = await stream.read_until(b"\n", 100)
            rest = b""
            while block := await stream.read():
                rest += block
            await stream.write(head.upper() + rest)
        except OSError:
            pass
        finally:
            await stream.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stream = TlsStream(reader, writer, client, server_hostname="127.0.0.1")
        await stream.handshake()
        await stream.write(b"head\nand ")
        await stream.write(b"rest")
        await stream.end()
        found = b""
        while block := await asyncio.wait_for(stream.read(), 10):
            found += block
        await stream.close()
        return found
    finally:
        server.close()


def test_an_answer_comes_after_the_question_has_ended(tmp_path: Path) -> None:
    make_certificates(tmp_path, "test", ["127.0.0.1"])
    found = asyncio.run(answer_after_the_end(tmp_path, client_context(tmp_path)))
    assert found == b"HEAD\nand rest"


def test_another_authority_is_not_accepted(tmp_path: Path) -> None:
    make_certificates(tmp_path / "one", "test", ["127.0.0.1"])
    make_certificates(tmp_path / "other", "test", ["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(answer_after_the_end(tmp_path / "one", client_context(tmp_path / "other")))


def test_certificates_are_private_and_made_once(tmp_path: Path) -> None:
    make_certificates(tmp_path, "test", ["127.0.0.1"])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    make_certificates(tmp_path, "test", ["127.0.0.1"])
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
