"""The products of Alibaba Cloud that the driver uses, for one region and account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

from ecsmachine.aliyun.access_key import CredentialProvider, StsAddress
from ecsmachine.aliyun.credentials import STORED, CredentialFlags, resolve
from ecsmachine.aliyun.errors import Wording
from ecsmachine.drivers.aliyunecs.options.wording import STORED_WORDING, WORDING, credential_flags
from ecsmachine.drivers.aliyunecs.resources.instance_watch import InstanceWatch
from ecsmachine.drivers.aliyunecs.resources.together import Gathered, Once
from ecsmachine.drivers.base import Checkpoint, no_checkpoint

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient
    from ecsmachine.aliyun.ecs_images import ImagesClient
    from ecsmachine.aliyun.slb import SlbClient
    from ecsmachine.aliyun.sts import StsClient
    from ecsmachine.aliyun.vpc import VpcClient
    from ecsmachine.drivers.aliyunecs.options.settings import Settings


class _Options(TypedDict):
    """What the clients of all products are told."""

    custom_endpoint: str
    vpc_internal: bool
    wording: Wording
    checkpoint: Checkpoint


class Cloud:
    """Clients that are made, and imported, when they are first used.

    ``checkpoint`` is told of their requests. ``removed_once`` is there while machines are removed
    together: what they share is removed, or found to be in use, once for all of them.
    """

    def __init__(
        self,
        region: str,
        credentials: CredentialProvider,
        *,
        custom_endpoint: str = "",
        vpc_internal: bool = False,
        checkpoint: Checkpoint = no_checkpoint,
    ):
        self.region = region
        self.credentials = credentials
        self.watch = InstanceWatch()
        self.released_instances = Gathered[None]()
        self.released_key_pairs = Gathered[None]()
        self.removed_once: Once | None = None
        self._options = _Options(
            custom_endpoint=custom_endpoint,
            vpc_internal=vpc_internal,
            wording=STORED_WORDING if credentials.reference == STORED else WORDING,
            checkpoint=checkpoint,
        )

    @cached_property
    def ecs(self) -> EcsClient:
        """Instances, security groups, key pairs, images to make machines from."""
        from ecsmachine.aliyun.ecs import EcsClient

        return EcsClient(self.region, self.credentials, **self._options)

    @cached_property
    def images(self) -> ImagesClient:
        """Images of the account's own, and snapshots."""
        from ecsmachine.aliyun.ecs_images import ImagesClient

        return ImagesClient(self.region, self.credentials, **self._options)

    @cached_property
    def vpc(self) -> VpcClient:
        """Networks, elastic addresses, routes."""
        from ecsmachine.aliyun.vpc import VpcClient

        return VpcClient(self.region, self.credentials, **self._options)

    @cached_property
    def slb(self) -> SlbClient:
        """Load balancers."""
        from ecsmachine.aliyun.slb import SlbClient

        return SlbClient(self.region, self.credentials, **self._options)

    @cached_property
    def sts(self) -> StsClient:
        """Whose the credentials are."""
        from ecsmachine.aliyun.sts import StsClient

        return StsClient(self.region, self.credentials, **self._options)

    @cached_property
    def account_id(self) -> str:
        """The id of the account that the credentials belong to; asked for once."""
        return self.sts.account_id()


def cloud_of(
    settings: Settings,
    environment: Mapping[str, str],
    region: str = "",
    *,
    checkpoint: Checkpoint = no_checkpoint,
) -> Cloud:
    """Return the account and region that the settings name; ``region`` goes before theirs.

    Raises :class:`~ecsmachine.errors.MachineError` if there are no credentials.
    """
    return Cloud(
        region or settings.region,
        resolve(
            _flags_alone(settings.credentials, environment),
            environment,
            sts=StsAddress(settings.api_endpoint, settings.vpc_internal),
        ),
        custom_endpoint=settings.api_endpoint,
        vpc_internal=settings.vpc_internal,
        checkpoint=checkpoint,
    )


def _flags_alone(flags: CredentialFlags, environment: Mapping[str, str]) -> CredentialFlags:
    """Return what came by flags: the variables are options as well."""
    of_variables = credential_flags(
        environment.get("ECS_ACCESS_KEY_ID", "").strip(),
        environment.get("ECS_ACCESS_KEY_SECRET", "").strip(),
        environment.get("ECS_SECURITY_TOKEN", "").strip(),
        profile=flags.profile,
    )
    if flags == of_variables:
        return credential_flags(profile=flags.profile)
    is_lasting = flags.access_key_id and not flags.access_key_id.startswith("STS.")
    if is_lasting and flags.security_token == of_variables.security_token:
        # the token is that of the variables' own key
        return replace(flags, security_token="")
    return flags
