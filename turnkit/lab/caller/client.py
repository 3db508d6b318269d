"""A WebRTC client that speaks recordings and records what it hears, on one clock."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket

from turnkit.agent.transport.aiortc_taps import close_peer, cut_off, tap_packets
from turnkit.agent.transport.inbox import as_text
from turnkit.agent.transport.offer import as_ice_servers
from turnkit.agent.transport.opus import OPUS_RATE
from turnkit.agent.transport.outgoing import OutgoingTrack
from turnkit.agent.transport.protocol import HEARD_RATE
from turnkit.agent.transport.webrtc import CHANNEL
from turnkit.audio import Samples, resample
from turnkit.errors import CallError, TurnkitError
from turnkit.lab.caller.ears import PAUSE_S, Ears
from turnkit.lab.caller.line import Line
from turnkit.lab.caller.listening import Playout
from turnkit.lab.caller.microphone import Microphone
from turnkit.lab.caller.recording import Recording, lay_frames
from turnkit.lab.records import Ping

Utterance = tuple[float, Samples, int]
"""When to say it in seconds of the microphone's time, samples, and their rate in Hz."""

Signal = Callable[[str], Awaitable[str]]
"""Takes an offer's SDP to the agent and brings the answer's."""

PLAYOUT_DELAY_S = 0.03
"""What the jitter buffer of a Chromium browser adds on a good line (32 ms, measured)."""

SILENT_LINE_S = 5.0
"""Who gets no packet for so long has lost the connection."""


