"""Launch templates: their versions, and instances that are made from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import DEBIAN, Api, RefusedError

NO_TEMPLATE = "404 InvalidLaunchTemplate.NotFound"
NO_VERSION = "404 InvalidLaunchTemplateVersion.NotFound"


@pytest.fixture
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def template(api: Api, name: str = "web", **more: Any) -> str:
    values = {"LaunchTemplateName": name, **more}
    return str(api.call("CreateLaunchTemplate", values)["LaunchTemplateId"])


def versions(api: Api, template_id: str, **more: Any) -> list[dict[str, Any]]:
    values = {"LaunchTemplateId": template_id, **more}
    told = api.call("DescribeLaunchTemplateVersions", values)
    found: list[dict[str, Any]] = told["LaunchTemplateVersionSets"]["LaunchTemplateVersionSet"]
    return found


def templates(api: Api, **filters: Any) -> list[dict[str, Any]]:
    told = api.call("DescribeLaunchTemplates", filters)
    found: list[dict[str, Any]] = told["LaunchTemplateSets"]["LaunchTemplateSet"]
    return found


def test_a_life(api: Api) -> None:
    tag = {"TemplateTag.1.Key": "team", "TemplateTag.1.Value": "网"}
    values = {"ImageId": DEBIAN, "InternetMaxBandwidthOut": "5", "DataDisk.1.Size": "20", **tag}
    values |= {"DataDisk.1.Encrypted": "false", "DataDisk.2.Encrypted": "true"}
    template_id = template(api, VersionDescription="first", **values)
    (told,) = templates(api, **{"LaunchTemplateName.1": "web"})
    expected = {
        "LaunchTemplateId": template_id,
        "DefaultVersionNumber": 1,
        "LatestVersionNumber": 1,
        "Tags": {"Tag": [{"TagKey": "team", "TagValue": "网"}]},
    }
    assert {name: told[name] for name in expected} == expected
    assert templates(api, **tag) == [told]
    assert templates(api, **{"LaunchTemplateId.1": "lt-nobody"}) == []
    (version,) = versions(api, template_id)
    assert (version["VersionNumber"], version["DefaultVersion"]) == (1, True)
    assert version["VersionDescription"] == "first"
    data = version["LaunchTemplateData"]
    assert (data["ImageId"], data["InternetMaxBandwidthOut"]) == (DEBIAN, 5)
    disks = [{"Size": 20, "Encrypted": False}, {"Encrypted": True}]
    assert data["DataDisks"] == {"DataDisk": disks}
    assert "LaunchTemplateData" not in versions(api, template_id, DetailFlag="false")[0]

    values = {"LaunchTemplateName": "web", "InstanceType": "ecs.g6.large"}
    second = api.call("CreateLaunchTemplateVersion", values)
    assert second["LaunchTemplateVersionNumber"] == 2
    assert [item["VersionNumber"] for item in versions(api, template_id)] == [2, 1]
    only = {"LaunchTemplateVersion.1": 2}
    assert [item["DefaultVersion"] for item in versions(api, template_id, **only)] == [False]
    base = {"LaunchTemplateId": template_id}
    api.call("ModifyLaunchTemplateDefaultVersion", base, DefaultVersionNumber=2)
    (default,) = versions(api, template_id, DefaultVersion="true")
    assert default["VersionNumber"] == 2
    action = "DeleteLaunchTemplateVersion"
    assert api.refusal(action, {**base, "DeleteVersion.1": 2}) == "400 InvalidParameter"
    api.call(action, {**base, "DeleteVersion.1": 1})
    # A number is not used again.
    third = api.call("CreateLaunchTemplateVersion", base)
    assert third["LaunchTemplateVersionNumber"] == 3
    api.call("DeleteLaunchTemplate", base)
    assert templates(api) == []
    assert api.refusal("DescribeLaunchTemplateVersions", base) == NO_TEMPLATE


def test_instances_are_made_from_it(api: Api) -> None:
    group = api.group()
    values = {
        **api.base(group),
        "InstanceName": "of-template",
        "SystemDisk.Category": "cloud_essd",
        "SystemDisk.Size": "50",
        "DataDisk.1.Size": "30",
        "DataDisk.2.Size": "40",
        "Tag.1.Key": "a",
        "Tag.1.Value": "b",
        "InternetMaxBandwidthOut": 3,
        "HttpTokens": "required",
    }
    template_id = template(api, **values)

    def run(**more: Any) -> dict[str, Any]:
        answer = api.call("RunInstances", {"LaunchTemplateId": template_id, **more})
        (instance_id,) = answer["InstanceIdSets"]["InstanceIdSet"]
        return api.wait(instance_id, "Running")

    def sizes(instance: dict[str, Any]) -> list[int]:
        found = api.call("DescribeDisks", InstanceId=instance["InstanceId"])["Disks"]["Disk"]
        return sorted(disk["Size"] for disk in found)

    instance = run()
    assert (instance["InstanceName"], instance["InternetMaxBandwidthOut"]) == ("of-template", 3)
    assert instance["Tags"] == {"Tag": [{"TagKey": "a", "TagValue": "b"}]}
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert sizes(instance) == [30, 40, 50]
    # What the request says counts; lists as a whole.
    other = api.group("other")
    own = {"SecurityGroupIds.1": other, "DataDisk.1.Size": 25, "SystemDisk.Size": 60}
    instance = run(InstanceName="own", InternetMaxBandwidthOut=0, **own)
    assert instance["InstanceName"] == "own"
    assert instance["SecurityGroupIds"]["SecurityGroupId"] == [other]
    assert instance["PublicIpAddress"]["IpAddress"] == []
    assert sizes(instance) == [25, 60]
    interface = {
        "NetworkInterface.1.InstanceType": "Primary",
        "NetworkInterface.1.VSwitchId": values["VSwitchId"],
        "NetworkInterface.1.SecurityGroupId": other,
    }
    assert run(**interface)["SecurityGroupIds"]["SecurityGroupId"] == [other]
    # By name and version; without one, the default.
    by_name = {"LaunchTemplateName": "web", "LaunchTemplateId": ""}
    api.call("CreateLaunchTemplateVersion", {**values, **by_name, "InstanceName": "second"})
    assert run(**by_name)["InstanceName"] == "of-template"
    assert run(**by_name, LaunchTemplateVersion="2")["InstanceName"] == "second"
    assert api.refusal("RunInstances", by_name, LaunchTemplateVersion=9) == NO_VERSION
    assert api.refusal("RunInstances", LaunchTemplateName="nobody") == NO_TEMPLATE
    assert api.refusal("RunInstances", by_name, RegionId="cn-beijing") == NO_TEMPLATE


def test_an_incomplete_one_is_completed_by_the_request(api: Api) -> None:
    template_id = template(api, ImageId=DEBIAN)
    values = api.base(api.group())
    del values["ImageId"]
    refused = api.refusal("RunInstances", LaunchTemplateId=template_id)
    assert refused == "400 MissingParameter"
    assert api.call("RunInstances", {**values, "LaunchTemplateId": template_id})["InstanceIdSets"]


def test_what_is_refused(api: Api) -> None:
    template_id = template(api)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "400 MissingParameter"),
        ({"LaunchTemplateName": "1"}, "400 InvalidLaunchTemplateName.Malformed"),
        ({"LaunchTemplateName": "web"}, "400 LaunchTemplateName.Duplicated"),
        ({"LaunchTemplateName": "w2", "InternetMaxBandwidthOut": "x"}, "400 InvalidParameter"),
        ({"LaunchTemplateName": "w2", "DataDisk.1.Size": "-1"}, "400 InvalidParameter"),
        ({"LaunchTemplateName": "w2", "TemplateTag.1.Key": "acs:x"}, "400 InvalidTagKey.Malformed"),
    ]
    for values, expected in wrong:
        assert api.refusal("CreateLaunchTemplate", values) == expected, values
    assert len(templates(api)) == 1
    nobody = {"LaunchTemplateId": "lt-nobody", "DeleteVersion.1": 1, "DefaultVersionNumber": 1}
    for action in (
        "CreateLaunchTemplateVersion",
        "DescribeLaunchTemplateVersions",
        "DeleteLaunchTemplate",
        "DeleteLaunchTemplateVersion",
        "ModifyLaunchTemplateDefaultVersion",
    ):
        assert api.refusal(action) == "400 MissingParameter"
        assert api.refusal(action, nobody) == NO_TEMPLATE
    base = {"LaunchTemplateId": template_id}
    action = "ModifyLaunchTemplateDefaultVersion"
    assert api.refusal(action, base, DefaultVersionNumber=2) == NO_VERSION
    assert api.refusal("DeleteLaunchTemplateVersion", {**base, "DeleteVersion.1": 5}) == NO_VERSION
    for action, name in (
        ("ModifyLaunchTemplateDefaultVersion", "DefaultVersionNumber"),
        ("DeleteLaunchTemplateVersion", "DeleteVersion"),
        ("DescribeLaunchTemplateVersions", "LaunchTemplateVersion"),
    ):
        with pytest.raises(RefusedError, match=f" {name} is"):
            api.call(action, {**base, name: "x", f"{name}.1": "x"})
    for _ in range(29):
        api.call("CreateLaunchTemplateVersion", base)
    refused = "403 LaunchTemplateVersionLimitExceed"
    assert api.refusal("CreateLaunchTemplateVersion", base) == refused


def test_user_data_is_not_shown_in_logs(api: Api) -> None:
    template_id = template(api, UserData="c2VjcmV0")
    row = api.cloud.state.launch_templates.get(template_id)
    assert "c2VjcmV0" not in repr(row)
    assert "c2VjcmV0" in json.dumps(versions(api, template_id))
