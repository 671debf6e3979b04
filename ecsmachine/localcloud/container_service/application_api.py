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
from ecsmachine.localcloud.container_service.volumes import Volumes
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
        return _refusal(500, "InternalError", "The request failed because of an unknown error.")


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
        raise ApiError("MethodNotAllowed", f"{path} does not support {method}.", 405)
    raise ApiError("PathNotFound", f"The path {path} does not exist.", 404)


def _create_project(applications: Applications, asked: _Asked) -> Reply:
    name, warnings = applications.create_project(asked.body)
    return Reply(201, headers={"Location": f"/projects/{quote(name)}", **_warning(warnings)})


def _update_project(applications: Applications, asked: _Asked) -> Reply:
    return Reply(202, headers=_warning(applications.update_project(asked.name, asked.body)))


def _scale_service(applications: Applications, asked: _Asked) -> Reply:
    return Reply(200, headers=_warning(applications.scale_service(asked.name, asked.body)))


def _rollback_update(applications: Applications, asked: _Asked) -> Reply:
    if not (asked.query.boolean("force") or asked.query.boolean("rollback-update")):
        raise ApiError("InvalidParameter", "The parameter force must be true.")
    applications.rollback_update(asked.name)
    return Reply(202)


def _warning(lines: Sequence[str]) -> dict[str, str]:
    """Return a header Warning (RFC 7234, 5.5) with these lines."""
    if not lines:
        return {}
    quoted = (
        line.encode("ascii", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
        for line in lines
    )
    return {"Warning": ", ".join(f'299 - "{line}"' for line in quoted)}


_Read = Callable[[_Asked], Any]


def _call(status: int, do: Callable[..., Any], *read: _Read, **named: _Read) -> _Answer:
    """Return a function that calls ``do`` with values of a request, and answers its result."""

    def answer(applications: Applications, asked: _Asked) -> Reply:
        values = {name: each(asked) for name, each in named.items()}
        return Reply(status, do(applications, *(each(asked) for each in read), **values))

    return answer


def _of_volumes(do: Callable[..., Any]) -> Callable[..., Any]:
    return lambda applications, *values: do(applications.volumes, *values)


def _flag(*names: str, default: bool = False) -> _Read:
    return lambda asked: any(asked.query.boolean(name, default) for name in names)


def _confirmed(asked: _Asked) -> bool:
    # the guide's table has another name for it than its examples
    name = "force" if "force" in asked.query else "confirm-update"
    if name not in asked.query:
        raise ApiError("MissingParameter", "The parameter force is required: true or false.")
    return asked.query.boolean(name)


def _name(asked: _Asked) -> str:
    return asked.name


def _body(asked: _Asked) -> Fields:
    return asked.body


def _part(asked: _Asked) -> str:
    return asked.query.text("q")


def _signal(asked: _Asked) -> str:
    return asked.query.text("signal", "KILL")


def _wait_s(asked: _Asked) -> int | None:
    """Return how long to wait; None is a container's own time, ten seconds unless it has one."""
    return asked.query.integer("t", least=0, most=_MOST_WAIT_S) if "t" in asked.query else None


_A = Applications
_WITH_CONTAINERS = _flag("containers", default=True)
_ROUTES: tuple[tuple[str, re.Pattern[str], _Answer], ...] = tuple(
    (method, re.compile(re.escape(path).replace("NAME", "([^/]+)")), answer)
    for method, path, answer in (
        (
            *("GET", "/projects"),
            _call(
                *(200, _A.list_projects, _part),
                services=_flag("services", default=True),
                containers=_WITH_CONTAINERS,
            ),
        ),
        ("POST", "/projects", _create_project),
        ("GET", "/projects/NAME", _call(200, _A.get_project, _name)),
        (
            *("DELETE", "/projects/NAME"),
            _call(
                *(200, _A.delete_project, _name), force=_flag("force"), volumes=_flag("v", "volume")
            ),
        ),
        ("POST", "/projects/NAME/start", _call(200, _A.start_project, _name)),
        ("POST", "/projects/NAME/stop", _call(200, _A.stop_project, _name, _wait_s)),
        ("POST", "/projects/NAME/kill", _call(200, _A.kill_project, _name, _signal)),
        ("POST", "/projects/NAME/redeploy", _call(200, _A.redeploy_project, _name)),
        ("POST", "/projects/NAME/update", _update_project),
        (
            *("POST", "/projects/NAME/confirm-update"),
            _call(202, _A.confirm_update, _name, force=_confirmed),
        ),
        ("POST", "/projects/NAME/rollback-update", _rollback_update),
        ("GET", "/services", _call(200, _A.list_services, _part, containers=_WITH_CONTAINERS)),
        ("GET", "/services/NAME", _call(200, _A.get_service, _name)),
        ("POST", "/services/NAME/start", _call(200, _A.start_service, _name)),
        # as in the guide's example
        ("POST", "/service/NAME/start", _call(200, _A.start_service, _name)),
        ("POST", "/services/NAME/stop", _call(200, _A.stop_service, _name, _wait_s)),
        ("POST", "/services/NAME/kill", _call(200, _A.kill_service, _name, _signal)),
        ("POST", "/services/NAME/scale", _scale_service),
        ("POST", "/services/NAME/weight", _call(200, _A.set_weight, _name, _body)),
        ("GET", "/volumes", _call(200, _of_volumes(Volumes.list))),
        ("POST", "/volumes/create", _call(201, _of_volumes(Volumes.create), _body)),
        ("GET", "/volumes/NAME", _call(200, _of_volumes(Volumes.get), _name)),
        ("DELETE", "/volumes/NAME", _call(204, _of_volumes(Volumes.delete), _name)),
    )
)
