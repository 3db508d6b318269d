"""Calls over WebRTC: Opus both ways, and messages on a data channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket

from turnkit.agent.transport.aiortc_taps import close_peer, tap_packets
from turnkit.agent.transport.inbox import Inbox, MessageGate, as_text
from turnkit.agent.transport.jitter import JitterBuffer, JitterCounts, Output, Packet
from turnkit.agent.transport.offer import as_ice_servers, check_offer, without_mdns
from turnkit.agent.transport.opus import OPUS_RATE, OpusEncoder, OpusListener, packet_samples
from turnkit.agent.transport.outgoing import OutgoingTrack
from turnkit.agent.transport.protocol import AudioSource
from turnkit.agent.transport.settings import WebRtcSettings
from turnkit.audio import Samples
from turnkit.errors import CallError

CHANNEL = "turnkit"
"""Label of the data channel that carries messages."""

_SENDABLE = 262_144
"""Bytes that may wait in the data channel before messages are dropped."""

_GOODBYE_S = 0.3
_LATE_TIMER_S = 0.03
_MOST_OUTPUTS = 1 << 17
_LOG = logging.getLogger(__name__)
_ABANDONED: set[asyncio.Task[None]] = set()
"""Keeps tasks from being collected before they are done."""


class WebRtcTransport:
    """One caller's peer connection; made by `accept`.

    Incoming packets go through `JitterBuffer` and not through aiortc's, so that the
    sample count is RTP time whatever the network does.

    Attributes
    ----------
    kind : str
        ``"webrtc"``.
    playout_rate : int
        48000 Hz.
    answer_sdp : str
        To be sent to the caller.
    reason : str
        Why the caller is gone, in words; empty before.
    dropped_messages : int
        Messages that could not be sent.
    """

    kind = "webrtc"
    playout_rate = OPUS_RATE

    def __init__(self, settings: WebRtcSettings, ice_servers: Sequence[Mapping[str, Any]]) -> None:
        self.answer_sdp = ""
        self.reason = ""
        self.dropped_messages = 0
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        # An empty list means none; None would mean a public one.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=as_ice_servers(ice_servers)))
        self._track = OutgoingTrack(OpusEncoder(settings.bit_rate, settings.expected_loss))
        self._jitter = JitterBuffer(settings.jitter)
        self._listener = OpusListener()
        self._timer: asyncio.TimerHandle | None = None
        self._deferred = False
        self._audio: Inbox[Output] = Inbox(_MOST_OUTPUTS)
        self._unread = 0
        self._messages: Inbox[dict[str, Any]] = Inbox(settings.messages.backlog)
        self._gate = MessageGate(settings.messages)
        self._channel: RTCDataChannel | None = None
        self._unsent: list[str] = []
        self._watcher: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def accept(
        cls,
        offer_sdp: str,
        ice_servers: Sequence[Mapping[str, Any]] = (),
        settings: WebRtcSettings | None = None,
    ) -> WebRtcTransport:
        """Answer an offer.

        Parameters
        ----------
        offer_sdp : str
            One audio section with Opus, sendrecv, and a data section if messages are
            wanted, with all candidates in it.
        ice_servers : sequence of mapping
            As ``RTCPeerConnection`` takes them: urls, username, credential. Of several
            only the first STUN and the first TURN server are used.
        settings : WebRtcSettings, optional

        Returns
        -------
        WebRtcTransport
            Its `answer_sdp` is complete; the connection is still to come.

        Raises
        ------
        CallError
            If the offer cannot be answered, or not in time; the message says why.
        """
        check_offer(offer_sdp)
        settings = settings or WebRtcSettings()
        transport = cls(settings, ice_servers)
        answering = asyncio.create_task(transport._answer(offer_sdp))
        try:
            await asyncio.wait({answering}, timeout=settings.offer_timeout_s)
        finally:
            if not answering.done():
                transport._abandon(answering)
        if not answering.done():
            raise CallError(
                f"offer: no answer within {settings.offer_timeout_s:g} s; "
                "are the STUN and TURN servers reachable?"
            )
        if (error := answering.exception()) is not None:
            # aiortc raises many kinds of errors for what an SDP may hold.
            await transport.aclose("offer refused")
            raise CallError(f"offer: cannot be answered ({error or type(error).__name__})")
        return transport

    def _abandon(self, answering: asyncio.Task[None]) -> None:
        """Free everything once aioice has ended its search for candidates.

        Its queries to STUN servers would outlive a cancelled search; it ends by itself
        within five seconds.
        """

        async def finish() -> None:
            await asyncio.gather(answering, return_exceptions=True)
            await self.aclose("offer abandoned")

        task = asyncio.create_task(finish())
        _ABANDONED.add(task)
        task.add_done_callback(_ABANDONED.discard)

    @property
    def jitter_counts(self) -> JitterCounts:
        """What became of the incoming packets."""
        return self._jitter.counts

    @property
    def refused_messages(self) -> int:
        """Incoming messages that were dropped: malformed, too long or too many."""
        return self._gate.refused

    async def _answer(self, offer_sdp: str) -> None:
        peer = self._peer
        transceiver = peer.addTransceiver(self._track, direction="sendrecv")
        codecs = RTCRtpReceiver.getCapabilities("audio")
        assert codecs is not None
        transceiver.setCodecPreferences(
            [each for each in codecs.codecs if each.mimeType.lower() == "audio/opus"]
        )
        tap_packets(transceiver.receiver, self._take_packet)
        peer.on("datachannel", self._take_channel)
        peer.on("connectionstatechange", self._state_changed)
        await peer.setRemoteDescription(RTCSessionDescription(without_mdns(offer_sdp), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        self.answer_sdp = peer.localDescription.sdp
        self._watcher = asyncio.create_task(self._watch())

    # audio

    def _take_packet(self, rtp: RtpPacket) -> None:
        packet = Packet(
            rtp.sequence_number, rtp.timestamp, rtp.payload, packet_samples(rtp.payload), rtp.ssrc
        )
        self._pass_on(self._jitter.push(packet, self._loop.time()))

    def _tick(self, deadline: float) -> None:
        self._timer = None
        now = self._loop.time()
        if now - deadline > _LATE_TIMER_S and not self._deferred:
            # The event loop stood still, not the network: first read what has come since.
            self._deferred = True
            self._timer = self._loop.call_later(_LATE_TIMER_S, self._tick, now)
            return
        self._deferred = False
        self._pass_on(self._jitter.tick(now))

    def _pass_on(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self._unread += output.n_samples
            fits = self._unread <= self._settings.backlog_s * OPUS_RATE
            if not (fits and self._audio.put(output)) and not self._audio.ended:
                self._gone(f"more than {self._settings.backlog_s:g} s of audio were not read")
        deadline = self._jitter.deadline()
        if deadline is None or self._audio.ended:
            return
        # A timer that fires too early does no harm, and most would be moved on unfired.
        if self._timer is not None and self._timer.when() > deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._tick, deadline)

    async def receive(self) -> Samples | None:
        """All samples that have come from the caller; None once it is gone."""
        while True:
            outputs = await self._audio.take_all()
            if outputs is None:
                return None
            self._unread -= sum(each.n_samples for each in outputs)
            samples = np.concatenate([self._listener.push(each) for each in outputs])
            if len(samples):
                return samples

    def play(self, source: AudioSource) -> None:
        """Begin to send what `source` gives at 48 kHz; silence was sent until now."""
        self._track.source = source

    def drop_audio(self) -> None:
        """Do nothing: a frame is pulled as it is due and leaves at once."""

    # messages

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._take_message)
        unsent, self._unsent = self._unsent, []
        for text in unsent:
            self._send_text(text)

    def _take_message(self, text: object) -> None:
        message = self._gate.admit(text, self._loop.time())
        if message is not None and not self._messages.put(message):
            self._gate.refused += 1

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; the first ones wait for the channel, later ones may be dropped."""
        self._send_text(as_text(message))

    def _send_text(self, text: str) -> None:
        channel = self._channel
        if self._audio.ended:
            self.dropped_messages += 1
        elif channel is None and len(self._unsent) < self._settings.messages.backlog:
            self._unsent.append(text)
        elif channel is None or channel.readyState != "open" or channel.bufferedAmount > _SENDABLE:
            self.dropped_messages += 1
        else:
            channel.send(text)

    async def receive_message(self) -> Mapping[str, Any] | None:
        """Next message from the page; None once it is gone."""
        return await self._messages.take()

    # coming and going

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        _LOG.debug("connection %s", state)
        if state == "connected":
            self._jitter.begin(self._loop.time())
            self._pass_on([])
        elif state == "failed":
            self._gone("the connection failed")
        elif state == "closed":
            self._gone("the caller hung up")

    def _gone(self, reason: str, discard: bool = False) -> None:
        self.reason = self.reason or reason
        self._audio.end(discard)
        self._messages.end(discard)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _watch(self) -> None:
        """Notice a caller that never comes, or goes without a word."""
        settings = self._settings
        step = min(0.5, settings.grace_s / 8)
        limit = self._loop.time() + settings.connect_timeout_s
        while self._peer.connectionState != "connected":
            await asyncio.sleep(step)
            if self._loop.time() >= limit:
                self._gone(f"no connection within {settings.connect_timeout_s:g} s")
                return
        seen, since = -1, self._loop.time()
        while not self._audio.ended:
            packets = await self._packets_received()
            if packets != seen:
                seen, since = packets, self._loop.time()
            elif self._loop.time() - since >= settings.grace_s - step:
                self._gone(f"nothing came from the caller for {settings.grace_s:g} s")
                return
            await asyncio.sleep(step)

    async def _packets_received(self) -> int:
        stats = await self._peer.getReceivers()[0].getStats()
        return sum(each.packetsReceived for each in stats.values() if each.type == "transport")

    async def aclose(self, reason: str = "") -> None:
        """Hang up and free everything; receivers get None. May be called twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(reason or "hung up"))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str) -> None:
        goodbye = not self._audio.ended
        self._gone(reason, discard=True)
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if goodbye and self._channel is not None:
            await self._drain(self._channel)
        self._track.stop()
        await close_peer(self._peer)
        self._track.source = None

    async def _drain(self, channel: RTCDataChannel) -> None:
        """Give the last messages a moment to leave."""
        until = self._loop.time() + _GOODBYE_S
        while channel.readyState == "open" and channel.bufferedAmount and self._loop.time() < until:
            await asyncio.sleep(0.01)
