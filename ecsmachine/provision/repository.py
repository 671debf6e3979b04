"""The commands that install Docker's packages from the first of some sources that has them.

Nothing that comes from a source is run: its key has to be the one that signs Docker's packages,
and the package manager accepts no package without a signature of that key. So it does not matter
that Alibaba Cloud's mirror inside a VPC is asked over plain HTTP.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ecsmachine.provision.errors import reason_in
from ecsmachine.provision.provisioner import PackageManager
from ecsmachine.ssh.command_result import CommandResult

PACKAGES = (
    *("docker-ce", "docker-ce-cli", "containerd.io"),
    *("docker-buildx-plugin", "docker-compose-plugin"),
)
KEYS_PATH = "/etc/ecsmachine/engine-source-keys"
"""On a host: fingerprints of further keys that its image's maker trusts for Docker's packages."""

NO_SOURCE = 103
"""How the commands leave if no source has given the engine."""

_SOURCE = "=== source "
_WHY = "why: "

# prints where the one public key of a file begins, and its length: the packets of RFC 4880, 4.2
_ONE_KEY = """
function four(at) { return ((b[at] * 256 + b[at + 1]) * 256 + b[at + 2]) * 256 + b[at + 3] }
{ for (i = 1; i <= NF; i++) b[n++] = $i }
END {
    for (i = 0; i < n; i += head + size) {
        if (b[i] < 128) exit
        if (b[i] >= 192) {
            tag = b[i] - 192; head = 2; size = b[i + 1]
            if (size == 255) { head = 6; size = four(i + 2) }
            else if (size >= 224) exit
            else if (size >= 192) { head = 3; size = (size - 192) * 256 + b[i + 2] + 192 }
        } else {
            tag = int((b[i] - 128) / 4); kind = b[i] % 4
            if (kind == 0) { head = 2; size = b[i + 1] }
            else if (kind == 1) { head = 3; size = b[i + 1] * 256 + b[i + 2] }
            else if (kind == 2) { head = 5; size = four(i + 1) }
            else exit
        }
        if (i + head + size > n) exit
        if (tag == 6) { keys++; from = i + head; length_ = size }
    }
    if (keys == 1 && b[from] == 4) print from, length_
}
"""


def choosing_version(packages: PackageManager) -> str:
    """Return the functions of ``sh`` that find a package's version by how it begins.

    ``choose PACKAGE 27.5`` prints the newest 27.5.x.
    """
    return f"""\
versions() {{ {packages.versions}; }}
at() {{ {packages.at}; }}
choose() {{
    for version in $(versions "$1"); do
        case ${{version#*:}} in "$2"|"$2"[!0-9]*) echo "$version"; return ;; esac
    done
    return 1
}}
there_are() {{ versions "$1" | sed 's/^[0-9]*://' | sort -ru | head -n 8 | tr '\\n' ' '; }}
install_at() {{
{packages.install_at}
}}
"""


def docker_commands(
    packages: PackageManager,
    addresses: Sequence[str],
    release: tuple[str, str],
    *,
    key: str,
    version: str,
    nearest_first: bool,
) -> str:
    """Return the commands that install Docker's packages of a release, as (folder, release).

    ``addresses`` are tried in their order, or with ``nearest_first`` by the time that their
    keys take. ``key`` is the fingerprint that is accepted, "" for Docker's own. ``version`` is
    the beginning of the engine's, "" for the newest. They leave with :data:`NO_SOURCE` if no
    source has it; :func:`failures` tells why.
    """
    key_url = packages.docker_key_path
    accepted = f"echo {key or packages.docker_key}"
    if not key:
        accepted += f"; cat {KEYS_PATH} 2>/dev/null"
    whose = "the key that was given" if key else f"Docker's key, {packages.docker_key}"
    pinned = f"""\
    version=$(choose docker-ce {shlex.quote(version)}) ||
        why "it has no engine {version}, but: $(there_are docker-ce)"
    set -- "$(at docker-ce "$version")" "$(at docker-ce-cli "$version")"
    set -- "$@" {" ".join(PACKAGES[2:])}
"""
    nearest = f"""\
set -- $(for base in "$@"; do
    {{
        seconds=$(curl -fsSL --connect-timeout 5 --max-time 10 -o /dev/null -w '%{{time_total}}' \\
            "$base/{key_url}" 2>/dev/null) || seconds=99
        echo "$seconds $base"
    }} &
done | sort -n | cut -d ' ' -f 2)
"""
    return f"""\
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
why() {{ echo "{_WHY}$*"; exit 1; }}
{choosing_version(packages)}accepted() {{ {accepted}; }}
no_key="it answered with something else than one public key"
check_key() {{
    tr -d '\\r' < "$work/key" |
        sed -n '/^-----BEGIN PGP PUBLIC KEY BLOCK-----$/,/^-----END PGP/p' > "$work/key.asc"
    [ "$(grep -c '^-----BEGIN' "$work/key.asc")" = 1 ] || why "$no_key"
    sed '/^-----/d;/^=/d;/:/d;/^$/d' "$work/key.asc" | base64 -d > "$work/key.bin" 2>/dev/null
    set -- $(od -An -v -tu1 "$work/key.bin" | awk '{_ONE_KEY}')
    [ $# = 2 ] || why "$no_key"
    found=$({{ printf "$(printf '\\\\231\\\\%03o\\\\%03o' $(($2 / 256)) $(($2 % 256)))"
        tail -c +$(($1 + 1)) "$work/key.bin" | head -c "$2"
    }} | sha1sum | cut -c 1-40 | tr a-f A-F)
    accepted | grep -qixF "$found" || why "its key is $found, not {whose}: nothing of it is used"
}}
add_repository() {{
{packages.add_repository}}}
from_source() {{
    curl -fsSL --connect-timeout 10 --max-time 60 -o "$work/key" "$1/{key_url}" || exit 1
    check_key
    add_repository "$1" {shlex.join(release)}
    set -- {" ".join(PACKAGES)}
{pinned if version else ""}    install_at "$@" || {{
{packages.refresh}
    install_at "$@"; }}
}}
set -- {shlex.join(addresses)}
{nearest if nearest_first and len(addresses) > 1 else ""}for base in "$@"; do
    echo "{_SOURCE}$base"
    if ( from_source "$base" ) 2>&1; then exit 0; fi
    {packages.drop_repository}
done
exit {NO_SOURCE}
"""


def own_commands(packages: PackageManager, commands: str, *, version: str) -> str:
    """Return the commands that install a system's own engine, in a version that begins so."""
    if not version:
        return commands
    return f"""\
{choosing_version(packages)}{{
{commands}
}} || exit $?
owner() {{ {packages.owner}; }}
package=$(owner "$(readlink -f "$(command -v dockerd)")")
version=$(choose "$package" {shlex.quote(version)}) || {{
    echo "E: there is no $package {version}, but: $(there_are "$package")" >&2; exit 1
}}
install_at "$(at "$package" "$version")"
"""


def failures(result: CommandResult) -> dict[str, str]:
    """Return why each source did not give the engine, by its address."""
    reasons = {}
    for section in f"\n{result.stdout}".split(f"\n{_SOURCE}")[1:]:
        address, _, said = section.partition("\n")
        why = [line.removeprefix(_WHY) for line in said.splitlines() if line.startswith(_WHY)]
        found = why[-1] if why else reason_in(CommandResult(1, said, ""))
        reasons[address] = found.strip() or "no reason given"
    return reasons
