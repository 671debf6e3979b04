"""The direction of imports: who may know whom (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ecsmachine

PACKAGE = Path(ecsmachine.__file__).parent

MAY_IMPORT = {
    "cli": {
        *("cli", "machine", "drivers", "provision", "aliyun", "container_registry", "ssh"),
        *("localcloud", "errors"),
    },
    "machine": {"machine", "drivers", "provision", "ssh", "errors"},
    "drivers": {"drivers", "aliyun", "ssh", "errors"},
    "provision": {"provision", "ssh", "errors"},
    "aliyun": {"aliyun", "errors"},
    "container_registry": {"container_registry", "errors"},
    "ssh": {"ssh", "errors"},
    "localcloud": {"localcloud"},
    "errors": set(),
}

ONLY_IN = {
    "paramiko": {"ssh", "machine/create.py"},
    "requests": {"aliyun", "container_registry"},
    "typer": {"cli"},
    "rich": {"cli"},
    "starlette": {"localcloud"},
    "uvicorn": {"localcloud"},
}

FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    tree = ast.parse((PACKAGE / path).read_text())
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            modules.add(node.module)
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def room(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in MAY_IMPORT], ids=str)
def test_imports_point_down(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)]
    rooms = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir()}
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "ecsmachine" and len(parts) > 1 and parts[1] in rooms:
            assert parts[1] in allowed, f"{path} must not import {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    for module in imported_modules(path):
        rooms = ONLY_IN.get(module.split(".")[0])
        if rooms is not None:
            assert room(path) in rooms or str(path) in rooms, f"{path} must not import {module}"


def test_only_the_local_commands_know_the_local_cloud() -> None:
    knowing = {
        str(path)
        for path in FILES
        if room(path) != "localcloud"
        and any(module.startswith("ecsmachine.localcloud") for module in imported_modules(path))
    }
    assert knowing <= {
        f"cli/commands/{name}.py"
        for name in ("local", "local_cloud", "local_faults", "local_registry")
    }


def test_every_room_is_listed() -> None:
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) not in ("cli", "localcloud", "__main__")], ids=str
)
def test_only_the_command_line_prints_exits_and_reads_the_environment(path: Path) -> None:
    tree = ast.parse((PACKAGE / path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{path}:{node.lineno} prints"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            assert name not in ("sys.exit", "os.environ"), f"{path}:{node.lineno} uses {name}"
