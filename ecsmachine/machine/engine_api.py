"""Docker Engine's HTTP API, as far as a machine needs it: does it answer, and what is it.

Uses the standard library alone: ``ls`` asks many engines and must start fast. For an answer that
needs no explanation :mod:`engine_look` is quicker still.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass

from ecsmachine.documents.fields import read_object
from ecsmachine.documents.rules import VERSION, address_of
from ecsmachine.machine.engine_look import (
    EngineCertificateError,
    EngineConnectionError,
    check_files,
    host_of,
    port_of,
    tls_context,
)
from ecsmachine.machine.model import AuthOptions
from ecsmachine.ssh.route import check_route
from ecsmachine.ssh.stream import open_stream

_LONGEST_ANSWER = 8 << 20
"""How much of an answer is read, in bytes; that of a swarm of 1,000 nodes is about 2 MiB."""

_INVALID = "There was an error validating certificates for"


class EngineSilentError(EngineConnectionError):
    """The engine at ``url`` did not answer in time."""

    def __init__(self, url: str):
        super().__init__(f"The Docker engine does not answer at {_where(url)}: no answer in time")


@dataclass(frozen=True)
class EngineAnswer:
    """What an engine said: the HTTP status, and the body as it came."""

    status: int
    body: bytes


def ask_version(url: str, auth: AuthOptions, *, timeout_s: float) -> str:
    """Return the version of the engine at ``url`` (``tcp://ADDRESS:PORT``), asked over TLS.

    Raises as :func:`exchange` does. Source: ``GET /version`` of the Engine API.
    """
    answer = exchange(url, auth, "GET", "/version", timeout_s=timeout_s)
    where = _where(url)
    if answer.status != 200:
        raise EngineConnectionError(
            f"The Docker engine at {where} answered with status {answer.status}"
        )
    version = read_object(
        answer.body,
        lambda reason: EngineConnectionError(
            f"What answers at {where} is not a Docker engine: {reason}"
        ),
    )
    version.required("ApiVersion", VERSION)
    return version.required("Version", VERSION)


def serves(url: str, auth: AuthOptions, *, timeout_s: float) -> bool | None:
    """Whether the engine answers with the certificate in the machine's folder, and takes ours.

    None if nothing answers.
    """
    from ecsmachine.machine.certificate_ends import certificate_or_none
    from ecsmachine.machine.engine_refusal import own_fault, served_certificate

    shown = served_certificate(host_of(url), port_of(url), auth, timeout_s=timeout_s)
    if shown is None:
        return None
    if shown != certificate_or_none(auth.server_cert_path):
        return False
    try:
        exchange(url, auth, "GET", "/_ping", timeout_s=timeout_s)
    except EngineCertificateError:
        return None if own_fault(auth) else False
    except EngineConnectionError:
        return None
    return True


def exchange(
    url: str, auth: AuthOptions, method: str, path: str, *, body: object = None, timeout_s: float
) -> EngineAnswer:
    """Send one request to the engine at ``url`` over TLS; ``body`` is sent as JSON.

    Both sides are verified: its certificate against the CA and its address, ours by it.
    Raises :class:`EngineConnectionError`, :class:`EngineCertificateError` or
    :class:`~ecsmachine.ssh.route.NoGuestError`.
    """
    host, port = host_of(url), port_of(url)
    if not host:
        raise EngineConnectionError(f'"{url}" is not an engine URL')
    if not auth.jump:
        check_route(host)
    check_files(auth)
    # where nothing listens, neither the certificates nor HTTP need be loaded
    try:
        stream = open_stream(host, port, jump=auth.jump, timeout_s=timeout_s)
    except OSError as error:
        raise _unanswered(url, error) from error
    import http.client

    from ecsmachine.http_client.answer import TimedResponse

    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    connection.response_class = TimedResponse
    headers = {"Host": "docker"}
    content = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body).encode()
    try:
        connection.sock = stream
        connection.sock = tls_context(auth).wrap_socket(stream, server_hostname=host)
        connection.request(method, path, body=content, headers=headers)
        answer = connection.getresponse()
        return EngineAnswer(answer.status, answer.read(_LONGEST_ANSWER))
    except ssl.SSLEOFError as error:  # an engine that is being restarted does that as well
        raise _cut(url, auth, error) from error
    except ssl.SSLError as error:
        from ecsmachine.machine.engine_refusal import explain

        reason, hint = explain(host, port, auth, error, timeout_s=timeout_s)
        raise EngineCertificateError(f"{_INVALID} {_where(url)}: {reason}", hint=hint) from error
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError) as error:
        raise _cut(url, auth, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _unanswered(url, error) from error
    finally:
        connection.close()


def _cut(url: str, auth: AuthOptions, error: OSError) -> EngineConnectionError:
    """Return the error for a connection that the engine ended: its alert may have been lost."""
    from ecsmachine.machine.engine_refusal import own_fault

    fault = own_fault(auth)
    if fault is not None:
        return EngineCertificateError(f"{_INVALID} {_where(url)}: {fault.reason}", hint=fault.hint)
    return _unanswered(url, error)


def _unanswered(url: str, error: Exception) -> EngineConnectionError:
    if isinstance(error, TimeoutError):
        return EngineSilentError(url)
    return EngineConnectionError(
        f"The Docker engine does not answer at {_where(url)}: {_reason(error)}"
    )


def _where(url: str) -> str:
    return f'host "{address_of(host_of(url), port_of(url))}"'


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLEOFError):
        return "it ended the connection"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
