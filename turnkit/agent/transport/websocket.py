"""Calls over a WebSocket: binary PCM and JSON text, for programs rather than browsers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

import numpy as np

from turnkit.agent.transport.inbox import Inbox, MessageGate, as_text
from turnkit.agent.transport.pacing import FRAME_S, Pacer
from turnkit.agent.transport.protocol import HEARD_RATE, AudioSource
from turnkit.agent.transport.settings import WebSocketSettings
from turnkit.audio import Samples

FRAME = round(FRAME_S * HEARD_RATE)
"""Samples of an outgoing frame of 20 ms at 16 kHz."""

GOING_AWAY = 1001
UNSUPPORTED = 1003
TOO_BIG = 1009
"""Close codes of RFC 6455, section 7.4.1."""

_BYTES_PER_S = 2 * HEARD_RATE
_CLOSE_S = 1.0
_REASON_BYTES = 123
_LOG = logging.getLogger(__name__)


class Socket(Protocol):
    """What is used of ``starlette.websockets.WebSocket``, after its ``accept``."""

    async def receive(self) -> MutableMapping[str, Any]:
        """Next ASGI event: ``websocket.receive`` or ``websocket.disconnect``."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame; waits while the client does not read."""
        ...

    async def send_text(self, data: str) -> None:
        """Send a text frame."""
        ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close from this side."""
        ...


class WebSocketTransport:
    """One caller's WebSocket.

    Binary frames hold 16-bit little-endian mono PCM at 16 kHz, both ways; the samples
    received are the call's clock. Outgoing frames of 20 ms leave in real time; those
    that a client does not read in time are dropped, oldest first.

    Parameters
    ----------
    socket : Socket
        Accepted already.
    settings : WebSocketSettings, optional

    Attributes
    ----------
    kind : str
        ``"websocket"``.
    playout_rate : int
        16000 Hz.
    reason : str
        Why the caller is gone, in words; empty before.
    dropped_frames, dropped_messages : int
        What the client did not read in time.
    """

    kind = "websocket"
    playout_rate = HEARD_RATE

    def __init__(self, socket: Socket, settings: WebSocketSettings | None = None) -> None:
        self.reason = ""
        self.dropped_frames = 0
        self.dropped_messages = 0
        self._socket = socket
        self._settings = settings or WebSocketSettings()
        self._loop = asyncio.get_running_loop()
        messages = self._settings.messages
        # A client can only get ahead by `ahead_s`, which is what bounds this one.
        self._audio: Inbox[bytes] = Inbox(1 << 20)
        self._waiting = 0
        self._room = asyncio.Event()
        self._messages: Inbox[dict[str, Any]] = Inbox(messages.backlog)
        self._gate = MessageGate(messages)
        self._frames: deque[bytes] = deque(maxlen=max(1, round(self._settings.queue_s / FRAME_S)))
        self._texts: deque[str] = deque()
        self._to_send = asyncio.Event()
        self._code = 1000
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self._closing: asyncio.Task[None] | None = None

    @property
    def refused_messages(self) -> int:
        """Incoming messages that were dropped: malformed, too long or too many."""
        return self._gate.refused

    async def receive(self) -> Samples | None:
        """All samples that have come from the caller; None once it is gone."""
        parts = await self._audio.take_all()
        if parts is None:
            return None
        pcm = np.frombuffer(b"".join(parts), dtype="<i2")
        self._waiting -= 2 * len(pcm)
        self._room.set()
        return (pcm / np.float32(32768.0)).astype(np.float32)

    def play(self, source: AudioSource) -> None:
        """Begin to send what `source` gives at 16 kHz."""
        if not self._audio.ended and len(self._tasks) == 2:
            self._tasks.append(asyncio.create_task(self._pull(source)))

    def drop_audio(self) -> None:
        """Forget frames that the client has not read yet."""
        self._frames.clear()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; dropped if too many wait already."""
        if self._audio.ended or len(self._texts) >= self._settings.messages.backlog:
            self.dropped_messages += 1
            return
        self._texts.append(as_text(message))
        self._to_send.set()

    async def receive_message(self) -> Mapping[str, Any] | None:
        """Next message from the client; None once it is gone."""
        return await self._messages.take()

    async def _read(self) -> None:
        began, received = self._loop.time(), 0
        while not self._audio.ended:
            try:
                async with asyncio.timeout(self._settings.grace_s):
                    event = await self._socket.receive()
            except TimeoutError:
                self._gone(f"nothing came for {self._settings.grace_s:g} s")
                return
            except Exception as error:  # whatever the server raises, the client is gone
                self._gone(f"the connection broke ({error or type(error).__name__})")
                return
            if event["type"] == "websocket.disconnect":
                self._gone("the caller hung up")
                return
            data = event.get("bytes")
            if data is None:
                self._take_text(event.get("text"))
            elif self._take_audio(data):
                received += len(data)
                await self._keep_pace(received, began)

    async def _keep_pace(self, received: int, began: float) -> None:
        """Read no faster than a caller can speak, nor than the agent listens."""
        ahead = received / _BYTES_PER_S - (self._loop.time() - began)
        if ahead > self._settings.ahead_s:
            await asyncio.sleep(ahead - self._settings.ahead_s)
        while self._waiting > self._settings.ahead_s * _BYTES_PER_S and not self._audio.ended:
            self._room.clear()
            await self._room.wait()

    def _take_audio(self, data: bytes) -> bool:
        limit = self._settings.frame_bytes
        if len(data) > limit:
            self._refuse(TOO_BIG, f"audio frame of {len(data)} bytes; expected at most {limit}")
        elif len(data) % 2:
            self._refuse(
                UNSUPPORTED,
                f"audio frame of {len(data)} bytes; expected 16-bit samples, an even number",
            )
        elif data:
            self._waiting += len(data)
            return self._audio.put(data)
        return False

    def _take_text(self, text: object) -> None:
        message = self._gate.admit(text, self._loop.time())
        if message is not None and not self._messages.put(message):
            self._gate.refused += 1

    def _refuse(self, code: int, problem: str) -> None:
        at_once = {"type": "error", "at": 0, "stage": "transport", "text": problem, "fatal": True}
        self._texts.append(as_text(at_once))
        self._code = code
        self._gone(problem)

    async def _pull(self, source: AudioSource) -> None:
        pacer = Pacer(self._loop.time)
        while not self._audio.ended:
            await pacer.wait()
            samples = source.pull(FRAME)
            pcm = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
            self.dropped_frames += len(self._frames) == self._frames.maxlen
            self._frames.append(pcm.tobytes())
            self._to_send.set()

    async def _write(self) -> None:
        try:
            while not self._audio.ended:
                await self._to_send.wait()
                self._to_send.clear()
                while self._texts or self._frames:
                    if self._texts:
                        await self._socket.send_text(self._texts.popleft())
                    if self._frames:
                        await self._socket.send_bytes(self._frames.popleft())
        except Exception as error:  # whatever the server raises, the client is gone
            self._gone(f"the connection broke ({error or type(error).__name__})")

    def _gone(self, reason: str, discard: bool = False) -> None:
        self.reason = self.reason or reason
        self._audio.end(discard)
        self._messages.end(discard)
        self._room.set()

    async def aclose(self, reason: str = "") -> None:
        """Hang up and free everything; receivers get None. May be called twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str) -> None:
        self._gone(reason or "hung up", discard=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        told = self.reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        # The client may be gone already, or read nothing any more.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                while self._texts:
                    await self._socket.send_text(self._texts.popleft())
                await self._socket.close(self._code, told)
