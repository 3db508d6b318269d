"""A WebRTC client that speaks recordings and records what it hears, on one clock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from numpy.typing import NDArray

from turnkit.lab.caller.impair import Impair
from turnkit.lab.caller.listening import Playout
from turnkit.lab.caller.microphone import Microphone
from turnkit.agent.transport.aiortc_taps import close_peer, cut_off, tap_packets, tap_sending
from turnkit.agent.transport.inbox import as_text
from turnkit.agent.transport.offer import as_ice_servers
from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.outgoing import OutgoingTrack
from turnkit.agent.transport.protocol import HEARD_RATE
from turnkit.agent.transport.webrtc import CHANNEL
from turnkit.audio import Samples, resample
from turnkit.errors import CallError

Utterance = tuple[float, Samples, int]
"""When to say it in seconds of the microphone's time, samples, and their rate in Hz."""

Signal = Callable[[str], Awaitable[str]]
"""Takes an offer's SDP to the agent and brings the answer's."""


@dataclass(frozen=True)
class Recording:
    """Both sides of a call as the caller had them, on the caller's clock.

    Attributes
    ----------
    sent : ndarray of float32, shape (n,)
        What the microphone picked up, at 16 kHz; a sample stands where it was spoken.
    heard : ndarray of float32, shape (n,)
        What the loudspeaker played, at 16 kHz; a sample stands where it was played.
    sent_at : tuple of float or None
        Second of the recording at which each utterance began; None if it never did.
    messages : tuple of (float, dict)
        Messages from the agent and the second at which they came.
    playout_delay_s : float
        Part of what lies between sending and hearing that the listener added.
    late : int
        Packets that came too late to be played.
    """

    sent: Samples
    heard: Samples
    sent_at: tuple[float | None, ...]
    messages: tuple[tuple[float, dict[str, Any]], ...]
    playout_delay_s: float
    late: int


