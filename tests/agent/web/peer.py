"""The other end of the page's calls: an aiortc peer on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack


@dataclass(slots=True)
class Peer:
    """Answers offers with silence, and keeps what the page says on the data channel.

    Attributes
    ----------
    heard : list of mapping
        The page's messages.
    frames : int
        Audio frames that came from the page.
    """

    loop: asyncio.AbstractEventLoop
    heard: list[Mapping[str, Any]] = field(default_factory=list)
    frames: int = 0
    _connections: list[RTCPeerConnection] = field(default_factory=list)
    _channels: list[Any] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def answer(self, offer: Mapping[str, str]) -> dict[str, str]:
        """Answer of ``/api/offer``."""
        answer: dict[str, str] = self._run(self._answer(offer))
        return answer

    def send(self, *messages: Mapping[str, Any]) -> None:
        """Send messages to the page on the newest call's channel."""
        self._run(self._send(messages))

    def drop(self) -> None:
        """Close all connections."""
        self._run(self._close())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _answer(self, offer: Mapping[str, str]) -> dict[str, str]:
        connection = RTCPeerConnection()
        self._connections.append(connection)
        connection.on("datachannel", self._opened)
        connection.on("track", self._heard)
        await connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        connection.addTrack(AudioStreamTrack())
        await connection.setLocalDescription(await connection.createAnswer())
        local = connection.localDescription
        return {"sdp": local.sdp, "type": local.type, "call": "peer"}

    def _opened(self, channel: Any) -> None:
        self._channels.append(channel)
        channel.on("message", lambda text: self.heard.append(json.loads(text)))

    def _heard(self, track: Any) -> None:
        self._tasks.append(self.loop.create_task(self._count(track)))

    async def _count(self, track: Any) -> None:
        with contextlib.suppress(Exception):  # the track ends with the call
            while True:
                await track.recv()
                self.frames += 1

    async def _send(self, messages: tuple[Mapping[str, Any], ...]) -> None:
        async with asyncio.timeout(10):
            while not self._channels:  # the connection is there a moment before its channel
                await asyncio.sleep(0.02)
        for message in messages:
            self._channels[-1].send(json.dumps(message))

    async def _close(self) -> None:
        for connection in self._connections:
            await connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._connections.clear()
        self._channels.clear()
        self._tasks.clear()


@contextlib.contextmanager
def peer() -> Iterator[Peer]:
    """Run a peer; its connections are closed when the block is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Peer(loop)
    try:
        yield running
    finally:
        running.drop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
