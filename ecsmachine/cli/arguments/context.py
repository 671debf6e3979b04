"""What every command is handed: the store, the environment, and how it was called."""

from __future__ import annotations

import os

from ecsmachine import __version__
from ecsmachine.cli.display import docker_machine
from ecsmachine.cli.settings.layers import Settings
from ecsmachine.documents import is_true
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.system.folders import with_home

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import typer

    from ecsmachine.machine.interruption import Interruption
    from ecsmachine.machine.store import Store


_COMMAND = (
    r"""(?:(?<=["'(])|(?<=: )|(?<=&& )|\A)ecsmachine """
    r"(?P<words>local (?!packages)(?:(?:fault|registry) )?[a-z]+|plan|apply|destroy"
    r"|(?:image|cluster|project|service|volume|trigger) [a-z-]+)?"
    r"(?P<given> --?(?:root|f)\b)?"
)
"""Our name where a command begins in a text for people, and what may have to be added to it."""

_CERTIFICATES = {
    "ca_cert_path": "MACHINE_TLS_CA_CERT",
    "ca_key_path": "MACHINE_TLS_CA_KEY",
    "client_cert_path": "MACHINE_TLS_CLIENT_CERT",
    "client_key_path": "MACHINE_TLS_CLIENT_KEY",
}
"""The paths of certificates that may be given, and the variables that name them."""


class Session:
    """One run of the program.

    ``program`` is the command line, from the name that we were called by. ``certificate_paths``
    are the ``--tls-…`` options, by the names of
    :class:`~ecsmachine.machine.model.AuthOptions`. ``under_way`` names the machines whose create
    has begun and is not over, ``interruption`` ends it. ``named`` are the machines that the command
    was given. A command that goes on ``until_interrupted`` ends in order by that. ``settings`` are
    what files say, once they are read. ``repeated`` are options that were typed and that every
    command has to be given again: of the program (""), a file's machines, a group of commands.
    ``checkpoint`` is told of every change of a journal, request to a cloud and command on a host.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        program: list[str],
        *,
        debug: bool = False,
        checkpoint: Callable[[str], None] = lambda point: None,
    ):
        self.environment = environment
        self.program = program
        self.debug = debug
        self.checkpoint = checkpoint
        self.storage = ""
        self.native_ssh = False
        self.certificate_paths: dict[str, Path] = {}
        self.tls_key_type = "ecdsa"
        self.under_way: list[str] = []
        self.interruption: Interruption | None = None
        self.named: list[str] = []
        self.until_interrupted = False
        self.settings = Settings({})
        self.repeated: dict[str, list[str]] = {}
        self._store: Store | None = None
        self._warned: set[str] = set()

    def use(self, settings: Settings) -> None:
        """Take what files of settings say, and their values for variables that are not set."""
        self.settings = settings
        self.environment = settings.environment()

    @property
    def store(self) -> Store:
        """The machine store; opened at first use."""
        if self._store is None:
            from pathlib import Path

            from ecsmachine.cli.display.libraries import silence_libraries
            from ecsmachine.machine.store import Store

            silence_libraries()
            path = Path(self.storage)
            self._store = Store(path, self.environment, self.warn, self.checkpoint)
        return self._store

    @property
    def is_docker_machine(self) -> bool:
        """Whether we were called by Docker Machine's name."""
        return self.program[:1] == [docker_machine.NAME]

    def version_line(self) -> str:
        """Return which release this is."""
        if self.is_docker_machine:
            return docker_machine.version_line(__version__)
        return f"ecsmachine version {__version__}"

    def as_called(self, text: str, *, hint: bool = False) -> str:
        """Return a text in which the commands to run next are called as we were.

        They have our name, and the options that say which store, local cloud or file is meant;
        under Docker Machine's name, whose sentences programs compare, only a ``hint`` has those
        of the store.
        """
        name = (self.program or ["ecsmachine"])[0]
        if name == "ecsmachine" and not self.repeated:
            return text
        import re
        import shlex

        def called(found: re.Match[str]) -> str:
            words, given = found["words"] or "", found["given"] or ""
            group = words.partition(" ")[0] if " " in words else "file"
            own = [] if given or not words else self.repeated.get(group, [])
            is_compared = self.is_docker_machine and not hint
            before = [] if is_compared else self.repeated.get("", [])
            line = " ".join([name, *map(shlex.quote, before), *filter(None, [words])])
            more = "".join(f" {shlex.quote(word)}" for word in own)
            return f"{line}{more}{given}" if words else f"{line} "

        return re.sub(_COMMAND, called, text)

    def repeat(self, group: str, **options: object) -> None:
        """Keep what was typed of the options that the commands of a group to run next need too."""
        self.repeated[group] = [
            word for name, value in options.items() if value for word in (f"--{name}", str(value))
        ]

    def warn(self, line: str) -> None:
        """Print a warning, once however many machines it comes from."""
        from ecsmachine.cli.display.printer import warn

        if line not in self._warned:
            self._warned.add(line)
            warn(self.as_called(line))


