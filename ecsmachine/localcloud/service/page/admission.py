"""Access to the page: open the address with the token once, and get a cookie.

The token is created when the daemon starts. The address with the token redirects the browser, and
sets a cookie only for the page's paths, which no script can read and no page of another site sends.
Requests that change something also need a value that only the page has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ecsmachine.localcloud.protocol.signature import same_secret
from ecsmachine.localcloud.service.gate import PAGE_PATH

TICKET_S = 60.0
"""How long a ticket is valid: an address for one visit, for command lines that others can read."""
ACTION_HEADER = "X-Ecsmachine-Action"
_INLINE = "sha256-2SDneWEPOyXIbRkpG4I57j6OhlB4wQ2z9TKUfpfXUkk="
"""The script in index.html, which loads the page again where its modules were broken off."""
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self' '{_INLINE}'; "
    "style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(24)


def address(endpoint: str, token: str = "") -> str:
    """Return where the page of the cloud at ``endpoint`` is; with a token it can be opened."""
    return f"{endpoint}{PAGE_PATH}" + (f"?token={token}" if token else "")


class Admission:
    """Access to the page of one cloud."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._tickets: dict[str, float] = {}
        # cookies know no ports: that of another cloud on this machine has another name
        self._cookie_name = f"ecsmachine-{self._derived('name')[:12]}"
        self._cookie = self._derived("cookie")
        self.action_token = self._derived("action")

    def ticket(self) -> str:
        """Return a token that lets in once, within a minute."""
        now = time.monotonic()
        self._tickets = {key: end for key, end in self._tickets.items() if end > now}
        made = new_token()
        self._tickets[made] = now + TICKET_S
        return made

    def let_in(self, request: Request) -> Response | None:
        """Return the answer to an address with the right token: a cookie, and on without it."""
        given = request.query_params.get("token", "")
        once = self._tickets.pop(given, 0.0) > time.monotonic()
        if not (once or same_secret(self._token, given)):
            return None
        answer = Response(status_code=303, headers={**HEADERS, "Location": PAGE_PATH})
        answer.set_cookie(
            self._cookie_name, self._cookie, path=PAGE_PATH, httponly=True, samesite="strict"
        )
        return answer

    def refused(self, request: Request) -> Response | None:
        """Return the refusal of a request without the cookie, or one that may not act."""
        if not same_secret(self._cookie, request.cookies.get(self._cookie_name, "")):
            text = "To open this page, run: ecsmachine local open\n"
            return PlainTextResponse(text, 401, HEADERS)
        if request.method == "POST" and not same_secret(
            self.action_token, request.headers.get(ACTION_HEADER, "")
        ):
            return PlainTextResponse("Only the page can send this request.\n", 403, HEADERS)
        return None

    def _derived(self, what: str) -> str:
        return hmac.new(self._token.encode(), what.encode(), hashlib.sha256).hexdigest()
