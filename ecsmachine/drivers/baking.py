"""Images that are made of machines: what a driver adds whose machines can be baked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from ecsmachine.drivers.base import Journal, Report
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import UsageError

_FAMILY = r"(?!acs:|aliyun)[A-Za-z][A-Za-z0-9_.:-]{1,99}"
"""So long that the name of an image of it, which has a time behind it, fits as well."""

COPY, BAKED = "copy", "baked"
"""What an image is for: another machine is made of a copy, and removed with it; or it stays."""


def validate_family(family: str) -> str:
    """Return the name of an image family. Raises :class:`~ecsmachine.errors.UsageError`."""
    if not re.fullmatch(_FAMILY, family, re.IGNORECASE):
        raise UsageError(
            f'"{family[:100]}" cannot be an image family. Use 2 to 100 letters, digits and . _ : '
            "- that begin with a letter, but not with acs: or aliyun",
            hint="Choose another name, or give --family.",
        )
    return family


@dataclass(frozen=True)
class ImageRequest:
    """An image that is asked for, for ``machine``: its ``role`` is COPY or BAKED."""

    role: str
    machine: str
    name: str
    family: str = ""
    engine: str = ""


@dataclass(frozen=True)
class BakedImage:
    """An image that ``bake`` has made; ``engine`` is the version of the engine in it."""

    id: str
    name: str
    family: str
    engine: str
    region: str
    status: str = ""
    size_gib: int = 0
    created: datetime | None = None
    store_id: str = ""
    snapshot_ids: tuple[str, ...] = ()


@runtime_checkable
class Baking(Protocol):
    """What a driver adds whose machines can be made images of."""

    def make_image(self, journal: Journal, image: ImageRequest, report: Report) -> str:
        """Make an image of the machine's system disk, or go on making it; return its id.

        The machine is left as it is; ``journal``, which may be another machine's, lists what is
        made. Raises :class:`~ecsmachine.errors.MachineError`.
        """

    def finish_image(self, journal: Journal) -> BakedImage:
        """Let the image that a journal lists be one that stays; return what it is."""

    def copy_options(self, image_id: str, name: str) -> dict[str, OptionValue]:
        """Return the options of a machine like this one, from an image.

        ``name`` is that of a security group which no other machine shall have.
        """


class BakedImages(Protocol):
    """The images of an account in one region that ``bake`` has made."""

    def find(self, family: str = "") -> list[BakedImage]:
        """Return those of a family, or all; of a family the newest first."""

    def remove(self, image: BakedImage, report: Report) -> bool:
        """Remove an image with its snapshots; False if it stays, as machines are made from it.

        Raises :class:`~ecsmachine.errors.MachineError`.
        """
