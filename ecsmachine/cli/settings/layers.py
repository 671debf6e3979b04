"""What is said where: the layers of settings, and which of them wins.

From the first to win: the command line, sets of options that it names, variables, the profile, the
project's file, the user's file, defaults.
"""

from __future__ import annotations

from ecsmachine.cli.settings import files
from ecsmachine.errors import UsageError

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_OWN = ("profiles", "sets")

PROFILE_VARIABLE = "ECSMACHINE_PROFILE"

TYPED = 0
VARIABLE = 1000
"""How strongly the command line and variables give a value: the less, the stronger.

Sets of options lie between the two, and the other layers of files behind."""


class Found:
    """A value, and where it was found."""

    def __init__(self, value: Any, layer: Layer, path: tuple[str, ...]):
        self.value = value
        self.layer = layer
        self._path = path

    @property
    def where(self) -> str:
        """``FILE:LINE``."""
        return self.layer.file.where(self._path)


class Layer:
    """A part of a file: a profile, a set of options, or what stands outside of them.

    ``path`` is that of its table. A set of options is named on the command line, and so wins over
    variables.
    """

    def __init__(self, file: files.File, path: tuple[str, ...] = ()):
        self.file = file
        self.wins = path[:1] == ("sets",)
        self.path = path
        self._content = file.content
        for key in path:
            self._content = self._content[key]

    def key(self, key: str) -> Found | None:
        """Return the value of a key of :data:`~ecsmachine.cli.settings.keys.VARIABLES`."""
        # which driver makes a machine has to be known before the options of create are
        for path in ((key,), ("create", key)) if key == "driver" else ((key,),):
            found = self._at(path)
            if found is not None and not isinstance(found.value, dict):
                return found
        return None

    def options(self, command: Sequence[str]) -> dict[str, Found]:
        """Return the options of a command (``("swarm", "join")``) that are given here."""
        # a set is one of options of create
        path = tuple(command[1:] if self.wins else command)
        if self.wins and command[0] != "create":
            return {}
        found = self._at(path) if path else Found(self._content, self, ())
        if found is None or not isinstance(found.value, dict):
            return {}
        return {
            key: Found(value, self, (*self.path, *path, key))
            for key, value in found.value.items()
            if not isinstance(value, dict)
        }

    @property
    def kind(self) -> str:
        """What kind of part it is: ``profile NAME``, ``set NAME``, ``project`` or ``user``."""
        if self.path:
            return f"{self.path[0].removesuffix('s')} {self.path[1]}"
        return "project" if self.file.project else "user"

    def where(self, path: tuple[str, ...]) -> str:
        """Return ``FILE:LINE`` of what stands here."""
        return self.file.where((*self.path, *path))

    def commands(self) -> list[tuple[str, ...]]:
        """Return the commands that tables stand here for."""
        if self.path[:1] == ("sets",):
            return [("create",)]
        found: list[tuple[str, ...]] = []
        below: list[tuple[tuple[str, ...], Any]] = [
            ((key,), value) for key, value in self._content.items() if key not in _OWN
        ]
        while below:
            path, value = below.pop(0)
            if isinstance(value, dict):
                found.append(path)
                below += [((*path, key), inner) for key, inner in value.items()]
        return found

    def has(self, command: str) -> bool:
        """Whether options of a command, or of one below it, are given here."""
        return command in self._content

    def _at(self, path: tuple[str, ...]) -> Found | None:
        value = self._content
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return Found(value, self, (*self.path, *path))


