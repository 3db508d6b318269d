"""Distance for TCP: a relay on loopback through which every byte takes its time."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType

from turnkit.errors import ConfigError, OfflineError

_PIECE = 65_536
_PIECES = 256
"""Pieces on their way at once: more than a distant connection's window, so nothing stalls."""

_LONGEST_MS = 10_000.0


class TcpRelay:
    """Puts a distance between a client of this machine and a TCP service.

    Bytes take `one_way_ms` in each direction, and so does the end of a stream. A
    connection is accepted at once, as no program can delay the handshake that the
    operating system makes; instead its first bytes are held until the handshake would
    have been over: those of the client for one round trip after it connected, those of
    the service for half a round trip more. Handshakes of TLS are bytes and need nothing
    of the kind. What else distance does to TCP (slow start, loss) is left out.

    Use as an asynchronous context; when it ends, all connections are cut.

    Parameters
    ----------
    host : str
    port : int
        Of the service.
    one_way_ms : float
        0 .. 10000.

    Attributes
    ----------
    connections : int
        Connections that clients have made so far.

    Raises
    ------
    ConfigError
        If `one_way_ms` does not fit.
    """

    def __init__(self, host: str, port: int, one_way_ms: float) -> None:
        if not 0.0 <= one_way_ms <= _LONGEST_MS:
            raise ConfigError(f"one_way_ms {one_way_ms!r}: expected 0 .. {_LONGEST_MS:g}")
        self._target = host, port
        self._way = one_way_ms / 1e3
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self.connections = 0

    @property
    def host(self) -> str:
        """Where clients connect to."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """Port that clients connect to.

        Raises
        ------
        OfflineError
            If the relay is not open.
        """
        if self._server is None:
            raise OfflineError("TCP relay: not open; use it as an asynchronous context")
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> TcpRelay:
        self._server = await asyncio.start_server(self._take, self.host, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        calls = list(self._calls)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            # A cancelled handler would be reported as an error by asyncio's server.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._relay(reader, writer)
        finally:
            self._calls.discard(task)
            _cut(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(reader, far_writer, began + 2 * self._way))
                both.create_task(self._carry(far_reader, writer, began + 3 * self._way))
        except* OSError:
            pass  # one side is gone: so is the connection
        finally:
            _cut(far_writer)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_at: float
    ) -> None:
        """Carry one direction's bytes until its end."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_PIECES)

        async def read() -> None:
            piece = b"-"
            while piece:
                piece = await reader.read(_PIECE)
                await pieces.put((max(loop.time(), open_at) + self._way, piece))

        async def write() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        async with asyncio.TaskGroup() as ends:
            ends.create_task(read())
            ends.create_task(write())


def _cut(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(RuntimeError, OSError):
        writer.close()
