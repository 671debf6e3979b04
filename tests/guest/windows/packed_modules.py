"""The compiled modules of a folder, packed into one file, and their import from there.

An import looks at files some ten times, and Wine asks four processes each time: the processors were
busy for 4 ms with a module. Windows' Python runs this as its ``sitecustomize``, and as the program
that packs a folder. Modules, their files and loaders look as without it.
"""

from __future__ import annotations

import marshal
import mmap
import os
import sys
from _frozen_importlib_external import SourceFileLoader, spec_from_file_location

TYPE_CHECKING = False  # what follows is read with every start, before there is a pack
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

PACK = "modules.pack"
_SIZE = 8  # of the number with which a pack begins: how long its index is, which is next
_HEADER = 16  # of a file of compiled code

# the name of a module: its file in the folder, whether it is a package, and where its code is
_Index = dict[str, tuple[str, bool, int, int]]


def pack(folder: str) -> None:
    """Put all modules of a folder into its pack, those that are not yet compiled too."""
    from pathlib import Path

    index: _Index = {}
    codes, end = [], 0
    for path in Path(folder).rglob("*.py*"):
        part = path.relative_to(folder)
        names = part.with_suffix("").parts
        if not all(name.isidentifier() for name in names) or "__pycache__" in names:
            continue
        code = path.read_bytes()
        if path.suffix == ".py":
            try:
                code = marshal.dumps(compile(code, str(path), "exec", dont_inherit=True))
            except SyntaxError:  # of another Python
                continue
        elif path.suffix == ".pyc":
            code = code[_HEADER:]
        else:
            continue
        package = names[-1] == "__init__"
        index[".".join(names[:-1] if package else names)] = (str(part), package, end, len(code))
        codes.append(code)
        end += len(code)
    first = marshal.dumps(index)
    made = Path(folder, f"{PACK}.made")
    made.write_bytes(len(first).to_bytes(_SIZE, "little") + first + b"".join(codes))
    made.replace(made.with_name(PACK))


class PackedModules:
    """Finds the modules of a folder in its pack. Raises OSError if there is none."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        file = os.open(f"{folder}{os.sep}{PACK}", os.O_RDONLY)
        self._pack = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        os.close(file)
        self._codes = _SIZE + int.from_bytes(self._pack[:_SIZE], "little")
        self._index: _Index = marshal.loads(self._pack[_SIZE : self._codes])

    def code(self, name: str) -> CodeType:
        _, _, begin, size = self._index[name]
        begin += self._codes
        code: CodeType = marshal.loads(self._pack[begin : begin + size])
        return code

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._index:
            return None
        part, package, _, _ = self._index[name]
        file = f"{self._folder}{os.sep}{part}"
        return spec_from_file_location(
            name,
            file,
            loader=_PackedLoader(name, file, self),
            submodule_search_locations=[file.rpartition(os.sep)[0]] if package else None,
        )


class _PackedLoader(SourceFileLoader):
    """Takes the code of a module from a pack, and all else from the module's file."""

    def __init__(self, name: str, file: str, modules: PackedModules) -> None:
        super().__init__(name, file)
        self._modules = modules

    def get_code(self, fullname: str) -> CodeType | None:
        return self._modules.code(fullname)

    def get_source(self, fullname: str) -> str | None:
        return None if self.path.endswith(".pyc") else super().get_source(fullname)


if __name__ == "__main__":
    pack(sys.argv[1])
elif __name__ == "sitecustomize":
    for _folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        try:
            sys.meta_path.insert(-1, PackedModules(_folder))
        except OSError:  # not packed
            continue
