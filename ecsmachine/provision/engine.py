"""How the engine is configured: flags, the systemd drop-in, its certificates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from ecsmachine.documents.rules import has_controls
from ecsmachine.errors import UsageError
from ecsmachine.provision.base import AUTO, EngineOptions
from ecsmachine.provision.engine_source import validate_key, validate_sources, validate_version

DROP_IN_PATH = "/etc/systemd/system/docker.service.d/10-machine.conf"
CA_PATH = "/etc/docker/ca.pem"
SERVER_PATH = "/etc/docker/server.pem"
SERVER_KEY_PATH = "/etc/docker/server-key.pem"
CERTIFICATE_FILES = (CA_PATH, SERVER_PATH, SERVER_KEY_PATH)
CONFIGURATION_VARIABLE = "ECSMACHINE_CONFIGURATION"
"""The engine's variable that tells with which configuration and certificates it was started."""

MIRRORS_PATH = "/etc/ecsmachine/registry-mirrors"
"""On a host: mirrors of Docker's registry that its image's maker knows, a URL on a line."""

DAEMON_JSON_PATH = "/etc/docker/daemon.json"

LIST_FLAGS = {
    "--label": "labels",
    "--insecure-registry": "insecure_registry",
    "--registry-mirror": "registry_mirror",
    "--dns": "dns",
}
TEXT_FLAGS = {"--data-root": "graph_dir", "--log-level": "log_level"}
SWITCHES = {"--ipv6": "ipv6", "--selinux-enabled": "selinux_enabled"}
"""Flags of the engine in the order in which they are written, and the options that they have."""

# flags that have another name in daemon.json (docs.docker.com, dockerd reference)
_KEYS = {
    "H": ("hosts",),
    "host": ("hosts",),
    "label": ("labels",),
    "insecure-registry": ("insecure-registries",),
    "registry-mirror": ("registry-mirrors",),
    "storage-opt": ("storage-opts",),
    "exec-opt": ("exec-opts",),
    "log-opt": ("log-opts",),
    "default-ulimit": ("default-ulimits",),
    "default-address-pool": ("default-address-pools",),
    "authorization-plugin": ("authorization-plugins",),
    "add-runtime": ("runtimes",),
    "data-root": ("data-root", "graph"),
}


def engine_flags(
    options: EngineOptions, *, port: int, provider: str, storage_driver: str, socket: bool
) -> list[str]:
    """Return the arguments of dockerd; ``storage_driver`` counts where the options name none.

    ``socket``: docker.socket hands the engine its local socket. Then ``fd://`` must stay among
    the hosts, or systemd would go on listening in place of the engine.
    """
    flags = ["-H", f"tcp://0.0.0.0:{port}"]
    flags += ["-H", "fd://" if socket else "unix:///var/run/docker.sock"]
    if options.storage_driver or storage_driver:
        flags += ["--storage-driver", options.storage_driver or storage_driver]
    flags += ["--tlsverify", "--tlscacert", CA_PATH]
    flags += ["--tlscert", SERVER_PATH, "--tlskey", SERVER_KEY_PATH]
    options = replace(options, labels=[*options.labels, f"provider={provider}"])
    for flag, name in LIST_FLAGS.items():
        for value in getattr(options, name) or ():
            flags += [flag, value]
    for flag, name in TEXT_FLAGS.items():
        if getattr(options, name):
            flags += [flag, getattr(options, name)]
    flags += [flag for flag, name in SWITCHES.items() if getattr(options, name)]
    for flag in options.arbitrary_flags:
        # with Docker Machine, systemd splits "dns 198.18.0.1"
        flags.append("--" + re.sub(r"\A([a-z0-9-]+)[ \t]+(?=\S)", r"\1=", flag))
    return flags


def conflicts(flags: Sequence[str], daemon_json: Mapping[str, object]) -> list[str]:
    """Return the keys of /etc/docker/daemon.json that our flags set as well.

    The engine does not start with an option in both places.
    """
    names = {
        flag.lstrip("-").partition("=")[0] for flag in flags if re.match(r"--[a-z0-9]|-H$", flag)
    }
    keys = {key for name in names for key in _KEYS.get(name, (name,))}
    return sorted(keys & set(daemon_json))


def validate_engine_options(options: EngineOptions) -> None:
    """Raise :class:`UsageError` for an option that the engine, or its unit, cannot take."""
    for flag, values in (("--engine-label", options.labels), ("--engine-env", options.env)):
        for value in values:
            if not value.partition("=")[0].strip() or "=" not in value:
                raise UsageError(
                    f'{flag}: "{value}" is not key=value', hint="Write it as key=value."
                )
    for value in options.arbitrary_flags:
        if not re.match(r"[a-z0-9][a-z0-9-]*(=|[ \t]+\S|\Z)", value):
            raise UsageError(
                f'--engine-opt: "{value}" is not flag=value',
                hint="Write it without dashes in front, for example dns=198.18.0.1.",
            )
    for mirror in options.registry_mirror:
        if mirror != AUTO and not _is_mirror(mirror):
            raise UsageError(
                f'--engine-registry-mirror (ENGINE_REGISTRY_MIRROR): "{mirror}" is not the URL of '
                "a mirror",
                hint="Write it as https://mirror.example:5000, without a user, a query or a "
                "fragment: the engine takes none.",
            )
    for registry in options.insecure_registry:
        if not re.fullmatch(r"[^\s,]+", registry):
            raise UsageError(
                f'--engine-insecure-registry: "{registry}" is not a registry',
                hint="Write it as registry.example:5000 or 10.0.0.0/8.",
            )
    validate_sources(options.source)
    validate_key(options.source_key)
    validate_version(options.version)
    flags = engine_flags(options, port=2376, provider="", storage_driver="", socket=True)
    drop_in("dockerd", flags, options.env)


def with_known_mirrors(options: EngineOptions, known: str) -> EngineOptions:
    """Return the options with the mirrors in the lines of ``known`` in place of "auto"."""
    if AUTO not in options.registry_mirror:
        return options
    found = [line.strip() for line in known.splitlines() if _is_mirror(line.strip())]
    mirrors = [
        one for mirror in options.registry_mirror for one in (found if mirror == AUTO else [mirror])
    ]
    return replace(options, registry_mirror=list(dict.fromkeys(mirrors)))


def _is_mirror(text: str) -> bool:
    """Whether an engine starts with a URL as its mirror (Moby, registry/config.go)."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    unfit = re.search(r"[\s,]", text) or parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not unfit


def drop_in(command: str, flags: Sequence[str], environment: Sequence[str]) -> str:
    """Return the text of the systemd drop-in that runs the engine our way (systemd.service(5))."""
    words = " ".join(quote(word) for word in (command, *flags))
    variables = " ".join(quote(variable, command_line=False) for variable in environment)
    return f"[Service]\nExecStart=\nExecStart={words}\nEnvironment={variables}\n"


def quote(word: str, *, command_line: bool = True) -> str:
    """Quote a word for a systemd unit: blanks, quotes, backslashes and ``%``, and ``$`` in
    command lines.

    Raises :class:`UsageError` for line breaks, which a unit cannot hold, and other control
    characters.
    """
    if has_controls(word):
        raise UsageError(
            f"An engine option holds a line break or another control character: {word!r}",
            hint="Give it without that character.",
        )
    text = word.replace("%", "%%")
    if command_line:
        text = text.replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
