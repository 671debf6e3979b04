"""The registry's programs, of Debian's packages, and its process: Docker Distribution."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host.image import Report, made_once
from ecsmachine.localcloud.host.network import NamespaceSockets
from ecsmachine.localcloud.host.packages import (
    PackageSet,
    fetch_packages,
    packages_path,
    read_manifest,
)
from ecsmachine.localcloud.host.processes import why_not_listening
from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.registry import busybox
from ecsmachine.localcloud.registry.push import answers, has_image, push
from ecsmachine.system.files import folder_exists
from ecsmachine.system.os_errors import reason

PACKAGES = PackageSet("registry", ("docker-registry", "busybox-static"))
_DISTRIBUTION = "usr/bin/docker-registry"
BUSYBOX = "bin/busybox"
"""A busybox that needs no library."""


def fetch_programs(cache: Path, image: Path, report: Report) -> Path:
    """Return the folder with the unpacked packages; fetch them first if they are not there.

    Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError`.
    """
    target = cache / "registry" / packages_path(cache, image, PACKAGES).name
    if folder_exists(target):
        return target
    packages = fetch_packages(cache, image, report, PACKAGES)

    def unpack(work: Path) -> Path:
        for package in read_manifest(packages):
            if package.file.partition("_")[0] in PACKAGES.names:
                run(["dpkg-deb", "--extract", str(packages / package.file), str(work)])
        return work

    return made_once(target, report, unpack)


_log = logging.getLogger("ecsmachine.localcloud.registry")

_START_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 5.0


@dataclass(eq=False, repr=False)
class Registry:
    """A registry at ``address`` (HOST:PORT), which keeps its images in ``folder``.

    ``programs`` is the folder with the unpacked packages.
    With ``namespace`` it listens in that network namespace, else on the host. It ends with the
    thread that started it.
    """

    programs: Path
    folder: Path
    address: str
    namespace: Path | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where engines find it, as a mirror."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start it, and put busybox into it if it is not there.

        Raises :class:`~ecsmachine.localcloud.protocol.errors.LocalCloudError`.
        """
        self._check_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "config.yml"
        settings.write_text(json.dumps(self._settings(), indent=1))  # JSON is YAML
        inside = [] if self.namespace is None else ["nsenter", f"--net={self.namespace}"]
        program = [str(self.programs / _DISTRIBUTION), "serve", str(settings)]
        try:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *inside, *program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            raise LocalCloudError(f"The registry cannot be started: {reason(error)}") from None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not answers(self.address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise LocalCloudError(
                    f"The registry does not answer at {self.address}.",
                    hint="See why: ecsmachine local logs",
                )
            time.sleep(0.02)
        self._fill()

    def stop(self) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _check_port(self) -> None:
        host, _, port = self.address.rpartition(":")
        try:
            if self.namespace is None:
                socket.create_server((host, int(port))).close()
            else:
                with closing(NamespaceSockets(self.namespace)) as sockets:
                    sockets.listen(host, int(port)).close()
        except OSError as error:
            why = why_not_listening(error, int(port), namespace=self.namespace)
            raise LocalCloudError(f"The registry cannot listen on {self.address}: {why}") from None

    def _fill(self) -> None:
        if has_image(self.address, busybox.NAME):
            return
        with tempfile.TemporaryDirectory(prefix="ecsmachine-busybox-") as work:
            image = busybox.busybox_image(self.programs / BUSYBOX, Path(work))
            push(self.address, busybox.NAME, "latest", image)
        _log.info("busybox is in the registry")

    def _settings(self) -> dict[str, object]:
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "images")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": self.address},
        }
