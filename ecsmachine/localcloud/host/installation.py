"""How this copy of ecsmachine was installed, and so how it gets the local cloud's packages."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import ecsmachine
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import file_exists, path_exists

if TYPE_CHECKING:
    from importlib import metadata

_MODULES = ("starlette", "uvicorn")
_OF_DEBIAN = ("python3-starlette", "python3-uvicorn")
# Those of pyproject.toml, for a copy without metadata.
_REQUIREMENTS = ("starlette>=0.37", "uvicorn>=0.29")


def check_packages() -> None:
    """Raise :class:`LocalCloudError` if a package is missing; it says how this copy gets it."""
    missing = [module for module in _MODULES if find_spec(module) is None]
    if missing:
        raise LocalCloudError(
            f"The local cloud needs more packages: {', '.join(missing)}.",
            hint=f"Install them with: {install_command()}",
        )


def install_command() -> str:
    """Return the command that installs the packages of the extra "local" for this copy."""
    prefix = Path(sys.prefix)
    distribution = _own_distribution()
    names = shlex.join(_requirements(distribution))
    if file_exists(prefix / "pipx_metadata.json"):
        return f"pipx inject {prefix.name} {names}"
    if file_exists(prefix / "uv-receipt.toml"):
        return f"uv pip install --python {shlex.quote(sys.executable)} {names}"
    if _is_debians(prefix):
        return f"apt-get install {' '.join(_OF_DEBIAN)}"
    wanted = _source(distribution) or names
    if find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(sys.executable)} {wanted}"
    return f"{shlex.quote(sys.executable)} -m pip install {wanted}"


def _own_distribution() -> metadata.Distribution | None:
    """Return the metadata of this installation; None if there is none."""
    from importlib import metadata  # as much work as all the rest of a short command

    own = Path(ecsmachine.__file__).resolve().parent
    try:
        distribution = metadata.distribution("ecsmachine")
    except metadata.PackageNotFoundError:
        return None
    installed = Path(str(distribution.locate_file("ecsmachine"))).resolve()
    folder = _folder(_origin(distribution))
    return distribution if own in (installed, folder and folder / "ecsmachine") else None


def _source(distribution: metadata.Distribution | None) -> str | None:
    """Return the pip arguments for the source of this copy, with the extra.

    None if the source is unknown, or gone: then name the packages.
    """
    if distribution is None:
        checkout = Path(ecsmachine.__file__).resolve().parents[1]
        known = file_exists(checkout / "pyproject.toml")
        return shlex.join(["-e", f"{checkout}[local]"]) if known else None
    origin = _origin(distribution)
    url = origin.get("url", "")
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        commit = vcs.get("commit_id", "")
        return shlex.quote(f"ecsmachine[local] @ {vcs.get('vcs', 'git')}+{url}@{commit}")
    if not url.startswith("file:"):
        return shlex.quote(f"ecsmachine[local] @ {url}") if url else None
    place = Path(unquote(urlsplit(url).path))
    if not path_exists(place):
        return None
    editable = origin.get("dir_info", {}).get("editable")
    return shlex.join([*(["-e"] if editable else []), f"{place}[local]"])


def _origin(distribution: metadata.Distribution) -> dict[str, Any]:
    """Return the origin that the installer recorded (PEP 610)."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    named = isinstance(origin, dict) and isinstance(origin.get("url"), str)
    return origin if named else {}


def _folder(origin: dict[str, Any]) -> Path | None:
    url = origin.get("url", "")
    if "dir_info" not in origin or not url.startswith("file:"):
        return None
    return Path(unquote(urlsplit(url).path)).resolve()


def _requirements(distribution: metadata.Distribution | None) -> list[str]:
    declared = (distribution.requires if distribution is not None else None) or []
    of_extra = [
        re.sub(r"\s", "", text.partition(";")[0])
        for text in declared
        if re.search(r"""extra\s*==\s*['"]local['"]""", text)
    ]
    return of_extra or list(_REQUIREMENTS)


def _is_debians(prefix: Path) -> bool:
    """Whether this is the Python of Debian or Ubuntu, in which pip installs nothing (PEP 668)."""
    marker = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    of_system = prefix == Path(sys.base_prefix) and file_exists(marker)
    return of_system and shutil.which("apt-get") is not None
