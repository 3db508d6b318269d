"""The outgoing track: audio pulled frame by frame at the moment it is due, as Opus."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from turnkit.agent.transport.opus import OPUS_RATE, OpusEncoder
from turnkit.agent.transport.pacing import FRAME_S, Pacer
from turnkit.agent.transport.protocol import AudioSource
from turnkit.audio import Samples

FRAME = round(FRAME_S * OPUS_RATE)
"""Samples of a frame at 48 kHz."""


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

    async def recv(self) -> av.Packet[Any]:
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
