"""Launch templates: what RunInstances is to be asked with, kept in versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ecsmachine.localcloud.actions import listing as by
from ecsmachine.localcloud.actions.call import Answer, Call
from ecsmachine.localcloud.actions.instance_place import interfaces_of_request
from ecsmachine.localcloud.actions.listing import Filter, Listing, Test
from ecsmachine.localcloud.actions.unsupported import refuse_unsupported
from ecsmachine.localcloud.protocol import refusals
from ecsmachine.localcloud.protocol.clock import timestamp
from ecsmachine.localcloud.protocol.errors import invalid_parameter, missing_parameter
from ecsmachine.localcloud.protocol.identifiers import new_id
from ecsmachine.localcloud.protocol.names import checked_description, valid_name
from ecsmachine.localcloud.protocol.parameters import Parameters
from ecsmachine.localcloud.state.model import LaunchTemplate, TemplateVersion
from ecsmachine.localcloud.state.records import api_fields
from ecsmachine.localcloud.state.tagging import ecs_tags, put_tags, tags_of_request

MAX_TEMPLATES = 30
MAX_VERSIONS = 30
_TEXTS = (
    *("AutoReleaseTime", "CreditSpecification", "DeploymentSetId", "Description", "HostName"),
    *("HttpEndpoint", "HttpTokens", "ImageId", "ImageOwnerAlias", "InstanceChargeType"),
    *("InstanceName", "InstanceType", "InternetChargeType", "IoOptimized", "KeyPairName"),
    *("NetworkType", "PeriodUnit", "PrivateIpAddress", "RamRoleName", "ResourceGroupId"),
    *("SecurityEnhancementStrategy", "SecurityGroupId", "SpotStrategy", "UserData", "VSwitchId"),
    *("VpcId", "ZoneId"),
)
_NUMBERS = (
    *("AutoRenewPeriod", "HttpPutResponseHopLimit", "InternetMaxBandwidthIn"),
    *("InternetMaxBandwidthOut", "Ipv6AddressCount", "Period", "SpotDuration"),
)
_TRUTHS = ("AutoRenew", "DeletionProtection", "EnableVmOsConfig", "PasswordInherit")
_LISTS = ("DataDisk", "NetworkInterface", "SecurityGroupIds", "Tag")
_STRUCTS = ("ImageOptions", "SecurityOptions", "SystemDisk")
_OF_DISK = (
    *("AutoSnapshotPolicyId", "Category", "Description", "Device", "DiskName", "KMSKeyId"),
    *("PerformanceLevel", "SnapshotId"),
)
_OF_INTERFACE = (
    *("Description", "InstanceType", "NetworkInterfaceName", "NetworkInterfaceTrafficMode"),
    *("PrimaryIpAddress", "SecurityGroupId", "VSwitchId"),
)
_OF_TEMPLATES_ALONE = ("EnableVmOsConfig", "ImageOwnerAlias", "NetworkType", "VpcId")
"""Parameters of a template that RunInstances does not have."""
_INSTEAD = (
    {"SecurityGroupId", "SecurityGroupIds", "NetworkInterface"},
    {"VSwitchId", "NetworkInterface"},
    {"PrivateIpAddress", "NetworkInterface"},
)
"""Parameters with the same meaning: if a request has one, the template's others are ignored."""


def create_launch_template(call: Call) -> Answer:
    """CreateLaunchTemplate: with its first version, which is the default one."""
    region = call.region
    parameters = call.parameters
    name = parameters.require("LaunchTemplateName")
    if not valid_name(name):
        raise refusals.malformed("LaunchTemplateName")
    there = call.state.launch_templates.in_region(region.id)
    if any(item.name == name for item in there):
        raise refusals.of("LaunchTemplateName.Duplicated")
    if len(there) >= MAX_TEMPLATES:
        raise refusals.of("LaunchTemplateLimitExceed")
    tags = tags_of_request(_template_tags(parameters))
    template = call.state.launch_templates.put(
        LaunchTemplate(
            id=new_id("lt", region.id),
            region=region.id,
            name=name,
            created=timestamp(),
            modified=timestamp(),
            default_version=1,
            latest_version=1,
            versions=(_version_of_request(parameters, 1),),
            resource_group_id=parameters.text("TemplateResourceGroupId"),
        )
    )
    put_tags(call.state, "launchtemplate", template.id, region.id, tags)
    return {"LaunchTemplateId": template.id, "LaunchTemplateVersionNumber": 1}


def create_launch_template_version(call: Call) -> Answer:
    """CreateLaunchTemplateVersion: a version's number is never used again."""
    template = _template_of_request(call)
    if len(template.versions) >= MAX_VERSIONS:
        raise refusals.of("LaunchTemplateVersionLimitExceed")
    number = template.latest_version + 1
    version = _version_of_request(call.parameters, number)
    call.state.launch_templates.put(
        replace(
            template,
            versions=(*template.versions, version),
            latest_version=number,
            modified=timestamp(),
        )
    )
    return {"LaunchTemplateId": template.id, "LaunchTemplateVersionNumber": number}


