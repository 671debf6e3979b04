"""What each API action does, a module a resource; and which product has which actions."""

from __future__ import annotations

from collections.abc import Mapping

from ecsmachine.localcloud.actions import (
    disks,
    identity,
    images,
    instance_changes,
    instance_creation,
    instance_listing,
    instance_power,
    key_pairs,
    networks,
    regions,
    security_groups,
    tags,
)
from ecsmachine.localcloud.call import Action, Actions

_NETWORKS: Actions = {
    "CreateVpc": networks.create_vpc,
    "DescribeVpcs": networks.describe_vpcs,
    "ModifyVpcAttribute": networks.modify_vpc_attribute,
    "DeleteVpc": networks.delete_vpc,
    "CreateVSwitch": networks.create_vswitch,
    "DescribeVSwitches": networks.describe_vswitches,
    "ModifyVSwitchAttribute": networks.modify_vswitch_attribute,
    "DeleteVSwitch": networks.delete_vswitch,
}

ECS: Actions = {
    **_NETWORKS,
    "DescribeRegions": regions.describe_regions,
    "DescribeZones": regions.describe_zones,
    "DescribeInstanceTypes": regions.describe_instance_types,
    "DescribeInstanceTypeFamilies": regions.describe_instance_type_families,
    "DescribeAvailableResource": regions.describe_available_resource,
    "DescribeImages": images.describe_images,
    "DescribeImageFromFamily": images.describe_image_from_family,
    "RunInstances": instance_creation.run_instances,
    "CreateInstance": instance_creation.create_instance,
    "DescribeInstances": instance_listing.describe_instances,
    "DescribeInstanceStatus": instance_listing.describe_instance_status,
    "DescribeInstanceAttribute": instance_listing.describe_instance_attribute,
    "DescribeInstanceAutoRenewAttribute": instance_listing.describe_instance_auto_renew_attribute,
    "DescribeUserData": instance_listing.describe_user_data,
    "StartInstance": instance_power.start_instance,
    "StopInstance": instance_power.stop_instance,
    "RebootInstance": instance_power.reboot_instance,
    "DeleteInstance": instance_power.delete_instance,
    "StartInstances": instance_power.start_instances,
    "StopInstances": instance_power.stop_instances,
    "RebootInstances": instance_power.reboot_instances,
    "DeleteInstances": instance_power.delete_instances,
    "ModifyInstanceAttribute": instance_changes.modify_instance_attribute,
    "ModifyInstanceAutoReleaseTime": instance_changes.modify_instance_auto_release_time,
    "ModifyInstanceSpec": instance_changes.modify_instance_spec,
    "ModifyInstanceNetworkSpec": instance_changes.modify_instance_network_spec,
    "AllocatePublicIpAddress": instance_changes.allocate_public_ip_address,
    "CreateSecurityGroup": security_groups.create_security_group,
    "DescribeSecurityGroups": security_groups.describe_security_groups,
    "DescribeSecurityGroupAttribute": security_groups.describe_security_group_attribute,
    "ModifySecurityGroupAttribute": security_groups.modify_security_group_attribute,
    "ModifySecurityGroupPolicy": security_groups.modify_security_group_policy,
    "DeleteSecurityGroup": security_groups.delete_security_group,
    "AuthorizeSecurityGroup": security_groups.authorize_security_group,
    "AuthorizeSecurityGroupEgress": security_groups.authorize_security_group_egress,
    "RevokeSecurityGroup": security_groups.revoke_security_group,
    "RevokeSecurityGroupEgress": security_groups.revoke_security_group_egress,
    "ModifySecurityGroupRule": security_groups.modify_security_group_rule,
    "ModifySecurityGroupEgressRule": security_groups.modify_security_group_egress_rule,
    "JoinSecurityGroup": security_groups.join_security_group,
    "LeaveSecurityGroup": security_groups.leave_security_group,
    "CreateKeyPair": key_pairs.create_key_pair,
    "ImportKeyPair": key_pairs.import_key_pair,
    "DescribeKeyPairs": key_pairs.describe_key_pairs,
    "DeleteKeyPairs": key_pairs.delete_key_pairs,
    "AttachKeyPair": key_pairs.attach_key_pair,
    "DetachKeyPair": key_pairs.detach_key_pair,
    "CreateDisk": disks.create_disk,
    "DescribeDisks": disks.describe_disks,
    "AttachDisk": disks.attach_disk,
    "DetachDisk": disks.detach_disk,
    "DeleteDisk": disks.delete_disk,
    "ResizeDisk": disks.resize_disk,
    "ModifyDiskAttribute": disks.modify_disk_attribute,
    "TagResources": tags.tag_resources,
    "UntagResources": tags.untag_resources,
    "ListTagResources": tags.list_tag_resources,
    "AddTags": tags.add_tags,
    "RemoveTags": tags.remove_tags,
    "DescribeTags": tags.describe_tags,
}

VPC: Actions = {
    **_NETWORKS,
    "DescribeRegions": regions.describe_vpc_regions,
    "DescribeZones": regions.describe_vpc_zones,
    "DescribeVpcAttribute": networks.describe_vpc_attribute,
    "DescribeVSwitchAttributes": networks.describe_vswitch_attributes,
    "TagResources": tags.tag_vpc_resources,
    "UnTagResources": tags.untag_vpc_resources,
    "UntagResources": tags.untag_vpc_resources,
    "ListTagResources": tags.list_vpc_tag_resources,
}

STS: Actions = {"GetCallerIdentity": identity.get_caller_identity}

PRODUCTS: Mapping[str, Mapping[str, Action]] = {
    "2014-05-26": ECS,
    "2016-04-28": VPC,
    "2015-04-01": STS,
}
"""The actions by the ``Version`` of a request: ECS, VPC, STS."""
