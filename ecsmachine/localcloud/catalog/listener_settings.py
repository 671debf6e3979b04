"""The settings of a listener of a classic load balancer, by protocol.

Source: the references of CreateLoadBalancerTCPListener and its three siblings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Value = str | int


@dataclass(frozen=True)
class Setting:
    """One setting: its name in answers, its default, and its allowed values.

    ``asked_as`` are its names in requests, if they differ. A number has a range, a word its
    ``choices``, any other text the regular expression ``form``. ``optional``: without a value (or
    with 0) answers do not have it. ``needed``: a new listener requires it.
    """

    name: str
    default: Value
    choices: tuple[str, ...] = ()
    form: str = ".+"
    least: int = 0
    most: int = 0
    asked_as: tuple[str, ...] = ()
    optional: bool = False
    needed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that requests have for it."""
        return self.asked_as or (self.name,)


def _switch(name: str, default: str, *, asked_as: tuple[str, ...] = ()) -> Setting:
    return Setting(name, default, ("on", "off"), asked_as=asked_as)


def _text(name: str, form: str, default: str = "", *, asked_as: tuple[str, ...] = ()) -> Setting:
    return Setting(name, default, form=form, asked_as=asked_as)


def _number(name: str, default: int, least: int, most: int) -> Setting:
    return Setting(name, default, least=least, most=most)


_INTERVAL = Setting(
    "HealthCheckInterval",
    2,
    least=1,
    most=50,
    # The model that the SDKs are made from has it in both spellings.
    asked_as=("HealthCheckInterval", "healthCheckInterval"),
)
_COMMON = (
    Setting("Bandwidth", -1, least=-1, most=5120),
    _text("Description", ".{1,256}"),
    _number("HealthyThreshold", 3, 2, 10),
    _number("UnhealthyThreshold", 3, 2, 10),
    Setting("HealthCheckConnectPort", 0, least=1, most=65535, optional=True),
)
_PROXY_PROTOCOL = Setting("ProxyProtocolV2Enabled", "false", ("true", "false"))
_CHECKED_PAGE = (
    _text("HealthCheckDomain", r"\$_ip|[A-Za-z0-9.\-]{1,80}"),
    _text("HealthCheckURI", r"/\S{0,79}"),
    Setting("HealthCheckMethod", "head", ("head", "get")),
    _text("HealthCheckHttpCode", "http_[2-5]xx(,http_[2-5]xx)*", "http_2xx"),
)
_WORD = "[A-Za-z0-9]{1,64}"
_TCP = (
    *_COMMON,
    *_CHECKED_PAGE,
    Setting("Scheduler", "wrr", ("wrr", "rr", "wlc", "sch", "tch")),
    _switch("HealthCheck", "on", asked_as=("HealthCheckSwitch",)),
    Setting("HealthCheckType", "tcp", ("tcp", "http")),
    _number("HealthCheckConnectTimeout", 5, 1, 300),
    _INTERVAL,
    _number("PersistenceTimeout", 0, 0, 3600),
    _number("EstablishedTimeout", 900, 10, 900),
    _switch("ConnectionDrain", "off"),
    Setting("ConnectionDrainTimeout", 0, least=10, most=900, optional=True),
    _PROXY_PROTOCOL,
    Setting("SynProxy", "enable", ("enable", "disable")),
)
_UDP = (
    *_COMMON,
    Setting("Scheduler", "wrr", ("wrr", "rr", "wlc", "sch", "tch", "qch")),
    _switch("HealthCheck", "on", asked_as=("HealthCheckSwitch",)),
    _number("HealthCheckConnectTimeout", 10, 1, 300),
    replace(_INTERVAL, default=5),
    _PROXY_PROTOCOL,
    _text("HealthCheckReq", _WORD, asked_as=("HealthCheckReq", "healthCheckReq")),
    _text("HealthCheckExp", _WORD, asked_as=("HealthCheckExp", "healthCheckExp")),
)
_HTTP = (
    *_COMMON,
    *_CHECKED_PAGE,
    Setting("Scheduler", "wrr", ("wrr", "rr", "wlc")),
    Setting("StickySession", "off", ("on", "off"), needed=True),
    Setting("StickySessionType", "", ("insert", "server")),
    Setting("CookieTimeout", 0, least=1, most=86400, optional=True),
    _text("Cookie", r"[^$,;\s][^,;\s]{0,199}"),
    Setting("HealthCheck", "on", ("on", "off"), needed=True),
    _number("HealthCheckTimeout", 5, 1, 300),
    _INTERVAL,
    _number("IdleTimeout", 15, 1, 60),
    _number("RequestTimeout", 60, 1, 180),
    _switch("Gzip", "on"),
    _switch("XForwardedFor", "on"),
    _switch("XForwardedFor_SLBID", "off"),
    _switch("XForwardedFor_SLBIP", "off"),
    _switch("XForwardedFor_SLBPORT", "off"),
    _switch("XForwardedFor_proto", "off"),
    _switch("XForwardedFor_ClientSrcPort", "off"),
)
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "tcp": _TCP,
    "udp": _UDP,
    "http": (
        *_HTTP,
        _switch("ListenerForward", "off"),
        Setting("ForwardPort", 0, least=1, most=65535, optional=True),
    ),
    "https": (
        *_HTTP,
        Setting("ServerCertificateId", "", needed=True),
        Setting("CACertificateId", ""),
        _switch("EnableHttp2", "on"),
        _switch("XForwardedFor_ClientCertClientVerify", "off"),
        _switch("XForwardedFor_ClientCertFingerprint", "off"),
        _switch("XForwardedFor_ClientCertIssuerDN", "off"),
        _switch("XForwardedFor_ClientCertSubjectDN", "off"),
        Setting(
            "TLSCipherPolicy",
            "tls_cipher_policy_1_0",
            (
                "tls_cipher_policy_1_0",
                "tls_cipher_policy_1_1",
                "tls_cipher_policy_1_2",
                "tls_cipher_policy_1_2_strict",
                "tls_cipher_policy_1_2_strict_with_1_3",
            ),
        ),
    ),
}
OF_EVERY_PROTOCOL = ("Bandwidth", "Description", "Scheduler")
"""The fields of DescribeLoadBalancerListeners besides those of the protocol."""
