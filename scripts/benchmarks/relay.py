"""A relay in front of a server: it puts a way of some length between, and counts what goes by.

A round trip takes ``delay_s``: half of it there, half back, and as TCP does it a whole one before
the first byte. A turn is a change from the client's bytes to the server's, which is what a way of
some length makes slow; it is the same on every computer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

_HEAD = b" HTTP/1."


class Relay:
    """Forwards connections to ``host``:``port`` until it is closed; counts turns and requests."""

    def __init__(self, host: str, port: int, *, listen: tuple[str, int] = ("127.0.0.1", 0)):
        self.delay_s = 0.0
        self.turns = 0
        self.requests = 0
        self._to = (host, port)
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._connected, *listen))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, and end."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        # what is cut off here is no news
        self._loop.set_exception_handler(lambda _loop, _context: None)
        own = asyncio.current_task()
        under_way = [task for task in asyncio.all_tasks() if task is not own]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def reset(self) -> None:
        """Count from nothing."""
        self.turns = self.requests = 0

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = time.monotonic() + self.delay_s
        self.turns += 1  # that of TCP itself
        if self.delay_s:
            await asyncio.sleep(1.5 * self.delay_s)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.close()
            return
        last = [""]
        await asyncio.gather(
            self._pump(reader, far_writer, "client", last, opened),
            self._pump(far_reader, writer, "server", last, opened),
        )

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        whose: str,
        last: list[str],
        opened: float,
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def write() -> None:
            while True:
                due, content = await waiting.get()
                if (left := due - time.monotonic()) > 0:
                    await asyncio.sleep(left)
                if not content:
                    break
                writer.write(content)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            if whose == "server":
                writer.close()

        writing = asyncio.ensure_future(write())
        content = b"?"
        while content:
            content = b""
            with suppress(OSError):
                content = await reader.read(1 << 16)
            if content and whose == "client":
                self.requests += content.count(_HEAD)
            if content and whose == "server" and last[0] == "client":
                self.turns += 1
            if content:
                last[0] = whose
            waiting.put_nowait((max(time.monotonic(), opened) + self.delay_s / 2, content))
        with suppress(OSError):
            await writing
