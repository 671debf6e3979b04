"""Parameters that are kept and told, and what is refused rather than passed over."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from tests.api.localcloud.api_client import ECS, SLB, VPC, Api, RefusedError, until


def refusal(api: Api, action: str, **values: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        api.call(action, values)
    return caught.value


def test_what_is_not_implemented_is_refused_by_name_and_changes_nothing(api: Api) -> None:
    group_id = api.group()
    error = refusal(api, "RunInstances", **api.base(group_id), Ipv6AddressCount=1)
    assert (error.status, error.code) == (400, "UnsupportedParameter")
    assert "Ipv6AddressCount of RunInstances" in error.message
    assert "IPv6 addresses" in error.message
    assert not list(api.cloud.state.instances)


def test_a_refused_request_may_come_again_with_its_token(api: Api) -> None:
    values = {**api.base(api.group()), "ClientToken": "once"}
    assert refusal(api, "RunInstances", **values, StorageSetId="ss-1")
    first = api.call("RunInstances", values)["InstanceIdSets"]
    assert api.call("RunInstances", values)["InstanceIdSets"] == first


def test_what_asks_for_nothing_is_not_refused(api: Api) -> None:
    values = {"Tenancy": "default", "NetworkOptions.EnableJumboFrame": "false"}
    group_id = api.group()
    api.run(group_id, **values)
    # the values that ECS takes where nothing is said
    defaults = {
        "Affinity": "default",
        "NetworkOptions.EnableJumboFrame": "true",
        "PrivateDnsNameOptions.HostnameType": "Custom",
        "StorageSetPartitionNumber": 2,
    }
    api.run(group_id, **defaults)
    waits = {"TcpClosedAndTimeWaitTimeout": 3, "TcpEstablishedTimeout": 910, "UdpTimeout": 30}
    api.call(
        "CreateNetworkInterface",
        {f"ConnectionTrackingConfiguration.{name}": value for name, value in waits.items()},
        SecurityGroupId=group_id,
        VSwitchId=api.cloud.state.default_vswitch_id,
    )
    api.call("CreateVpc", {"EnableIpv6": "false"}, version=VPC)


def test_a_template_with_what_is_not_implemented_is_refused_when_it_is_used(api: Api) -> None:
    values = {**api.base(api.group()), "SecurityOptions.TrustedSystemMode": "vTPM"}
    api.call("CreateLaunchTemplate", {"LaunchTemplateName": "safe", **values})
    error = refusal(api, "RunInstances", LaunchTemplateName="safe")
    assert "SecurityOptions.TrustedSystemMode" in error.message


def test_lenient_passes_over_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with embedded_cloud(tmp_path / "cloud", lenient=True) as cloud:
        api = Api(cloud)
        with caplog.at_level(logging.WARNING, "ecsmachine.localcloud"):
            api.run(api.group(), Ipv6AddressCount=1)
    assert (
        "RunInstances uses a parameter that is not implemented: 'Ipv6AddressCount'" in caplog.text
    )


def test_what_is_no_parameter_is_ignored_and_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "ecsmachine.localcloud"):
        api.call("DescribeVpcs", {"Colour": "blue\nred"}, version=VPC)
    assert r"DescribeVpcs has no parameter 'Colour': ignored" in caplog.text


def test_a_parameter_of_another_action_does_nothing(api: Api) -> None:
    """VPC's version of an action has more parameters than that of ECS."""
    named = {"VpcName": "named", "ResourceGroupId": "rg-other", "Tag.1.Key": "team"}
    groups = {}
    for version in (ECS, VPC):
        vpc_id = api.call("CreateVpc", named, version=version)["VpcId"]
        vpc = api.call("DescribeVpcAttribute", version=VPC, VpcId=vpc_id)
        groups[version] = vpc["ResourceGroupId"], vpc["Tags"]["Tag"]
    assert groups[ECS] != groups[VPC] == ("rg-other", [{"Key": "team", "Value": ""}])
    assert api.refusal("CreateVpc", DryRun="true", version=VPC) == "400 DryRunOperation"
    assert api.call("DescribeAvailableResource", {"DryRun": "true"}, version=SLB)


