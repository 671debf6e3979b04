"""The host's apt: its Debian sources and its ways to the network, taken over as they are."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ecsmachine.localcloud.host.programs import run
from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system.files import file_exists

_DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_POCKETS = ("", "-updates", "-security")
_FORMAT = "|".join(
    f"$({field})"
    for field in ("CREATED_BY", "REPO_URI", "RELEASE", "COMPONENT", "ORIGIN", "SOURCESENTRY")
)
# How to get there, and how strict to be about dates; never who to trust.
_KEPT = re.compile(
    r"^Acquire::(http|https|ftp|Retries|ForceIPv4|ForceIPv6|Check-Date|Check-Valid-Until"
    r"|Max-ValidTime|By-Hash|Proxy-Auto-Detect)(::|\s)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One source of packages: where it is, for which release, and the file that names it."""

    uri: str
    release: str
    named_in: Path

    def line(self, suite: str, host_suite: str) -> str:
        """Return it as a line of sources.list, for another release than the host's perhaps."""
        return f"deb {self.uri} {suite + self.release.removeprefix(host_suite)} main"


def apt_settings() -> str:
    """Return the host's settings on proxies, certificates and the like, as an apt.conf.

    Those in the environment (``http_proxy`` and its like) reach apt by themselves.
    """
    lines = run(["apt-config", "dump"]).splitlines()
    kept = [line for line in lines if _KEPT.match(line)]
    return "\n".join(['Acquire::Languages "none";', *kept, ""])


def host_suite() -> str | None:
    """Return the name of the host's Debian release; None if it runs something else."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None


def host_sources() -> list[Source]:
    """Return the host's Debian sources; none if it runs another distribution."""
    suite = host_suite()
    if suite is None:
        return []
    return read_sources(run(["apt-get", "indextargets", "--format", _FORMAT]), suite)


def source_lines(sources: Sequence[Source], suite: str) -> list[str]:
    """Return sources.list lines for a Debian release, on the host's own mirrors.

    Where the host has none, the list is empty, which leaves the choice to mmdebstrap:
    deb.debian.org.
    """
    host = host_suite()
    if host is None or not any(source.release == host for source in sources):
        return []
    return list(dict.fromkeys(source.line(suite, host) for source in sources))


def copy_keys(sources: Sequence[Source], folder: Path) -> None:
    """Copy the keys that the host trusts for these sources, and Debian's own, into a folder."""
    folder.mkdir()
    keys = [_DEBIAN_KEYS, Path("/etc/apt/trusted.gpg"), *Path("/etc/apt/trusted.gpg.d").glob("*")]
    for file in {source.named_in for source in sources}:
        with suppress(OSError):
            keys += [Path(name) for name in signed_by(file.read_text())]
    for number, key in enumerate(keys):
        if key.suffix in (".gpg", ".asc") and file_exists(key):
            shutil.copyfile(key, folder / f"{number:02}-{key.name}")


def signed_by(text: str) -> list[str]:
    """Return the key files that a file of sources names, in either of apt's two formats."""
    return re.findall(r"(?:^Signed-By:\s*|\bsigned-by=)(/[^\s\],]+)", text, re.I | re.M)


def read_sources(listing: str, suite: str) -> list[Source]:
    """Select Debian's own sources from the output of ``apt-get indextargets``.

    Other sources may use the same release names; they are recognized by their component, and by the
    origin in their downloaded index.
    """
    found = []
    for line in listing.splitlines():
        fields = line.split("|")
        if len(fields) != 6 or fields[0] != "Packages":
            continue
        _, uri, release, component, origin, entry = fields
        # A field that apt does not know stays as it was asked for.
        known_origin = "" if origin.startswith("$(") else origin
        if (
            component == "main"
            and release in {suite + pocket for pocket in _POCKETS}
            and known_origin in ("", "Debian")
            and not uri.startswith("cdrom:")
        ):
            found.append(Source(uri, release, Path(entry.rpartition(":")[0] or "/etc/apt")))
    return found


def parse_uris(printed: str) -> dict[str, int]:
    """Read what ``apt-get --print-uris`` prints: file name -> size in bytes."""
    found = {}
    for line in printed.splitlines():
        match = re.match(r"^'[^']+' (\S+\.deb) (\d+)(\s|$)", line)
        if match:
            found[match.group(1)] = int(match.group(2))
    return found


def parse_hashes(shown: str) -> dict[tuple[str, str], str]:
    """Read what ``apt-cache show`` prints: (package, version) -> SHA256."""
    found = {}
    for stanza in shown.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|SHA256): (.*)$", stanza, re.MULTILINE))
        if len(fields) == 3:
            found[fields["Package"], fields["Version"]] = fields["SHA256"]
    if not found:
        raise LocalCloudError("apt-cache knows no hashes of the engine's packages.")
    return found