class Caller:
    """One software caller.

    Parameters
    ----------
    utterances : iterable of (float, ndarray, int), optional
        What to say and when; more can be said at any time with `say`.
    playout_delay_s : float, optional
        See `turnkit.lab.caller.listening.Playout`.
    impair : callable, optional
        What the network does to outgoing RTP packets; see `Impairment`.
    floor_db : float, optional
        Level of the microphone's noise.
    ice_servers : sequence of mapping, optional
        As browsers take them.
    seed : int, optional
        Of the noise.
    """

    def __init__(
        self,
        utterances: Iterable[Utterance] = (),
        *,
        playout_delay_s: float = 0.04,
        impair: Impair | None = None,
        floor_db: float = -75.0,
        ice_servers: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
    ) -> None:
        self._microphone = Microphone(floor_db, seed)
        for start_s, samples, rate in utterances:
            self._microphone.add(start_s, samples, rate)
        self._track = OutgoingTrack(sent=self._microphone.sent)
        self._track.source = self._microphone
        self._playout = Playout(playout_delay_s)
        self._playout_delay_s = playout_delay_s
        self._impair = impair
        self._packets = 0
        self._delayed: set[asyncio.Task[None]] = set()
        self._messages: list[tuple[float, dict[str, Any]]] = []
        self._peer = RTCPeerConnection(
            RTCConfiguration(as_ice_servers(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._changed = asyncio.Event()
        self._origin = time.monotonic()
        self._ended: float | None = None

    @property
    def state(self) -> str:
        """Return aiortc's connection state."""
        return self._peer.connectionState

    @property
    def remaining_s(self) -> float:
        """Seconds until everything has been said."""
        return self._microphone.remaining_s

    @property
    def messages(self) -> Sequence[tuple[float, dict[str, Any]]]:
        """What the agent has told so far, with the second at which it came."""
        return self._messages

    def now(self) -> float:
        """Seconds on the clock of the recording."""
        return time.monotonic() - self._origin

    async def connect(self, signal: Signal, timeout_s: float = 15.0) -> None:
        """Call the agent.

        Parameters
        ----------
        signal : coroutine function
            Takes the offer to the agent and returns its answer.
        timeout_s : float, optional

        Raises
        ------
        CallError
            If no connection comes about in time. What `signal` raises goes through.
        """
        peer = self._peer
        transceiver = peer.addTransceiver(self._track, direction="sendrecv")
        tap_packets(transceiver.receiver, lambda rtp: self._playout.take(rtp, time.monotonic()))
        if self._impair is not None:
            tap_sending(transceiver.sender, self._through)
        self._channel = peer.createDataChannel(CHANNEL)
        self._channel.on("message", self._take_message)
        self._channel.on("open", self._changed.set)
        peer.on("connectionstatechange", self._changed.set)
        await peer.setLocalDescription(await peer.createOffer())
        answer = await signal(peer.localDescription.sdp)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected()
        except TimeoutError as error:
            raise CallError(f"no connection to the agent within {timeout_s:g} s") from error

    async def _connected(self) -> None:
        while self._channel.readyState != "open" or self.state != "connected":
            if self.state in ("failed", "closed"):
                raise CallError(f"the connection to the agent {self.state}")
            self._changed.clear()
            await self._changed.wait()

    async def _through(self, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
        assert self._impair is not None
        delays = self._impair(self._packets, data)
        self._packets += 1
        for delay in delays:
            if delay <= 0.0:
                await send(data)
                continue
            task = asyncio.create_task(_send_later(delay, data, send))
            self._delayed.add(task)
            task.add_done_callback(self._delayed.discard)

    def say(self, samples: Samples, rate: int) -> int:
        """Say something now; return its index in `Recording.sent_at`."""
        return self._microphone.add(None, samples, rate)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the agent.

        Raises
        ------
        CallError
            If there is no connection.
        """
        if self._channel.readyState != "open":
            raise CallError("no connection to the agent: cannot send a message")
        self._channel.send(as_text(message))

    def _take_message(self, text: object) -> None:
        message = json.loads(text) if isinstance(text, str) else None
        if isinstance(message, dict):
            self._messages.append((self.now(), message))

    def recording(self) -> Recording:
        """Both sides of the call until now, or until it was closed.

        Decodes and resamples everything, about 15 ms per second of call: close it first
        if the agent runs in the same process.
        """
        length = self.now() if self._ended is None else self._ended
        sent = _lay(self._microphone.frames, self._origin, length)
        heard = self._playout.render(self._origin, length)
        return Recording(
            sent=resample(sent, OPUS_RATE, HEARD_RATE),
            heard=resample(heard, OPUS_RATE, HEARD_RATE),
            sent_at=tuple(
                None if each is None else each - self._origin for each in self._microphone.sent_at
            ),
            messages=tuple(self._messages),
            playout_delay_s=self._playout_delay_s,
            late=self._playout.late,
        )

    async def vanish(self) -> None:
        """Be gone without a goodbye, as when a phone loses its network."""
        cut_off(self._peer)
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up and free everything. May be called twice."""
        if self._ended is None:
            self._ended = self.now()
        for task in self._delayed:
            task.cancel()
        await asyncio.gather(*self._delayed, return_exceptions=True)
        self._track.stop()
        await close_peer(self._peer)


async def _send_later(delay: float, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
    await asyncio.sleep(delay)
    with contextlib.suppress(ConnectionError):
        await send(data)


def _lay(
    frames: Sequence[tuple[float, NDArray[np.int16]]], origin: float, length_s: float
) -> Samples:
    """Lay frames out on the clock, at 48 kHz."""
    out = np.zeros(round(length_s * OPUS_RATE), dtype=np.float32)
    for start, samples in frames:
        at = round((start - origin) * OPUS_RATE)
        begin, stop = max(at, 0), min(at + len(samples), len(out))
        if begin < stop:
            out[begin:stop] = samples[begin - at : stop - at] / np.float32(32767.0)
    return out
