from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from tests.agent.transport.peers import leftovers, run_live
from turnkit.errors import ConfigError, OfflineError
from turnkit.lab.network import TcpRelay

T = TypeVar("T")

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 20.0))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def service(handler: Handler = echo) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes
) -> float:
    began = time.monotonic()
    writer.write(text)
    assert await reader.readexactly(len(text)) == text
    return time.monotonic() - began


@pytest.mark.realtime
def test_bytes_take_their_time_and_the_first_ones_a_handshake_more() -> None:
    async def talk() -> None:
        waits: dict[str, list[float]] = {"first": [], "next": [], "early": []}
        async with service() as port, TcpRelay("127.0.0.1", port, 40.0) as relay:
            for _ in range(5):
                reader, writer = await asyncio.open_connection(relay.host, relay.port)
                waits["first"].append(await answered(reader, writer, b"one"))
                waits["next"].append(await answered(reader, writer, b"two"))
                await hang_up(writer)
                # Who connects early does not wait for a handshake that is long over.
                reader, writer = await asyncio.open_connection(relay.host, relay.port)
                await asyncio.sleep(0.1)
                waits["early"].append(await answered(reader, writer, b"three"))
                await hang_up(writer)
            assert relay.connections == 10
        # A busy machine adds to some of them, nothing takes away from any.
        least = {name: min(each) for name, each in waits.items()}
        assert least == pytest.approx({"first": 0.16, "next": 0.08, "early": 0.08}, abs=0.006)
        assert all(
            least[name] >= wanted for name, wanted in zip(least, (0.16, 0.08, 0.08), strict=True)
        )

    run_live(talk)


@pytest.mark.realtime
def test_a_service_that_speaks_first_is_heard_after_two_round_trips() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async def talk() -> None:
        async with service(greet) as port, TcpRelay("127.0.0.1", port, 30.0) as relay:
            began = time.monotonic()
            reader, writer = await asyncio.open_connection(relay.host, relay.port)
            assert await reader.readexactly(5) == b"hello"
            assert 0.12 <= time.monotonic() - began < 0.14
            assert await reader.read() == b""  # the end comes through as well
            await hang_up(writer)

    run_live(talk)


def test_much_comes_through_whole_and_in_order() -> None:
    async def talk() -> None:
        data = bytes(range(256)) * 40_000  # 10 MB
        async with service() as port, TcpRelay("127.0.0.1", port, 5.0) as relay:
            reader, writer = await asyncio.open_connection(relay.host, relay.port)

            async def send() -> None:
                writer.write(data)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.create_task(send())
            assert await reader.read(-1) == data
            await sending
            await hang_up(writer)

    run(talk())


def test_nothing_is_left_of_cut_connections() -> None:
    async def talk() -> None:
        before = await leftovers()
        async with service() as port:
            async with TcpRelay("127.0.0.1", port, 1_000.0) as relay:
                reader, writer = await asyncio.open_connection(relay.host, relay.port)
                writer.write(b"never arrives")
                await asyncio.sleep(0.02)
            assert await reader.read() == b""
            await hang_up(writer)
        assert await leftovers() == before

    run(talk())


def test_nobody_at_the_other_end() -> None:
    async def talk() -> None:
        async with service() as port:
            pass
        async with TcpRelay("127.0.0.1", port, 1.0) as relay:
            reader, writer = await asyncio.open_connection(relay.host, relay.port)
            assert await reader.read() == b""
            await hang_up(writer)

    run(talk())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"one_way_ms -1: expected 0 \.\. 10000"):
        TcpRelay("127.0.0.1", 1, -1)
    with pytest.raises(OfflineError, match="not open"):
        _ = TcpRelay("127.0.0.1", 1, 1.0).port