@pytest.mark.parametrize(
    ("version", "action", "said"),
    [
        (VPC, "CreateNatGateway", "does not have the action CreateNatGateway"),
        (ECS, "CreateNatGatway", "Specified api is not found"),
    ],
)
def test_an_official_action_that_is_missing_is_told_from_a_typo(
    cloud: EmbeddedCloud,
    api: Api,
    version: str,
    action: str,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.WARNING, "ecsmachine.localcloud"),
        pytest.raises(RefusedError) as caught,
    ):
        api.call(action, version=version)
    assert (caught.value.status, caught.value.code) == (404, "InvalidAction.NotFound")
    assert said in caught.value.message
    assert (action in caplog.text) == (version == VPC)


def test_a_disk_keeps_what_it_was_asked_for(api: Api) -> None:
    zone = api.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    auto = {"ZoneId": zone, "DiskCategory": "cloud_auto", "Size": 40}
    kept = {"BurstingEnabled": True, "ProvisionedIops": 100, "KMSKeyId": "key-1"}
    disk_id = api.call("CreateDisk", {**auto, **kept, "Encrypted": True})["DiskId"]

    def told(**filters: object) -> dict[str, object]:
        (disk,) = api.call("DescribeDisks", filters)["Disks"]["Disk"]
        return dict(disk)

    assert kept.items() <= told().items()
    assert told()["IOPS"] == 1800 + 50 * 40 + 100
    api.call("ModifyDiskSpec", DiskId=disk_id, DiskCategory="cloud_auto", ProvisionedIops=200)
    api.call("ModifyDiskAttribute", {"DiskIds.1": disk_id, "BurstingEnabled": False})
    assert (told()["ProvisionedIops"], told()["BurstingEnabled"]) == (200, False)
    essd = {**auto, "DiskCategory": "cloud_essd"}
    assert api.refusal("CreateDisk", essd, BurstingEnabled=True) == (
        "400 BurstingEnabledForDiskCategoryUnsupported"
    )
    assert api.refusal("CreateDisk", essd, ProvisionedIops=1) == (
        "400 ProvisionedIopsForDiskCategoryUnsupported"
    )
    assert api.refusal("CreateDisk", auto, ProvisionedIops=50001) == (
        "400 InvalidProvisionedIops.LimitExceed"
    )


