from __future__ import annotations

from importlib import import_module

import pytest

from ecsmachine.aliyun.access_key import ApiAddress, Credentials, FixedCredentials
from ecsmachine.aliyun.endpoints import Product, endpoint, validate_endpoint
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.errors import UsageError
from ecsmachine.localcloud.catalog.regions import regions


@pytest.mark.parametrize(
    ("product", "region", "address"),
    [
        ("ecs", "cn-hangzhou", "https://ecs.cn-hangzhou.aliyuncs.com"),
        ("ecs", "cn-shanghai-finance-1", "https://ecs-cn-hangzhou.aliyuncs.com"),
        ("vpc", "cn-hangzhou", "https://vpc.aliyuncs.com"),
        ("vpc", "ap-southeast-7", "https://vpc.ap-southeast-7.aliyuncs.com"),
        ("slb", "us-east-1", "https://slb.aliyuncs.com"),
        ("slb", "cn-chengdu", "https://slb.cn-chengdu.aliyuncs.com"),
        ("sts", "eu-central-1", "https://sts.eu-central-1.aliyuncs.com"),
    ],
)
def test_every_product_has_an_address_in_every_region(
    product: Product, region: str, address: str
) -> None:
    assert endpoint(product, region) == address


SDKS = {
    "ecs": "alibabacloud_ecs20140526",
    "vpc": "alibabacloud_vpc20160428",
    "slb": "alibabacloud_slb20140515",
    "sts": "alibabacloud_sts20150401",
}
REGIONS = [
    *(region.id for region in regions()),
    *("cn-shanghai-finance-1", "cn-shenzhen-finance-1", "cn-north-2-gov-1"),
    *("cn-beijing-finance-1", "cn-wuhan-lr", "na-south-1", "me-central-1"),
]


@pytest.mark.parametrize("product", ["ecs", "vpc", "slb", "sts"])
def test_alibabas_own_sdk_goes_to_the_same_addresses(product: Product) -> None:
    from alibabacloud_tea_openapi.models import Config

    client = import_module(f"{SDKS[product]}.client").Client
    for region in REGIONS:
        config = Config(access_key_id="a", access_key_secret="b", region_id=region)
        theirs = f"https://{client(config)._endpoint}"
        # two names of one address
        theirs = theirs.replace("ecs-cn-hangzhou.aliyuncs", "ecs.cn-hangzhou.aliyuncs")
        ours = endpoint(product, region)
        assert ours.replace("ecs-cn-hangzhou.aliyuncs", "ecs.cn-hangzhou.aliyuncs") == theirs


@pytest.mark.parametrize("product", ["ecs", "vpc", "slb", "sts"])
@pytest.mark.parametrize("region", ["cn-beijing", "cn-hangzhou", "cn-shanghai-finance-1"])
def test_inside_a_vpc(product: Product, region: str) -> None:
    address = f"https://{product}-vpc.{region}.aliyuncs.com"
    assert endpoint(product, region, vpc_internal=True) == address


def test_the_option_for_the_addresses_inside_a_vpc_reaches_every_product() -> None:
    provider = FixedCredentials("flags", Credentials("id", "secret"))
    cloud = Cloud("cn-beijing", provider, ApiAddress(vpc_internal=True))
    assert [cloud.ecs.rpc.endpoint, cloud.vpc.rpc.endpoint, cloud.slb.rpc.endpoint] == [
        f"https://{product}-vpc.cn-beijing.aliyuncs.com" for product in ("ecs", "vpc", "slb")
    ]
    assert "sts-vpc.cn-beijing" in cloud.sts.rpc.endpoint
    # regions are listed at the region's own address as well: no other may be reached from there
    assert cloud.ecs._central is cloud.ecs.rpc


@pytest.mark.parametrize("product", ["ecs", "vpc", "slb", "sts"])
def test_a_custom_address_is_for_every_product(product: Product) -> None:
    assert endpoint(product, "x", custom="http://127.0.0.1:80/") == "http://127.0.0.1:80"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ecs.aliyuncs.com", "ftp://x", "http://", "http://x:port", "", "//x"]
)
def test_an_address_without_scheme_is_one_clear_line(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_endpoint(url, "--the-endpoint")
    assert (caught.value.hint or "").startswith("Correct --the-endpoint.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("https://me:hunter2@ecs.aliyuncs.com", "https://me:hunter2@127.0.0.1:99999"),
        *("me:hunter2@127.0.0.1", "ftp://me:hunter2@h/x@y"),
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_endpoint(url)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.hint)
