"""What a caller hears: packets on a playout clock that runs in real time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from aiortc.rtp import RtpPacket

from turnkit.agent.transport.jitter import RTP_RATE, unwrap
from turnkit.agent.transport.opus import Concealer, OpusDecoder, packet_samples
from turnkit.audio import Samples

_CONCEALED = round(0.1 * RTP_RATE)
_REBASE_AFTER = 10


@dataclass(frozen=True)
class _Heard:
    plays_at: int  # in ticks of the monotonic clock
    payload: bytes
    n_samples: int


class Playout:
    """A listener with a fixed playout delay.

    Playing starts `delay_s` after the arrival of the first packet; from there on a
    packet is played when its timestamp is due, on a clock that never stops. A packet
    that arrives after that moment is lost to the listener. In the first `settle_s` the
    start is moved forward for packets that travelled faster than the first one, whose
    way is often slow; after ten late packets in a row it is moved back, as every real
    jitter buffer would do. Packets are decoded afterwards, in the order of playing.

    Parameters
    ----------
    delay_s : float
    settle_s : float
    """

    def __init__(self, delay_s: float = 0.04, settle_s: float = 1.0) -> None:
        self.late = 0
        self.rebased = 0
        self._delay = delay_s
        self._settle = settle_s
        self._heard: list[_Heard] = []
        self._seen: set[int] = set()
        self._first: float | None = None
        self._start = 0.0
        self._stamp = 0
        self._late_run = 0

    def take(self, rtp: RtpPacket, now: float) -> None:
        """Take a packet that arrived at `now`, in seconds of the monotonic clock."""
        n_samples = packet_samples(rtp.payload)
        if not n_samples:
            return
        if self._first is None:
            self._first, self._stamp = now, rtp.timestamp
            self._start = now + self._delay - rtp.timestamp / RTP_RATE
        stamp = self._stamp = unwrap(rtp.timestamp, self._stamp, 32)
        if stamp in self._seen:
            return
        self._seen.add(stamp)
        soonest = now + self._delay - stamp / RTP_RATE
        if now - self._first <= self._settle:
            self._start = min(self._start, soonest)
        if now > self._start + stamp / RTP_RATE:
            self.late += 1
            self._late_run += 1
            if self._late_run < _REBASE_AFTER:
                return
            self.rebased += 1
            self._start = soonest
        self._late_run = 0
        plays_at = round(self._start * RTP_RATE) + stamp
        self._heard.append(_Heard(plays_at, rtp.payload, n_samples))

    def render(self, origin: float, length_s: float) -> Samples:
        """Return what was heard from `origin` on, as float32 at 48 kHz, shape (n,)."""
        out = np.zeros(round(length_s * RTP_RATE), dtype=np.float32)
        decoder, concealer = OpusDecoder(), Concealer()
        zero = round(origin * RTP_RATE)
        end: int | None = None
        for heard in sorted(self._heard, key=lambda each: each.plays_at):
            at = heard.plays_at - zero
            if end is not None and at > end:
                _place(out, end, concealer.fill(min(at - end, _CONCEALED)))
            samples = decoder.decode(heard.payload, heard.n_samples)
            if samples is None:
                samples = concealer.fill(heard.n_samples)
            else:
                samples = concealer.heard(samples)
            _place(out, at, samples)
            end = at + heard.n_samples
        return out


def _place(out: Samples, at: int, samples: Samples) -> None:
    begin, stop = max(at, 0), min(at + len(samples), len(out))
    if begin < stop:
        out[begin:stop] = samples[begin - at : stop - at]
