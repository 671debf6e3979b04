"""Leads a program without an endpoint option here: by a hosts file, relays and a certificate.

The names of the API resolve to a separate loopback address, in a mount namespace for this program
only. Relays there forward HTTP, and TLS with a certificate of a temporary authority, to the
endpoint. The host is not changed.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ecsmachine.localcloud.catalog.regions import regions
from ecsmachine.localcloud.container_service.certificates import make_server_certificate
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.protocol.relays import join
from ecsmachine.system import signals
from ecsmachine.system.files import file_exists, user_id

_DOMAIN = "aliyuncs.com"
_PRODUCTS = ("ecs", "vpc", "slb", "sts", "cs", "location", "location-readonly")
_SYSTEM_AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_BUNDLE_VARIABLES = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "ALIBABA_CLOUD_CA_BUNDLE",  # of the older Python SDK, which reads no other
)
_HOSTS = Path("/etc/hosts")
_ENTER = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'


@dataclass(frozen=True)
class StandIn:
    """Where a program has to be started, and with which variables, to be led here."""

    hosts_file: Path
    variables: Mapping[str, str]

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that starts a program so."""
        namespace = ["unshare", "--mount", "--propagation", "private"]
        return [*namespace, "sh", "-c", _ENTER, "sh", str(self.hosts_file), *argv]


def api_names() -> list[str]:
    """Return the host names that Alibaba Cloud's products have, everywhere and in each region."""
    names = [f"{product}.{_DOMAIN}" for product in _PRODUCTS]
    for region in regions():
        for product in _PRODUCTS:
            names += [
                f"{product}.{region.id}.{_DOMAIN}",
                f"{product}-{region.id}.{_DOMAIN}",
                f"{product}-vpc.{region.id}.{_DOMAIN}",
            ]
    return names


@contextmanager
def stand_in(port: int) -> Iterator[StandIn]:
    """Stand in for Alibaba Cloud, for the endpoint at a port of 127.0.0.1, until the end.

    Raises :class:`LocalCloudError` without root, which the ports 80 and 443 and the mount
    namespace need.
    """
    if user_id() != 0 or shutil.which("unshare") is None:
        raise LocalCloudError(
            '"ecsmachine local run" needs root, on Linux.',
            hint="Run it with sudo. If the program has an endpoint option, set that instead",
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ecsmachine-stand-in-")))
        wildcards = [f"*.{_DOMAIN}", *(f"*.{region.id}.{_DOMAIN}" for region in regions())]
        make_server_certificate(folder, wildcards)
        relay = _Relay(port, folder)
        stack.callback(relay.close)
        hosts = folder / "hosts"
        names = "".join(f"{relay.address} {name}\n" for name in api_names())
        hosts.write_text(_HOSTS.read_text(encoding="utf-8") + names, encoding="utf-8")
        hosts.chmod(0o644)
        folder.chmod(0o711)  # the program may run as another user
        yield StandIn(hosts, _authorities(folder))


def _authorities(folder: Path) -> dict[str, str]:
    """Return the variables by which usual TLS libraries trust the stand-in beside the others."""
    own = (folder / "ca.pem").read_bytes()
    others = next((Path(file) for file in _SYSTEM_AUTHORITIES if file_exists(file)), None)
    bundle = folder / "authorities.pem"
    bundle.write_bytes((others.read_bytes() if others else b"") + own)
    alone = folder / "authority.pem"
    alone.write_bytes(own)
    for file in (bundle, alone):
        file.chmod(0o644)
    return {**dict.fromkeys(_BUNDLE_VARIABLES, str(bundle)), "NODE_EXTRA_CA_CERTS": str(alone)}


class _Relay:
    """Forwards the ports 80 and 443 of a loopback address to the endpoint."""

    def __init__(self, port: int, certificates: Path):
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """Serve no longer; connections that are open are cut."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        signals.leave_to_the_others()
        self._loop.run_forever()

    async def _listen(self) -> str:
        """Listen on the first loopback address whose ports are free; return it."""
        for number in range(2, 255):
            address = f"127.84.0.{number}"
            with suppress(OSError):
                plain = await asyncio.start_server(self._serve, address, 80)
                try:
                    await asyncio.start_server(self._serve, address, 443, ssl=self._context)
                except OSError:
                    plain.close()
                    raise
                return address
        raise LocalCloudError("Ports 80 and 443 are not free on any loopback address.")

    async def _end(self) -> None:
        open_still = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # by close
            await join((reader, writer), there)
        writer.close()
