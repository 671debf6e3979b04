"""SFTP, version 3, as far as files are copied by it; nothing that the host says is taken on trust.

Source: draft-ietf-secsh-filexfer-02, and "posix-rename@openssh.com" in OpenSSH's PROTOCOL.
"""

from __future__ import annotations

import contextlib
import errno
import re
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecsmachine.ssh.library import Channel

_INIT, _VERSION = 1, 2
_OPEN, _CLOSE, _READ, _WRITE, _LSTAT = 3, 4, 5, 6, 7
_SETSTAT, _OPENDIR, _READDIR, _MKDIR, _STAT = 9, 11, 12, 14, 17
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS = 101, 102, 103, 104, 105
_OK, _EOF = 0, 1
_FOR_READING, _TO_WRITE_ANEW = 0x01, 0x02 | 0x08 | 0x10
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000
_ERRORS = {
    2: (errno.ENOENT, "No such file or directory"),
    3: (errno.EACCES, "Permission denied"),
    8: (errno.EOPNOTSUPP, "The host's SFTP does not support that"),
}

_LARGEST_PACKET = 256 * 1024
"""As in OpenSSH (SFTP_MAX_MSG_LENGTH)."""

_FIRST_ANSWER = re.compile(rb"\0\0[\0-\xff]{2}\x02\0\0\0\x03", re.DOTALL)
"""How SSH_FXP_VERSION begins: its size, its type, version 3."""

_LONGEST_NOISE = 64 * 1024
_NOISE_PAUSE_S = 15.0
_CHUNK = 64 * 1024
_BLOCK = 32 * 1024
_AT_ONCE = 64
_ANSWER_TIMEOUT_S = 60.0
_LISTING_TIMEOUT_S = 120.0
_MOST_NAMES = 100_000
_LONGEST_NAME = 255
_MOST_UNTOLD = 16 * 1024 * 1024
"""How much is read of a file that has no size, as those of /proc have none; in bytes."""


class BadAnswerError(OSError):
    """What the host sends is not SFTP, or more than was asked for."""


@dataclass(frozen=True)
class Attributes:
    """What a file is (``mode``, as of ``stat``) and its size in bytes, where the host says so."""

    mode: int | None
    size: int | None


class _Fields:
    """A packet from the host, read field by field; raises :class:`BadAnswerError` at its end."""

    def __init__(self, content: bytes):
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._content):
            raise BadAnswerError("The host's answer is not well-formed")
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.number(8) if flags & _HAS_SIZE else None
        self.take(8 if flags & _HAS_OWNER else 0)
        mode = self.number() if flags & _HAS_MODE else None
        self.take(8 if flags & _HAS_TIMES else 0)
        for _ in range(self.number() if flags & _HAS_MORE else 0):
            self.string()
            self.string()
        return Attributes(mode, size)


