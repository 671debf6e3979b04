from __future__ import annotations

import pytest

from ecsmachine.aliyun.endpoints import Product, endpoint, validate_endpoint
from ecsmachine.errors import UsageError


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


def test_inside_a_vpc() -> None:
    assert endpoint("ecs", "cn-beijing", vpc_internal=True) == (
        "https://ecs-vpc.cn-beijing.aliyuncs.com"
    )


@pytest.mark.parametrize("product", ["ecs", "vpc", "slb", "sts"])
def test_a_custom_address_is_for_every_product(product: Product) -> None:
    assert endpoint(product, "x", custom="http://127.0.0.1:80/") == "http://127.0.0.1:80"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ecs.aliyuncs.com", "ftp://x", "http://", "http://x:port", "", "//x"]
)
def test_an_address_without_scheme_is_one_clear_line(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate_endpoint(url)
    assert "ECS_API_ENDPOINT" in (caught.value.hint or "")
    assert "\n" not in str(caught.value)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        validate_endpoint("https://me:hunter2@ecs.aliyuncs.com")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.hint)
