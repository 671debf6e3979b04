"""What the flags of the driver mean: values checked by themselves, before anything is asked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal, cast

from ecsmachine.aliyun.credentials import CredentialFlags
from ecsmachine.aliyun.endpoints import validate_endpoint
from ecsmachine.drivers.aliyunecs.options.disk_categories import check_disk_size
from ecsmachine.drivers.aliyunecs.options.password import check_password
from ecsmachine.drivers.aliyunecs.options.table import OPTIONS
from ecsmachine.drivers.base import OptionValue, PortRange
from ecsmachine.errors import UsageError

_MAX_USER_TAGS = 17
"""A resource may have 20 tags, and three are ours."""

_MAX_USER_DATA = 32 * 1024

_PERIODS = {"Week": (1, 2, 3, 4), "Month": (*range(1, 10), 12, 24, 36, 48, 60)}
"""For how long an instance can be paid in advance (Period of RunInstances)."""


@dataclass(frozen=True)
class Settings:
    """What a machine shall be; "" and 0 where the cloud or the checks choose."""

    credentials: CredentialFlags
    region: str
    zone: str
    vpc_id: str
    vswitch_id: str
    resource_group_id: str
    api_endpoint: str
    vpc_internal: bool
    instance_type: str
    image_id: str
    image_family: str
    image_os: str
    description: str
    host_name: str
    tags: dict[str, str]
    ram_role: str
    user_data: bytes = field(repr=False)
    io_optimized: bool
    deletion_protection: bool
    auto_release_time: str
    ssh_password: str = field(repr=False)
    ssh_keypair: str
    ssh_keypath: Path | None
    ssh_user: str
    ssh_port: int
    private_ip: str
    private_only: bool
    bandwidth_mbps: int
    internet_charge_type: str
    allocate_eip: bool
    eip: str
    security_group: str
    open_ports: tuple[PortRange, ...]
    source_cidrs: tuple[str, ...]
    route_cidr: str
    slb_id: str
    system_disk_size_gib: int
    system_disk_category: str
    disk_size_gib: int
    disk_category: str
    disk_file_system: Literal["ext4", "xfs"]
    charge_type: str
    period: int
    period_unit: str
    auto_renew: bool
    spot_strategy: str
    spot_price_limit: float
    spot_duration_h: int

    @property
    def has_public_address(self) -> bool:
        """Whether the machine is reached over the internet."""
        return not self.private_only

    @property
    def has_fixed_public_address(self) -> bool:
        """Whether the instance itself gets its public address, not an EIP."""
        return self.has_public_address and not self.allocate_eip and not self.eip


def settings_of(values: Mapping[str, OptionValue]) -> Settings:
    """Return what the values of the options mean.

    Raises :class:`UsageError` for the first value that cannot be, naming its flag.
    """
    take = _Values(values)
    bandwidth = take.integer("internet-max-bandwidth", 0, 100)
    private_only = take.flag("private-address-only") or bandwidth == 0
    settings = Settings(
        credentials=CredentialFlags(
            access_key_id=take.text("access-key-id"),
            access_key_secret=take.text("access-key-secret"),
            security_token=take.text("security-token"),
            profile=take.text("profile"),
        ),
        region=take.matching("region", r"[a-z0-9]+(-[a-z0-9]+)*", "a region such as cn-hangzhou"),
        zone=take.identifier("zone"),
        vpc_id=take.identifier("vpc-id"),
        vswitch_id=take.identifier("vswitch-id"),
        resource_group_id=take.identifier("resource-group-id"),
        api_endpoint=_endpoint(take.text("api-endpoint")),
        vpc_internal=take.flag("vpc-endpoint"),
        instance_type=take.matching(
            "instance-type", r"[a-z0-9]+([.-][a-z0-9]+)*", "an instance type such as ecs.g6.large"
        ),
        image_id=take.identifier("image-id"),
        image_family=take.text("image-family"),
        image_os=take.text("image-os"),
        description=_description(take.text("description")),
        host_name=_host_name(take.text("host-name")),
        tags=_tags(take.texts("tag")),
        ram_role=take.identifier("ram-role"),
        user_data=_user_data(take.text("user-data")),
        io_optimized=_io_optimized(take.text("io-optimized")),
        deletion_protection=take.flag("deletion-protection"),
        auto_release_time=_auto_release_time(
            take.text("auto-release-time"), datetime.now(timezone.utc)
        ),
        ssh_password=take.text("ssh-password"),
        ssh_keypair=take.text("ssh-keypair"),
        ssh_keypath=_path(take.text("ssh-keypath")),
        ssh_user=take.matching("ssh-user", r"[a-z_][a-z0-9_.-]{0,31}", "a user's name"),
        ssh_port=take.integer("ssh-port", 1, 65535),
        private_ip=_private_ip(take.text("private-ip")),
        private_only=private_only,
        bandwidth_mbps=0 if private_only else bandwidth,
        internet_charge_type=take.choice("internet-charge-type", "PayByTraffic", "PayByBandwidth"),
        allocate_eip=take.flag("allocate-eip"),
        eip=take.identifier("eip"),
        security_group=_security_group(take.text("security-group")),
        open_ports=tuple(_ports(text) for text in take.texts("open-port")),
        source_cidrs=tuple(_cidr("source-cidr", text) for text in take.texts("source-cidr"))
        or ("0.0.0.0/0",),
        route_cidr=_route_cidr(take.text("route-cidr")),
        slb_id=take.identifier("slb-id"),
        system_disk_size_gib=take.integer("system-disk-size", 0, 65536),
        system_disk_category=take.identifier("system-disk-category"),
        disk_size_gib=take.integer("disk-size", 0, 65536),
        disk_category=take.identifier("disk-category"),
        disk_file_system=cast(Literal["ext4", "xfs"], take.choice("disk-fs", "ext4", "xfs")),
        charge_type=take.choice("charge-type", "PostPaid", "PrePaid"),
        period=take.integer("period", 1, 60),
        period_unit=take.choice("period-unit", "Month", "Week"),
        auto_renew=take.flag("auto-renew"),
        spot_strategy=take.choice("spot-strategy", "NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"),
        spot_price_limit=_price(take.text("spot-price-limit")),
        spot_duration_h=take.integer("spot-duration", 0, 6),
    )
    _check_combinations(settings)
    return settings


def _check_combinations(settings: Settings) -> None:
    """Raise :class:`UsageError` for values that cannot be together."""
    if settings.ssh_password:
        check_password(settings.ssh_password)
    if settings.ssh_keypair and settings.ssh_keypath is None:
        raise _refused(
            "ssh-keypair", "a key pair needs its private key", "Give --aliyunecs-ssh-keypath too."
        )
    if settings.ssh_password and settings.ssh_keypair:
        raise _refused(
            "ssh-password",
            "ECS takes a password or a key pair, not both",
            "Leave one of them out.",
        )
    if settings.image_id and (settings.image_family or settings.image_os):
        raise _refused(
            "image-id", "an image is given, and a family or system as well", "Give one of them."
        )
    if settings.eip and settings.allocate_eip:
        raise _refused("eip", "it cannot be with --aliyunecs-allocate-eip", "Give one of them.")
    if settings.private_only and (settings.eip or settings.allocate_eip):
        raise _refused(
            "eip",
            "a machine with a private address only has no elastic address",
            "Leave --aliyunecs-private-address-only out.",
        )
    if settings.spot_strategy != "NoSpot" and settings.charge_type == "PrePaid":
        raise _refused("spot-strategy", "spot instances are PostPaid", "Leave PrePaid out.")
    if settings.spot_strategy == "SpotWithPriceLimit" and not settings.spot_price_limit:
        raise _refused(
            "spot-strategy",
            "SpotWithPriceLimit needs a price",
            "Give --aliyunecs-spot-price-limit.",
        )
    if settings.charge_type == "PrePaid" and settings.auto_release_time:
        raise _refused(
            "auto-release-time", "a PrePaid instance cannot be released early", "Leave it out."
        )
    _check_period(settings)
    if settings.spot_price_limit and settings.spot_strategy != "SpotWithPriceLimit":
        raise _refused(
            "spot-price-limit",
            f"it means nothing with {settings.spot_strategy}",
            "Give --aliyunecs-spot-strategy SpotWithPriceLimit, or leave it out.",
        )
    if settings.system_disk_category and settings.system_disk_size_gib:
        check_disk_size(
            "system", settings.system_disk_category, settings.system_disk_size_gib, UsageError
        )
    if settings.disk_category and settings.disk_size_gib:
        check_disk_size("data", settings.disk_category, settings.disk_size_gib, UsageError)


def _check_period(settings: Settings) -> None:
    if settings.charge_type != "PrePaid":
        for name, given in (("auto-renew", settings.auto_renew), ("period", settings.period != 1)):
            if given:
                raise _refused(
                    name,
                    f"it means nothing with {settings.charge_type}",
                    "Give --aliyunecs-charge-type PrePaid, or leave it out.",
                )
        return
    allowed = _PERIODS[settings.period_unit]
    if settings.period not in allowed:
        raise _refused(
            "period",
            f"nothing is paid for {settings.period} {settings.period_unit.lower()}s",
            f"It is one of {', '.join(str(each) for each in allowed)}.",
        )


class _Values:
    """The values of the options, each in the type that its flag has."""

    def __init__(self, values: Mapping[str, OptionValue]):
        defaults = {option.name: option.default for option in OPTIONS}
        self._values = {
            name: default if values.get(name) is None else values[name]
            for name, default in defaults.items()
        }

    def text(self, name: str) -> str:
        value = self._values[f"aliyunecs-{name}"]
        text = "" if value is None else str(value)
        if "\0" in text or "\n" in text:
            raise _refused(name, "it has a line break in it", "Give it in one line.")
        return text if name == "ssh-password" else text.strip()

    def texts(self, name: str) -> list[str]:
        value = self._values[f"aliyunecs-{name}"]
        items = value if isinstance(value, list) else []
        return [item.strip() for item in items if item.strip()]

    def flag(self, name: str) -> bool:
        return bool(self._values[f"aliyunecs-{name}"])

    def integer(self, name: str, least: int, most: int) -> int:
        value = self._values[f"aliyunecs-{name}"]
        if not isinstance(value, int) or not least <= value <= most:
            raise _refused(name, f"{value} is out of range", f"It is {least} to {most}.")
        return value

    def choice(self, name: str, *choices: str) -> str:
        value = self.text(name)
        if value not in choices:
            raise _refused(name, f'"{value}" is not known', f"It is {' or '.join(choices)}.")
        return value

    def matching(self, name: str, pattern: str, what: str) -> str:
        value = self.text(name)
        if not re.fullmatch(pattern, value):
            raise _refused(name, f'"{value}" is not {what}', "Correct it.")
        return value

    def identifier(self, name: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]*", value):
            raise _refused(name, f'"{value}" has characters that no id has', "Correct it.")
        return value


def _refused(name: str, reason: str, hint: str) -> UsageError:
    variable = next((option.env for option in OPTIONS if option.name == f"aliyunecs-{name}"), None)
    return UsageError(
        f"--aliyunecs-{name}{f' ({variable})' if variable else ''}: {reason}", hint=hint
    )


def _endpoint(text: str) -> str:
    return validate_endpoint(text) if text else ""


def _tags(texts: list[str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise _refused("tag", f'"{text}" is not key=value', "Write it as key=value.")
        if not key:
            raise _refused("tag", f'"{text}" has no key', "Write it as key=value.")
        if len(key) > 128 or len(value) > 128:
            raise _refused("tag", f'"{key[:40]}…" is too long', "Keys and values have up to 128.")
        if key.startswith(("aliyun", "acs:", "ecsmachine:")) or "://" in key or "://" in value:
            raise _refused(
                "tag",
                f'"{text}" is not allowed',
                "Keys do not begin with aliyun, acs: or ecsmachine:, and http:// is in neither.",
            )
        tags[key] = value
    if len(tags) > _MAX_USER_TAGS:
        raise _refused("tag", f"{len(tags)} are too many", f"There may be {_MAX_USER_TAGS}.")
    return tags


def _description(text: str) -> str:
    if text and (not 2 <= len(text) <= 256 or text.startswith(("http://", "https://"))):
        raise _refused(
            "description", "ECS refuses it", "It has 2 to 256 characters, and is no address."
        )
    return text


def _host_name(text: str) -> str:
    if text and not is_host_name(text):
        raise _refused(
            "host-name",
            f'"{text}" is not a host name',
            "It has 2 to 64 letters, digits, dots and hyphens, and ends in a letter or digit.",
        )
    return text


def is_host_name(text: str) -> bool:
    """Whether ECS takes ``text`` as the host name of a Linux instance."""
    return (
        2 <= len(text) <= 64
        and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text) is not None
        and not re.search(r"[.-]{2}", text)
    )


def _io_optimized(text: str) -> bool:
    value = text.lower()
    if value in ("true", "optimized", "yes", "1"):
        return True
    if value in ("false", "none", "no", "0", ""):
        return False
    raise _refused("io-optimized", f'"{text}" is not known', "It is true or false.")


def _path(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def _user_data(text: str) -> bytes:
    path = _path(text)
    if path is None:
        return b""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(
            "user-data", f"{path} cannot be read: {error.strerror}", "Name a file."
        ) from error
    if len(content) > _MAX_USER_DATA:
        raise _refused("user-data", f"{path} is too long", "It may have 32 KiB.")
    return content


def _security_group(text: str) -> str:
    if not 2 <= len(text) <= 128 or text.startswith(("http://", "https://")):
        raise _refused("security-group", f'"{text}" is not a name', "It has 2 to 128 characters.")
    return text


def _private_ip(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _refused("private-ip", f'"{text}" is not an IPv4 address', "Correct it.") from None


def _cidr(name: str, text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise _refused(
            name, f'"{text}" is not an IPv4 network', "Write it as 203.0.113.0/24."
        ) from None


def _route_cidr(text: str) -> str:
    if text and "/" not in text:
        raise _refused("route-cidr", f'"{text}" is not a network', f"Write it as {text}/24.")
    return _cidr("route-cidr", text) if text else ""


def _ports(text: str) -> PortRange:
    match = re.fullmatch(r"(\d{1,5})(?:[-/:](\d{1,5}))?(?:/(tcp|udp))?", text.lower())
    first = int(match[1]) if match else 0
    last = int(match[2]) if match and match[2] else first
    if match is None or not 1 <= first <= last <= 65535:
        raise _refused(
            "open-port", f'"{text}" is not a port', "Write it as 80, 8000-8100 or 53/udp."
        )
    return PortRange(match[3] or "tcp", first, last)


def _price(text: str) -> float:
    if not text:
        return 0.0
    if not re.fullmatch(r"\d+(\.\d{1,3})?", text) or float(text) <= 0:
        raise _refused(
            "spot-price-limit", f'"{text}" is not a price', "Write it as 0.125, in an hour."
        )
    return float(text)


def _auto_release_time(text: str, now: datetime) -> str:
    """Return when an instance shall be released as the API wants it, in whole minutes of UTC."""
    if not text:
        return ""
    hint = "Write it as 2030-01-31T12:00:00Z, or as 8h or 3d from now."
    ahead = re.fullmatch(r"(\d{1,5})([hd])", text)
    if ahead:
        unit = timedelta(hours=1) if ahead[2] == "h" else timedelta(days=1)
        when = now + int(ahead[1]) * unit
    else:
        try:
            when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise _refused("auto-release-time", f'"{text}" is not a time', hint) from None
    if not now + timedelta(minutes=30) <= when <= now + timedelta(days=3 * 365):
        raise _refused(
            "auto-release-time",
            f'"{text}" is out of range',
            "It is at least 30 minutes and at most three years ahead.",
        )
    return when.strftime("%Y-%m-%dT%H:%M:00Z")
