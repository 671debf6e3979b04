"""The metadata service of an ECS instance: the temporary keys of its RAM role.

Source: "Instance metadata" of the ECS documentation, in its hardened mode (with a token).
"""

from __future__ import annotations

from urllib.parse import quote

from ecsmachine.aliyun.access_key import (
    CredentialProvider,
    Credentials,
    RenewedCredentials,
    temporary_key,
)
from ecsmachine.documents.fields import read_object
from ecsmachine.documents.rules import KEY
from ecsmachine.errors import MachineError

_ADDRESS = "http://100.100.100.200"
_ROLES = "/latest/meta-data/ram/security-credentials/"
_TIMEOUT_S = 2.0
_LONGEST_NAME = 256
_SERVICE = "The instance metadata service"


def role_credentials(
    role: str = "", *, reference: str = "", address: str = ""
) -> CredentialProvider:
    """Return the credentials of the instance's RAM role; the service names it if ``role`` is "".

    ``address`` is where the service answers, if not where it does on ECS.
    """

    def fetch() -> tuple[Credentials, float]:
        return _fetch(role, address or _ADDRESS)

    return RenewedCredentials(reference or (f"ram-role:{role}" if role else "ram-role"), fetch)


def _fetch(role: str, address: str) -> tuple[Credentials, float]:
    import requests

    from ecsmachine.http_client.session import BoundedSession

    # the service is on the link: a proxy must not see its answers
    session = BoundedSession()
    session.trust_env = False
    try:
        token = session.put(
            f"{address}/latest/api/token",
            headers={"X-aliyun-ecs-metadata-token-ttl-seconds": "60"},
            timeout=_TIMEOUT_S,
        )
        headers = {"X-aliyun-ecs-metadata-token": _token(token.content)} if token.ok else {}

        def get(path: str) -> requests.Response:
            answer = session.get(address + path, headers=headers, timeout=_TIMEOUT_S)
            if answer.status_code == 404:
                raise MachineError(
                    f'This instance has no RAM role "{role}"'
                    if role
                    else "This instance has no RAM role",
                    hint="Attach one in the ECS console, or set ECS_ACCESS_KEY_ID.",
                )
            if not answer.ok:
                raise MachineError(f"The instance metadata service answered {answer.status_code}")
            return answer

        name = role or get(_ROLES).content[:_LONGEST_NAME].decode(errors="replace").split("\n")[0]
        answer = get(_ROLES + quote(name.strip(), safe=""))
        return temporary_key(read_object(answer.content, _fault))
    except requests.RequestException:
        raise MachineError(
            f"The instance metadata service at {address} does not answer",
            hint="It exists only on ECS instances. Elsewhere, set ECS_ACCESS_KEY_ID and "
            "ECS_ACCESS_KEY_SECRET.",
        ) from None
    finally:
        session.close()


def _fault(reason: str) -> MachineError:
    return MachineError(
        f"{_SERVICE} returned no temporary access key: {reason}",
        hint="Attach a RAM role to the instance, or set ECS_ACCESS_KEY_ID.",
    )


def _token(content: bytes) -> str:
    token = content.decode(errors="replace").strip()
    if not KEY.fits(token):
        raise MachineError(f"{_SERVICE} returned an unusable token", hint="Set ECS_ACCESS_KEY_ID.")
    return token