def modify_launch_template_default_version(call: Call) -> Answer:
    """ModifyLaunchTemplateDefaultVersion: which version counts if none is named."""
    template = _template_of_request(call)
    number = _number_of(call.parameters.require("DefaultVersionNumber"), "DefaultVersionNumber")
    find_version(template, number)
    call.state.launch_templates.put(replace(template, default_version=number, modified=timestamp()))
    return {"LaunchTemplateId": template.id}


def delete_launch_template(call: Call) -> Answer:
    """DeleteLaunchTemplate: with all its versions."""
    template = _template_of_request(call)
    call.state.launch_templates.remove(template.id)
    numbers = [version.number for version in template.versions]
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateVersionNumbers": {"versionNumbers": numbers},
    }


def delete_launch_template_version(call: Call) -> Answer:
    """DeleteLaunchTemplateVersion: all but the default one."""
    template = _template_of_request(call)
    texts = call.parameters.listed("DeleteVersion", most=29)
    if not texts:
        raise missing_parameter("DeleteVersion")
    numbers = [_number_of(text, "DeleteVersion") for text in texts]
    for number in numbers:
        find_version(template, number)
    if template.default_version in numbers:
        raise invalid_parameter("DeleteVersion", "The default version cannot be deleted.")
    rest = tuple(version for version in template.versions if version.number not in numbers)
    call.state.launch_templates.put(replace(template, versions=rest, modified=timestamp()))
    return {
        "LaunchTemplateVersions": {
            "LaunchTemplateVersion": [
                {"LaunchTemplateId": template.id, "LaunchTemplateVersionNumber": number}
                for number in numbers
            ]
        }
    }


def with_template(call: Call) -> Call:
    """Return the call with what its launch template says of all that it does not say itself.

    Raises ``InvalidLaunchTemplate.NotFound`` or ``InvalidLaunchTemplateVersion.NotFound``, and
    refuses what of it is not implemented.
    """
    parameters = call.parameters
    if not (parameters.given("LaunchTemplateId") or parameters.given("LaunchTemplateName")):
        return call
    template = _template_of_request(call)
    text = parameters.text("LaunchTemplateVersion")
    number = _number_of(text) if text else template.default_version
    version = find_version(template, number)
    own = {
        name: value
        for name, value in parameters.values.items()
        if value and not name.startswith("LaunchTemplate")
    }
    groups = {name.partition(".")[0] for name in own}
    said = groups - set(_STRUCTS) | set(_OF_TEMPLATES_ALONE)
    for same in _INSTEAD:
        if groups & same:
            said |= same
    rest = {
        name: value
        for name, value in version.values.items()
        if name.partition(".")[0] not in said
        # a size of 0 is Terraform's word for none
        and not (name.endswith(".Size") and value == "0")
    }
    whole = replace(call, parameters=parameters.with_values({**rest, **own}))
    refuse_unsupported(whole)
    return whole


def find_version(template: LaunchTemplate, number: int) -> TemplateVersion:
    """Return a version; raises ``InvalidLaunchTemplateVersion.NotFound``."""
    for version in template.versions:
        if version.number == number:
            return version
    raise refusals.of("InvalidLaunchTemplateVersion.NotFound")


def _template_of_request(call: Call) -> LaunchTemplate:
    template_id = call.parameters.text("LaunchTemplateId")
    name = call.parameters.text("LaunchTemplateName")
    if not template_id and not name:
        raise missing_parameter("LaunchTemplateId")
    if template_id:
        return call.find(call.state.launch_templates, template_id)
    for template in call.state.launch_templates.in_region(call.region_id):
        if template.name == name:
            return template
    raise call.state.launch_templates.missing()


def _number_of(text: str, parameter: str = "LaunchTemplateVersion") -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise invalid_parameter(parameter)
    return int(text)


def _template_tags(parameters: Parameters) -> Parameters:
    prefix = "TemplateTag."
    return Parameters(
        {
            f"Tag.{name.removeprefix(prefix)}": parameters.text(name)
            for name in parameters.values
            if name.startswith(prefix)
        }
    )


def _version_of_request(parameters: Parameters, number: int) -> TemplateVersion:
    kept = {*_TEXTS, *_NUMBERS, *_TRUTHS, *_LISTS, *_STRUCTS, "SpotPriceLimit"}
    values = {
        name: parameters.text(name)
        for name in parameters.values
        if name.partition(".")[0] in kept and parameters.given(name)
    }
    wrong = invalid_parameter("VersionDescription")
    description = checked_description(parameters, wrong, name="VersionDescription")
    tags_of_request(Parameters(values))
    interfaces_of_request(Parameters(values))
    _data_view(values)  # which refuses what is no number
    return TemplateVersion(number, description, timestamp(), values)


