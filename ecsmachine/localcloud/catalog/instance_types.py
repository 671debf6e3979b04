"""Instance types: families, sizes, and the figures that DescribeInstanceTypes tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated


@dataclass(frozen=True)
class InstanceType:
    """An instance type; ``memory_gib`` may be a half, ``credits`` are of burstable types."""

    id: Annotated[str, "InstanceTypeId"]
    family: Annotated[str, "InstanceTypeFamily"]
    cpu: Annotated[int, "CpuCoreCount"]
    memory_gib: float
    generation: str
    level: Annotated[str, "InstanceFamilyLevel"]
    category: Annotated[str, "InstanceCategory"]
    architecture: Annotated[str, "CpuArchitecture"] = "X86"
    processor: Annotated[str, "PhysicalProcessorModel"] = "Intel Xeon(Ice Lake) Platinum 8369B"
    frequency: Annotated[float, "CpuSpeedFrequency"] = 2.7
    turbo: Annotated[float, "CpuTurboFrequency"] = 3.5
    baseline_credit: Annotated[int, "BaselineCredit"] = 0
    initial_credit: Annotated[int, "InitialCredit"] = 0
    nvme: Annotated[str, "NvmeSupport"] = "unsupported"
    old_disks: bool = False

    @property
    def image_architecture(self) -> str:
        """The architecture of the images that it runs, in their words: x86_64 or arm64."""
        return "arm64" if self.architecture == "ARM" else "x86_64"

    @property
    def threads_per_core(self) -> int:
        """How many threads a core has."""
        return 1 if self.architecture == "ARM" or self.cpu == 1 else 2

    @property
    def cores(self) -> int:
        """How many cores it has; ``cpu`` counts their threads."""
        return self.cpu // self.threads_per_core

    @property
    def bandwidth_kbps(self) -> int:
        """Bandwidth of the network in kbit/s, each way."""
        return min(32_000_000, 1_024_000 * max(1, self.cpu // 2))

    @property
    def packets_per_second(self) -> int:
        """Packets a second, each way."""
        return min(6_000_000, 150_000 * max(1, self.cpu))

    @property
    def interfaces(self) -> int:
        """How many network interfaces it can have."""
        return 2 if self.cpu <= 2 else min(8, 2 + self.cpu // 4)

    @property
    def addresses_per_interface(self) -> int:
        """How many private addresses an interface can have."""
        return 2 if self.cpu < 2 else min(30, 3 * self.cpu)

    @property
    def queues(self) -> int:
        """Queues of the primary network interface."""
        return max(1, min(32, self.cpu // 2 if self.cpu > 1 else 1))

    @property
    def disks(self) -> int:
        """How many disks, the system disk included, it can have."""
        return 17 if self.cpu < 16 else 24


_SIZES = (
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("3xlarge", 12),
    ("4xlarge", 16),
    ("6xlarge", 24),
    ("8xlarge", 32),
)
_CASCADE = "Intel Xeon(Cascade Lake) Platinum 8269CY"
_SAPPHIRE = "Intel Xeon(Sapphire Rapids) Platinum 8475B"
_SKYLAKE = "Intel Xeon(Skylake) Platinum 8163"
_ICE = "Intel Xeon(Ice Lake) Platinum 8369B"
_YITIAN = "YiTian 710"

# family, GiB a core, processor, GHz, turbo GHz, NVMe
_ENTERPRISE = (
    ("ecs.c5", 2, _SKYLAKE, 2.5, 2.7, "unsupported"),
    ("ecs.g5", 4, _SKYLAKE, 2.5, 2.7, "unsupported"),
    ("ecs.r5", 8, _SKYLAKE, 2.5, 2.7, "unsupported"),
    ("ecs.c6", 2, _CASCADE, 2.5, 3.2, "unsupported"),
    ("ecs.g6", 4, _CASCADE, 2.5, 3.2, "unsupported"),
    ("ecs.r6", 8, _CASCADE, 2.5, 3.2, "unsupported"),
    ("ecs.hfc6", 2, _CASCADE, 3.1, 3.5, "unsupported"),
    ("ecs.hfg6", 4, _CASCADE, 3.1, 3.5, "unsupported"),
    ("ecs.c7", 2, _ICE, 2.7, 3.5, "supported"),
    ("ecs.g7", 4, _ICE, 2.7, 3.5, "supported"),
    ("ecs.r7", 8, _ICE, 2.7, 3.5, "supported"),
    ("ecs.c8i", 2, _SAPPHIRE, 2.7, 3.2, "required"),
    ("ecs.g8i", 4, _SAPPHIRE, 2.7, 3.2, "required"),
    ("ecs.r8i", 8, _SAPPHIRE, 2.7, 3.2, "required"),
    ("ecs.c8y", 2, _YITIAN, 2.75, 2.75, "required"),
    ("ecs.g8y", 4, _YITIAN, 2.75, 2.75, "required"),
    ("ecs.r8y", 8, _YITIAN, 2.75, 2.75, "required"),
)

# id, cores, GiB: the shared types of the first generation, which tell no family of their own
_FIRST = (
    ("ecs.t1.small", 1, 1.0),
    ("ecs.s1.small", 1, 2.0),
    ("ecs.s1.medium", 1, 4.0),
    ("ecs.s1.large", 1, 8.0),
    ("ecs.s2.small", 2, 2.0),
    ("ecs.s2.large", 2, 4.0),
    ("ecs.s2.xlarge", 2, 8.0),
    ("ecs.s2.2xlarge", 2, 16.0),
    ("ecs.s3.medium", 4, 4.0),
    ("ecs.s3.large", 4, 8.0),
    ("ecs.m1.medium", 4, 16.0),
    ("ecs.m1.xlarge", 8, 32.0),
    ("ecs.m2.medium", 4, 32.0),
    ("ecs.m2.xlarge", 8, 64.0),
    ("ecs.c1.small", 8, 8.0),
    ("ecs.c1.large", 8, 16.0),
    ("ecs.c2.medium", 16, 16.0),
    ("ecs.c2.large", 16, 32.0),
    ("ecs.c2.xlarge", 16, 64.0),
)
# those of the second generation
_SECOND = (
    ("ecs.n1.tiny", 1, 1.0),
    ("ecs.n1.small", 1, 2.0),
    ("ecs.n1.medium", 2, 4.0),
    ("ecs.n1.large", 4, 8.0),
    ("ecs.n1.xlarge", 8, 16.0),
    ("ecs.n1.3xlarge", 16, 32.0),
    ("ecs.n1.7xlarge", 32, 64.0),
    ("ecs.n2.small", 1, 4.0),
    ("ecs.n2.medium", 2, 8.0),
    ("ecs.n2.large", 4, 16.0),
    ("ecs.n2.xlarge", 8, 32.0),
    ("ecs.n2.3xlarge", 16, 64.0),
    ("ecs.n2.7xlarge", 32, 128.0),
    ("ecs.e3.small", 1, 8.0),
    ("ecs.e3.medium", 2, 16.0),
    ("ecs.e3.large", 4, 32.0),
    ("ecs.e3.xlarge", 8, 64.0),
    ("ecs.e3.3xlarge", 16, 128.0),
)
# shared types of the third generation
_THIRD = (
    ("ecs.n4.small", 1, 2.0),
    ("ecs.n4.large", 2, 4.0),
    ("ecs.n4.xlarge", 4, 8.0),
    ("ecs.n4.2xlarge", 8, 16.0),
    ("ecs.mn4.small", 1, 4.0),
    ("ecs.mn4.large", 2, 8.0),
    ("ecs.mn4.xlarge", 4, 16.0),
    ("ecs.xn4.small", 1, 1.0),
)
# the cheap ones of today
_ENTRY = (
    ("ecs.s6-c1m1.small", 1, 1.0),
    ("ecs.s6-c1m2.small", 1, 2.0),
    ("ecs.s6-c1m2.large", 2, 4.0),
    ("ecs.s6-c1m2.xlarge", 4, 8.0),
    ("ecs.s6-c1m4.large", 2, 8.0),
    ("ecs.e-c1m1.large", 2, 2.0),
    ("ecs.e-c1m2.large", 2, 4.0),
    ("ecs.e-c1m2.xlarge", 4, 8.0),
    ("ecs.e-c1m4.large", 2, 8.0),
    ("ecs.e-c1m4.xlarge", 4, 16.0),
    ("ecs.u1-c1m1.large", 2, 2.0),
    ("ecs.u1-c1m2.large", 2, 4.0),
    ("ecs.u1-c1m2.xlarge", 4, 8.0),
    ("ecs.u1-c1m4.large", 2, 8.0),
    ("ecs.u1-c1m4.xlarge", 4, 16.0),
)
# rows, generation, processor, frequency, turbo, whether they take old kinds of disks
_SHARED = (
    (_FIRST, "ecs-1", "Intel Xeon E5-2420", 1.9, 2.4, True),
    (_SECOND, "ecs-2", "Intel Xeon E5-2680 v3 (Haswell)", 2.5, 3.3, True),
    (_THIRD, "ecs-3", _SKYLAKE, 2.5, 2.7, True),
    (_ENTRY, "ecs-5", _SKYLAKE, 2.5, 2.7, False),
)
# id, cores, GiB, credits an hour, credits at the start
_BURSTABLE = (
    ("ecs.t5-lc2m1.nano", 1, 0.5, 6, 30),
    ("ecs.t5-lc1m1.small", 1, 1.0, 6, 30),
    ("ecs.t5-lc1m2.small", 1, 2.0, 6, 30),
    ("ecs.t5-lc1m2.large", 2, 4.0, 12, 60),
    ("ecs.t6-c2m1.large", 2, 1.0, 12, 60),
    ("ecs.t6-c1m1.large", 2, 2.0, 12, 60),
    ("ecs.t6-c1m2.large", 2, 4.0, 24, 60),
    ("ecs.t6-c1m4.large", 2, 8.0, 36, 60),
    ("ecs.t6-c1m4.xlarge", 4, 16.0, 96, 120),
)


@cache
def instance_types() -> Sequence[InstanceType]:
    """Return all instance types."""
    types = [
        InstanceType(
            id=id_,
            family=id_.partition("-")[0],
            cpu=cpu,
            memory_gib=memory,
            generation="ecs-4" if "t5" in id_ else "ecs-5",
            level="CreditEntryLevel",
            category="Burstable",
            processor=_SKYLAKE,
            frequency=2.5,
            turbo=2.7,
            baseline_credit=baseline,
            initial_credit=initial,
        )
        for id_, cpu, memory, baseline, initial in _BURSTABLE
    ]
    types += [
        InstanceType(
            id=id_,
            family=id_.partition("-")[0] if "-" in id_ else id_.rpartition(".")[0],
            cpu=cpu,
            memory_gib=memory,
            generation=generation,
            level="EntryLevel",
            category="Shared",
            processor=processor,
            frequency=frequency,
            turbo=turbo,
            old_disks=old_disks,
        )
        for rows, generation, processor, frequency, turbo, old_disks in _SHARED
        for id_, cpu, memory in rows
    ]
    types += [
        InstanceType(
            id=f"{family}.{size}",
            family=family,
            cpu=cpu,
            memory_gib=float(cpu * ratio),
            generation=f"ecs-{_number(family) - 1}",
            level="EnterpriseLevel",
            category=_category(family),
            architecture="ARM" if processor == _YITIAN else "X86",
            processor=processor,
            frequency=frequency,
            turbo=turbo,
            nvme=nvme,
        )
        for family, ratio, processor, frequency, turbo, nvme in _ENTERPRISE
        for size, cpu in ((("small", 1), *_SIZES) if processor == _YITIAN else _SIZES)
    ]
    return tuple(types)


def find_instance_type(type_id: str) -> InstanceType | None:
    """Return the instance type, or None."""
    return _by_id().get(type_id)


def known_instance_type(type_id: str) -> InstanceType:
    """Return the type of an instance that there is.

    One that only another version of the cloud has on offer is taken as small.
    """
    family = type_id.rpartition(".")[0]
    small = InstanceType(type_id, family, 2, 4.0, "", "", "")
    return _by_id().get(type_id, small)


@cache
def _by_id() -> dict[str, InstanceType]:
    return {item.id: item for item in instance_types()}


def _number(family: str) -> int:
    return int(next(letter for letter in family.removeprefix("ecs.") if letter.isdigit()))


def _category(family: str) -> str:
    name = family.removeprefix("ecs.")
    if name.startswith("hf"):
        return "High Clock Speed"
    return {"c": "Compute-optimized", "g": "General-purpose", "r": "Memory-optimized"}[name[0]]