def test_disks_of_an_instance_keep_what_they_were_asked_for(api: Api) -> None:
    instance_id = api.run(
        api.group(),
        **{
            "SystemDisk.Category": "cloud_auto",
            "SystemDisk.ProvisionedIops": 50,
            "SystemDisk.AutoSnapshotPolicyId": "sp-1",
            "DataDisk.1.Size": 40,
            "DataDisk.1.Category": "cloud_auto",
            "DataDisk.1.BurstingEnabled": "true",
            "DataDisk.1.Encrypted": "true",
            "DataDisk.1.KMSKeyId": "key-1",
        },
    )

    def disks(**filters: object) -> list[dict[str, object]]:
        found = api.call("DescribeDisks", {"InstanceId": instance_id, **filters})
        return list(found["Disks"]["Disk"])

    (system,) = disks(AutoSnapshotPolicyId="sp-1")
    assert (system["Type"], system["ProvisionedIops"]) == ("system", 50)
    assert disks(EnableAutomatedSnapshotPolicy="true") == [system]
    (data,) = disks(EnableAutomatedSnapshotPolicy="false")
    assert (data["BurstingEnabled"], data["KMSKeyId"]) == (True, "key-1")
    assert disks(MultiAttach="Enabled") == disks(PerformanceLevel="PL1") == []
    later = {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2099-01-01T00:00Z"}
    assert disks(**later) == []


def instance(api: Api, instance_id: str) -> dict[str, object]:
    found = api.call("DescribeInstances", {"InstanceIds": f'["{instance_id}"]'})
    (told,) = found["Instances"]["Instance"]
    return dict(told)


def test_each_instance_gets_its_own_of_several_host_names(api: Api) -> None:
    values = {**api.base(api.group()), "Amount": 2}
    api.call("RunInstances", {**values, "HostNames.1": "east", "HostNames.2": "west"})
    assert sorted(each.host_name for each in api.cloud.state.instances) == ["east", "west"]
    assert api.refusal("RunInstances", {**values, "HostNames.1": "a"}) == "400 InvalidParameter"
    both = {**values, "HostNames.1": "a", "HostNames.2": "b", "HostName": "c"}
    assert api.refusal("RunInstances", both) == "400 InvalidParameter.Conflict"


def test_a_host_name_can_have_the_id_of_its_instance_in_it(api: Api) -> None:
    base = {**api.base(api.group()), "HostName": "k8s-${instance_id}"}
    made = api.call("RunInstances", base, Amount=2)["InstanceIdSets"]["InstanceIdSet"]
    names = {each.id: each.host_name for each in api.cloud.state.instances}
    assert names == {instance_id: f"k8s-{instance_id}" for instance_id in made}
    # Only RunInstances is said to know it.
    assert api.refusal("CreateInstance", base) == "400 InvalidHostName.Malformed"


def test_what_an_instance_is_asked_to_have_is_told(api: Api) -> None:
    instance_id = api.run(
        api.group(),
        **{
            "SpotStrategy": "SpotAsPriceGo",
            "SpotInterruptionBehavior": "Stop",
            "CpuOptions.ThreadsPerCore": 1,
            "CpuOptions.Core": 1,
            "CpuOptions.TopologyType": "ContinuousCoreToHTMapping",
            "DeploymentSetGroupNo": 3,
        },
    )
    told = instance(api, instance_id)
    assert told["SpotInterruptionBehavior"] == "Stop"
    assert told["DeploymentSetGroupNo"] == 3
    cpu = told["CpuOptions"]
    assert isinstance(cpu, dict)
    assert (cpu["CoreCount"], cpu["ThreadsPerCore"]) == (1, 1)
    assert cpu["TopologyType"] == "ContinuousCoreToHTMapping"
    back = {"InstanceId": instance_id, "CpuOptions.ThreadsPerCore": 2}
    api.call("ModifyInstanceAttribute", back)
    changed = instance(api, instance_id)["CpuOptions"]
    assert isinstance(changed, dict) and changed["ThreadsPerCore"] == 2
    wrong = {**api.base(api.group("other")), "CpuOptions.Core": 7}
    assert api.refusal("RunInstances", wrong) == "400 InvalidParameter"


def test_an_order_that_is_not_paid_for_makes_nothing(api: Api) -> None:
    values = {**api.base(api.group()), "InstanceChargeType": "PrePaid", "Period": 1}
    answer = api.call("RunInstances", {**values, "AutoPay": "false"})
    assert answer["TradePrice"] > 0
    assert answer["OrderId"] and not answer["InstanceIdSets"]["InstanceIdSet"]
    assert not list(api.cloud.state.instances)
    by_the_hour = {**values, "InstanceChargeType": "PostPaid", "AutoPay": "false"}
    assert api.refusal("RunInstances", by_the_hour) == "400 InvalidParameter"
    instance_id = api.run(api.group("hour"))
    ids = {"InstanceIds": f'["{instance_id}"]', "Period": 1}
    assert api.call("ModifyInstanceChargeType", {**ids, "AutoPay": "false"})["OrderId"]
    assert instance(api, instance_id)["InstanceChargeType"] == "PostPaid"
    assert api.call("ModifyInstanceChargeType", ids)["OrderId"]
    assert instance(api, instance_id)["InstanceChargeType"] == "PrePaid"


def test_the_data_disks_become_subscriptions_only_if_they_are_asked_for(api: Api) -> None:
    instance_id = api.run(api.group(), **{"DataDisk.1.Size": 40})
    ids = {"InstanceIds": f'["{instance_id}"]', "Period": 1}

    def charged() -> list[str]:
        return [disk.charge_type for disk in api.cloud.state.disks]

    api.call("ModifyInstanceChargeType", ids)
    assert charged() == ["PrePaid", "PostPaid"]
    api.call("ModifyInstanceChargeType", {**ids, "InstanceChargeType": "PostPaid"})
    api.call("ModifyInstanceChargeType", {**ids, "IncludeDataDisks": "true"})
    assert charged() == ["PrePaid", "PrePaid"]


def test_renewal_is_told_as_it_was_given(api: Api) -> None:
    values = {"InstanceChargeType": "PrePaid", "Period": 1, "AutoRenew": True}
    instance_id = api.run(api.group(), **values, AutoRenewPeriod=6)

    def told(**filters: object) -> list[tuple[object, object, object]]:
        answer = api.call("DescribeInstanceAutoRenewAttribute", filters)
        found = answer["InstanceRenewAttributes"]["InstanceRenewAttribute"]
        return [(each["RenewalStatus"], each["Duration"], each["PeriodUnit"]) for each in found]

    assert told(InstanceId=instance_id) == [("AutoRenewal", 6, "Month")]
    change = {"InstanceId": instance_id, "RenewalStatus": "AutoRenewal"}
    api.call("ModifyInstanceAutoRenewAttribute", change, Duration=2, PeriodUnit="Year")
    assert told(RenewalStatus="AutoRenewal") == [("AutoRenewal", 2, "Year")]
    api.call("ModifyInstanceAutoRenewAttribute", {**change, "RenewalStatus": "NotRenewal"})
    assert told(RenewalStatus="NotRenewal") == [("NotRenewal", 0, "Month")]
    assert told(RenewalStatus="Normal") == []


def test_instances_are_found_by_their_metadata_options_and_times(api: Api) -> None:
    instance_id = api.run(api.group(), HttpTokens="required", HttpEndpoint="enabled")

    def found(**filters: object) -> list[str]:
        answer = api.call("DescribeInstances", filters)
        return [each["InstanceId"] for each in answer["Instances"]["Instance"]]

    assert found(HttpTokens="required", HttpEndpoint="enabled") == [instance_id]
    assert found(HttpTokens="optional") == found(HttpEndpoint="disabled") == []
    never = {"Filter.3.Key": "ExpiredEndTime", "Filter.3.Value": "2024-01-01T00:00Z"}
    assert found(**never) == []


@pytest.mark.parametrize(
    "user_cidrs",
    ["30.0.0.0/8, 31.0.0.0/8", '["30.0.0.0/8","31.0.0.0/8"]', "['30.0.0.0/8', '31.0.0.0/8']"],
)
def test_further_networks_of_a_vpc(api: Api, user_cidrs: str) -> None:
    values = {"CidrBlock": "10.0.0.0/16", "UserCidr": user_cidrs}
    vpc = {"VpcId": api.call("CreateVpc", values, version=VPC)["VpcId"]}

    def told() -> dict[str, object]:
        (found,) = api.call("DescribeVpcs", vpc, version=VPC)["Vpcs"]["Vpc"]
        return dict(found)

    assert told()["UserCidrs"] == {"UserCidr": ["30.0.0.0/8", "31.0.0.0/8"]}
    second = {**vpc, "SecondaryCidrBlock": "192.168.0.0/16"}
    zone = api.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    inside = {**vpc, "ZoneId": zone, "CidrBlock": "192.168.1.0/24"}
    assert api.refusal("CreateVSwitch", inside, version=VPC) == "400 InvalidParameter"
    added = api.call("AssociateVpcCidrBlock", second, version=VPC)
    assert (added["CidrBlock"], added["IpVersion"]) == ("192.168.0.0/16", "IPv4")
    assert told()["SecondaryCidrBlocks"] == {"SecondaryCidrBlock": ["192.168.0.0/16"]}
    overlapped = "400 InvalidCidrBlock.Overlapped"
    assert api.refusal("AssociateVpcCidrBlock", second, version=VPC) == overlapped
    large = {
        "VpcId": api.call("CreateVpc", CidrBlock="172.16.0.0/12", version=VPC)["VpcId"],
        "SecondaryCidrBlock": "10.0.0.0/8",
    }
    assert api.call("AssociateVpcCidrBlock", large, version=VPC)["CidrBlock"] == "10.0.0.0/8"
    api.call("CreateVSwitch", inside, version=VPC)
    held = "400 DependencyViolation.VSwitch"
    assert api.refusal("UnassociateVpcCidrBlock", second, version=VPC) == held
    api.call("ModifyVpcAttribute", {**vpc, "CidrBlock": "10.0.0.0/12"}, version=VPC)
    assert told()["CidrBlock"] == "10.0.0.0/12"
    shrunk = {**vpc, "CidrBlock": "10.0.0.0/24"}
    api.call("CreateVSwitch", {**inside, "CidrBlock": "10.1.0.0/24"}, version=VPC)
    assert api.refusal("ModifyVpcAttribute", shrunk, version=VPC) == held


def test_an_address_that_is_paid_for_ahead(api: Api) -> None:
    values = {"InstanceChargeType": "PrePaid", "Period": 2, "PricingCycle": "Month"}
    unpaid = api.call("AllocateEipAddress", values, version=VPC)
    assert unpaid["OrderId"] and not unpaid["AllocationId"]
    paid = api.call("AllocateEipAddress", {**values, "AutoPay": True}, version=VPC)
    (eip,) = api.call("DescribeEipAddresses", version=VPC)["EipAddresses"]["EipAddress"]
    assert (eip["AllocationId"], eip["ChargeType"]) == (paid["AllocationId"], "PrePaid")
    assert eip["ExpiredTime"] > eip["AllocationTime"]
    later = {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2099-01-01T00:00Z"}
    assert api.call("DescribeEipAddresses", later, version=VPC)["TotalCount"] == 0


def balancer(api: Api, **values: object) -> str:
    # Without AddressType, a balancer in a VSwitch has an address of it.
    inside = {"VSwitchId": api.cloud.state.default_vswitch_id}
    answer = api.call("CreateLoadBalancer", {**inside, **values}, version=SLB)
    return str(answer["LoadBalancerId"])


def balancers(api: Api, **filters: object) -> list[dict[str, object]]:
    found = api.call("DescribeLoadBalancers", filters, version=SLB)
    return list(found["LoadBalancers"]["LoadBalancer"])


def test_a_load_balancer_has_what_it_was_asked_for(api: Api) -> None:
    balancer_id = balancer(
        api,
        Address="172.16.0.77",
        InstanceChargeType="PayByCLCU",
        ModificationProtectionStatus="ConsoleProtection",
        ModificationProtectionReason="by.Terraform",
        VpcId=api.cloud.state.default_vpc_id,
    )
    (told,) = balancers(api, AddressIPVersion="ipv4", InternetChargeType="paybytraffic")
    assert told["LoadBalancerId"] == balancer_id
    assert (told["Address"], told["InstanceChargeType"]) == ("172.16.0.77", "PayByCLCU")
    assert told["ModificationProtectionReason"] == "by.Terraform"
    off = {"LoadBalancerId": balancer_id, "ModificationProtectionStatus": "NonProtection"}
    api.call("SetLoadBalancerModificationProtection", off, version=SLB)
    assert balancers(api)[0]["ModificationProtectionReason"] == ""
    taken = {"AddressType": "intranet", "VSwitchId": api.cloud.state.default_vswitch_id}
    for address in ("172.16.0.77", "10.0.0.1"):
        refused = api.refusal("CreateLoadBalancer", {**taken, "Address": address}, version=SLB)
        assert refused == "400 InvalidParameter"
    assert balancers(api, InternetChargeType="paybybandwidth") == []
    assert balancers(api, AddressIPVersion="ipv6") == []


def test_load_balancers_are_found_by_servers_and_tags_in_json(api: Api) -> None:
    instance_id = api.run(api.group())
    address = str(api.cloud.state.instances.rows()[instance_id].private_ip)
    balancer_id = balancer(api, **{"Tag.1.Key": "team", "Tag.1.Value": "a"})
    balancer(api)
    servers = {"LoadBalancerId": balancer_id, "BackendServers": f'["{instance_id}"]'}
    api.call("AddBackendServers", servers, version=SLB)
    by_address = balancers(api, ServerIntranetAddress=f"10.9.9.9,{address}")
    by_tags = balancers(api, Tags='[{"TagKey": "team", "TagValue": "a"}]')
    assert [each["LoadBalancerId"] for each in by_address] == [balancer_id]
    assert by_tags == by_address
    assert balancers(api, Tags='[{"TagKey": "team", "TagValue": "b"}]') == []


def test_a_subscription_of_a_load_balancer_is_ordered(api: Api) -> None:
    values = {"PayType": "PrePay", "PricingCycle": "month", "Duration": 1}
    unpaid = api.call("CreateLoadBalancer", values, version=SLB)
    assert unpaid["OrderId"] and not unpaid["LoadBalancerId"] and not balancers(api)
    paid = api.call("CreateLoadBalancer", {**values, "AutoPay": True}, version=SLB)
    one = {"LoadBalancerId": paid["LoadBalancerId"]}
    change = {**one, "LoadBalancerSpec": "slb.s3.large"}
    assert api.call("ModifyLoadBalancerInstanceSpec", change, version=SLB)["OrderId"]
    assert balancers(api)[0]["LoadBalancerSpec"] == "slb.s1.small"
    api.call("ModifyLoadBalancerInstanceSpec", {**change, "AutoPay": True}, version=SLB)
    assert balancers(api)[0]["LoadBalancerSpec"] == "slb.s3.large"
    told = api.call("DescribeLoadBalancerAttribute", one, version=SLB)
    assert told["EndTime"] < "2999"


def test_tags_of_server_groups_and_listeners(api: Api) -> None:
    balancer_id = balancer(api)
    one = {"LoadBalancerId": balancer_id}
    tag = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
    api.call("CreateVServerGroup", {**one, **tag}, version=SLB)
    api.call("CreateVServerGroup", one, version=SLB)
    groups = api.call("DescribeVServerGroups", {**one, **tag}, version=SLB)
    (group,) = groups["VServerGroups"]["VServerGroup"]
    assert group["Tags"] == {"Tag": [{"TagKey": "team", "TagValue": "a"}]}
    listener = {**one, "ListenerPort": 80, "BackendServerPort": 80, "Bandwidth": -1}
    more = {"Description": "web", "ProxyProtocolV2Enabled": "true"}
    api.call("CreateLoadBalancerTCPListener", {**listener, **tag, **more}, version=SLB)
    api.call("CreateLoadBalancerUDPListener", {**listener, "ListenerPort": 53}, version=SLB)

    def found(**filters: object) -> list[int]:
        answer = api.call("DescribeLoadBalancerListeners", filters, version=SLB)
        return [each["ListenerPort"] for each in answer["Listeners"]]

    assert found(**tag) == found(Description="web") == [80]
    told = api.call("DescribeLoadBalancerTCPListenerAttribute", listener, version=SLB)
    assert told["ProxyProtocolV2Enabled"] is True and told["Tags"] == group["Tags"]
    resource = {"ResourceType": "listener", "ResourceId.1": f"{balancer_id}_tcp_80"}
    api.call("UntagResources", {**resource, "All": "true"}, version=SLB)
    assert found(**tag) == []


def test_distinct_keys_of_tags(api: Api) -> None:
    for value in ("a", "b"):
        balancer(api, **{"Tag.1.Key": "team", "Tag.1.Value": value})
    tags = api.call("DescribeTags", version=SLB)["TagSets"]["TagSet"]
    keys = api.call("DescribeTags", DistinctKey=True, version=SLB)["TagSets"]["TagSet"]
    assert (len(tags), len(keys)) == (2, 1)


def own_image(api: Api, **values: object) -> str:
    instance_id = api.run(api.group())
    image_id = api.call("CreateImage", {"InstanceId": instance_id, **values})["ImageId"]
    until(lambda: images(api, ImageId=image_id))
    return str(image_id)


def images(api: Api, **filters: object) -> list[dict[str, object]]:
    return list(api.call("DescribeImages", {"PageSize": 100, **filters})["Images"]["Image"])


def test_an_image_that_is_deprecated_is_the_newest_of_its_family_no_more(api: Api) -> None:
    image_id = own_image(api, ImageFamily="web", BootMode="UEFI", ResourceGroupId="rg-web")
    assert api.call("DescribeImageFromFamily", ImageFamily="web")["Image"]["BootMode"] == "UEFI"
    api.call("ModifyImageAttribute", ImageId=image_id, Status="Deprecated", LicenseType="BYOL")
    assert "Image" not in api.call("DescribeImageFromFamily", ImageFamily="web")
    assert images(api, ImageId=image_id) == []
    (told,) = images(api, ImageId=image_id, Status="Deprecated")
    assert (told["Status"], told["LicenseType"]) == ("Deprecated", "BYOL")
    values = {**api.base(api.group("by-id")), "ImageId": image_id}
    assert api.call("RunInstances", values)["InstanceIdSets"]["InstanceIdSet"]


def test_images_are_found_by_all_that_is_told_of_them(api: Api) -> None:
    image_id = own_image(api, ResourceGroupId="rg-web", **{"Features.ImdsSupport": "v1"})
    assert images(api, ImageId=image_id)[0]["Features"]["ImdsSupport"] == "v1"  # type: ignore[index]
    for filters in (
        {"ImageOwnerId": api.cloud.state.account.id},
        {"ResourceGroupId": "rg-web"},
        {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2026-01-02T00:00Z"},
    ):
        assert [each["ImageId"] for each in images(api, **filters)] == [image_id]
    assert {each["Usage"] for each in images(api, Usage="instance")} == {"instance"}
    classic = {"Filter.1.Key": "NetworkType", "Filter.1.Value": "classic"}
    assert images(api, Usable="false") == images(api, **classic) == []


def test_a_changed_rule_has_the_new_other_side(api: Api) -> None:
    group_id, other = api.group(), api.group("other")
    rule = {"SecurityGroupId": group_id, "IpProtocol": "tcp", "PortRange": "22/22"}
    api.call("AuthorizeSecurityGroup", {**rule, "SourceCidrIp": "10.0.0.0/8"})

    def told() -> dict[str, object]:
        found = api.call("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
        (each,) = found["Permissions"]["Permission"]
        return dict(each)

    change = {"SecurityGroupId": group_id, "SecurityGroupRuleId": told()["SecurityGroupRuleId"]}
    api.call("ModifySecurityGroupRule", {**change, "SourceGroupId": other})
    assert (told()["SourceGroupId"], told()["SourceCidrIp"]) == (other, "")
    strange = {**rule, "SourceGroupId": other, "SourceGroupOwnerId": "1"}
    refused = api.refusal("AuthorizeSecurityGroup", strange)
    assert refused == "404 InvalidSourceGroupId.NotFound"
    listed = {**rule, "SourcePrefixListId": "pl-1"}
    assert api.refusal("AuthorizeSecurityGroup", listed) == "404 InvalidPrefixListId.NotFound"
    # An address is heeded before a group, and both before a list.
    api.call("AuthorizeSecurityGroup", {**strange, **listed, "SourceCidrIp": "10.9.0.0/16"})
    found = api.call("DescribeSecurityGroupAttribute", SecurityGroupId=group_id)
    added = found["Permissions"]["Permission"][0]
    assert (added["SourceCidrIp"], added["SourceGroupId"]) == ("10.9.0.0/16", "")


@pytest.mark.parametrize(("direction", "own"), [("", "Dest"), ("Egress", "Source")])
def test_the_own_side_of_a_rule_is_of_one_kind(api: Api, direction: str, own: str) -> None:
    side = "Dest" if direction else "Source"
    rule = {"SecurityGroupId": api.group(), "IpProtocol": "tcp", "PortRange": "22/22"}
    rule |= {f"{side}CidrIp": "0.0.0.0/0", f"{own}CidrIp": "10.0.0.0/8"}
    both = {**rule, f"Ipv6{own}CidrIp": "fd00::/8"}
    action = f"AuthorizeSecurityGroup{direction}"
    assert api.refusal(action, both) == "400 InvalidParamter.Conflict"
    api.call(action, rule)
    group = {"SecurityGroupId": rule["SecurityGroupId"]}

    def told() -> dict[str, str]:
        (each,) = api.call("DescribeSecurityGroupAttribute", group)["Permissions"]["Permission"]
        return dict(each)

    change = {**group, "SecurityGroupRuleId": told()["SecurityGroupRuleId"]}
    action = f"ModifySecurityGroup{direction}Rule"
    api.call(action, change, **{f"Ipv6{own}CidrIp": "fd00::/8"})
    assert (told()[f"{own}CidrIp"], told()[f"Ipv6{own}CidrIp"]) == ("", "fd00::/8")


def test_provisioned_performance_has_a_price(api: Api) -> None:
    disk = {"ResourceType": "disk", "DataDisk.1.Size": 40, "DataDisk.1.Category": "cloud_auto"}

    def price(**more: object) -> float:
        answer = api.call("DescribePrice", {**disk, **more})
        return float(answer["PriceInfo"]["Price"]["TradePrice"])

    assert price(**{"DataDisk.1.ProvisionedIops": 1000}) > price()
    assert api.refusal("DescribePrice", disk, ZoneId="nowhere") == "404 InvalidZoneId.NotFound"


def test_what_the_api_says_in_two_ways_is_said_in_one(api: Api) -> None:
    group, vpc = api.group(), api.cloud.state.vpcs.get(api.cloud.state.default_vpc_id)
    base = {**api.base(group), "Amount": 1}
    free = {name: value for name, value in base.items() if name[-2:] != "Id" or name == "ImageId"}
    place = {"VSwitchId": base["VSwitchId"], "SecurityGroupId": group}
    family = {"ImageFamily": "acs:debian_12_8_x64"}

    def card(kind: str, **values: object) -> dict[str, object]:
        said = {"InstanceType": kind, "VSwitchId": base["VSwitchId"], **values}
        return {f"NetworkInterface.1.{name}": value for name, value in said.items()}

    both = {"SecurityGroupId": group, "SecurityGroupIds.1": group}
    cards = (
        {**base, **card("Secondary", **both)},
        {**free, **card("Primary", **both)},
        {**base, **card("Primary", SecurityGroupId=group)},
        {**free, **card("Primary", SecurityGroupId=group), "PrivateIpAddress": "172.16.0.9"},
        {**base, **both},
    )
    template = api.call(
        "CreateLaunchTemplate", {"LaunchTemplateName": "web", "ImageId": base["ImageId"]}
    )
    from_template = {"LaunchTemplateId": template["LaunchTemplateId"], **family}
    del free["ImageId"]
    cases: list[tuple[str, dict[str, object]]] = [
        *(("RunInstances", values) for values in cards),
        *(("CreateLaunchTemplate", {**values, "LaunchTemplateName": "other"}) for values in cards),
        ("RunInstances", {**base, **family}),
        ("CreateInstance", {**base, **family}),
        ("RunInstances", {**free, **place, **from_template}),
        ("CreateNetworkInterface", {"VSwitchId": base["VSwitchId"], **both}),
        ("ModifyDiskAttribute", {"DiskId": "d-1", "DiskIds.1": "d-2"}),
        ("ListTagResources", {"ResourceType": "disk", "Tag.1.Key": "a", "TagFilter.1.TagKey": "a"}),
    ]
    for action, values in cases:
        assert api.refusal(action, values) == "400 InvalidParameter.Conflict", (action, values)
    assert vpc is not None
    routers = {"VRouterId": vpc.vrouter_id, "RouterId": vpc.vrouter_id}
    told = api.refusal("DescribeRouteTables", routers, version=VPC)
    assert told == "400 InvalidParameter.Conflict"
