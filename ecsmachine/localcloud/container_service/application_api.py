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
    """What is answered; ``content`` None is an empty body."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """A request of a path that is known: its variable parts, its query, its body."""

    name: str
    query: Fields
    body: Fields


_Answer = Callable[[Applications, _Asked], Reply]


def is_application_path(target: str) -> bool:
    """Return whether a path is one of applications; all others are Docker's API."""
    return _OWN.match(target) is not None


def respond(applications: Applications, method: str, target: str, body: bytes) -> Reply:
    """Answer a request; refusals have code, message and request id."""
    try:
        path, _, query = target.partition("?")
        answer, name = _route(method, path.rstrip("/"))
        values = Fields(dict(parse_qsl(query, keep_blank_values=True)))
        return answer(applications, _Asked(name, values, read_fields(body)))
    except ClosingError as error:
        return _refusal(503, "ServiceUnavailable", error.message)
    except ApiError as error:
        return _refusal(error.status, error.code, error.message)
    except EngineError as error:
        # one that does not answer may do so soon: clients ask again
        return _refusal(409 if error.status else 503, "EngineError", str(error))
    except Exception:
        LOG.exception("%s %s failed", method, target.partition("?")[0])
        return _refusal(500, "InternalError", "The request failed of an unknown error.")


def _refusal(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"Code": code, "Message": message, "RequestId": request_id()})


def _route(method: str, path: str) -> tuple[_Answer, str]:
    known = False
    for wanted, pattern, answer in _ROUTES:
        match = pattern.fullmatch(path)
        if match is not None:
            known = True
            if wanted == method:
                return answer, unquote(match[1]) if match.groups() else ""
    if known:
        raise ApiError("MethodNotAllowed", f"{method} is not for {path}.", 405)
    raise ApiError("PathNotFound", f"There is no {path} here.", 404)


def _list_projects(applications: Applications, asked: _Asked) -> Reply:
    found = applications.list_projects(
        asked.query.text("q"),
        services=asked.query.boolean("services", True),
        containers=asked.query.boolean("containers", True),
    )
    return Reply(200, found)


def _create_project(applications: Applications, asked: _Asked) -> Reply:
    name, warnings = applications.create_project(asked.body)
    return Reply(201, headers={"Location": f"/projects/{quote(name)}", **_warning(warnings)})


def _delete_project(applications: Applications, asked: _Asked) -> Reply:
    volumes = asked.query.boolean("v") or asked.query.boolean("volume")
    applications.delete_project(asked.name, force=asked.query.boolean("force"), volumes=volumes)
    return Reply(200)


def _update_project(applications: Applications, asked: _Asked) -> Reply:
    return Reply(202, headers=_warning(applications.update_project(asked.name, asked.body)))


def _confirm_update(applications: Applications, asked: _Asked) -> Reply:
    # the guide's table has another name for it than its examples
    name = "force" if "force" in asked.query else "confirm-update"
    if name not in asked.query:
        raise ApiError("MissingParameter", "The parameter force is required: true or false.")
    applications.confirm_update(asked.name, force=asked.query.boolean(name))
    return Reply(202)


def _rollback_update(applications: Applications, asked: _Asked) -> Reply:
    if not (asked.query.boolean("force") or asked.query.boolean("rollback-update")):
        raise ApiError("InvalidParameter", "The parameter force has to be true.")
    applications.rollback_update(asked.name)
    return Reply(202)


def _redeploy(applications: Applications, asked: _Asked) -> Reply:
    applications.redeploy_project(asked.name)
    return Reply(200)


def _start_project(applications: Applications, asked: _Asked) -> Reply:
    applications.start_project(asked.name)
    return Reply(200)


def _stop_project(applications: Applications, asked: _Asked) -> Reply:
    applications.stop_project(asked.name, _patience(asked))
    return Reply(200)


def _kill_project(applications: Applications, asked: _Asked) -> Reply:
    applications.kill_project(asked.name, asked.query.text("signal", "KILL"))
    return Reply(200)


def _list_services(applications: Applications, asked: _Asked) -> Reply:
    containers = asked.query.boolean("containers", True)
    return Reply(200, applications.list_services(asked.query.text("q"), containers=containers))


def _start_service(applications: Applications, asked: _Asked) -> Reply:
    applications.start_service(asked.name)
    return Reply(200)


def _stop_service(applications: Applications, asked: _Asked) -> Reply:
    applications.stop_service(asked.name, _patience(asked))
    return Reply(200)


def _kill_service(applications: Applications, asked: _Asked) -> Reply:
    applications.kill_service(asked.name, asked.query.text("signal", "KILL"))
    return Reply(200)


def _scale_service(applications: Applications, asked: _Asked) -> Reply:
    applications.scale_service(asked.name, asked.body)
    return Reply(200)


def _set_weight(applications: Applications, asked: _Asked) -> Reply:
    applications.set_weight(asked.name, asked.body)
    return Reply(200)


def _delete_volume(applications: Applications, asked: _Asked) -> Reply:
    applications.volumes.delete(asked.name)
    return Reply(204)


def _warning(lines: Sequence[str]) -> dict[str, str]:
    """Return a header Warning (RFC 7234, 5.5) with these lines."""
    if not lines:
        return {}
    quoted = (
        line.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
        for line in lines
    )
    return {"Warning": ", ".join(f'299 - "{line}"' for line in quoted)}


def _patience(asked: _Asked) -> int:
    return asked.query.integer("t", 10, least=0, most=_MOST_WAIT_S)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.escape(path).replace("NAME", "([^/]+)"))


_ROUTES: tuple[tuple[str, re.Pattern[str], _Answer], ...] = tuple(
    (method, _pattern(path), answer)
    for method, path, answer in (
        ("GET", "/projects", _list_projects),
        ("POST", "/projects", _create_project),
        ("GET", "/projects/NAME", lambda a, asked: Reply(200, a.get_project(asked.name))),
        ("DELETE", "/projects/NAME", _delete_project),
        ("POST", "/projects/NAME/start", _start_project),
        ("POST", "/projects/NAME/stop", _stop_project),
        ("POST", "/projects/NAME/kill", _kill_project),
        ("POST", "/projects/NAME/redeploy", _redeploy),
        ("POST", "/projects/NAME/update", _update_project),
        ("POST", "/projects/NAME/confirm-update", _confirm_update),
        ("POST", "/projects/NAME/rollback-update", _rollback_update),
        ("GET", "/services", _list_services),
        ("GET", "/services/NAME", lambda a, asked: Reply(200, a.get_service(asked.name))),
        ("POST", "/services/NAME/start", _start_service),
        ("POST", "/service/NAME/start", _start_service),  # so it stands in the guide's example
        ("POST", "/services/NAME/stop", _stop_service),
        ("POST", "/services/NAME/kill", _kill_service),
        ("POST", "/services/NAME/scale", _scale_service),
        ("POST", "/services/NAME/weight", _set_weight),
        ("GET", "/volumes", lambda a, _: Reply(200, a.volumes.list())),
        ("POST", "/volumes/create", lambda a, asked: Reply(201, a.volumes.create(asked.body))),
        ("GET", "/volumes/NAME", lambda a, asked: Reply(200, a.volumes.get(asked.name))),
        ("DELETE", "/volumes/NAME", _delete_volume),
    )
)
