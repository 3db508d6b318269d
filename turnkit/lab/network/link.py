"""One direction of a network as arithmetic: when a packet that is sent now comes out."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

from turnkit.lab.network.profile import Way

HEADERS = 28
"""Bytes of IPv4's header (RFC 791) and UDP's (RFC 768), which take their share of a rate."""

HELD_BACK_S = 0.03
"""By how much an overtaken packet comes later: more than a frame of audio, 20 ms."""

_SPREAD = 1.0
"""Standard deviation of the logarithm of jitter: its 99th percentile is 4.7 times `jitter_ms`."""

_MEMORY_S = 0.2
"""Seconds after which a queue's length has forgotten itself (correlation of 1 / e)."""

_NORMAL = NormalDist()


class Link:
    """One direction of a network; the same every time.

    What happens to a packet depends on the seed, on the packet and on those before it.
    Losses, jitter and reordering draw from random numbers of their own, so that changing
    one leaves the others as they were.

    A packet waits its turn where there is a rate (one queue, the last one is dropped if it
    would wait too long), may then be lost, and takes the delay and the jitter.

    - Losses come from a chain of two states, one of which loses every packet (E. N.
      Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960).
    - Jitter is log-normal, which has the heavy tail of real queues, and correlated in
      time, as they are (the logarithm is an Ornstein-Uhlenbeck process). It is at least 0;
      a packet never overtakes another but waits for it.
    - Reordering holds a packet back for `HELD_BACK_S`, and others pass.

    Parameters
    ----------
    way : Way
    seed : int
    """

    def __init__(self, way: Way, seed: int) -> None:
        self._way = way
        self._losses = random.Random(f"{seed} loss")
        self._waits = random.Random(f"{seed} jitter")
        self._orders = random.Random(f"{seed} order")
        self._lossy = self._losses.random() < way.loss
        self._free_at = -math.inf
        self._latest = -math.inf
        self._jittered_at = -math.inf
        self._level = 0.0

    def send(self, now_s: float, n_bytes: int) -> tuple[float, ...]:
        """Send a packet.

        Parameters
        ----------
        now_s : float
            On any clock; not before the packet sent last.
        n_bytes : int
            Payload of UDP.

        Returns
        -------
        tuple of float
            When it comes out, on the same clock; empty if it is lost.
        """
        lost, jitter, held = self._loses(), self._jitter(now_s), self._holds()
        left = self._leave(now_s, n_bytes)
        if lost or left is None:
            return ()
        due = max(left + self._way.delay_ms / 1e3 + jitter, self._latest)
        if held:
            return (due + HELD_BACK_S,)
        self._latest = due
        return (due,)

    def _leave(self, now_s: float, n_bytes: int) -> float | None:
        """When the packet's last bit is on its way; None if the queue is full."""
        if self._way.rate_kbps is None:
            return now_s
        turn = max(now_s, self._free_at)
        if turn - now_s > self._way.queue_ms / 1e3:
            return None
        self._free_at = turn + (n_bytes + HEADERS) * 8 / (self._way.rate_kbps * 1e3)
        return self._free_at

    def _loses(self) -> bool:
        lost, draw = self._lossy, self._losses.random()
        loss, burst = self._way.loss, self._way.burst
        if loss in (0.0, 1.0):
            self._lossy = loss == 1.0
        elif lost:
            self._lossy = draw >= 1.0 / burst
        else:
            # In balance, as many bursts begin as end: (1 - loss) * p = loss / burst.
            self._lossy = draw < loss / (burst * (1.0 - loss))
        return lost

    def _jitter(self, now_s: float) -> float:
        step = _NORMAL.inv_cdf(max(self._waits.random(), 1e-12))
        memory = math.exp(-max(0.0, now_s - self._jittered_at) / _MEMORY_S)
        self._level = memory * self._level + math.sqrt(1.0 - memory**2) * step
        self._jittered_at = now_s
        # Of exp(N(m, s)) the standard deviation is exp(m + s^2 / 2) * sqrt(exp(s^2) - 1).
        mean = self._way.jitter_ms / 1e3 / math.sqrt(math.expm1(_SPREAD**2))
        return mean * math.exp(_SPREAD * self._level - _SPREAD**2 / 2)

    def _holds(self) -> bool:
        return self._orders.random() < self._way.reorder