class Caller:
    """One software caller.

    Its clock begins when it is made; all times are seconds of that.

    Parameters
    ----------
    utterances : iterable of (float, ndarray, int), optional
        What to say and when; more can be said at any time with `say`.
    playout_delay_s : float, optional
        See `turnkit.lab.caller.listening.Playout`.
    line : Line, optional
        A telephone line between this caller and its packets, both ways.
    floor_db : float, optional
        Level of the microphone's noise.
    ice_servers : sequence of mapping, optional
        As browsers take them.
    seed : int, optional
        Of the noise.
    ping_s : float, optional
        Seconds from one exchange of clocks to the next; 0 for none.
    """

    def __init__(
        self,
        utterances: Iterable[Utterance] = (),
        *,
        playout_delay_s: float = PLAYOUT_DELAY_S,
        line: Line | None = None,
        floor_db: float = -75.0,
        ice_servers: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
        ping_s: float = 1.0,
    ) -> None:
        self._microphone = Microphone(floor_db, seed, line)
        for start_s, samples, rate in utterances:
            self._microphone.add(start_s, samples, rate)
        self._track = OutgoingTrack(sent=self._microphone.sent)
        self._track.source = self._microphone
        self._playout = Playout(playout_delay_s)
        self._playout_delay_s = playout_delay_s
        self._line = line
        self._ping_s = ping_s
        self._messages: list[tuple[float, dict[str, Any]]] = []
        self._pings: list[Ping] = []
        self._pinging: asyncio.Task[None] | None = None
        self._peer = RTCPeerConnection(
            RTCConfiguration(as_ice_servers(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._changed = asyncio.Event()
        self._origin = time.monotonic()
        self._last_packet = 0.0
        self._ended: float | None = None

    @property
    def state(self) -> str:
        """Return aiortc's connection state."""
        return self._peer.connectionState

    @property
    def gone(self) -> str:
        """Why there is no agent any more, in words; empty while there is one."""
        if self.state == "closed":
            return "the agent hung up" if self._ended is None else "the caller hung up"
        if self.state == "failed":
            return "the connection to the agent failed"
        if self.now() - self._last_packet > SILENT_LINE_S:
            return f"nothing came from the agent for {SILENT_LINE_S:g} s"
        return ""

    @property
    def remaining_s(self) -> float:
        """Seconds until everything has been said."""
        return self._microphone.remaining_s

    @property
    def messages(self) -> Sequence[tuple[float, dict[str, Any]]]:
        """What the agent has told so far, with the second at which it came, without pongs."""
        return self._messages

    @property
    def pings(self) -> Sequence[Ping]:
        """Exchanges of clocks so far, about one a second; none if the agent answers none."""
        return self._pings

    @property
    def ears(self) -> Ears:
        """What has been played until now, on this caller's clock."""
        self._playout.advance(self.now())
        return self._playout.ears

    def silent_for(self) -> float:
        """Seconds since the agent was last audible; infinite if it never was."""
        return self.ears.silent_for(self.now())

    def audible_for(self, pause_s: float = PAUSE_S) -> float:
        """Seconds since the agent began to speak, over breaks shorter than `pause_s`."""
        return self.ears.audible_for(self.now(), pause_s)

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
            If no connection comes about in time, or the answer cannot be used. What
            `signal` raises goes through.
        """
        peer = self._peer
        transceiver = peer.addTransceiver(self._track, direction="sendrecv")
        tap_packets(transceiver.receiver, self._take_packet)
        self._channel = peer.createDataChannel(CHANNEL)
        self._channel.on("message", self._take_message)
        self._channel.on("open", self._changed.set)
        peer.on("connectionstatechange", self._changed.set)
        await peer.setLocalDescription(await peer.createOffer())
        answer = await signal(peer.localDescription.sdp)
        try:
            async with asyncio.timeout(timeout_s):
                await self._accept(answer)
                await self._connected()
        except TimeoutError as error:
            raise CallError(f"no connection to the agent within {timeout_s:g} s") from error
        self._last_packet = self.now()
        if self._ping_s > 0.0:
            self._pinging = asyncio.create_task(self._ping())

    async def _accept(self, answer: str) -> None:
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except (TurnkitError, TimeoutError):
            raise
        except Exception as error:  # aiortc raises many kinds for what an SDP may hold
            problem = error or type(error).__name__
            raise CallError(f"the agent's answer cannot be used ({problem})") from error

    async def _connected(self) -> None:
        while self._channel.readyState != "open" or self.state != "connected":
            if self.state in ("failed", "closed"):
                raise CallError(f"the connection to the agent {self.state}")
            self._changed.clear()
            await self._changed.wait()

    def _take_packet(self, rtp: RtpPacket) -> None:
        self._last_packet = self.now()
        self._playout.take(rtp, self._last_packet)

    async def _ping(self) -> None:
        while True:
            with suppress(CallError):  # gone for a moment, or for good
                self.send({"type": "ping", "sent": self.now()})
            await asyncio.sleep(self._ping_s)

    def say(self, samples: Samples, rate: int, floor: Samples | None = None) -> int:
        """Say something now; return its index in `Recording.sent_at`.

        `floor` is what the microphone goes on with until the next sound.
        """
        return self._microphone.add(None, samples, rate, floor)

    def moment(self, index: int, offset_s: float) -> float | None:
        """When a moment of an utterance was spoken; None if it was not.

        Parameters
        ----------
        index : int
            As `say` returned it.
        offset_s : float
            Seconds of the utterance.
        """
        at = self._microphone.moment(index, offset_s)
        return None if at is None else at - self._origin

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
        came = self.now()
        try:
            message = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if message.get("type") != "pong":
            self._messages.append((came, message))
            return
        sent, at = message.get("sent"), message.get("at")
        if isinstance(sent, int | float) and isinstance(at, int | float):
            self._pings.append(Ping(float(sent), came, float(at)))

    def recording(self) -> Recording:
        """Both sides of the call until now, or until it was closed.

        Resamples everything, about 3 ms per second of call: close it first, and do this
        in a thread if other calls go on.
        """
        length = self.now() if self._ended is None else self._ended
        sent = lay_frames(self._microphone.frames, self._origin, length)
        heard = resample(self._playout.render(0.0, length), OPUS_RATE, HEARD_RATE)
        return Recording(
            sent=resample(sent, OPUS_RATE, HEARD_RATE),
            heard=heard if self._line is None else self._line.hear(heard),
            sent_at=tuple(
                None if each is None else each - self._origin for each in self._microphone.sent_at
            ),
            messages=tuple(self._messages),
            playout_delay_s=self._playout_delay_s,
            late=self._playout.late,
            skipped=self._track.pacer.skipped,
            pings=tuple(self._pings),
        )

    async def vanish(self) -> None:
        """Be gone without a goodbye, as when a phone loses its network."""
        cut_off(self._peer)
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up and free everything. May be called twice."""
        if self._ended is None:
            self._ended = self.now()
        if self._pinging is not None:
            self._pinging.cancel()
        self._track.stop()
        await close_peer(self._peer)
