"""What a caller hears: packets on a playout clock that runs in real time."""

from __future__ import annotations

import heapq
import math

import numpy as np
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from turnkit.agent.transport.jitter import RTP_RATE, unwrap
from turnkit.agent.transport.opus import Concealer, OpusDecoder, packet_samples
from turnkit.audio import Samples
from turnkit.lab.caller.ears import Ears

_CONCEALED = round(0.1 * RTP_RATE)
_REBASE_AFTER = 10
_HASTEN_AFTER_S = 2.0
_HASTEN_BY_S = 0.005
_SCALE = np.float32(32768.0)


class Playout:
    """A listener with a fixed playout delay.

    Playing starts `delay_s` after the arrival of the first packet; from there on a
    packet is played when its timestamp is due, on a clock that never stops. A packet
    that arrives after that moment is lost to the listener. In the first `settle_s` the
    start is moved forward for packets that travelled faster than the first one, whose
    way is often slow; after ten late packets in a row it is moved back, and after two
    seconds in which every packet came too early it is moved forward again, as every real
    jitter buffer would do. Packets are decoded when they are due, in the order of
    playing, and only once.

    Parameters
    ----------
    delay_s : float
    settle_s : float

    Attributes
    ----------
    ears : Ears
        Know what has been played up to the last `take` or `advance`.
    late : int
        Packets that came too late to be played.
    rebased, hastened : int
        How often the start was moved back, and forward.
    """

    def __init__(self, delay_s: float = 0.03, settle_s: float = 1.0) -> None:
        self.ears = Ears()
        self.late = 0
        self.rebased = 0
        self.hastened = 0
        self._delay = delay_s
        self._settle = settle_s
        self._waiting: list[tuple[int, int, bytes, int]] = []
        self._count = 0
        self._played: list[tuple[int, NDArray[np.int16]]] = []
        self._decoder, self._concealer = OpusDecoder(), Concealer()
        self._end: int | None = None
        self._seen: set[int] = set()
        self._first: float | None = None
        self._start = 0.0
        self._stamp = 0
        self._late_run = 0
        self._least_slack = math.inf
        self._window_ends = 0.0

    def take(self, rtp: RtpPacket, now: float) -> None:
        """Take a packet that arrived at `now`, in seconds of a monotonic clock."""
        plays_at = self._due(rtp, now)
        if plays_at is not None:
            # The count keeps packets that are due at once in the order of arrival.
            self._count += 1
            entry = (plays_at, self._count, rtp.payload, packet_samples(rtp.payload))
            heapq.heappush(self._waiting, entry)
        self.advance(now)

    def _due(self, rtp: RtpPacket, now: float) -> int | None:
        """When a packet is to be played, in ticks; None if it never is."""
        if not packet_samples(rtp.payload):
            return None
        if self._first is None:
            self._first, self._stamp = now, rtp.timestamp
            self._start = now + self._delay - rtp.timestamp / RTP_RATE
        stamp = self._stamp = unwrap(rtp.timestamp, self._stamp, 32)
        if stamp in self._seen:
            return None
        self._seen.add(stamp)
        soonest = now + self._delay - stamp / RTP_RATE
        if now - self._first <= self._settle:
            self._hasten(self._start - soonest, now)
        elif (early := self._early(stamp, now)) > _HASTEN_BY_S:
            self.hastened += 1
            self._hasten(early, now)
        if now > self._start + stamp / RTP_RATE:
            self.late += 1
            self._late_run += 1
            if self._late_run < _REBASE_AFTER:
                return None
            self.rebased += 1
            self._start, self._least_slack = soonest, math.inf
        self._late_run = 0
        return round(self._start * RTP_RATE) + stamp

    def _early(self, stamp: int, now: float) -> float:
        """By how much every packet of a window came too early; 0 while it is not over."""
        if now < self._window_ends:
            self._least_slack = min(self._least_slack, self._start + stamp / RTP_RATE - now)
            return 0.0
        early, self._least_slack = self._least_slack - self._delay, math.inf
        self._window_ends = now + _HASTEN_AFTER_S
        return early if math.isfinite(early) else 0.0

    def _hasten(self, by_s: float, now: float) -> None:
        """Play everything earlier; what would be over by now is left out."""
        if by_s <= 0.0:
            return
        self._start -= by_s
        earlier = round(by_s * RTP_RATE)
        moved = [(each[0] - earlier, *each[1:]) for each in self._waiting]
        self._waiting = [each for each in moved if each[0] + each[3] > now * RTP_RATE]

    def advance(self, now: float) -> None:
        """Play what is due until `now`.

        What arrives later is due later, so that nothing can come before what was played.
        """
        until = now * RTP_RATE
        while self._waiting and self._waiting[0][0] <= until:
            plays_at, _, payload, n_samples = heapq.heappop(self._waiting)
            self._play(plays_at, payload, n_samples)

    def _play(self, at: int, payload: bytes, n_samples: int) -> None:
        if self._end is not None and at > self._end:
            self._place(self._end, self._concealer.fill(min(at - self._end, _CONCEALED)))
        samples = self._decoder.decode(payload, n_samples)
        if samples is None:
            samples = self._concealer.fill(n_samples)
        else:
            samples = self._concealer.heard(samples)
        self._place(at, samples)
        self._end = at + n_samples

    def _place(self, at: int, samples: Samples) -> None:
        self.ears.hear(at / RTP_RATE, samples)
        whole = np.clip(np.rint(samples * _SCALE), -32_768, 32_767)
        self._played.append((at, whole.astype(np.int16)))

    def render(self, origin: float, length_s: float) -> Samples:
        """Return what was heard from `origin` on, as float32 at 48 kHz, shape (n,)."""
        self.advance(origin + length_s)
        out = np.zeros(round(length_s * RTP_RATE), dtype=np.float32)
        zero = round(origin * RTP_RATE)
        for plays_at, samples in self._played:
            place(out, plays_at - zero, samples)
        out /= _SCALE
        return out


def place(out: Samples, at: int, samples: NDArray[np.int16]) -> None:
    """Lay a piece over a track, as far as it lies in it."""
    begin, stop = max(at, 0), min(at + len(samples), len(out))
    if begin < stop:
        out[begin:stop] = samples[begin - at : stop - at]
