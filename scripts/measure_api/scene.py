"""A cloud with one of everything, and requests that it accepts: a base for every action.

A base holds what its action needs to succeed; the official metadata says what that is, ``BASES``
what it leaves out, ``WAYS`` what else brings further parameters into play.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloud import Probe
from official import ActionFacts

from ecsmachine.localcloud.container_service.certificates import make_server_certificate

ECS, SLB, VPC, STS = "2014-05-26", "2014-05-15", "2016-04-28", "2015-04-01"
TAG = {"Tag.1.Key": "team", "Tag.1.Value": "a"}
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6Y8mVwQmVTVQ2r5mVb3R5t0GQvYw8mQvC7wq0y1o2A measure"
)


class SceneError(Exception):
    """A request that furnishes the cloud was refused."""


@dataclass
class Scene:
    """The names and ids of what there is."""

    ids: dict[str, str]

    def __getattr__(self, name: str) -> str:
        return self.ids[name]


def furnish(probe: Probe) -> Scene:
    """Make one of everything with all that it can be given."""
    region = probe.cloud.region
    zone = f"{region}-h"
    ids: dict[str, str] = {"region": region, "zone": zone}

    def call(version: str, action: str, **values: Any) -> Any:
        named = {key.replace("__", "."): value for key, value in values.items()}
        outcome = probe.call(version, action, {"RegionId": region, **named})
        if outcome.code:
            raise SceneError(f"{action}: {outcome.code}: {outcome.message}")
        return outcome.answer

    common = {"Description": "of the scene", "ResourceGroupId": "rg-test", **TAG}
    vpc = call(
        VPC, "CreateVpc", VpcName="vpc", CidrBlock="10.0.0.0/8", UserCidr="30.1.0.0/16", **common
    )
    ids |= {"vpc": vpc["VpcId"], "vrouter": vpc["VRouterId"], "table": vpc["RouteTableId"]}
    ids["empty_vpc"] = call(VPC, "CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    call(VPC, "AssociateVpcCidrBlock", VpcId=ids["empty_vpc"], SecondaryCidrBlock="172.30.0.0/16")
    call(VPC, "AssociateVpcCidrBlock", VpcId=ids["vpc"], SecondaryCidrBlock="172.29.0.0/16")
    for name, cidr in (("vswitch", "10.1.0.0/16"), ("empty_vswitch", "10.2.0.0/16")):
        ids[name] = call(
            VPC, "CreateVSwitch", VpcId=vpc["VpcId"], ZoneId=zone, CidrBlock=cidr,
            VSwitchName=name, Description="of the scene", **TAG,
        )["VSwitchId"]  # fmt: skip
    for name in ("group", "other_group", "empty_group"):
        ids[name] = call(
            ECS, "CreateSecurityGroup", SecurityGroupName=name, VpcId=vpc["VpcId"], **common
        )["SecurityGroupId"]
    rule = {"IpProtocol": "tcp", "PortRange": "22/22", "Description": "ssh"}
    for direction, sides in (
        ("", {"SourceCidrIp": "0.0.0.0/0", "DestCidrIp": "10.0.0.0/8", "SourcePortRange": "1/9"}),
        ("", {"Ipv6SourceCidrIp": "::/0", "Ipv6DestCidrIp": "fd00::/8"}),
        ("", {"SourceGroupId": ids["other_group"]}),
        ("Egress", {"DestGroupId": ids["other_group"]}),
        ("Egress", {"DestCidrIp": "10.9.0.0/16"}),
    ):
        call(
            ECS, f"AuthorizeSecurityGroup{direction}", SecurityGroupId=ids["group"], **rule, **sides
        )
    rules = call(ECS, "DescribeSecurityGroupAttribute", SecurityGroupId=ids["group"])[
        "Permissions"
    ]["Permission"]
    ids["rule"] = next(r["SecurityGroupRuleId"] for r in rules if r["Direction"] == "ingress")
    ids["out_rule"] = next(
        r["SecurityGroupRuleId"] for r in rules if r["Direction"] == "egress" and r["DestCidrIp"]
    )
    call(ECS, "CreateKeyPair", KeyPairName="keys", ResourceGroupId="rg-test", **TAG)
    call(ECS, "CreateKeyPair", KeyPairName="spare")
    image = call(ECS, "DescribeImages", ImageFamily="acs:debian_12_x64")["Images"]["Image"]
    image = image or call(ECS, "DescribeImages", OSType="linux")["Images"]["Image"]
    ids["image"], ids["family"] = image[0]["ImageId"], image[0].get("ImageFamily") or ""
    base = {
        **common,
        "ImageId": ids["image"],
        "SecurityGroupId": ids["group"],
        "VSwitchId": ids["vswitch"],
        "KeyPairName": "keys",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "DeploymentSetId": "ds-test",
        "SystemDisk.DiskName": "system",
        "SystemDisk.Description": "system",
        "SystemDisk.Category": "cloud_essd",
        "DataDisk.1.Size": 40,
        "DataDisk.1.Category": "cloud_essd",
        "DataDisk.1.DiskName": "data",
        "DataDisk.1.Description": "data",
    }

    def run(name: str, **more: Any) -> None:
        made = call(ECS, "RunInstances", InstanceName=name, **{**base, **more})
        ids[name] = made["InstanceIdSets"]["InstanceIdSet"][0]

    run("public", InstanceType="ecs.t6-c1m1.large", InternetMaxBandwidthOut=5, RamRoleName="role")
    run("private", InstanceType="ecs.g6.large")
    run("stopped", InstanceType="ecs.g6.large", HostName="stopped")
    run("spot", InstanceType="ecs.g6.large", SpotStrategy="SpotAsPriceGo",
        AutoReleaseTime=_at(86400))  # fmt: skip
    policy = {"DataDisk.1.AutoSnapshotPolicyId": "sp-1"}
    for name in ("prepaid", "stopped_prepaid", "expired"):
        run(
            name,
            InstanceType="ecs.g6.large",
            InstanceChargeType="PrePaid",
            Period=1,
            AutoRenew=True,
            **policy,
        )
    names = ("public", "private", "stopped", "spot", "prepaid", "stopped_prepaid", "expired")
    _until_all(call, [ids[name] for name in names], "Running")
    off = [ids["stopped"], ids["stopped_prepaid"], ids["expired"]]
    for instance_id in off:
        call(ECS, "StopInstance", InstanceId=instance_id)
    ids["created"] = call(ECS, "CreateInstance", **base, InstanceType="ecs.g6.large",
                          InternetMaxBandwidthOut=5)["InstanceId"]  # fmt: skip
    _until_all(call, [*off, ids["created"]], "Stopped")
    call(ECS, "JoinSecurityGroup", InstanceId=ids["spot"], SecurityGroupId=ids["other_group"])
    made = {"ZoneId": zone, "DiskCategory": "cloud_essd", **common}
    for name, size in (("free_disk", 40), ("hot_disk", 500)):
        ids[name] = call(ECS, "CreateDisk", DiskName=name, Size=size, Encrypted=True,
                         KMSKeyId="key-test", **made)["DiskId"]  # fmt: skip
    ids["auto_disk"] = call(ECS, "CreateDisk", Size=40, **{**made, "DiskCategory": "cloud_auto"})[
        "DiskId"
    ]
    hot = {"InstanceId": ids["private"], "DiskId": ids["hot_disk"]}
    for action in ("AttachDisk", "DetachDisk", "AttachDisk"):
        call(ECS, action, **hot)
    for kind in ("system", "data"):
        disks = call(ECS, "DescribeDisks", InstanceId=ids["stopped"], DiskType=kind)["Disks"][
            "Disk"
        ]
        ids[f"{kind}_disk"] = disks[0]["DiskId"]
        ids[f"{kind}_snapshot"] = call(
            ECS, "CreateSnapshot", DiskId=disks[0]["DiskId"], SnapshotName=kind,
            Description="of the scene", RetentionDays=3, **TAG,
        )["SnapshotId"]  # fmt: skip
    _until_all_snapshots(call)
    for name in ("own_image", "used_image"):
        ids[name] = call(ECS, "CreateImage", InstanceId=ids["stopped"], ImageName=name,
                         ImageFamily=f"{name}-family", ImageVersion="1", **common)["ImageId"]  # fmt: skip
        _until(
            lambda image=ids[name]: call(ECS, "DescribeImages", ImageId=image)["Images"]["Image"]
        )
    run("from_image", InstanceType="ecs.g6.large", ImageId=ids["used_image"])
    ids["used_snapshot"] = call(ECS, "CreateSnapshot", DiskId=ids["hot_disk"])["SnapshotId"]
    _until_all_snapshots(call)
    call(ECS, "CreateDisk", SnapshotId=ids["used_snapshot"], **made)
    ids["eip"] = call(VPC, "AllocateEipAddress", Name="address", **common)["AllocationId"]
    call(VPC, "AssociateEipAddress", AllocationId=ids["eip"], InstanceId=ids["private"])
    call(VPC, "AllocateEipAddress", InstanceChargeType="PrePaid", Period=1, AutoPay="true")
    free = call(VPC, "AllocateEipAddress")
    ids |= {"free_eip": free["AllocationId"], "free_address": free["EipAddress"]}
    call(VPC, "CreateRouteEntry", RouteTableId=ids["table"], DestinationCidrBlock="192.168.9.0/24",
         NextHopId=ids["private"], RouteEntryName="route", Description="of the scene")  # fmt: skip
    entries = call(
        VPC, "DescribeRouteEntryList", RouteTableId=ids["table"], RouteEntryType="Custom"
    )
    ids["route"] = entries["RouteEntrys"]["RouteEntry"][0]["RouteEntryId"]
    call(VPC, "TagResources", ResourceType="ROUTETABLE", ResourceId__1=ids["table"], **TAG)
    interfaces = call(ECS, "DescribeNetworkInterfaces", InstanceId=ids["private"])
    interface = interfaces["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]
    ids |= {
        "interface": interface["NetworkInterfaceId"],
        "private_ip": interface["PrivateIpAddress"],
    }
    for name, more in (
        ("free_interface", {}),
        ("second_interface", {"PrivateIpAddress__1": "10.1.9.9"}),
    ):
        ids[name] = call(ECS, "CreateNetworkInterface", VSwitchId=ids["vswitch"], SecurityGroupId=ids["group"],
                         NetworkInterfaceName=name, **common, **more)["NetworkInterfaceId"]  # fmt: skip
    call(
        ECS,
        "AttachNetworkInterface",
        InstanceId=ids["spot"],
        NetworkInterfaceId=ids["second_interface"],
    )
    template = {
        "ImageId": ids["image"], "InstanceType": "ecs.g6.large", "SecurityGroupId": ids["group"],
        "VSwitchId": ids["vswitch"], "SystemDisk.Size": 50, "DataDisk.1.Size": 30, **TAG,
    }  # fmt: skip
    ids["template"] = call(
        ECS, "CreateLaunchTemplate", LaunchTemplateName="template", VersionDescription="first",
        TemplateResourceGroupId="rg-test", **{"TemplateTag.1.Key": "team", "TemplateTag.1.Value": "a"},
        **template,
    )["LaunchTemplateId"]  # fmt: skip
    template |= {
        "SystemDisk.Size": 60, "SystemDisk.Category": "cloud_essd", "SystemDisk.Description": "system",
        "SystemDisk.DiskName": "system", "SystemDisk.PerformanceLevel": "PL0", "SystemDisk.Encrypted": "true",
        "SystemDisk.DeleteWithInstance": "true", "SystemDisk.KMSKeyId": "key", "SystemDisk.AutoSnapshotPolicyId": "sp-1",
        "SystemDisk.BurstingEnabled": "true", "SystemDisk.ProvisionedIops": 3, "SystemDisk.Iops": 3,
        "DataDisk.1.Category": "cloud_essd", "DataDisk.1.Description": "data", "DataDisk.1.DiskName": "data",
        "DataDisk.1.PerformanceLevel": "PL0", "DataDisk.1.Encrypted": "true", "DataDisk.1.DeleteWithInstance": "true",
        "DataDisk.1.KMSKeyId": "key", "DataDisk.1.AutoSnapshotPolicyId": "sp-1", "DataDisk.1.BurstingEnabled": "true",
        "DataDisk.1.ProvisionedIops": 3, "DataDisk.1.Device": "/dev/xvdb", "DataDisk.1.SnapshotId": ids["data_snapshot"],
        "DataDisk.1.Size": 40,
        "AutoReleaseTime": _at(86400), "AutoRenew": "true", "AutoRenewPeriod": 1, "CreditSpecification": "Standard",
        "DeletionProtection": "true", "DeploymentSetId": "ds-test", "Description": "of a template", "EnableVmOsConfig": "true",
        "HostName": "host", "HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1,
        "ImageOwnerAlias": "system", "InstanceChargeType": "PostPaid", "InstanceName": "name", "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthIn": 5, "InternetMaxBandwidthOut": 5, "IoOptimized": "optimized", "Ipv6AddressCount": 1,
        "KeyPairName": "keys", "NetworkType": "vpc", "PasswordInherit": "false", "Period": 1, "PeriodUnit": "Month",
        "PrivateIpAddress": "10.1.0.99", "RamRoleName": "role", "ResourceGroupId": "rg-test",
        "SecurityEnhancementStrategy": "Active", "SpotDuration": 1, "SpotStrategy": "SpotAsPriceGo", "SpotPriceLimit": 1,
        "UserData": base["UserData"], "VpcId": vpc["VpcId"], "ZoneId": zone, "VersionDescription": "second",
        "SecurityOptions.TrustedSystemMode": "vTPM",
    }  # fmt: skip
    call(ECS, "CreateLaunchTemplateVersion", LaunchTemplateId=ids["template"], **template)
    interface = {
        "PrimaryIpAddress": "10.1.0.98", "VSwitchId": ids["vswitch"], "NetworkInterfaceName": "eth",
        "Description": "of a template", "InstanceType": "Primary", "DeleteOnRelease": "true",
        "NetworkInterfaceTrafficMode": "Standard", "SecurityGroupId": ids["group"],
    }  # fmt: skip
    groups = {"SecurityGroupIds.1": ids["group"]}
    for version in (groups, {**interface, "SecurityGroupId": ""} | groups, interface):
        named = version if version == groups else {f"NetworkInterface.1.{name}": value for name, value in version.items()}  # fmt: skip
        call(ECS, "CreateLaunchTemplateVersion", LaunchTemplateId=ids["template"], **named)
    ids |= _balancers(call, ids)
    ids |= _certificates(call)
    shell = {
        "Type": "RunShellScript", "CommandContent": "echo {{who}}", "EnableParameter": "true", "Name": "command",
        "Description": "of the scene", "WorkingDir": "/tmp", "ResourceGroupId": "rg-test", **TAG,
        "ContentEncoding": "PlainText",
    }  # fmt: skip
    ids["command"] = call(ECS, "CreateCommand", **shell)["CommandId"]
    invoked = {
        "CommandId": ids["command"],
        "Parameters": '{"who": "me"}',
        "ResourceGroupId": "rg-test",
        **TAG,
    }
    ids["invocation"] = call(ECS, "InvokeCommand", **invoked, **{"InstanceId.1": ids["private"]})[
        "InvokeId"
    ]

    def has_ended() -> bool:
        told = call(ECS, "DescribeInvocations", InvokeId=ids["invocation"])["Invocations"]
        return bool(told["Invocation"][0]["InvokeStatus"] != "Running")

    _until(has_ended)
    state = probe.cloud.state
    with state.transaction():
        row = state.instances.find(ids["expired"], region=region)
        state.instances.put(replace(row, expires="2024-01-01T00:00Z", auto_renew=False))
        snapshot = state.snapshots.find(ids["system_snapshot"], region=region)
        image = state.custom_images.find(ids["own_image"], region=region)
        ids["copied_image"] = "m-copying"
        invocation = state.invocations.find(ids["invocation"], region=region)
        result = replace(invocation.results[0], output="aGVsbG8=", stopped="2024-01-01T00:00:00Z")
        state.invocations.put(replace(invocation, results=(replace(result, status="Terminated"),)))
        state.invocations.put(
            replace(invocation, id="t-running", results=(replace(result, status="Running"),))
        )
        state.snapshots.put(
            replace(snapshot, id="s-copying", disk_id="d-copying", status="progressing")
        )
        state.custom_images.put(
            replace(
                image,
                id="m-copying",
                name="copying",
                copied_from=image.id,
                snapshot_id="s-copying",
                data_disks=(),
            )
        )
    told = call(ECS, "DescribeInstances", InstanceIds=json.dumps([ids["public"]]))
    call(
        ECS,
        "ModifyImageSharePermission",
        ImageId=ids["used_image"],
        **{"AddAccount.1": "1234567890123456"},
    )
    disks = call(ECS, "DescribeDisks", InstanceId=ids["prepaid"], DiskType="data")["Disks"]["Disk"]
    ids["prepaid_disk"] = disks[0]["DiskId"]
    ids["public_ip"] = told["Instances"]["Instance"][0]["PublicIpAddress"]["IpAddress"][0]
    ids["account"] = probe.cloud.state.account.id
    return Scene(ids)


def _balancers(call: Any, ids: dict[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, where in (
        (
            "balancer",
            {
                "AddressType": "intranet",
                "VSwitchId": ids["vswitch"],
                "LoadBalancerSpec": "slb.s1.small",
                **TAG,
            },
        ),
        ("empty_balancer", {"AddressType": "internet"}),
        (
            "prepaid_balancer",
            {
                "PayType": "PrePay",
                "Duration": 1,
                "AutoPay": "true",
                "ModificationProtectionStatus": "ConsoleProtection",
                "ModificationProtectionReason": "of-the-scene",
            },
        ),
    ):
        made[name] = call(SLB, "CreateLoadBalancer", LoadBalancerName=name, **where)[
            "LoadBalancerId"
        ]
    backends = [
        {"ServerId": ids[name], "Weight": 100, "Description": "web"} for name in ("private", "spot")
    ]
    whole = {"LoadBalancerId": made["balancer"]}
    call(SLB, "AddBackendServers", **whole, BackendServers=json.dumps(backends))
    servers = json.dumps([{**backend, "Port": 80} for backend in backends])
    for name in ("server_group", "unused_group"):
        made[name] = call(
            SLB, "CreateVServerGroup", **whole, VServerGroupName=name, BackendServers=servers, **TAG
        )["VServerGroupId"]
    for port, (kind, more) in enumerate(LISTENERS.items(), 1):
        call(SLB, f"CreateLoadBalancer{kind}Listener", **whole, **TAG, ListenerPort=port,
             VServerGroupId=made["server_group"], Description=kind, HealthCheckConnectPort=80, **more)  # fmt: skip
        call(SLB, "StartLoadBalancerListener", **whole, ListenerPort=port)
    call(SLB, "CreateLoadBalancerHTTPListener", **whole, ListenerPort=5, ListenerForward="on",
         ForwardPort=4, StickySession="off", HealthCheck="off", BackendServerPort=80)  # fmt: skip
    for port, kind, more in (
        (7, "TCP", {}),
        (8, "UDP", {}),
        (9, "HTTPS", {"ServerCertificateId": "cert", "CACertificateId": "ca", "HealthCheck": "off",
                      "StickySession": "on", "StickySessionType": "server", "Cookie": "c"}),
    ):  # fmt: skip
        call(
            SLB,
            f"CreateLoadBalancer{kind}Listener",
            **whole,
            ListenerPort=port,
            Bandwidth=-1,
            BackendServerPort=80,
            **more,
        )
    call(SLB, "CreateLoadBalancerHTTPListener", **whole, ListenerPort=6, BackendServerPort=80, **TAG,
         HealthCheck="off", StickySession="on", StickySessionType="server", Cookie="c")  # fmt: skip
    return made


def _certificates(call: Any) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        make_server_certificate(Path(folder), ["www.example.com"])
        pem, key = (Path(folder, f"server{end}.pem").read_text() for end in ("", "-key"))
    both = {"ServerCertificate": pem, "PrivateKey": key}
    made = call(SLB, "UploadServerCertificate", ServerCertificateName="scene", **both, **TAG)
    return {"certificate": made["ServerCertificateId"], "pem": pem, "pem_key": key}


STICKY = {
    "StickySession": "on",
    "StickySessionType": "insert",
    "CookieTimeout": 60,
    "HealthCheck": "on",
}
HTTP_CHECK = {"HealthCheckDomain": "example.com", "HealthCheckURI": "/check"}
LISTENERS: dict[str, dict[str, Any]] = {
    "TCP": {
        "Bandwidth": -1,
        "ConnectionDrain": "on",
        "ConnectionDrainTimeout": 10,
        "HealthCheckType": "http",
        **HTTP_CHECK,
    },
    "UDP": {"Bandwidth": -1, "healthCheckReq": "ping", "healthCheckExp": "pong"},
    "HTTP": {**STICKY, **HTTP_CHECK},
    "HTTPS": {"Bandwidth": -1, "ServerCertificateId": "cert", **STICKY, **HTTP_CHECK},
}


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def _until(done: Any) -> None:
    end = time.monotonic() + 30
    while not done():
        if time.monotonic() > end:
            raise SceneError("the cloud does not come to rest")
        time.sleep(0.1)


def _until_all(call: Any, instances: list[str], status: str) -> None:
    def there() -> bool:
        told = call(ECS, "DescribeInstances", InstanceIds=json.dumps(instances))
        return all(item["Status"] == status for item in told["Instances"]["Instance"])

    _until(there)


def _until_all_snapshots(call: Any) -> None:
    def there() -> bool:
        told = call(ECS, "DescribeSnapshots", PageSize=50)["Snapshots"]["Snapshot"]
        return all(item["Status"] == "accomplished" for item in told)

    _until(there)


def values_by_name(scene: Scene) -> dict[str, list[Any]]:
    """Return what parameters of a name are given: what is right first, then other right ones."""
    s = scene
    return {
        "AcceptLanguage": ["en-US"],
        "AddressIPVersion": ["ipv6"],
        "AddressType": ["intranet"],
        "All": ["true"],
        "AllocationId": [s.free_eip],
        "Amount": [2],
        "AssociatedInstanceId": [s.private],
        "AssociatedInstanceType": ["EcsInstance"],
        "AttributeName.1": ["max-security-groups"],
        "AutoReleaseTime": [_at(7200)],
        "BackendServerPort": [80],
        "BackendServers": [json.dumps([{"ServerId": s.public, "Weight": 10, "Port": 80}])],
        "Bandwidth": [7],
        "CidrBlock": ["10.7.0.0/16"],
        "CookieTimeout": [99],
        "Category": ["cloud_efficiency", "cloud_ssd"],
        "DefaultVersionNumber": [2],
        "DeleteVersion.1": [2],
        "Description": ["another description"],
        "DestCidrIp": ["10.8.0.0/16"],
        "DestGroupId": [s.other_group],
        "DestinationCidrBlock": ["192.168.10.0/24"],
        "DestinationResource": ["InstanceType"],
        "Device": ["/dev/xvdf"],
        "DiskCategory": ["cloud_ssd", "cloud_efficiency"],
        "DiskId": [s.data_disk],
        "DiskIds": [json.dumps([s.data_disk])],
        "DiskIds.1": [s.data_disk],
        "DiskName": ["another"],
        "EipAddress": [s.free_address],
        "EipAddresses": [json.dumps([s.free_address])],
        **{f"Filter.{n}.Value": ["2020-01-01T00:00Z", "2098-01-01T00:00Z"] for n in (1, 2, 3, 4)},
        "Filter.1.Key": ["CreationStartTime"],
        "Filter.2.Key": ["CreationEndTime"],
        "Filter.3.Key": ["ExpiredStartTime"],
        "Filter.4.Key": ["ExpiredEndTime"],
        "HealthCheck": ["off"],
        "HealthCheckHttpCode": ["http_3xx"],
        "HealthCheckURI": ["/another"],
        "HostName": ["another-host"],
        "ImageFamily": ["own_image-family"],
        "ImageId": [s.image, s.own_image],
        "ImageName": ["another-image"],
        "InstanceId": [s.private],
        "InstanceId.1": [s.private],
        "InstanceIds": [json.dumps([s.private])],
        "InstanceName": ["another"],
        "InstanceType": ["ecs.g6.xlarge"],
        "InstanceTypes.1": ["ecs.g6.large"],
        "InstanceTypeFamily": ["ecs.g6"],
        "InstanceTypeFamilies.1": ["ecs.g6"],
        "InstanceRegionId": [s.region],
        "IpVersion": ["IPV4"],
        "InternetMaxBandwidthOut": [3],
        "IpProtocol": ["udp"],
        "Ipv6SourceCidrIp": ["fd01::/16"],
        "Ipv6DestCidrIp": ["fd02::/16"],
        "Netmode": ["public"],
        "UserCidr": ["30.0.0.0/8"],
        "VpcOwnerId": [s.account],
        "VSwitchOwnerId": [s.account],
        "Key": ["team"],
        "key": ["team"],
        "CpuOptions.Core": [1],
        "CpuOptions.ThreadsPerCore": [1],
        "KeyPairName": ["spare"],
        "KeyPairNames": [json.dumps(["spare"])],
        "LaunchTemplateId": [s.template],
        "LaunchTemplateId.1": [s.template],
        "LaunchTemplateName": ["template"],
        "LaunchTemplateName.1": ["template"],
        "LaunchTemplateVersion": [2],
        "LaunchTemplateVersion.1": [2],
        "ListenerPort": [1],
        "LoadBalancerId": [s.balancer],
        "LoadBalancerId.1": [s.balancer],
        "LoadBalancerName": ["another"],
        "LoadBalancerSpec": ["slb.s2.small"],
        "MasterZoneId": [f"{s.region}-i"],
        "MaxResults": [10, 1],
        "MaxResult": [10, 1],
        "MinAmount": [1],
        "Name": ["another"],
        "NetworkInterfaceId": [s.interface],
        "RunInstances:NetworkInterface.1.NetworkInterfaceId": [s.free_interface],
        "NetworkInterfaceId.1": [s.interface],
        "NetworkInterface.1.PrimaryIpAddress": ["10.1.0.78"],
        "NewSize": [60],
        "NextHopId": [s.private],
        "NextHopType": ["Instance"],
        "PageNumber": [1, 2],
        "PageSize": [20, 50],
        "Password": ["Another-1-Password"],
        "PerformanceLevel": ["PL1", "PL2"],
        "Period": [2],
        "PeriodUnit": ["Month", "Week", "Year"],
        "PortRange": ["80/80"],
        "SourcePortRange": ["5/6"],
        "Priority": [50],
        "PrivateIpAddress": ["10.1.0.77"],
        "PrivateIpAddress.1": [s.private_ip],
        "PrimaryIpAddress": [s.private_ip],
        "PrivateIpAddresses": [json.dumps([s.private_ip])],
        "PublicKeyBody": [PUBLIC_KEY],
        "RamRoleName": ["another-role"],
        "RegionId": [s.region],
        "ResourceGroupId": ["rg-test", "rg-other"],
        "ResourceId": [s.private],
        "ResourceId.1": [s.private],
        "ResourceType": ["instance"],
        "RetentionDays": [5],
        "RoleArn": [f"acs:ram::{s.account}:role/ci"],
        "RoleSessionName": ["measure"],
        "RouteEntryId": [s.route],
        "RouteEntryName": ["another"],
        "RouteTableId": [s.table],
        "RouterId": [s.vrouter],
        "SecurityGroupId": [s.group, s.other_group],
        "SecurityGroupId.1": [s.other_group],
        "SecurityGroupIds": [json.dumps([s.group])],
        "SecurityGroupIds.1": [s.group],
        "SecurityGroupName": ["another"],
        "SecurityGroupRuleId": [s.rule],
        "SecurityGroupRuleId.1": [s.rule],
        "ServerId": [s.private],
        "Size": [77],
        "SlaveZoneId": [f"{s.region}-h"],
        "SnapshotId": [s.data_snapshot],
        "SnapshotIds": [json.dumps([s.data_snapshot])],
        "SourceCidrIp": ["10.8.0.0/16"],
        "SourceGroupId": [s.other_group],
        "SpotPriceLimit": [0.5],
        "SystemDiskCategory": ["cloud_essd"],
        "DataDiskCategory": ["cloud_essd"],
        "TagKey.1": ["team"],
        "TagKey": ["team"],
        "TagValues.1": ["a"],
        "Tags": ['[{"TagKey":"team","TagValue":"a"}]'],
        "UserData": [base64.b64encode(b"#!/bin/sh\necho\n").decode()],
        "VRouterId": [s.vrouter],
        "VServerGroupId": [s.unused_group],
        "VSwitchId": [s.vswitch],
        "Value": ["a"],
        "value": ["a"],
        "Version": [1],
        "VersionDescription": ["another"],
        "VpcId": [s.vpc],
        "VpcName": ["another"],
        "WorkingDir": ["/srv"],
        "RunCommand:Parameters": ['{"a": "b"}'],
        "InvokeCommand:Parameters": ['{"who": "you"}'],
        "ContentEncoding": ["PlainText", "Base64"],
        "CommandContent": ["dHJ1ZQ=="],
        "ModifyInstanceVpcAttribute:PrivateIpAddress": ["10.2.0.9"],
        "VSwitchName": ["another"],
        "Weight": [10],
        "ZoneId": [s.zone],
        "IpAddress": ["198.18.0.99"],
        "DurationSeconds": [1800],
        "ExpectedRenewDay": [5],
        "Permissions.1.PortRange": ["80/80"],
        "NicType": ["intranet"],
        "AllocateEipAddress:ISP": ["BGP_PRO", "BGP"],
        "AllocateEipAddress:InternetChargeType": ["PayByBandwidth", "PayByTraffic"],
        "DescribeEipAddresses:Status": ["Available"],
        "AssociateEipAddress:InstanceType": ["EcsInstance", "NetworkInterface", "SlbInstance"],
        "UnassociateEipAddress:InstanceType": ["EcsInstance", "NetworkInterface", "SlbInstance"],
        "DescribeImages:Architecture": ["arm64", "x86_64"],
        "DiskDeviceMapping.1.SnapshotId": [s.system_snapshot],
        "DiskDeviceMapping.1.Device": ["/dev/xvda"],
        "DiskDeviceMapping.1.DiskType": ["system"],
        "PublicIpAddresses": [json.dumps([s.public_ip])],
        "Policy": ["drop", "accept"],
        "RevokeSecurityGroupEgress:SecurityGroupRuleId.1": [s.out_rule],
        "ModifySecurityGroupEgressRule:SecurityGroupRuleId": [s.out_rule],
        "ConnectionDrainTimeout": [20],
        "EstablishedTimeout": [30],
        "HealthCheckMethod": ["head", "get"],
        "HealthyThreshold": [5],
        "UnhealthyThreshold": [5],
        "TLSCipherPolicy": ["tls_cipher_policy_1_2"],
        "ListenerProtocol": ["tcp", "udp"],
        "SetVServerGroupAttribute:BackendServers": [
            json.dumps([{"ServerId": s.private, "Port": 80, "Weight": 7}])
        ],
        "AssumeRole:Policy": ['{"Version":"1","Statement":[]}'],
        "FuzzyQuery": ["true"],
        "MinimumMemorySize": [64],
        "MaximumMemorySize": [8],
        "MinimumCpuCoreCount": [16],
        "MaximumCpuCoreCount": [2],
        "MaxVersion": [1],
        "MinVersion": [2],
        "ModifyImageAttribute:ImageFamily": ["another-family"],
        "DescribeImages:ImageName": ["own_image"],
        "DescribeImageFromFamily:ImageFamily": ["own_image-family"],
        "RouterType": ["VBR"],
        "AclType": ["white", "black"],
        "ModifyPrepayInstanceSpec:OperatorType": ["downgrade", "upgrade"],
        "PricingCycle": ["Year", "Month"],
        "Generation": ["ecs-5"],
    }


def base_of(facts: ActionFacts, scene: Scene) -> dict[str, Any]:
    """Return the parameters of a request that succeeds."""
    named = values_by_name(scene)
    key = f"{facts.product}.{facts.name}"
    values = {
        name: named[name][0]
        for name, parameter in facts.parameters.items()
        if name in named and (parameter.required or name == "RegionId")
    }
    values |= _bases(scene).get(key, {})
    return {name: value for name, value in values.items() if value is not None}


def ways_of(facts: ActionFacts, scene: Scene) -> list[dict[str, Any]]:
    """Return what is laid over the base, in turn, to see all that parameters do."""
    return [{}, *_ways(scene).get(f"{facts.product}.{facts.name}", [])]


def views_of(facts: ActionFacts, scene: Scene) -> list[dict[str, Any]]:
    """Return what else is laid over the base, in turn, to see all that answers hold."""
    instances = [
        scene.ids[name] for name in ("public", "private", "stopped", "spot", "prepaid", "created")
    ]
    each = [{"InstanceId": instance} for instance in instances]
    more: dict[str, list[dict[str, Any]]] = {
        "DescribeInstances": [
            {"AdditionalAttributes.1": "META_OPTIONS"}, {"PageSize": 50, "AdditionalAttributes.1": "ALL"},
        ],
        "DescribeInstanceAttribute": each,
        "DescribeUserData": each,
        "DescribeNetworkInterfaceAttribute": [{"NetworkInterfaceId": scene.free_interface}],
        "DescribeLoadBalancerAttribute": [{"LoadBalancerId": scene.prepaid_balancer}],
        "DescribeLoadBalancerTCPListenerAttribute": [{"ListenerPort": 7}],
        "DescribeLoadBalancerUDPListenerAttribute": [{"ListenerPort": 8}],
        "DescribeLoadBalancerHTTPSListenerAttribute": [{"ListenerPort": 9}],
        "CreateInstance": [{"InstanceChargeType": "PrePaid", "Period": 1}],
        "CreateDisk": [{"InstanceId": scene.prepaid, "ZoneId": None}],
        "ResizeDisk": [{"DiskId": scene.prepaid_disk}],
        "ModifyDiskSpec": [
            {"DiskId": scene.prepaid_disk, "PerformanceLevel": "PL0"},
            {"DiskCategory": "cloud_auto", "PerformanceLevel": None},
        ],
        "ModifyInstanceNetworkSpec": [{"InstanceId": scene.prepaid}],
        "CreateNetworkInterface": [
            {"NetworkInterfaceName": "eth", "Description": "new", "ResourceGroupId": "rg-test", "Tag.1.Key": "a", "Tag.1.Value": "b"}
        ],
        "DescribeInstanceStatus": [{"PageSize": 50}],
        "DescribeInstanceTypes": [{"MaxResults": 100}, {"MaxResults": 5}],
        "DescribeDisks": [{"PageSize": 100, "AdditionalAttributes.1": "IOPS"}, {"MaxResults": 3}],
        "DescribeSnapshots": [{"MaxResults": 1}],
        "DescribeImages": [{"ImageOwnerAlias": "self"}],
        "DescribeKeyPairs": [{"IncludePublicKey": "true", "PageSize": 50}],
        "DescribeLaunchTemplateVersions": [{"DetailFlag": "true", "PageSize": 50}],
        "DescribePrice": [{"Period": 1, "PriceUnit": "Month"}],
        "DescribeSecurityGroups": [{"IsQueryEcsCount": "true", "PageSize": 50}, {"MaxResults": 1}],
        "DescribeSecurityGroupAttribute": [{"MaxResults": 1}],
        "DescribeNetworkInterfaces": [{"MaxResults": 1}, {"PageSize": 100}],
        "DescribeZones": [{"Verbose": "true"}],
        "DescribeEipAddresses": [{"PageSize": 50}],
        "DescribeRouteEntryList": [{"MaxResult": 1}],
        "ListTagResources": [{"MaxResults": 1}],
        "DescribeCommands": [{"MaxResults": 1}],
        "DescribeInvocations": [{"MaxResults": 1, "InvokeId": None, "IncludeOutput": None}],
        "DetachInstanceRamRole": [{"RamRoleName": "role"}],
        "DescribeTags": [{"PageSize": 50}, {"ResourceId": None, "ResourceType": None}],
        "DescribeLoadBalancerListeners": [{"MaxResults": 1}, {"MaxResults": 100}],
        "DescribeVServerGroups": [{"IncludeListener": "true", "IncludeRule": "true"}],
        "DescribeHealthStatus": [{"ListenerPort": port} for port in (1, 2, 3, 4)],
        "DescribeLoadBalancerHTTPListenerAttribute": [{"ListenerPort": 5}, {"ListenerPort": 6}],
        "CreateVServerGroup": [{"BackendServers": json.dumps([{"ServerId": scene.private, "Port": 80, "Weight": 1, "Description": "web"}])}],
        "SetBackendServers": [{"BackendServers": json.dumps([{"ServerId": scene.private, "Weight": 1, "Description": "web"}])}],
        "ModifyVServerGroupBackendServers": [],
        "AssumeRole": [{"SourceIdentity": "somebody"}],
        "DescribeLoadBalancers": [{"PageSize": 50}],
        "UploadServerCertificate": [],
        "DescribeInstanceRamRole": [{"RamRoleName": "role"}],
        "DescribeAvailableResource": [{"DestinationResource": "SystemDisk", "InstanceType": "ecs.g6.large"}],
        "DescribeInstanceHistoryEvents": [{"MaxResults": 10}],
    }  # fmt: skip
    return more.get(facts.name, [])


def _bases(s: Scene) -> dict[str, dict[str, Any]]:
    new = {
        "ImageId": s.image,
        "InstanceType": "ecs.g6.large",
        "SecurityGroupId": s.group,
        "VSwitchId": s.vswitch,
    }
    rule = {"IpProtocol": "tcp", "PortRange": "80/80"}
    version = {"LaunchTemplateId": s.template}
    old_rule = {"IpProtocol": "tcp", "PortRange": "22/22"}
    stopped = {"InstanceId": s.stopped}
    tag = {"Tag.1.Key": "new", "Tag.1.Value": "b"}
    bases: dict[str, dict[str, Any]] = {
        "slb.UploadServerCertificate": {"ServerCertificate": s.pem, "PrivateKey": s.pem_key},
        "slb.SetServerCertificateName": {"ServerCertificateId": s.certificate, "ServerCertificateName": "new"},
        "slb.DeleteServerCertificate": {"ServerCertificateId": s.certificate},
        "slb.DescribeServerCertificates": {"ServerCertificateId": s.certificate},
        "ecs.RunInstances": new,
        "ecs.CreateInstance": new,
        "ecs.StartInstance": stopped,
        "ecs.StartInstances": {"InstanceId.1": s.stopped},
        "ecs.DeleteInstance": stopped,
        "ecs.DeleteInstances": {"InstanceId.1": s.stopped},
        "ecs.ModifyInstanceSpec": {**stopped, "InstanceType": "ecs.g6.xlarge"},
        "ecs.ModifyPrepayInstanceSpec": {"InstanceId": s.stopped_prepaid, "InstanceType": "ecs.g6.xlarge"},
        "ecs.ModifyInstanceAutoRenewAttribute": {"InstanceId": s.prepaid, "AutoRenew": "true"},
        "ecs.DescribeInstanceAutoRenewAttribute": {"InstanceId": s.prepaid},
        "ecs.RenewInstance": {"InstanceId": s.prepaid, "Period": 1},
        "ecs.ModifyInstanceChargeType": {
            "InstanceIds": json.dumps([s.private]), "InstanceChargeType": "PrePaid", "Period": 1,
        },
        "ecs.ModifyInstanceMetadataOptions": {"InstanceId": s.private, "HttpEndpoint": "enabled", "HttpTokens": "required"},
        "ecs.AllocatePublicIpAddress": {"InstanceId": s.created},
        "ecs.ModifyInstanceNetworkSpec": {"InstanceId": s.public, "InternetMaxBandwidthOut": 9},
        "ecs.DescribeUserData": {"InstanceId": s.private},
        "ecs.DescribeInstanceRamRole": {"InstanceIds": json.dumps([s.public])},
        "ecs.AttachInstanceRamRole": {"InstanceIds": json.dumps([s.private]), "RamRoleName": "role"},
        "ecs.DetachInstanceRamRole": {"InstanceIds": json.dumps([s.public])},
        "ecs.DescribeImageFromFamily": {"ImageFamily": "own_image-family"},
        "ecs.DescribeImageSupportInstanceTypes": {"ImageId": s.image},
        "ecs.CreateImage": {**stopped, "ImageName": "new-image"},
        "ecs.ModifyImageAttribute": {"ImageId": s.own_image, "Description": "changed"},
        "ecs.DeleteImage": {"ImageId": s.own_image},
        "ecs.CreateCommand": {"Type": "RunShellScript", "CommandContent": "dHJ1ZQ=="},
        "ecs.RunCommand": {"Type": "RunShellScript", "CommandContent": "ZWNobyB7e2F9fQ==", "ContentEncoding": "Base64", "EnableParameter": "true", "InstanceId.1": s.private},
        "ecs.InvokeCommand": {"CommandId": s.command, "InstanceId.1": s.private},
        "ecs.ModifyCommand": {"CommandId": s.command},
        "ecs.DeleteCommand": {"CommandId": s.command},
        "ecs.DescribeInvocations": {"InvokeId": s.invocation, "IncludeOutput": "true"},
        "ecs.StopInvocation": {"InvokeId": "t-running"},
        "ecs.CopyImage": {"ImageId": s.own_image, "DestinationRegionId": "cn-beijing"},
        "ecs.CancelCopyImage": {"ImageId": s.copied_image},
        "ecs.ModifyImageSharePermission": {"ImageId": s.own_image, "AddAccount.1": "1234567890123456"},
        "ecs.DescribeImageSharePermission": {"ImageId": s.used_image},
        "ecs.ModifyDiskChargeType": {"InstanceId": s.prepaid, "DiskIds": json.dumps([s.prepaid_disk]), "DiskChargeType": "PostPaid"},
        "ecs.ModifyInstanceVpcAttribute": {**stopped, "VSwitchId": s.empty_vswitch},
        "ecs.JoinResourceGroup": {"ResourceGroupId": "rg-new", "ResourceId": s.private, "ResourceType": "instance"},
        "ecs.CreateNetworkInterface": {"VSwitchId": s.vswitch, "SecurityGroupId": s.group},
        "ecs.AttachNetworkInterface": {"InstanceId": s.private, "NetworkInterfaceId": s.free_interface},
        "ecs.DetachNetworkInterface": {"InstanceId": s.spot, "NetworkInterfaceId": s.second_interface},
        "ecs.DeleteNetworkInterface": {"NetworkInterfaceId": s.free_interface},
        "ecs.ModifyNetworkInterfaceAttribute": {"NetworkInterfaceId": s.free_interface, "Description": "changed"},
        "ecs.AssignPrivateIpAddresses": {"NetworkInterfaceId": s.free_interface, "SecondaryPrivateIpAddressCount": 1},
        "ecs.UnassignPrivateIpAddresses": {"NetworkInterfaceId": s.second_interface, "PrivateIpAddress.1": "10.1.9.9"},
        "ecs.CreateSnapshot": {"DiskId": s.data_disk},
        "ecs.ModifySnapshotAttribute": {"SnapshotId": s.data_snapshot, "SnapshotName": "new"},
        "ecs.DeleteSnapshot": {"SnapshotId": s.data_snapshot},
        "ecs.ResetDisk": {"DiskId": s.data_disk, "SnapshotId": s.data_snapshot},
        "ecs.CreateLaunchTemplate": {"LaunchTemplateName": "new"},
        "ecs.CreateLaunchTemplateVersion": version,
        "ecs.DescribeLaunchTemplateVersions": version,
        "ecs.ModifyLaunchTemplateDefaultVersion": version,
        "ecs.DeleteLaunchTemplate": version,
        "ecs.DeleteLaunchTemplateVersion": version,
        "ecs.DeleteSecurityGroup": {"SecurityGroupId": s.empty_group},
        "ecs.ModifySecurityGroupAttribute": {"SecurityGroupName": "new"},
        "ecs.ModifySecurityGroupPolicy": {"InnerAccessPolicy": "Drop"},
        "ecs.AuthorizeSecurityGroup": {**rule, "SourceCidrIp": "10.0.0.0/8"},
        "ecs.AuthorizeSecurityGroupEgress": {**rule, "DestCidrIp": "10.0.0.0/8"},
        "ecs.RevokeSecurityGroup": {"SecurityGroupId": s.group, **old_rule, "SourceGroupId": s.other_group},
        "ecs.RevokeSecurityGroupEgress": {"SecurityGroupId": s.group, **old_rule, "DestGroupId": s.other_group},
        "ecs.ModifySecurityGroupRule": {"SecurityGroupId": s.group, "SecurityGroupRuleId": s.rule, "Description": "new"},
        "ecs.ModifySecurityGroupEgressRule": {"SecurityGroupId": s.group, "SecurityGroupRuleId": s.out_rule, "Description": "new"},
        "ecs.JoinSecurityGroup": {"SecurityGroupId": s.other_group, "InstanceId": s.private},
        "ecs.LeaveSecurityGroup": {"SecurityGroupId": s.other_group, "InstanceId": s.spot},
        "ecs.CreateKeyPair": {"KeyPairName": "new"},
        "ecs.ImportKeyPair": {"KeyPairName": "new"},
        "ecs.AttachKeyPair": {"InstanceIds": json.dumps([s.private]), "KeyPairName": "spare"},
        "ecs.DetachKeyPair": {"InstanceIds": json.dumps([s.private]), "KeyPairName": "keys"},
        "ecs.CreateDisk": {"ZoneId": s.zone, "Size": 40, "DiskCategory": "cloud_essd"},
        "ecs.AttachDisk": {"InstanceId": s.private, "DiskId": s.free_disk},
        "ecs.DetachDisk": {"InstanceId": s.private, "DiskId": s.hot_disk},
        "ecs.DeleteDisk": {"DiskId": s.free_disk},
        "ecs.ModifyDiskAttribute": {"DiskId": s.data_disk, "DiskName": "new"},
        "ecs.ModifyDiskSpec": {"DiskId": s.hot_disk, "PerformanceLevel": "PL2"},
        "ecs.ReplaceSystemDisk": {**stopped, "ImageId": s.image},
        "ecs.ReInitDisk": {"DiskId": s.system_disk},
        "ecs.DescribePrice": {"InstanceType": "ecs.g6.large", "ResourceType": "instance"},
        "ecs.ReleaseEipAddress": {"AllocationId": s.free_eip},
        "ecs.DescribeImages": {"PageSize": 50},
        "ecs.AddTags": tag,
        "ecs.TagResources": tag,
        "ecs.RemoveTags": TAG,
        "ecs.UntagResources": {"TagKey.1": "team"},
        "ecs.ListTagResources": {"ResourceId.1": s.private},
        "ecs.DescribeAvailableResource": {},
        "ecs.CreateVpc": {"CidrBlock": "192.168.0.0/16"},
        "ecs.ModifyVpcAttribute": {"VpcName": "new"},
        "ecs.ModifyVSwitchAttribute": {"VSwitchName": "new"},
        "ecs.DeleteVpc": {"VpcId": s.empty_vpc},
        "ecs.DeleteVSwitch": {"VSwitchId": s.empty_vswitch},
        "ecs.CreateRouteEntry": {"NextHopId": s.private},
        "ecs.DeleteRouteEntry": {"DestinationCidrBlock": "192.168.9.0/24", "NextHopId": s.private},
        "ecs.DescribeRouteTables": {"VRouterId": s.vrouter},
        "ecs.AssociateEipAddress": {"AllocationId": s.free_eip, "InstanceId": s.spot},
        "ecs.UnassociateEipAddress": {"AllocationId": s.eip, "InstanceId": s.private},
        "ecs.ModifyEipAddressAttribute": {"Bandwidth": 9},
        "vpc.TagResources": {"ResourceType": "VPC", "ResourceId.1": s.vpc, **tag},
        "vpc.UnTagResources": {"ResourceType": "VPC", "ResourceId.1": s.vpc, "TagKey.1": "team"},
        "vpc.ListTagResources": {"ResourceType": "VPC", "ResourceId.1": s.vpc},
        "slb.CreateLoadBalancer": {"AddressType": "intranet", "VSwitchId": s.vswitch},
        "slb.SetLoadBalancerStatus": {"LoadBalancerStatus": "inactive"},
        "slb.SetLoadBalancerDeleteProtection": {"DeleteProtection": "on"},
        "slb.SetLoadBalancerModificationProtection": {"ModificationProtectionStatus": "ConsoleProtection"},
        "slb.ModifyLoadBalancerInternetSpec": {"LoadBalancerId": s.empty_balancer, "InternetChargeType": "paybybandwidth", "Bandwidth": 8},
        "slb.ModifyLoadBalancerInstanceChargeType": {"InstanceChargeType": "PayByCLCU"},
        "slb.DeleteLoadBalancer": {"LoadBalancerId": s.empty_balancer},
        "slb.AddBackendServers": {"BackendServers": json.dumps([{"ServerId": s.public, "Weight": 10}])},
        "slb.SetBackendServers": {"BackendServers": json.dumps([{"ServerId": s.private, "Weight": 10}])},
        "slb.RemoveBackendServers": {"BackendServers": json.dumps([{"ServerId": s.private}])},
        "slb.CreateVServerGroup": {},
        "slb.SetVServerGroupAttribute": {"VServerGroupName": "new"},
        "slb.RemoveVServerGroupBackendServers": {"BackendServers": json.dumps([{"ServerId": s.private, "Port": 80}])},
        "slb.ModifyVServerGroupBackendServers": {
            "OldBackendServers": json.dumps([{"ServerId": s.private, "Port": 80}]),
            "NewBackendServers": json.dumps([{"ServerId": s.public, "Port": 81}]),
        },
        "slb.DescribeVServerGroupAttribute": {"VServerGroupId": s.server_group},
        "slb.TagResources": {"ResourceType": "instance", "ResourceId.1": s.balancer, **tag},
        "slb.UntagResources": {"ResourceType": "instance", "ResourceId.1": s.balancer, "TagKey.1": "team"},
        "slb.ListTagResources": {"ResourceId.1": s.balancer},
        "slb.DescribeTags": {"LoadBalancerId": s.balancer},
        "slb.AddTags": {"Tags": '[{"TagKey":"new","TagValue":"b"}]'},
    }  # fmt: skip
    for port, (kind, more) in enumerate(LISTENERS.items(), 1):
        bases[f"slb.CreateLoadBalancer{kind}Listener"] = {
            "ListenerPort": port + 10,
            "BackendServerPort": 80,
            **more,
        }
        bases[f"slb.SetLoadBalancer{kind}ListenerAttribute"] = {
            "ListenerPort": port,
            "Description": "new",
        }
        bases[f"slb.DescribeLoadBalancer{kind}ListenerAttribute"] = {"ListenerPort": port}
    bases["slb.StartLoadBalancerListener"] = {"ListenerPort": 5}
    for action in (
        "CreateVpc", "ModifyVpcAttribute", "ModifyVSwitchAttribute", "DeleteVpc", "DeleteVSwitch",
        "CreateRouteEntry", "DeleteRouteEntry", "DescribeRouteTables", "AssociateEipAddress",
        "UnassociateEipAddress", "ModifyEipAddressAttribute", "ReleaseEipAddress",
    ):  # fmt: skip
        bases[f"vpc.{action}"] = bases[f"ecs.{action}"]
    bases["vpc.AssociateVpcCidrBlock"] = {"SecondaryCidrBlock": "172.20.0.0/16"}
    bases["vpc.UnassociateVpcCidrBlock"] = {
        "VpcId": s.empty_vpc,
        "SecondaryCidrBlock": "172.30.0.0/16",
    }
    bases["vpc.CreateRouteEntries"] = {
        "RouteEntries.1.RouteTableId": s.table,
        "RouteEntries.1.DstCidrBlock": "192.168.10.0/24",
        "RouteEntries.1.NextHop": s.private,
        "RouteEntries.1.NextHopType": "Instance",
    }
    bases["vpc.DeleteRouteEntries"] = {
        "RouteEntries.1.RouteTableId": s.table,
        "RouteEntries.1.DstCidrBlock": "192.168.9.0/24",
        "RouteEntries.1.NextHop": s.private,
    }
    bases["vpc.CheckCanAllocateVpcPrivateIpAddress"] = {"PrivateIpAddress": "172.16.200.1"}
    bases["vpc.DeleteRouteEntry"] = {**bases["ecs.DeleteRouteEntry"], "RouteTableId": s.table}
    return bases


def _ways(s: Scene) -> dict[str, list[dict[str, Any]]]:
    no_rule = {
        "IpProtocol": None,
        "PortRange": None,
        "SourceCidrIp": None,
        "DestCidrIp": None,
        "SourceGroupId": None,
        "DestGroupId": None,
    }
    permission = {**no_rule, "Permissions.1.IpProtocol": "tcp", "Permissions.1.PortRange": "81/81"}
    disk = {"DataDisk.1.Size": 40, "DataDisk.1.Category": "cloud_essd"}
    # No group or VSwitch of the request's own beside an interface.
    interface = {
        "SecurityGroupId": None, "VSwitchId": None,
        "NetworkInterface.1.SecurityGroupId": s.group, "NetworkInterface.1.VSwitchId": s.vswitch,
        "NetworkInterface.1.InstanceType": "Primary",
    }  # fmt: skip
    creation: list[dict[str, Any]] = [
        {"InstanceChargeType": "PrePaid", "Period": 1},
        {"InstanceChargeType": "PrePaid", "Period": 1, "AutoRenew": "true"},
        {"Amount": 1, "HostName": None},
        {"SpotStrategy": "SpotWithPriceLimit"},
        {"SpotStrategy": "SpotAsPriceGo"},
        {**disk},
        {**disk, "DataDisk.1.Encrypted": "true"},
        {"SystemDisk.Category": "cloud_essd"},
        {"SystemDisk.Category": "cloud_auto"},
        {"DataDisk.1.Size": 40, "DataDisk.1.Category": "cloud_auto"},
        {"InstanceType": "ecs.t6-c1m1.large"},
        {"InternetMaxBandwidthOut": 5},
        {"HttpEndpoint": "enabled"},
        {"Amount": 3, "InstanceName": "many", "HostName": "many"},
        {"SecurityGroupId": None},
        {"ImageId": None},
        {"Tag.1.Key": "team"},
        interface,
        {**interface, "NetworkInterface.1.SecurityGroupId": None},
    ]
    keys = ("CreationStartTime", "CreationEndTime", "ExpiredStartTime", "ExpiredEndTime")
    filters: list[dict[str, Any]] = [{"Tag.1.Key": "team"}, {"MaxResults": 1}]
    for number, key in enumerate(keys, 1):
        filters += [{f"Filter.{number}.Key": key}, {f"Filter.{number}.Value": "2020-01-01T00:00Z"}]
    check_http = {"HealthCheckType": "http"}
    return {
        "ecs.RunInstances": [
            *creation,
            {"NetworkInterface.1.InstanceType": "Secondary"},
            {"LaunchTemplateId": s.template, "ImageId": None, "InstanceType": None},
            {"LaunchTemplateName": "template", "ImageId": None, "InstanceType": None},
        ],
        "ecs.CreateInstance": creation,
        "ecs.CreateLaunchTemplate": [{"TemplateTag.1.Key": "team"}, *creation[:9], *creation[-3:]],
        "ecs.CreateLaunchTemplateVersion": [*creation[:9], *creation[-3:], {"LaunchTemplateId": None}],
        "ecs.DescribeLaunchTemplateVersions": [{"LaunchTemplateId": None}],
        "ecs.DeleteLaunchTemplate": [{"LaunchTemplateId": None}],
        "ecs.DeleteLaunchTemplateVersion": [{"LaunchTemplateId": None}],
        "ecs.ModifyLaunchTemplateDefaultVersion": [{"LaunchTemplateId": None}],
        **{
            f"ecs.{name}": filters
            for name in (
                "DescribeInstances", "DescribeDisks", "DescribeSnapshots", "DescribeImages",
                "DescribeEipAddresses", "DescribeTags", "DescribeKeyPairs",
                "DescribeNetworkInterfaces",
            )
        },
        "vpc.DescribeEipAddresses": filters,
        **{
            f"{product}.{name}": [{"Tag.1.Key": "team"}]
            for product in ("vpc", "slb", "ecs")
            for name in ("DescribeVpcs", "DescribeVSwitches", "DescribeLoadBalancers", "ListTagResources", "CreateDisk",
                         "CreateSecurityGroup", "CreateVpc", "CreateVSwitch", "CreateLoadBalancer", "CreateSnapshot", "CreateImage")
        },
        "ecs.DescribePrice": [
            {"InternetChargeType": "PayByBandwidth"}, {"DataDisk.1.Size": 40, "DataDisk.1.Category": "cloud_auto"},
            {"ResourceType": "disk", "InstanceType": None, "DataDisk.1.Size": 40, "DataDisk.1.Category": "cloud_essd"},
            {"PriceUnit": "Month"}, disk, {"SystemDisk.Category": "cloud_essd", "SystemDisk.Size": 40},
            {"InternetMaxBandwidthOut": 5},
            {**disk, "DataDisk.2.Size": 40, "DataDisk.2.Category": "cloud_essd"},
            {**disk, "DataDisk.3.Size": 40, "DataDisk.3.Category": "cloud_essd"},
            {**disk, "DataDisk.4.Size": 40, "DataDisk.4.Category": "cloud_essd"},
        ],
        "ecs.CreateDisk": [
            {"Size": None}, {"ZoneId": None}, {"Encrypted": "true"}, {"DiskCategory": None}, {"Tag.1.Key": "team"},
            {"DiskCategory": "cloud_auto"},
        ],
        "ecs.DescribeDisks": [*filters, {"DiskType": "all"}],
        "ecs.DeleteInstance": [{"InstanceId": s.spot}, {"InstanceId": s.prepaid}, {"InstanceId": s.expired}],
        "ecs.DeleteInstances": [{"InstanceId.1": s.spot}, {"InstanceId.1": s.prepaid}, {"InstanceId.1": s.expired}],
        "ecs.DescribeSecurityGroups": [*filters, {"SecurityGroupName": "gro*"}],
        "ecs.ModifyInstanceAttribute": [{"InstanceId": s.stopped}, {"InstanceId": s.public}],
        "ecs.ModifyPrepayInstanceSpec": [{"InstanceType": None, "InternetMaxBandwidthOut": 3}],
        "ecs.ModifyInstanceSpec": [{"InstanceType": None, "InternetMaxBandwidthOut": 3, "InstanceId": s.public}],
        "ecs.ModifyInstanceChargeType": [{"InstanceChargeType": "PostPaid", "Period": None, "InstanceIds": json.dumps([s.prepaid])}],
        "ecs.ModifyInstanceAutoRenewAttribute": [{"AutoRenew": None}],
        "ecs.RenewInstance": [{"Period": None}],
        "ecs.StopInstance": [{"InstanceId": s.public}],
        "ecs.DeleteImage": [{"ImageId": s.used_image}],
        "ecs.DeleteSnapshot": [{"SnapshotId": s.used_snapshot}],
        "ecs.CreateImage": [
            {"InstanceId": None}, {"InstanceId": None, "SnapshotId": s.system_snapshot}, {"Tag.1.Key": "team"},
            {"InstanceId": None, "DiskDeviceMapping.1.SnapshotId": s.system_snapshot},
            {"InstanceId": None, "DiskDeviceMapping.1.Size": 40},
            {
                "InstanceId": None, "DiskDeviceMapping.1.SnapshotId": s.data_snapshot, "DiskDeviceMapping.1.DiskType": "data",
                "DiskDeviceMapping.2.SnapshotId": s.system_snapshot, "DiskDeviceMapping.2.DiskType": "system",
            },
        ],
        "ecs.CreateKeyPair": [{"Tag.1.Key": "team"}],
        "ecs.ImportKeyPair": [{"Tag.1.Key": "team"}],
        "ecs.CreateCommand": [{"Tag.1.Key": "team"}],
        "ecs.RunCommand": [{"Tag.1.Key": "team"}, {"InstanceId.1": None, "ResourceTag.1.Key": "team"}],
        "ecs.InvokeCommand": [{"Tag.1.Key": "team"}, {"InstanceId.1": None, "ResourceTag.1.Key": "team"}],
        "ecs.DescribeCommands": filters,
        "ecs.DescribeInvocations": [{"InvokeId": None, "IncludeOutput": None}, *filters],
        "ecs.DescribeInvocationResults": filters,
        "ecs.DescribeCloudAssistantStatus": [{"MaxResults": 1}],
        "ecs.CopyImage": [{"Encrypted": "true"}, {"Tag.1.Key": "team"}],
        "ecs.DescribeLaunchTemplates": [{"TemplateTag.1.Key": "team"}],
        "ecs.DescribeInstanceHistoryEvents": [{"MaxResults": 1}],
        "vpc.DescribeRouteTableList": [{"Tag.1.Key": "team"}],
        "ecs.ModifySecurityGroupEgressRule": [{"Description": None}],
        "ecs.DescribeAvailableResource": [
            {"DestinationResource": "SystemDisk", "InstanceType": "ecs.g6.large"},
            {"DestinationResource": "DataDisk", "InstanceType": "ecs.g6.large"},
            {"DestinationResource": "Zone"},
        ],
        "ecs.AuthorizeSecurityGroup": [permission, {"SourceCidrIp": None, "SourceGroupId": s.other_group}, {"SourceCidrIp": None}, {**permission, "Permissions.1.SourceCidrIp": "10.3.0.0/16"}, {**permission, "Permissions.1.SourceGroupId": s.other_group}],
        "ecs.AuthorizeSecurityGroupEgress": [permission, {"DestCidrIp": None, "DestGroupId": s.other_group}, {"DestCidrIp": None}, {**permission, "Permissions.1.DestCidrIp": "10.3.0.0/16"}, {**permission, "Permissions.1.DestGroupId": s.other_group}],
        "ecs.RevokeSecurityGroup": [no_rule, {"SourceGroupId": None}, {**no_rule, "Permissions.1.IpProtocol": "tcp", "Permissions.1.PortRange": "22/22", "Permissions.1.SourceGroupId": s.other_group}, {**no_rule, "Permissions.1.IpProtocol": "tcp", "Permissions.1.PortRange": "22/22"}],
        "ecs.RevokeSecurityGroupEgress": [no_rule, {"DestGroupId": None}, {**no_rule, "Permissions.1.IpProtocol": "tcp", "Permissions.1.PortRange": "22/22", "Permissions.1.DestGroupId": s.other_group}, {**no_rule, "Permissions.1.IpProtocol": "tcp", "Permissions.1.PortRange": "22/22"}],
        "ecs.JoinSecurityGroup": [{"InstanceId": None}],
        "ecs.LeaveSecurityGroup": [{"InstanceId": None}],
        "ecs.ModifyDiskSpec": [{"PerformanceLevel": None}, {"DiskCategory": "cloud_auto", "PerformanceLevel": None}],
        "ecs.ModifyDiskAttribute": [{"DiskId": None}, {"DiskName": None}, {"DiskId": s.auto_disk}],
        "ecs.AttachDisk": [{"InstanceId": s.stopped}],
        "ecs.ListTagResources": [{"Tag.1.Key": "team"}, {"ResourceId.1": None, "TagFilter.1.TagKey": "team"}],
        "ecs.RemoveTags": [{"Tag.1.Key": None, "Tag.1.Value": None}, {"Tag.1.Value": None}],
        "slb.CreateVServerGroup": [{"Tag.1.Key": "team"}],
        "slb.UploadServerCertificate": [{"Tag.1.Key": "team"}],
        "slb.DescribeServerCertificates": [{"ServerCertificateId": None}, {"Tag.1.Key": "team"}],
        "slb.DescribeVServerGroups": [{"Tag.1.Key": "team"}],
        "slb.DescribeLoadBalancerListeners": [{"Tag.1.Key": "team"}],
        "ecs.AddTags": [{"Tag.1.Key": None, "Tag.1.Value": None}, {"Tag.1.Key": None, "Tag.1.Value": None, "Tag.1.key": "n"}],
        "ecs.UntagResources": [{"TagKey.1": None}],
        "vpc.UnTagResources": [{"TagKey.1": None}],
        "slb.UntagResources": [{"TagKey.1": None}],
        "vpc.CreateVpc": [{"EnableIpv6": "true"}],
        "vpc.CreateVSwitch": [{"Tag.1.Key": "team"}],
        "vpc.AllocateEipAddress": [{"InstanceChargeType": "PrePaid", "Period": 1}, {"InstanceChargeType": "PrePaid", "Period": 1, "AutoPay": "true"}, {"Tag.1.Key": "team"}],
        "slb.CreateLoadBalancer": [
            {"AddressType": "internet", "VSwitchId": None}, {"PayType": "PrePay", "Duration": 1, "AutoPay": "true"}, {"ModificationProtectionStatus": "ConsoleProtection"}, {"Tag.1.Key": "team"},
        ],
        "slb.SetLoadBalancerModificationProtection": [{}],
        "slb.ModifyLoadBalancerInstanceSpec": [{"LoadBalancerId": s.prepaid_balancer}],
        "slb.ModifyLoadBalancerInternetSpec": [{"LoadBalancerId": s.prepaid_balancer}],
        **{
            f"slb.{name}": [check_http, {"ConnectionDrain": "on"}, {"AclStatus": "on"}, {"VServerGroup": "on"}, {"Tag.1.Key": "a"}]
            for name in ("CreateLoadBalancerTCPListener", "SetLoadBalancerTCPListenerAttribute", "CreateLoadBalancerUDPListener", "SetLoadBalancerUDPListenerAttribute")
        },
        **{
            f"slb.{verb}LoadBalancer{kind}Listener{end}": [
                {"ListenerForward": "on", "ForwardPort": 4}, {"StickySession": "on", "StickySessionType": "server", "CookieTimeout": None, "Cookie": "c"}, {"StickySession": "on", "StickySessionType": "insert"},
                {"HealthCheck": "on"}, {"AclStatus": "on"}, {"VServerGroup": "on"}, {"Tag.1.Key": "a"},
            ]
            for verb, end in (("Create", ""), ("Set", "Attribute"))
            for kind in ("HTTP", "HTTPS")
        },
    }  # fmt: skip
