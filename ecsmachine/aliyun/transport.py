"""One exchange over HTTP with Alibaba Cloud, what its failure means, and when it is tried again."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ecsmachine import __version__
from ecsmachine.aliyun.errors import AnswerError, ApiError, ConnectionLostError
from ecsmachine.errors import MachineError

if TYPE_CHECKING:
    import requests

    from ecsmachine.http_client.session import BoundedSession

_log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 30.0
_UNREACHABLE_TRIES = 4
"""How often an address that cannot be reached at all is tried."""

_THROTTLED_TIMEOUT_S = 180.0
"""How long throttling is waited out: many machines at once share one quota."""

_SILENT_S = 5.0
"""How long a call is tried again without a word of it."""

T = TypeVar("T")


class Transport:
    """Connections to one address. Safe to use from several threads.

    ``check`` names the options that the address may be wrong in, and ``untrusted`` says what to
    do if one side does not accept the other's certificate.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        check: str,
        verify: bool | str = True,
        cert: Any = None,
        untrusted: str = "Check the endpoint and this computer's certificates "
        "(REQUESTS_CA_BUNDLE).",
    ):
        self.endpoint = endpoint
        self.check = check
        self._untrusted = untrusted
        self._verify = verify
        self._cert = cert
        self._session: BoundedSession | None = None

    def send(
        self,
        what: str,
        method: str,
        path: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        read_timeout_s: float = _READ_TIMEOUT_S,
    ) -> requests.Response:
        """Send one request and return the answer, whatever its status is.

        ``path`` is encoded already and may have a query. ``read_timeout_s`` is for the whole
        answer. Raises :class:`ConnectionLostError` or, for one that is too long,
        :class:`AnswerError`; both begin with ``what``.
        """
        import requests

        from ecsmachine.http_client.session import AnswerTooLongError

        try:
            return self._connection().exchange(
                method,
                self.endpoint + path,
                data=data,
                headers=headers,
                timeout=(_CONNECT_TIMEOUT_S, read_timeout_s),
                verify=self._verify,
                cert=self._cert,
            )
        except AnswerTooLongError as error:
            raise AnswerError(what, urlsplit(self.endpoint).netloc, str(error)) from None
        except requests.RequestException as error:
            raise self._explained(what, error, read_timeout_s) from None

    def _connection(self) -> BoundedSession:
        if self._session is None:
            from ecsmachine.http_client.session import BoundedSession

            session = BoundedSession()
            session.headers["User-Agent"] = f"ecsmachine/{__version__}"
            self._session = session
        return self._session

    def _explained(
        self, what: str, error: requests.RequestException, read_timeout_s: float
    ) -> ConnectionLostError:
        """Return what a failed exchange means.

        The texts of requests' own errors are not passed on: they may hold the proxy's password.
        """
        import requests

        from ecsmachine.http_client.session import is_here

        host = urlsplit(self.endpoint).netloc
        hint, maybe_done = f"Check the network and proxy, and {self.check}.", False
        if isinstance(error, requests.exceptions.SSLError):
            # an alert comes from the other side: it refuses what we have shown
            refused = self._cert is not None and " alert " in str(error)
            said = f"the certificate of {host} is not accepted"
            if refused:
                said = f"{host} does not accept the client certificate"
            hint = self._untrusted
        elif isinstance(error, requests.exceptions.ProxyError):
            said = f"the proxy for {host} does not answer"
            hint = "Check HTTPS_PROXY and NO_PROXY."
        elif isinstance(error, requests.exceptions.ConnectTimeout):
            said = f"{host} does not answer"
        elif isinstance(error, requests.exceptions.Timeout):
            said, maybe_done = f"no answer from {host} in {read_timeout_s:.0f} s", True
        elif _is_unreached(error):
            said = f"{host} cannot be reached"
            if is_here(self.endpoint):
                hint = (
                    f"Check {self.check}. If it is the local cloud, start it with: "
                    "ecsmachine local up"
                )
        else:
            said, maybe_done = f"the connection to {host} broke", True
        return ConnectionLostError(f"{what} failed: {said}", maybe_done=maybe_done, hint=hint)


@lru_cache(maxsize=8)
def shared_transport(endpoint: str, check: str) -> Transport:
    """Return the connections that all of this process has to an address."""
    return Transport(endpoint, check=check)


