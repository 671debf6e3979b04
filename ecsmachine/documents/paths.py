"""Paths in documents, which may have been written on another system or in another folder."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath


@lru_cache(maxsize=256)
def recorded_path(text: str) -> PurePath:
    """Return a path as the system that wrote it reads it: one with a drive or share is Windows'."""
    is_windows = re.match(r"[A-Za-z]:[\\/]|\\\\", text)
    return PureWindowsPath(text) if is_windows else PurePosixPath(text)


def moved_path(text: str, former: str, store: Path) -> Path:
    """Return where a file is now: what was below the folder ``former`` is below ``store``."""
    path, folder = recorded_path(text), recorded_path(former)
    if type(path) is type(folder) and path.is_relative_to(folder):
        return store.joinpath(*path.relative_to(folder).parts)
    return Path(text)
