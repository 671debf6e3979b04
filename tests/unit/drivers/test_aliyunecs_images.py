from __future__ import annotations

import pytest

from ecsmachine.aliyun.ecs_values import Image, InstanceType
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest, nearest_types
from ecsmachine.drivers.aliyunecs.resources.images import newest_of


def image(name: str, platform: str, os_name: str, created: str = "2024-01-01T00:00:00Z") -> Image:
    return Image(
        name, name, "", platform, os_name, "linux", "x86_64", 20, "", False, created=created
    )


IMAGES = [
    image("ubuntu_22_04_a", "Ubuntu", "Ubuntu  22.04 64 bit", "2024-05-01T00:00:00Z"),
    image("ubuntu_22_04_b", "Ubuntu", "Ubuntu  22.04 64 bit", "2024-07-01T00:00:00Z"),
    image("ubuntu_24_04", "Ubuntu", "Ubuntu  24.04 64 bit", "2024-06-01T00:00:00Z"),
    image("ubuntu_24_10", "Ubuntu", "Ubuntu  24.10 64 bit", "2024-10-01T00:00:00Z"),
    image("debian_9_9", "Debian", "Debian  9.9 64 bit"),
    image("debian_12_8", "Debian", "Debian  12.8 64 bit"),
    image("rocky_9", "Rocky Linux", "Rocky Linux  9.4 64 bit"),
]


@pytest.mark.parametrize(
    ("system", "chosen"),
    [
        ("ubuntu", "ubuntu_24_04"),
        ("Ubuntu 22.04", "ubuntu_22_04_b"),
        ("ubuntu-24.10", "ubuntu_24_10"),
        ("debian", "debian_12_8"),
        ("debian 9", "debian_9_9"),
        ("rocky", "rocky_9"),
    ],
)
def test_the_newest_image_of_a_system(system: str, chosen: str) -> None:
    found = newest_of(IMAGES, system)
    assert found is not None
    assert found.id == chosen


@pytest.mark.parametrize("system", ["debian 7", "windows", "ubuntu xx"])
def test_a_system_that_is_not_there(system: str) -> None:
    assert newest_of(IMAGES, system) is None


def test_the_nearest_names() -> None:
    assert nearest("cn-hangzou", ["cn-hangzhou", "us-east-1"], what="regions") == (
        "Did you mean cn-hangzhou? Use one of: cn-hangzhou, us-east-1."
    )
    assert nearest("zz", ["b", "a"], what="regions") == "Use one of: a, b."
    assert nearest("zz", [], what="VPCs") == "There are no VPCs."


def test_the_nearest_types_in_size() -> None:
    def of(name: str, cores: int, memory: float, architecture: str = "X86") -> InstanceType:
        return InstanceType(name, "", cores, memory, architecture)

    types = [of("ecs.a.large", 2, 4), of("ecs.b.huge", 64, 256), of("ecs.arm", 2, 4, "ARM")]
    wanted = of("ecs.n4.small", 1, 2)
    sentence = nearest_types(wanted, wanted.id, types, {each.id for each in types})
    assert sentence.startswith("Closest available: ecs.a.large (2 vCPU, 4 GiB), ecs.b.huge")
    assert "arm" not in sentence
