"""The outgoing track: audio pulled frame by frame at the moment it is due, as Opus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from turnkit.agent.transport.opus import OPUS_RATE, OpusEncoder
from turnkit.agent.transport.protocol import AudioSource
from turnkit.audio import Samples

FRAME_S = 0.02
"""Seconds of a frame."""

FRAME = round(FRAME_S * OPUS_RATE)
"""Samples of a frame at 48 kHz."""

MAX_LATE_S = 0.06
"""A pacer that is later than this begins anew rather than send a burst."""


class Pacer:
    """Says when each frame is due: every `FRAME_S` of a monotonic clock.

    Small delays are caught up with; after a longer one the missed slots are skipped, so
    that nothing is ever sent in a burst and the slots stay true to the clock.

    Parameters
    ----------
    clock : callable, optional
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start: float | None = None
        self._next = 0
        self.skipped = 0

    async def wait(self) -> int:
        """Sleep until the next slot is due and return its number."""
        if self._start is None:
            self._start = self._clock()
        wait = self.due(self._next) - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)
        elif -wait > MAX_LATE_S:
            slot = int((self._clock() - self._start) / FRAME_S)
            self.skipped += slot - self._next
            self._next = slot
        self._next += 1
        return self._next - 1

    def due(self, slot: int) -> float:
        """When a slot is due, on the pacer's clock."""
        return (self._start or 0.0) + slot * FRAME_S


class OutgoingTrack(MediaStreamTrack):
    """Sends what a source gives, silence before there is one.

    It hands aiortc packets that are encoded already: its own encoder is stereo at
    96 kbit/s, runs in a pool of threads and measures levels in Python.

    Parameters
    ----------
    encoder : OpusEncoder, optional
    sent : callable, optional
        Told for each frame when it was due and what it held.
    """

    kind = "audio"

    def __init__(
        self,
        encoder: OpusEncoder | None = None,
        sent: Callable[[float, Samples], None] | None = None,
    ) -> None:
        super().__init__()
        self.source: AudioSource | None = None
        self.pacer = Pacer()
        self._encoder = encoder or OpusEncoder()
        self._sent = sent
        self._silence = np.zeros(FRAME, dtype=np.float32)

    async def recv(self) -> av.Packet:
        """Next packet, at the moment it is due.

        Raises
        ------
        MediaStreamError
            Once the track has been stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        slot = await self.pacer.wait()
        samples = self._silence if self.source is None else self.source.pull(FRAME)
        if self._sent is not None:
            self._sent(self.pacer.due(slot), samples)
        packet = av.Packet(self._encoder.encode(samples))
        # Skipped slots skip RTP time, too: the listener's clock is that of the pacer.
        packet.pts = slot * FRAME
        packet.time_base = Fraction(1, OPUS_RATE)
        return packet