def with_retries(
    call: Callable[[], T],
    what: str,
    *,
    idempotent: bool,
    total_timeout_s: float,
    sleep: Callable[[float], None] = time.sleep,
    pace: Pace | None = None,
    has_token: bool = False,
) -> T:
    """Return what ``call`` returns, trying it again where that is safe and may help.

    Throttling is waited out, at the ``pace`` of all that share one if it is given, and so is what
    a resource is busy with. A server's own fault, and a connection that breaks after the request
    was sent, are tried again only if the call is ``idempotent``. A status that may be the work of
    a try whose answer was lost is raised: who asks can look; with a ClientToken (``has_token``) the
    answer comes again. All tries together take
    ``total_timeout_s`` and the last try; three minutes if the last was throttled. A warning is
    logged once that takes longer than five seconds.
    """

    def paced() -> T:
        if pace is None:
            return call()
        turn = pace.wait(sleep)
        try:
            result = call()
        except ApiError as error:
            if error.is_throttling:
                pace.throttled(turn)
            raise
        pace.served()
        return result

    unsure = False

    def once() -> T:
        nonlocal unsure
        try:
            return paced()
        except ConnectionLostError as error:
            unsure = unsure or error.maybe_done
            if error.maybe_done and not idempotent:
                error.hint = "The request may have been executed: check before repeating it."
            raise
        except ApiError as error:
            error.maybe_done = unsure
            unsure = unsure or error.is_passing
            raise

    def worth_another_try(error: BaseException) -> bool:
        if isinstance(error, ApiError):
            waits = error.is_throttling or (error.is_busy and (has_token or not error.may_be_so))
            return waits or (idempotent and error.is_passing)
        if isinstance(error, ConnectionLostError):
            return idempotent or not error.maybe_done
        return False

    begun = time.monotonic()
    failed: list[MachineError] = []
    try:
        return once()
    except (ApiError, ConnectionLostError) as error:
        if not worth_another_try(error):
            raise
        failed.append(error)
    import tenacity  # seldom needed, and slow to import

    took_s = time.monotonic() - begun
    time_is_up = tenacity.stop_after_delay(total_timeout_s - took_s)
    throttled_too_long = tenacity.stop_after_delay(
        max(total_timeout_s, _THROTTLED_TIMEOUT_S) - took_s
    )
    back_off = tenacity.wait_random_exponential(multiplier=0.4, max=8) + tenacity.wait_random(
        0, 0.1
    )
    # what a resource is busy with is mostly a matter of seconds, and asking again does no harm
    look_again = tenacity.wait_exponential(multiplier=0.1, exp_base=1.5, max=2.5)

    def pause_s(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if pace is not None and isinstance(error, ApiError) and error.is_throttling:
            return 0.0
        busy = isinstance(error, ApiError) and error.is_busy
        return float(look_again(state) if busy else back_off(state))

    told = False

    def tell(state: tenacity.RetryCallState) -> None:
        nonlocal told
        error = state.outcome.exception() if state.outcome else None
        pause_s = state.next_action.sleep if state.next_action else 0.0
        _log.debug("%s: try %d failed, waiting %.1f s", what, state.attempt_number, pause_s)
        if not told and error and time.monotonic() - begun + pause_s >= _SILENT_S:
            told = True
            _log.warning("%s", _being_repeated(what, error, total_timeout_s))

    def is_enough(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ApiError) and error.is_throttling:
            return throttled_too_long(state)
        if isinstance(error, ConnectionLostError) and not error.maybe_done:
            return state.attempt_number >= _UNREACHABLE_TRIES
        return time_is_up(state)

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_another_try),
        wait=pause_s,  # none where the pace is to be waited for
        stop=is_enough,
        sleep=lambda seconds: sleep(seconds) if seconds else None,
        before_sleep=tell,
        reraise=True,
    )

    def first_as_it_was() -> T:
        if failed:
            raise failed.pop()
        return once()

    return tries(first_as_it_was)


def _being_repeated(what: str, error: BaseException, total_timeout_s: float) -> str:
    """Return what a person is told of a call that is tried again: why, and for how long."""
    if not isinstance(error, ApiError):
        return f"{error}. It is tried again, for up to {total_timeout_s:.0f} s in all"
    waits = error.is_throttling or error.is_busy
    reason = f"has to wait: {error.code}" if waits else f"failed: {error.code}"
    if error.is_throttling:
        total_timeout_s = max(total_timeout_s, _THROTTLED_TIMEOUT_S)
    return f"{what} {reason}. It is tried again, for up to {total_timeout_s:.0f} s in all"


def clock_offset_s(date: str) -> float | None:
    """Return by how many seconds this computer's clock is ahead of the ``Date`` of an answer."""
    try:
        theirs = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - theirs).total_seconds()


def clock_hint(date: str) -> str | None:
    """Return how far this computer's clock is off, given the ``Date`` of an answer."""
    offset_s = clock_offset_s(date)
    if offset_s is None:
        return None
    direction = "ahead of" if offset_s > 0 else "behind"
    return f"This computer's clock is {abs(offset_s):.0f} s {direction} Alibaba Cloud's: set it."


def _is_unreached(error: requests.RequestException) -> bool:
    """Whether the failure came before anything was sent (refused, no route, unknown host)."""
    from urllib3.exceptions import NewConnectionError

    cause = error.args[0] if error.args else None  # tries that are used up, each for a reason
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


_FIRST_INTERVAL_S = 0.1
_LONGEST_INTERVAL_S = 4.0
_NO_INTERVAL_S = 0.01
"""An interval that is shorter counts as none."""

_RECOVERY = 0.93
"""What each request that is served makes of the interval."""


class Pace:
    """The pace of the requests of one kind. Safe to use from several threads.

    At first there is none: requests go out as they come. A throttled request makes them go out
    one by one, at an interval that doubles each time that it is still too short, and shrinks
    with every request that is served.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._interval_s = 0.0
        self._next_at = 0.0
        self._slowings = 0

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> int:
        """Wait for one's turn. Returns a number to be given to :meth:`throttled`."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_at)
            if self._interval_s:
                # the processes of one account do not know of each other: none keeps time exactly
                self._next_at = turn + self._interval_s * random.uniform(0.9, 1.2)  # noqa: S311
            slowings = self._slowings
        if turn > now:
            sleep(turn - now)
        return slowings

    def throttled(self, turn: int) -> None:
        """Slow down, unless that was done since the request of that turn went out."""
        with self._lock:
            if turn == self._slowings:
                self._slowings += 1
                self._interval_s = min(
                    max(2 * self._interval_s, _FIRST_INTERVAL_S), _LONGEST_INTERVAL_S
                )
            pause_s = max(self._interval_s, 2 * _FIRST_INTERVAL_S)
            self._next_at = max(self._next_at, self._clock() + pause_s)

    def served(self) -> None:
        """Go a little faster again."""
        with self._lock:
            self._interval_s *= _RECOVERY
            if self._interval_s < _NO_INTERVAL_S:
                self._interval_s = 0.0


@lru_cache(maxsize=4096)
def shared_pace(endpoint: str, access_key_id: str, action: str) -> Pace:
    """Return the pace that all requests of this process have for an action of an account."""
    return Pace()
