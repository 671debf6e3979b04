"""What the program says otherwise where it is called ``docker-machine``.

Programs compare Docker Machine's errors, its version and what its help lists. Source:
docker/machine 0.16, ``commands/`` and ``libmachine/mcnerror``.
"""

from __future__ import annotations

from ecsmachine.errors import MachineError, PreCreateCheckError

NAME = "docker-machine"

_NO_COMMAND = rf"{NAME}: \1 is not a {NAME} command. See '{NAME} --help'."


def _wrong_words(commands: str) -> str:
    """Return what matches our sentence for too many words after a command, or too few."""
    return rf"(?:Got unexpected extra|Missing) argument.*'{NAME} (?:{commands}) --help'\."


_SENTENCES = (
    (
        r"(No machine name|Expected |Too many arguments|Cannot run SSH command).*",
        r"Error: \g<0>",
    ),
    (_wrong_words("active"), "Error: Too many arguments given"),
    (_wrong_words("inspect|version"), "Error: Expected one machine name as an argument"),
    (_wrong_words("mount|scp"), "Improper number of arguments"),
    (r"Unknown shell.*", "Error: Unknown shell"),
    (r"Host is not running: machine .*", "Host is not running"),
    (r"Unsupported filter syntax.*", "Unsupported filter syntax"),
    (
        r".* is not a swarm master",
        r"\g<0>. The --swarm flag is intended for use with swarm masters",
    ),
    (r"'docker-machine' has no command ('.*')", _NO_COMMAND),
    (r"('.*') is not a command of docker-machine\..*", _NO_COMMAND),
    (
        r"--url option is required.*|generic driver requires .*",
        r"Error setting machine configuration from flags provided: \g<0>",
    ),
    (
        r'Driver "([^"]*)" not found',
        r"\g<0>. Do you have the plugin binary "
        r'"docker-machine-driver-\1" accessible in your PATH?',
    ),
    (r'Invalid hostname specified: ".*"\.', "Error creating machine: Invalid hostname specified."),
)
"""How our sentences begin, and what Docker Machine says in their place."""


def sentence(message: str) -> str:
    """Return an error as Docker Machine says it."""
    import re

    for ours, theirs in _SENTENCES:
        said, found = re.subn(f"^(?:{ours})", theirs, message, flags=re.DOTALL)
        if found:
            return said
    return message


def creating(error: MachineError, *, begun: bool) -> str:
    """Return an error of ``create``; ``begun`` is whether it was making the machine."""
    if isinstance(error, PreCreateCheckError):
        return f'Error with pre-create check: "{error.message}"'
    return f"Error creating machine: {error.message}" if begun else error.message


def version_line(version: str) -> str:
    """Return a version as scripts take it apart; there is no build but the release."""
    return f"{NAME} version {version}, build ecsmachine"


def help_text(text: str) -> str:
    """Return help whose options stand where its completion scripts look for them."""
    import re

    return re.sub(
        r"^  (?:(-\w), )?(--[^ ]+)",
        lambda option: f"   {option[2]}" + (f", {option[1]}" if option[1] else ""),
        text,
        flags=re.MULTILINE,
    )