class Settings:
    """What files of settings say to one run of the program.

    ``environment`` are the variables of the process. Raises
    :class:`~ecsmachine.errors.MachineError` if the user's file cannot be used.
    """

    def __init__(self, environment: Mapping[str, str], commands: Iterable[str] = ()):
        self._given = environment
        self._commands = commands
        self.user = files.user_file(environment, commands)
        self.project: files.File | None = None
        self.profile: Found | str = ""
        """The name of the profile, or where the user's file names it."""
        self.applied: dict[str, Found] = {}
        """The options that the command was given by files."""
        self._sets: list[str] = []
        named = environment.get(PROFILE_VARIABLE, "")
        if named:
            self.choose(named, PROFILE_VARIABLE)
        elif self.user is not None:
            found = Layer(self.user).key("profile")
            if found is not None:
                self.choose(found.value, found.where)
                self.profile = found

    @property
    def profile_name(self) -> str:
        """The name of the profile that is used, or ""."""
        return self.profile if isinstance(self.profile, str) else str(self.profile.value)

    def choose(self, profile: str, said_by: str) -> None:
        """Use a profile. Raises :class:`UsageError` if there is no such profile."""
        names = self.names("profiles")
        if profile not in names:
            from ecsmachine.suggestions import instead_of

            where = self.user.path if self.user is not None else files.user_path(self._given)
            raise UsageError(
                f'{said_by}: there is no profile "{profile}" in {where or "any file"}',
                hint=instead_of(profile, names)
                if names
                else f"Write [profiles.{profile}] into it.",
            )
        self.profile = profile

    def read_project(self) -> None:
        """Take what the file of a project says as well."""
        path = files.project_path(self._given)
        self.project = files.read(path, self._commands, project=True) if path else None

    def use_sets(self, names: Iterable[str]) -> None:
        """Let sets of options win over all but the command line.

        Raises :class:`UsageError` for one that there is not.
        """
        for name in names:
            known = self.names("sets")
            if name not in known:
                from ecsmachine.suggestions import instead_of

                raise UsageError(
                    f'--like: there is no set of options "{name}"',
                    hint=instead_of(name, known)
                    if known
                    else f"Write [sets.{name}] into your file: {files.user_path(self._given)}.",
                )
            self._sets.append(name)

    def names(self, kind: str) -> list[str]:
        """Return the names of the ``profiles``, or of the ``sets``."""
        found = (name for file in self._files() for name in file.content.get(kind, ()))
        return list(dict.fromkeys(found))

    def layers(self) -> list[Layer]:
        """Return what is said, from the first to win."""
        found = [
            Layer(file, ("sets", name))
            for name in reversed(self._sets)
            for file in self._files()
            if name in file.content.get("sets", ())
        ]
        if self.user is not None and self.profile_name:
            found.append(Layer(self.user, ("profiles", self.profile_name)))
        return found + [Layer(file) for file in self._files()]

    def every_layer(self) -> list[Layer]:
        """Return the parts of all files, also those that are not used now."""
        return [
            Layer(file, path)
            for file in self._files()
            for path in (
                (),
                *(
                    (kind, name)
                    for kind in ("profiles", "sets")
                    for name in file.content.get(kind, ())
                ),
            )
        ]

    def variables(self) -> dict[str, Found]:
        """Return the variables that files stand in for."""
        if self.user is None and self.project is None:
            return {}
        from ecsmachine.cli.settings.keys import VARIABLES

        found: dict[str, Found] = {}
        for key, variable in VARIABLES.items():
            value = self._said(key)
            if value is not None and (value.layer.wins or not self._given_instead(key)):
                found[variable] = value
        return found

    def unused_credentials(self) -> tuple[Found, str] | None:
        """Return the credentials that a file names, and the variable that wins over them."""
        found, variable = self._said("credentials"), self._given_instead("credentials")
        return (found, variable) if found is not None and variable else None

    def _said(self, key: str) -> Found | None:
        said = (layer.key(key) for layer in self.layers())
        return next((found for found in said if found is not None), None)

    def _given_instead(self, key: str) -> str:
        """Return the variable that is set, and for which a key does not stand in."""
        from ecsmachine.cli.settings.keys import ACCESS_KEYS, OF_A_CLOUD, VARIABLES

        names = [VARIABLES[key], *(ACCESS_KEYS if key == "credentials" else ())]
        names += ["ECS_API_ENDPOINT"] if key in OF_A_CLOUD else []
        return next((name for name in names if self._given.get(name)), "")

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the process, and those that files stand in for."""
        from_files = self.variables()
        if not from_files:
            return self._given
        return {**self._given, **{name: self._text(name, one) for name, one in from_files.items()}}

    def options(self, command: Sequence[str], variables: Mapping[str, str]) -> dict[str, Found]:
        """Return the options that a command is given by files.

        ``variables`` names the variables of options, where they have some: one that is set, or that
        a file which wins stands in for, leaves the option alone.
        """
        from ecsmachine.cli.settings.keys import VARIABLES

        keys = {variable: key for key, variable in VARIABLES.items()}
        found: dict[str, Found] = {}
        passed: set[str] = set()
        for layer in self.layers():
            for name, value in layer.options(command).items():
                variable = variables.get(name, "")
                key = keys.get(variable)
                given = self._given_instead(key) if key else self._given.get(variable)
                if name not in found and variable not in passed and (layer.wins or not given):
                    found[name] = value
            passed |= {variable for variable, key in keys.items() if layer.key(key) is not None}
        return found

    def strengths(self) -> dict[str, int]:
        """Return how strongly files give the options of the command, and variables, by name."""
        order = [(layer.file, layer.path) for layer in self.layers()]
        given = {**self.applied, **self.variables()} if order else {}
        return {
            name: order.index((found.layer.file, found.layer.path))
            + 1
            + (0 if found.layer.wins else VARIABLE)
            for name, found in given.items()
        }

    def has_options(self, command: str) -> bool:
        """Whether the user's file gives options to a command, or to one below it."""
        return any(layer.has(command) for layer in self.layers())

    def with_sources(self, text: str) -> str:
        """Return a text in which variables and options that files give are named with the line."""
        told = {**self.variables(), **{f"--{name}": one for name, one in self.applied.items()}}
        for name, found in told.items():
            if name in text:
                import re

                named = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
                text = re.sub(named, f"{name} ({found.where})".replace("\\", r"\\"), text, count=1)
        return text

    def _files(self) -> list[files.File]:
        return [file for file in (self.project, self.user) if file is not None]

    def _text(self, variable: str, found: Found) -> str:
        from ecsmachine.cli.settings.keys import PATHS, VARIABLES

        if isinstance(found.value, bool):
            return "true" if found.value else "false"
        text = str(found.value)
        if text.startswith("~/") and variable in {VARIABLES[key] for key in PATHS}:
            return f"{files.home_of(self._given)}{text[1:]}"
        return text
