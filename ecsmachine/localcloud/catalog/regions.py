"""Regions and zones, with the ids and names of Alibaba Cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Zone:
    """A zone of a region."""

    id: str
    letter: str


@dataclass(frozen=True)
class Region:
    """A region, its names in two languages, and its zones."""

    id: str
    name_zh: str
    name_en: str
    zones: tuple[Zone, ...]

    def name(self, language: str) -> str:
        """Return the name in a language given as AcceptLanguage (``zh-CN`` unless English)."""
        return self.name_en if language.lower().startswith("en") else self.name_zh


# id, Chinese name, English name, letters of the zones
_REGIONS = (
    ("cn-qingdao", "华北1（青岛）", "China (Qingdao)", "bc"),
    ("cn-beijing", "华北2（北京）", "China (Beijing)", "fghijkl"),
    ("cn-zhangjiakou", "华北3（张家口）", "China (Zhangjiakou)", "abc"),
    ("cn-huhehaote", "华北5（呼和浩特）", "China (Hohhot)", "ab"),
    ("cn-wulanchabu", "华北6（乌兰察布）", "China (Ulanqab)", "abc"),
    ("cn-hangzhou", "华东1（杭州）", "China (Hangzhou)", "hijk"),
    ("cn-shanghai", "华东2（上海）", "China (Shanghai)", "befgl"),
    ("cn-nanjing", "华东5（南京-本地地域）", "China (Nanjing - Local Region)", "a"),
    ("cn-shenzhen", "华南1（深圳）", "China (Shenzhen)", "cdef"),
    ("cn-heyuan", "华南2（河源）", "China (Heyuan)", "ab"),
    ("cn-guangzhou", "华南3（广州）", "China (Guangzhou)", "ab"),
    ("cn-chengdu", "西南1（成都）", "China (Chengdu)", "ab"),
    ("cn-hongkong", "中国香港", "China (Hong Kong)", "bcd"),
    ("ap-northeast-1", "日本（东京）", "Japan (Tokyo)", "abc"),
    ("ap-northeast-2", "韩国（首尔）", "South Korea (Seoul)", "ab"),
    ("ap-southeast-1", "新加坡", "Singapore", "abc"),
    ("ap-southeast-3", "马来西亚（吉隆坡）", "Malaysia (Kuala Lumpur)", "ab"),
    ("ap-southeast-5", "印度尼西亚（雅加达）", "Indonesia (Jakarta)", "abc"),
    ("ap-southeast-6", "菲律宾（马尼拉）", "Philippines (Manila)", "ab"),
    ("ap-southeast-7", "泰国（曼谷）", "Thailand (Bangkok)", "ab"),
    ("us-east-1", "美国（弗吉尼亚）", "US (Virginia)", "ab"),
    ("us-west-1", "美国（硅谷）", "US (Silicon Valley)", "ab"),
    ("eu-west-1", "英国（伦敦）", "UK (London)", "ab"),
    ("eu-central-1", "德国（法兰克福）", "Germany (Frankfurt)", "abc"),
    ("me-east-1", "阿联酋（迪拜）", "UAE (Dubai)", "a"),
)


@cache
def regions() -> Sequence[Region]:
    """Return all regions, in the order of DescribeRegions."""
    return tuple(
        Region(id_, zh, en, tuple(Zone(_zone_id(id_, letter), letter) for letter in letters))
        for id_, zh, en, letters in _REGIONS
    )


def find_region(region_id: str) -> Region | None:
    """Return the region, or None."""
    return _by_id().get(region_id)


def known_region(region_id: str) -> Region:
    """Return the region; raises LookupError with a sentence if there is none."""
    region = find_region(region_id)
    if region is None:
        raise LookupError(f"there is no region {region_id!r}")
    return region


@cache
def _by_id() -> dict[str, Region]:
    return {region.id: region for region in regions()}


def _zone_id(region_id: str, letter: str) -> str:
    # A letter is set off by a dash after a name, and follows a number directly.
    return f"{region_id}{letter}" if region_id[-1].isdigit() else f"{region_id}-{letter}"
