"""The application API of a Swarm cluster's master: HTTPS with the cluster's certificates."""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ecsmachine.aliyun.container_service import rules
from ecsmachine.aliyun.container_service.applications import (
    Project,
    ProjectRequest,
    ProjectUpdate,
    Service,
    Volume,
    VolumeRequest,
)
from ecsmachine.aliyun.errors import one_line
from ecsmachine.aliyun.roa import RoaAnswer, refused, texts_of
from ecsmachine.aliyun.transport import Transport, with_retries
from ecsmachine.documents.reading import read
from ecsmachine.errors import MachineError
from ecsmachine.system.files import file_exists

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_TIMEOUT_S = 300.0
"""How long one request may take: the master answers a stop once all containers have stopped."""


class ApplicationClient:
    """Projects, services and volumes of one cluster.

    ``folder`` has the cluster's ``ca.pem``, ``cert.pem`` and ``key.pem``. ``insecure`` leaves
    the master's certificate unverified; ``untrusted`` is what to do where one side does not accept
    the other's. All methods raise :class:`ApiError` and
    :class:`ConnectionLostError`.
    """

    def __init__(
        self, master_url: str, folder: Path, *, insecure: bool = False, untrusted: str = ""
    ):
        if not master_url:
            raise rules.ClusterError(
                "MasterMissing",
                "The cluster has no master_url: applications need a running Swarm cluster",
            )
        files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
        for file in files.values():
            if not file_exists(file):
                raise rules.ClusterError("CertificatesMissing", f"There is no {file}", folder.name)
        if insecure:
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        self.url = https_of(master_url)
        self._transport = Transport(
            self.url,
            check="that the cluster is running",
            untrusted=untrusted or f"The certificates in {folder} may belong to another cluster.",
            verify=False if insecure else str(files["ca"]),
            cert=(str(files["cert"]), str(files["key"])),
        )

    def projects(self, query: str = "") -> list[Project]:
        """Return the projects, or those that match ``query`` (GET /projects/)."""
        answer = self._get("/projects/", q=query or None, services=True, containers=True)
        return [read(Project, item) for item in answer.objects()]

    def project(self, name: str) -> Project:
        """Return a project (GET /projects/NAME)."""
        return read(Project, self._get(_project(name)).object())

    def create_project(self, request: ProjectRequest) -> tuple[str, ...]:
        """Create an application and start it (POST /projects/). Returns the master's warnings."""
        return self._call("POST", "/projects/", request.body()).warnings

    def start_project(self, name: str) -> None:
        """Start what does not run (POST …/start)."""
        self._call("POST", f"{_project(name)}/start")

    def stop_project(self, name: str, *, wait_s: int | None = None) -> None:
        """Stop what runs; kill it after ``wait_s`` seconds, or its own time (POST …/stop)."""
        self._call("POST", f"{_project(name)}/stop", t=wait_s)

    def kill_project(self, name: str, *, signal: str = "KILL") -> None:
        """Send a signal to what runs (POST …/kill)."""
        self._call("POST", f"{_project(name)}/kill", signal=signal)

    def redeploy_project(self, name: str) -> None:
        """Make all containers anew, of the newest images (POST …/redeploy)."""
        self._call("POST", f"{_project(name)}/redeploy")

    def update_project(self, name: str, update: ProjectUpdate) -> tuple[str, ...]:
        """Put a new version in place of the old, or beside it (POST …/update).

        Returns the master's warnings.
        """
        return self._call("POST", f"{_project(name)}/update", update.body()).warnings

    def confirm_update(self, name: str, *, force: bool) -> None:
        """End a blue-green update with the new version (POST …/confirm-update).

        ``force`` gives it all the traffic first; without, the weights must say so already.
        """
        self._call("POST", f"{_project(name)}/confirm-update", force=force)

    def rollback_update(self, name: str) -> None:
        """End a blue-green update with the old version (POST …/rollback-update)."""
        self._call("POST", f"{_project(name)}/rollback-update", force=True)

    def delete_project(self, name: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a project, ``force`` also while it runs (DELETE /projects/NAME)."""
        self._call("DELETE", _project(name), force=force, v=volumes)

    def services(self, query: str = "", *, containers: bool = True) -> list[Service]:
        """Return the services of all projects (GET /services/)."""
        answer = self._get("/services/", q=query or None, containers=containers)
        return [read(Service, item) for item in answer.objects()]

    def service(self, service_id: str) -> Service:
        """Return a service by its id, PROJECT_NAME (GET /services/ID)."""
        return read(Service, self._get(_service(service_id)).object())

    def start_service(self, service_id: str) -> None:
        """Start its containers (POST …/start)."""
        self._call("POST", f"{_service(service_id)}/start")

    def stop_service(self, service_id: str, *, wait_s: int | None = None) -> None:
        """Stop its containers; kill them after ``wait_s`` seconds, or their time (POST …/stop)."""
        self._call("POST", f"{_service(service_id)}/stop", t=wait_s)

    def kill_service(self, service_id: str, *, signal: str = "KILL") -> None:
        """Send its containers a signal (POST …/kill)."""
        self._call("POST", f"{_service(service_id)}/kill", signal=signal)

    def scale_service(self, service_id: str, containers: int) -> tuple[str, ...]:
        """Bring the number of its containers to ``containers`` (POST …/scale).

        Returns the master's warnings.
        """
        rules.check_number("value", containers, 0, 1000)
        body = {"type": "scale_to", "value": containers}
        return self._call("POST", f"{_service(service_id)}/scale", body).warnings

    def set_weight(self, service_id: str, percent: int) -> None:
        """Set its version's part of the traffic during a blue-green update (POST …/weight).

        The guide's service has this in its console alone; the local cloud has it here.
        """
        rules.check_number("value", percent, 0, 100)
        self._call("POST", f"{_service(service_id)}/weight", {"value": percent})

    def create_volume(self, request: VolumeRequest) -> Volume:
        """Create a volume (POST /volumes/create)."""
        return read(Volume, self._call("POST", "/volumes/create", request.body()).object())

    def volumes(self) -> list[Volume]:
        """Return the volumes (GET /volumes)."""
        return [read(Volume, item) for item in self._get("/volumes").object().objects("Volumes")]

    def volume(self, name: str) -> Volume:
        """Return a volume (GET /volumes/NAME)."""
        return read(Volume, self._get(f"/volumes/{quote(name, safe='')}").object())

    def delete_volume(self, name: str) -> None:
        """Remove a volume (DELETE /volumes/NAME)."""
        self._call("DELETE", f"/volumes/{quote(name, safe='')}")

    def _get(self, path: str, **query: str | int | bool | None) -> RoaAnswer:
        return with_retries(
            lambda: self._call("GET", path, None, **query),
            f"GET {path}",
            idempotent=True,
            total_timeout_s=60.0,
        )

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        **query: str | int | bool | None,
    ) -> RoaAnswer:
        """Send one request and return its answer."""
        sent = texts_of(query)
        what = f"{method} {path}"
        begun = time.monotonic()
        response = self._transport.send(
            what,
            method,
            f"{path}?{urlencode(sent)}" if sent else path,
            data=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
            headers={"Accept": "application/json"}
            | ({} if body is None else {"Content-Type": "application/json"}),
            read_timeout_s=_TIMEOUT_S,
        )
        took_ms = (time.monotonic() - begun) * 1000
        _log.debug("%s: %d, %.0f ms", what, response.status_code, took_ms)
        if not 200 <= response.status_code < 300:
            raise refused(what, response, self._transport.check)
        return RoaAnswer(
            what, self.url, response.status_code, response.content, warnings=warnings_of(response)
        )


def warnings_of(response: requests.Response) -> tuple[str, ...]:
    """Return the texts of an answer's header Warning (RFC 7234, 5.5)."""
    found = _WARNING.findall(response.headers.get("Warning", ""))
    return tuple(one_line(re.sub(r"\\(.)", r"\1", text)) for text in found)


def https_of(master_url: str) -> str:
    """Return the master's address for HTTPS; the console shows it with ``tcp://``."""
    for scheme in ("tcp://", "https://"):
        if master_url.startswith(scheme):
            return "https://" + master_url.removeprefix(scheme).rstrip("/")
    raise MachineError(
        f'The master_url "{master_url}" begins with neither tcp:// nor https://',
        hint="Check the cluster in the console.",
    )


def _project(name: str) -> str:
    return f"/projects/{quote(name, safe='')}"


def _service(service_id: str) -> str:
    return f"/services/{quote(service_id, safe='')}"
