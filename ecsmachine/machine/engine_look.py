"""The quick look at an engine: is it the machine's own, and which version.

TLS, and of HTTP one request by hand, so that a short command loads neither an HTTP client nor what
explains failures: whoever has to say why an engine does not answer asks :mod:`engine_api`.
"""

from __future__ import annotations

import errno
import os
import ssl
import stat
import time

from ecsmachine.documents.fields import read_object
from ecsmachine.documents.rules import URL, VERSION, url_parts
from ecsmachine.errors import MachineError
from ecsmachine.ssh.private_files import check_private
from ecsmachine.ssh.stream import open_stream

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from ecsmachine.ssh.target import Jump

    class EngineFiles(Protocol):
        """Where the certificates of a machine are, and through which host it is reached."""

        @property
        def machine_dir(self) -> Path | str:
            """The machine's folder."""

        @property
        def client_dir(self) -> Path | str:
            """The folder with the client's ca.pem, cert.pem and key.pem."""

        @property
        def server_cert_path(self) -> Path | str:
            """The engine's certificate."""

        @property
        def jump(self) -> Jump | None:
            """The jump host, if there is one."""


PATIENCE_S = 0.3
"""How long an engine may be silent before the provider is asked as well, in seconds."""

_TURNS = 5
"""How many round trips an answer may take, of what the connection took: TLS and HTTP need four."""

_LONGEST_ANSWER = 64 << 10


class EngineConnectionError(MachineError):
    """The engine did not answer (as it should)."""


class EngineCertificateError(EngineConnectionError):
    """The engine answered, but its certificate or ours was not accepted."""


def host_of(url: str) -> str:
    """Return the host of an engine's URL; "" for a text that is none, as driver none takes it."""
    return url_parts(url)[1] if URL.fits(url) else ""


def port_of(url: str) -> int:
    """Return the port of an engine's URL; 2376 if it names none."""
    return (url_parts(url)[2] if URL.fits(url) else None) or 2376


def is_there(url: str, files: EngineFiles, *, timeout_s: float) -> bool:
    """Whether what answers at ``url`` proves, over TLS, to be the machine's own engine.

    One that takes the connection late is far away, and has more time for its answer.
    """
    try:
        with _own_engine(url, files, timeout_s):
            return True
    except (OSError, ValueError, MachineError):
        return False


def quick_version(url: str, files: EngineFiles, *, timeout_s: float) -> str | None:
    """Return the version of the machine's own engine, or None if it does not tell it in time.

    Source: ``GET /version`` of the Engine API.
    """
    try:
        with _own_engine(url, files, timeout_s) as engine:
            # without a connection to keep (HTTP/1.0) the answer ends where the stream does
            engine.sendall(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n")
            deadline = time.monotonic() + (engine.gettimeout() or timeout_s)
            answer = b""
            while chunk := engine.recv(_LONGEST_ANSWER):
                answer += chunk
                if len(answer) > _LONGEST_ANSWER or time.monotonic() > deadline:
                    return None
        head, _, body = answer.partition(b"\r\n\r\n")
        status, _, headers = head.lower().partition(b"\r\n")
        if not status.startswith((b"http/1.0 200", b"http/1.1 200")) or b"chunked" in headers:
            return None
        version = read_object(body, MachineError)
        version.required("ApiVersion", VERSION)
        return version.required("Version", VERSION)
    except (OSError, ValueError, MachineError):
        return None


def _own_engine(url: str, files: EngineFiles, timeout_s: float) -> ssl.SSLSocket:
    """Return a connection to the engine, which has shown the certificate in the machine's folder.

    Another machine of the store may have its former address. Raises :class:`OSError`,
    :class:`ValueError` or :class:`MachineError`.
    """
    with open(files.server_cert_path, encoding="ascii") as file:
        own = ssl.PEM_cert_to_DER_cert(file.read())
    begun, host = time.monotonic(), host_of(url)
    stream = open_stream(host, port_of(url), jump=files.jump, timeout_s=timeout_s)
    try:
        stream.settimeout(max(timeout_s, _TURNS * (time.monotonic() - begun)))
        name = host.encode() if host.isascii() else host  # as in open_stream
        secured = tls_context(files).wrap_socket(stream, server_hostname=name)
    except BaseException:
        stream.close()
        raise
    if secured.getpeercert(binary_form=True) != own:
        secured.close()
        raise EngineConnectionError(f"Another engine answers at {url}")
    return secured


def tls_context(files: EngineFiles) -> ssl.SSLContext:
    """Return a TLS context with the machine's CA and the client certificate, TLS 1.2 at least."""
    ca, certificate, key = _client_paths(files)
    check_private(key)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(ca)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise unreadable(files, error) from error
    return context


def check_files(files: EngineFiles) -> None:
    """Raise what is wrong with the client's files as far as it can be seen without reading them."""
    paths = _client_paths(files)
    check_private(paths[-1])
    try:
        for path in paths:
            if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
                raise OSError(errno.EINVAL, f"{os.path.basename(path)} is not a plain file")
    except OSError as error:
        raise unreadable(files, error) from error


def _client_paths(files: EngineFiles) -> list[str]:
    return [os.path.join(files.client_dir, name) for name in ("ca.pem", "cert.pem", "key.pem")]


def unreadable(files: EngineFiles, error: OSError) -> EngineCertificateError:
    """Return the error for client certificates that cannot be read."""
    from ecsmachine.system import os_errors

    name = os.path.basename(files.machine_dir)
    refused = (path for path in _client_paths(files) if not os.access(path, os.R_OK))
    return EngineCertificateError(
        f"The client certificates in {files.machine_dir} cannot be read: {error.strerror or error}",
        hint=os_errors.unread(error, next(refused, files.machine_dir))
        or f'"ecsmachine regenerate-certs {name}" copies them there again.',
    )
