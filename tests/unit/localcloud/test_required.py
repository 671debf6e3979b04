from __future__ import annotations

import pytest

from ecsmachine.localcloud.protocol.errors import ApiError
from ecsmachine.localcloud.protocol.official import check_required

ECS, VPC, STS = "2014-05-26", "2016-04-28", "2015-04-01"
TAGS = {
    "RegionId": "cn-hangzhou",
    "ResourceType": "instance",
    "ResourceId.1": "i-1",
    "Tag.3.Key": "k",
    "Tag.3.Value": "",
}


def test_what_is_complete_passes() -> None:
    check_required(ECS, "TagResources", TAGS)
    check_required(ECS, "NoSuchAction", {})


@pytest.mark.parametrize(
    ("without", "named"),
    [
        (("RegionId",), "RegionId"),
        (("ResourceType",), "ResourceType"),
        (("ResourceId.1",), "ResourceId"),
        (("Tag.3.Key", "Tag.3.Value"), "Tag"),
        (("Tag.3.Key",), "Tag.3.Key"),
        (("Tag.3.Value",), "Tag.3.Value"),
    ],
)
def test_what_is_missing_is_named(without: tuple[str, ...], named: str) -> None:
    values = {name: value for name, value in TAGS.items() if name not in without}
    with pytest.raises(ApiError, match=f'MissingParameter: .*"{named}"'):
        check_required(ECS, "TagResources", values)


def test_an_empty_value_is_none() -> None:
    with pytest.raises(ApiError, match='"VpcId"'):
        check_required(VPC, "DeleteVpc", {"VpcId": ""})


def test_a_region_has_to_be_there_even_where_it_is_not_required() -> None:
    with pytest.raises(ApiError, match=r"InvalidRegionId\.NotFound"):
        check_required(VPC, "DeleteVpc", {"VpcId": "vpc-1", "RegionId": "nowhere"})
    check_required(STS, "GetCallerIdentity", {"RegionId": "nowhere"})
