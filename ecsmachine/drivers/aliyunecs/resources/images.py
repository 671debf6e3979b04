"""Which image a machine is made from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ecsmachine.aliyun.ecs_values import Image
from ecsmachine.drivers.aliyunecs.options.settings import Settings
from ecsmachine.drivers.aliyunecs.options.suggestions import nearest
from ecsmachine.drivers.aliyunecs.resources.cloud import Cloud
from ecsmachine.errors import PreCreateCheckError

_SYSTEMS = ("ubuntu", "debian")
"""The systems that are taken, in this order, if none is asked for."""


def choose_image(cloud: Cloud, settings: Settings) -> Image:
    """Return the image that is named, or the newest one of what is asked for.

    Raises :class:`PreCreateCheckError` if there is none, with the nearest ones that there are.
    """
    if settings.image_id:
        image = next(cloud.ecs.images(image_id=settings.image_id), None)
        if image is None:
            raise PreCreateCheckError(
                f'There is no image "{settings.image_id}" in region {cloud.region}',
                hint=nearest(
                    settings.image_id,
                    (image.id for image in _known_images(cloud, settings)),
                    what="images for this instance type",
                ),
            )
        return image
    if settings.image_family:
        members = list(cloud.ecs.images(family=settings.image_family))
        if not members:
            raise PreCreateCheckError(
                f'There is no image of family "{settings.image_family}" in region {cloud.region}',
                hint=nearest(
                    settings.image_family,
                    (image.family for image in _known_images(cloud, settings) if image.family),
                    what="image families for this instance type",
                ),
            )
        return max(members, key=lambda image: (image.created, image.id))
    return _choose_system_image(cloud, settings)


def newest_of(images: Iterable[Image], system: str) -> Image | None:
    """Return the newest image of a system such as ``debian``, ``ubuntu`` or ``ubuntu 22.04``.

    The highest version counts first, then the date. Of Ubuntu without a version, only those
    with long-term support (April of even years) count.
    """
    name, _, version = system.lower().replace("-", " ").partition(" ")
    fitting = [
        (_version(image), image.created, image.id, image)
        for image in images
        if _without_separators(image.platform or image.os_name).startswith(
            _without_separators(name)
        )
        and (not version or _starts_with(_version(image), version))
    ]
    if name == "ubuntu" and not version:
        fitting = [
            each for each in fitting if each[0][1:2] == (4,) and each[0] and each[0][0] % 2 == 0
        ]
    return max(fitting)[3] if fitting else None


def _choose_system_image(cloud: Cloud, settings: Settings) -> Image:
    images = list(_system_images(cloud, settings))
    for system in [settings.image_os] if settings.image_os else _SYSTEMS:
        image = newest_of(images, system)
        if image is not None:
            return image
    if settings.image_os:
        raise PreCreateCheckError(
            f'There is no system image of "{settings.image_os}" for {_wanted_by(settings)}',
            hint=nearest(
                settings.image_os,
                {f"{image.platform.lower()} {_written_version(image)}" for image in images},
                what="system images",
                most=12,
            ),
        )
    raise PreCreateCheckError(
        f"There is no system image of Ubuntu or Debian for {_wanted_by(settings)}",
        hint="Choose one with --aliyunecs-image-id or --aliyunecs-image-os. "
        + nearest("", (image.id for image in images), what="system images"),
    )


def _known_images(cloud: Cloud, settings: Settings) -> list[Image]:
    return [*cloud.ecs.images(owner="self"), *_system_images(cloud, settings)]


def _system_images(cloud: Cloud, settings: Settings) -> list[Image]:
    return [
        image
        for image in cloud.ecs.images(
            owner="system",
            os_type="linux",
            instance_type=settings.instance_type,
            architecture=settings.architecture or ("" if settings.instance_type else "x86_64"),
        )
        if image.architecture != "i386"
    ]


def _wanted_by(settings: Settings) -> str:
    return settings.instance_type or settings.architecture or "x86_64"


def _version(image: Image) -> tuple[int, ...]:
    """Return the version of the system, from its name, such as (22, 4) of Ubuntu 22.04."""
    written = _written_version(image)
    return tuple(int(part) for part in written.split(".")) if written else ()


def _written_version(image: Image) -> str:
    match = re.search(r"\s(\d+(?:\.\d+)*)", image.os_name)
    return match[1] if match else ""


def _starts_with(version: tuple[int, ...], text: str) -> bool:
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        return False
    wanted = tuple(int(part) for part in text.split("."))
    return version[: len(wanted)] == wanted


def _without_separators(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())