def configure(
    session: Session,
    *,
    path: Path | None = None,
    native_ssh: bool | None = None,
    tls_key_type: str = "",
    certificates: Mapping[str, Path | None] | None = None,
) -> None:
    """Give the session what the global options say, and the environment where they say nothing.

    ``certificates`` are the ``--tls-…`` options by their names in ``certificate_paths``. Raises
    :class:`UsageError`.
    """
    environment = session.environment
    session.storage = storage(path, environment)
    if path:
        session.repeated[""] = [*session.repeated.get("", []), "-s", os.fspath(path)]
    by_variable = native_ssh is None and is_set(environment, "MACHINE_NATIVE_SSH")
    session.native_ssh = native_ssh or by_variable
    session.tls_key_type = tls_key_type or environment.get("MACHINE_TLS_KEY_TYPE") or "ecdsa"
    if session.tls_key_type not in ("ecdsa", "rsa"):
        raise UsageError(
            f'--tls-key-type (MACHINE_TLS_KEY_TYPE): "{session.tls_key_type}" is not known',
            hint="It is ecdsa or rsa.",
        )
    for name, variable in _CERTIFICATES.items():
        given = (certificates or {}).get(name) or environment.get(variable)
        if given:
            from pathlib import Path

            path = Path(with_home(given)).absolute()
            session.certificate_paths[name] = path
            option = "--" + variable.removeprefix("MACHINE_").lower().replace("_", "-")
            check_path(str(path), f"{option} ({variable})", "Give another path.")


def storage(given: Path | str | None, environment: Mapping[str, str]) -> str:
    """Return where the machine store is.

    Raises :class:`UsageError` where nothing says so, or what says so is no path for it.
    """
    path = given or environment.get("MACHINE_STORAGE_PATH")
    if path:
        path = with_home(path).replace(os.altsep or os.sep, os.sep)
        path = os.path.join(*([] if os.path.isabs(path) else [os.getcwd()]), path)
        # written into config.json, it must hold without the folder that ".." leaves
        path = os.path.realpath(path) if os.pardir in path.split(os.sep) else path
    else:
        home = os.path.expanduser("~")
        if home == "~":
            raise UsageError(
                "Your home folder is unknown",
                hint="Set HOME, or name the machine store with --storage-path.",
            )
        path = os.path.join(home, ".docker", "machine")
    hint = "Choose another folder with --storage-path or MACHINE_STORAGE_PATH."
    check_path(path, "The machine store", hint)
    return path


def check_path(path: str, what: str, hint: str) -> None:
    """Raise :class:`UsageError` for a path that ``config.json`` cannot hold."""
    if path.isascii() and path.isprintable():
        return
    from ecsmachine.documents.rules import PATH

    if not PATH.fits(path):
        reason = "has a control character, or is not UTF-8"
        raise UsageError(f"{what}: the path {path!r} {reason}", hint=hint)


def is_set(environment: Mapping[str, str], variable: str) -> bool:
    """Read a switch. Raises :class:`UsageError` for a value that is none."""
    text = environment.get(variable, "")
    what = f"The variable {variable}"
    return bool(text.strip()) and is_true(text, what, "Correct it, or unset it.")


def values_given(arguments: Iterable[str], name: str, short: str = "") -> list[str]:
    """Return the values that an option has on a command line, before that is parsed."""
    arguments = list(arguments)
    found = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        flag, equals, value = argument.partition("=")
        if flag in (f"-{name}", f"--{name}") and equals:
            found.append(value)
        elif argument in (short, f"-{name}", f"--{name}") and argument:
            found += arguments[position + 1 : position + 2]
        elif short and argument.startswith(short) and not argument.startswith("--"):
            found.append(argument.removeprefix(short).removeprefix("="))
    return found


def session(ctx: typer.Context) -> Session:
    """Return the session of a command's context."""
    found: Session = ctx.obj
    return found


def machine_names(
    session: Session, names: list[str] | None, *, missing: Callable[[str], None] | None = None
) -> list[str]:
    """Return the names that a command was given; ``default``, if there is one, where none was.

    Braces stand for several names, and patterns for the machines that they fit. Raises
    :class:`UsageError` if no name is given and no machine is called ``default``, and
    :class:`~ecsmachine.errors.MachineError` if a pattern fits no machine, unless ``missing`` is
    told of that.
    """
    if names:
        session.named = _named(session, names, missing)
        return session.named
    from ecsmachine.machine.names import is_machine

    if is_machine(os.path.join(session.storage, "machines", "default")):
        session.named = ["default"]
        return session.named
    raise UsageError(
        'No machine name(s) specified and no "default" machine exists',
        hint='Use "ecsmachine ls" to list machines.',
    )


def one_machine_name(session: Session, names: list[str] | None) -> str:
    """Return as :func:`machine_names` does. Raises :class:`UsageError` for more than one."""
    chosen = machine_names(session, names)
    if len(chosen) > 1:
        raise UsageError(
            "Expected one machine name as an argument", hint=f"There are: {', '.join(chosen)}."
        )
    return chosen[0]


def _named(session: Session, words: list[str], missing: Callable[[str], None] | None) -> list[str]:
    if not any(character in word for word in words for character in "{*?["):
        return words
    from ecsmachine.cli.arguments.names import expand, is_pattern, matching

    names: dict[str, None] = {}
    existing = session.store.names()
    for word in expand(words):
        try:
            found = matching(word, existing) if is_pattern(word) else [word]
        except MachineError as error:
            if missing is None:
                raise
            missing(error.message)
        else:
            names.update(dict.fromkeys(found))
    return list(names)


def existing_machine_names(session: Session, names: list[str] | None) -> list[str]:
    """Return as :func:`machine_names` does, each once, after all of them have been found.

    Raises :class:`~ecsmachine.machine.stored.MachineNotFoundError` for the first that is not there.
    """
    chosen = list(dict.fromkeys(machine_names(session, names)))
    for name in chosen:
        if not session.store.exists(name):
            from ecsmachine.machine.stored import MachineNotFoundError

            raise MachineNotFoundError(name)
    return chosen