class SftpSession:
    """An SFTP session on a channel that has the subsystem. For one thread.

    Every method raises ``OSError``: :class:`BadAnswerError`, ``FileNotFoundError`` or another with
    the host's reason, ``TimeoutError`` for an answer that takes more than a minute; and
    ``EOFError`` when the host closes the session.
    """

    def __init__(self, channel: Channel):
        self._channel = channel
        self._last = 0
        self._awaited: set[int] = set()
        self._answers: dict[int, tuple[int, _Fields]] = {}
        self._received = bytearray()
        self._send(_INIT, struct.pack(">I", 3))
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        self._skip_noise(deadline)
        kind, fields = self._packet(deadline)
        if kind != _VERSION or fields.number() < 3:
            raise BadAnswerError("The host does not speak SFTP of version 3")

    def stat(self, path: str, *, follow: bool = True) -> Attributes:
        """Return what a path leads to, through symbolic links unless told not to ``follow`` any."""
        return self._ask(_STAT if follow else _LSTAT, _text(path), expect=_ATTRS).attributes()

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, each of which is a plain one.

        A name that leads elsewhere, as ``../x`` does, is no name of an entry: refused.
        """
        handle = self._ask(_OPENDIR, _text(path), expect=_HANDLE).string()
        deadline = time.monotonic() + _LISTING_TIMEOUT_S
        found: list[str] = []
        seen = 0
        while True:
            kind, fields = self._answer(self._request(_READDIR, _string(handle)))
            if kind == _STATUS and not _is_ok(fields):
                break
            count = _of_kind(_NAME, kind, fields).number()
            seen += max(count, 1)
            for _ in range(count):
                name = fields.string()
                fields.string()
                fields.attributes()
                if name not in (b".", b".."):
                    found.append(_plain_name(name))
            if seen > _MOST_NAMES:
                raise BadAnswerError(f"There are more than {_MOST_NAMES:,} entries")
            if time.monotonic() > deadline:
                raise BadAnswerError("The list of entries does not end")
        self._done(_CLOSE, _string(handle))
        return found

    def read(self, path: str, size: int) -> Iterator[bytes]:
        """Yield the content of a file that had ``size`` bytes when it was looked at, and no more.

        Of a file that told no size (0), 16 MiB are read at most: beyond, it is refused.
        """
        told = size or _MOST_UNTOLD
        handle = self._open(path, _FOR_READING)
        asked: deque[tuple[int, int, int]] = deque()
        next_at, ended = 0, False
        while True:
            while next_at < told and not ended and len(asked) < _AT_ONCE:
                length = min(_BLOCK, told - next_at)
                asked.append((self._request_block(handle, next_at, length), next_at, length))
                next_at += length
            if not asked:
                break
            number, at, length = asked.popleft()
            block = more = self._block(number, length)
            while more and len(block) < length:  # a short one need not be the last one
                left = length - len(block)
                more = self._block(self._request_block(handle, at + len(block), left), left)
                block += more
            if block and not ended:
                yield block
            ended = ended or len(block) < length
        if not size and not ended and self._block(self._request_block(handle, told, 1), 1):
            raise BadAnswerError("The file has no size, and does not end")
        self._done(_CLOSE, _string(handle))

    def write(self, path: str, content: Iterable[bytes]) -> None:
        """Write a file in the place of one that may be there."""
        handle = self._open(path, _TO_WRITE_ANEW)
        asked: deque[int] = deque()
        at = 0
        for part in content:
            for begin in range(0, len(part), _BLOCK):
                block = part[begin : begin + _BLOCK]
                body = _string(handle) + struct.pack(">Q", at) + _string(block)
                asked.append(self._request(_WRITE, body))
                at += len(block)
                if len(asked) >= _AT_ONCE:
                    _check_done(*self._answer(asked.popleft()))
        while asked:
            _check_done(*self._answer(asked.popleft()))
        self._done(_CLOSE, _string(handle))

    def mkdir(self, path: str, mode: int) -> None:
        """Make a folder."""
        self._done(_MKDIR, _text(path) + _mode(mode))

    def chmod(self, path: str, mode: int) -> None:
        """Set the permissions of a path."""
        self._done(_SETSTAT, _text(path) + _mode(mode))

    def _open(self, path: str, flags: int) -> bytes:
        body = _text(path) + struct.pack(">II", flags, 0)
        return self._ask(_OPEN, body, expect=_HANDLE).string()

    def _request_block(self, handle: bytes, at: int, length: int) -> int:
        return self._request(_READ, _string(handle) + struct.pack(">QI", at, length))

    def _block(self, number: int, length: int) -> bytes:
        kind, fields = self._answer(number)
        if kind == _STATUS and not _is_ok(fields):
            return b""
        block = _of_kind(_DATA, kind, fields).string()
        if not 0 < len(block) <= length:
            raise BadAnswerError("The host's answer does not match the request")
        return block

    def _done(self, kind: int, body: bytes) -> None:
        _check_done(*self._answer(self._request(kind, body)))

    def _ask(self, kind: int, body: bytes, *, expect: int) -> _Fields:
        return _of_kind(expect, *self._answer(self._request(kind, body)))

    def _request(self, kind: int, body: bytes) -> int:
        self._last = (self._last + 1) & 0xFFFFFFFF
        self._awaited.add(self._last)
        self._send(kind, struct.pack(">I", self._last) + body)
        return self._last

    def _answer(self, number: int) -> tuple[int, _Fields]:
        """Return the answer to a request; those to others are kept until they are asked for."""
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        while number not in self._answers:
            kind, fields = self._packet(deadline)
            answered = fields.number()
            if answered not in self._awaited:
                raise BadAnswerError("The host answers a request that was not made")
            self._awaited.discard(answered)
            self._answers[answered] = kind, fields
        return self._answers.pop(number)

    def _send(self, kind: int, body: bytes) -> None:
        self._channel.settimeout(_ANSWER_TIMEOUT_S)
        self._channel.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def _packet(self, deadline: float) -> tuple[int, _Fields]:
        size = int.from_bytes(self._receive(4, deadline), "big")
        if not 0 < size <= _LARGEST_PACKET:
            raise BadAnswerError("The host's answer is not SFTP")
        content = self._receive(size, deadline)
        return content[0], _Fields(content[1:])

    def _skip_noise(self, deadline: float) -> None:
        """Skip what the login shell prints before SFTP begins: a ``.bashrc`` may greet."""
        self._fill(1, deadline)
        if not self._received[0]:
            return  # the size of a packet
        with contextlib.suppress(TimeoutError):
            while len(self._received) < _LONGEST_NOISE:
                if begin := _FIRST_ANSWER.search(self._received):
                    del self._received[: begin.start()]
                    return
                next_by = min(deadline, time.monotonic() + _NOISE_PAUSE_S)
                self._fill(len(self._received) + 1, next_by)
        said = " ".join(bytes(self._received[:100]).decode(errors="replace").split())
        raise BadAnswerError(f"The host prints text instead of speaking SFTP: {said}")

    def _receive(self, size: int, deadline: float) -> bytes:
        self._fill(size, deadline)
        found = bytes(self._received[:size])
        del self._received[:size]
        return found

    def _fill(self, size: int, deadline: float) -> None:
        """Have so many bytes at least."""
        while len(self._received) < size:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer in time")
            self._channel.settimeout(left_s)
            try:
                part = self._channel.recv(_CHUNK)
            except TimeoutError:
                raise TimeoutError("no answer in time") from None
            if not part:
                raise EOFError("the host closed it")
            self._received += part


def _plain_name(name: bytes) -> str:
    """Return the name of an entry. Raises :class:`BadAnswerError` for what can be none."""
    if not 0 < len(name) <= _LONGEST_NAME or b"/" in name or b"\0" in name:
        raise BadAnswerError(f"The host lists {name[:100]!r}, which is not a file name")
    return name.decode(errors="surrogateescape")


def _of_kind(wanted: int, kind: int, fields: _Fields) -> _Fields:
    """Return the fields of an answer of this kind; a status in its place says what is wrong."""
    if kind == wanted:
        return fields
    if kind == _STATUS and not _is_ok(fields):
        raise OSError(errno.EIO, "The host reports the end of the file")
    raise BadAnswerError("The host's answer does not match the request")


def _check_done(kind: int, fields: _Fields) -> None:
    """Raise what a status says unless it is that all is well."""
    if kind != _STATUS or not _is_ok(fields):
        raise BadAnswerError("The host's answer does not match the request")


def _is_ok(fields: _Fields) -> bool:
    """Return whether a status says that all is well, or else that nothing follows (EOF).

    Another one is raised.
    """
    code = fields.number()
    if code not in (_OK, _EOF):
        said = fields.string()[:200].decode(errors="replace") or "Failure"
        raise OSError(*_ERRORS.get(code, (errno.EIO, said)))
    return code == _OK


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _text(path: str) -> bytes:
    return _string(path.encode(errors="surrogateescape"))


def _mode(mode: int) -> bytes:
    return struct.pack(">II", _HAS_MODE, mode)
