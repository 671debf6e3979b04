"""The products of Alibaba Cloud that the driver uses, for one region and account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from ecsmachine.aliyun.access_key import PUBLIC, ApiAddress, CredentialProvider
from ecsmachine.aliyun.credentials import STORED, CredentialFlags, resolve
from ecsmachine.drivers.aliyunecs.options.wording import STORED_WORDING, WORDING, credential_flags
from ecsmachine.drivers.aliyunecs.resources.instance_watch import instances_by_id
from ecsmachine.drivers.aliyunecs.resources.together import Gathered, Once
from ecsmachine.drivers.base import Checkpoint, no_checkpoint

if TYPE_CHECKING:
    from ecsmachine.aliyun.ecs import EcsClient
    from ecsmachine.aliyun.ecs_images import ImagesClient
    from ecsmachine.aliyun.ecs_values import Instance
    from ecsmachine.aliyun.regional import RegionalClient
    from ecsmachine.aliyun.slb import SlbClient
    from ecsmachine.aliyun.sts import StsClient
    from ecsmachine.aliyun.vpc import VpcClient
    from ecsmachine.drivers.aliyunecs.options.settings import Settings


C = TypeVar("C", bound="RegionalClient")


class Cloud:
    """Clients that are made, and imported, when they are first used.

    ``checkpoint`` is told of their requests. ``removed_once`` is there while machines are removed
    together: what they share is removed, or found to be in use, once for all of them.
    """

    def __init__(
        self,
        region: str,
        credentials: CredentialProvider,
        address: ApiAddress = PUBLIC,
        *,
        checkpoint: Checkpoint = no_checkpoint,
    ):
        self.region = region
        self.credentials = credentials
        self.watched_instances = Gathered["Instance"]()
        self.released_instances = Gathered[None]()
        self.released_key_pairs = Gathered[None]()
        self.removed_once: Once | None = None
        self._address = address
        self._checkpoint = checkpoint

    @cached_property
    def ecs(self) -> EcsClient:
        """Instances, security groups, key pairs, images to make machines from."""
        from ecsmachine.aliyun.ecs import EcsClient

        return self._client(EcsClient)

    @cached_property
    def images(self) -> ImagesClient:
        """Images of the account's own, and snapshots."""
        from ecsmachine.aliyun.ecs_images import ImagesClient

        return self._client(ImagesClient)

    @cached_property
    def vpc(self) -> VpcClient:
        """Networks, elastic addresses, routes."""
        from ecsmachine.aliyun.vpc import VpcClient

        return self._client(VpcClient)

    @cached_property
    def slb(self) -> SlbClient:
        """Load balancers."""
        from ecsmachine.aliyun.slb import SlbClient

        return self._client(SlbClient)

    @cached_property
    def sts(self) -> StsClient:
        """Whose the credentials are."""
        from ecsmachine.aliyun.sts import StsClient

        return self._client(StsClient)

    def _client(self, kind: type[C]) -> C:
        return kind(
            self.region,
            self.credentials,
            custom_endpoint=self._address.custom_endpoint,
            vpc_internal=self._address.vpc_internal,
            wording=STORED_WORDING if self.credentials.reference == STORED else WORDING,
            checkpoint=self._checkpoint,
        )

    def watched(self, instance_id: str) -> Instance | None:
        """Return an instance as it is now, or None, asked for with those that others wait for.

        Raises as DescribeInstances does.
        """
        look = partial(instances_by_id, self.ecs)
        return self.watched_instances.ask(instance_id, look)

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
    address = ApiAddress(settings.api_endpoint, settings.vpc_internal)
    flags = _flags_alone(settings.credentials, environment)
    credentials = resolve(flags, environment, sts=address)
    return Cloud(region or settings.region, credentials, address, checkpoint=checkpoint)


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
