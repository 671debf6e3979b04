"""Frozen dataclasses to JSON and back, by their type hints: the reader of all data on disk.

The same hints hold the API name of a field (:func:`api_fields`).

It reads data of other versions: unknown fields are ignored, and missing ones get their defaults.
Invalid data raises :class:`RecordError`, whose one line says what is wrong and where.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import types
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.localcloud.protocol.fixed_fields import fixed
from ecsmachine.system import os_errors

T = TypeVar("T")


class RecordError(LocalCloudError):
    """The stored data cannot be read: it is damaged, or of an unknown version."""


def dump(value: Any) -> str:
    """Return a dataclass as JSON text."""
    return json.dumps(dataclasses.asdict(value), separators=(",", ":"), ensure_ascii=False)


def load(kind: type[T], text: str) -> T:
    """Return the ``kind`` (a dataclass, or a list or dict of them) that ``text`` holds.

    Raises :class:`RecordError`.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RecordError(f"it is not JSON ({error})") from None
    value: T = _build(kind, data, "it")
    return value


def read(
    kind: type[T], file: Path, *, hint: str | None = None, refused: str | None = None
) -> T | None:
    """Return the content of a file; None if there is no such file.

    Raises :class:`RecordError`, which names the file, with ``hint`` for wrong content, and with
    ``refused`` where the system does not let us read it.
    """
    try:
        return load(kind, file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        is_in_the_way = error.errno == errno.EISDIR
        hint = os_errors.sentence(error, file) if is_in_the_way else refused
        raise RecordError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    except (ValueError, RecordError) as error:
        raise RecordError(f"{file} cannot be read: {error}", hint=hint) from None


def write(file: Path, value: Any) -> None:
    """Write a dataclass into a file that only its owner can read, whole or not at all."""
    write_private(file, json.dumps(dataclasses.asdict(value), indent=1).encode())


def write_private(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, or with another ``mode``, whole or not at all."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.chmod(mode)  # whatever the umask
    temporary.replace(file)


def api_fields(value: Any, kind: str = "") -> dict[str, Any]:
    """Return the fields of a resource by their names in the API's answers.

    Those are the fields that are declared with such a name: ``Annotated[str, "VpcId"]``. With a
    ``kind``, those that are the same of all resources of it are among them.
    """
    of: Any = type(value)
    own = {name: getattr(value, field) for field, name in _declared_fields(of)}
    return {**own, **fixed(kind)} if kind else own


@cache
def _declared_fields(kind: type[Any]) -> tuple[tuple[str, str], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((f, h.__metadata__[0]) for f, h in hints.items() if get_origin(h) is Annotated)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _mandatory(kind: type[Any]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )


def _build(kind: Any, value: Any, place: str) -> Any:
    """Return a value as its type hint has it; ``place`` says in an error where it stands."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        given = _expect(dict, value, place)
        for name in _mandatory(kind):
            if name not in given:
                raise RecordError(f"{place} has no {name}")
        hints = _hints(kind)
        return kind(**{k: _build(hints[k], v, k) for k, v in given.items() if k in hints})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        return origin(_build(arguments[0], item, place) for item in _expect(list, value, place))
    if origin is dict:
        items = _expect(dict, value, place).items()
        return {key: _build(arguments[1], item, f"{place}.{key}") for key, item in items}
    if origin is types.UnionType:
        for one in arguments:
            with suppress(RecordError):
                return _build(one, value, place)
    elif origin is Literal:
        if value in arguments:
            return value
    elif kind is float:
        return float(_expect((int, float), value, place))
    elif kind is not type(None):
        return _expect(kind, value, place)
    elif value is None:
        return None
    raise _unknown(value, place)


def _expect(kind: Any, value: Any, place: str) -> Any:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _unknown(value, place)


def _unknown(value: Any, place: str) -> RecordError:
    # The error does not show the value: it may be a secret.
    return RecordError(f"{place} is of a kind ({type(value).__name__}) or value not known here")
