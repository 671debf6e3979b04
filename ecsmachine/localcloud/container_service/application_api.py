"""The application API: which path and method does what (chapter 5), and how it is answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from ecsmachine.localcloud.container_service.applications import Applications
from ecsmachine.localcloud.container_service.engines import EngineError
from ecsmachine.localcloud.container_service.fields import Fields, read_fields
from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.identifiers import request_id
from ecsmachine.localcloud.work.supervisor import ClosingError

LOG = logging.getLogger("ecsmachine.localcloud.container_service")

_MOST_WAIT_S = 600
_OWN = re.compile(r"/(?:projects|services|service|volumes)(?:/|\?|$)")


@dataclass(frozen=True)
class Reply:
    """An answer; ``content`` None is an empty body."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """A request of a path that is known: its variable part, its query, its body."""

    name: str
    query: Fields
    body: Fields

    def flag(self, *names: str, default: bool = False) -> bool:
        """Return whether the query says true under one of these names."""
        return any(self.query.boolean(name, default) for name in names)

    @property
    def part(self) -> str:
        """What is looked for in names."""
        return self.query.text("q")

    @property
    def signal(self) -> str:
        """The signal to send."""
        return self.query.text("signal", "KILL")

    @property
    def wait_s(self) -> int | None:
        """How long to wait; None is a container's own time, ten seconds unless it has one."""
        return self.query.integer("t", least=0, most=_MOST_WAIT_S) if "t" in self.query else None


_Answer = Callable[[Applications, _Asked], object]
"""Returns the content of an answer, or a :class:`Reply` with more than that."""


def is_application_path(target: str) -> bool:
    """Return whether a path is one of applications; all others are Docker's API."""
    return _OWN.match(target) is not None


def respond(applications: Applications, method: str, target: str, body: bytes) -> Reply:
    """Answer a request; refusals have code, message and request id."""
    try:
        path, _, query = target.partition("?")
        status, answer, name = _route(method, path.rstrip("/"))
        values = Fields(dict(parse_qsl(query, keep_blank_values=True)))
        content = answer(applications, _Asked(name, values, read_fields(body)))
        return content if isinstance(content, Reply) else Reply(status, content)
    except ClosingError as error:
        return _refusal(503, "ServiceUnavailable", error.message)
    except ApiError as error:
        return _refusal(error.status, error.code, error.message)
    except EngineError as error:
        # one that does not answer may do so soon: clients ask again
        return _refusal(409 if error.status else 503, "EngineError", str(error))
    except Exception:
        LOG.exception("%s %s failed", method, target.partition("?")[0])
        return _refusal(500, "InternalError", "The request failed because of an unknown error.")


def _refusal(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"Code": code, "Message": message, "RequestId": request_id()})


def _route(method: str, path: str) -> tuple[int, _Answer, str]:
    known = False
    for wanted, pattern, status, answer in _ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            known = True
            if wanted == method:
                return status, answer, unquote(match[1]) if match.groups() else ""
    if known:
        raise ApiError("MethodNotAllowed", f"{path} does not support {method}.", 405)
    raise ApiError("PathNotFound", f"The path {path} does not exist.", 404)


def _create_project(applications: Applications, asked: _Asked) -> Reply:
    name, warnings = applications.create_project(asked.body)
    return Reply(201, headers={"Location": f"/projects/{quote(name)}", **_warning(warnings)})


def _update_project(applications: Applications, asked: _Asked) -> Reply:
    return Reply(202, headers=_warning(applications.update_project(asked.name, asked.body)))


def _scale_service(applications: Applications, asked: _Asked) -> Reply:
    return Reply(200, headers=_warning(applications.scale_service(asked.name, asked.body)))


def _rollback_update(applications: Applications, asked: _Asked) -> None:
    if not asked.flag("force", "rollback-update"):
        raise ApiError("InvalidParameter", "The parameter force must be true.")
    applications.rollback_update(asked.name)


def _confirm_update(applications: Applications, asked: _Asked) -> None:
    # the guide's table has another name for it than its examples
    name = "force" if "force" in asked.query else "confirm-update"
    if name not in asked.query:
        raise ApiError("MissingParameter", "The parameter force is required: true or false.")
    applications.confirm_update(asked.name, force=asked.flag(name))


def _list_projects(applications: Applications, asked: _Asked) -> object:
    services = asked.flag("services", default=True)
    containers = asked.flag("containers", default=True)
    return applications.list_projects(asked.part, services=services, containers=containers)


def _list_services(applications: Applications, asked: _Asked) -> object:
    return applications.list_services(asked.part, containers=asked.flag("containers", default=True))


def _delete_project(applications: Applications, asked: _Asked) -> None:
    force, volumes = asked.flag("force"), asked.flag("v", "volume")
    applications.delete_project(asked.name, force=force, volumes=volumes)


def _warning(lines: Sequence[str]) -> dict[str, str]:
    """Return a header Warning (RFC 7234, 5.5) with these lines."""
    if not lines:
        return {}
    quoted = (
        line.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
        for line in lines
    )
    return {"Warning": ", ".join(f'299 - "{line}"' for line in quoted)}


_PATHS: tuple[tuple[str, str, int, _Answer], ...] = (
    ("GET", "/projects", 200, _list_projects),
    ("POST", "/projects", 201, _create_project),
    ("GET", "/projects/NAME", 200, lambda a, r: a.get_project(r.name)),
    ("DELETE", "/projects/NAME", 200, _delete_project),
    ("POST", "/projects/NAME/start", 200, lambda a, r: a.start_project(r.name)),
    ("POST", "/projects/NAME/stop", 200, lambda a, r: a.stop_project(r.name, r.wait_s)),
    ("POST", "/projects/NAME/kill", 200, lambda a, r: a.kill_project(r.name, r.signal)),
    ("POST", "/projects/NAME/redeploy", 200, lambda a, r: a.redeploy_project(r.name)),
    ("POST", "/projects/NAME/update", 202, _update_project),
    ("POST", "/projects/NAME/confirm-update", 202, _confirm_update),
    ("POST", "/projects/NAME/rollback-update", 202, _rollback_update),
    ("GET", "/services", 200, _list_services),
    ("GET", "/services/NAME", 200, lambda a, r: a.get_service(r.name)),
    ("POST", "/services/NAME/start", 200, lambda a, r: a.start_service(r.name)),
    # as in the guide's example
    ("POST", "/service/NAME/start", 200, lambda a, r: a.start_service(r.name)),
    ("POST", "/services/NAME/stop", 200, lambda a, r: a.stop_service(r.name, r.wait_s)),
    ("POST", "/services/NAME/kill", 200, lambda a, r: a.kill_service(r.name, r.signal)),
    ("POST", "/services/NAME/scale", 200, _scale_service),
    ("POST", "/services/NAME/weight", 200, lambda a, r: a.set_weight(r.name, r.body)),
    ("GET", "/volumes", 200, lambda a, _: a.volumes.list()),
    ("POST", "/volumes/create", 201, lambda a, r: a.volumes.create(r.body)),
    ("GET", "/volumes/NAME", 200, lambda a, r: a.volumes.get(r.name)),
    ("DELETE", "/volumes/NAME", 204, lambda a, r: a.volumes.delete(r.name)),
)
_ROUTES = tuple(
    (method, re.compile(re.escape(path).replace("NAME", "([^/]+)")), status, answer)
    for method, path, status, answer in _PATHS
)
