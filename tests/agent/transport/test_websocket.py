from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pytest

from tests.agent.transport.peers import Clip, leftovers, run_live, tone
from turnkit.agent.transport.settings import MessageLimits, WebSocketSettings
from turnkit.agent.transport.websocket import FRAME, WebSocketTransport


class FakeSocket:
    """What Starlette's WebSocket does, without a server; `reads` says whether the client does."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.binary: list[tuple[float, bytes]] = []
        self.text: list[dict[str, Any]] = []
        self.closed: tuple[int, str | None] | None = None
        self.broken = False

    def say(self, data: bytes | str) -> None:
        key = "bytes" if isinstance(data, bytes) else "text"
        self.events.put_nowait({"type": "websocket.receive", key: data})

    async def receive(self) -> MutableMapping[str, Any]:
        return await self.events.get()

    async def send_bytes(self, data: bytes) -> None:
        await self._ready()
        self.binary.append((asyncio.get_running_loop().time(), data))

    async def send_text(self, data: str) -> None:
        await self._ready()
        self.text.append(json.loads(data))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        await self._ready()
        self.closed = code, reason

    async def _ready(self) -> None:
        if self.broken:
            raise RuntimeError("Cannot send: the connection is gone")
        await self.reads.wait()


def pcm(samples: np.ndarray[Any, Any]) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def test_samples_and_messages_go_both_ways() -> None:
    async def call() -> None:
        socket = FakeSocket()
        transport = WebSocketTransport(socket)
        said = tone(0.5, 16_000)
        for begin in range(0, len(said), 333):  # any even size will do
            socket.say(pcm(said[begin : begin + 333]))
        socket.say('{"type":"link","rtt_ms":3}')
        socket.say(b"")
        got: list[Any] = []
        while sum(map(len, got)) < len(said):
            got.append(await transport.receive())
        assert np.concatenate(got) == pytest.approx(said, abs=1e-4)
        assert await transport.receive_message() == {"type": "link", "rtt_ms": 3}
        transport.send({"type": "hello", "at": 0})
        source = Clip(tone(0.1, 16_000))
        transport.play(source)
        await asyncio.sleep(0.3)
        await transport.aclose("bye")
        heard = np.frombuffer(b"".join(data for _, data in socket.binary), dtype="<i2") / 32768
        assert {len(data) for _, data in socket.binary} == {2 * FRAME}
        assert heard[:1600] == pytest.approx(tone(0.1, 16_000), abs=1e-3)
        assert not heard[1600:].any()
        assert 10 <= len(socket.binary) <= 17  # paced, not in a burst
        assert socket.text == [{"type": "hello", "at": 0}]
        assert socket.closed == (1000, "bye")
        assert await transport.receive() is None

    run_live(call)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [(b"123", 1003, "3 bytes; expected 16-bit"), (b"12" * 600, 1009, "1200 bytes; expected at")],
)
def test_frames_that_are_no_audio_end_the_call_in_words(data: bytes, code: int, words: str) -> None:
    async def call() -> None:
        socket = FakeSocket()
        transport = WebSocketTransport(socket, WebSocketSettings(frame_bytes=1000))
        socket.say(b"\0\0" * 100)
        socket.say(data)
        first = await transport.receive()
        assert first is not None
        assert len(first) == 100
        assert await transport.receive() is None
        await transport.aclose()
        assert socket.closed is not None
        assert socket.closed[0] == code
        assert words in str(socket.closed[1])
        (told,) = socket.text
        assert told["type"] == "error"
        assert told["fatal"] is True
        assert words in told["text"]

    run_live(call)


def test_a_client_that_does_not_read_costs_no_memory() -> None:
    async def call() -> None:
        limits = MessageLimits(backlog=5)
        socket = FakeSocket()
        transport = WebSocketTransport(socket, WebSocketSettings(queue_s=0.1, messages=limits))
        socket.reads.clear()
        source = Clip()
        transport.play(source)
        for _ in range(50):
            transport.send({"type": "x"})
        await asyncio.sleep(0.6)
        assert len(transport._frames) == 5
        assert transport.dropped_frames > 10
        assert len(source.pulls) > 20  # time goes on all the same
        assert transport.dropped_messages >= 44
        socket.reads.set()
        await asyncio.sleep(0.1)
        assert len(socket.binary) < 15
        socket.reads.clear()
        began = asyncio.get_running_loop().time()
        await transport.aclose("gone")
        assert asyncio.get_running_loop().time() - began < 1.5

    run_live(call)


@pytest.mark.parametrize("drops", [True, False])
def test_audio_that_waits_for_a_slow_client_can_be_dropped(drops: bool) -> None:
    async def call() -> None:
        socket = FakeSocket()
        transport = WebSocketTransport(socket, WebSocketSettings(queue_s=1.0))
        socket.reads.clear()
        source = Clip(tone(5.0, 16_000))
        transport.play(source)
        await asyncio.sleep(0.3)
        transport.send({"type": "reply", "state": "interrupted"})
        source.flush()
        if drops:
            transport.drop_audio()
        await asyncio.sleep(0.05)
        socket.reads.set()
        await asyncio.sleep(0.05)
        loud = [any(data) for _, data in socket.binary]
        # One frame was on its way already; the messages and the silence after it are kept.
        assert (sum(loud) <= 1) == drops
        assert loud.count(False) >= 2
        assert transport.dropped_frames == 0
        assert [message["type"] for message in socket.text] == ["reply"]
        await transport.aclose()

    run_live(call)


def test_a_client_that_sends_too_fast_is_slowed_down() -> None:
    async def call() -> None:
        socket = FakeSocket()
        transport = WebSocketTransport(socket, WebSocketSettings(ahead_s=0.5))
        for _ in range(100):
            socket.say(b"\0\0" * 1600)  # ten seconds
        await asyncio.sleep(0.3)
        samples = await transport.receive()
        assert samples is not None
        assert 8_000 <= len(samples) <= 16_000
        await transport.aclose()

    run_live(call)


def test_the_end_is_noticed_however_it_comes() -> None:
    async def call() -> None:
        before = await leftovers()
        socket = FakeSocket()
        transport = WebSocketTransport(socket)
        socket.events.put_nowait({"type": "websocket.disconnect", "code": 1006})
        assert await transport.receive() is None
        assert await transport.receive_message() is None
        assert "hung up" in transport.reason
        transport.send({"type": "x"})
        transport.play(Clip())
        await transport.aclose()
        await transport.aclose()
        broken = FakeSocket()
        transport = WebSocketTransport(broken)
        broken.broken = True
        transport.play(Clip())
        assert await asyncio.wait_for(transport.receive(), 1.0) is None
        assert "connection is gone" in transport.reason
        await transport.aclose()
        assert await leftovers() == before

    run_live(call)


def test_a_client_that_sends_nothing_does_not_hold_its_slot() -> None:
    async def call() -> None:
        transport = WebSocketTransport(FakeSocket(), WebSocketSettings(grace_s=0.2))
        assert await transport.receive() is None
        assert "nothing came" in transport.reason
        await transport.aclose()

    run_live(call)
