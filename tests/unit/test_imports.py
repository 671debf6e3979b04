"""The direction of imports: who may know whom (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ecsmachine

PACKAGE = Path(ecsmachine.__file__).parent

MAY_IMPORT = {
    "cli": {
        *("cli", "machine", "drivers", "provision", "aliyun", "container_registry", "ssh"),
        *("localcloud", "compose", "documents", "errors", "polling", "suggestions"),
        "system",
    },
    "machine": {
        *("machine", "drivers", "provision", "ssh", "http_client", "documents", "errors"),
        *("polling", "suggestions", "system"),
    },
    "drivers": {
        *("drivers", "aliyun", "ssh", "documents", "errors", "polling", "suggestions"),
        "system",
    },
    "provision": {"provision", "ssh", "documents", "errors"},
    "aliyun": {
        *("aliyun", "http_client", "documents", "errors", "polling", "suggestions", "system"),
    },
    "container_registry": {"container_registry", "http_client", "documents", "errors"},
    "http_client": {"http_client", "errors", "system"},
    "ssh": {"ssh", "documents", "errors", "system"},
    "documents": {"documents", "errors", "system"},
    "localcloud": {"localcloud", "compose", "polling", "suggestions", "system"},
    "compose": {"compose", "suggestions"},
    "errors": {"system"},
    "polling": set(),
    "suggestions": set(),
    "system": {"system"},
}

ROOMS = {
    "cli": (
        *("table", "display", "settings", "arguments", "everyday", "machines_file", "commands"),
        *("tree", "app"),
    ),
    "drivers/aliyunecs": ("options", "resources", "checks", "life"),
    "localcloud": (
        *("catalog", "protocol", "state", "host", "faults", "registry"),
        *("work", "actions", "container_service", "service", "testing", "pytest"),
    ),
}
"""The rooms of a package, from the ground up: each may import only itself and those before it."""

ONLY_IN = {
    "paramiko": {"ssh/library.py"},
    "requests": {"aliyun", "container_registry", "http_client"},
    "typer": {"cli"},
    "rich": {"cli"},
    "starlette": {"localcloud"},
    "uvicorn": {"localcloud"},
}


@cache
def trees() -> dict[Path, ast.Module]:
    """Parse each file, once."""
    return {
        path.relative_to(PACKAGE): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def imports() -> dict[Path, set[str]]:
    """Return what each file imports: modules, and names from them, by their whole names."""
    return {path: set(imported(path, tree)) for path, tree in trees().items()}


def imported(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path: Path) -> str:
    return ".".join((PACKAGE.name, *path.with_suffix("").parts)).removesuffix(".__init__")


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def test_imports_point_down() -> None:
    rooms = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir()}
    for path, modules in imports().items():
        for module in modules if room(path) in MAY_IMPORT else ():
            parts = module.split(".")
            if parts[0] == "ecsmachine" and len(parts) > 1 and parts[1] in rooms:
                assert parts[1] in MAY_IMPORT[room(path)], f"{path} must not import {module}"


@pytest.mark.parametrize("package", ROOMS)
def test_each_room_imports_only_those_before_it(package: str) -> None:
    order = ROOMS[package]
    prefix = f"ecsmachine.{package.replace('/', '.')}."
    for path, modules in imports().items():
        if not path.is_relative_to(package) or path == Path(package, "__init__.py"):
            continue
        own = path.relative_to(package).parts[0].removesuffix(".py")
        assert own in order, f"{path} is in no room that is listed"
        for module in modules:
            other = module.removeprefix(prefix).split(".")[0]
            if module.startswith(prefix) and other in order:
                assert order.index(other) <= order.index(own), f"{path} must not import {module}"


def test_there_is_no_circle_of_imports() -> None:
    """Those inside functions, and for types alone, count as well."""
    modules = {module_of(path): names for path, names in imports().items()}
    imported_by = {
        module: {
            name
            for name in names & modules.keys() - {module}
            # of what is taken from a package, a module of it alone
            if not any(other.startswith(f"{name}.") for other in names & modules.keys())
        }
        for module, names in modules.items()
    }
    try:
        TopologicalSorter(imported_by).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_the_client_knows_no_option_and_no_command() -> None:
    for path in trees():
        if room(path) == "aliyun":
            text = (PACKAGE / path).read_text()
            # what a person does elsewhere: another program's, or the local cloud's
            text = re.sub(r'"aliyun [A-Za-z ]+ --profile |"ecsmachine local up"', "", text)
            assert not re.search(r"--[a-z]|ecsmachine [a-z]+ [a-z]", text), path


def test_no_module_has_more_than_500_lines() -> None:
    long = [path for path in trees() if (PACKAGE / path).read_text().count("\n") > 500]
    assert not long


def test_libraries_stay_in_their_rooms() -> None:
    for path, modules in imports().items():
        for module in modules:
            rooms = ONLY_IN.get(module.split(".")[0])
            if rooms is not None:
                assert room(path) in rooms or str(path) in rooms, f"{path} must not import {module}"


def test_only_the_local_commands_know_the_local_cloud() -> None:
    knowing = {
        str(path)
        for path, modules in imports().items()
        if room(path) != "localcloud"
        and any(module.startswith("ecsmachine.localcloud") for module in modules)
    }
    assert knowing <= {
        f"cli/commands/{name}.py"
        for name in (
            *("local", "local_cloud", "local_faults", "local_foreground", "local_logs"),
            *("local_open", "local_registry", "local_run"),
        )
    }


PARSING = {
    *("json.load", "json.loads", "json.JSONDecoder", "serialization.load_pem_private_key"),
    *("x509.load_pem_x509_certificate", "x509.load_der_x509_certificate"),
}
"""What makes values of a text by itself."""


def test_what_comes_from_outside_is_parsed_in_documents_alone() -> None:
    for path, tree in trees().items():
        if room(path) in ("documents", "localcloud", "compose"):
            continue
        parsing = {name for name in imports()[path] if ".".join(name.split(".")[-2:]) in PARSING}
        assert not parsing | ({"yaml", "tomllib", "pickle"} & imports()[path]), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                of = node.value.id if isinstance(node.value, ast.Name) else ""
                assert f"{of}.{node.attr}" not in PARSING, f"{path}:{node.lineno}"
                # requests' own reader of an answer
                assert node.attr != "json", f"{path}:{node.lineno}"


def test_typing_is_asked_for_the_hints_of_classes_alone() -> None:
    """Python 3.10 hides an ``Annotated`` whose default is None from whoever asks for a function's.

    Every command that takes names refused them there. ``inspect.get_annotations`` hides nothing.
    """
    asking = {
        str(path) for path, modules in imports().items() if "typing.get_type_hints" in modules
    }
    assert asking == {"documents/reading.py", "localcloud/state/records.py"}


def test_every_room_is_listed() -> None:
    rooms = {room(path) for path in trees()} - {"__init__", "__main__"}
    assert rooms == set(MAY_IMPORT)


def test_only_the_command_line_prints_exits_and_reads_the_environment() -> None:
    for path, tree in trees().items():
        if room(path) in ("cli", "localcloud", "system", "__main__"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno} prints"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{node.value.id}.{node.attr}"
                assert name not in ("sys.exit", "os.environ"), f"{path}:{node.lineno} uses {name}"


PRINTERS = {
    "cli/display/printer.py",  # which cleans what others wrote, and never raises into work
    "cli/display/streams.py",
    "cli/display/progress.py",  # whose terminal is drawn by rich, of lines that were cleaned
}
WRITES = re.compile(
    r"(print|input)|sys\.(stdout|stderr)\.(write|writelines|buffer\.\w+)|os\.writev?"
    r"|(typer|click)\.(echo\w*|secho|prompt|confirm|progressbar|launch|clear|style)"
    r"|traceback\.print_\w+|warnings\.warn|getpass\.unix_getpass|logging\.\w*Handler|.*Console"
)


def test_the_command_line_prints_through_its_printer_alone() -> None:
    for path, tree in trees().items():
        if room(path) != "cli" or str(path) in PRINTERS:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and WRITES.fullmatch(ast.unparse(node.func)):
                # a signal may come in the midst of the printer's own work
                assert (str(path), ast.unparse(node.func)) == ("cli/app.py", "os.write"), (
                    f"{path}:{node.lineno} prints by itself"
                )