def _template_view(call: Call, template: LaunchTemplate) -> dict[str, Any]:
    return {
        **api_fields(template),
        "CreatedBy": call.state.account.id,
        "Tags": ecs_tags(call.state.launch_templates.tags(template.id)),
    }


def _data_view(values: Mapping[str, str]) -> dict[str, Any]:
    """Return a version in the form of DescribeLaunchTemplateVersions."""
    parameters = Parameters(values)
    system_disk = _disk_view(parameters.struct("SystemDisk"))
    tags = [
        {"Key": item.text("Key") or item.text("key"), "Value": item.text("Value")}
        for item in parameters.structs("Tag")
    ]
    return {
        **_given(parameters, _TEXTS, Parameters.text),
        **_given(parameters, _NUMBERS, Parameters.integer),
        **_given(parameters, _TRUTHS, Parameters.boolean),
        "SpotPriceLimit": parameters.number("SpotPriceLimit"),
        "SecurityGroupIds": {"SecurityGroupId": parameters.listed("SecurityGroupIds")},
        "SystemDisk": system_disk,
        # older clients read these beside the nested ones
        **{f"SystemDisk.{name}": value for name, value in system_disk.items()},
        "DataDisks": {"DataDisk": [_disk_view(item) for item in parameters.structs("DataDisk")]},
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    **_given(item, _OF_INTERFACE, Parameters.text),
                    "SecurityGroupIds": {"SecurityGroupId": item.listed("SecurityGroupIds")},
                    **_given(item, ("DeleteOnRelease",), Parameters.boolean),
                }
                for item in parameters.structs("NetworkInterface")
            ]
        },
        "SecurityOptions": {
            "TrustedSystemMode": parameters.text("SecurityOptions.TrustedSystemMode")
        },
        "ImageOptions": {"LoginAsNonRoot": parameters.boolean("ImageOptions.LoginAsNonRoot")},
        "Tags": {"InstanceTag": tags},
    }


def _disk_view(item: Parameters) -> dict[str, Any]:
    return {
        **_given(item, _OF_DISK, Parameters.text),
        **_given(item, ("Iops", "ProvisionedIops", "Size"), partial(Parameters.integer, least=0)),
        # Encrypted is a text in the models of the API, but Terraform's provider reads no text.
        **_given(item, ("BurstingEnabled", "DeleteWithInstance", "Encrypted"), Parameters.boolean),
    }


def _given(
    item: Parameters, names: Iterable[str], read: Callable[[Parameters, str], Any]
) -> dict[str, Any]:
    return {name: read(item, name) for name in names if item.given(name)}


def _by_number(call: Call) -> Test[TemplateVersion] | None:
    numbers = [_number_of(text) for text in call.parameters.listed("LaunchTemplateVersion")]
    template = _template_of_request(call)
    for number in numbers:
        find_version(template, number)
    return (lambda version: version.number in numbers) if numbers else None


def _by_default(call: Call) -> Test[TemplateVersion] | None:
    if not call.parameters.boolean("DefaultVersion"):
        return None
    number = _template_of_request(call).default_version
    return lambda version: version.number == number


def _version_view(call: Call, version: TemplateVersion) -> dict[str, Any]:
    template = _template_of_request(call)
    detail = call.parameters.boolean("DetailFlag", True)
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        **api_fields(version),
        "DefaultVersion": version.number == template.default_version,
        "ModifiedTime": version.created,
        "CreatedBy": call.state.account.id,
        **({"LaunchTemplateData": _data_view(version.values)} if detail else {}),
    }


TEMPLATES = Listing(
    LaunchTemplate,
    "LaunchTemplateSets.LaunchTemplateSet",
    by.newest(lambda state: state.launch_templates),
    _template_view,
    (
        by.one_of("LaunchTemplateId", "id", Parameters.listed),
        by.one_of("LaunchTemplateName", "name", Parameters.listed),
        by.equals("TemplateResourceGroupId", "resource_group_id"),
        by.tagged("launchtemplate", name="TemplateTag"),
    ),
    most=50,
)
VERSIONS = Listing(
    TemplateVersion,
    "LaunchTemplateVersionSets.LaunchTemplateVersionSet",
    lambda call: _template_of_request(call).versions[::-1],
    _version_view,
    (
        Filter(("LaunchTemplateVersion",), _by_number),
        by.at_least("MinVersion", "number"),
        by.at_most("MaxVersion", "number"),
        Filter(("DefaultVersion",), _by_default),
    ),
    most=50,
)
