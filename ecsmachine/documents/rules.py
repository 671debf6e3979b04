"""What a text from outside may be: an address, the name of a user, an id, …

Every-day commands read what they need by these rules: what is met most (an IPv4 address, a URL of
no more than a host and a port) is decided without a library, and without a pattern to compile.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable

# C0 and C1 controls, DEL, the separators of lines and paragraphs, halves of surrogate pairs
CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ALPHANUMERIC = _DIGITS | _LETTERS
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_SHORT_HOST = _LOWER | _DIGITS | frozenset(".-")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"


class Rule:
    """What a text must be; ``what`` says it in words, for "… is not a host name".

    It has at most ``longest`` characters. A ``secret`` is never part of an error.
    """

    __slots__ = ("accepts", "longest", "secret", "what")

    def __init__(
        self,
        what: str,
        accepts: Callable[[str], bool],
        longest: int = 1024,
        secret: bool = False,
    ):
        self.what = what
        self.accepts = accepts
        self.longest = longest
        self.secret = secret

    def fits(self, text: str) -> bool:
        """Whether a text is of this kind."""
        return len(text) <= self.longest and self.accepts(text)


def has_controls(text: str) -> bool:
    """Whether a text holds a control character, or what else is no character of a line."""
    if text.isascii() and text.isprintable():
        return False
    return re.search(f"[{CONTROLS}]", text) is not None


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address, of four numbers without zeros before them."""
    parts = text.split(".")
    return len(parts) == 4 and all(
        0 < len(part) <= 3
        and _DIGITS.issuperset(part)
        and (part[0] != "0" or part == "0")
        and int(part) < 256
        for part in parts
    )


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 address, or an IPv6 address that may name an interface."""
    if is_ipv4(text):
        return True
    if ":" not in text:
        return False
    import ipaddress

    address, percent, scope = text.partition("%")
    if percent and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", scope):
        return False
    try:
        return ipaddress.ip_address(address).version == 6 or not percent
    except ValueError:
        return False


def is_network(text: str) -> bool:
    """Whether a text is a network of IPv4 or IPv6 in CIDR notation, or an address."""
    import ipaddress

    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in text


def is_host(text: str) -> bool:
    """Whether a text is an address, or a host name (RFC 1123; underscores are met in practice)."""
    if is_address(text):
        return True
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return False
    return len(text) <= 253 and re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*\.?", text) is not None


def is_host_port(text: str) -> bool:
    """Whether a text is a host, or a host and a port (``192.0.2.7:2377``, ``[2001:db8::1]:22``)."""
    if is_host(text):
        return True
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    if bracketed:
        host, port = bracketed[1], bracketed[2] or "1"
        return is_address(host) and ":" in host and 1 <= int(port) <= 65535
    host, _, port = text.rpartition(":")
    return is_host(host) and ":" not in host and _is_port(port)


def is_jump(text: str) -> bool:
    """Whether a text is a user on a host, and perhaps its port (``me@bastion:2222``)."""
    user, _, where = text.rpartition("@")
    return USER.fits(user) and is_host_port(where)


def is_url(text: str, *schemes: str) -> bool:
    """Whether a text is the URL of a host, of one of the schemes if any are given."""
    try:
        scheme, host, port = url_parts(text)
    except ValueError:
        return False
    known = scheme in schemes if schemes else bool(scheme)
    return known and is_host(host) and port != 0


def url_parts(text: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL; "" and None for what it has not.

    Raises :class:`ValueError` for a text that is none.
    """
    scheme, _, where = text.partition("://")
    host, colon, port = where.partition(":")
    is_short = scheme and host and _LOWER.issuperset(scheme) and _SHORT_HOST.issuperset(host)
    if is_short and (not colon or _is_port(port)):
        return scheme, host, int(port) if colon else None
    if has_controls(text) or re.search(r'[\s"<>\\^`{|}]', text):
        raise ValueError(f"{text!r} is not a URL")
    from urllib.parse import urlsplit

    parts = urlsplit(text)
    return parts.scheme, parts.hostname or "", parts.port


def _is_port(text: str) -> bool:
    return 0 < len(text) <= 5 and _DIGITS.issuperset(text) and 1 <= int(text) <= 65535


def _matching(pattern: str) -> Callable[[str], bool]:
    # compiled at first use, and kept by re
    return lambda text: re.fullmatch(pattern, text) is not None


def _made_of(first: frozenset[str], others: str) -> Callable[[str], bool]:
    """Return whether a text begins with one of ``first``, and has no more than ``others`` too."""
    known = first | frozenset(others)
    return lambda text: text[:1] in first and known.issuperset(text)


def _is_region(text: str) -> bool:
    return (
        text[:1] in _ALPHANUMERIC
        and text[-1:] in _ALPHANUMERIC
        and (_ALPHANUMERIC | {"-"}).issuperset(text)
    )


def _is_user(text: str) -> bool:
    if text.isascii() and text.isalnum():
        return True
    return re.fullmatch(r"[\w.][\w.@\\+-]*\$?", text) is not None


def _is_base64(text: str) -> bool:
    content = text.rstrip("=")
    return len(text) - len(content) <= 2 and (_ALPHANUMERIC | {"+", "/"}).issuperset(content)


def _is_credential_source(text: str) -> bool:
    source, _, name = text.partition(":")
    return (source in ("profile", "ram-role") and bool(name)) or text == "ram-role"


def _is_line(text: str) -> bool:
    return not has_controls(text)


LINE = Rule("a line of text without control characters", _is_line, 4096)
PROSE = Rule("a text", _matching("[^\0\ud800-\udfff]*"), 1 << 16)
SECRET = Rule("a line of text without control characters", _is_line, 8192, secret=True)
KEY = Rule("a key: visible ASCII characters", _matching(r"[!-~]+"), 16384, secret=True)
ID = Rule("an id: letters, digits and . _ : + @ -", _made_of(_ALPHANUMERIC, "._:+@-"), 256)
REGION = Rule(
    "the name of a region: letters, digits and hyphens",
    _is_region,
    63,
)
ADDRESS = Rule("an IP address", is_address, 128)
HOST = Rule("a host name or address", is_host, 255)
HOST_PORT = Rule("a host, or a host and its port", is_host_port, 300)
URL = Rule("a URL with a host", is_url, 2048)
WEB_URL = Rule("an http or https URL", lambda text: is_url(text, "http", "https"), 2048)
USER = Rule("the name of a user", _is_user, 128)
JUMP = Rule("USER@HOST or USER@HOST:PORT", is_jump, 400)
PATH = Rule("a path", _is_line, 4096)
BASE64 = Rule("a text in base64", _is_base64, 1 << 16, secret=True)
CIDR = Rule("a network such as 10.0.0.0/8", is_network, 64)
CREDENTIAL_SOURCE = Rule("profile:NAME, ram-role:NAME or ram-role", _is_credential_source, 256)
VERSION = Rule("a version", _made_of(_ALPHANUMERIC, "._+~:-"), 128)


def address_of(host: str, port: int) -> str:
    """Return ``HOST:PORT``, as :data:`HOST_PORT` has it: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
